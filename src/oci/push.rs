//! Pushing: the layer and the config first, then the manifest under each of its names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{Method, StatusCode};
use url::Url;

use super::answer::Answer;
use super::auth::Action;
use super::client::Client;
use super::digest::Digest;
use super::failure::{Failure, FailureKind, Result, usage};
use super::layout::{Artifact, MANIFEST_TYPE};
use super::patience::{Retries, Setback};
use super::payload::Payload;
use super::reference::Reference;
use super::transport::{Request, Scope, Transport, check_downgrade};
use crate::progress::{Progress, Transfer};

/// What goes in one request: some registries refuse more than this in one.
const CHUNK: u64 = 4 << 20;
/// Smaller than this, a registry's limit is not worth looking for.
const SMALLEST_CHUNK: u64 = 64 << 10;

/// What was pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// By digest: what it names can never change.
    pub reference: Reference,
    /// The digest of the manifest: the artifact's.
    pub digest: Digest,
    /// Under which tags it can be pulled, too.
    pub tags: Vec<String>,
    /// The size of the component in bytes.
    pub size: u64,
    /// Whether the registry had the layer already.
    pub existed: bool,
}

impl Client {
    /// Pushes an artifact under the tag of `reference` and under `more_tags`.
    pub async fn push(
        &self,
        reference: &Reference,
        artifact: &Artifact,
        more_tags: &[String],
        progress: &dyn Progress,
    ) -> Result<Pushed> {
        let pushed = self.push_any(reference, artifact, more_tags, progress).await;
        self.tell_notes(progress);
        pushed.map_err(|failure| failure.wrap(format!("cannot push `{reference}`")))
    }

    async fn push_any(
        &self,
        reference: &Reference,
        artifact: &Artifact,
        more_tags: &[String],
        progress: &dyn Progress,
    ) -> Result<Pushed> {
        let transport = self.transport("pushing")?;
        if let Some(digest) = reference.digest().filter(|digest| **digest != artifact.digest) {
            return Err(usage(format!("the artifact has the digest {}, not {digest}", artifact.digest))
                .hint(format!("leave the digest out: {}", reference.with_digest(&artifact.digest))));
        }
        let mut tags: Vec<String> = reference.tag().map(str::to_string).into_iter().collect();
        for tag in more_tags {
            // Says what is wrong with a tag before anything is sent.
            reference.with_tag(tag)?;
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        let scope = Scope::of(reference, Action::Push);
        let size = artifact.layer.len() as u64;
        let transfer = Arc::new(progress.transfer(&format!("Pushing {reference}"), size));
        let layer = Upload {
            scope: &scope,
            digest: &artifact.layer_digest,
            payload: Payload::Bytes(artifact.layer.clone()),
            mount_from: None,
            transfer,
        };
        let existed = layer.send(transport).await?;
        let config = Upload {
            scope: &scope,
            digest: &artifact.config_digest,
            payload: Payload::Bytes(artifact.config.clone().into()),
            mount_from: None,
            transfer: Arc::new(Transfer::hidden()),
        };
        config.send(transport).await?;
        let digest = &artifact.digest;
        let targets: Vec<String> = if tags.is_empty() { vec![digest.to_string()] } else { tags.clone() };
        for target in &targets {
            put_manifest(transport, &scope, target, &artifact.manifest, MANIFEST_TYPE, digest).await?;
        }
        Ok(Pushed { reference: reference.with_digest(digest), digest: digest.clone(), tags, size, existed })
    }
}

/// How a registry took a manifest.
pub(super) struct Put {
    /// Whether it noticed the subject, and so keeps the list of what refers to it.
    pub keeps_referrers: bool,
}

/// Puts a manifest under a tag or under its digest.
pub(super) async fn put_manifest(
    transport: &Transport,
    scope: &Scope,
    target: &str,
    manifest: &[u8],
    media_type: &str,
    digest: &Digest,
) -> Result<Put> {
    let url = transport.url(&scope.registry, &scope.path(&format!("manifests/{target}"))).await?;
    let request = Request::new(Method::PUT, url)
        .header("content-type", media_type)
        .payload(Payload::Bytes(manifest.to_vec().into()));
    let answer = transport.send(&request, scope).await?;
    if !answer.is_success() {
        return Err(answer.refusal(&format!("{} does not take the manifest `{target}`", scope.registry), scope).await);
    }
    match answer.header("docker-content-digest").and_then(|text| Digest::parse(text).ok()) {
        Some(other) if other != *digest => {
            let message = format!("{} has kept another manifest than it was sent", scope.registry);
            Err(Failure::new(FailureKind::Corrupt, message).cause(format!("sent {digest}, kept {other}")))
        }
        _ => Ok(Put { keeps_referrers: answer.header("oci-subject").is_some() }),
    }
}

/// A blob on its way to a registry.
pub(super) struct Upload<'a> {
    pub scope: &'a Scope,
    pub digest: &'a Digest,
    pub payload: Payload,
    /// A repository of the same registry that has it already.
    pub mount_from: Option<&'a str>,
    pub transfer: Arc<Transfer>,
}

