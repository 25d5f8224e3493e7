//! stub
use crate::plugins::Installed;
use crate::runtime::prepare::Prepared;
use crate::runtime::workload::{Workload, WorkloadId};
use std::sync::Arc;
pub struct Handlers;
impl Handlers {
    pub fn of(_: &Workload, _: &[Arc<Prepared<Installed>>], _: Arc<Installed>) -> crate::error::Result<Self> {
        Ok(Handlers)
    }
    pub fn subscribe(&self, _: WorkloadId) {}
}
