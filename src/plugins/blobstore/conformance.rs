//! What every backend of `wasi:blobstore` does alike.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::join_all;

use super::backend::{Backend, ContainerId, ObjectId, Range};
use super::backends::object_place::ObjectPlace;
use super::backends::{file::Folder, memory::Memory, nats::NatsObjects, objects::Objects};
use super::names::ObjectNames;
use crate::plugins::remote::{Connections, Home, ServerUrl};
use crate::plugins::s3::FakeS3;
use crate::plugins::servers::Server;
use crate::plugins::tests::workload;

/// Runs a test over every backend; those after `but nats` over all others.
macro_rules! every_backend {
    ($($name:ident)*; but nats: $($but_nats:ident)*) => {
        every_backend! { @memory $($name)* $($but_nats)* }
        every_backend! { @file $($name)* $($but_nats)* }
        every_backend! { @objects_in_memory $($name)* $($but_nats)* }
        every_backend! { @s3 $($name)* $($but_nats)* }
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
    a_container_is_made_once
    a_deleted_container_is_gone_with_its_objects
    a_cleared_container_is_still_there
    nothing_works_in_a_container_that_does_not_exist
    an_object_is_what_was_written_last
    an_upload_that_is_dropped_leaves_nothing
    a_large_object_arrives_whole
    ranges_include_both_ends_and_end_with_the_object
    names_of_objects_are_any_text
    names_come_in_order_and_in_pages
    deleted_objects_are_gone_and_others_stay
    a_copy_is_apart_from_its_source
    a_moved_object_has_only_its_new_name
    a_move_that_fails_leaves_the_object_where_it_is
    workloads_are_apart
    clearing_leaves_other_workloads_alone
    of_many_makers_of_a_container_one_is_first
    ; but nats:
    // It keeps the pieces of an object only as long as nobody replaces it.
    a_reader_keeps_the_content_it_began_with
    of_many_writers_of_an_object_one_wins_whole
}

/// A backend with what it is kept in.
struct Subject {
    backend: Arc<dyn Backend>,
    _folder: Option<tempfile::TempDir>,
    _server: Option<Server>,
    s3: Option<FakeS3>,
}

impl std::ops::Deref for Subject {
    type Target = Arc<dyn Backend>;

    fn deref(&self) -> &Arc<dyn Backend> {
        &self.backend
    }
}

impl Subject {
    fn new(backend: Arc<dyn Backend>) -> Self {
        Subject { backend, _folder: None, _server: None, s3: None }
    }

    fn memory() -> Self {
        Subject::new(Arc::new(Memory::new(1 << 30)))
    }

    fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = Folder::open(folder.path()).unwrap();
        Subject { _folder: Some(folder), ..Subject::new(backend) }
    }

    fn objects_in_memory() -> Self {
        let store = Arc::new(object_store::memory::InMemory::new());
        let folder = object_store::path::Path::from("some/folder");
        Subject::new(Arc::new(Objects::new(store, folder, "memory".into(), Home::here().unwrap())))
    }

    fn s3() -> Self {
        let s3 = FakeS3::start();
        let options = [("endpoint", s3.endpoint().as_str()), ("access_key_id", "a"), ("secret_access_key", "b")]
            .map(|(key, value)| (key.to_string(), value.to_string()));
        let place = ObjectPlace::new("s3://bucket/folder", options.into()).unwrap();
        let (store, folder) = place.open(&Default::default()).unwrap();
        let backend = Objects::new(store, folder, place.to_string(), Home::here().unwrap());
        Subject { s3: Some(s3), ..Subject::new(Arc::new(backend)) }
    }

    fn nats() -> Self {
        let server = Server::nats();
        let nats = Connections::default().nats(&ServerUrl::nats(&server.url()).unwrap()).unwrap();
        Subject { _server: Some(server), ..Subject::new(Arc::new(NatsObjects::new(nats))) }
    }
}

fn of(name: &str, container: &str) -> ContainerId {
    ContainerId::new(workload("default", name).id(), container).unwrap()
}

fn object(container: &str, name: &str) -> ObjectId {
    ObjectId::new(of("hello", container), name.into()).unwrap()
}

