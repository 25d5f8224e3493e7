//! Finding a newer release of wash, and putting it in the place of the running program.
//!
//! [`releases`] asks GitHub, [`choice`] decides by the rules of semantic versioning which release is
//! wanted, [`install`] downloads, checks and replaces. Nobody asks for a newer release unless the user
//! does: no other command comes here.

mod choice;
mod install;
mod releases;

use std::path::{Path, PathBuf};

use semver::Version;
use serde::Serialize;

pub use choice::Allow;
pub use releases::{Repository, Token};

use crate::error::{Error, Result};
use crate::progress::Progress;

/// The platform that this program was built for: releases have a file `wash-TARGET` for each.
pub const TARGET: &str = env!("WASH_TARGET");
/// Where releases come from, unless the user says otherwise.
pub const REPOSITORY: &str = "wasm-shell/wash";

/// What to update, to what.
pub struct Options {
    /// Where the releases are.
    pub repository: Repository,
    /// For private repositories, and for more requests an hour.
    pub token: Option<Token>,
    /// How far the version may move.
    pub allow: Allow,
    /// Install the newest release although it is the current one.
    pub force: bool,
    /// Only tell.
    pub dry_run: bool,
    /// The version that runs.
    pub current: Version,
    /// The file that runs; a link stays a link.
    pub program: PathBuf,
}

/// What was found, and done.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version that runs.
    pub current: String,
    /// The newest release that the flags allow; `None` if there is none for anybody.
    pub newest: Option<String>,
    /// A newer release that the flags do not allow.
    pub held_back: Option<String>,
    /// Whether the program was replaced.
    pub updated: bool,
    /// Whether it would be, or was: `newest` is another one than `current`, or was forced.
    pub wanted: bool,
    /// The file of the program.
    pub program: PathBuf,
    /// The file of the release for this platform.
    pub asset: Option<String>,
    /// The page with what is new.
    pub notes: Option<String>,
}

/// Looks for a newer release, and installs it.
///
/// Errors: no answer, no such repository, no file for this platform, a wrong checksum, a release that
/// does not run here, a folder that cannot be written. The program is as it was then.
pub async fn update(opts: &Options, progress: &dyn Progress) -> Result<Report> {
    let program = opts.program.canonicalize().unwrap_or_else(|_| opts.program.clone());
    let client = releases::Client::new(&opts.repository, opts.token.clone())?;
    let all = {
        let _busy = progress.busy("Asking for releases");
        client.list().await?
    };
    let choice = choice::choose(&opts.current, all.iter().map(|release| &release.version), opts.allow);
    let release = choice.newest.and_then(|version| all.iter().find(|release| release.version == version));
    let wanted = release.is_some_and(|release| release.version > opts.current || opts.force);
    let mut report = Report {
        current: opts.current.to_string(),
        newest: release.map(|release| release.version.to_string()),
        held_back: choice.held_back.map(|version| version.to_string()),
        updated: false,
        wanted,
        program: program.clone(),
        asset: None,
        notes: release.map(|release| release.page.clone()),
    };
    let Some(release) = release.filter(|_| wanted) else { return Ok(report) };
    let file = release.file(TARGET)?;
    report.asset = Some(file.name.clone());
    if opts.dry_run {
        return Ok(report);
    }
    refuse_what_others_manage(&program)?;
    install::install(&client, release, file, &program, &opts.current, progress).await?;
    report.updated = true;
    Ok(report)
}

/// A package manager would not know of the change, and undo or refuse it later.
fn refuse_what_others_manage(program: &Path) -> Result<()> {
    let parts: Vec<_> = program.iter().filter_map(|part| part.to_str()).collect();
    let (manager, instead) = if parts.contains(&"Cellar") {
        ("Homebrew", "brew upgrade wash")
    } else if program.starts_with("/nix/store") {
        ("Nix", "update it where your configuration names it")
    } else if parts.windows(2).any(|pair| pair == [".cargo", "bin"]) {
        ("cargo", "cargo install --locked --git https://github.com/wasm-shell/wash")
    } else {
        return Ok(());
    };
    Err(Error::failed(format!("`{}` was installed by {manager}, which has to update it", program.display()))
        .hint(instead.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_manager_installed_is_left_to_it() {
        for (path, expected) in [
            ("/opt/homebrew/Cellar/wash/1.0.0/bin/wash", Some("Homebrew")),
            ("/home/me/.cargo/bin/wash", Some("cargo")),
            ("/nix/store/abc-wash-1.0.0/bin/wash", Some("Nix")),
            ("/home/me/.wash/bin/wash", None),
            ("/usr/local/bin/wash", None),
        ] {
            let refused = refuse_what_others_manage(Path::new(path)).err();
            assert_eq!(refused.is_some(), expected.is_some(), "{path}");
            if let (Some(error), Some(manager)) = (refused, expected) {
                assert!(error.message().contains(manager), "{error:?}");
            }
        }
    }
}
