//! Pulling: from a reference to a file of the cache whose bytes are what the digest says.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use oci_client::manifest::OciImageManifest;
use reqwest::StatusCode;

use super::answer::Answer;
use super::auth::Action;
use super::client::Client;
use super::digest::Digest;
use super::download::{Blob, fetch_blob};
use super::failure::{Failure, FailureKind, Result};
use super::layout::{self, ACCEPTED_MANIFESTS, Manifest};
use super::patience::Retries;
use super::reference::Reference;
use super::transport::{Request, Scope, Transport};
use crate::progress::Progress;

/// What the specification lets registries refuse; no manifest is that large.
const LARGEST_MANIFEST: usize = 4 << 20;
/// The largest component that can be pulled, in bytes.
const LARGEST_LAYER: u64 = 2 << 30;

/// Whether the registry is asked for what is in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// A tag is asked for again, because it may have moved. If the registry cannot be reached, what
    /// the tag meant the last time is used, with a warning.
    Check,
    /// What was pulled once is used without asking.
    Cached,
}

/// An artifact that is in the cache.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// What was asked for.
    pub reference: Reference,
    /// The digest of the manifest: the artifact's.
    pub digest: Digest,
    /// The manifest as the registry has it.
    pub manifest: OciImageManifest,
    /// The type of the layer.
    pub media_type: String,
    /// The digest of the component.
    pub layer_digest: Digest,
    /// The size of the component in bytes.
    pub size: u64,
    /// The component, in the cache. It may go when something else needs its room: use it soon, and
    /// do not change it.
    pub path: PathBuf,
    /// Whether nothing had to be transferred.
    pub cached: bool,
}

impl Pulled {
    /// The component's bytes.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.path)
            .map_err(|error| Failure::local(format!("cannot read `{}`", self.path.display()), &error))
    }

    /// Annotations of the manifest.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.manifest.annotations.clone().unwrap_or_default()
    }

    /// Writes the component to a file, whole or not at all.
    pub fn write_to(&self, target: &Path) -> Result<()> {
        let cannot = |error: &std::io::Error| Failure::local(format!("cannot write `{}`", target.display()), error);
        let folder = target.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| cannot(&error))?;
        let mut source = std::fs::File::open(&self.path).map_err(|error| cannot(&error))?;
        // `tempfile` alone would make a file that only this user can read.
        let create = |path: &Path| std::fs::File::create_new(path);
        let mut file = tempfile::Builder::new().make_in(folder, create).map_err(|error| cannot(&error))?;
        std::io::copy(&mut source, file.as_file_mut())
            .and_then(|_| file.as_file().sync_all())
            .and_then(|()| file.persist(target).map_err(|error| error.error))
            .map(drop)
            .map_err(|error| cannot(&error))
    }
}

/// A manifest as the registry has it.
pub(super) struct Fetched {
    pub bytes: Vec<u8>,
    pub digest: Digest,
    pub content_type: Option<String>,
}

impl Client {
    /// Brings a component (or core module, or WIT package) into the cache, unless it is there.
    pub async fn pull(&self, reference: &Reference, freshness: Freshness, progress: &dyn Progress) -> Result<Pulled> {
        let pulled = self.pull_any(reference, freshness, progress).await;
        self.tell_notes(progress);
        pulled.map_err(|failure| failure.wrap(format!("cannot pull `{reference}`")))
    }

    async fn pull_any(&self, reference: &Reference, freshness: Freshness, progress: &dyn Progress) -> Result<Pulled> {
        // What a digest means can never change.
        let ask_cache = freshness == Freshness::Cached || self.is_offline() || reference.digest().is_some();
        if ask_cache && let Some(pulled) = self.pull_cached(reference)? {
            return Ok(pulled);
        }
        if self.is_offline() {
            return Err(Failure::new(FailureKind::Offline, "it is not in the cache, and `--offline` is set")
                .hint(format!("pull it once with the network: wash oci pull {reference}")));
        }
        let failure = match self.pull_fresh(reference, progress).await {
            Ok(pulled) => return Ok(pulled),
            Err(failure) => failure,
        };
        // A registry that is gone is no reason to stop working.
        if failure.kind() == FailureKind::Unreachable
            && let Some(pulled) = self.pull_cached(reference)?
        {
            let reason = failure.error().message();
            progress.warning(&format!("{reason}; `{reference}` is used as it was pulled the last time"));
            return Ok(pulled);
        }
        Err(failure)
    }

    /// Only from the cache, or nothing.
    fn pull_cached(&self, reference: &Reference) -> Result<Option<Pulled>> {
        let Some(digest) = self.cache().meaning(reference) else { return Ok(None) };
        let Some(bytes) = self.cache().bytes(&digest) else { return Ok(None) };
        let what = reference.to_string();
        let manifest = match Manifest::read(&bytes, None, &what)? {
            Manifest::Image(manifest) => *manifest,
            Manifest::Index(index) => {
                let (digest, _) = layout::wasm_entry(&index, &what)?;
                let Some(bytes) = self.cache().bytes(&digest) else { return Ok(None) };
                match Manifest::read(&bytes, None, &what)? {
                    Manifest::Image(manifest) => *manifest,
                    Manifest::Index(_) => return Ok(None),
                }
            }
        };
        let layer = layout::wasm_layer(&manifest, &what)?;
        let layer_digest = layout::digest_of(&layer.digest, &what)?;
        let Some(path) = self.cache().blob(&layer_digest) else { return Ok(None) };
        Ok(Some(Pulled {
            reference: reference.clone(),
            digest,
            media_type: layer.media_type.clone(),
            size: layout::size_of(layer.size, &what)?,
            layer_digest,
            manifest,
            path,
            cached: true,
        }))
    }

