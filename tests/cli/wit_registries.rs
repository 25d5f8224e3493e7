//! `wash wit` with a registry, and side by side with `wkg`, by its own library.

use std::path::{Path, PathBuf};

use wasm_pkg_client::caching::{CachingClient, FileCache};
use wasm_pkg_client::{Client, Config};
use wasm_pkg_core::lock::LockFile;
use wasm_pkg_core::manifest::Manifest;
use wasm_pkg_core::wit::{OutputType, fetch_dependencies};

use http::Method;

use crate::support::fake_registry::{Fake, Reaction};
use crate::support::wit_registry::{PASSWORD, Registry, USER};
use crate::support::{Sandbox, run, write};

const TYPES: &str = "package acme:types@1.0.0;\ninterface money { record amount { cents: u64 } }\n";
const BILLING: &str = "package acme:billing@1.2.0;\n/// What is owed.\ninterface invoices {\n  \
                       use acme:types/money@1.0.0.{amount};\n  open: func() -> list<amount>;\n}\n";
const APP: &str = "package me:app;\nworld app {\n}\n";

impl Sandbox {
    /// Encodes a package with wash and publishes it with wkg's client.
    fn publish(&self, registry: &Registry, text: &str, deps: &[(&str, &str)]) {
        let folder = tempfile::tempdir_in(self.path()).unwrap();
        write(&folder.path().join("wit/package.wit"), text);
        for (name, text) in deps {
            write(&folder.path().join("wit/deps").join(name).join("package.wit"), text);
        }
        let built = run(self.wash(["wit", "build", "--offline", "--output-file", "package.wasm"]).current_dir(&folder));
        built.expect_code(0);
        registry.publish(&folder.path().join("package.wasm"));
    }

    fn billing(&self, registry: &Registry) {
        self.publish(registry, TYPES, &[]);
        self.publish(registry, BILLING, &[("types", TYPES)]);
        self.publish(registry, &BILLING.replace("1.2.0", "1.1.0"), &[("types", TYPES)]);
        self.publish(registry, &BILLING.replace("1.2.0", "1.3.0-rc.1"), &[("types", TYPES)]);
    }

    /// A project that knows the registry by its settings.
    fn project_with(&self, name: &str, url: &str, more: &str) -> PathBuf {
        let root = self.path().join(name);
        write(&root.join("wit/world.wit"), APP);
        write(&root.join(".wash/config.yaml"), format!("wit:\n  registries:\n    - url: {url}\n{more}"));
        root
    }
}

fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What `wkg wit fetch` does in a folder; returns the lock file.
fn wkg_fetch(registry: &Registry, root: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::new(Config::from_toml(&registry.wkg_config()).unwrap());
        let cache = FileCache::new(root.join("../wkg-cache")).await.unwrap();
        let client = CachingClient::new(Some(client), cache);
        let path = root.join("wkg.lock");
        let mut lock = if path.exists() {
            LockFile::load_from_path(&path, false).await.unwrap()
        } else {
            LockFile::new_with_path([], &path).await.unwrap()
        };
        let manifest = Manifest::default();
        fetch_dependencies(&manifest, root.join("wit"), &mut lock, client, OutputType::Wit).await.unwrap();
        lock.write().await.unwrap();
    });
    read(root, "wkg.lock")
}

#[test]
fn the_program_wkg_and_wash_take_turns_in_a_project() {
    use crate::support::wkg::wkg;
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    sandbox.billing(&registry);
    // `wkg.toml` would be the manifest of a workspace around the projects.
    let config = sandbox.write("registries.toml", registry.wkg_config());
    let (Some(mut second), Some(mut first)) = (wkg(&sandbox), wkg(&sandbox)) else { return };
    let url = format!("http://{}", registry.address);

    // wash begins, wkg goes on.
    let ours = sandbox.project_with("ours", &url, "");
    run(sandbox.wash(["wit", "add", "acme:billing"]).current_dir(&ours)).expect_code(0);
    let lock = read(&ours, "wkg.lock");
    run(second.args(["wit", "fetch", "--config"]).arg(&config).current_dir(&ours)).expect_code(0);
    assert_eq!(read(&ours, "wkg.lock"), lock);

    // wkg begins, wash goes on.
    let theirs = sandbox.project_with("theirs", &url, "");
    write(&theirs.join("wit/world.wit"), read(&ours, "wit/world.wit"));
    run(first.args(["wit", "fetch", "--config"]).arg(&config).current_dir(&theirs)).expect_code(0);
    assert_eq!(read(&theirs, "wkg.lock"), lock);
    run(sandbox.wash(["wit", "fetch", "--locked"]).current_dir(&theirs)).expect_code(0);
    assert_eq!(read(&theirs, "wkg.lock"), lock);
}

