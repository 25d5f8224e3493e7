//! The library, as programs use it that run workloads themselves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use wash::embed::{
    Component, DevRouter, DynamicRouter, Engine, Error, Fault, Guest, Host, HostApi, HostBuilder, HostPlugin,
    HttpServer, Limits, Observer, Output, RequestRecord, Result, Router, Service, WitInterface, WitWorld, Workload,
    WorkloadId, WorkloadItem, WorkloadNotice, WorkloadReplaceRequest, WorkloadStartRequest, WorkloadState,
    WorkloadStatusRequest, WorkloadStopRequest,
};
use wash::wasmtime;
use wash::wasmtime::StoreContextMut;
use wash::wasmtime::component::Linker;

use crate::support::dev::{Answer, request};
use crate::support::{PATIENCE, guests};

/// An engine that takes machine code from other tests.
fn engine() -> Engine {
    Engine::builder().with_cache_dir(concat!(env!("CARGO_TARGET_TMPDIR"), "/embedded")).build().unwrap()
}

/// A host with a server on a free port.
async fn host(router: impl Router) -> (Host, SocketAddr) {
    host_on(engine(), router).await
}

async fn host_on(engine: Engine, router: impl Router) -> (Host, SocketAddr) {
    let http = Arc::new(HttpServer::new(router, ([127, 0, 0, 1], 0).into()).await.unwrap());
    let address = http.address();
    let host = HostBuilder::new().with_engine(engine).with_http_handler(http).build().unwrap().start().await.unwrap();
    (host, address)
}

fn get(address: SocketAddr, host: &str, path: &str) -> Answer {
    request(&format!("http://{address}"), "GET", path, None, &[("host", host)]).unwrap()
}

/// A workload of one component, with these settings of its entry for `wasi:http`.
fn workload(name: &str, bytes: Vec<u8>, http: &[(&str, &str)]) -> Workload {
    Workload {
        namespace: "default".into(),
        name: name.into(),
        components: vec![Component::new("main", bytes)],
        host_interfaces: vec![WitInterface {
            namespace: "wasi".into(),
            package: "http".into(),
            config: http.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..WitInterface::default()
        }],
        ..Workload::default()
    }
}

fn start(workload_id: &str, workload: Workload) -> WorkloadStartRequest {
    WorkloadStartRequest { workload_id: workload_id.into(), workload }
}

async fn state(host: &Host, workload_id: &str) -> WorkloadState {
    let request = WorkloadStatusRequest { workload_id: workload_id.into() };
    host.workload_status(request).await.unwrap().workload_status.workload_state
}

async fn stop(host: &Host, workload_id: &str) -> WorkloadState {
    let request = WorkloadStopRequest { workload_id: workload_id.into() };
    host.workload_stop(request).await.unwrap().workload_status.workload_state
}