async fn put(subject: &Arc<dyn Backend>, id: &ObjectId, content: &[u8]) -> Result<(), String> {
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

async fn a_container_is_made_once(subject: &Subject) {
    assert_eq!(subject.container(&of("hello", "c")).await.unwrap(), None);
    assert!(subject.create_container(&of("hello", "c")).await.unwrap());
    put(subject, &object("c", "o"), b"x").await.unwrap();
    let made = subject.container(&of("hello", "c")).await.unwrap().unwrap();
    assert!(made >= 1_700_000_000, "seconds since 1970: {made}");
    assert!(!subject.create_container(&of("hello", "c")).await.unwrap());
    assert_eq!(names(subject, "c").await, ["o"]);
    assert_eq!(subject.container(&of("hello", "C")).await.unwrap(), None);
}

async fn a_deleted_container_is_gone_with_its_objects(subject: &Subject) {
    let container = with_container(subject).await;
    put(subject, &object("c", "o"), b"x").await.unwrap();
    subject.delete_container(&container).await.unwrap();
    assert_eq!(subject.container(&container).await.unwrap(), None);
    subject.delete_container(&container).await.unwrap();
    assert!(subject.create_container(&container).await.unwrap());
    assert!(names(subject, "c").await.is_empty());
}

async fn a_cleared_container_is_still_there(subject: &Subject) {
    let container = with_container(subject).await;
    let made = subject.container(&container).await.unwrap();
    for name in ["a", "b", &"long".repeat(200)] {
        put(subject, &object("c", name), b"x").await.unwrap();
    }
    subject.clear_container(&container).await.unwrap();
    assert!(names(subject, "c").await.is_empty());
    assert_eq!(subject.container(&container).await.unwrap(), made);
    put(subject, &object("c", "a"), b"y").await.unwrap();
}

async fn nothing_works_in_a_container_that_does_not_exist(subject: &Subject) {
    let (missing, id) = (of("hello", "no"), object("no", "o"));
    let error = "the container `no` does not exist";
    assert_eq!(subject.clear_container(&missing).await.unwrap_err(), error);
    assert_eq!(subject.objects(&missing, None, 1).await.unwrap_err(), error);
    assert_eq!(subject.object(&id).await.unwrap_err(), error);
    assert_eq!(get(subject, &id).await.unwrap_err(), error);
    assert_eq!(put(subject, &id, b"x").await.unwrap_err(), error);
    assert_eq!(subject.delete_objects(&missing, &["o".into()]).await.unwrap_err(), error);
    with_container(subject).await;
    put(subject, &object("c", "o"), b"x").await.unwrap();
    assert_eq!(subject.copy_object(&object("c", "o"), &id).await.unwrap_err(), error);
    assert_eq!(subject.copy_object(&id, &object("c", "o")).await.unwrap_err(), error);
}

async fn an_object_is_what_was_written_last(subject: &Subject) {
    with_container(subject).await;
    let id = object("c", "o");
    assert_eq!(subject.object(&id).await.unwrap(), None);
    assert_eq!(get(subject, &id).await.unwrap_err(), "the object `o` does not exist in the container `c`");
    put(subject, &id, b"a long first text").await.unwrap();
    put(subject, &id, b"short").await.unwrap();
    assert_eq!(get(subject, &id).await.unwrap(), b"short");
    let info = subject.object(&id).await.unwrap().unwrap();
    assert_eq!(info.size, 5);
    assert!(info.created_at > 1_700_000_000);
    put(subject, &id, b"").await.unwrap();
    assert_eq!(get(subject, &id).await.unwrap(), b"");
}

async fn an_upload_that_is_dropped_leaves_nothing(subject: &Subject) {
    with_container(subject).await;
    put(subject, &object("c", "o"), b"old").await.unwrap();
    let mut upload = subject.upload().await.unwrap();
    upload.write(Bytes::from(vec![0; 1 << 20])).await.unwrap();
    assert_eq!(names(subject, "c").await, ["o"]);
    drop(upload);
    assert_eq!(names(subject, "c").await, ["o"]);
    assert_eq!(get(subject, &object("c", "o")).await.unwrap(), b"old");
}

async fn a_large_object_arrives_whole(subject: &Subject) {
    with_container(subject).await;
    let content: Vec<u8> = (0..3_000_001u32).map(|n| (n % 251) as u8).collect();
    put(subject, &object("c", "o"), &content).await.unwrap();
    assert!(get(subject, &object("c", "o")).await.unwrap() == content);
    let (first, last) = (262_143, 2_500_000);
    assert!(part(subject, &object("c", "o"), first, last).await.unwrap() == content[first as usize..=last as usize]);
}

async fn ranges_include_both_ends_and_end_with_the_object(subject: &Subject) {
    with_container(subject).await;
    let id = object("c", "o");
    put(subject, &id, b"0123456789").await.unwrap();
    assert_eq!(part(subject, &id, 0, 9).await.unwrap(), b"0123456789");
    assert_eq!(part(subject, &id, 2, 4).await.unwrap(), b"234");
    assert_eq!(part(subject, &id, 9, 9).await.unwrap(), b"9");
    assert_eq!(part(subject, &id, 8, 100).await.unwrap(), b"89");
    assert_eq!(part(subject, &id, 10, u64::MAX).await.unwrap(), b"");
}

async fn a_reader_keeps_the_content_it_began_with(subject: &Subject) {
    let container = with_container(subject).await;
    let id = object("c", "o");
    put(subject, &id, &[1; 1 << 20]).await.unwrap();
    let all = Range { first: 0, last: u64::MAX };
    let (one, two) = (subject.read(&id, all).await.unwrap(), subject.read(&id, all).await.unwrap());
    put(subject, &id, b"new").await.unwrap();
    let chunks: Vec<Bytes> = one.chunks.try_collect().await.unwrap();
    assert!(chunks.concat() == [1; 1 << 20]);
    subject.delete_container(&container).await.unwrap();
    let chunks: Vec<Bytes> = two.chunks.try_collect().await.unwrap();
    assert!(chunks.concat() == [1; 1 << 20]);
}

async fn names_of_objects_are_any_text(subject: &Subject) {
    with_container(subject).await;
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
        put(subject, &object("c", name), name.as_bytes()).await.unwrap();
    }
    for name in all {
        assert_eq!(get(subject, &object("c", name)).await.unwrap(), name.as_bytes(), "{name:?}");
    }
    let mut sorted: Vec<_> = all.iter().map(|name| name.to_string()).collect();
    sorted.sort();
    // A store may have an order of its own where names have to be written differently there.
    let mut listed = names(subject, "c").await;
    listed.sort();
    assert_eq!(listed, sorted);
    subject.delete_objects(&of("hello", "c"), &sorted).await.unwrap();
    assert!(names(subject, "c").await.is_empty());
}