#[test]
fn packages_of_a_registry_are_locked_as_wkg_locks_them_and_kept() {
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    sandbox.billing(&registry);
    let root = sandbox.project_with("app", &format!("http://{}", registry.address), "");
    let added = run(sandbox.wash(["wit", "add", "acme:billing"]).current_dir(&root)).expect_code(0);
    assert_eq!(
        added.stdout, "+ import acme:billing/invoices@1.2.0;\nchanged wit/world.wit, wkg.lock, wit/deps\n",
        "the newest release, and no candidate"
    );
    assert_eq!(added.stderr, "  Fetching acme:billing@1.2.0\n", "once");
    let billing = read(&root, "wit/deps/acme-billing-1.2.0/package.wit");
    assert!(billing.contains("/// What is owed."), "{billing}");
    assert!(root.join("wit/deps/acme-types-1.0.0/package.wit").is_file(), "what it uses came along");

    // wkg finds everything as it wants it, and so do we what wkg wrote.
    let ours = read(&root, "wkg.lock");
    assert!(ours.contains("name = \"acme:billing\"") && ours.contains(&registry.address), "{ours}");
    assert_eq!(wkg_fetch(&registry, &root), ours);
    let theirs = sandbox.project_with("theirs", &format!("http://{}", registry.address), "");
    write(&theirs.join("wit/world.wit"), read(&root, "wit/world.wit"));
    let lock = wkg_fetch(&registry, &theirs);
    assert_eq!(lock, ours);
    let deps = read(&theirs, "wit/deps/acme-billing-1.2.0/package.wit");
    let fetched = run(sandbox.wash(["wit", "fetch", "--clean", "--locked"]).current_dir(&theirs)).expect_code(0);
    assert!(
        fetched.stdout.contains(&format!("acme:billing@1.2.0  registry {}", registry.address)),
        "{}",
        fetched.stdout
    );
    assert_eq!(read(&theirs, "wkg.lock"), lock);
    assert_eq!(read(&theirs, "wit/deps/acme-billing-1.2.0/package.wit"), deps, "the same text, also");

    // The registry may be gone now.
    drop(registry);
    std::fs::remove_dir_all(root.join("wit/deps")).unwrap();
    run(sandbox.wash(["wit", "fetch", "--offline"]).current_dir(&root)).expect_code(0);
    assert_eq!(read(&root, "wit/deps/acme-billing-1.2.0/package.wit"), billing);
    let check = run(sandbox.wash(["wit", "check", "--offline"]).current_dir(&root)).expect_code(0);
    assert!(check.stdout.contains("this wash does not serve `acme:billing/invoices@1.2.0`"), "{}", check.stdout);
}

#[test]
fn a_lock_that_would_have_to_change_is_refused_when_that_is_wanted() {
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    sandbox.billing(&registry);
    let root = sandbox.project_with("app", &format!("http://{}", registry.address), "");
    write(&root.join("wit/world.wit"), APP.replace("{", "{\n  import acme:billing/invoices@1.1.0;"));
    let failed = run(sandbox.wash(["wit", "fetch", "--locked"]).current_dir(&root)).expect_code(1);
    assert!(
        failed.stderr.starts_with("  Fetching acme:billing@1.1.0\nerror: wkg.lock does not have"),
        "{}",
        failed.stderr
    );
    assert!(failed.stderr.contains("+ acme:billing =1.1.0 sha256:"), "{}", failed.stderr);
    assert!(!root.join("wkg.lock").exists() && !root.join("wit/deps").exists(), "nothing was changed");
    run(sandbox.wash(["wit", "fetch"]).current_dir(&root)).expect_code(0);
    run(sandbox.wash(["wit", "fetch", "--locked"]).current_dir(&root)).expect_code(0);

    let updated = run(sandbox.wash(["wit", "update"]).current_dir(&root)).expect_code(0);
    assert!(updated.stdout.starts_with("acme:billing 1.1.0 -> 1.2.0\n"), "{}", updated.stdout);
    let lock = read(&root, "wkg.lock");
    assert!(lock.contains("=1.2.0") && !lock.contains("1.1.0"), "{lock}");
    assert!(!root.join("wit/deps/acme-billing-1.1.0").exists(), "nobody needs it any more");

    // Nobody has what somebody else locked.
    write(&root.join("wkg.lock"), with_no_ones_digest(&lock));
    let failed = run(sandbox.wash(["wit", "fetch", "--clean"]).current_dir(&root)).expect_code(1);
    assert!(failed.stderr.contains("(locked as sha256:00000000"), "{}", failed.stderr);
}

