//! Where `wit.sources` says that a package comes from: a folder, an archive, a repository, an artifact.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::lock::Entry;
use super::package::{self, Contents};
use super::registry;
use super::store::{Store, digest_of};
use crate::error::{Context as _, Error, Result};
use crate::git::{Git, Repository, is_git_url, without_password};
use crate::oci::{self, Reference};
use crate::progress::Progress;

/// A clone that hangs is given up after this time.
const GIT_PATIENCE: Duration = Duration::from_secs(3 * 60);
/// A download that takes longer is given up. Archives of WIT have some hundred kilobytes.
const DOWNLOAD_PATIENCE: Duration = Duration::from_secs(2 * 60);
/// A server that says nothing for this time is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// An archive of WIT is smaller by far, also with the rest of its repository.
const MOST_DOWNLOADED: usize = 64 << 20;
/// The same after unpacking; against archives that are made to be large.
const MOST_UNPACKED: u64 = 256 << 20;
/// Also against such archives.
const MOST_ENTRIES: usize = 100_000;

/// What an entry of `wit.sources` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder or a file of this machine. Absolute.
    Local(PathBuf),
    /// A `.tar.gz` behind a URL.
    Archive(String),
    Git(Repository),
    /// An artifact of a registry, by its reference.
    Artifact(String),
}

/// What a source has, and how the lock file calls it.
#[derive(Debug)]
pub struct Fetched {
    pub packages: Vec<Contents>,
    /// The address and the digest; none for a source on this machine.
    pub locked: Option<(String, String)>,
}

/// What fetching a source takes.
pub struct Surroundings<'a> {
    pub env: &'a BTreeMap<String, String>,
    pub interactive: bool,
    pub offline: bool,
    pub store: &'a Store,
    pub registries: &'a [registry::Registry],
}

impl Source {
    /// Tells what is meant; relative paths are relative to `root`.
    ///
    /// Errors: a URL that nobody could fetch.
    pub fn parse(typed: &str, root: &Path) -> Result<Self> {
        if let Some(reference) = typed.strip_prefix("oci://") {
            return artifact(reference);
        }
        let is_git = |url: &str| url.split('#').next().is_some_and(|url| url.ends_with(".git"));
        if let Some(url) = typed.strip_prefix("git+") {
            return git(url);
        }
        if typed.starts_with("http://") || typed.starts_with("https://") {
            return if is_git(typed) { git(typed) } else { Ok(Source::Archive(typed.to_string())) };
        }
        let path = root.join(typed);
        if !path.exists() {
            // `git@host:path`, `ssh://…`, `file://….git`
            if is_git_url(typed) && (typed.contains("://") || typed.contains('@') && !looks_like_reference(typed)) {
                return git(typed);
            }
            if looks_like_reference(typed) {
                return artifact(typed);
            }
        }
        Ok(Source::Local(path))
    }

    /// How messages and the lock file call it, without secrets.
    pub fn shown(&self) -> String {
        match self {
            Source::Local(path) => package::slashed(path),
            Source::Archive(url) => without_password(url),
            Source::Git(repository) => {
                let git_ref = repository.git_ref.as_ref().map(|git_ref| format!("#{git_ref}")).unwrap_or_default();
                format!("git+{}{git_ref}", repository.shown_url())
            }
            Source::Artifact(reference) => format!("oci://{reference}"),
        }
    }

    /// Whether a lock entry is about this source.
    pub fn is_of(&self, entry: &Entry) -> bool {
        entry.registry.as_deref() == Some(&self.shown())
    }

    /// Reads the source; what is locked and kept needs no network.
    ///
    /// Errors: it is not there, it cannot be reached, or its content is not what was locked.
    pub async fn fetch(
        &self,
        locked: Option<&Entry>,
        around: &Surroundings<'_>,
        progress: &dyn Progress,
    ) -> Result<Fetched> {
        let shown = self.shown();
        if let Source::Local(path) = self {
            return Ok(Fetched { packages: local(path)?, locked: None });
        }
        let kept = locked.and_then(|entry| Some((entry.digest.clone(), around.store.get(&entry.digest)?)));
        let (digest, bytes) = match kept {
            Some(kept) => kept,
            None => {
                if around.offline && !matches!(self, Source::Git(repository) if repository.is_local()) {
                    return Err(Error::failed(format!("`{shown}` needs the network, which `--offline` forbids"))
                        .hint("leave out `--offline` (or unset WASH_OFFLINE) once; what was fetched is kept"));
                }
                progress.status("Fetching", &shown);
                let busy = progress.busy(&format!("fetching {shown}"));
                let bytes = self.download(around, progress).await?;
                drop(busy);
                let digest = digest_of(&bytes);
                if let Some(entry) = locked
                    && entry.digest != digest
                {
                    return Err(Error::failed(format!("`{shown}` has changed since it was locked"))
                        .cause(format!("wkg.lock has {}, and it is {digest}", entry.digest))
                        .hint(format!("if that is right, lock the new content: wash wit update {}", entry.name)));
                }
                around.store.put(&bytes)?;
                (digest, bytes)
            }
        };
        Ok(Fetched { packages: self.read(&bytes)?, locked: Some((shown, digest)) })
    }

