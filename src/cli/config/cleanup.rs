//! `wash config cleanup`: removes what can be made or fetched again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::context::Context;
use crate::error::{Context as _, Result};
use crate::shell::human_size;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Removes what wash keeps in its cache folder: compiled code, what was pulled from registries, builds that
are known to be up to date. Everything is made or fetched again when it is needed. Settings and data stay.")]
pub struct Args {
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Report {
    folder: PathBuf,
    removed: Vec<Part>,
    bytes: u64,
    dry_run: bool,
}

#[derive(Serialize)]
struct Part {
    name: String,
    files: u64,
    bytes: u64,
}

pub fn run(ctx: &Context, args: &Args) -> Result<()> {
    let folder = &ctx.dirs.cache;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        result => result.map(|_| Vec::new()).context(|| format!("cannot list the cache `{}`", folder.display()))?,
    };
    let mut removed = Vec::new();
    for path in entries {
        let mut part = Part { name: path.file_name().unwrap_or_default().to_string_lossy().into(), files: 0, bytes: 0 };
        measure(&path, &mut part);
        if !args.dry_run {
            remove(&path)?;
        }
        removed.push(part);
    }
    removed.sort_by(|one, other| one.name.cmp(&other.name));
    let bytes = removed.iter().map(|part| part.bytes).sum();
    let report = Report { folder: folder.clone(), removed, bytes, dry_run: args.dry_run };
    ctx.shell.result(super::COMMAND, &report, || text(&report));
    Ok(())
}

fn text(report: &Report) -> String {
    if report.removed.is_empty() {
        return format!("there is nothing in {}", report.folder.display());
    }
    let mut lines: Vec<String> =
        report.removed.iter().map(|part| format!("  {:<8}{}", part.name, human_size(part.bytes))).collect();
    let verb = if report.dry_run { "would remove" } else { "removed" };
    lines.insert(0, format!("{verb} {} from {}", human_size(report.bytes), report.folder.display()));
    lines.join("\n")
}

/// Links are counted as what they are, and never followed.
fn measure(path: &Path, part: &mut Part) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if metadata.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            measure(&entry.path(), part);
        }
    } else {
        part.files += 1;
        part.bytes += metadata.len();
    }
}

fn remove(path: &Path) -> Result<()> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        // Another wash may be at work in it, or be cleaning up, too.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed
            .context(|| format!("cannot remove `{}`", path.display()))
            .map_err(|error| error.hint("end other runs of wash that write to it, and try again")),
    }
}