#[test]
fn a_part_of_a_package_is_made_whole_when_more_of_it_is_needed() {
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    let types = format!("{TYPES}interface time {{ type instant = u64; }}\n");
    sandbox.publish(&registry, &types, &[]);
    sandbox.publish(&registry, BILLING, &[("types", &types)]);
    let root = sandbox.project_with("app", &format!("http://{}", registry.address), "");
    run(sandbox.wash(["wit", "add", "acme:billing"]).current_dir(&root)).expect_code(0);
    let part = read(&root, "wit/deps/acme-types-1.0.0/package.wit");
    assert!(part.contains("interface money") && !part.contains("interface time"), "{part}");
    run(sandbox.wash(["wit", "add", "acme:types/time@1.0.0"]).current_dir(&root)).expect_code(0);
    let whole = read(&root, "wit/deps/acme-types-1.0.0/package.wit");
    assert!(whole.contains("interface money") && whole.contains("interface time"), "{whole}");
    // What lies there as a part is no reason to believe that there is no more.
    write(&root.join("wit/deps/acme-types-1.0.0/package.wit"), part);
    run(sandbox.wash(["wit", "fetch", "--offline", "--locked"]).current_dir(&root)).expect_code(0);
    assert_eq!(read(&root, "wit/deps/acme-types-1.0.0/package.wit"), whole);
}

#[test]
fn what_was_published_again_is_taken_by_an_update_only() {
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    sandbox.billing(&registry);
    let root = sandbox.project_with("app", &format!("http://{}", registry.address), "");
    write(&root.join("wit/world.wit"), APP.replace("{", "{\n  import acme:billing/invoices@1.2.0;"));
    run(sandbox.wash(["wit", "fetch"]).current_dir(&root)).expect_code(0);
    let lock = read(&root, "wkg.lock");
    sandbox.publish(&registry, &BILLING.replace("open:", "closed:"), &[("types", TYPES)]);
    run(sandbox.wash(["wit", "fetch", "--clean"]).current_dir(&root)).expect_code(0);
    run(sandbox.wash(["wit", "update", "--offline"]).current_dir(&root)).expect_code(0);
    assert_eq!(read(&root, "wkg.lock"), lock);
    let updated = run(sandbox.wash(["wit", "update"]).current_dir(&root)).expect_code(0);
    assert!(updated.stdout.ends_with("changed wkg.lock, wit/deps\n"), "{}", updated.stdout);
    assert_ne!(read(&root, "wkg.lock"), lock);
    assert!(read(&root, "wit/deps/acme-billing-1.2.0/package.wit").contains("closed:"));
}

#[test]
fn the_users_settings_count_where_there_is_nothing_but_wit() {
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    sandbox.billing(&registry);
    let root = sandbox.path().join("app");
    write(&root.join("wit/world.wit"), APP);
    let settings = sandbox.write("user.yaml", format!("wit: {{registries: [{{url: \"{}\"}}]}}\n", registry.address));
    let mut wash = sandbox.wash(["wit", "add", "acme:billing", "--user-config"]);
    run(wash.arg(&settings).current_dir(&root)).expect_code(0);
    sandbox.write("user.yaml", "wit: {registries: [{url: 'https://me:secret-word@h.example'}]}\n");
    let mut wash = sandbox.wash(["wit", "update", "--user-config"]);
    let refused = run(wash.arg(&settings).current_dir(&root)).expect_code(2);
    assert!(refused.stderr.starts_with("error: `https://***@h.example` cannot be a registry"), "{}", refused.stderr);
}

