//! What belongs to an artifact and lies beside it: a bill of materials, a statement of provenance.
//!
//! Each is a manifest of its own that names the artifact as its subject. Registries of the
//! specification's version 1.1 keep the list of them; for older ones the client keeps it, as an index
//! under a tag made of the artifact's digest.

use std::path::Path;
use std::sync::Arc;

use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageIndex, OciImageManifest};
use reqwest::StatusCode;
use serde::Serialize;

use super::auth::Action;
use super::client::Client;
use super::digest::Digest;
use super::failure::{Failure, FailureKind, Result, usage};
use super::layout::{self, INDEX_TYPES, MANIFEST_TYPE, Manifest, descriptor, to_json};
use super::patience::Retries;
use super::payload::Payload;
use super::pull::fetch_manifest;
use super::push::{Upload, put_manifest};
use super::reference::Reference;
use super::transport::{Request, Scope, Transport};
use crate::progress::{Progress, Transfer};

/// A config that says nothing: what matters is in the layer.
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";
const TITLE: &str = "org.opencontainers.image.title";
/// The largest file that can be attached, in bytes.
const LARGEST_ATTACHMENT: u64 = 64 << 20;
const LARGEST_INDEX: usize = 4 << 20;

/// A file to be attached to an artifact.
#[derive(Clone, Debug)]
pub struct Attachment {
    bytes: bytes::Bytes,
    /// What it is, e.g. `application/vnd.cyclonedx+json`.
    pub media_type: String,
    title: String,
}

/// Something that is attached to an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Referrer {
    /// The digest of its manifest.
    pub digest: String,
    /// What it is.
    pub artifact_type: String,
}

impl Attachment {
    /// Reads a file. Its type is `media_type`, or what its content says: CycloneDX, SPDX and in-toto
    /// statements in JSON are recognised.
    pub fn read(path: &Path, media_type: Option<&str>) -> Result<Self> {
        let cannot = |error: &std::io::Error| Failure::local(format!("cannot read `{}`", path.display()), error);
        let size = std::fs::metadata(path).map_err(|error| cannot(&error))?.len();
        if size > LARGEST_ATTACHMENT {
            return Err(usage(format!(
                "`{}` has {size} bytes; at most {LARGEST_ATTACHMENT} can be attached",
                path.display()
            )));
        }
        let bytes = std::fs::read(path).map_err(|error| cannot(&error))?;
        let media_type = match media_type {
            Some(media_type) if is_media_type(media_type) => media_type.to_string(),
            Some(media_type) => return Err(usage(format!("`{media_type}` is not a media type"))),
            None => recognise(&bytes).map(str::to_string).ok_or_else(|| {
                usage(format!("what `{}` is cannot be told from its content", path.display()))
                    .hint(format!("say it: --attach {}:application/vnd.example+json", path.display()))
            })?,
        };
        let title = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Attachment { bytes: bytes.into(), media_type, title })
    }
}

fn is_media_type(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "!#$&^_.+-".contains(letter))
    };
    text.split_once('/').is_some_and(|(kind, name)| part(kind) && part(name))
}

/// What a document says of itself.
fn recognise(bytes: &[u8]) -> Option<&'static str> {
    let json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    if json.get("bomFormat").and_then(|format| format.as_str()) == Some("CycloneDX") {
        return Some("application/vnd.cyclonedx+json");
    }
    if json.get("spdxVersion").is_some() {
        return Some("application/spdx+json");
    }
    let statement = json.get("_type").and_then(|kind| kind.as_str())?;
    statement.starts_with("https://in-toto.io/Statement/").then_some("application/vnd.in-toto+json")
}

impl Client {
    /// Attaches a file to an artifact that is in the registry.
    pub async fn attach(
        &self,
        subject: &Reference,
        attachment: &Attachment,
        progress: &dyn Progress,
    ) -> Result<Referrer> {
        let attached = self.attach_any(subject, attachment).await;
        self.tell_notes(progress);
        attached.map_err(|failure| failure.wrap(format!("cannot attach `{}` to `{subject}`", attachment.title)))
    }

    async fn attach_any(&self, subject: &Reference, attachment: &Attachment) -> Result<Referrer> {
        let transport = self.transport("attaching")?;
        let scope = Scope::of(subject, Action::Push);
        let artifact = fetch_manifest(transport, subject, &scope).await?;
        let media_type = artifact.content_type.as_deref().unwrap_or(MANIFEST_TYPE);
        let digest = Digest::of(&attachment.bytes);
        let title = [(TITLE.to_string(), attachment.title.clone())];
        let manifest = to_json(&OciImageManifest {
            schema_version: 2,
            media_type: Some(MANIFEST_TYPE.into()),
            config: descriptor(EMPTY_TYPE, &Digest::of(EMPTY), EMPTY.len()),
            layers: vec![OciDescriptor {
                annotations: Some(title.into()),
                ..descriptor(&attachment.media_type, &digest, attachment.bytes.len())
            }],
            subject: Some(descriptor(media_type, &artifact.digest, artifact.bytes.len())),
            artifact_type: Some(attachment.media_type.clone()),
            annotations: None,
        })?;
        let empty = Digest::of(EMPTY);
        let blobs = [(&digest, attachment.bytes.clone()), (&empty, bytes::Bytes::from_static(EMPTY))];
        for (digest, bytes) in blobs {
            let transfer = Arc::new(Transfer::hidden());
            let payload = Payload::Bytes(bytes);
            Upload { scope: &scope, digest, payload, mount_from: None, transfer }.send(transport).await?;
        }
        let digest = Digest::of(&manifest);
        let keeps_list =
            put_manifest(transport, &scope, digest.as_str(), &manifest, MANIFEST_TYPE, &digest).await?.keeps_referrers;
        if !keeps_list {
            let entry = ImageIndexEntry {
                media_type: MANIFEST_TYPE.into(),
                digest: digest.to_string(),
                size: manifest.len() as i64,
                platform: None,
                annotations: None,
                artifact_type: Some(attachment.media_type.clone()),
            };
            add_to_index(transport, &scope, subject, &artifact.digest, entry).await?;
        }
        Ok(Referrer { digest: digest.to_string(), artifact_type: attachment.media_type.clone() })
    }