    async fn pull_fresh(&self, reference: &Reference, progress: &dyn Progress) -> Result<Pulled> {
        let transport = self.transport("pulling")?;
        let scope = Scope::of(reference, Action::Pull);
        let what = reference.to_string();
        let fetched = fetch_manifest(transport, reference, &scope).await?;
        let mut kept = vec![(fetched.digest.clone(), fetched.bytes.clone())];
        let manifest = match Manifest::read(&fetched.bytes, fetched.content_type.as_deref(), &what)? {
            Manifest::Image(manifest) => *manifest,
            Manifest::Index(index) => {
                let (digest, _) = layout::wasm_entry(&index, &what)?;
                let inner = fetch_manifest(transport, &reference.with_digest(&digest), &scope).await?;
                let manifest = Manifest::read(&inner.bytes, inner.content_type.as_deref(), &what)?;
                kept.push((inner.digest, inner.bytes));
                match manifest {
                    Manifest::Image(manifest) => *manifest,
                    Manifest::Index(_) => {
                        let message = format!("`{what}` is an index in an index");
                        return Err(Failure::new(FailureKind::Unsupported, message));
                    }
                }
            }
        };
        let layer = layout::wasm_layer(&manifest, &what)?.clone();
        let layer_digest = layout::digest_of(&layer.digest, &what)?;
        let size = layout::size_of(layer.size, &what)?;
        if size > LARGEST_LAYER {
            let message = format!("`{what}` has {size} bytes; at most {LARGEST_LAYER} can be pulled");
            return Err(Failure::new(FailureKind::Unsupported, message));
        }
        let (path, cached) = match self.cache().blob(&layer_digest) {
            Some(path) => (path, true),
            None => {
                let transfer = progress.transfer(&format!("Pulling {what}"), size);
                let blob = Blob { scope: &scope, digest: &layer_digest, size };
                let partial = fetch_blob(self, transport, &blob, &transfer).await?;
                check_magic(partial.path(), &what)?;
                (self.cache().finish(partial, &layer_digest)?, false)
            }
        };
        // The layer first: what the cache remembers is there.
        for (digest, bytes) in &kept {
            self.cache().put(digest, bytes)?;
        }
        if reference.digest().is_none() {
            self.cache().remember(reference, &fetched.digest)?;
        }
        Ok(Pulled {
            reference: reference.clone(),
            digest: fetched.digest,
            media_type: layer.media_type,
            layer_digest,
            size,
            manifest,
            path,
            cached,
        })
    }
}

impl Scope {
    pub(super) fn of(reference: &Reference, action: Action) -> Self {
        Scope {
            registry: reference.registry().to_string(),
            repository: Some(reference.repository().to_string()),
            action,
        }
    }

    /// The path of a part of the repository in the registry's API.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("v2/{}/{rest}", self.repository.as_deref().unwrap_or_default())
    }
}

/// Asks for a manifest, and checks that it is what was asked for.
pub(super) async fn fetch_manifest(transport: &Transport, reference: &Reference, scope: &Scope) -> Result<Fetched> {
    let url = transport.url(&scope.registry, &scope.path(&format!("manifests/{}", reference.target()))).await?;
    let request = Request::get(url).header("accept", ACCEPTED_MANIFESTS);
    let mut retries = Retries::new(transport.settings.timing);
    loop {
        let answer = transport.send(&request, scope).await?;
        if !answer.is_success() {
            return Err(missing(answer, reference, scope).await);
        }
        let content_type = answer.header("content-type").map(str::to_string);
        let named = answer.header("docker-content-digest").and_then(|text| Digest::parse(text).ok());
        let bytes = match answer.bytes(LARGEST_MANIFEST, "the manifest").await {
            Ok(bytes) => bytes,
            Err(setback) => {
                retries.after(setback).await?;
                continue;
            }
        };
        let corrupt = |digest: &Digest| {
            Failure::new(FailureKind::Corrupt, format!("the manifest of `{reference}` is not what its digest says"))
                .cause(format!("expected {digest}, got {}", Digest::of(&bytes)))
        };
        let digest = match (reference.digest(), named) {
            (Some(digest), _) if !digest.matches(&bytes) => return Err(corrupt(digest)),
            (Some(digest), _) => digest.clone(),
            (None, Some(named)) if !named.matches(&bytes) => return Err(corrupt(&named)),
            (None, Some(named)) => named,
            (None, None) => Digest::of(&bytes),
        };
        return Ok(Fetched { bytes, digest, content_type });
    }
}

/// Why there is no manifest, with what helps.
async fn missing(answer: Answer, reference: &Reference, scope: &Scope) -> Failure {
    let is_missing = answer.status == StatusCode::NOT_FOUND;
    let doing = match is_missing {
        true => format!("{} has no `{}`", reference.name(), reference.target()),
        false => format!("{} does not give its manifest", reference.name()),
    };
    let failure = answer.refusal(&doing, scope).await;
    if !is_missing {
        return failure;
    }
    let failure = failure.hint(format!("see what there is: wash oci tags {}", reference.name()));
    match reference.registry() {
        "docker.io" => failure.hint("a name without a host is one of docker.io; write the host of your registry first"),
        _ => failure,
    }
}

/// Registries keep any bytes under any type.
fn check_magic(path: &Path, what: &str) -> Result<()> {
    let mut begin = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut begin));
    read.map_err(|error| Failure::local(format!("cannot read `{}`", path.display()), &error))?;
    if begin.starts_with(b"\0asm") {
        return Ok(());
    }
    let message = format!("the layer of `{what}` is not WebAssembly");
    Err(Failure::new(FailureKind::Unsupported, message)
        .cause(format!("it is {}", crate::component::looks_like(&begin))))
}
