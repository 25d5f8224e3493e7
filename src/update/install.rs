//! Putting a release in the place of a program that runs.
//!
//! Everything that can fail happens beside the program: download, checksum, a first run. The
//! replacement itself is one step of the file system; there is no moment without a program. The old
//! one stays until the new one has answered from its place, and comes back if it does not.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use semver::Version;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::releases::{Client, File, Release};
use crate::error::{Error, Result};
use crate::process::{End, Leave, Place, Running};
use crate::progress::Progress;

/// Larger than any release.
const LARGEST: u64 = 512 << 20;
const LARGEST_CHECKSUMS: u64 = 1 << 20;
/// How long a program may take to say its version.
const FIRST_RUN: Duration = Duration::from_secs(30);
/// What waits beside the program, whatever ended us before it was done.
const STAGED: &str = ".wash-update-";
/// No update takes that long.
const LEFT: Duration = Duration::from_secs(60 * 60);

/// Downloads a release and replaces `program` by it.
pub async fn install(
    client: &Client,
    release: &Release,
    file: &File,
    program: &Path,
    current: &Version,
    progress: &dyn Progress,
) -> Result<()> {
    let folder = program.parent().unwrap_or(Path::new("/"));
    remove_leftovers(folder);
    // First, so that nothing is downloaded in vain.
    let mut staged =
        tempfile::Builder::new().prefix(STAGED).tempfile_in(folder).map_err(|error| cannot_write(folder, &error))?;
    let expected = checksum(client, release, &file.name).await?;
    progress.status("Downloading", &format!("{} of wash {}", file.name, release.version));
    let gauge = progress.transfer(&file.name, file.size);
    let mut hash = Sha256::new();
    let mut moved = 0;
    let written = |error: &io::Error| cannot_write(folder, error);
    client
        .download(file, LARGEST, |piece| {
            hash.update(piece);
            moved += piece.len() as u64;
            gauge.moved(moved);
            staged.write_all(piece).map_err(|error| written(&error))
        })
        .await?;
    drop(gauge);
    let actual = format!("{:x}", HexOf(&hash.finalize()));
    if actual != expected {
        return Err(Error::failed(format!("the checksum of `{}` is wrong; nothing was changed", file.name))
            .cause(format!("SHA256SUMS says {expected}, and it has {actual}"))
            .hint("try again; if it stays wrong, the release or the way to it is damaged"));
    }
    staged.as_file().sync_all().map_err(|error| written(&error))?;
    allow_running(staged.as_file(), program).map_err(|error| written(&error))?;
    // The file must be closed: a system does not run what somebody may still write.
    let staged = staged.into_temp_path();
    answers(&staged, &release.version).await.map_err(|why| {
        Error::failed(format!("wash {} does not run here; nothing was changed", release.version))
            .cause(why)
            .hint("build it from its source code: cargo build --release")
    })?;
    let old = backup(program, current).map_err(|error| cannot_write(folder, &error))?;
    if let Err(error) = fs::rename(&staged, program) {
        restore(&old, program);
        return Err(cannot_write(folder, &error));
    }
    if let Err(why) = answers(program, &release.version).await {
        restore(&old, program);
        return Err(Error::failed(format!("wash {} does not run in its place", release.version))
            .cause(why)
            .cause(format!("wash {current} is back")));
    }
    // A system that does not remove a running program leaves it to the next update.
    let _ = fs::remove_file(&old);
    Ok(())
}

fn cannot_write(folder: &Path, error: &io::Error) -> Error {
    let wrapped = Error::caused_by(format!("cannot write to `{}`; nothing was changed", folder.display()), error);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => wrapped.hint("make room there, and try again"),
        _ => wrapped
            .hint("update as the owner of that folder, or install wash into one of your own: INSTALL_DIR=$HOME/bin sh install.sh"),
    }
}