    /// What is attached to an artifact.
    pub async fn referrers(&self, subject: &Reference, progress: &dyn Progress) -> Result<(Digest, Vec<Referrer>)> {
        let found = self.referrers_any(subject).await;
        self.tell_notes(progress);
        found.map_err(|failure| failure.wrap(format!("cannot list what is attached to `{subject}`")))
    }

    async fn referrers_any(&self, subject: &Reference) -> Result<(Digest, Vec<Referrer>)> {
        let transport = self.transport("listing")?;
        let scope = Scope::of(subject, Action::Pull);
        let digest = match subject.digest() {
            Some(digest) => digest.clone(),
            None => fetch_manifest(transport, subject, &scope).await?.digest,
        };
        let index = match listed(transport, &scope, &digest).await? {
            Some(index) => Some(index),
            None => tagged(transport, &scope, subject, &digest).await?,
        };
        let entries = index.map(|index| index.manifests).unwrap_or_default();
        let referrer = |entry: ImageIndexEntry| Referrer {
            digest: entry.digest,
            artifact_type: entry.artifact_type.unwrap_or(entry.media_type),
        };
        Ok((digest, entries.into_iter().map(referrer).collect()))
    }
}

/// The list that the registry keeps, if it keeps one.
async fn listed(transport: &Transport, scope: &Scope, digest: &Digest) -> Result<Option<OciImageIndex>> {
    let url = transport.url(&scope.registry, &scope.path(&format!("referrers/{digest}"))).await?;
    let request = Request::get(url).header("accept", INDEX_TYPES[0]);
    let mut retries = Retries::new(transport.settings.timing);
    loop {
        let answer = transport.send(&request, scope).await?;
        if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST) {
            return Ok(None);
        }
        if !answer.is_success() {
            return Err(answer.refusal(&format!("{} does not list referrers", scope.registry), scope).await);
        }
        match answer.bytes(LARGEST_INDEX, "the list of referrers").await {
            // Some answer every address with a page for browsers.
            Ok(bytes) => return Ok(serde_json::from_slice(&bytes).ok()),
            Err(setback) => retries.after(setback).await?,
        }
    }
}

/// The list that clients keep, under a tag.
async fn tagged(
    transport: &Transport,
    scope: &Scope,
    subject: &Reference,
    digest: &Digest,
) -> Result<Option<OciImageIndex>> {
    let reference = subject.with_tag(&tag_of(digest))?;
    match fetch_manifest(transport, &reference, scope).await {
        Ok(fetched) => {
            let what = reference.to_string();
            match Manifest::read(&fetched.bytes, fetched.content_type.as_deref(), &what)? {
                Manifest::Index(index) => Ok(Some(index)),
                Manifest::Image(_) => {
                    Err(Failure::new(FailureKind::Unsupported, format!("`{what}` is not a list of referrers")))
                }
            }
        }
        Err(failure) if failure.kind() == FailureKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn add_to_index(
    transport: &Transport,
    scope: &Scope,
    subject: &Reference,
    digest: &Digest,
    entry: ImageIndexEntry,
) -> Result<()> {
    let mut index = tagged(transport, scope, subject, digest).await?.unwrap_or_else(|| OciImageIndex {
        schema_version: 2,
        media_type: Some(INDEX_TYPES[0].into()),
        manifests: Vec::new(),
        artifact_type: None,
        annotations: None,
    });
    if index.manifests.iter().any(|known| known.digest == entry.digest) {
        return Ok(());
    }
    index.manifests.push(entry);
    let bytes = layout::to_json(&index)?;
    put_manifest(transport, scope, &tag_of(digest), &bytes, INDEX_TYPES[0], &Digest::of(&bytes)).await.map(drop)
}

/// The tag of an artifact's list: `sha256-<digest>`.
fn tag_of(digest: &Digest) -> String {
    let (algorithm, hex) = digest.parts();
    let tag = format!("{algorithm}-{hex}");
    // The specification's bound for both parts together.
    tag.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_say_what_they_are() {
        assert_eq!(recognise(br#"{"bomFormat":"CycloneDX"}"#), Some("application/vnd.cyclonedx+json"));
        assert_eq!(recognise(br#"{"spdxVersion":"SPDX-2.3"}"#), Some("application/spdx+json"));
        let statement = br#"{"_type":"https://in-toto.io/Statement/v1"}"#;
        assert_eq!(recognise(statement), Some("application/vnd.in-toto+json"));
        assert_eq!(recognise(b"{}"), None);
        assert!(is_media_type("application/vnd.x+json") && !is_media_type("json") && !is_media_type("a/b c"));
    }
}
