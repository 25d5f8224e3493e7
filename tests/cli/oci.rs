//! `wash oci` with a real registry, and with other clients of it.

use crate::support::fake_registry::{Fake, Reaction};
use crate::support::registry::{PASSWORD, Protection, Registry, USERNAME, skopeo};
#[cfg(unix)]
#[cfg(target_os = "linux")]
use crate::support::terminal::Terminal;
use crate::support::{Ended, PATIENCE, Sandbox, run};

/// A component that imports and exports something, and is made in no time.
fn component() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (import "wasi:cli/environment@0.2.0" (instance))
            (import "wasi:clocks/wall-clock@0.2.0" (instance))
            (instance $empty)
            (export "wasi:http/incoming-handler@0.2.0" (instance $empty)))"#,
    )
    .unwrap()
}

#[test]
fn what_is_pushed_can_be_pulled_and_the_same_bytes_have_the_same_digest() {
    let registry = Registry::open();
    let sandbox = Sandbox::new();
    sandbox.write("hello.wasm", component());
    let name = format!("{}/team/hello", registry.host());
    let pushed = run(&mut sandbox.wash(["oci", "push", &format!("{name}:1"), "hello.wasm"])).expect_code(0);
    let (_, digest) = pushed.stdout.trim().split_once('@').expect("a digest");
    assert_eq!(pushed.stdout, format!("{name}:1@{digest}\n"));

    // From another file, under other names.
    let other = Sandbox::new();
    other.write("x/other.wasm", component());
    let args = ["oci", "push", &format!("{name}:2"), "x/other.wasm", "--tag", "3", "-t", "2", "-o", "json"];
    let again = run(&mut other.wash(args)).expect_code(0).json();
    assert_eq!(again["digest"], digest);
    assert_eq!(again["tags"], serde_json::json!(["2", "3"]));
    assert_eq!(again["existed"], true);
    assert_eq!(again["command"], "oci push");

    for reference in
        [format!("{name}:1"), format!("{name}:3"), format!("{name}@{digest}"), format!("{name}:2@{digest}")]
    {
        let other = Sandbox::new();
        let pulled = run(&mut other.wash(["oci", "pull", &reference])).expect_code(0);
        assert_eq!(pulled.stdout, "component.wasm\n");
        assert_eq!(std::fs::read(other.path().join("component.wasm")).unwrap(), component());
    }
}

#[test]
fn skopeo_reads_what_we_push_and_we_read_what_it_pushes() {
    let registry = Registry::open();
    let sandbox = Sandbox::new();
    sandbox.write("hello.wasm", component());
    let name = format!("{}/team/hello", registry.host());
    let pushed = run(&mut sandbox.wash(["oci", "push", &format!("{name}:1"), "hello.wasm", "-o", "json"]));
    let pushed = pushed.expect_code(0).json();
    let folder = sandbox.path().join("copied");
    let to = format!("dir:{}", folder.display());
    run(skopeo().args(["copy", "--src-tls-verify=false", &format!("docker://{name}:1"), &to])).expect_code(0);
    let layer = pushed["layer_digest"].as_str().unwrap().trim_start_matches("sha256:");
    assert_eq!(std::fs::read(folder.join(layer)).unwrap(), component());
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let config = manifest["config"]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join(config)).unwrap()).unwrap();
    assert_eq!(
        config,
        serde_json::json!({
            "created": "1970-01-01T00:00:00Z", "author": null, "architecture": "wasm", "os": "wasip2",
            "layerDigests": [pushed["layer_digest"]],
            "component": {
                "exports": ["wasi:http/incoming-handler@0.2.0"],
                "imports": ["wasi:cli/environment@0.2.0", "wasi:clocks/wall-clock@0.2.0"],
                "target": null
            }
        })
    );
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["annotations"]["org.opencontainers.image.title"], "component.wasm");

    let back = format!("docker://{name}-again:2");
    run(skopeo().args(["copy", "--dest-tls-verify=false", &to, &back])).expect_code(0);
    let other = Sandbox::new();
    let pulled = run(&mut other.wash(["oci", "pull", &format!("{name}-again:2"), "x.wasm", "-o", "json"]));
    let pulled = pulled.expect_code(0).json();
    assert_eq!(pulled["digest"], pushed["digest"]);
    assert_eq!(std::fs::read(other.path().join("x.wasm")).unwrap(), component());
}

