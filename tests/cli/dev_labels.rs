//! Several backends of one interface in one component, chosen by the names under which it imports them.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Dev, Sandbox, Server, guests, write};

/// Has the component with the labels do something, through a message that goes by memory.
fn ask(dev: &Dev, what: &str) -> String {
    dev.send("POST", "/request?subject=local.ask&timeout=10000", what).body
}

/// What a Redis server answers to a command of one line.
fn redis(server: &Server, command: &str) -> String {
    let address = server.url().replace("redis://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_name_of_an_import_chooses_the_entry_of_that_name() {
    let (nats, store) = (Server::nats(), Server::redis());
    let settings = format!(
        "dev:\n  components: [{{name: probe, file: probe.wasm}}]\n  config: {{own: mine}}\n  host_interfaces:\n    \
         - {{namespace: wasmcloud, package: messaging, name: orders, config: {{url: '{}', subscriptions: orders.>}}}}\n    \
         - {{namespace: wasmcloud, package: messaging, name: local, config: {{backend: memory, subscriptions: local.>}}}}\n    \
         - {{namespace: wasi, package: keyvalue, name: cache, config: {{backend: memory}}}}\n    \
         - {{namespace: wasi, package: keyvalue, name: sessions, config: {{url: '{}'}}}}\n    \
         - {{namespace: wasi, package: blobstore, name: archive, config: {{root: archive}}}}\n    \
         - {{namespace: wasi, package: config, name: limits, config: {{most: '7'}}}}\n",
        nats.url(),
        store.url()
    );
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("labels", &guests::labels(), &settings);
    write(&root.join("probe.wasm"), guests::probe());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();

    // The same identifier in two stores.
    assert_eq!(ask(&dev, "cache set one"), "set");
    assert_eq!(ask(&dev, "sessions get"), "None");
    assert_eq!(ask(&dev, "sessions set two"), "set");
    assert_eq!((ask(&dev, "cache get"), ask(&dev, "sessions get")), ("Some(\"one\")".into(), "Some(\"two\")".into()));
    let kept = redis(&store, "HGET wash:dev/labels:one k");
    assert!(kept.contains("two"), "{kept}");
    assert_eq!(ask(&dev, "archive photos"), "photos is there");
    assert!(root.join("archive").is_dir());
    // Settings under a name are those of its entry alone.
    assert_eq!((ask(&dev, "limits most"), ask(&dev, "limits own")), ("Some(\"7\")".into(), "None".into()));
    assert_eq!(ask(&dev, "config own"), "Some(\"mine\")");

    // Through the one name to NATS, by which the handler is asked, too, and answers the way it was asked.
    assert_eq!(ask(&dev, "ask orders.x cache get"), "Some(\"one\")");
    let elsewhere = dev.send("POST", "/request?subject=orders.x&timeout=5000", "cache get");
    assert_eq!((elsewhere.status, elsewhere.body.trim()), (504, "no responders: nothing subscribes to `orders.x`"));
    dev.stop();
}

#[test]
fn without_entries_every_name_is_the_default() {
    let sandbox = Sandbox::new();
    let settings = "dev:\n  components: [{name: probe, file: probe.wasm}]\n  config: {own: mine}\n";
    let root = sandbox.copying_project("labels", &guests::labels(), settings);
    write(&root.join("probe.wasm"), guests::probe());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(ask(&dev, "cache set one"), "set");
    assert_eq!((ask(&dev, "sessions get"), dev.get("/kv/one/k").body), ("Some(\"one\")".into(), "one".into()));
    assert_eq!(ask(&dev, "limits own"), "Some(\"mine\")");
    assert_eq!(ask(&dev, "ask local.x cache get"), "Some(\"one\")");
    dev.stop();
}
