//! Every boundary that a component must not cross, in one place: each attempt is answered with a denial
//! that says why. Other workloads' data on common servers is in `dev_backends`.

use std::path::PathBuf;
use std::sync::Arc;

use wash::embed::{
    Component, DynamicRouter, HostApi, HostBuilder, HttpServer, LocalResources, Volume, VolumeMount, WitInterface,
    Workload, WorkloadStartRequest,
};

use crate::support::dev::request;
use crate::support::upstream::Upstream;
use crate::support::{Dev, Sandbox, guests, write};

fn serve(settings: &str) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe(), settings);
    write(&root.join("data/inside"), "inside");
    write(&root.join("secret/outside"), "outside");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

#[cfg(unix)]
#[test]
fn files_outside_of_a_volume_are_out_of_reach_however_they_are_written() {
    use std::os::unix::fs::symlink;
    let (_sandbox, root, dev) = serve("dev:\n  volumes: [{host_path: data, guest_path: /data}]\n");
    symlink("../secret/outside", root.join("data/link")).unwrap();
    symlink("../secret", root.join("data/folder")).unwrap();
    symlink("/etc/passwd", root.join("data/absolute")).unwrap();
    symlink("inside", root.join("data/harmless")).unwrap();
    assert_eq!(dev.get("/read?path=/data/inside").body, "inside");
    assert_eq!(dev.get("/read?path=/data/harmless").body, "inside", "a link that stays inside is followed");
    let outside = root.join("secret/outside");
    for path in [
        "/data/../secret/outside",
        "/data/./../../probe/secret/outside",
        "/data/link",
        "/data/folder/outside",
        "/data/absolute",
        "/etc/passwd",
        "../secret/outside",
        outside.to_str().unwrap(),
    ] {
        let answer = dev.get(&format!("/read?path={path}"));
        assert!(matches!(answer.status, 403 | 404 | 500), "{path}: {answer:?}");
        assert!(!answer.body.contains("outside") && !answer.body.contains("root:"), "{path}: {answer:?}");
        assert!(!answer.body.is_empty(), "{path}: it says why");
        let answer = dev.send("POST", &format!("/write?path={path}"), "changed");
        assert!(matches!(answer.status, 403 | 404 | 500), "{path}: {answer:?}");
    }
    for path in ["/data/folder", "/data/..", "/", "/etc"] {
        let answer = dev.get(&format!("/dir?path={path}"));
        assert_ne!(answer.status, 200, "{path}: {answer:?}");
    }
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "outside");
    dev.stop();
}

#[test]
fn this_machine_and_its_surroundings_are_out_of_reach_and_the_denial_says_why() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let (_sandbox, _root, mut dev) =
        serve("dev:\n  hosts: {public.example: 127.0.0.1, cloud.example: 169.254.169.254}\n");
    for (path, reason, hint) in [
        (format!("/fetch?url=http://127.0.0.1:{port}/"), "loopback", "allowed_host_loopback_ports"),
        (format!("/fetch?url=http://[::ffff:127.0.0.1]:{port}/"), "loopback", "allowed_host_loopback_ports"),
        (format!("/fetch?url=http://public.example:{port}/"), "loopback", "allowed_host_loopback_ports"),
        ("/fetch?url=http://169.254.169.254/latest/meta-data".into(), "169.254.169.254", ""),
        ("/fetch?url=http://cloud.example/".into(), "169.254.169.254", ""),
        ("/fetch?url=http://10.0.0.1/".into(), "10.0.0.1", "allow_private_networks"),
        (format!("/tcp?to=127.0.0.1:{port}"), "loopback", "allowed_host_loopback_ports"),
        // The same to the policy, which says so once.
        (format!("/tcp?to=[::ffff:127.0.0.1]:{port}"), "", ""),
        ("/tcp?to=169.254.169.254:80".into(), "169.254.169.254", ""),
        (format!("/udp?to=127.0.0.1:{port}"), "loopback", "allowed_host_loopback_ports"),
        ("/resolve?name=public.example".into(), "public.example", "allowed_ip_name_lookups"),
        ("/listen?at=127.0.0.1:0".into(), "do not listen", ""),
        ("/listen?at=0.0.0.0:8080".into(), "do not listen", ""),
        ("/bindudp?at=127.0.0.1:4000".into(), "do not listen", ""),
    ] {
        let answer = dev.get(&path);
        assert!(matches!(answer.status, 403 | 502) && !answer.body.is_empty(), "{path}: {answer:?}");
        if reason.is_empty() {
            continue;
        }
        let event = dev.wait_for("network");
        assert_eq!(event["denied"], true, "{path}: {event}");
        assert!(event["reason"].as_str().unwrap().contains(reason), "{path}: {event}");
        assert!(event["hint"].as_str().unwrap_or_default().contains(hint), "{path}: {event}");
    }
    assert!(upstream.requests().is_empty(), "nothing came through");
    dev.stop();
}