/// What an update that was killed has left: names that we give, and nobody else. What is new may belong
/// to an update that runs now.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(STAGED));
        let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
        if is_ours && age.is_ok_and(|age| age.is_ok_and(|age| age > LEFT)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What SHA256SUMS says of a file.
async fn checksum(client: &Client, release: &Release, name: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let collect = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    client.download(release.checksums()?, LARGEST_CHECKSUMS, collect).await?;
    let text = String::from_utf8_lossy(&bytes);
    of_file(&text, name).ok_or_else(|| {
        Error::failed(format!("SHA256SUMS of the release {} says nothing about `{name}`", release.version))
            .hint("what cannot be checked is not installed")
    })
}

fn of_file(sums: &str, name: &str) -> Option<String> {
    let entry = |line: &str| {
        let (sum, file) = line.split_once(char::is_whitespace)?;
        let file = file.trim_start().trim_start_matches('*');
        let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        (file.trim_end() == name && is_sum).then(|| sum.to_ascii_lowercase())
    };
    sums.lines().find_map(entry)
}

/// Bytes as hexadecimal digits.
struct HexOf<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The mode of the program that it replaces, at least runnable by its owner.
#[cfg(unix)]
fn allow_running(file: &fs::File, program: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(program).map_or(0o755, |metadata| metadata.permissions().mode() & 0o777);
    file.set_permissions(fs::Permissions::from_mode(mode | 0o500))
}

#[cfg(not(unix))]
fn allow_running(_: &fs::File, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a program says that it is wash of this version.
async fn answers(program: &Path, version: &Version) -> Result<(), String> {
    let mut command = tokio::process::Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running::start(&mut command, Place::Apart, Leave::Killed).map_err(|error| error.to_string())?;
    let mut stdout = running.take_stdout();
    let answer = async {
        let mut said = String::new();
        if let Some(stdout) = &mut stdout {
            use tokio::io::AsyncReadExt as _;
            // One line is wanted; a program that never stops talking is not read for ever.
            let _ = stdout.take(4096).read_to_string(&mut said).await;
        }
        let end = running.ended().await.map_err(|error| error.to_string())?;
        Ok::<_, String>((said, end))
    };
    match tokio::time::timeout(FIRST_RUN, answer).await {
        Ok(Ok((said, End::Exited(status)))) if status.success() => {
            let expected = format!("wash {version}");
            if said.trim() == expected {
                return Ok(());
            }
            Err(format!("`--version` says `{}` and not `{expected}`", said.lines().next().unwrap_or_default()))
        }
        Ok(Ok((_, End::Exited(status)))) => Err(format!("`--version` ended with {status}")),
        Ok(Ok((_, End::WantsTerminal))) => Err("`--version` asks for the terminal".into()),
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("`--version` said nothing within {} seconds", FIRST_RUN.as_secs())),
    }
}

/// Keeps the program beside itself under a second name; it stays in its place where the system can
/// replace a file that runs.
fn backup(program: &Path, current: &Version) -> io::Result<PathBuf> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let old = program.with_file_name(format!("{STAGED}{current}-{name}"));
    let _ = fs::remove_file(&old);
    if cfg!(windows) {
        fs::rename(program, &old)?;
    } else if fs::hard_link(program, &old).is_err() {
        // Not every file system has second names.
        let mut copy = NamedTempFile::with_prefix_in(STAGED, program.parent().unwrap_or(Path::new("/")))?;
        io::copy(&mut fs::File::open(program)?, &mut copy)?;
        copy.as_file().sync_all()?;
        allow_running(copy.as_file(), program)?;
        copy.persist(&old).map_err(|error| error.error)?;
    }
    Ok(old)
}

/// Best effort: there is no third way.
fn restore(old: &Path, program: &Path) {
    if let Err(error) = fs::rename(old, program) {
        tracing::error!(%error, "the old program cannot be put back; it is {}", old.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_as_sha256sum_writes_them() {
        let (one, two) = ("ab".repeat(32), "CD".repeat(32));
        let sums = format!("{one}  wash-a\n{two} *wash-b.exe\nnonsense\n{one}\n0123  wash-c\n");
        assert_eq!(of_file(&sums, "wash-a"), Some(one));
        assert_eq!(of_file(&sums, "wash-b.exe"), Some(two.to_ascii_lowercase()));
        for missing in ["wash", "wash-c", "wash-", ""] {
            assert_eq!(of_file(&sums, missing), None, "{missing}");
        }
    }
}