async fn names_come_in_order_and_in_pages(subject: &Subject) {
    let container = with_container(subject).await;
    for n in (0..25).rev() {
        put(subject, &object("c", &format!("{n:02}")), b"").await.unwrap();
    }
    let first = subject.objects(&container, None, 10).await.unwrap();
    assert_eq!((first.len(), first[0].as_str(), first[9].as_str()), (10, "00", "09"));
    subject.delete_objects(&container, &first).await.unwrap();
    assert_eq!(subject.objects(&container, Some("09"), 2).await.unwrap(), ["10", "11"]);
    assert_eq!(subject.objects(&container, Some("22"), 10).await.unwrap(), ["23", "24"]);
    assert!(subject.objects(&container, Some("24"), 10).await.unwrap().is_empty());

    let mut list = ObjectNames::new(container);
    assert_eq!(list.take(&*subject.backend, 2).await.unwrap(), (vec!["10".into(), "11".into()], false));
    assert_eq!(list.skip(&*subject.backend, 12).await.unwrap(), (12, false));
    assert_eq!(list.take(&*subject.backend, 1).await.unwrap(), (vec!["24".into()], true));
    assert_eq!(list.take(&*subject.backend, 1).await.unwrap(), (vec![], true));
    assert_eq!(list.skip(&*subject.backend, u64::MAX).await.unwrap(), (0, true));
}