#[test]
fn the_program_wkg_pulls_what_we_push_and_we_pull_what_it_pushes() {
    use crate::support::wkg::wkg;
    let registry = Registry::open();
    let host = registry.host();
    let sandbox = Sandbox::new();
    let (Some(mut pull), Some(mut push)) = (wkg(&sandbox), wkg(&sandbox)) else { return };
    sandbox.write("hello.wasm", component());
    let (ours, theirs) = (format!("{host}/team/ours:1"), format!("{host}/team/theirs:1"));
    run(&mut sandbox.wash(["oci", "push", &ours, "hello.wasm"])).expect_code(0);
    run(pull.args(["oci", "pull", "--insecure", host, &ours, "-o", "by-wkg.wasm"])).expect_code(0);
    assert_eq!(std::fs::read(sandbox.path().join("by-wkg.wasm")).unwrap(), component());
    run(push.args(["oci", "push", "--insecure", host, &theirs, "hello.wasm"])).expect_code(0);
    run(&mut sandbox.wash(["oci", "pull", &theirs, "by-wash.wasm"])).expect_code(0);
    assert_eq!(std::fs::read(sandbox.path().join("by-wash.wasm")).unwrap(), component());
}

/// The same by the library of `wkg`, for WIT packages.
#[test]
fn wkg_reads_what_we_push_and_we_read_what_it_pushes() {
    let registry = Registry::open();
    let host = registry.host();
    let sandbox = Sandbox::new();
    let package = wit_package();
    sandbox.write("package.wasm", &package);
    run(&mut sandbox.wash(["oci", "push", &format!("{host}/test/ours:1.0.0"), "package.wasm"])).expect_code(0);

    let config = format!(
        "[namespace_registries]\ntest = {{ registry = \"{host}\", metadata = {{ preferredProtocol = \"oci\", \
         oci = {{ registry = \"{host}\", namespacePrefix = \"\" }} }} }}\n\
         [registry.\"{host}\".oci]\nprotocol = \"http\"\n"
    );
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        use futures::TryStreamExt;
        let client = wasm_pkg_client::Client::new(wasm_pkg_client::Config::from_toml(&config).unwrap());
        let ours = "test:ours".parse().unwrap();
        let version = "1.0.0".parse().unwrap();
        let release = client.get_release(&ours, &version).await.unwrap();
        let content = client.stream_content(&ours, &release).await.unwrap();
        let read: Vec<u8> =
            content.try_fold(Vec::new(), |all, part| async move { Ok([all, part.to_vec()].concat()) }).await.unwrap();
        assert_eq!(read, package);
        let data = Box::pin(std::io::Cursor::new(package.clone()));
        client.publish_release_data(data, wasm_pkg_client::PublishOpts::default()).await.unwrap();
    });
    let pulled = run(&mut sandbox.wash(["oci", "pull", &format!("{host}/test/theirs:1.0.0"), "theirs.wasm"]));
    pulled.expect_code(0);
    assert_eq!(std::fs::read(sandbox.path().join("theirs.wasm")).unwrap(), package);
}

/// The WIT package `test:theirs@1.0.0`, in its binary form.
fn wit_package() -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let text = "package test:theirs@1.0.0;\ninterface greet { hello: func() -> string; }\n";
    let package = resolve.push_str("package.wit", text).unwrap();
    wit_component::encode(&resolve, package).unwrap()
}

