//! Downloading a blob into a partial file of the cache: checked, and continued where it broke.

use std::io::{Seek, SeekFrom, Write};

use reqwest::StatusCode;

use super::client::Client;
use super::digest::{Digest, Hasher};
use super::failure::{Failure, FailureKind, Result};
use super::patience::{LEAST_PROGRESS, Pace, Retries, Setback};
use super::transport::{Request, Scope, Transport};
use crate::progress::Transfer;

/// What to download.
pub(super) struct Blob<'a> {
    pub scope: &'a Scope,
    pub digest: &'a Digest,
    /// From the manifest. More than this is never written.
    pub size: u64,
}

/// Downloads a blob into a partial file of the cache, and checks it. A transfer that breaks goes on
/// where it broke, if the registry can do that, and the file goes away if it cannot be finished.
pub(super) async fn fetch_blob(
    client: &Client,
    transport: &Transport,
    blob: &Blob<'_>,
    transfer: &Transfer,
) -> Result<tempfile::NamedTempFile> {
    let url = transport.url(&blob.scope.registry, &blob.scope.path(&format!("blobs/{}", blob.digest))).await?;
    let mut download = Download {
        partial: client.cache().begin()?,
        hasher: blob.digest.hasher(),
        written: 0,
        expected: blob.size,
        cache: client.cache().root().display().to_string(),
    };
    let mut retries = Retries::new(transport.settings.timing);
    let mut restarts = 0;
    loop {
        let before = download.written;
        let outcome = download.go_on(transport, blob, &url, transfer).await;
        if let Err(setback) = outcome {
            // A peer that sends a few bytes to each request would be asked for ever.
            if download.written >= before + LEAST_PROGRESS {
                retries.forget();
            }
            retries.after(setback).await?;
            continue;
        }
        let digest = download.hasher.clone().finish();
        if digest == *blob.digest {
            return Ok(download.partial);
        }
        // What was put together of several answers may be wrong at a seam; a second try is in one go.
        if before > 0 && restarts == 0 {
            restarts += 1;
            download.restart(blob.digest)?;
            continue;
        }
        return Err(Failure::new(FailureKind::Corrupt, "what the registry sent is not what its digest says")
            .cause(format!("expected {}, got {digest}", blob.digest))
            .hint("nothing was written; try again, or ask who runs the registry"));
    }
}

struct Download {
    partial: tempfile::NamedTempFile,
    hasher: Hasher,
    written: u64,
    expected: u64,
    cache: String,
}

impl Download {
    /// One answer's worth of bytes; Ok when there is nothing more to come.
    async fn go_on(
        &mut self,
        transport: &Transport,
        blob: &Blob<'_>,
        url: &url::Url,
        transfer: &Transfer,
    ) -> Result<(), Setback> {
        if self.expected == self.written {
            return Ok(());
        }
        let mut request = Request::get(url.clone());
        if self.written > 0 {
            request = request.header("range", format!("bytes={}-", self.written));
        }
        let mut answer = transport.attempt(&request, blob.scope).await?;
        match answer.status {
            StatusCode::PARTIAL_CONTENT => {
                let start = answer.header("content-range").and_then(range_start);
                if start != Some(self.written) {
                    self.restart(blob.digest).map_err(Setback::Final)?;
                    let message = "the registry sent another part than it was asked for";
                    let failure = Failure::new(FailureKind::Refused, message);
                    return Err(Setback::Passing { failure, wait: None });
                }
            }
            // It cannot begin in the middle.
            StatusCode::OK => self.restart(blob.digest).map_err(Setback::Final)?,
            StatusCode::RANGE_NOT_SATISFIABLE if self.written > 0 => {
                self.restart(blob.digest).map_err(Setback::Final)?;
                let failure = Failure::new(FailureKind::Refused, "the registry cannot continue a transfer");
                return Err(Setback::Passing { failure, wait: None });
            }
            _ => {
                let doing = format!("{} does not give the layer {}", blob.scope.registry, blob.digest.short());
                return Err(Setback::Final(answer.refusal(&doing, blob.scope).await));
            }
        }
        let mut pace = Pace::new(transport.settings.timing.stall);
        while let Some(chunk) = answer.chunk().await? {
            let total = self.written + chunk.len() as u64;
            if total > self.expected {
                let message = "the registry sends more than the manifest says";
                let cause = format!("the layer {} has {} bytes", blob.digest.short(), self.expected);
                return Err(Setback::Final(Failure::new(FailureKind::Corrupt, message).cause(cause)));
            }
            self.partial.as_file_mut().write_all(&chunk).map_err(|error| {
                Setback::Final(Failure::local(format!("cannot write to the cache `{}`", self.cache), &error))
            })?;
            self.hasher.update(&chunk);
            self.written = total;
            transfer.moved(total);
            pace.moved(chunk.len(), &answer.url)?;
        }
        if self.written < self.expected {
            let cause = format!("got {} of {} bytes", self.written, self.expected);
            let failure = Failure::new(FailureKind::Unreachable, "the transfer ended too early").cause(cause);
            return Err(Setback::Passing { failure, wait: None });
        }
        Ok(())
    }

    fn restart(&mut self, digest: &Digest) -> Result<()> {
        let file = self.partial.as_file_mut();
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .map_err(|error| Failure::local(format!("cannot write to the cache `{}`", self.cache), &error))?;
        self.hasher = digest.hasher();
        self.written = 0;
        Ok(())
    }
}

/// Where the part of a `Content-Range` begins: `bytes 5-9/10`.
fn range_start(header: &str) -> Option<u64> {
    header.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}
