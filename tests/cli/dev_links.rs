//! Components of a workload that call each other.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::dev::request;
use crate::support::upstream::Upstream;
use crate::support::{Dev, Sandbox, guests, write};

/// The front with its cart, each with an environment, a configuration and a folder of its own.
const SETTINGS: &str = "\
dev:
  environment: {WHO: front}
  config: {secret: of-the-front}
  volumes: [{host_path: shared, guest_path: /shared}]
  components:
    - name: cart
      file: cart.wasm
      environment: {WHO: cart}
      config: {secret: of-the-cart}
      volumes: [{host_path: carts, guest_path: /carts}]
";

fn shop() -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("front", &guests::shop_front(), SETTINGS);
    write(&root.join("cart.wasm"), guests::shop_cart());
    write(&root.join("shared/file"), "");
    write(&root.join("carts/file"), "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

#[test]
fn values_resources_and_streams_cross_in_both_directions() {
    let (_sandbox, _root, dev) = shop();
    assert_eq!(dev.get("/basket").body, "Ok(1) Err(\"no nothing\") 2 pear=2,Äpfel=3");
    let body: String = "abc".repeat(400_000);
    assert_eq!(dev.send("POST", "/increment", &body).body, "bcd".repeat(400_000), "a list of more than a megabyte");
    assert_eq!(dev.send("POST", "/measure", &body).body, "1200000", "the stream of the request's body");
    dev.stop();
}

#[test]
fn every_call_from_outside_has_fresh_instances_of_all_members() {
    let (_sandbox, _root, dev) = shop();
    for _ in 0..3 {
        assert_eq!(dev.get("/calls").body, "1 2");
    }
    dev.stop();
}

const BELONGINGS: &str = "front:\nconfig WHO=front\nconfig secret=of-the-front\nenv WHO=front\nfolder /shared\n\
                          cart:\nconfig WHO=cart\nconfig secret=of-the-cart\nenv WHO=cart\nfolder /carts\nfolder /shared\n";

#[test]
fn each_member_sees_only_its_own_also_when_calls_overlap() {
    let (_sandbox, _root, dev) = shop();
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&dev.get("/own").body), sorted(BELONGINGS));
    let slow: Vec<_> = (0..8)
        .map(|_| {
            let url = dev.url.clone();
            std::thread::spawn(move || request(&url, "GET", "/slow?100", None, &[]).unwrap().body)
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(sorted(&dev.get("/own").body), sorted(BELONGINGS));
    }
    for answer in slow {
        let answer = answer.join().unwrap();
        assert!(answer.contains("of-the-cart") && !answer.contains("front"), "{answer}");
    }
    dev.stop();
}

#[test]
fn output_and_logs_have_the_name_of_the_member_that_wrote_them() {
    let (_sandbox, _root, mut dev) = shop();
    assert_eq!(dev.get("/say?hello").body, "said");
    for (component, stream, line) in [
        ("front", "stdout", "front says hello"),
        ("cart", "stdout", "cart says hello"),
        ("cart", "stderr", "cart warns hello"),
        ("cart", "log", "cart logs hello"),
    ] {
        let output = dev.wait_for_event("output", |event| event["line"] == line);
        assert_eq!((&output["component"], &output["stream"]), (&Value::from(component), &Value::from(stream)));
    }
    dev.stop();
}

#[test]
fn a_trap_of_a_member_is_the_callers_failure_and_the_next_request_works() {
    let (_sandbox, _root, mut dev) = shop();
    let answer = dev.get("/fail");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("cart panic on purpose"), "{}", answer.body);
    let fault = dev.wait_for("fault");
    assert_eq!(fault["what"], "GET /fail");
    assert_eq!(dev.get("/calls").body, "1 2");
    dev.stop();
}