/// How a way of sending a blob ended.
enum Sent {
    Whole,
    /// The registry takes less at once.
    TooLarge,
    /// The registry does not know this way.
    Unsupported(Failure),
}

impl Upload<'_> {
    /// Sends the blob, unless the registry has it; whether it had it.
    pub async fn send(&self, transport: &Transport) -> Result<bool> {
        if self.exists(transport).await? {
            self.transfer.moved(self.payload.len());
            return Ok(true);
        }
        // In one request, if it is small: that is what every registry can do. In chunks if it is
        // large: some registries take no more at once, and a transfer that breaks can go on. Each
        // way is the way out when the registry does not take the other one.
        let mut chunk = CHUNK;
        let mut whole_first = self.payload.len() <= chunk;
        let mut refused: Option<Failure> = None;
        loop {
            let outcome =
                if whole_first { self.whole(transport).await? } else { self.chunks(transport, chunk).await? };
            match outcome {
                Sent::Whole => return Ok(false),
                Sent::TooLarge if whole_first => {
                    whole_first = false;
                    chunk = chunk.min(self.payload.len().div_ceil(2)).max(SMALLEST_CHUNK);
                }
                Sent::TooLarge if chunk > SMALLEST_CHUNK => chunk = (chunk / 2).max(SMALLEST_CHUNK),
                Sent::TooLarge => {
                    let message = format!("{} does not even take {SMALLEST_CHUNK} bytes at once", self.scope.registry);
                    return Err(Failure::new(FailureKind::Refused, message)
                        .hint("a proxy in front of the registry may limit the size of requests"));
                }
                Sent::Unsupported(failure) => {
                    if let Some(first) = refused {
                        return Err(first);
                    }
                    refused = Some(failure);
                    whole_first = !whole_first;
                }
            }
        }
    }

    /// Whether the registry has it.
    pub async fn exists(&self, transport: &Transport) -> Result<bool> {
        let url = transport.url(&self.scope.registry, &self.scope.path(&format!("blobs/{}", self.digest))).await?;
        let answer = transport.send(&Request::new(Method::HEAD, url), self.scope).await?;
        // Anything else will be said by the registry when it is asked to take the blob.
        Ok(answer.is_success())
    }

    /// Has the registry take the blob from another repository of its own; whether it did.
    pub async fn mount(&self, transport: &Transport) -> Result<bool> {
        let Some(from) = self.mount_from else { return Ok(false) };
        let mut url = transport.url(&self.scope.registry, &self.scope.path("blobs/uploads/")).await?;
        url.query_pairs_mut().append_pair("mount", self.digest.as_str()).append_pair("from", from);
        let answer = transport.send(&Request::new(Method::POST, url), self.scope).await?;
        // Anything else is no failure: then the blob is sent.
        Ok(answer.status == StatusCode::CREATED)
    }

    /// Begins an upload: where it goes to.
    async fn begin(&self, transport: &Transport) -> Result<Session> {
        let url = transport.url(&self.scope.registry, &self.scope.path("blobs/uploads/")).await?;
        let answer = transport.send(&Request::new(Method::POST, url), self.scope).await?;
        match answer.is_success() {
            true => Session::of(&answer, self.scope),
            false => Err(answer.refusal(&format!("{} does not take blobs", self.scope.registry), self.scope).await),
        }
    }

    /// Everything in one request, with as many attempts as it needs.
    async fn whole(&self, transport: &Transport) -> Result<Sent> {
        let mut retries = Retries::new(transport.settings.timing);
        loop {
            let session = self.begin(transport).await?;
            let request = Request {
                sent: Some(self.counter(0)),
                ..Request::new(Method::PUT, session.finish(self.digest))
                    .header("content-type", "application/octet-stream")
                    .payload(self.payload.clone())
            };
            let setback = match transport.attempt(&request, self.scope).await {
                Ok(answer) => match answer.status.as_u16() {
                    200..=299 => return Ok(Sent::Whole),
                    413 => return Ok(Sent::TooLarge),
                    // The session went away while we waited; there are others.
                    404 => Setback::Passing { failure: self.refused(answer).await, wait: None },
                    401 | 403 => return Err(self.refused(answer).await),
                    _ => return Ok(Sent::Unsupported(self.refused(answer).await)),
                },
                Err(setback) => setback,
            };
            retries.after(setback).await?;
        }
    }

    /// A chunk after the other. After a broken one, the registry is asked how far it has got.
    async fn chunks(&self, transport: &Transport, chunk: u64) -> Result<Sent> {
        let mut session = self.begin(transport).await?;
        let chunk = chunk.max(session.smallest_chunk);
        let mut retries = Retries::new(transport.settings.timing);
        let total = self.payload.len();
        let mut offset = 0;
        while offset < total {
            let length = chunk.min(total - offset);
            let request = Request {
                sent: Some(self.counter(offset)),
                ..Request::new(Method::PATCH, session.url.clone())
                    .header("content-type", "application/octet-stream")
                    .header("content-range", format!("{offset}-{}", offset + length - 1))
                    .payload(self.payload.part(offset, length))
            };
            let setback = match transport.attempt(&request, self.scope).await {
                Ok(answer) => match answer.status.as_u16() {
                    200..=299 => {
                        session = Session::of(&answer, self.scope)?;
                        // What the registry has taken may be less than what it was sent.
                        offset = session.taken.unwrap_or(offset + length).min(total).max(offset);
                        retries.forget();
                        continue;
                    }
                    413 => return Ok(Sent::TooLarge),
                    401 | 403 => return Err(self.refused(answer).await),
                    // It has got elsewhere than we think, or has forgotten everything.
                    404 | 416 if offset > 0 => Setback::Passing { failure: self.refused(answer).await, wait: None },
                    _ => return Ok(Sent::Unsupported(self.refused(answer).await)),
                },
                Err(setback) => setback,
            };
            retries.after(setback).await?;
            match self.progress_of(transport, &session).await {
                Some(found) => {
                    offset = found.taken.unwrap_or(0).min(total);
                    session = found;
                }
                None => {
                    session = self.begin(transport).await?;
                    offset = 0;
                }
            }
        }
        let request = Request::new(Method::PUT, session.finish(self.digest));
        let answer = transport.send(&request, self.scope).await?;
        match answer.is_success() {
            true => Ok(Sent::Whole),
            // It may have been finished by an attempt whose answer was lost.
            false if self.exists(transport).await? => Ok(Sent::Whole),
            false => Ok(Sent::Unsupported(self.refused(answer).await)),
        }
    }

    /// How far the registry has got, if it can tell.
    async fn progress_of(&self, transport: &Transport, session: &Session) -> Option<Session> {
        let answer = transport.attempt(&Request::get(session.url.clone()), self.scope).await.ok()?;
        if !answer.is_success() {
            return None;
        }
        let found = Session::of(&answer, self.scope).ok();
        let taken = answer.header("range").and_then(range_end);
        Some(match found {
            Some(found) => found,
            None => Session { taken, ..session.clone() },
        })
    }

    fn counter(&self, before: u64) -> Arc<dyn Fn(u64) + Send + Sync> {
        let transfer = self.transfer.clone();
        let most = AtomicU64::new(0);
        Arc::new(move |sent| {
            let most = most.fetch_max(before + sent, Ordering::Relaxed).max(before + sent);
            transfer.moved(most);
        })
    }

    async fn refused(&self, answer: Answer) -> Failure {
        let doing = format!("{} does not take the blob {}", self.scope.registry, self.digest.short());
        answer.refusal(&doing, self.scope).await
    }
}

