//! Copying an artifact, whatever it is, from one place to another without changing a byte.

use std::sync::Arc;

use oci_client::manifest::OciDescriptor;

use super::auth::Action;
use super::client::Client;
use super::digest::Digest;
use super::download::{Blob, fetch_blob};
use super::failure::{Failure, FailureKind, Result};
use super::layout::{self, MANIFEST_TYPE, Manifest};
use super::payload::Payload;
use super::pull::{Fetched, fetch_manifest};
use super::push::{Upload, put_manifest};
use super::reference::Reference;
use super::transport::{Scope, Transport};
use crate::progress::{Progress, Transfer};

/// Images for many platforms have some dozen manifests.
const MOST_MANIFESTS: usize = 1000;

/// What was copied.
#[derive(Clone, Debug)]
pub struct Copied {
    /// The digest of the manifest: the same on both sides.
    pub digest: Digest,
    /// How many manifests: one, or an index with all that it names.
    pub manifests: usize,
    /// How many layers and configs the destination did not have.
    pub blobs: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

struct Work<'a> {
    client: &'a Client,
    transport: &'a Transport,
    from: Scope,
    to: Scope,
    source: &'a Reference,
    progress: &'a dyn Progress,
    copied: Copied,
}

impl Client {
    /// Copies an artifact or an index with everything that belongs to it. A layer that the registry
    /// has in another repository stays where it is.
    pub async fn copy(&self, source: &Reference, target: &Reference, progress: &dyn Progress) -> Result<Copied> {
        let copied = self.copy_any(source, target, progress).await;
        self.tell_notes(progress);
        copied.map_err(|failure| failure.wrap(format!("cannot copy `{source}` to `{target}`")))
    }

    async fn copy_any(&self, source: &Reference, target: &Reference, progress: &dyn Progress) -> Result<Copied> {
        let transport = self.transport("copying")?;
        let from = Scope::of(source, Action::Pull);
        let to = Scope::of(target, Action::Push);
        let fetched = fetch_manifest(transport, source, &from).await?;
        if let Some(digest) = target.digest().filter(|digest| **digest != fetched.digest) {
            return Err(Failure::new(
                FailureKind::Usage,
                format!("`{source}` has the digest {}, not {digest}", fetched.digest),
            )
            .hint("leave the digest of the target out"));
        }
        let copied = Copied { digest: fetched.digest.clone(), manifests: 0, blobs: 0, bytes: 0 };
        let mut work = Work { client: self, transport, from, to, source, progress, copied };
        let name = target.tag().map_or_else(|| fetched.digest.to_string(), str::to_string);
        work.manifest(&fetched, &name).await?;
        Ok(work.copied)
    }
}

impl Work<'_> {
    /// What a manifest names first, then the manifest: what is there is always whole.
    async fn manifest(&mut self, fetched: &Fetched, name: &str) -> Result<()> {
        let what = self.source.to_string();
        let manifest = Manifest::read(&fetched.bytes, fetched.content_type.as_deref(), &what)?;
        match &manifest {
            Manifest::Image(image) => self.image(image, &what).await?,
            Manifest::Index(index) => {
                for entry in &index.manifests {
                    let digest = layout::digest_of(&entry.digest, &what)?;
                    let inner = fetch_manifest(self.transport, &self.source.with_digest(&digest), &self.from).await?;
                    match Manifest::read(&inner.bytes, inner.content_type.as_deref(), &what)? {
                        Manifest::Image(image) => self.image(&image, &what).await?,
                        Manifest::Index(_) => {
                            let message = format!("`{what}` is an index in an index");
                            return Err(Failure::new(FailureKind::Unsupported, message));
                        }
                    }
                    self.put(&inner, digest.as_str()).await?;
                }
            }
        }
        self.put(fetched, name).await
    }

    async fn put(&mut self, fetched: &Fetched, name: &str) -> Result<()> {
        self.copied.manifests += 1;
        if self.copied.manifests > MOST_MANIFESTS {
            let message = format!("there are more than {MOST_MANIFESTS} manifests");
            return Err(Failure::new(FailureKind::Unsupported, message));
        }
        let media_type = fetched.content_type.as_deref().unwrap_or(MANIFEST_TYPE);
        put_manifest(self.transport, &self.to, name, &fetched.bytes, media_type, &fetched.digest).await?;
        Ok(())
    }

    async fn image(&mut self, image: &oci_client::manifest::OciImageManifest, what: &str) -> Result<()> {
        for descriptor in image.layers.iter().chain([&image.config]) {
            // These are not in the registry, by agreement with whoever owns them.
            if descriptor.media_type.contains("nondistributable") || descriptor.media_type.contains(".foreign.") {
                continue;
            }
            self.blob(descriptor, what).await?;
        }
        Ok(())
    }

    async fn blob(&mut self, descriptor: &OciDescriptor, what: &str) -> Result<()> {
        let digest = layout::digest_of(&descriptor.digest, what)?;
        let size = layout::size_of(descriptor.size, what)?;
        let same_registry = self.from.registry == self.to.registry;
        let mount_from = self.from.repository.as_deref().filter(|_| same_registry);
        let transfer = Arc::new(Transfer::hidden());
        let mut upload = Upload { scope: &self.to, digest: &digest, payload: Payload::Empty, mount_from, transfer };
        if upload.exists(self.transport).await? || upload.mount(self.transport).await? {
            return Ok(());
        }
        // The file goes away with its last owner, unless it is one of the cache.
        let (path, _partial) = match self.client.cache().blob(&digest) {
            Some(path) => (path, None),
            None => {
                let transfer = self.progress.transfer(&format!("Fetching {}", digest.short()), size);
                let blob = Blob { scope: &self.from, digest: &digest, size };
                let partial = fetch_blob(self.client, self.transport, &blob, &transfer).await?;
                (partial.path().to_path_buf(), Some(partial))
            }
        };
        upload.payload = Payload::File { path, start: 0, length: size };
        upload.transfer = Arc::new(self.progress.transfer(&format!("Sending {}", digest.short()), size));
        upload.send(self.transport).await?;
        self.copied.blobs += 1;
        self.copied.bytes += size;
        Ok(())
    }
}