#[test]
fn a_member_is_replaced_alone_and_the_others_stay() {
    let (_sandbox, root, mut dev) = shop();
    let builds = dev.count("building");
    write(&root.join("cart.wasm"), with_another_text(guests::shop_cart(), b"cart says ", b"CART SAYS "));
    dev.ready();
    dev.get("/say?again");
    dev.wait_for_event("output", |event| event["line"] == "CART SAYS again");
    assert_eq!(dev.count("building"), builds);
    dev.stop();
}

fn with_another_text(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the text is in the component");
    bytes[at..at + from.len()].copy_from_slice(to);
    bytes
}

#[test]
fn two_that_export_the_same_are_ambiguous_and_the_report_names_both() {
    let sandbox = Sandbox::new();
    let settings = "dev:\n  components:\n    - {name: one, file: one.wasm}\n    - {name: two, file: two.wasm}\n";
    let root = sandbox.copying_project("front", &guests::shop_front(), settings);
    write(&root.join("one.wasm"), guests::shop_cart());
    write(&root.join("two.wasm"), guests::shop_cart());
    let mut dev = sandbox.dev(&root, &[]);
    let error = &dev.wait_for("not-ready")["error"];
    let details = error["details"].as_str().unwrap();
    assert!(details.contains("front imports test:shop/cart@0.1.0"), "{details}");
    assert!(details.contains("`one` and `two` export it"), "{details}");
    dev.stop();
}

#[test]
fn components_that_call_each_other_in_a_circle_are_refused_with_the_way() {
    let sandbox = Sandbox::new();
    let settings = "dev:\n  components:\n    - {name: other, file: other.wasm}\n";
    let root = sandbox.copying_project("main", &circle("a", "b"), settings);
    write(&root.join("other.wasm"), circle("b", "a"));
    let mut dev = sandbox.dev(&root, &[]);
    let error = &dev.wait_for("not-ready")["error"];
    assert!(error["details"].as_str().unwrap().contains("main → other → main"), "{error}");
    dev.stop();
}