#[test]
fn a_pulled_component_runs_under_wasmtime_serve() {
    let registry = Registry::open();
    let sandbox = Sandbox::new();
    run(&mut sandbox.wash(["new", "http-hello-world", "--name", "hello"])).expect_code(0);
    let built = run(&mut sandbox.wash(["-C", "hello", "build", "-o", "json"])).expect_code(0).json();
    let reference = format!("{}/hello:1", registry.host());
    let pushed = run(&mut sandbox.wash(["oci", "push", &reference, built["path"].as_str().unwrap(), "-o", "json"]));
    let pushed = pushed.expect_code(0).json();
    assert_eq!(pushed["layer_digest"], built["digest"]);
    run(&mut sandbox.wash(["oci", "pull", &reference, "pulled/hello.wasm"])).expect_code(0);
    if let Some(peer) = crate::support::wasmtime::serve(&sandbox.path().join("pulled/hello.wasm"), &[]) {
        assert_eq!(peer.get("/"), (200, "Hello from wash!\n".to_string()));
    }
}

#[test]
fn passwords_are_asked_for_kept_and_forgotten() {
    let registry = Registry::start(Protection { password: true, tls: false });
    let host = registry.host();
    let sandbox = Sandbox::new();
    sandbox.write("hello.wasm", component());
    let reference = format!("{host}/hello:1");
    let push = ["oci", "push", &reference, "hello.wasm"];

    let denied = run(&mut sandbox.wash(push)).expect_code(1);
    assert!(denied.stderr.contains(&format!("hint: log in: wash oci login {host}")), "{}", denied.stderr);
    let unasked = run(&mut sandbox.wash(["oci", "login", host])).expect_code(2);
    assert!(unasked.stderr.contains("--password-stdin"), "{}", unasked.stderr);
    let wrong = run(&mut sandbox.wash(["oci", "login", host, "-u", USERNAME, "-p", "guessed"])).expect_code(1);
    assert!(wrong.stderr.contains("user name or password is wrong"), "{}", wrong.stderr);
    run(&mut sandbox.wash(push)).expect_code(1);

    // For one command.
    let flags = ["oci", "push", &reference, "hello.wasm", "--username", USERNAME, "--password-stdin"];
    let flagged = with_stdin(&mut sandbox.wash(flags), "s3cret\n").expect_code(0);
    assert!(flagged.stdout.starts_with(&reference), "{}", flagged.stdout);
    let mut by_variables = sandbox.wash(["oci", "tags", &format!("{host}/hello")]);
    let listed = run(by_variables.env("WASH_OCI_USERNAME", USERNAME).env("WASH_OCI_PASSWORD", PASSWORD));
    assert_eq!(listed.expect_code(0).stdout, "1\n");
    run(&mut sandbox.wash(["oci", "tags", &format!("{host}/hello")])).expect_code(1);

    // For all that follow, and for other tools.
    let login = ["oci", "login", host, "--username", USERNAME, "--password-stdin", "-o", "json"];
    let kept = with_stdin(&mut sandbox.wash(login), "s3cret\n").expect_code(0);
    assert_eq!(kept.json()["kept_by"], "~/.docker/config.json");
    assert!(kept.stderr.contains("which only you can read"), "{}", kept.stderr);
    let told = run(&mut sandbox.wash(["oci", "push", &reference, "hello.wasm", "-l", "debug"])).expect_code(0);
    assert!(told.stderr.contains("~/.docker/config.json"), "{}", told.stderr);
    for secret in [PASSWORD, "YWxpY2U6czNjcmV0"] {
        assert!(!told.stderr.contains(secret), "{}", told.stderr);
    }
    let mut other = skopeo();
    sandbox.environment(&mut other);
    run(other.args(["inspect", "--raw", "--tls-verify=false", &format!("docker://{reference}")])).expect_code(0);

    let gone = run(&mut sandbox.wash(["oci", "logout", host])).expect_code(0);
    assert!(gone.stdout.contains("from ~/.docker/config.json"), "{}", gone.stdout);
    run(&mut sandbox.wash(["oci", "tags", &format!("{host}/hello")])).expect_code(1);
    let again = run(&mut sandbox.wash(["oci", "logout", host])).expect_code(0);
    assert!(again.stdout.contains("there are no credentials"), "{}", again.stdout);

    // What skopeo keeps is ours, too.
    let auth_file = sandbox.path().join("auth.json");
    let mut login = skopeo();
    sandbox.environment(&mut login);
    login.args(["login", "--tls-verify=false", "-u", USERNAME, "-p", PASSWORD, host]);
    run(login.env("REGISTRY_AUTH_FILE", &auth_file)).expect_code(0);
    let mut tags = sandbox.wash(["oci", "tags", &format!("{host}/hello")]);
    run(tags.env("REGISTRY_AUTH_FILE", &auth_file)).expect_code(0);
}

