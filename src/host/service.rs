//! The service of a workload: made ready with it, started when it is activated, and left alone by
//! versions of the workload that bring the same service.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::plugins::Installed;
use crate::runtime::callee::{Callees, Misfit};
use crate::runtime::network::loopback::{Loopback, STARTING};
use crate::runtime::observer::ServiceRecord;
use crate::runtime::prepare::Prepared;
use crate::runtime::service::{Running, ServiceComponent};
use crate::runtime::workload::{HostInterface, LocalResources, Service, Volume, Workload};

use super::link::{Problem, Unmet};

/// A service that can be started.
pub struct ReadyService {
    component: Arc<ServiceComponent<Installed>>,
    callees: Arc<Callees<Installed>>,
    key: Arc<Key>,
}

/// Everything that a service depends on; one with the same goes on instead of being started again.
#[derive(PartialEq)]
struct Key {
    name: Arc<str>,
    digest: String,
    local: LocalResources,
    max_restarts: u64,
    host_interfaces: Vec<HostInterface>,
    volumes: Vec<Volume>,
    /// Capabilities and ways out.
    surroundings: String,
}

impl ReadyService {
    /// Finds out how the service is run. `surroundings` names what it depends on beside its workload.
    pub fn new(
        workload: &Workload,
        service: &Service,
        prepared: Arc<Prepared<Installed>>,
        callees: Arc<Callees<Installed>>,
        surroundings: &str,
        generation: u64,
    ) -> Result<Self> {
        let name = prepared.name.clone();
        let component = ServiceComponent::new(prepared, service.max_restarts, generation).map_err(|reason| {
            Error::failed(format!("`{name}` cannot run as a service: {reason}")).hint(
                "export `wasi:cli/run`, as a program with a `main` does, or one interface with one function \
                     that needs no arguments",
            )
        })?;
        let key = Key {
            name,
            digest: service.component.digest.clone(),
            local: service.component.local.clone(),
            max_restarts: service.max_restarts,
            host_interfaces: workload.host_interfaces.clone(),
            volumes: workload.volumes.clone(),
            surroundings: surroundings.into(),
        };
        Ok(ReadyService { component: Arc::new(component), callees, key: Arc::new(key) })
    }
}

/// An import of a service that a component does not satisfy, for the report.
pub fn unmet(service: &str, misfit: Misfit) -> Unmet {
    let problem = Problem::OtherComponent { name: misfit.component, reason: misfit.reason };
    Unmet { component: service.to_string(), import: misfit.import, problem }
}

/// Where a workload's service runs, and its network, for as long as the workload.
#[derive(Default)]
pub struct Place {
    pub network: Arc<Loopback>,
    active: Mutex<Option<Active>>,
}

struct Active {
    running: Running,
    callees: Arc<Callees<Installed>>,
    key: Arc<Key>,
}

impl Place {
    /// Gets everything ready for this service, which [`Place::activate`] will start: the one before
    /// finishes with the connections that it has accepted, and all others wait for the new one. If it is the same, it goes
    /// on and calls other components.
    pub fn make_room(&self, ready: Option<&ReadyService>) {
        let active = self.lock();
        match (&*active, ready) {
            (Some(active), Some(ready)) if active.key == ready.key => active.callees.replace(&ready.callees),
            (before, ready) => {
                if ready.is_some() {
                    self.network.expect(STARTING);
                }
                // Before it hears of it: what it leaves behind when it ends is lost.
                self.network.evict();
                if ready.is_none() {
                    self.network.forsake();
                }
                if let Some(before) = before {
                    before.running.tell_to_make_room();
                }
            }
        }
    }

    /// Runs this service from now on, instead of the one before.
    pub fn activate(&self, ready: Option<&ReadyService>) {
        let mut active = self.lock();
        let Some(ready) = ready else {
            *active = None;
            return;
        };
        if active.as_ref().is_some_and(|active| active.key == ready.key) {
            return;
        }
        let before = active.take().map(|active| active.running);
        *active = Some(Active {
            running: Running::start(ready.component.clone(), self.network.clone(), before),
            callees: ready.callees.clone(),
            key: ready.key.clone(),
        });
    }

    /// How the service is; `None`: there is none.
    pub fn status(&self) -> Option<ServiceRecord> {
        self.lock().as_ref().map(|active| active.running.status())
    }

    /// Stops the service, and waits for its end for this long at most. Returns whether none runs any
    /// more.
    pub async fn stop(&self, patience: Duration) -> bool {
        let active = self.lock().take();
        let ended = match active {
            Some(active) => active.running.stop(patience).await,
            None => true,
        };
        // Nobody takes its place.
        self.network.expect_nothing();
        ended
    }

    fn lock(&self) -> MutexGuard<'_, Option<Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
