//! The WIT that a build needs: what the project's settings mean for the room that fetches it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{BuildOptions, WitFetch};
use crate::error::Result;
use crate::progress::Progress;
use crate::project::Project;
use crate::wit;

/// What of the run matters for WIT.
#[derive(Clone, Copy, Debug)]
pub struct WitSurroundings<'a> {
    /// The folder of wash's cache.
    pub cache: &'a Path,
    pub env: &'a BTreeMap<String, String>,
    pub interactive: bool,
    pub offline: bool,
    pub locking: wit::Locking,
}

/// What a project's settings say about its WIT.
pub fn wit_options(project: &Project, around: WitSurroundings<'_>) -> wit::Options {
    let settings = &project.settings.wit;
    wit::Options {
        root: project.root.clone(),
        folder: plain(&project.root.join(&settings.wit_dir)),
        cache: around.cache.to_path_buf(),
        sources: settings.sources.clone(),
        registries: settings
            .registries
            .iter()
            .map(|registry| wit::Registry { url: registry.url.clone(), token: registry.token.clone() })
            .collect(),
        env: around.env.clone(),
        interactive: around.interactive,
        offline: around.offline,
        locking: around.locking,
    }
}

/// `./wit` and `wit/` are both `wit` in messages.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Fetches what is missing; whether anything was.
pub(super) async fn fetch(project: &Project, opts: &BuildOptions, progress: &dyn Progress) -> Result<bool> {
    let locking = match opts.wit {
        WitFetch::Skipped => return Ok(false),
        WitFetch::Locked => wit::Locking::Locked,
        WitFetch::Missing if project.settings.wit.skip_fetch => return Ok(false),
        WitFetch::Missing => wit::Locking::Updated,
    };
    let around = WitSurroundings {
        cache: &opts.cache,
        env: &opts.env,
        interactive: opts.interactive,
        offline: opts.offline,
        locking,
    };
    let fetched = wit::ensure(&wit_options(project, around), progress)
        .await
        .map_err(|error| error.hint("to build with what is there: --skip-fetch, or `wit: {skip_fetch: true}`"))?;
    let Some(report) = fetched else { return Ok(false) };
    if !report.changed.is_empty() {
        progress.status(
            "Fetched",
            &format!("{} WIT packages into `{}/deps`", report.packages.len(), project.settings.wit.wit_dir),
        );
    }
    Ok(true)
}
