//! How a cluster host proves who it is to NATS, and that nothing secret is ever shown.

use std::path::{Path, PathBuf};
use std::process::Command;

use async_nats::ConnectOptions;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::support::dev::Dev;
use crate::support::registry::{PASSWORD, Protection, Registry, USERNAME};
use crate::support::scheduler::{Scheduler, workload};
use crate::support::{Sandbox, Server, guests};

const HOST: &str = "test-host";

/// What logs everything, but for the compiler, which would write for hours.
const EVERYTHING: &str = "trace,cranelift=info,regalloc2=info,wasmtime=info";

/// A host with whatever it may say about itself: every library may log everything.
fn talkative(sandbox: &Sandbox, url: &str, args: &[&str]) -> Command {
    let mut command =
        sandbox.wash(["host", "-o", "json", "--verbose", "--http-addr", "127.0.0.1:0", "--host-id", HOST]);
    command.args(["--scheduler-nats-url", url]).args(args).env("WASH_LOG", EVERYTHING);
    command
}

/// Waits for the host's first word to the scheduler, ends it, and looks through all that it wrote.
async fn works_and_shows_nothing_of(mut scheduler: Scheduler, command: Command, secrets: &[&str]) {
    let mut host = Dev::start(command);
    assert_eq!(scheduler.next_beat().await["id"], HOST);
    assert_eq!(scheduler.heartbeat(HOST).await["id"], HOST);
    ends_without(&mut host, secrets);
}

#[track_caller]
fn ends_without(host: &mut Dev, secrets: &[&str]) {
    rustix::process::kill_process(host.pid(), rustix::process::Signal::TERM).expect("the signal is sent");
    assert_eq!(host.wait(), 0, "{}", host.stderr());
    let written = format!("{}\n{:?}", host.stderr(), host.events());
    assert!(written.contains("TRACE"), "the log has everything:\n{written}");
    for secret in secrets {
        let line = written.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "`{secret}` is shown: {}", line.unwrap_or_default());
    }
}