/// A registry under a path, with TLS of an authority of its own, that wants to know who asks: as companies
/// have it. The login is that of `wash oci login`, where docker keeps it.
#[test]
fn a_registry_of_a_company_is_asked_with_its_login() {
    use crate::support::registry::{PASSWORD, Protection, Registry, USERNAME};
    let sandbox = Sandbox::new();
    let registry = Registry::start(Protection { password: true, tls: true });
    let host = registry.host();
    let root = sandbox.project_with("app", &format!("https://{host}/company/packages"), "");
    let wash = |args: &[&str]| run(sandbox.wash(args).current_dir(&root).env("WASH_OCI_CA_PATHS", registry.ca()));
    let add = ["-l", "debug", "wit", "add", "acme:types@1.0.0"];

    let unknown = wash(&add).expect_code(1);
    assert!(
        unknown.stderr.contains(&format!("{host}: has no package `acme:types`, or it is private")),
        "{}",
        unknown.stderr
    );
    wash(&["oci", "login", host, "-u", USERNAME, "-p", PASSWORD]).expect_code(0);
    let nothing = wash(&add).expect_code(1);
    assert!(nothing.stderr.contains(&format!("{host}: has no package `acme:types`")), "{}", nothing.stderr);

    write(&root.join("types/wit/package.wit"), TYPES);
    let types = root.join("types/wit").display().to_string();
    wash(&["wit", "build", "--wit-dir", &types, "--output-file", "types.wasm"]).expect_code(0);
    wash(&["oci", "push", &format!("{host}/company/packages/acme/types:1.0.0"), "types.wasm"]).expect_code(0);
    let added = wash(&add).expect_code(0);
    assert!(read(&root, "wit/deps/acme-types-1.0.0/package.wit").contains("record amount"));
    assert!(read(&root, "wkg.lock").contains(host));
    assert!(added.stderr.contains("config.json") && !added.stderr.contains(PASSWORD), "{}", added.stderr);

    // Without the authority the registry is a stranger, which is told.
    let other = Sandbox::new();
    let root = other.project_with("app", &format!("https://{host}/company/packages"), "");
    let failed = run(other.wash(["wit", "add", "acme:types@1.0.0"]).current_dir(&root)).expect_code(1);
    assert!(failed.stderr.to_lowercase().contains("certificate"), "{}", failed.stderr);
}

#[test]
fn a_busy_registry_is_asked_again() {
    let sandbox = Sandbox::new();
    let registry = Fake::start();
    let root = sandbox.project_with("app", &format!("http://{}/p", registry.host()), "");
    write(&root.join("types/wit/package.wit"), TYPES);
    let types = root.join("types/wit").display().to_string();
    run(sandbox.wash(["wit", "build", "--wit-dir", &types, "--output-file", "types.wasm"]).current_dir(&root))
        .expect_code(0);
    registry.publish("p/acme/types", "1.0.0", &std::fs::read(root.join("types.wasm")).unwrap());
    registry.react(|call| match call.is(Method::GET, "/p/acme/types/") && call.nth == 0 {
        true => Reaction::Answer(503, vec![], b"busy".to_vec()),
        false => Reaction::Normal,
    });
    run(sandbox.wash(["wit", "add", "acme:types"]).current_dir(&root)).expect_code(0);
    assert!(read(&root, "wit/deps/acme-types-1.0.0/package.wit").contains("record amount"));
    let blobs = registry.calls_of(Method::GET, "/p/acme/types/blobs/").len();
    assert!(blobs >= 4, "settings and content, each asked for again: {blobs}");

    // It is given up when it stays busy, and says why.
    registry.react(|call| match call.is(Method::GET, "/p/acme/") {
        true => Reaction::Answer(503, vec![], b"busy".to_vec()),
        false => Reaction::Normal,
    });
    let failed = run(sandbox.wash(["wit", "add", "acme:other"]).current_dir(&root)).expect_code(1);
    assert!(failed.stderr.contains("503"), "{}", failed.stderr);
    assert_eq!(registry.calls_of(Method::GET, "/p/acme/other/tags/list").len(), 4);
}

/// The lock file with a digest that no bytes have.
fn with_no_ones_digest(lock: &str) -> String {
    let at = lock.find("sha256:").unwrap() + "sha256:".len();
    format!("{}{}{}", &lock[..at], "0".repeat(64), &lock[at + 64..])
}

