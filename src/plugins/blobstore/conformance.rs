//! What every backend of `wasi:blobstore` does alike.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::join_all;

use super::backend::{Backend, ContainerId, ObjectId, Range};
use super::backends::{file::Folder, memory::Memory};
use super::names::ObjectNames;
use crate::plugins::tests::workload;

/// Runs a test over every backend.
macro_rules! every_backend {
    ($($name:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(std::sync::Arc::new(super::Memory::new(1 << 30))).await;
            })*
        }
        mod file {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(super::Folder::open(folder.path()).unwrap()).await;
            })*
        }
    };
}

every_backend! {
    a_container_is_made_once
    a_deleted_container_is_gone_with_its_objects
    a_cleared_container_is_still_there
    nothing_works_in_a_container_that_does_not_exist
    an_object_is_what_was_written_last
    an_upload_that_is_dropped_leaves_nothing
    a_large_object_arrives_whole
    ranges_include_both_ends_and_end_with_the_object
    a_reader_keeps_the_content_it_began_with
    names_of_objects_are_any_text
    names_come_sorted_and_in_pages
    deleted_objects_are_gone_and_others_stay
    a_copy_is_apart_from_its_source
    a_moved_object_has_only_its_new_name
    a_move_that_fails_leaves_the_object_where_it_is
    workloads_are_apart
    clearing_leaves_other_workloads_alone
    of_many_makers_of_a_container_one_is_first
    of_many_writers_of_an_object_one_wins_whole
}

type Subject = Arc<dyn Backend>;

fn of(name: &str, container: &str) -> ContainerId {
    ContainerId::new(workload("default", name).id(), container).unwrap()
}

fn object(container: &str, name: &str) -> ObjectId {
    ObjectId::new(of("hello", container), name.into()).unwrap()
}

async fn put(subject: &Subject, id: &ObjectId, content: &[u8]) -> Result<(), String> {
    let mut upload = subject.upload().await?;
    for piece in content.chunks(64 << 10) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.commit(id.clone()).await
}

async fn part(subject: &Subject, id: &ObjectId, first: u64, last: u64) -> Result<Vec<u8>, String> {
    let content = subject.read(id, Range { first, last }).await?;
    let chunks: Vec<Bytes> = content.chunks.try_collect().await?;
    let bytes = chunks.concat();
    assert_eq!(bytes.len() as u64, content.size);
    Ok(bytes)
}

async fn get(subject: &Subject, id: &ObjectId) -> Result<Vec<u8>, String> {
    part(subject, id, 0, u64::MAX).await
}

async fn names(subject: &Subject, container: &str) -> Vec<String> {
    subject.objects(&of("hello", container), None, 1000).await.unwrap()
}

/// A subject with a container `c`.
async fn with_container(subject: &Subject) -> ContainerId {
    assert!(subject.create_container(&of("hello", "c")).await.unwrap());
    of("hello", "c")
}

async fn a_container_is_made_once(subject: Subject) {
    assert_eq!(subject.container(&of("hello", "c")).await.unwrap(), None);
    assert!(subject.create_container(&of("hello", "c")).await.unwrap());
    put(&subject, &object("c", "o"), b"x").await.unwrap();
    let made = subject.container(&of("hello", "c")).await.unwrap().unwrap();
    assert!(made > 1_700_000_000, "seconds since 1970: {made}");
    assert!(!subject.create_container(&of("hello", "c")).await.unwrap());
    assert_eq!(names(&subject, "c").await, ["o"]);
    assert_eq!(subject.container(&of("hello", "C")).await.unwrap(), None);
}

async fn a_deleted_container_is_gone_with_its_objects(subject: Subject) {
    let container = with_container(&subject).await;
    put(&subject, &object("c", "o"), b"x").await.unwrap();
    subject.delete_container(&container).await.unwrap();
    assert_eq!(subject.container(&container).await.unwrap(), None);
    subject.delete_container(&container).await.unwrap();
    assert!(subject.create_container(&container).await.unwrap());
    assert!(names(&subject, "c").await.is_empty());
}