    async fn download(&self, around: &Surroundings<'_>, progress: &dyn Progress) -> Result<Vec<u8>> {
        match self {
            Source::Local(_) => Err(Error::bug("a folder is not downloaded")),
            Source::Archive(url) => download(url, around.env).await,
            Source::Artifact(reference) => registry::pull(reference, around, progress).await,
            Source::Git(repository) => {
                let folder = tempfile::Builder::new()
                    .prefix("wash-wit-")
                    .tempdir()
                    .context(|| "cannot make a temporary folder")?;
                let git = Git {
                    env: around.env,
                    interactive: around.interactive,
                    patience: GIT_PATIENCE,
                    folder: folder.path(),
                    instead: "a source can also be a folder, or the URL of a .tar.gz",
                };
                let clone = git.fetch(repository, progress).await?;
                bundle(&clone)
            }
        }
    }

    /// Finds the packages in what was downloaded.
    fn read(&self, bytes: &[u8]) -> Result<Vec<Contents>> {
        let shown = self.shown();
        if bytes.starts_with(b"\0asm") {
            return Ok(vec![package::decode(bytes, &shown)?]);
        }
        let folder =
            tempfile::Builder::new().prefix("wash-wit-").tempdir().context(|| "cannot make a temporary folder")?;
        let reader: Box<dyn Read + '_> = match self {
            Source::Git(_) => Box::new(bytes),
            _ if bytes.starts_with(b"\x1f\x8b") => Box::new(flate2::read::GzDecoder::new(bytes)),
            _ => {
                return Err(Error::failed(format!("`{shown}` is neither a .tar.gz nor a WIT package"))
                    .hint("take the URL of the archive itself, not of a page about it"));
            }
        };
        unpack(reader, folder.path()).context(|| format!("cannot unpack `{shown}`"))?;
        let packages = package::find_all(folder.path(), &shown);
        if packages.is_empty() {
            return Err(Error::failed(format!("there are no WIT packages in `{shown}`")));
        }
        Ok(packages)
    }
}

fn git(typed: &str) -> Result<Source> {
    let (url, git_ref) = match typed.split_once('#') {
        Some((url, git_ref)) => (url, Some(git_ref)),
        None => (typed, None),
    };
    Ok(Source::Git(Repository::parse(url, git_ref)?))
}

fn artifact(reference: &str) -> Result<Source> {
    Reference::parse(reference)?;
    Ok(Source::Artifact(reference.to_string()))
}

/// `ghcr.io/me/package:1.0.0`: a host with a dot or a port, and a path.
fn looks_like_reference(typed: &str) -> bool {
    let Some((host, rest)) = typed.split_once('/') else { return false };
    let has_host = host.contains('.') && !host.starts_with('.') || host.contains(':') || host == "localhost";
    has_host && !host.contains('@') && !rest.is_empty() && Reference::parse(typed).is_ok()
}

fn local(path: &Path) -> Result<Vec<Contents>> {
    if !path.exists() {
        return Err(Error::failed(format!("`{}` does not exist", path.display())));
    }
    // The package itself must be well-formed; what lies around it is only asked for by others.
    let itself = if path.is_file() {
        package::read_entry(path, path)?
    } else {
        match package::read_entry(path, path)? {
            Some(contents) => Some(contents),
            None if path.join("wit").is_dir() => package::read_entry(&path.join("wit"), &path.join("wit"))?,
            None => None,
        }
    };
    let mut packages: Vec<Contents> = itself.into_iter().collect();
    if path.is_dir() {
        packages.extend(package::find_all(path, &package::slashed(path)));
    }
    if packages.is_empty() {
        return Err(Error::failed(format!("there are no WIT packages in `{}`", path.display())));
    }
    Ok(packages)
}