#[test]
fn a_private_registry_wants_the_token_and_nobody_else_sees_it() {
    let sandbox = Sandbox::new();
    let registry = Registry::private();
    sandbox.billing(&registry);
    let url = format!("http://{}", registry.address);
    let root = sandbox.project_with("app", &url, "      token: ${TOKEN}\n");
    let wash = |token: &str, args: &[&str]| {
        run(sandbox.wash(["-l", "trace", "--verbose", "wit"]).args(args).current_dir(&root).env("TOKEN", token))
    };
    let refused = wash("", &["add", "acme:billing@1.2.0"]).expect_code(1);
    let why = format!("network   {}: has no package `acme:billing`, or it is private", registry.address);
    assert!(refused.stderr.contains(&why), "{}", refused.stderr);
    let wrong = wash("me:wrong-word", &["add", "acme:billing@1.2.0"]).expect_code(1);
    assert!(wrong.stderr.contains(&why) && !wrong.stderr.contains("wrong-word"), "{}", wrong.stderr);
    let added = wash(&format!("{USER}:{PASSWORD}"), &["add", "acme:billing@1.2.0"]).expect_code(0);
    assert!(!added.stderr.contains(PASSWORD) && !added.stdout.contains(PASSWORD), "{}", added.stderr);
    assert!(!read(&root, "wkg.lock").contains(PASSWORD));
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    sandbox.billing(&registry);
    let root = sandbox.project_with("app", &format!("http://{}", registry.address), "");
    let version = run(sandbox.wash(["wit", "add", "acme:billing@2.0.0"]).current_dir(&root)).expect_code(1);
    assert!(version.stderr.contains("has no version 2.0.0, but 1.3.0-rc.1, 1.2.0, 1.1.0"), "{}", version.stderr);
    let package = run(sandbox.wash(["wit", "add", "acme:nothing@1.0.0"]).current_dir(&root)).expect_code(1);
    assert!(package.stderr.contains("has no package `acme:nothing`"), "{}", package.stderr);
    let interface = run(sandbox.wash(["wit", "add", "acme:billing/invoice"]).current_dir(&root)).expect_code(1);
    assert_eq!(
        interface.stderr.lines().skip(1).collect::<Vec<_>>(),
        [
            "error: `acme:billing@1.2.0` has no interface `invoice`",
            "hint: did you mean `invoices`? wash wit add acme:billing/invoices@1.2.0",
            "hint: it has: invoices"
        ]
    );
    assert_eq!(read(&root, "wit/world.wit"), APP, "nothing was changed");
    let gone = sandbox.project_with("gone", "http://127.0.0.1:1", "");
    let failed = run(sandbox.wash(["wit", "add", "acme:billing@1.0.0"]).current_dir(&gone)).expect_code(1);
    let said = failed.stderr.lines().find(|line| line.contains("network   127.0.0.1:1: ")).unwrap_or_default();
    assert_eq!(said.matches("Connection refused").count(), 1, "{}", failed.stderr);
}

#[test]
fn the_users_configuration_of_wkg_counts() {
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    sandbox.billing(&registry);
    let root = sandbox.path().join("app");
    write(&root.join("wit/world.wit"), APP);
    // `wkg.toml` would be the manifest of a workspace around the projects.
    let config = sandbox.write("registries.toml", registry.wkg_config());
    let mut wash = sandbox.wash(["wit", "add", "acme:billing"]);
    run(wash.current_dir(&root).env("WKG_CONFIG_FILE", &config)).expect_code(0);
    let broken = sandbox.write("broken.toml", "[registry.\"h.example\".oci]\nauth = \"secret-word\n");
    let mut wash = sandbox.wash(["wit", "add", "acme:types@1.0.0"]);
    let failed = run(wash.current_dir(&root).env("WKG_CONFIG_FILE", &broken)).expect_code(1);
    assert!(failed.stderr.contains("broken.toml` is not a configuration of wkg"), "{}", failed.stderr);
    assert!(failed.stderr.contains("line 2") && !failed.stderr.contains("secret-word"), "{}", failed.stderr);
}

#[test]
fn an_artifact_can_be_a_source() {
    let sandbox = Sandbox::new();
    let registry = Registry::open();
    sandbox.billing(&registry);
    let root = sandbox.path().join("app");
    write(&root.join("wit/world.wit"), APP);
    let source = format!("oci://{}/acme/billing:1.2.0", registry.address);
    write(&root.join(".wash/config.yaml"), format!("wit:\n  sources:\n    \"acme:billing\": {source}\n"));
    let added = run(sandbox.wash(["wit", "add", "acme:billing"]).current_dir(&root)).expect_code(0);
    assert!(added.stdout.starts_with("+ import acme:billing/invoices@1.2.0;\n"), "{}", added.stdout);
    assert!(read(&root, "wkg.lock").contains(&source));
    drop(registry);
    run(sandbox.wash(["wit", "fetch", "--clean", "--offline", "--locked"]).current_dir(&root)).expect_code(0);
}
