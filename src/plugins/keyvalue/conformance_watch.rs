//! What every backend of `wasi:keyvalue` does alike when a component watches.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::host::Bucket;
use super::watch::{Change, Watch, Watched, Watcher};
use super::{Keyvalue, Storage};
use crate::plugins::remote::{Connections, ServerUrl, Servers};
use crate::plugins::servers::Server;
use crate::plugins::tests::workload;
use crate::runtime::workload::{HostInterface, Workload};

/// Runs a test over every backend; those after `servers` over the ones that others can change, too.
macro_rules! every_backend {
    ($($name:ident)*; servers: $($of_servers:ident)*) => {
        every_backend! { @memory $($name)* }
        every_backend! { @file $($name)* }
        every_backend! { @redis $($name)* $($of_servers)* }
        every_backend! { @nats $($name)* $($of_servers)* }
    };
    (@$backend:ident $($name:ident)*) => {
        mod $backend {
            use super::Place;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(&mut Place::$backend()).await;
            })*
        }
    };
}

every_backend! {
    every_kind_of_change_is_told_in_its_order
    a_bucket_that_is_new_is_watched
    a_shared_bucket_is_watched_and_told_once
    other_workloads_are_not_told
    nothing_is_told_of_what_was_there_before
    a_new_version_goes_on_where_the_old_one_was
    ; servers:
    what_others_change_is_told
    the_watch_goes_on_after_a_break
    a_server_that_is_away_is_watched_when_it_comes
}

/// A place for data, which several hosts may use.
struct Place {
    storage: Storage,
    server: Option<Server>,
    _folder: Option<tempfile::TempDir>,
    keyvalue: Keyvalue,
}

impl Place {
    fn new(storage: Storage) -> Self {
        let keyvalue = host(&storage);
        Place { storage, server: None, _folder: None, keyvalue }
    }

    fn memory() -> Self {
        Place::new(Storage::Memory)
    }

    fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(folder.path().into());
        Place { _folder: Some(folder), ..Place::new(storage) }
    }

    fn redis() -> Self {
        let server = Server::redis();
        let url = ServerUrl::redis(&server.url()).unwrap();
        Place { server: Some(server), ..Place::new(Storage::Redis(url)) }
    }

    fn nats() -> Self {
        let server = Server::nats();
        let url = ServerUrl::nats(&server.url()).unwrap();
        Place { server: Some(server), ..Place::new(Storage::Nats(url)) }
    }

    /// Another process with the same data.
    fn elsewhere(&self) -> Keyvalue {
        host(&self.storage)
    }

    fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("a server")
    }
}

fn host(storage: &Storage) -> Keyvalue {
    let servers = Servers { connections: Connections::default(), ..Servers::default() };
    Keyvalue::new(storage, &servers).unwrap()
}

/// Tells what it is told, and whether the bucket is one that a component could use.
struct Told(mpsc::UnboundedSender<(String, Change)>);

impl Watch for Told {
    fn changed(&self, bucket: Bucket, change: Change) -> BoxFuture<'_, ()> {
        async move {
            let (Change::Set { key, .. } | Change::Deleted { key }) = &change;
            bucket.backend.exists(&bucket.id, key).await.unwrap();
            let _ = self.0.send((bucket.id.name.to_string(), change));
        }
        .boxed()
    }
}

struct Watching {
    _watched: Watched,
    told: mpsc::UnboundedReceiver<(String, Change)>,
}

impl Watching {
    /// The next change, as `bucket/key=value`, or `bucket/key` where it is gone.
    async fn next(&mut self) -> String {
        let (bucket, change) = self.told.recv().await.unwrap();
        match change {
            Change::Set { key, value } => format!("{bucket}/{key}={}", String::from_utf8_lossy(&value)),
            Change::Deleted { key } => format!("{bucket}/{key}"),
        }
    }
}

