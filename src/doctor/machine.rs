//! The system: watching files, kinds of mounts, the port.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use crate::toolchain::Finding;

/// Folders are counted up to this; a project with more has other troubles.
#[cfg(target_os = "linux")]
const MOST_FOLDERS: usize = 200_000;

/// What is to be said of the system; `root` is the project's folder.
pub fn findings(root: Option<&Path>, address: SocketAddr) -> Vec<Finding> {
    let mut findings = vec![port(address)];
    #[cfg(target_os = "linux")]
    if let Some(root) = root {
        findings.push(mount(root));
        findings.extend(watches(root));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = root;
    findings
}

/// Why no file can be made in a folder, which need not be there yet.
pub fn unwritable(folder: &Path) -> Option<io::Error> {
    let mut existing = folder;
    while !existing.exists() {
        existing = existing.parent()?;
    }
    if existing != folder && existing.is_file() {
        return Some(io::ErrorKind::NotADirectory.into());
    }
    tempfile::Builder::new().prefix(".wash-").tempfile_in(existing).err()
}

fn port(address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::good("port", format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Finding::warning("port", format!("{address} is taken; `wash dev` would not start there"))
                .with_fix("wash dev --port 0, which takes a free one")
        }
        Err(error) => {
            Finding::problem("port", format!("{address}: {error}")).with_fix("wash dev --address 127.0.0.1:8000")
        }
    }
}

/// Kinds of file systems that do not tell of every change, by the number that the kernel has for them.
#[cfg(target_os = "linux")]
const SILENT: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9p, as WSL has drives of Windows"),
    (0x6573_5546, "FUSE"),
    (0x786f_4256, "a shared folder of VirtualBox"),
];

#[cfg(target_os = "linux")]
fn mount(root: &Path) -> Finding {
    let Ok(system) = rustix::fs::statfs(root) else {
        return Finding::problem("project folder", format!("cannot look at `{}`", root.display()));
    };
    // The kernel's number has 32 bits; its type has more on some platforms, and a sign.
    let kind = u64::from(system.f_type as u32);
    match silent(kind) {
        None => Finding::good("project folder", "tells of changes"),
        Some(name) => {
            Finding::warning("project folder", format!("it is on {name}, which does not tell of every change"))
                .with_fix("wash dev --poll")
        }
    }
}

#[cfg(target_os = "linux")]
fn silent(kind: u64) -> Option<&'static str> {
    SILENT.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

/// Whether the kernel lets us watch as many folders as the project has. Editors take from the same.
#[cfg(target_os = "linux")]
fn watches(root: &Path) -> Option<Finding> {
    let limit: usize = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok()?.trim().parse().ok()?;
    let walk = ignore::WalkBuilder::new(root).hidden(false).build();
    let folders = walk
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_dir()))
        .take(MOST_FOLDERS)
        .count();
    Some(enough(folders, limit))
}

#[cfg(target_os = "linux")]
fn enough(folders: usize, limit: usize) -> Finding {
    let found = format!("{folders} folders to watch, of {limit} that the system lets you");
    if folders * 2 <= limit {
        return Finding::good("file watching", found);
    }
    Finding::warning("file watching", "editors and `wash dev` together may watch more than the system lets you")
        .with_found(found)
        .with_fix("sudo sysctl fs.inotify.max_user_watches=1048576, or: wash dev --poll")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::State;

    #[test]
    fn a_taken_port_and_a_folder_of_others_are_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(port(taken.local_addr().unwrap()).state, State::Warning);
        assert_eq!(port("127.0.0.1:0".parse().unwrap()).state, State::Good);
        assert_eq!(port("192.0.2.1:80".parse().unwrap()).state, State::Problem);
        let folder = tempfile::tempdir().unwrap();
        assert!(unwritable(&folder.path().join("not/yet")).is_none());
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(unwritable(&file.join("below")).is_some());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn mounts_and_limits_are_judged() {
        assert_eq!(silent(0x6969), Some("NFS"));
        assert_eq!(silent(0xef53), None);
        assert_eq!(enough(100, 8192).state, State::Good);
        assert_eq!(enough(5000, 8192).state, State::Warning);
    }
}
