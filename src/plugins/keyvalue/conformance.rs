//! What every backend of `wasi:keyvalue` does alike.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::backend::{Backend, BucketId, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};
use super::backends::{file::File, memory::Memory, nats::NatsBuckets, redis::RedisBuckets};
use crate::plugins::remote::{Connections, ServerUrl};
use crate::plugins::servers::Server;
use crate::plugins::tests::workload;

/// Runs a test over every backend; those after `but nats` over all others.
macro_rules! every_backend {
    ($($name:ident)*; but nats: $($but_nats:ident)*) => {
        every_backend! { @memory $($name)* $($but_nats)* }
        every_backend! { @file $($name)* $($but_nats)* }
        every_backend! { @redis $($name)* $($but_nats)* }
        every_backend! { @nats $($name)* }
    };
    (@$backend:ident $($name:ident)*) => {
        mod $backend {
            use super::Subject;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let subject = Subject::$backend();
                super::$name(&subject).await;
            })*
        }
    };
}

every_backend! {
    a_value_is_what_was_stored_last
    a_deleted_key_is_gone
    a_value_may_be_empty_or_large_and_any_bytes
    keys_are_any_text
    keys_come_sorted_and_in_pages
    buckets_are_apart
    workloads_are_apart
    a_shared_bucket_is_apart_from_those_of_workloads
    many_values_come_in_the_order_of_the_keys
    of_two_pairs_with_the_same_key_the_later_one_stays
    too_many_bytes_at_once_are_refused
    a_number_is_stored_as_decimal_digits
    what_is_no_number_is_not_incremented
    a_number_has_64_bits
    increments_at_the_same_time_are_all_counted
    a_swap_depends_on_what_was_seen
    of_swaps_at_the_same_time_one_is_done
    clearing_leaves_other_workloads_alone
    ; but nats:
    // Each key is an operation of its own there.
    batches_are_never_seen_half_done
}

/// A backend with what it is kept in.
struct Subject {
    backend: Arc<dyn Backend>,
    largest_value: usize,
    longest_key: usize,
    _folder: Option<tempfile::TempDir>,
    _server: Option<Server>,
}

impl std::ops::Deref for Subject {
    type Target = Arc<dyn Backend>;

    fn deref(&self) -> &Arc<dyn Backend> {
        &self.backend
    }
}

impl Subject {
    fn new(backend: Arc<dyn Backend>) -> Self {
        let (largest_value, longest_key) = (MAX_VALUE_BYTES, MAX_KEY_BYTES);
        Subject { backend, largest_value, longest_key, _folder: None, _server: None }
    }

    fn memory() -> Self {
        Subject::new(Arc::new(Memory::default()))
    }

    fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = File::open(folder.path()).unwrap();
        Subject { _folder: Some(folder), ..Subject::new(backend) }
    }

    fn redis() -> Self {
        let server = Server::redis();
        let redis = Connections::default().redis(&ServerUrl::redis(&server.url()).unwrap()).unwrap();
        Subject { _server: Some(server), ..Subject::new(Arc::new(RedisBuckets::new(redis, None))) }
    }

    fn nats() -> Self {
        let server = Server::nats();
        let nats = Connections::default().nats(&ServerUrl::nats(&server.url()).unwrap()).unwrap();
        let backend = Arc::new(NatsBuckets::new(nats));
        // A message has at most 1 MiB there, and a line 4 KiB.
        let (largest_value, longest_key) = ((1 << 20) - 512, 3 << 10);
        Subject { largest_value, longest_key, _server: Some(server), ..Subject::new(backend) }
    }
}

fn bucket() -> BucketId {
    of("hello", "default")
}

fn of(name: &str, bucket: &str) -> BucketId {
    BucketId { workload: workload("default", name).id(), name: bucket.into() }
}

async fn set(subject: &Subject, bucket: &BucketId, key: &str, value: &[u8]) {
    subject.set_many(bucket, vec![(key.to_string(), Bytes::copy_from_slice(value))]).await.unwrap();
}

async fn get(subject: &Subject, bucket: &BucketId, key: &str) -> Option<Bytes> {
    subject.get_many(bucket, &[key.to_string()]).await.unwrap().pop().unwrap()
}

