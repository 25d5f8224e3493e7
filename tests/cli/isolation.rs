//! Every boundary that a component must not cross, in one place: each attempt is answered with a denial
//! that says why. Other workloads' data on common servers is in `dev_backends`.

use std::net::TcpListener;
use std::path::PathBuf;

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
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let sandbox = Sandbox::new();
    for (ports, expected) in [
        ("[FRONT]", "front: reached, cart: permission denied"),
        (
            "[]\n  components:\n    - {name: cart, file: cart.wasm, allowed_host_loopback_ports: [FRONT]}",
            "front: permission denied, cart: reached",
        ),
    ] {
        let sidecar =
            if ports.contains("components") { "" } else { "\n  components:\n    - {name: cart, file: cart.wasm}" };
        let ports = ports.replace("FRONT", &address.port().to_string());
        let settings = format!("dev:\n  allowed_host_loopback_ports: {ports}{sidecar}\n");
        let root = sandbox.copying_project("front", &guests::shop_front(), &settings);
        write(&root.join("cart.wasm"), guests::shop_cart());
        let mut dev = sandbox.dev(&root, &[]);
        dev.ready();
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let url = dev.url.clone();
                std::thread::spawn(move || {
                    let ask = |_| request(&url, "GET", &format!("/reach?{address}"), None, &[]).unwrap().body;
                    (0..5).map(ask).collect::<Vec<_>>()
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.join().unwrap(), vec![expected; 5]);
        }
        let denied = dev.wait_for("network");
        assert!(denied["reason"].as_str().unwrap().contains("loopback"), "{denied}");
        dev.stop();
    }
}
