//! `wasmcloud:secrets`: where secrets come from, who is given them, and that nobody else sees them.

use wash::embed::{Component, LocalResources, Secrets, WitInterface, Workload};

use crate::support::s3::FakeS3;
use crate::support::{Dev, Postgres, Sandbox, Server, guests, postgres, run, write};

const SETTINGS: &str = "dev:
  secrets: { api-key: '${VAULT_TEST_KEY}' }
  secret_files: { token: keys/token, blob: keys/blob }
  components:
    - { name: other, file: other.wasm, secrets: { own: 0ther-s3cret } }
  host_interfaces:
    - { namespace: wasmcloud, package: secrets, config: { common: c0mmon-s3cret } }
";

#[test]
fn secrets_of_settings_files_and_variables_are_given_to_their_component_and_shown_to_nobody() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("vault", &guests::vault(), SETTINGS);
    write(&root.join("keys/token"), "t0ken-s3cret\n");
    write(&root.join("keys/blob"), [0xff, 0x00]);
    write(&root.join("other.wasm"), guests::vault());
    let mut command = sandbox.wash(["dev", "-o", "json", "--port", "0"]);
    command.current_dir(&root).env("VAULT_TEST_KEY", "k3y-s3cret").env("WASH_LOG", "info,wash=trace");
    let mut dev = Dev::start(command);
    dev.ready();
    for (name, expected) in [
        ("api-key", "text k3y-s3cret"),
        ("token", "text t0ken-s3cret"),
        ("blob", "bytes [255, 0]"),
        ("common", "text c0mmon-s3cret"),
        ("own", "error: SecretsError::NotFound"),
        ("nothing", "error: SecretsError::NotFound"),
    ] {
        assert_eq!(dev.get(&format!("/{name}")).body, expected, "{name}");
    }
    // A file that changes is read again.
    write(&root.join("keys/token"), "new-t0ken-s3cret\n");
    dev.answers("/token", "text new-t0ken-s3cret");
    let said = format!("{:?}\n{}", dev.events(), dev.stderr());
    assert!(!said.contains("s3cret"), "{said}");
    dev.stop();
    let shown = run(sandbox.wash(["config", "show"]).current_dir(&root).env("VAULT_TEST_KEY", "k3y-s3cret"));
    let shown = shown.expect_code(0).stdout;
    assert!(!shown.contains("s3cret") && shown.contains("api-key"), "{shown}");
}

#[test]
fn a_secret_whose_file_is_missing_is_said_by_its_name() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("vault", &guests::vault(), "dev:\n  secret_files: { token: keys/token }\n");
    let mut dev = sandbox.dev(&root, &[]);
    let refused = dev.wait_for("not-ready").to_string();
    assert!(refused.contains("cannot read the secret `token` from "), "{refused}");
    write(&root.join("keys/token"), "x");
    dev.ready();
    assert_eq!(dev.get("/token").body, "text x");
    dev.stop();
}

#[test]
fn a_secret_that_is_imported_by_its_name_has_to_be_there() {
    let sandbox = Sandbox::new();
    let entries = ["orders", "prices"].map(|name| {
        format!("    - {{ namespace: wasmcloud, package: postgres, name: {name}, config: {{ url: 'postgres://u@127.0.0.1:1/d' }} }}\n")
    });
    let settings = format!("dev:\n  host_interfaces:\n{}", entries.concat());
    let root = sandbox.copying_project("named", &guests::named(), &settings);
    let mut dev = sandbox.dev(&root, &[]);
    let refused = dev.wait_for("not-ready").to_string();
    assert!(refused.contains("`named` imports the secret `api-key`, and was not given it"), "{refused}");
    assert!(refused.contains("add `secrets: { api-key: "), "{refused}");
}

