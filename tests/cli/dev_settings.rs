//! Settings of the loop: wrong ones, and changed ones.

use std::fs;

use crate::support::{Sandbox, guests, run, write};

#[test]
fn wrong_settings_end_the_start_with_the_line_to_repair() {
    let cases = [
        ("dev:\n  adress: 127.0.0.1:8000\n", "adress", "address", 8),
        ("dev:\n  request_timeout_seconds: soon\n", "request_timeout_seconds", "number", 8),
        ("dev:\n  environment:\n    TOKEN: ${NOT_SET_ANYWHERE}\n", "NOT_SET_ANYWHERE", "export", 9),
        ("dev:\n  wasi_webgpu: true\n", "not supported yet", "wasi_webgpu", 8),
        (
            "dev:\n  host_interfaces:\n    - namespace: wasi\n      package: webgpu\n",
            "not supported yet: `wasi:webgpu`",
            "remove the entry",
            10,
        ),
        (
            "dev:\n  host_interfaces:\n    - namespace: wasi\n      package: keyvalu\n",
            "the host does not provide `wasi:keyvalu`",
            "`wasi:keyvalue` is provided",
            10,
        ),
    ];
    for (settings, what, help, line) in cases {
        let sandbox = Sandbox::new();
        let header = "build:\n  command: 'true'\n  component_path: app.wasm\n# more\n# lines\n\n";
        sandbox.write("project/.wash/config.yaml", format!("{header}{settings}"));
        let ended = run(&mut sandbox.wash(["dev", "-C", "project", "--port", "0"])).expect_code(2);
        assert!(ended.stderr.contains(what) && ended.stderr.contains(help), "{settings}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("config.yaml:{line}")), "{settings}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{settings}");
    }
}

#[test]
fn an_invalid_edit_of_the_settings_keeps_those_before() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let settings = fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    write(&root.join(".wash/config.yaml"), format!("{settings}dev:\n  enviroment:\n    A: b\n"));
    let invalid = dev.wait_for("settings-invalid");
    assert!(invalid["error"].to_string().contains("environment"), "{invalid}");
    assert_eq!(dev.get("/version").body, guests::marker(1));
    let html = [("accept", "text/html")];
    assert!(dev.request("GET", "/html", None, &html).body.contains("enviroment"), "the page tells, too");
    write(&root.join(".wash/config.yaml"), &settings);
    assert_eq!(dev.wait_for("settings-changed")["keys"], serde_json::json!([]), "the error is gone");
    assert!(!dev.request("GET", "/html", None, &html).body.contains("enviroment"));
    write(&root.join(".wash/config.yaml"), format!("{settings}dev:\n  environment:\n    A: b\n"));
    dev.wait_for("settings-changed");
    dev.ready();
    assert_eq!(dev.get("/env").body, "A=b\n");
    dev.stop();
}

#[test]
fn a_changed_build_command_builds_again() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let settings = fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    write(&root.join("other.wasm"), guests::probe_version(2));
    write(&root.join(".wash/config.yaml"), settings.replace("cp input.wasm", "cp other.wasm"));
    let changed = dev.wait_for("settings-changed");
    assert_eq!(changed["keys"], serde_json::json!(["build.command"]));
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    dev.stop();
}

#[test]
fn a_changed_comment_changes_nothing() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "");
    let settings = fs::read_to_string(root.join(".wash/config.yaml")).unwrap();
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    let builds = dev.count("building");
    write(&root.join(".wash/config.yaml"), format!("# a comment\n{settings}"));
    write(&root.join("input.wasm"), guests::probe_version(2));
    dev.ready();
    assert_eq!(dev.count("building"), builds + 1);
    assert_eq!(dev.count("settings-changed"), 0);
    dev.stop();
}