async fn watch(keyvalue: &Keyvalue, workload: &Workload) -> Watching {
    let watched = keyvalue.watch(workload, "watcher").await.unwrap();
    let (sender, told) = mpsc::unbounded_channel();
    let watcher = Watcher { name: "watcher".into(), watch: Arc::new(Told(sender)) };
    keyvalue.watchers().replace(&workload.id(), vec![watcher], &watched);
    Watching { _watched: watched, told }
}

fn shop() -> Workload {
    workload("default", "shop")
}

fn sharing(name: &str) -> Workload {
    let entry = |label: &str| HostInterface {
        namespace: "wasi".into(),
        package: "keyvalue".into(),
        name: Some(label.into()),
        config: [("bucket".to_string(), "common".to_string())].into(),
        ..HostInterface::default()
    };
    Workload { host_interfaces: vec![entry("one"), entry("two")], ..workload("default", name) }
}

fn open(keyvalue: &Keyvalue, workload: &Workload, bucket: &str) -> Bucket {
    keyvalue.configure(workload).unwrap().bucket(bucket).unwrap()
}

async fn set(bucket: &Bucket, key: &str, value: &str) {
    bucket.set_many(vec![(key.into(), Bytes::from(value.to_string()))]).await.unwrap();
}

async fn every_kind_of_change_is_told_in_its_order(place: &mut Place) {
    let mut watching = watch(&place.keyvalue, &shop()).await;
    let cart = open(&place.keyvalue, &shop(), "cart: {a}");
    set(&cart, "a", "1").await;
    assert_eq!(watching.next().await, "cart: {a}/a=1");
    assert_eq!(cart.increment("a", 2).await.unwrap(), 3);
    assert_eq!(watching.next().await, "cart: {a}/a=3");
    assert!(!cart.swap("a", None, Bytes::from("4")).await.unwrap());
    assert!(cart.swap("a", Some(Bytes::from("3")), Bytes::from("4")).await.unwrap());
    assert_eq!(watching.next().await, "cart: {a}/a=4");
    cart.delete_many(vec!["never there".into(), "a".into()]).await.unwrap();
    assert_eq!(watching.next().await, "cart: {a}/a");
    let large = "x".repeat(100_000);
    set(&cart, "ö:", &large).await;
    assert!(watching.next().await == format!("cart: {{a}}/ö:={large}"));
    set(&cart, "", "end").await;
    assert_eq!(watching.next().await, "cart: {a}/=end");
}

async fn a_bucket_that_is_new_is_watched(place: &mut Place) {
    let mut watching = watch(&place.keyvalue, &shop()).await;
    for name in ["one", "two", &"long".repeat(60)] {
        set(&open(&place.keyvalue, &shop(), name), "k", "v").await;
        assert_eq!(watching.next().await, format!("{name}/k=v"));
    }
}

async fn a_shared_bucket_is_watched_and_told_once(place: &mut Place) {
    let mut watching = watch(&place.keyvalue, &sharing("one")).await;
    set(&open(&place.keyvalue, &sharing("one"), "one"), "k", "1").await;
    assert_eq!(watching.next().await, "common/k=1");
    set(&open(&place.keyvalue, &sharing("one"), "two"), "k", "2").await;
    assert_eq!(watching.next().await, "common/k=2");
}

async fn other_workloads_are_not_told(place: &mut Place) {
    let mut watching = watch(&place.keyvalue, &shop()).await;
    for other in ["shop2", "sho", "shop_"] {
        set(&open(&place.keyvalue, &workload("default", other), "cart"), "k", "secret").await;
    }
    set(&open(&place.keyvalue, &sharing("other"), "one"), "k", "secret").await;
    set(&open(&place.keyvalue, &shop(), "cart"), "k", "end").await;
    assert_eq!(watching.next().await, "cart/k=end");
}