async fn deleted_objects_are_gone_and_others_stay(subject: &Subject) {
    let container = with_container(subject).await;
    for name in ["a", "b", "c"] {
        put(subject, &object("c", name), b"x").await.unwrap();
    }
    subject.delete_objects(&container, &["a", "never there", "b", ""].map(String::from)).await.unwrap();
    assert_eq!(names(subject, "c").await, ["c"]);
}

async fn a_copy_is_apart_from_its_source(subject: &Subject) {
    with_container(subject).await;
    subject.create_container(&of("hello", "d")).await.unwrap();
    put(subject, &object("c", "o"), b"one").await.unwrap();
    put(subject, &object("d", "p"), b"in the way").await.unwrap();
    subject.copy_object(&object("c", "o"), &object("d", "p")).await.unwrap();
    put(subject, &object("c", "o"), b"two").await.unwrap();
    assert_eq!(get(subject, &object("d", "p")).await.unwrap(), b"one");
    subject.copy_object(&object("c", "o"), &object("c", "o")).await.unwrap();
    assert_eq!(get(subject, &object("c", "o")).await.unwrap(), b"two");
    let error = subject.copy_object(&object("c", "no"), &object("d", "p")).await.unwrap_err();
    assert_eq!(error, "the object `no` does not exist in the container `c`");
    assert_eq!(get(subject, &object("d", "p")).await.unwrap(), b"one");
}

async fn a_moved_object_has_only_its_new_name(subject: &Subject) {
    with_container(subject).await;
    subject.create_container(&of("hello", "d")).await.unwrap();
    put(subject, &object("c", "o"), b"one").await.unwrap();
    let long = "long".repeat(100);
    subject.move_object(&object("c", "o"), &object("d", &long)).await.unwrap();
    assert!(names(subject, "c").await.is_empty());
    assert_eq!(names(subject, "d").await, std::slice::from_ref(&long));
    assert_eq!(get(subject, &object("d", &long)).await.unwrap(), b"one");
    subject.move_object(&object("d", &long), &object("d", &long)).await.unwrap();
    assert_eq!(get(subject, &object("d", &long)).await.unwrap(), b"one");
}

async fn a_move_that_fails_leaves_the_object_where_it_is(subject: &Subject) {
    with_container(subject).await;
    put(subject, &object("c", "o"), b"one").await.unwrap();
    let error = subject.move_object(&object("c", "o"), &object("no", "o")).await.unwrap_err();
    assert_eq!(error, "the container `no` does not exist");
    assert_eq!(get(subject, &object("c", "o")).await.unwrap(), b"one");
    let error = subject.move_object(&object("c", "no"), &object("c", "o")).await.unwrap_err();
    assert_eq!(error, "the object `no` does not exist in the container `c`");
    assert_eq!(get(subject, &object("c", "o")).await.unwrap(), b"one");
}

async fn workloads_are_apart(subject: &Subject) {
    with_container(subject).await;
    put(subject, &object("c", "o"), b"x").await.unwrap();
    let other = of("other", "c");
    assert_eq!(subject.container(&other).await.unwrap(), None);
    assert!(subject.create_container(&other).await.unwrap());
    assert!(subject.objects(&other, None, 10).await.unwrap().is_empty());
    subject.delete_container(&other).await.unwrap();
    assert_eq!(names(subject, "c").await, ["o"]);
}

async fn clearing_leaves_other_workloads_alone(subject: &Subject) {
    with_container(subject).await;
    subject.create_container(&of("other", "c")).await.unwrap();
    subject.clear(&workload("default", "hello").id()).await.unwrap();
    subject.forget(&workload("default", "hello").id());
    assert_eq!(subject.container(&of("hello", "c")).await.unwrap(), None);
    assert!(subject.container(&of("other", "c")).await.unwrap().is_some());
    subject.clear(&workload("default", "never there").id()).await.unwrap();
}

async fn of_many_makers_of_a_container_one_is_first(subject: &Subject) {
    let makers = (0..16).map(|_| {
        let subject = subject.backend.clone();
        tokio::spawn(async move { subject.create_container(&of("hello", "c")).await.unwrap() })
    });
    let first: Vec<bool> = join_all(makers).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(first.iter().filter(|first| **first).count(), 1);
}