/// Message, causes and details of an error in one text.
fn told(error: &Error) -> String {
    format!("{error}\n{}\n{}", error.details_text().unwrap_or_default(), error.hints().join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workloads_share_a_host_each_with_its_own_names() {
    let (host, address) = host(DynamicRouter::default()).await;
    assert_eq!(get(address, "one.example", "/version").status, 404);
    let one = workload("one", guests::probe_version(1), &[("host", "one.example"), ("host-aliases", "*.one.example")]);
    let two = workload("two", guests::probe_version(2), &[("host", "two.example"), ("path", "/version")]);
    let started = host.workload_start(start("1", one)).await.unwrap();
    assert_eq!(started.workload_status.workload_state, WorkloadState::Running);
    host.workload_start(start("2", two)).await.unwrap();

    for (name, path, expected) in [
        ("one.example", "/version", Some(1)),
        ("www.one.example", "/version", Some(1)),
        ("TWO.example", "/version", Some(2)),
        ("two.example", "/calls", None),
        ("three.example", "/version", None),
    ] {
        let answer = get(address, name, path);
        match expected {
            Some(version) => assert_eq!(answer.body, guests::marker(version), "{name}{path}"),
            None => assert_eq!(answer.status, 404, "{name}{path}: {answer:?}"),
        }
    }
    let beat = host.heartbeat().await.unwrap();
    assert_eq!((beat.workload_count, beat.component_count), (2, 2));
    assert_eq!(beat.http_port, Some(address.port()));
    let keyvalue = beat.imports.iter().find(|entry| entry.is("wasi", "keyvalue")).unwrap();
    assert!(keyvalue.interfaces.contains(&"store".to_string()), "{keyvalue:?}");
    let exports = |package, interface: &str| {
        beat.exports.iter().any(|entry| entry.is("wasi", package) && entry.interfaces.contains(&interface.to_string()))
    };
    assert!(exports("http", "incoming-handler") && exports("cli", "run"), "{:?}", beat.exports);
    assert!(beat.system_memory_total > 0 && !beat.os_kernel.is_empty(), "{beat:?}");

    assert_eq!(stop(&host, "1").await, WorkloadState::Stopping);
    assert_eq!(state(&host, "1").await, WorkloadState::NotFound);
    assert_eq!(stop(&host, "1").await, WorkloadState::NotFound);
    assert_eq!(get(address, "one.example", "/version").status, 404);
    assert_eq!(get(address, "two.example", "/version").body, guests::marker(2));
    host.stop().await.unwrap();
    assert!(host.workload_ids().is_empty());
    let error = host.workload_start(start("3", workload("three", guests::probe(), &[]))).await.unwrap_err();
    assert!(told(&error).contains("stopping"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_is_what_its_service_is() {
    let (host, _) = host(DynamicRouter::default()).await;
    for (does, expected, reason) in [
        ("done", WorkloadState::Completed, ""),
        ("sleep", WorkloadState::Running, ""),
        ("panic", WorkloadState::Error, "the service failed: "),
    ] {
        let mut component = Component::new("service", guests::service());
        component.local.environment.insert("SERVICE".into(), does.into());
        let workload = Workload {
            namespace: "default".into(),
            name: does.into(),
            service: Some(Service { component, max_restarts: 0 }),
            ..Workload::default()
        };
        host.workload_start(start(does, workload)).await.unwrap();
        let begun = Instant::now();
        while state(&host, does).await != expected {
            assert!(begun.elapsed() < PATIENCE, "{does}: {:?}", state(&host, does).await);
            tokio::task::yield_now().await;
        }
        let request = WorkloadStatusRequest { workload_id: does.into() };
        let status = host.workload_status(request).await.unwrap().workload_status;
        assert!(status.message.starts_with(reason) && status.message.is_empty() == reason.is_empty(), "{status:?}");
        assert_eq!(stop(&host, does).await, WorkloadState::Stopping);
        assert_eq!(state(&host, does).await, WorkloadState::NotFound);
    }
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_workload_loses_no_request() {
    let (host, address) = host(DynamicRouter::default()).await;
    let version = |number| workload("one", guests::probe_version(number), &[("host", "one.example")]);
    host.workload_start(start("1", version(0))).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let over = over.clone();
            thread::spawn(move || {
                let mut answers = 0;
                while !over.load(Ordering::SeqCst) {
                    let answer = get(address, "one.example", "/version");
                    assert!(answer.status == 200 && answer.body.starts_with("WASH-PROBE"), "{answer:?}");
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    for number in 1..=5 {
        let request = WorkloadReplaceRequest { workload_id: "1".into(), workload: version(number) };
        host.workload_replace(request).await.unwrap();
        assert_eq!(get(address, "one.example", "/version").body, guests::marker(number));
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        assert!(client.join().unwrap() > 0);
    }
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_run_leaves_the_one_before_it() {
    let (host, address) = host(DynamicRouter::default()).await;
    host.workload_start(start("1", workload("one", guests::probe_version(1), &[("host", "one.example")])))
        .await
        .unwrap();
    let bad = workload("one", guests::missing_import(), &[("host", "other.example")]);
    let request = WorkloadReplaceRequest { workload_id: "1".into(), workload: bad };
    let error = host.workload_replace(request).await.unwrap_err();
    assert!(told(&error).contains("nobody provides this package"), "{}", told(&error));
    assert_eq!(get(address, "one.example", "/version").body, guests::marker(1));
    assert_eq!(get(address, "other.example", "/version").status, 404);
    assert_eq!(state(&host, "1").await, WorkloadState::Running);
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_refused_and_leave_nothing() {
    let (host, address) = host(DynamicRouter::default()).await;
    let good = || workload("one", guests::probe(), &[("host", "one.example")]);
    host.workload_start(start("1", good())).await.unwrap();
    let wrong_digest = || {
        let mut workload = good();
        workload.components[0].digest = "sha256:00".into();
        workload
    };
    let unknown_interface = || {
        let mut workload = good();
        workload.host_interfaces[0].package = "webgpu".into();
        workload
    };
    let same_names = || {
        let mut workload = good();
        workload.components.push(workload.components[0].clone());
        workload
    };
    for (id, workload, expected) in [
        ("1", good(), "a workload `1` exists already"),
        ("", good(), "needs an identifier"),
        ("2", Workload { namespace: "a/b".into(), ..good() }, "cannot be the namespace"),
        ("2", Workload { components: Vec::new(), ..good() }, "has no components"),
        ("2", wrong_digest(), "are not those of its digest"),
        ("2", unknown_interface(), "not supported yet: `wasi:webgpu`"),
        ("2", same_names(), "a component cannot be called \"main\""),
        ("2", workload("two", b"\0asm-not".to_vec(), &[]), "the component `main` cannot be used"),
        ("2", workload("two", guests::probe(), &[("host", "http://x")]), "the host `http://x` of `wasi:http` is none"),
        ("2", Workload { namespace: "other".into(), ..good() }, "belongs to another namespace"),
    ] {
        let error = host.workload_start(start(id, workload)).await.unwrap_err();
        assert!(told(&error).contains(expected), "{expected}: {}", told(&error));
        assert_eq!(host.workload_ids(), ["1"], "{expected}");
    }
    let other = WorkloadReplaceRequest { workload_id: "1".into(), workload: workload("two", guests::probe(), &[]) };
    assert!(told(&host.workload_replace(other).await.unwrap_err()).contains("is `default/one`, not `default/two`"));
    assert_eq!(get(address, "one.example", "/calls").body, "1");
    host.stop().await.unwrap();
}

/// The process's own maps tell: each test has a process for itself. Instances without a pool, which would
/// hold on to the code of those that used its slots until others do.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_workload_leaves_no_code_no_data_and_no_subscription() {
    let engine = Engine::builder().with_pooling_allocator(false).build().unwrap();
    let (host, address) = host_on(engine, DevRouter::default()).await;
    let code = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains("r-xp") && !line.contains('/')).count()
    };
    let mut mapped = Vec::new();
    for number in 0..6 {
        let mut workload = workload("one", guests::probe_version(number), &[]);
        workload.components[0].pool_size = 4;
        workload.components.push(Component::new("worker", guests::echo_worker()));
        host.workload_start(start("1", workload)).await.unwrap();
        let url = format!("http://{address}");
        // What an earlier workload of this name has left would be seen here.
        assert_eq!(request(&url, "GET", "/kv/default", None, &[]).unwrap().body, "", "data in memory ends with it");
        request(&url, "PUT", "/kv/default/key", Some(b"value"), &[]).unwrap();
        let reply = request(&url, "POST", "/request?subject=a&timeout=20000", Some(b"hello"), &[]).unwrap();
        assert_eq!(reply.body, "echo:hello");
        stop(&host, "1").await;
        mapped.push(code());
    }
    // The first one brings what stays with the engine.
    assert!(mapped[1..].iter().all(|count| *count == mapped[1]), "mappings of code: {mapped:?}");

    // Without the worker, nobody is there for the messages.
    host.workload_start(start("1", workload("one", guests::probe(), &[]))).await.unwrap();
    let url = format!("http://{address}");
    let reply = request(&url, "POST", "/request?subject=a&timeout=200", Some(b"hello"), &[]).unwrap();
    assert_eq!(reply.status, 504, "{reply:?}");
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_replica_leaves_messages_and_data_to_the_other() {
    let (host, address) = host(DevRouter::default()).await;
    let replica = || {
        let mut workload = workload("one", guests::probe(), &[]);
        workload.components.push(Component::new("worker", guests::echo_worker()));
        workload
    };
    host.workload_start(start("1", replica())).await.unwrap();
    host.workload_start(start("2", replica())).await.unwrap();
    let url = format!("http://{address}");
    request(&url, "PUT", "/kv/default/key", Some(b"value"), &[]).unwrap();
    // The newer one has the subscriptions; they go back to the other.
    stop(&host, "2").await;
    assert_eq!(request(&url, "GET", "/kv/default/key", None, &[]).unwrap().body, "value");
    let reply = request(&url, "POST", "/request?subject=a&timeout=20000", Some(b"hello"), &[]).unwrap();
    assert_eq!(reply.body, "echo:hello");
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_calls_finish() {
    let (host, address) = host(DevRouter::default()).await;
    host.workload_start(start("1", workload("one", guests::probe(), &[]))).await.unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /drip?n=5&ms=100 HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with("drip 0") {
        line.clear();
        assert_ne!(answer.read_line(&mut line).unwrap(), 0, "the response has begun");
    }
    stop(&host, "1").await;
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("drip 4"), "{rest}");
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_can_be_stopped_and_goes_on_without_its_caller() {
    let (host, address) = host(DevRouter::default()).await;
    let starting = tokio::spawn({
        let host = host.clone();
        async move { host.workload_start(start("1", workload("one", guests::probe(), &[]))).await }
    });
    while !host.workload_ids().contains(&"1".to_string()) {
        tokio::task::yield_now().await;
    }
    stop(&host, "1").await;
    assert_eq!(state(&host, "1").await, WorkloadState::NotFound);
    if let Err(error) = starting.await.unwrap() {
        assert!(told(&error).contains("it was stopped before it was ready"), "{error}");
    }
    let request = host.workload_start(start("1", workload("one", guests::probe_version(1), &[])));
    // Who gives up after the first step.
    drop(tokio::time::timeout(Duration::ZERO, request).await);
    while state(&host, "1").await != WorkloadState::Running {
        assert_ne!(state(&host, "1").await, WorkloadState::NotFound);
        tokio::task::yield_now().await;
    }
    assert_eq!(get(address, "any", "/version").body, guests::marker(1));
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_not_started_takes_no_workloads() {
    let host = HostBuilder::new().build().unwrap();
    let error = host.workload_start(start("1", workload("one", guests::probe(), &[]))).await.unwrap_err();
    assert!(told(&error).contains("call `start` on it first"), "{error}");
    let error = HostBuilder::new().with_id("a b").build().err().unwrap();
    assert!(error.message().contains("cannot identify a host"), "{error}");
}

/// A plugin that writes down what it is told to do.
struct Ledger {
    version: &'static str,
    /// The type of the amount: `u32` is what the component wants.
    amount: &'static str,
    fails: &'static str,
    log: Mutex<Vec<String>>,
}

impl Ledger {
    fn new() -> Self {
        Ledger { version: "1.2.0", amount: "u32", fails: "", log: Mutex::default() }
    }

    fn note(&self, what: &str) -> Result<()> {
        self.log.lock().unwrap().push(what.to_string());
        if self.fails == what { Err(Error::failed(format!("no {what} today"))) } else { Ok(()) }
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

impl HostPlugin for Ledger {
    type ForComponent = Arc<Mutex<u32>>;
    type ForStore = Arc<Mutex<u32>>;

    fn id(&self) -> &'static str {
        "ledger"
    }

    fn world(&self) -> Result<WitWorld> {
        let charge = format!("charge: func(amount: {}) -> u32;", self.amount);
        let package = format!("package acme:billing@{};", self.version);
        let wit = format!("{package} interface ledger {{ {charge} }} world user {{ import ledger; }}");
        WitWorld::parse(&[("billing.wit", &wit)], "acme:billing/user")
    }

    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        let mut instance = linker.instance(&format!("acme:billing/ledger@{}", self.version))?;
        let charge = |mut store: StoreContextMut<'_, Guest>, amount: u32| {
            let mut sum = store.data_mut().plugin::<Ledger>().state.lock().unwrap();
            *sum += amount;
            wasmtime::error::Ok((*sum,))
        };
        match self.amount {
            "u32" => instance.func_wrap("charge", move |store, (amount,): (u32,)| charge(store, amount)),
            _ => instance.func_wrap("charge", move |store, (amount,): (u64,)| charge(store, amount as u32)),
        }
    }

    async fn start(&self) -> Result<()> {
        self.note("start")
    }

    async fn on_workload_item_bind(&self, item: &WorkloadItem<'_>) -> Result<Arc<Mutex<u32>>> {
        self.note("bind")?;
        item.check_settings(&["sum"])?;
        Ok(Arc::new(Mutex::new(item.setting("sum", |sum| sum.parse().map_err(|_| "no number".into()))?.unwrap_or(0))))
    }

    fn for_store(&self, component: &Arc<Arc<Mutex<u32>>>) -> Arc<Mutex<u32>> {
        let _ = self.note(&format!("store {}", component.lock().unwrap()));
        component.as_ref().clone()
    }

    async fn on_workload_unbind(&self, workload: &WorkloadId) {
        let _ = self.note(&format!("unbind {workload}"));
    }

    async fn stop(&self) -> Result<()> {
        self.note("stop")
    }
}

/// A workload with components that charge 5 when they are instantiated.
fn customers(names: &[&str], config: &[(&str, &str)]) -> Workload {
    let customer = wat::parse_str(
        r#"(component
            (import "acme:billing/ledger@1.2.0" (instance $ledger
                (export "charge" (func (param "amount" u32) (result u32)))))
            (core func $charge (canon lower (func $ledger "charge")))
            (core module $main
                (import "ledger" "charge" (func $charge (param i32) (result i32)))
                (func $start (drop (call $charge (i32.const 5))))
                (start $start))
            (core instance (instantiate $main
                (with "ledger" (instance (export "charge" (func $charge))))))
        )"#,
    )
    .unwrap();
    let mut workload = workload("customer", Vec::new(), &[]);
    workload.components = names.iter().map(|name| Component::new(*name, customer.clone())).collect();
    let entry = &mut workload.host_interfaces[0];
    (entry.namespace, entry.package) = ("acme".into(), "billing".into());
    entry.config = config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    workload
}

async fn host_with(ledger: &Arc<Ledger>) -> Result<Host> {
    HostBuilder::new().with_plugin(ledger.clone())?.build()?.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_lives_in_its_stages_with_a_state_for_each_component() {
    let ledger = Arc::new(Ledger::new());
    let host = host_with(&ledger).await.unwrap();
    assert_eq!(ledger.told(), ["start"]);
    host.workload_start(start("1", customers(&["a", "b"], &[("sum", "7")]))).await.unwrap();
    assert_eq!(ledger.told(), ["bind", "bind", "store 7", "store 7"]);
    let replace = WorkloadReplaceRequest { workload_id: "1".into(), workload: customers(&["a"], &[]) };
    host.workload_replace(replace).await.unwrap();
    assert_eq!(ledger.told(), ["bind", "store 0"]);
    // Of two workloads of one name, the last one ends what is kept for the name.
    host.workload_start(start("2", customers(&["a"], &[]))).await.unwrap();
    assert_eq!(ledger.told(), ["bind", "store 0"]);
    stop(&host, "1").await;
    assert_eq!(ledger.told(), [""; 0]);
    host.stop().await.unwrap();
    assert_eq!(ledger.told(), ["unbind default/customer", "stop"]);

    let beat = host.heartbeat().await.unwrap();
    let billing = beat.imports.iter().find(|entry| entry.is("acme", "billing")).expect("heartbeats name it");
    assert_eq!((billing.version.as_deref(), &billing.interfaces[..]), (Some("1.2.0"), &["ledger".to_string()][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_found_by_a_component_that_another_one_calls() {
    let desk = r#"(component
        (import "acme:billing/ledger@1.2.0" (instance $ledger
            (export "charge" (func (param "amount" u32) (result u32)))))
        (core func $charge (canon lower (func $ledger "charge")))
        (core module $main
            (import "ledger" "charge" (func $charge (param i32) (result i32)))
            (func (export "pay") (result i32) (call $charge (i32.const 2))))
        (core instance $main (instantiate $main (with "ledger" (instance (export "charge" (func $charge))))))
        (func $pay (result u32) (canon lift (core func $main "pay")))
        (instance $api (export "pay" (func $pay)))
        (export "acme:desk/api@1.0.0" (instance $api))
    )"#;
    let guest = r#"(component
        (import "acme:desk/api@1.0.0" (instance $desk (export "pay" (func (result u32)))))
        (core func $pay (canon lower (func $desk "pay")))
        (core module $main
            (import "desk" "pay" (func $pay (result i32)))
            (func $start (if (i32.ne (call $pay) (i32.const 9)) (then unreachable)))
            (start $start))
        (core instance (instantiate $main (with "desk" (instance (export "pay" (func $pay))))))
    )"#;
    let ledger = Arc::new(Ledger::new());
    let host = host_with(&ledger).await.unwrap();
    let mut workload = customers(&[], &[("sum", "7")]);
    workload.components = vec![
        Component::new("guest", wat::parse_str(guest).unwrap()),
        Component::new("desk", wat::parse_str(desk).unwrap()),
    ];
    host.workload_start(start("1", workload)).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ledger.told(), ["start", "bind", "store 7"]);
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_uses_a_plugin_as_components_do() {
    // Its one function charges 5, and traps if that makes anything else than 12.
    let payer = r#"(component
        (import "acme:billing/ledger@1.2.0" (instance $ledger
            (export "charge" (func (param "amount" u32) (result u32)))))
        (core func $charge (canon lower (func $ledger "charge")))
        (core module $main
            (import "ledger" "charge" (func $charge (param i32) (result i32)))
            (func (export "pay")
                (if (i32.ne (call $charge (i32.const 5)) (i32.const 12)) (then unreachable))))
        (core instance $main (instantiate $main (with "ledger" (instance (export "charge" (func $charge))))))
        (func $pay (canon lift (core func $main "pay")))
        (instance $job (export "pay" (func $pay)))
        (export "acme:job/job@1.0.0" (instance $job))
    )"#;
    let ledger = Arc::new(Ledger::new());
    let host = host_with(&ledger).await.unwrap();
    let mut workload = customers(&[], &[("sum", "7")]);
    workload.service =
        Some(Service { component: Component::new("payer", wat::parse_str(payer).unwrap()), max_restarts: 0 });
    host.workload_start(start("1", workload)).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    let end = loop {
        match state(&host, "1").await {
            WorkloadState::Starting | WorkloadState::Running => tokio::task::yield_now().await,
            end => break end,
        }
    };
    assert_eq!(end, WorkloadState::Completed);
    assert_eq!(ledger.told(), ["start", "bind", "store 7", "store 7"], "one store for the trial, one to run in");
    host.stop().await.unwrap();
}

/// Who is told of workloads that do something else than they seem to.
#[derive(Default)]
struct Notices(Mutex<Vec<WorkloadNotice>>);

impl Observer for Notices {
    fn request(&self, _: RequestRecord) {}
    fn output(&self, _: Output) {}
    fn fault(&self, _: Arc<Fault>) {}
    fn notice(&self, notice: WorkloadNotice) {
        self.0.lock().unwrap().push(notice);
    }
}

/// The front has all that it does done by the cart, whose share is the smaller one.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_linked_components_counts_for_the_share_of_each_and_differences_are_told() {
    let answer = async |front: Option<u32>, cart: Option<u32>, seconds: u64| {
        let http = Arc::new(HttpServer::new(DevRouter::default(), ([127, 0, 0, 1], 0).into()).await.unwrap());
        let (address, notices) = (http.address(), Arc::new(Notices::default()));
        let mut limits = Limits::development();
        limits.request_time = Duration::from_secs(seconds);
        let host = HostBuilder::new().with_http_handler(http).with_observer(notices.clone()).with_limits(limits);
        let host = host.build().unwrap().start().await.unwrap();
        let mut shop = workload("shop", guests::shop_front(), &[]);
        shop.components.push(Component::new("cart", guests::shop_cart()));
        shop.components[0].local.cpu_limit = front;
        shop.components[1].local.cpu_limit = cart;
        host.workload_start(start("1", shop)).await.unwrap();
        let status = tokio::task::spawn_blocking(move || get(address, "any", "/times?100000000,0").status).await;
        host.stop().await.unwrap();
        (status.unwrap(), std::mem::take(&mut *notices.0.lock().unwrap()))
    };
    let (status, notices) = answer(None, None, 120).await;
    assert_eq!((status, notices.len()), (200, 0));
    let (status, notices) = answer(None, Some(1), 2).await;
    assert_eq!(status, 504, "a hundredth of two seconds is not enough");
    let [WorkloadNotice { workload, reason, hint }] = &notices[..] else { panic!("{notices:?}") };
    assert_eq!(workload, "default/shop");
    assert!(reason.contains("different `cpu_limit`s: `main` none, `cart` 1 %"), "{reason}");
    assert!(hint.as_deref().unwrap().contains("the smallest holds all"), "{hint:?}");
    let (status, notices) = answer(Some(1), Some(1), 2).await;
    assert_eq!((status, notices.len()), (504, 0), "they agree");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_refuses_does_not_start() {
    let host = host_with(&Arc::new(Ledger { fails: "start", ..Ledger::new() })).await;
    assert_eq!(told(&host.err().unwrap()).trim(), "the plugin `ledger` cannot start: no start today");

    let ledger = Arc::new(Ledger::new());
    let host = host_with(&ledger).await.unwrap();
    for (config, expected) in [
        (("summ", "1"), "`acme:billing` has no setting `summ`"),
        (("sum", "secret-value"), "the setting `sum` of `acme:billing` is wrong: no number"),
    ] {
        let error = host.workload_start(start("1", customers(&["a"], &[config]))).await.unwrap_err();
        assert!(told(&error).contains(expected) && !told(&error).contains("secret-value"), "{}", told(&error));
    }
    assert_eq!(ledger.told(), ["start", "bind", "unbind default/customer", "bind", "unbind default/customer"]);
    host.stop().await.unwrap();

    let host = host_with(&Arc::new(Ledger { fails: "stop", ..Ledger::new() })).await.unwrap();
    assert!(told(&host.stop().await.unwrap_err()).contains("the plugin `ledger`: no stop today"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unmet_imports_are_explained_with_what_plugins_provide() {
    let explained = async |ledger: Ledger| {
        let host = host_with(&Arc::new(ledger)).await.unwrap();
        told(&host.workload_start(start("1", customers(&["a"], &[]))).await.unwrap_err())
    };
    let error = explained(Ledger { version: "2.0.0", ..Ledger::new() }).await;
    assert!(error.contains("the host provides version 2.0.0, which is not compatible"), "{error}");
    let error = explained(Ledger { amount: "u64", ..Ledger::new() }).await;
    assert!(
        error.contains("wanted:   func(amount: u32) -> u32\n        provided: func(amount: u64) -> u32"),
        "{error}"
    );
}

#[test]
fn plugins_that_contradict_each_other_or_wash_are_refused() {
    let two = HostBuilder::new().with_plugin(Arc::new(Ledger::new())).unwrap().with_plugin(Arc::new(Ledger::new()));
    assert!(told(&two.err().unwrap()).contains("there is a plugin with this name already"));
    let parse = |wit, world| told(&WitWorld::parse(&[("a.wit", wit)], world).err().unwrap());
    assert!(parse("no wit", "a:b/c").contains("the WIT of the world `a:b/c` cannot be used"));
    let nothing = parse("package a:b; world c { import wasi:keyvalue/store@0.2.0-draft; }", "a:b/c");
    assert!(nothing.contains("imports no interface of its own"), "{nothing}");
}