/// A component that passes on an import as an export.
fn circle(import: &str, export: &str) -> Vec<u8> {
    let text = format!(
        "(component (import \"test:circle/{import}@1.0.0\" (instance $i (export \"f\" (func))))
           (instance $e (export \"f\" (func $i \"f\")))
           (export \"test:circle/{export}@1.0.0\" (instance $e)))"
    );
    wat::parse_str(text).expect("valid text")
}

/// Two components of WASI 0.3, the second of which may reach less.
fn relay(port: u16) -> (Sandbox, PathBuf, Dev) {
    let sandbox = Sandbox::new();
    let settings = format!(
        "dev:\n  environment: {{WHO: front}}\n  allowed_host_loopback_ports: [{port}]\n  \
         volumes: [{{host_path: shared, guest_path: /shared}}]\n  components:\n    \
         - {{name: back, file: back.wasm, environment: {{WHO: back}}}}\n"
    );
    let root = sandbox.copying_project("front", &guests::relay_front(), &settings);
    write(&root.join("back.wasm"), guests::relay_back());
    write(&root.join("shared/file"), "");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, root, dev)
}

#[test]
fn streams_and_futures_of_0_3_cross_a_link() {
    let (_sandbox, _root, dev) = relay(1);
    assert_eq!(dev.send("POST", "/shout", "hello").body, "HELLO 5");
    let body: String = "abc".repeat(400_000);
    assert_eq!(dev.send("POST", "/shout", &body).body, format!("{} 1200000", "ABC".repeat(400_000)));
    dev.stop();
}

#[test]
fn members_of_0_3_have_environment_output_and_policy_of_their_own_also_when_calls_overlap() {
    let upstream = Upstream::start();
    let (_sandbox, _root, mut dev) = relay(upstream.port());
    let own = "front:\nenv WHO=front\nfolder /shared\nback:\nenv WHO=back\nfolder /shared\n";
    assert_eq!(dev.get("/own").body, own);
    let slow: Vec<_> = (0..8)
        .map(|_| {
            let url = dev.url.clone();
            std::thread::spawn(move || request(&url, "GET", "/slow?100", None, &[]).unwrap().body)
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(dev.get("/own").body, own);
    }
    for answer in slow {
        assert_eq!(answer.join().unwrap(), "env WHO=back\nfolder /shared");
    }
    let answer = dev.get(&format!("/fetch?http://127.0.0.1:{}/hello", upstream.port())).body;
    assert!(answer.starts_with("front 200 back ErrorCode::"), "{answer}");
    let denied = dev.wait_for("network");
    assert_eq!(denied["component"], "back", "{denied}");
    assert_eq!(dev.get("/say?hello").body, "said");
    let output = dev.wait_for_event("output", |event| event["line"] == "back says hello");
    assert_eq!((&output["component"], &output["stream"]), (&Value::from("back"), &Value::from("stdout")));
    dev.stop();
}

/// A server that the front may reach and the back may not.
#[test]
fn members_of_0_3_have_sockets_of_their_own_also_when_calls_overlap() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || server.incoming().for_each(drop));
    let (_sandbox, _root, mut dev) = relay(address.port());
    let path = format!("/reach?{address}");
    let own = "front reached back ErrorCode::ConnectionRefused";
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (url, path) = (dev.url.clone(), path.clone());
            std::thread::spawn(move || (0..10).map(|_| request(&url, "GET", &path, None, &[]).unwrap().body).collect())
        })
        .collect();
    for client in clients {
        let answers: Vec<String> = client.join().unwrap();
        assert!(answers.iter().all(|answer| answer == own), "{answers:?}");
    }
    let told = dev.wait_for("network");
    assert_eq!((&told["component"], &told["denied"]), (&Value::from("back"), &Value::from(true)), "{told}");
    dev.stop();

    // The other way round.
    let sandbox = Sandbox::new();
    let settings = format!(
        "dev:\n  components:\n    - {{name: back, file: back.wasm, allowed_host_loopback_ports: [{}]}}\n",
        address.port()
    );
    let root = sandbox.copying_project("front", &guests::relay_front(), &settings);
    write(&root.join("back.wasm"), guests::relay_back());
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!(dev.get(&path).body, "front ErrorCode::ConnectionRefused back reached");
    assert_eq!(dev.wait_for("network")["component"], "front");
    dev.stop();
}

#[test]
fn an_export_with_another_signature_is_refused_with_the_difference() {
    let sandbox = Sandbox::new();
    let settings = "dev:\n  components:\n    - {name: cart, file: cart.wasm}\n";
    let root = sandbox.copying_project("front", &guests::shop_front(), settings);
    let other = "(component (import \"f\" (func $f (result u32)))
        (instance $e (export \"calls\" (func $f))) (export \"test:shop/cart@0.1.0\" (instance $e)))";
    write(&root.join("cart.wasm"), wat::parse_str(other).unwrap());
    let mut dev = sandbox.dev(&root, &[]);
    let error = &dev.wait_for("not-ready")["error"];
    let details = error["details"].as_str().unwrap();
    assert!(details.contains("`cart` exports it, and something else than is wanted"), "{details}");
    dev.stop();
}

#[test]
fn the_same_components_composed_beforehand_answer_the_same() {
    let (sandbox, _root, dev) = shop();
    let bytes = wash::internal::compose::compose(
        &[
            wash::internal::compose::Part { name: "front", bytes: &guests::shop_front() },
            wash::internal::compose::Part { name: "cart", bytes: &guests::shop_cart() },
        ],
        &[wash::internal::compose::Link {
            importer: 0,
            import: "test:shop/cart@0.1.0".into(),
            exporter: 1,
            export: "test:shop/cart@0.1.3".into(),
        }],
        |_| false,
    )
    .unwrap()
    .bytes;
    let alone = sandbox.copying_project("alone", &bytes, "");
    let mut other = sandbox.dev(&alone, &[]);
    other.ready();
    for path in ["/basket", "/calls"] {
        assert_eq!(other.get(path), dev.get(path), "{path}");
    }
    other.stop();
    dev.stop();
}