async fn download(url: &str, env: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let shown = without_password(url);
    let cannot = |error: reqwest::Error| {
        Error::caused_by(format!("cannot download `{shown}`"), &error.without_url())
            .hint("check the URL, and whether you are online")
    };
    let mut trusted = Vec::new();
    for pem in oci::authorities(&oci::ca_paths(env))? {
        trusted.push(reqwest::Certificate::from_pem(pem.as_bytes()).map_err(cannot)?);
    }
    let client = reqwest::Client::builder()
        .tls_certs_merge(trusted)
        .connect_timeout(SILENCE)
        .read_timeout(SILENCE)
        .timeout(DOWNLOAD_PATIENCE)
        .user_agent(concat!("wash/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(cannot)?;
    let mut response = client.get(url).send().await.map_err(cannot)?;
    let status = response.status();
    if !status.is_success() {
        let error = Error::failed(format!("cannot download `{shown}`: the server answers {status}"));
        return Err(match status.as_u16() {
            401 | 403 => error.hint("it may be private: put credentials into the URL as ${VARIABLES}"),
            404 => error.hint("check the URL of this source in the settings"),
            _ => error.hint("try again later"),
        });
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(cannot)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_DOWNLOADED {
            return Err(Error::failed(format!("`{shown}` is too large for WIT"))
                .cause(format!("it has more than {} MiB", MOST_DOWNLOADED >> 20)));
        }
    }
    Ok(bytes)
}

/// Unpacks the WIT of an archive. Other files stay away, and so does whatever leads out of the folder.
fn unpack(reader: impl Read, folder: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(reader.take(MOST_UNPACKED));
    for (index, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if index > MOST_ENTRIES {
            return Err(io::Error::other(format!("it has more than {MOST_ENTRIES} files")));
        }
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let path = entry.path()?.into_owned();
        let is_plain = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let is_wit = path.extension().is_some_and(|end| end == "wit" || end == "wasm");
        if !is_plain || !is_wit {
            continue;
        }
        let target = folder.join(&path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = std::fs::File::create(&target)?;
        io::copy(&mut entry, &mut file)?;
    }
    Ok(())
}

/// The WIT of a folder as one archive, the same for the same files whenever it is made.
fn bundle(folder: &Path) -> Result<Vec<u8>> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for path in package::entries(&current)? {
            if path.is_symlink() || path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "wit" || end == "wasm") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut archive = tar::Builder::new(Vec::new());
    archive.mode(tar::HeaderMode::Deterministic);
    for path in paths {
        let cannot = || format!("cannot read `{}`", path.display());
        let bytes = std::fs::read(&path).context(cannot)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let name = package::slashed(path.strip_prefix(folder).unwrap_or(&path));
        archive.append_data(&mut header, name, bytes.as_slice()).context(cannot)?;
    }
    archive.into_inner().context(|| "cannot pack what was cloned")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_told_from_how_it_is_written() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("localhost/wit")).unwrap();
        let parse = |typed: &str| Source::parse(typed, root.path()).unwrap();
        let git = |url: &str, git_ref: Option<&str>| Source::Git(Repository::parse(url, git_ref).unwrap());
        for (typed, expected) in [
            ("../http", Source::Local(root.path().join("../http"))),
            ("localhost/wit", Source::Local(root.path().join("localhost/wit"))),
            ("/srv/wit", Source::Local("/srv/wit".into())),
            ("https://h.example/v1.tar.gz", Source::Archive("https://h.example/v1.tar.gz".into())),
            ("https://h.example/r.git#v1", git("https://h.example/r.git", Some("v1"))),
            ("git+https://h.example/r#v1", git("https://h.example/r", Some("v1"))),
            ("git@h.example:me/r.git", git("git@h.example:me/r.git", None)),
            ("ssh://git@h.example/r", git("ssh://git@h.example/r", None)),
            ("ghcr.io/me/wit:1.0.0", Source::Artifact("ghcr.io/me/wit:1.0.0".into())),
            ("oci://localhost:5000/me/wit:1.0.0", Source::Artifact("localhost:5000/me/wit:1.0.0".into())),
        ] {
            assert_eq!(parse(typed), expected, "{typed}");
        }
        assert_eq!(parse("https://me:secret@h.example/r.git#v1").shown(), "git+https://***@h.example/r.git#v1");
        assert!(Source::parse("git+ext::sh -c x", root.path()).is_err());
        assert!(Source::parse("oci://", root.path()).is_err());
    }

    #[test]
    fn archives_never_escape_and_only_their_wit_is_unpacked() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |path: &str, kind: tar::EntryType| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(1);
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            archive.append(&header, &b"x"[..]).unwrap();
        };
        add("a/world.wit", tar::EntryType::Regular);
        add("a/build.rs", tar::EntryType::Regular);
        add("../out.wit", tar::EntryType::Regular);
        add("/tmp/out.wit", tar::EntryType::Regular);
        let bytes = archive.into_inner().unwrap();
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("in");
        std::fs::create_dir(&folder).unwrap();
        unpack(bytes.as_slice(), &folder).unwrap();
        let files: Vec<String> = package::read_tree(outer.path()).unwrap().into_keys().collect();
        assert_eq!(files, ["in/a/world.wit"]);
    }
}