async fn a_cleared_container_is_still_there(subject: Subject) {
    let container = with_container(&subject).await;
    let made = subject.container(&container).await.unwrap();
    for name in ["a", "b", &"long".repeat(200)] {
        put(&subject, &object("c", name), b"x").await.unwrap();
    }
    subject.clear_container(&container).await.unwrap();
    assert!(names(&subject, "c").await.is_empty());
    assert_eq!(subject.container(&container).await.unwrap(), made);
    put(&subject, &object("c", "a"), b"y").await.unwrap();
}

async fn nothing_works_in_a_container_that_does_not_exist(subject: Subject) {
    let (missing, id) = (of("hello", "no"), object("no", "o"));
    let error = "the container `no` does not exist";
    assert_eq!(subject.clear_container(&missing).await.unwrap_err(), error);
    assert_eq!(subject.objects(&missing, None, 1).await.unwrap_err(), error);
    assert_eq!(subject.object(&id).await.unwrap_err(), error);
    assert_eq!(get(&subject, &id).await.unwrap_err(), error);
    assert_eq!(put(&subject, &id, b"x").await.unwrap_err(), error);
    assert_eq!(subject.delete_objects(&missing, &["o".into()]).await.unwrap_err(), error);
    with_container(&subject).await;
    put(&subject, &object("c", "o"), b"x").await.unwrap();
    assert_eq!(subject.copy_object(&object("c", "o"), &id).await.unwrap_err(), error);
    assert_eq!(subject.copy_object(&id, &object("c", "o")).await.unwrap_err(), error);
}

async fn an_object_is_what_was_written_last(subject: Subject) {
    with_container(&subject).await;
    let id = object("c", "o");
    assert_eq!(subject.object(&id).await.unwrap(), None);
    assert_eq!(get(&subject, &id).await.unwrap_err(), "the object `o` does not exist in the container `c`");
    put(&subject, &id, b"a long first text").await.unwrap();
    put(&subject, &id, b"short").await.unwrap();
    assert_eq!(get(&subject, &id).await.unwrap(), b"short");
    let info = subject.object(&id).await.unwrap().unwrap();
    assert_eq!(info.size, 5);
    assert!(info.created_at > 1_700_000_000);
    put(&subject, &id, b"").await.unwrap();
    assert_eq!(get(&subject, &id).await.unwrap(), b"");
}

async fn an_upload_that_is_dropped_leaves_nothing(subject: Subject) {
    with_container(&subject).await;
    put(&subject, &object("c", "o"), b"old").await.unwrap();
    let mut upload = subject.upload().await.unwrap();
    upload.write(Bytes::from(vec![0; 1 << 20])).await.unwrap();
    assert_eq!(names(&subject, "c").await, ["o"]);
    drop(upload);
    assert_eq!(names(&subject, "c").await, ["o"]);
    assert_eq!(get(&subject, &object("c", "o")).await.unwrap(), b"old");
}

async fn a_large_object_arrives_whole(subject: Subject) {
    with_container(&subject).await;
    let content: Vec<u8> = (0..3_000_001u32).map(|n| (n % 251) as u8).collect();
    put(&subject, &object("c", "o"), &content).await.unwrap();
    assert!(get(&subject, &object("c", "o")).await.unwrap() == content);
    let (first, last) = (262_143, 2_500_000);
    assert!(part(&subject, &object("c", "o"), first, last).await.unwrap() == content[first as usize..=last as usize]);
}

async fn ranges_include_both_ends_and_end_with_the_object(subject: Subject) {
    with_container(&subject).await;
    let id = object("c", "o");
    put(&subject, &id, b"0123456789").await.unwrap();
    assert_eq!(part(&subject, &id, 0, 9).await.unwrap(), b"0123456789");
    assert_eq!(part(&subject, &id, 2, 4).await.unwrap(), b"234");
    assert_eq!(part(&subject, &id, 9, 9).await.unwrap(), b"9");
    assert_eq!(part(&subject, &id, 8, 100).await.unwrap(), b"89");
    assert_eq!(part(&subject, &id, 10, u64::MAX).await.unwrap(), b"");
}

