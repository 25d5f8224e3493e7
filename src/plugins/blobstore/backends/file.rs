//! stub
use std::sync::Arc;
pub struct Folder;
impl Folder {
    pub fn open(_: &std::path::Path) -> crate::error::Result<Arc<super::memory::Memory>> {
        Err(crate::error::Error::failed("not supported yet: `wasi_blobstore_path`"))
    }
}