fn certificate(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs").join(name).display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_password_in_the_url_in_flags_in_a_file_and_in_the_environment() {
    let (sandbox, secret) = (Sandbox::new(), "pass-w0rd-s3cret");
    let server = Server::nats_with_password(secret);
    let plain = format!("nats://127.0.0.1:{}", server.port());
    let scheduler =
        || Scheduler::connect_with(&plain, ConnectOptions::with_user_and_password("wash".into(), secret.into()));
    let file = sandbox.write("password", format!("{secret}\n"));
    let user = "--scheduler-nats-user=wash";
    let from_file = format!("--scheduler-nats-password-file={}", file.display());
    works_and_shows_nothing_of(scheduler().await, talkative(&sandbox, &server.url(), &[]), &[secret]).await;
    works_and_shows_nothing_of(scheduler().await, talkative(&sandbox, &plain, &[user, &from_file]), &[secret]).await;
    let mut command = talkative(&sandbox, &plain, &[user]);
    command.env("WASH_SCHEDULER_NATS_PASSWORD", secret);
    works_and_shows_nothing_of(scheduler().await, command, &[secret]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_a_right_one_in_its_file_is_used_without_a_restart() {
    let (sandbox, secret) = (Sandbox::new(), "the-right-s3cret");
    let server = Server::nats_with_password(secret);
    let plain = format!("nats://127.0.0.1:{}", server.port());
    let options = ConnectOptions::with_user_and_password("wash".into(), secret.into());
    let mut scheduler = Scheduler::connect_with(&plain, options).await;
    let file = sandbox.write("password", "the-wrong-s3cret");
    let args = ["--scheduler-nats-user=wash", "--scheduler-nats-password-file=password"];
    let mut host = Dev::start(talkative(&sandbox, &plain, &args));
    let refused = host.wait_for_event("scheduler", |event| event["state"] == "unreachable");
    assert!(refused["reason"].as_str().unwrap().contains("does not let us in"), "{refused}");
    crate::support::write(&file, secret);
    assert_eq!(scheduler.next_beat().await["id"], HOST);
    ends_without(&mut host, &[secret, "the-wrong-s3cret"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token() {
    let (sandbox, secret) = (Sandbox::new(), "t0ken-s3cret");
    let server = Server::nats_with_settings(format!("authorization {{ token: \"{secret}\" }}"));
    let plain = format!("nats://127.0.0.1:{}", server.port());
    let scheduler = || Scheduler::connect_with(&plain, ConnectOptions::with_token(secret.into()));
    let in_url = format!("nats://{secret}@127.0.0.1:{}", server.port());
    works_and_shows_nothing_of(scheduler().await, talkative(&sandbox, &in_url, &[]), &[secret]).await;
    sandbox.write("token", secret);
    let command = talkative(&sandbox, &plain, &["--scheduler-nats-token-file=token"]);
    works_and_shows_nothing_of(scheduler().await, command, &[secret]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_nkey() {
    let sandbox = Sandbox::new();
    let user = KeyPair::new_user();
    let (seed, public) = (user.seed().unwrap(), user.public_key());
    let server = Server::nats_with_settings(format!("authorization {{ users: [ {{ nkey: {public} }} ] }}"));
    let plain = format!("nats://127.0.0.1:{}", server.port());
    let scheduler = Scheduler::connect_with(&plain, ConnectOptions::with_nkey(seed.clone())).await;
    sandbox.write("host.nk", &seed);
    let command = talkative(&sandbox, &plain, &["--scheduler-nats-nkey=host.nk"]);
    works_and_shows_nothing_of(scheduler, command, &[&seed]).await;
}

/// A JWT as NATS wants it, signed by its issuer.
fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: Value) -> String {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "jti": subject.public_key(), "iat": 1_700_000_000, "iss": issuer.public_key(), "name": "test",
        "sub": subject.public_key(), "nats": nats,
    });
    let signed = format!("{}.{}", encode(json!({ "typ": "JWT", "alg": "ed25519-nkey" })), encode(claims));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file() {
    let sandbox = Sandbox::new();
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
    });
    let operator_jwt = jwt(&operator, &operator, json!({ "type": "operator", "version": 2 }));
    let account_jwt = jwt(&operator, &account, json!({ "type": "account", "version": 2, "limits": limits }));
    let user_claims =
        json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {} });
    let user_jwt = jwt(&account, &user, user_claims);
    let seed = user.seed().unwrap();
    let server = Server::nats_with_settings(format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_jwt} }}\n",
        account.public_key()
    ));
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    let plain = format!("nats://127.0.0.1:{}", server.port());
    let options = ConnectOptions::with_credentials(&credentials).unwrap();
    let scheduler = Scheduler::connect_with(&plain, options).await;
    sandbox.write("host.creds", &credentials);
    let command = talkative(&sandbox, &plain, &["--scheduler-nats-creds=host.creds"]);
    works_and_shows_nothing_of(scheduler, command, &[&seed, &user_jwt]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_an_authority_and_a_certificate_of_ours() {
    // The scheduler's side speaks TLS in this process. Somebody else may have chosen already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let sandbox = Sandbox::new();
    let settings = |more: &str| {
        format!(
            "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, {more} }}",
            certificate("server.pem"),
            certificate("server-key.pem"),
            certificate("ca.pem"),
        )
    };
    let ca = format!("--scheduler-tls-ca={}", certificate("ca.pem"));
    let ours = [
        format!("--scheduler-tls-cert={}", certificate("client.pem")),
        format!("--scheduler-tls-key={}", certificate("client-key.pem")),
    ];
    let options = || {
        ConnectOptions::new()
            .add_root_certificates(PathBuf::from(certificate("ca.pem")))
            .add_client_certificate(certificate("client.pem").into(), certificate("client-key.pem").into())
            .require_tls(true)
    };
    let key = std::fs::read_to_string(certificate("client-key.pem")).unwrap();
    let secret = key.lines().nth(1).unwrap();

    let server = Server::nats_with_settings(settings("verify: false"));
    let url = format!("tls://localhost:{}", server.port());
    let scheduler = Scheduler::connect_with(&url, options()).await;
    works_and_shows_nothing_of(scheduler, talkative(&sandbox, &url, &[&ca]), &[]).await;
    let mut stranger = Dev::start(talkative(&sandbox, &url, &[]));
    let refused = stranger.wait_for_event("scheduler", |event| event["state"] == "unreachable");
    assert!(refused["reason"].as_str().unwrap().contains("--scheduler-tls-ca"), "{refused}");
    ends_without(&mut stranger, &[]);

    for (more, url_scheme, first) in
        [("verify: true", "nats", None), ("verify: true, handshake_first: true", "tls", Some("--scheduler-tls-first"))]
    {
        let server = Server::nats_with_settings(settings(more));
        let url = format!("{url_scheme}://localhost:{}", server.port());
        let options = if first.is_some() { options().tls_first() } else { options() };
        let scheduler = Scheduler::connect_with(&url, options).await;
        let args: Vec<&str> = [ca.as_str(), &ours[0], &ours[1]].into_iter().chain(first).collect();
        works_and_shows_nothing_of(scheduler, talkative(&sandbox, &url, &args), &[secret]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_has_in_it_is_never_shown() {
    let sandbox = Sandbox::new();
    let (server, registry) = (Server::nats(), Registry::start(Protection { password: true, tls: false }));
    let image = format!("{}/probe:1", registry.host());
    let file = sandbox.write("probe.wasm", guests::probe_version(3));
    let mut push = sandbox.wash(["oci", "push", &image, "-u", USERNAME, "-p", PASSWORD]);
    crate::support::run(push.arg(file)).expect_code(0);
    let mut scheduler = Scheduler::connect(&server).await;
    let mut host = Dev::start(talkative(&sandbox, &server.url(), &[]));
    scheduler.next_beat().await;

    let mut shop = workload("shop", &image);
    let without = scheduler.start(HOST, "1", &shop).await.expect("ERROR");
    assert!(without.message.contains(&image), "{without:?}");
    let component = &mut shop["witWorld"]["components"][0];
    component["imagePullSecret"] = json!({ "username": USERNAME, "password": "wr0ng-s3cret" });
    component["localResources"] = json!({
        "environment": { "API_KEY": "env-s3cret" }, "config": { "key": "config-s3cret" },
    });
    let wrong = scheduler.start(HOST, "1", &shop).await.expect("ERROR");
    assert!(!wrong.message.contains("s3cret"), "{wrong:?}");
    shop["witWorld"]["components"][0]["imagePullSecret"]["password"] = json!(PASSWORD);
    scheduler.start(HOST, "1", &shop).await.expect("RUNNING");
    let answer = crate::support::dev::request(&host.url, "GET", "/env", None, &[("host", "shop.example")]).unwrap();
    assert!(answer.body.contains("API_KEY=env-s3cret"), "{answer:?}");
    shop["witWorld"]["components"][0]["poolSize"] = json!("garbage-s3cret");
    let garbled = scheduler.start(HOST, "2", &shop).await.expect("ERROR");
    assert!(!garbled.message.contains("s3cret"), "{garbled:?}");
    // `PASSWORD` is a part of the other ones.
    ends_without(&mut host, &[PASSWORD]);
}