async fn a_reader_keeps_the_content_it_began_with(subject: Subject) {
    let container = with_container(&subject).await;
    let id = object("c", "o");
    put(&subject, &id, &[1; 1 << 20]).await.unwrap();
    let all = Range { first: 0, last: u64::MAX };
    let (one, two) = (subject.read(&id, all).await.unwrap(), subject.read(&id, all).await.unwrap());
    put(&subject, &id, b"new").await.unwrap();
    let chunks: Vec<Bytes> = one.chunks.try_collect().await.unwrap();
    assert!(chunks.concat() == [1; 1 << 20]);
    subject.delete_container(&container).await.unwrap();
    let chunks: Vec<Bytes> = two.chunks.try_collect().await.unwrap();
    assert!(chunks.concat() == [1; 1 << 20]);
}

async fn names_of_objects_are_any_text(subject: Subject) {
    with_container(&subject).await;
    let long = |letter: &str| letter.repeat(1024);
    let all = [
        "a",
        "A",
        "a/b",
        "../up",
        "..",
        ".",
        ".created",
        ".names",
        ".lock",
        "con",
        "a b",
        "größe",
        "nul\0",
        "%41",
        &long("x"),
        &long("y"),
        &"ö".repeat(500),
    ];
    for name in all {
        put(&subject, &object("c", name), name.as_bytes()).await.unwrap();
    }
    for name in all {
        assert_eq!(get(&subject, &object("c", name)).await.unwrap(), name.as_bytes(), "{name:?}");
    }
    let mut sorted: Vec<_> = all.iter().map(|name| name.to_string()).collect();
    sorted.sort();
    assert_eq!(names(&subject, "c").await, sorted);
    subject.delete_objects(&of("hello", "c"), &sorted).await.unwrap();
    assert!(names(&subject, "c").await.is_empty());
}

async fn names_come_sorted_and_in_pages(subject: Subject) {
    let container = with_container(&subject).await;
    for n in (0..25).rev() {
        put(&subject, &object("c", &format!("{n:02}")), b"").await.unwrap();
    }
    let first = subject.objects(&container, None, 10).await.unwrap();
    assert_eq!((first.len(), first[0].as_str(), first[9].as_str()), (10, "00", "09"));
    subject.delete_objects(&container, &first).await.unwrap();
    assert_eq!(subject.objects(&container, Some("09"), 2).await.unwrap(), ["10", "11"]);
    assert_eq!(subject.objects(&container, Some("22"), 10).await.unwrap(), ["23", "24"]);
    assert!(subject.objects(&container, Some("24"), 10).await.unwrap().is_empty());

    let mut list = ObjectNames::new(container);
    assert_eq!(list.take(&*subject, 2).await.unwrap(), (vec!["10".into(), "11".into()], false));
    assert_eq!(list.skip(&*subject, 12).await.unwrap(), (12, false));
    assert_eq!(list.take(&*subject, 1).await.unwrap(), (vec!["24".into()], true));
    assert_eq!(list.take(&*subject, 1).await.unwrap(), (vec![], true));
    assert_eq!(list.skip(&*subject, u64::MAX).await.unwrap(), (0, true));
}

async fn deleted_objects_are_gone_and_others_stay(subject: Subject) {
    let container = with_container(&subject).await;
    for name in ["a", "b", "c"] {
        put(&subject, &object("c", name), b"x").await.unwrap();
    }
    subject.delete_objects(&container, &["a", "never there", "b", ""].map(String::from)).await.unwrap();
    assert_eq!(names(&subject, "c").await, ["c"]);
}