async fn of_many_writers_of_an_object_one_wins_whole(subject: &Subject) {
    with_container(subject).await;
    let writers = (0..16u8).map(|n| {
        let subject = subject.backend.clone();
        tokio::spawn(async move { put(&subject, &object("c", "o"), &vec![n; 300_000]).await.unwrap() })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let content = get(subject, &object("c", "o")).await.unwrap();
    assert!(content.len() == 300_000 && content.iter().all(|byte| *byte == content[0]));
    assert_eq!(names(subject, "c").await, ["o"]);
}

/// What is special about object stores.
mod s3_alone {
    use super::*;

    const MIB: usize = 1 << 20;

    async fn with_objects() -> (Subject, ObjectId) {
        let subject = Subject::s3();
        with_container(&subject).await;
        (subject, object("c", "o"))
    }

    fn s3(subject: &Subject) -> &FakeS3 {
        subject.s3.as_ref().unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_large_object_goes_there_in_parts_and_no_part_is_left_behind() {
        let (subject, id) = with_objects().await;
        let content: Vec<u8> = (0..40 * MIB).map(|n| (n % 251) as u8).collect();
        put(&subject, &id, &content).await.unwrap();
        assert!(s3(&subject).largest_body() <= 16 * MIB);
        assert_eq!(s3(&subject).open_uploads(), 0);
        assert!(get(&subject, &id).await.unwrap() == content);
        assert_eq!(
            part(&subject, &id, (20 * MIB) as u64, (20 * MIB + 4) as u64).await.unwrap(),
            content[20 * MIB..][..5]
        );
        // The container is missing, which is noticed in the end.
        let mut upload = subject.upload().await.unwrap();
        upload.write(Bytes::from(content)).await.unwrap();
        upload.write(Bytes::from_static(b"more")).await.unwrap();
        let error = upload.commit(object("no", "o")).await.unwrap_err();
        assert_eq!(error, "the container `no` does not exist");
        assert_eq!(s3(&subject).open_uploads(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_that_fails_for_a_moment_is_asked_again() {
        let (subject, id) = with_objects().await;
        s3(&subject).fail(2);
        put(&subject, &id, b"x").await.unwrap();
        s3(&subject).fail(1);
        assert_eq!(get(&subject, &id).await.unwrap(), b"x");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_that_fails_for_good_is_an_error_that_names_it_and_shows_no_secret() {
        let (subject, id) = with_objects().await;
        s3(&subject).fail(usize::MAX);
        let error = subject.object(&id).await.unwrap_err();
        assert!(error.starts_with("s3://bucket/folder failed: "), "{error}");
        assert!(!error.contains("X-Amz"), "{error}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn names_are_kept_as_they_are_so_that_others_find_the_objects() {
        let (subject, _) = with_objects().await;
        put(&subject, &object("c", "2024/cat 1.jpg"), b"x").await.unwrap();
        assert_eq!(
            s3(&subject).keys(),
            ["folder/default%2Fhello/containers/c", "folder/default%2Fhello/objects/c/2024/cat 1.jpg"]
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_shared_container_is_a_folder_that_others_use_too() {
        let subject = Subject::s3();
        s3(&subject).put("folder/photos/2024/cat.jpg", b"meow");
        let shared = ContainerId::new(crate::runtime::workload::WorkloadId::shared(), "photos").unwrap();
        assert!(subject.container(&shared).await.unwrap().is_some());
        assert!(!subject.create_container(&shared).await.unwrap());
        assert_eq!(subject.objects(&shared, None, 10).await.unwrap(), ["2024/cat.jpg"]);
        let dog = ObjectId::new(shared.clone(), "2024/dog.jpg".into()).unwrap();
        put(&subject, &dog, b"woof").await.unwrap();
        assert_eq!(s3(&subject).keys(), ["folder/photos/2024/cat.jpg", "folder/photos/2024/dog.jpg"]);
        subject.clear(&workload("default", "hello").id()).await.unwrap();
        assert_eq!(get(&subject, &dog).await.unwrap(), b"woof");
    }
}