#[test]
fn credential_helpers_are_asked_and_keep_what_login_gets() {
    let registry = Registry::start(Protection { password: true, tls: false });
    let host = registry.host();
    let sandbox = Sandbox::new();
    sandbox.write("hello.wasm", component());
    let kept = sandbox.path().join("kept");
    let helper = sandbox.write(
        "bin/docker-credential-test",
        format!(
            "#!/bin/sh\nkept='{}'\ncase $1 in\nstore) cat > \"$kept\" ;;\nerase) rm \"$kept\" ;;\nget) \
             if [ -f \"$kept\" ]; then cat \"$kept\"; else echo 'credentials not found in native keychain'; exit 1; fi ;;\nesac\n",
            kept.display()
        ),
    );
    std::process::Command::new("chmod").arg("+x").arg(&helper).status().unwrap();
    sandbox
        .write("docker/config.json", "{\"credsStore\": \"test\", \"credHelpers\": {\"other.example\": \"missing\"}}");
    let path = format!("{}:{}", helper.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let wash = |args: &[&str]| {
        let mut command = sandbox.wash(args);
        command.env("PATH", &path).env("DOCKER_CONFIG", sandbox.path().join("docker"));
        command
    };
    let reference = format!("{host}/hello:1");
    run(&mut wash(&["oci", "push", &reference, "hello.wasm"])).expect_code(1);
    let login = wash(&["oci", "login", host, "-u", USERNAME, "-p", PASSWORD, "-o", "json"]);
    let login = run(&mut { login }).expect_code(0);
    assert_eq!(login.json()["kept_by"], "docker-credential-test");
    assert!(std::fs::read_to_string(&kept).unwrap().contains("\"Secret\":\"s3cret\""));
    let settings = std::fs::read_to_string(sandbox.path().join("docker/config.json")).unwrap();
    assert!(settings.contains(host) && !settings.contains("YWxpY2U6czNjcmV0"), "{settings}");
    let told = run(&mut wash(&["oci", "push", &reference, "hello.wasm", "-l", "debug"])).expect_code(0);
    assert!(told.stderr.contains("docker-credential-test") && !told.stderr.contains(PASSWORD), "{}", told.stderr);
    run(&mut wash(&["oci", "logout", host])).expect_code(0);
    assert!(!kept.exists());

    // A helper that is not there is told, and does not hide why the registry refuses.
    sandbox.write("docker/config.json", format!("{{\"credHelpers\": {{\"{host}\": \"missing\"}}}}"));
    let missing = run(&mut wash(&["oci", "push", &reference, "hello.wasm"])).expect_code(1);
    assert!(missing.stderr.contains("`docker-credential-missing`: it is not installed"), "{}", missing.stderr);
    assert!(missing.stderr.contains("401"), "{}", missing.stderr);
}

#[test]
fn tls_is_trusted_when_the_authority_is_given() {
    let registry = Registry::start(Protection { password: true, tls: true });
    let host = registry.host();
    let sandbox = Sandbox::new();
    sandbox.write("hello.wasm", component());
    let reference = format!("{host}/hello:1");
    let user = ["-u", USERNAME, "-p", PASSWORD];
    let push = [&["oci", "push", &reference, "hello.wasm"][..], &user].concat();
    for extra in [&[][..], &["--insecure"]] {
        let refused = run(&mut sandbox.wash([&push[..], extra].concat())).expect_code(1);
        assert!(refused.stderr.contains("is not trusted"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--ca-path FILE"), "{}", refused.stderr);
    }
    let ca = registry.ca().display().to_string();
    run(&mut sandbox.wash([&push[..], &["--ca-path", &ca]].concat())).expect_code(0);
    let folder = registry.ca().parent().unwrap().display().to_string();
    let mut pull = sandbox.wash([&["oci", "pull", &reference][..], &user].concat());
    run(pull.env("WASH_OCI_CA_PATHS", &folder)).expect_code(0);
    assert_eq!(std::fs::read(sandbox.path().join("component.wasm")).unwrap(), component());
    let creds = format!("{USERNAME}:{PASSWORD}");
    let inspect = ["inspect", "--raw", "--cert-dir", &folder, "--creds", &creds, &format!("docker://{reference}")];
    run(skopeo().args(inspect)).expect_code(0);

    let wrong = sandbox.write("not.pem", "nothing");
    let refused = run(&mut sandbox.wash([&push[..], &["--ca-path", wrong.to_str().unwrap()]].concat())).expect_code(2);
    assert!(refused.stderr.contains("there is no certificate in"), "{}", refused.stderr);
}

#[test]
fn pulls_go_where_they_are_told_and_never_leave_half_a_file() {
    let fake = Fake::start();
    let artifact = fake.publish("a/b", "1", &component());
    let reference = format!("{}/a/b:1", fake.host());
    let sandbox = Sandbox::new();
    sandbox.write("project/x", "");
    let pulled = run(&mut sandbox.wash(["oci", "-C", "project", "pull", &reference])).expect_code(0);
    assert_eq!(pulled.stdout, "project/component.wasm\n");
    run(&mut sandbox.wash(["oci", "pull", &reference, "deep/er/name.wasm"])).expect_code(0);
    run(&mut sandbox.wash(["oci", "pull", &reference, "project"])).expect_code(0);
    let json = run(&mut sandbox.wash(["oci", "pull", &reference, "-o", "json"])).expect_code(0).json();
    assert_eq!(json["digest"], artifact.digest.as_str());
    assert_eq!(json["path"], sandbox.path().join("component.wasm").to_str().unwrap());
    assert_eq!((json["cached"].clone(), json["size"].clone()), (true.into(), component().len().into()));

    let other = Sandbox::new();
    other.write("component.wasm", "precious");
    fake.react(|call| if call.path.contains("/blobs/") { Reaction::Garble } else { Reaction::Normal });
    let corrupt = run(&mut other.wash(["oci", "pull", &reference])).expect_code(1);
    assert!(corrupt.stderr.contains("not what its digest says"), "{}", corrupt.stderr);
    assert_eq!(corrupt.stdout, "");
    assert_eq!(std::fs::read_to_string(other.path().join("component.wasm")).unwrap(), "precious");
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_behind() {
    let fake = Fake::start();
    fake.publish("a/b", "1", &component());
    fake.react(|call| if call.path.contains("/blobs/") { Reaction::StallAfter(10) } else { Reaction::Normal });
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .wash(["oci", "pull", &format!("{}/a/b:1", fake.host())])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    let partial = sandbox.path().parent().unwrap().join("home/cache/wash/oci/partial");
    let files = || std::fs::read_dir(&partial).map_or(0, |entries| entries.count());
    while files() == 0 || fake.calls_of(http::Method::GET, "/blobs/").is_empty() {
        assert!(std::time::Instant::now() < deadline, "the transfer does not begin");
        std::thread::yield_now();
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(files(), 0);
    assert!(!sandbox.path().join("component.wasm").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn progress_is_shown_in_bytes_on_a_terminal() {
    let fake = Fake::start();
    let mut component = component();
    // A section that nobody reads, so that there is something to wait for.
    component.extend([&b"\x00\xa0\x8d\x06\x05noise"[..], &[7; 99_994]].concat());
    let size = component.len();
    fake.publish("a/b", "1", &component);
    fake.react(|call| if call.path.contains("/blobs/") { Reaction::StallAfter(50_000) } else { Reaction::Normal });
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::start(&sandbox.wash(["oci", "pull", &format!("{}/a/b:1", fake.host())]), 100);
    terminal.until(&format!("50.00 kB/{:.2} kB", size as f64 / 1000.0));
}

#[cfg(target_os = "linux")]
#[test]
fn login_asks_at_the_terminal_and_does_not_show_the_password() {
    let registry = Registry::start(Protection { password: true, tls: false });
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::start(&sandbox.wash(["oci", "login", registry.host()]), 100);
    terminal.until(&format!("User name for {}: ", registry.host()));
    terminal.press("alice\r");
    terminal.until("Password of alice: ");
    terminal.until_secret();
    terminal.press(&format!("{PASSWORD}\r"));
    let shown = terminal.until(&format!("logged in to {} as alice", registry.host()));
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert_eq!(terminal.wait(), Some(0));
}

#[test]
fn cached_references_work_offline_and_when_the_registry_is_gone() {
    let fake = Fake::start();
    fake.publish("a/b", "1", &component());
    let reference = format!("{}/a/b:1", fake.host());
    let sandbox = Sandbox::new();
    // What tests share.
    std::fs::remove_dir_all(sandbox.path().join("../home/cache")).unwrap();
    let pull = |flags: &[&str]| {
        let _ = std::fs::remove_file(sandbox.path().join("component.wasm"));
        let ended = run(&mut sandbox.wash([&["oci", "pull", &reference][..], flags].concat()));
        (ended, std::fs::read(sandbox.path().join("component.wasm")).ok())
    };
    let (missing, _) = pull(&["--offline"]);
    assert!(missing.stderr.contains("it is not in the cache"), "{}", missing.stderr);
    assert_eq!((missing.code, fake.calls().len()), (1, 0));
    pull(&[]).0.expect_code(0);
    let asked = fake.calls().len();
    assert_eq!(pull(&["--offline"]).1, Some(component()));
    assert_eq!(fake.calls().len(), asked);
    drop(fake);
    let (gone, bytes) = pull(&[]);
    assert!(gone.stderr.contains("is used as it was pulled the last time"), "{}", gone.stderr);
    assert_eq!(bytes, Some(component()));

    let dry = run(&mut sandbox.wash(["config", "cleanup", "--dry-run", "-o", "json"])).expect_code(0).json();
    assert_eq!(dry["removed"][0]["name"], "oci");
    assert_eq!(pull(&["--offline"]).1, Some(component()));
    let cleaned = run(&mut sandbox.wash(["config", "cleanup"])).expect_code(0);
    assert!(cleaned.stdout.starts_with("removed ") && cleaned.stdout.contains("\n  oci "), "{}", cleaned.stdout);
    assert_eq!(pull(&["--offline"]).1, None);
    let empty = run(&mut sandbox.wash(["config", "cleanup"])).expect_code(0);
    assert!(empty.stdout.starts_with("there is nothing in "), "{}", empty.stdout);
}

#[test]
fn proxies_of_the_environment_are_used() {
    // It answers requests that name another host, as a proxy does.
    let proxy = Fake::start();
    proxy.publish("a/b", "1", &component());
    let address = format!("http://{}", proxy.host());
    let sandbox = Sandbox::new();
    let pull = |flags: &[&str], no_proxy: &str| {
        let mut command = sandbox.wash([&["oci", "pull", "registry.invalid:5000/a/b:1"][..], flags].concat());
        command.env("HTTP_PROXY", &address).env("HTTPS_PROXY", &address).env("NO_PROXY", no_proxy);
        run(&mut command)
    };
    pull(&["--insecure"], "").expect_code(0);
    let through = proxy.calls().len();
    assert!(through > 0);
    let secure = pull(&[], "").expect_code(0);
    assert!(
        secure.stderr.contains("is used as it was pulled the last time"),
        "no plain HTTP unasked: {}",
        secure.stderr
    );
    let mut command = sandbox.wash(["oci", "pull", "registry.invalid/a/b:1"]);
    let wrong = run(command.env("HTTPS_PROXY", "http://user:s3cret@[broken")).expect_code(2);
    assert!(wrong.stderr.contains("`HTTPS_PROXY`") && !wrong.stderr.contains(PASSWORD), "{}", wrong.stderr);
}

#[test]
fn what_is_asked_wrongly_is_explained_before_anybody_is_asked() {
    let sandbox = Sandbox::new();
    sandbox.write("hello.wasm", component());
    sandbox.write("hello.txt", "hello");
    for (args, code, says) in [
        (&["push", "https://ghcr.io/a/b", "hello.wasm"][..], 2, "write `ghcr.io/a/b`"),
        (&["push", "ghcr.io/a/b:1", "missing.wasm"], 1, "build it first: wash build"),
        (&["push", "ghcr.io/a/b:1", "."], 2, "`.` is a folder"),
        (&["push", "ghcr.io/a/b:1", "hello.txt"], 1, "`hello.txt` is not WebAssembly"),
        (&["push", "ghcr.io/a/b:1", "hello.wasm", "--annotation", "x"], 2, "write it as KEY=VALUE"),
        (&["push", "ghcr.io/a/b:1", "hello.wasm", "--tag", "a/b", "--dry-run"], 2, "`a/b` is not a tag"),
        (&["push", "ghcr.io/a/b:1", "hello.wasm", "--offline"], 1, "pushing needs the network"),
        (&["push", "ghcr.io/a/b:1", "hello.wasm", "-u", "x"], 2, "add --password-stdin"),
        (&["tags", "ghcr.io/a/b:1"], 2, "write `ghcr.io/a/b`"),
        (&["login", "ghcr.io/team"], 2, "write `ghcr.io`"),
        (&["pull", "ghcr.io/a/b:1", "no/such/folder/"], 2, "does not exist"),
    ] {
        let ended = run(&mut sandbox.wash([&["oci"], args].concat()));
        assert_eq!(ended.code, code, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
    }
    let dry = ["oci", "push", "ghcr.io/a/b:1", "hello.wasm", "--annotation", "a=b=c", "--dry-run", "-o", "json"];
    let planned = run(sandbox.wash(dry).env("SOURCE_DATE_EPOCH", "1700000000")).expect_code(0).json();
    assert_eq!(planned["dry_run"], true);
    assert_eq!(
        planned["annotations"],
        serde_json::json!({"a": "b=c", "org.opencontainers.image.created": "2023-11-14T22:13:20Z"})
    );
    // The promise of reproducible digests: this one must never change.
    sandbox.write("empty.wasm", b"\0asm\x0d\0\x01\0");
    let plain = run(&mut sandbox.wash(["oci", "push", "ghcr.io/a/b:1", "empty.wasm", "--dry-run"])).expect_code(0);
    assert_eq!(plain.stdout, "ghcr.io/a/b:1@sha256:48b6493060b5fedbdd92c592c2ee5cc8be61134936a7dd738516bf1d79532bd2\n");
}

/// Runs a command that reads this.
fn with_stdin(command: &mut std::process::Command, text: &str) -> Ended {
    use std::io::Write;
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
