//! Tells of changes in Redis.
//!
//! Redis itself would only say that a hash has changed, not which of its keys, and only where the
//! server is set up for it. So the scripts that change something publish a notice in the same step. What
//! other programs do with commands of their own is in no notice, and a notice that comes while the
//! connection is down is lost.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::redis::RedisBuckets;
use crate::plugins::keyvalue::backend::{Backend, Begun, BucketId, Change, Changes, Feed, Scope, Told};
use crate::plugins::remote::Redis;
use crate::plugins::remote::redis::{Channels, Heard, NotListening};
use crate::runtime::workload::WorkloadId;

/// A value with more bytes than that is not in the notice, but asked for.
macro_rules! largest_in_notice {
    () => {
        "65536"
    };
}

/// Begins every script that changes something. Where a user may not publish, it changes all the same.
macro_rules! telling {
    ($script:literal) => {
        concat!(
            r"
    local channel = table.remove(ARGV)
    local function tell(kind, key, value)
        redis.pcall('PUBLISH', channel, kind .. #key .. ':' .. key .. value)
    end
    local function tell_set(key, value)
        if #value > ",
            crate::plugins::keyvalue::backends::redis_changes::largest_in_notice!(),
            r" then tell('>', key, '') else tell('=', key, value) end
    end
    local function tell_deleted(key) tell('-', key, '') end",
            $script
        )
    };
}
pub(super) use largest_in_notice;
pub(super) use telling;

/// How many notices may wait while a large value is asked for; what is more is lost, with a warning.
const QUEUE: usize = 1024;
/// How long the first attempt to connect again waits, and the last ones.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl Changes for RedisBuckets {
    fn place(&self) -> String {
        format!("redis {:p} {}", Arc::as_ptr(self.server()), self.prefix())
    }

    fn watch(&self, scope: Scope, told: Told) -> Feed {
        let (begun, said) = watch::channel(None);
        let (notices, waiting) = mpsc::channel(QUEUE);
        let buckets = self.clone();
        let server = self.server().clone();
        let task = server.clone().spawn(async move {
            let channels = buckets.channels(&scope);
            tokio::join!(listen(&server, channels, notices, begun), tell(&buckets, &scope, waiting, told));
        });
        Feed::new(task, said)
    }
}

/// Hands on what is published, over one connection after the other.
async fn listen(server: &Redis, channels: Channels, notices: mpsc::Sender<Heard>, begun: watch::Sender<Option<Begun>>) {
    let (mut pause, mut lost) = (PAUSES.0, 0u64);
    loop {
        let mut listened = false;
        let began = || {
            listened = true;
            if begun.send_replace(Some(Begun::Watching)).is_some() {
                tracing::warn!("changes of keys in Redis are told again; those in between may be missing");
            }
        };
        let heard = |heard| {
            if notices.try_send(heard).is_err() {
                lost += 1;
                if lost.is_power_of_two() {
                    tracing::warn!("changes of keys in Redis come too fast: {lost} were not told so far");
                }
            }
        };
        let ended = server.listen(&channels, began, heard).await;
        if listened {
            pause = PAUSES.0;
        }
        let (reason, said) = match ended {
            NotListening::Broken(reason) => (reason.clone(), Begun::Later(reason)),
            NotListening::Refused(reason) => (reason.clone(), Begun::Refused(reason)),
        };
        let is_first = begun.borrow().is_none();
        begun.send_if_modified(|begun| {
            *begun = begun.take().or(Some(said));
            is_first
        });
        if !is_first && pause == PAUSES.0 {
            tracing::warn!("changes of keys in Redis are not told now: {reason}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Tells what the notices say.
async fn tell(buckets: &RedisBuckets, scope: &Scope, mut notices: mpsc::Receiver<Heard>, told: Told) {
    while let Some(heard) = notices.recv().await {
        let Some(bucket) = buckets.bucket_of(scope, &heard.channel) else { continue };
        let Some((kind, key, value)) = read(&heard.payload) else { continue };
        let change = match kind {
            b'=' => Change::Set { key, value },
            b'-' => Change::Deleted { key },
            b'>' => {
                // Its next change is told by a notice of its own.
                let Ok(values) = buckets.get_many(&bucket, std::slice::from_ref(&key)).await else { continue };
                let Some(value) = values.into_iter().next().flatten() else { continue };
                Change::Set { key, value }
            }
            _ => continue,
        };
        told(&bucket, change);
    }
}

/// The parts of a notice: what happened, to which key, the value. `None`: another program wrote it.
fn read(notice: &[u8]) -> Option<(u8, String, Bytes)> {
    let (&kind, rest) = notice.split_first()?;
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
    let rest = &rest[colon + 1..];
    let key = String::from_utf8(rest.get(..length)?.to_vec()).ok()?;
    Some((kind, key, Bytes::copy_from_slice(&rest[length..])))
}

impl RedisBuckets {
    /// The channel for notices of a bucket, told by the name of its hash. A channel is the same in all
    /// databases of a server, a hash is not.
    pub(super) fn channel(&self, hash: &str) -> String {
        format!("wash-changes@{}:{hash}", self.server().database())
    }

    fn channels(&self, scope: &Scope) -> Channels {
        match scope {
            Scope::Shared(name) => {
                let id = BucketId { workload: WorkloadId::shared(), name: name.clone() };
                Channels::One(self.channel(&self.names(&id).0))
            }
            Scope::Workload(workload) => Channels::Like(super::redis::begins_with(&self.channels_of(workload))),
        }
    }

    fn channels_of(&self, workload: &WorkloadId) -> String {
        self.channel(&format!("{}{}", self.prefix(), super::redis::part_of(workload)))
    }

    fn bucket_of(&self, scope: &Scope, channel: &str) -> Option<BucketId> {
        Some(match scope {
            Scope::Shared(name) => BucketId { workload: WorkloadId::shared(), name: name.clone() },
            Scope::Workload(workload) => {
                let name = super::redis::unescaped(channel.strip_prefix(&self.channels_of(workload))?)?;
                BucketId { workload: workload.clone(), name: name.into() }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_read_as_it_was_written_and_another_is_passed_over() {
        assert_eq!(read(b"=3:a:b1\xff"), Some((b'=', "a:b".into(), Bytes::from_static(b"1\xff"))));
        assert_eq!(read(b"-0:"), Some((b'-', String::new(), Bytes::new())));
        for other in [&b""[..], b"=", b"=x:a", b"=9:a", b"hello", b"=1:\xff"] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