async fn a_value_is_what_was_stored_last(subject: &Subject) {
    assert_eq!(get(subject, &bucket(), "k").await, None);
    assert!(!subject.exists(&bucket(), "k").await.unwrap());
    set(subject, &bucket(), "k", b"one").await;
    set(subject, &bucket(), "k", b"two").await;
    assert_eq!(get(subject, &bucket(), "k").await.unwrap(), "two");
    assert!(subject.exists(&bucket(), "k").await.unwrap());
}

async fn a_deleted_key_is_gone(subject: &Subject) {
    set(subject, &bucket(), "k", b"v").await;
    set(subject, &bucket(), "l", b"v").await;
    subject.delete_many(&bucket(), vec!["k".into(), "never there".into()]).await.unwrap();
    subject.delete_many(&of("hello", "no such bucket"), vec!["k".into()]).await.unwrap();
    assert_eq!(get(subject, &bucket(), "k").await, None);
    assert_eq!(subject.keys(&bucket(), None, 10).await.unwrap(), ["l"]);
}

async fn a_value_may_be_empty_or_large_and_any_bytes(subject: &Subject) {
    set(subject, &bucket(), "empty", b"").await;
    assert_eq!(get(subject, &bucket(), "empty").await.unwrap(), "");
    let all_bytes: Vec<u8> = (0..=255).collect();
    set(subject, &bucket(), "bytes", &all_bytes).await;
    assert_eq!(get(subject, &bucket(), "bytes").await.unwrap(), all_bytes);
    let large = vec![7; subject.largest_value];
    set(subject, &bucket(), "large", &large).await;
    assert!(get(subject, &bucket(), "large").await.unwrap() == large);
}

