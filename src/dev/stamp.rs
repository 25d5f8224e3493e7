//! Remembers which component belongs to which sources, so that a restart on unchanged sources
//! serves at once. The build is run nevertheless; it has the last word.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::assemble::Binary;
use crate::component;
use crate::project::Project;

/// A build that ended well.
#[derive(Serialize, Deserialize)]
struct Stamp {
    /// Of names and contents of the sources, and of the settings that decide the build.
    sources: String,
    artifact: PathBuf,
    digest: String,
}

/// Where stamps are kept: one file a project folder.
pub struct Stamps {
    folder: PathBuf,
}

impl Stamps {
    /// Keeps stamps below wash's cache folder.
    pub fn in_cache(cache: &Path) -> Self {
        Stamps { folder: cache.join("dev") }
    }

    /// Remembers a build. Failing to is no failure: the next start is slower.
    pub fn remember(&self, project: &Project, fingerprint: u64, artifact: &Path, digest: &str) {
        let stamp = Stamp {
            sources: sources(project, fingerprint),
            artifact: artifact.to_path_buf(),
            digest: digest.to_string(),
        };
        let written = serde_json::to_vec(&stamp).map_err(std::io::Error::other).and_then(|text| {
            fs::create_dir_all(&self.folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            std::io::Write::write_all(&mut file, &text)?;
            file.persist(self.file(project)).map_err(|error| error.error)?;
            Ok(())
        });
        if let Err(error) = written {
            tracing::debug!("the build was not remembered: {error}");
        }
    }

    /// The component of an earlier build of exactly these sources, if it is still there, unchanged.
    pub fn recall(&self, project: &Project, fingerprint: u64) -> Option<Binary> {
        let stamp: Stamp = serde_json::from_slice(&fs::read(self.file(project)).ok()?).ok()?;
        if stamp.sources != sources(project, fingerprint) {
            return None;
        }
        let bytes = fs::read(&stamp.artifact).ok()?;
        (component::digest(&bytes) == stamp.digest).then(|| Binary { bytes: bytes.into(), digest: stamp.digest })
    }

    fn file(&self, project: &Project) -> PathBuf {
        let name = component::digest(project.root.as_os_str().as_encoded_bytes());
        self.folder.join(format!("{}.json", name.trim_start_matches("sha256:")))
    }
}

fn sources(project: &Project, fingerprint: u64) -> String {
    let dev = &project.settings.dev;
    let decides = (&project.settings.build, &dev.command, &dev.component_path);
    let settings = serde_json::to_string(&decides).unwrap_or_default();
    format!("{} {fingerprint:016x} {}", env!("CARGO_PKG_VERSION"), component::digest(settings.as_bytes()))
}