/// What a panic can print of a workload is what `Debug` shows.
#[test]
fn a_program_that_prints_its_workload_or_panics_with_it_prints_no_secret() {
    let map = |name: &str| [(name.to_string(), "a-s3cret".to_string())].into();
    let secrets: Secrets = [("api-key", "k3y-s3cret")].into_iter().collect();
    let local = LocalResources { secrets, environment: map("TOKEN"), config: map("key"), ..LocalResources::default() };
    assert_eq!(local.secrets.names().collect::<Vec<_>>(), ["api-key"]);
    let database = WitInterface { package: "postgres".into(), config: map("url"), ..WitInterface::default() };
    let workload = Workload {
        components: vec![Component { local, ..Component::new("main", Vec::new()) }],
        host_interfaces: vec![database],
        ..Workload::default()
    };
    let panicked = std::panic::catch_unwind(|| panic!("{workload:?}")).unwrap_err();
    let shown = panicked.downcast_ref::<String>().unwrap();
    assert!(!shown.contains("s3cret"), "{shown}");
    for name in ["api-key", "TOKEN", "key", "url"] {
        assert!(shown.contains(&format!("{name:?}")), "{shown}");
    }
}

/// Everything that is said of servers, when they work and when they do not, at the most talkative.
#[test]
fn passwords_of_servers_are_in_no_output_and_no_log() {
    const LOG: &str = "info,wash=trace,async_nats=trace,redis=trace,object_store=trace,reqwest=trace,tokio_postgres=trace,\
                       deadpool=trace";
    let (nats, redis, s3) =
        (Server::nats_with_password("n4ts-s3cret"), Server::redis_with_password("r3dis-s3cret"), FakeS3::start());
    let entry = |package: &str, name: &str, url: &str| {
        format!("    - {{ namespace: wasi, package: {package}, name: {name}, config: {{ url: '{url}' }} }}\n")
    };
    let settings = [
        "dev:\n  host_interfaces:\n".to_string(),
        entry("keyvalue", "nats", &nats.url()),
        entry("keyvalue", "redis", &redis.url()),
        entry("keyvalue", "nobody-nats", "nats://wash:n4ts-s3cret@127.0.0.1:1"),
        entry("keyvalue", "nobody-redis", "redis://:r3dis-s3cret@127.0.0.1:1"),
        entry("keyvalue", "stranger-nats", &nats.url().replace("n4ts-s3cret", "wr0ng-s3cret")),
        entry("keyvalue", "stranger-redis", &redis.url().replace("r3dis-s3cret", "wr0ng-s3cret")),
        entry("blobstore", "bucket", "s3://bucket"),
    ];
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe(), &settings.concat());
    let mut command = sandbox.wash(["dev", "-o", "json", "--port", "0"]);
    command.current_dir(&root).env("WASH_LOG", LOG);
    command.env("AWS_ENDPOINT_URL", s3.endpoint()).env("AWS_ACCESS_KEY_ID", "key");
    command.env("AWS_SECRET_ACCESS_KEY", "aws-s3cret");
    let mut dev = Dev::start(command);
    dev.ready();
    let mut said = String::new();
    for (name, status) in [
        ("nats", 204),
        ("redis", 204),
        ("nobody-nats", 500),
        ("nobody-redis", 500),
        ("stranger-nats", 500),
        ("stranger-redis", 500),
    ] {
        let answer = dev.send("PUT", &format!("/kv/{name}/key"), "value");
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        said.push_str(&answer.body);
    }
    assert_eq!(dev.send("PUT", "/blob/bucket/o", "value").status, 204);
    s3.fail(usize::MAX);
    said.push_str(&dev.get("/blob/bucket/o").body);
    said.push_str(&format!("{:?}{}", dev.events(), dev.stderr()));
    dev.stop();

    let server = Postgres::start();
    let settings = format!("dev:\n  postgres_url: '{}'\n", server.url(""));
    let root = sandbox.copying_project("ledger", &guests::ledger(), &settings);
    let mut command = sandbox.wash(["dev", "-o", "json", "--port", "0"]);
    command.current_dir(&root).env("WASH_LOG", LOG);
    let mut dev = Dev::start(command);
    dev.ready();
    let body = "query select $1::text as v\tparameter-s3cret\nquery select 1/0";
    assert!(dev.send("POST", "/", body).body.contains("parameter-s3cret"));
    let logged = dev.stderr();
    assert!(logged.contains("executing statement"), "the library says something at all: {logged}");
    said.push_str(&format!("{:?}{logged}", dev.events()));
    dev.stop();
    for secret in ["s3cret", postgres::PASSWORD] {
        let line = said.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}