async fn keys_are_any_text(subject: &Subject) {
    let long = "k".repeat(subject.longest_key);
    let keys = ["", " ", "a/b", "../../etc/passwd", "*", "nul\0", "größe", "日本", "a\u{10ffff}", &long];
    for key in keys {
        set(subject, &bucket(), key, key.as_bytes()).await;
    }
    for key in keys {
        assert_eq!(get(subject, &bucket(), key).await.unwrap(), key.as_bytes(), "{key:?}");
    }
    let listed = subject.keys(&bucket(), None, 100).await.unwrap();
    assert_eq!(listed, keys.iter().map(|key| key.to_string()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
}

async fn keys_come_sorted_and_in_pages(subject: &Subject) {
    let pairs = (0..25).rev().map(|n| (format!("{n:02}"), Bytes::new())).collect();
    subject.set_many(&bucket(), pairs).await.unwrap();
    set(subject, &of("hello", "defaulu"), "in the next bucket", b"").await;
    let first = subject.keys(&bucket(), None, 10).await.unwrap();
    assert_eq!((first.len(), first[0].as_str(), first[9].as_str()), (10, "00", "09"));
    // The place of a page does not move when keys before it go, nor when its own key goes.
    subject.delete_many(&bucket(), first).await.unwrap();
    let second = subject.keys(&bucket(), Some("09"), 10).await.unwrap();
    assert_eq!((second.len(), second[0].as_str(), second[9].as_str()), (10, "10", "19"));
    assert_eq!(subject.keys(&bucket(), Some("19"), 10).await.unwrap(), ["20", "21", "22", "23", "24"]);
    assert!(subject.keys(&bucket(), Some("24"), 10).await.unwrap().is_empty());
    assert!(subject.keys(&of("hello", "never used"), None, 10).await.unwrap().is_empty());
}

async fn buckets_are_apart(subject: &Subject) {
    // Names that would be the same if they were only put together.
    set(subject, &of("hello", "a"), "b/c", b"1").await;
    set(subject, &of("hello", "a/b"), "c", b"2").await;
    set(subject, &of("hello", "a\0b"), "c", b"3").await;
    assert_eq!(get(subject, &of("hello", "a"), "b/c").await.unwrap(), "1");
    assert_eq!(get(subject, &of("hello", "a/b"), "c").await.unwrap(), "2");
    assert_eq!(subject.keys(&of("hello", "a"), None, 10).await.unwrap(), ["b/c"]);
}

async fn workloads_are_apart(subject: &Subject) {
    set(subject, &of("one", "default"), "k", b"1").await;
    assert_eq!(get(subject, &of("two", "default"), "k").await, None);
    assert_eq!(subject.increment(&of("one", "default"), "n", 5).await.unwrap(), 5);
    assert_eq!(subject.increment(&of("two", "default"), "n", 1).await.unwrap(), 1);
    subject.delete_many(&of("two", "default"), vec!["k".into()]).await.unwrap();
    assert_eq!(get(subject, &of("one", "default"), "k").await.unwrap(), "1");
    assert_eq!(subject.keys(&of("two", "default"), None, 10).await.unwrap(), ["n"]);
}

async fn many_values_come_in_the_order_of_the_keys(subject: &Subject) {
    set(subject, &bucket(), "a", b"1").await;
    set(subject, &bucket(), "b", b"2").await;
    let keys = ["b", "missing", "a", "b"].map(String::from);
    let values = subject.get_many(&bucket(), &keys).await.unwrap();
    assert_eq!(values, [Some("2".into()), None, Some("1".into()), Some("2".into())]);
    assert!(subject.get_many(&bucket(), &[]).await.unwrap().is_empty());
}

async fn of_two_pairs_with_the_same_key_the_later_one_stays(subject: &Subject) {
    let pairs = vec![("k".to_string(), Bytes::from("1")), ("k".to_string(), Bytes::from("2"))];
    subject.set_many(&bucket(), pairs).await.unwrap();
    assert_eq!(get(subject, &bucket(), "k").await.unwrap(), "2");
}

async fn too_many_bytes_at_once_are_refused(subject: &Subject) {
    set(subject, &bucket(), "large", &vec![0; subject.largest_value]).await;
    let times = |count| vec!["large".to_string(); count];
    let fit = MAX_BATCH_BYTES / subject.largest_value;
    assert_eq!(subject.get_many(&bucket(), &times(fit)).await.unwrap().len(), fit);
    let error = subject.get_many(&bucket(), &times(fit + 1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the values are more than 256 MiB together: use smaller batches");
}

async fn a_number_is_stored_as_decimal_digits(subject: &Subject) {
    assert_eq!(subject.increment(&bucket(), "n", 0).await.unwrap(), 0);
    assert_eq!(subject.increment(&bucket(), "n", 12).await.unwrap(), 12);
    assert_eq!(get(subject, &bucket(), "n").await.unwrap(), "12");
    set(subject, &bucket(), "n", b"41").await;
    assert_eq!(subject.increment(&bucket(), "n", 1).await.unwrap(), 42);
}

async fn what_is_no_number_is_not_incremented(subject: &Subject) {
    set(subject, &bucket(), "text", b"many").await;
    let error = subject.increment(&bucket(), "text", 1).await.unwrap_err();
    assert!(error.to_string().starts_with("the value of `text` is not a number"), "{error}");
    assert_eq!(get(subject, &bucket(), "text").await.unwrap(), "many");
    set(subject, &bucket(), "most", u64::MAX.to_string().as_bytes()).await;
    subject.increment(&bucket(), "most", 1).await.unwrap_err();
    assert_eq!(subject.increment(&bucket(), "most", 0).await.unwrap(), u64::MAX);
}

async fn a_number_has_64_bits(subject: &Subject) {
    for (start, delta) in [(9, 1), (99, 901), (1 << 53, 1), (u64::MAX - 7, 7), (5, u64::MAX - 5), (0, u64::MAX)] {
        set(subject, &bucket(), "n", format!("000{start}").as_bytes()).await;
        let sum = subject.increment(&bucket(), "n", delta).await.unwrap();
        assert_eq!(sum, start + delta);
        assert_eq!(get(subject, &bucket(), "n").await.unwrap(), sum.to_string());
    }
}

async fn a_shared_bucket_is_apart_from_those_of_workloads(subject: &Subject) {
    let shared = BucketId { workload: crate::runtime::workload::WorkloadId::shared(), name: "default".into() };
    set(subject, &shared, "k", b"1").await;
    assert_eq!(get(subject, &bucket(), "k").await, None);
    set(subject, &bucket(), "k", b"2").await;
    subject.clear(&bucket().workload).await.unwrap();
    assert_eq!(get(subject, &shared, "k").await.unwrap(), "1");
    assert_eq!(subject.keys(&shared, None, 10).await.unwrap(), ["k"]);
}

async fn increments_at_the_same_time_are_all_counted(subject: &Subject) {
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let subject = subject.backend.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for _ in 0..50 {
                    seen.push(subject.increment(&bucket(), "n", 1).await.unwrap());
                }
                seen
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for task in tasks {
        seen.extend(task.await.unwrap());
    }
    // Nobody saw the same number twice, and none was passed over.
    assert_eq!(seen, (1..=400).collect());
}

async fn a_swap_depends_on_what_was_seen(subject: &Subject) {
    let id = bucket();
    let bytes = |text: &'static str| Bytes::from(text);
    assert!(!subject.swap(&id, "k", Some(bytes("")), bytes("x")).await.unwrap());
    assert!(subject.swap(&id, "k", None, bytes("")).await.unwrap());
    assert!(!subject.swap(&id, "k", None, bytes("x")).await.unwrap());
    assert!(subject.swap(&id, "k", Some(bytes("")), bytes("two")).await.unwrap());
    assert!(!subject.swap(&id, "k", Some(bytes("one")), bytes("x")).await.unwrap());
    assert_eq!(get(subject, &id, "k").await.unwrap(), "two");
    assert_eq!(subject.keys(&id, None, 10).await.unwrap(), ["k"]);
    subject.delete_many(&id, vec!["k".into()]).await.unwrap();
    assert!(!subject.swap(&id, "k", Some(bytes("two")), bytes("x")).await.unwrap());
    assert!(subject.swap(&id, "k", None, bytes("again")).await.unwrap());
}

async fn of_swaps_at_the_same_time_one_is_done(subject: &Subject) {
    for round in 0..10 {
        let seen = get(subject, &bucket(), "k").await;
        let swaps: Vec<_> = (0..8)
            .map(|n| {
                let (subject, seen) = (subject.backend.clone(), seen.clone());
                let value = Bytes::from(format!("{round} {n}"));
                tokio::spawn(async move { subject.swap(&bucket(), "k", seen, value).await.unwrap() })
            })
            .collect();
        let mut done = 0;
        for swap in swaps {
            done += usize::from(swap.await.unwrap());
        }
        assert_eq!(done, 1);
    }
}

async fn batches_are_never_seen_half_done(subject: &Subject) {
    let keys: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let writer = tokio::spawn({
        let (subject, keys) = (subject.backend.clone(), keys.clone());
        async move {
            for round in 0..30 {
                let pairs = keys.iter().map(|key| (key.clone(), Bytes::from(round.to_string()))).collect();
                subject.set_many(&bucket(), pairs).await.unwrap();
            }
            subject.delete_many(&bucket(), keys).await.unwrap();
        }
    });
    loop {
        let ended = writer.is_finished();
        let values: BTreeSet<_> = subject.get_many(&bucket(), &keys).await.unwrap().into_iter().collect();
        assert_eq!(values.len(), 1, "{values:?}");
        if ended {
            assert_eq!(values, [None].into());
            break;
        }
    }
    writer.await.unwrap();
}

async fn clearing_leaves_other_workloads_alone(subject: &Subject) {
    for name in ["one", "one\0", "onf", "on"] {
        set(subject, &of(name, "a"), "k", b"1").await;
        set(subject, &of(name, "b"), "k", b"1").await;
    }
    let one = workload("default", "one").id();
    subject.forget(&one);
    subject.clear(&one).await.unwrap();
    for bucket in ["a", "b"] {
        assert_eq!(get(subject, &of("one", bucket), "k").await, None);
        for name in ["one\0", "onf", "on"] {
            assert_eq!(get(subject, &of(name, bucket), "k").await.unwrap(), "1", "{name:?}");
        }
    }
}