/// An upload that the registry has begun.
#[derive(Clone)]
struct Session {
    url: Url,
    /// How many bytes it has, if it says so.
    taken: Option<u64>,
    smallest_chunk: u64,
}

impl Session {
    /// From the answer's `Location`, which is relative to where the answer came from, and may be on
    /// another host: then no credential goes there.
    fn of(answer: &Answer, scope: &Scope) -> Result<Self> {
        let broken = |why: String| {
            let message = format!("{} does not say where to upload to", scope.registry);
            Failure::new(FailureKind::Refused, message).cause(why)
        };
        let location = answer.header("location").ok_or_else(|| broken("its answer has no `Location`".into()))?;
        let url = answer.url.join(location).map_err(|error| broken(format!("its `Location` is wrong: {error}")))?;
        check_downgrade(&answer.url, &url).map_err(broken)?;
        let taken = answer.header("range").and_then(range_end);
        let smallest = answer.header("oci-chunk-min-length").and_then(|text| text.trim().parse().ok());
        Ok(Session { url, taken, smallest_chunk: smallest.unwrap_or(0) })
    }

    /// Where the upload is finished.
    fn finish(&self, digest: &Digest) -> Url {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("digest", digest.as_str());
        url
    }
}

/// How many bytes the `Range` of an upload means: `0-41` are 42, and `0-0` are none or one, of which
/// registries mean none.
fn range_end(header: &str) -> Option<u64> {
    let text = header.trim();
    let text = text.strip_prefix("bytes=").unwrap_or(text);
    let (_, end) = text.split_once('-')?;
    match end.trim().parse::<u64>().ok()? {
        0 => Some(0),
        end => Some(end + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_uploads_are_counts() {
        assert_eq!(range_end("0-41"), Some(42));
        assert_eq!(range_end("bytes=0-41"), Some(42));
        assert_eq!(range_end("0-0"), Some(0));
        assert_eq!(range_end("x"), None);
    }
}