/// Each of two linked components reaches what it may, also while the other one is at it.
#[test]
fn what_a_member_may_reach_is_of_no_use_to_another() {
    let upstream = Upstream::start();
    let port = upstream.port();
    let sandbox = Sandbox::new();
    let closed = "[]\n  components:\n    - {name: cart, file: cart.wasm, allowed_host_loopback_ports: [PORT]}";
    let open = "[PORT]\n  components:\n    - {name: cart, file: cart.wasm}";
    for (settings, tcp, http) in [
        (open, "front: reached, cart: connection refused", "front: 200, cart: ErrorCode::DestinationIpProhibited"),
        (closed, "front: connection refused, cart: reached", "front: ErrorCode::DestinationIpProhibited, cart: 200"),
    ] {
        let settings = settings.replace("PORT", &port.to_string());
        let settings = format!("dev:\n  allowed_host_loopback_ports: {settings}\n");
        let root = sandbox.copying_project("front", &guests::shop_front(), &settings);
        write(&root.join("cart.wasm"), guests::shop_cart());
        let mut dev = sandbox.dev(&root, &[]);
        dev.ready();
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let url = dev.url.clone();
                std::thread::spawn(move || {
                    let ask = |what: String| request(&url, "GET", &format!("/reach?{what}"), None, &[]).unwrap().body;
                    for _ in 0..5 {
                        assert_eq!(ask(format!("127.0.0.1:{port}")), tcp);
                        assert_eq!(ask(format!("http://127.0.0.1:{port}")), http);
                    }
                })
            })
            .collect();
        for call in calls {
            call.join().unwrap();
        }
        let denied = dev.wait_for("network");
        assert!(denied["reason"].as_str().unwrap().contains("loopback"), "{denied}");
        dev.stop();
    }
}

/// Both have the same component, ask for the same names, and are asked at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn workloads_of_one_host_share_nothing() {
    let folders = tempfile::tempdir().unwrap();
    let http = Arc::new(HttpServer::new(DynamicRouter::default(), ([127, 0, 0, 1], 0).into()).await.unwrap());
    let url = format!("http://{}", http.address());
    let host = HostBuilder::new().with_http_handler(http).build().unwrap().start().await.unwrap();
    for name in ["one", "two"] {
        let folder = folders.path().join(name);
        write(&folder.join("note"), name);
        let mut component = Component::new("main", guests::probe());
        component.local = LocalResources {
            environment: [("OWNER".to_string(), name.to_string())].into(),
            config: [("owner".to_string(), name.to_string())].into(),
            volume_mounts: vec![VolumeMount { volume: "data".into(), mount_path: "/data".into(), read_only: false }],
            ..LocalResources::default()
        };
        let workload = Workload {
            namespace: "default".into(),
            name: name.into(),
            components: vec![component],
            volumes: vec![Volume { name: "data".into(), host_path: folder }],
            host_interfaces: vec![WitInterface {
                namespace: "wasi".into(),
                package: "http".into(),
                config: [("host".to_string(), format!("{name}.example"))].into(),
                ..WitInterface::default()
            }],
            ..Workload::default()
        };
        host.workload_start(WorkloadStartRequest { workload_id: name.into(), workload }).await.unwrap();
    }
    let callers = ["one", "two", "one", "two"].map(|name| {
        let url = url.clone();
        std::thread::spawn(move || {
            let ask = |method: &str, path: &str, body: Option<&[u8]>| {
                request(&url, method, path, body, &[("host", &format!("{name}.example"))]).unwrap()
            };
            for _ in 0..10 {
                for path in ["/kv/bucket/key", "/blob/container/object", "/kv//key"] {
                    assert_eq!(ask("PUT", path, Some(name.as_bytes())).status, 204, "{path}");
                    assert_eq!(ask("GET", path, None).body, name, "{path}");
                }
                assert_eq!(ask("GET", "/env", None).body, format!("OWNER={name}\n"));
                assert_eq!(ask("GET", "/config/owner", None).body, name);
                assert_eq!(ask("GET", "/read?path=/data/note", None).body, name);
                let other = if name == "one" { "two" } else { "one" };
                for path in [format!("/data/../{other}/note"), format!("/{other}/note")] {
                    assert_ne!(ask("GET", &format!("/read?path={path}"), None).status, 200, "{path}");
                }
            }
        })
    });
    for caller in callers {
        caller.join().unwrap();
    }
    host.stop().await.unwrap();
}