async fn nothing_is_told_of_what_was_there_before(place: &mut Place) {
    let cart = open(&place.keyvalue, &shop(), "cart");
    set(&cart, "old", "1").await;
    let mut watching = watch(&place.keyvalue, &shop()).await;
    set(&cart, "new", "1").await;
    assert_eq!(watching.next().await, "cart/new=1");
    place.keyvalue.watchers().forget(&shop().id());
    set(&cart, "new", "2").await;
    assert_eq!(watching.told.recv().await, None, "a workload that is stopped is told nothing");
}

async fn a_new_version_goes_on_where_the_old_one_was(place: &mut Place) {
    let cart = open(&place.keyvalue, &shop(), "cart");
    let mut old = watch(&place.keyvalue, &shop()).await;
    set(&cart, "k", "1").await;
    assert_eq!(old.next().await, "cart/k=1");
    let mut new = watch(&place.keyvalue, &shop()).await;
    drop(old);
    set(&cart, "k", "2").await;
    assert_eq!(new.next().await, "cart/k=2");
    set(&cart, "k", "3").await;
    assert_eq!(new.next().await, "cart/k=3", "told once");
}

async fn what_others_change_is_told(place: &mut Place) {
    let mut watching = watch(&place.keyvalue, &shop()).await;
    let elsewhere = place.elsewhere();
    let cart = open(&elsewhere, &shop(), "cart");
    set(&cart, "k", "1").await;
    assert_eq!(watching.next().await, "cart/k=1");
    cart.delete_many(vec!["k".into()]).await.unwrap();
    assert_eq!(watching.next().await, "cart/k");
}

async fn the_watch_goes_on_after_a_break(place: &mut Place) {
    let mut watching = watch(&place.keyvalue, &shop()).await;
    let cart = open(&place.keyvalue, &shop(), "cart");
    set(&cart, "k", "before").await;
    assert_eq!(watching.next().await, "cart/k=before");
    place.server().stop();
    place.server().start_again();
    // It is back when changes are told again; until then they may fail, or be lost in Redis.
    let mut number = 0;
    let told = loop {
        number += 1;
        let _ = cart.set_many(vec![("k".into(), Bytes::from(number.to_string()))]).await;
        if let Ok(told) = tokio::time::timeout(std::time::Duration::from_millis(300), watching.next()).await {
            break told;
        }
        assert!(number < 200, "no change is told");
    };
    assert!(told.starts_with("cart/k="), "{told}");
}

async fn a_server_that_is_away_is_watched_when_it_comes(place: &mut Place) {
    place.server().stop();
    let mut watching = watch(&place.keyvalue, &shop()).await;
    place.server().start_again();
    let cart = open(&place.keyvalue, &shop(), "cart");
    for number in 0.. {
        let _ = cart.set_many(vec![("k".into(), Bytes::from(number.to_string()))]).await;
        if tokio::time::timeout(std::time::Duration::from_millis(300), watching.next()).await.is_ok() {
            return;
        }
        assert!(number < 200, "no change is told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_redis_who_may_not_listen_is_told_at_the_start_and_may_still_write() {
    let server = Server::redis();
    let admin = Connections::default().redis(&ServerUrl::redis(&server.url()).unwrap()).unwrap();
    let mut acl = ::redis::cmd("ACL");
    acl.arg(&["SETUSER", "shop", "on", ">pw", "~*", "+@all", "resetchannels"][..]);
    let _: ::redis::Value = admin.call(acl, crate::plugins::remote::redis::Again::Harmless).await.unwrap();
    let url = server.url().replace("redis://", "redis://shop:pw@");
    let keyvalue = host(&Storage::Redis(ServerUrl::redis(&url).unwrap()));
    set(&open(&keyvalue, &shop(), "cart"), "k", "v").await;
    let error = keyvalue.watch(&shop(), "watcher").await.err().unwrap();
    assert_eq!(error.message(), "`watcher` cannot be told of changes of keys");
    assert!(error.hints()[0].contains("&wash-changes@*"), "{:?}", error.hints());
    assert!(!format!("{error:?}").contains("shop:pw"));
}