async fn a_copy_is_apart_from_its_source(subject: Subject) {
    with_container(&subject).await;
    subject.create_container(&of("hello", "d")).await.unwrap();
    put(&subject, &object("c", "o"), b"one").await.unwrap();
    put(&subject, &object("d", "p"), b"in the way").await.unwrap();
    subject.copy_object(&object("c", "o"), &object("d", "p")).await.unwrap();
    put(&subject, &object("c", "o"), b"two").await.unwrap();
    assert_eq!(get(&subject, &object("d", "p")).await.unwrap(), b"one");
    subject.copy_object(&object("c", "o"), &object("c", "o")).await.unwrap();
    assert_eq!(get(&subject, &object("c", "o")).await.unwrap(), b"two");
    let error = subject.copy_object(&object("c", "no"), &object("d", "p")).await.unwrap_err();
    assert_eq!(error, "the object `no` does not exist in the container `c`");
    assert_eq!(get(&subject, &object("d", "p")).await.unwrap(), b"one");
}

async fn a_moved_object_has_only_its_new_name(subject: Subject) {
    with_container(&subject).await;
    subject.create_container(&of("hello", "d")).await.unwrap();
    put(&subject, &object("c", "o"), b"one").await.unwrap();
    let long = "long".repeat(100);
    subject.move_object(&object("c", "o"), &object("d", &long)).await.unwrap();
    assert!(names(&subject, "c").await.is_empty());
    assert_eq!(names(&subject, "d").await, std::slice::from_ref(&long));
    assert_eq!(get(&subject, &object("d", &long)).await.unwrap(), b"one");
    subject.move_object(&object("d", &long), &object("d", &long)).await.unwrap();
    assert_eq!(get(&subject, &object("d", &long)).await.unwrap(), b"one");
}

async fn a_move_that_fails_leaves_the_object_where_it_is(subject: Subject) {
    with_container(&subject).await;
    put(&subject, &object("c", "o"), b"one").await.unwrap();
    let error = subject.move_object(&object("c", "o"), &object("no", "o")).await.unwrap_err();
    assert_eq!(error, "the container `no` does not exist");
    assert_eq!(get(&subject, &object("c", "o")).await.unwrap(), b"one");
    let error = subject.move_object(&object("c", "no"), &object("c", "o")).await.unwrap_err();
    assert_eq!(error, "the object `no` does not exist in the container `c`");
    assert_eq!(get(&subject, &object("c", "o")).await.unwrap(), b"one");
}

async fn workloads_are_apart(subject: Subject) {
    with_container(&subject).await;
    put(&subject, &object("c", "o"), b"x").await.unwrap();
    let other = of("other", "c");
    assert_eq!(subject.container(&other).await.unwrap(), None);
    assert!(subject.create_container(&other).await.unwrap());
    assert!(subject.objects(&other, None, 10).await.unwrap().is_empty());
    subject.delete_container(&other).await.unwrap();
    assert_eq!(names(&subject, "c").await, ["o"]);
}

async fn clearing_leaves_other_workloads_alone(subject: Subject) {
    with_container(&subject).await;
    subject.create_container(&of("other", "c")).await.unwrap();
    subject.clear(&workload("default", "hello").id()).await.unwrap();
    subject.forget(&workload("default", "hello").id());
    assert_eq!(subject.container(&of("hello", "c")).await.unwrap(), None);
    assert!(subject.container(&of("other", "c")).await.unwrap().is_some());
    subject.clear(&workload("default", "never there").id()).await.unwrap();
}

async fn of_many_makers_of_a_container_one_is_first(subject: Subject) {
    let makers = (0..16).map(|_| {
        let subject = subject.clone();
        tokio::spawn(async move { subject.create_container(&of("hello", "c")).await.unwrap() })
    });
    let first: Vec<bool> = join_all(makers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(first.iter().filter(|first| **first).count(), 1);
}

async fn of_many_writers_of_an_object_one_wins_whole(subject: Subject) {
    with_container(&subject).await;
    let writers = (0..16u8).map(|n| {
        let subject = subject.clone();
        tokio::spawn(async move { put(&subject, &object("c", "o"), &vec![n; 300_000]).await.unwrap() })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let content = get(&subject, &object("c", "o")).await.unwrap();
    assert!(content.len() == 300_000 && content.iter().all(|byte| *byte == content[0]));
    assert_eq!(names(&subject, "c").await, ["o"]);
}
