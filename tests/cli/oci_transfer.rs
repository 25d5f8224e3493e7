//! Transfers from and to registries that misbehave, through the room's public face.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use wash::oci::{
    Additions, Artifact, Client, ClientOptions, Credential, Digest, FailureKind, Freshness, LoggedIn, MANIFEST_TYPE,
    Pulled, Pushed, Reference, Timing,
};
use wash::progress::{Busy, Progress};

use crate::support::fake_registry::{Auth, Call, Fake, IDENTITY_TOKEN, Manner, PASSWORD, Place, Reaction, USERNAME};

/// A component of about so many bytes.
fn component(size: usize) -> Vec<u8> {
    let mut bytes = wat::parse_str("(component (import \"wasi:cli/environment@0.2.0\" (instance)))").unwrap();
    // A section that nobody reads: id 0, its size, a name, and noise that cannot be compressed.
    let noise: Vec<u8> =
        (0..size as u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(size).collect();
    let name = b"\x05noise";
    let mut length = (name.len() + noise.len()) as u32;
    bytes.push(0);
    loop {
        let byte = (length & 0x7f) as u8;
        length >>= 7;
        bytes.push(if length == 0 { byte } else { byte | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(&noise);
    bytes
}

/// Keeps what is said.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn status(&self, _: &str, _: &str) {}
    fn warning(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_string());
    }
    fn hint(&self, _: &str) {}
    fn busy(&self, _: &str) -> Busy {
        Busy::hidden()
    }
}

/// A client with a cache of its own, that loses no time between attempts.
struct Bench {
    folder: tempfile::TempDir,
    opts: ClientOptions,
    heard: Heard,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap().to_string();
        let env = Arc::new([("HOME".to_string(), home)].into());
        let mut opts = ClientOptions::from_environment(env, folder.path(), None).unwrap();
        opts.timing = Timing { first_wait: Duration::from_millis(1), ..Timing::default() };
        Bench { folder, opts, heard: Heard::default() }
    }

    /// One that does not wait long for a peer that is silent.
    fn impatient() -> Self {
        let mut bench = Self::new();
        bench.opts.timing.stall = Duration::from_millis(400);
        bench.opts.timing.attempts = 2;
        bench
    }

    fn knowing(mut self, host: &str, credential: Credential) -> Self {
        self.opts.credentials.give(host, credential, "the test");
        self
    }

    fn password(self, host: &str) -> Self {
        self.knowing(host, Credential::Password { username: USERNAME.into(), password: PASSWORD.into() })
    }

    fn client(&self) -> Client {
        Client::new(&self.opts).unwrap()
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    fn pull(&self, reference: &str) -> wash::oci::Result<Pulled> {
        let reference = Reference::parse(reference).unwrap();
        self.run(self.client().pull(&reference, Freshness::Check, &self.heard))
    }

    fn push(&self, reference: &str, component: &[u8]) -> wash::oci::Result<Pushed> {
        let reference = Reference::parse(reference).unwrap();
        let artifact = Artifact::of(component.to_vec().into(), "test", &Additions::default()).unwrap();
        self.run(self.client().push(&reference, &artifact, &[], &self.heard))
    }

    /// Blobs of the cache, and downloads that were left behind.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for part in ["blobs/sha256", "partial"] {
            for entry in std::fs::read_dir(self.folder.path().join("oci").join(part)).into_iter().flatten() {
                files.push(format!("{part}/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        files
    }
}

/// What a pull of a component from this registry gives, and the bench it was pulled with.
fn pulled_from(react: impl Fn(&Call) -> Reaction + Send + Sync + 'static) -> (Fake, Bench, wash::oci::Result<Pulled>) {
    let fake = Fake::start();
    fake.publish("a/b", "1", &component(300_000));
    fake.react(react);
    let bench = Bench::new();
    let pulled = bench.pull(&format!("{}/a/b:1", fake.host()));
    (fake, bench, pulled)
}

fn is_layer(call: &Call) -> bool {
    call.is(Method::GET, "/blobs/sha256:")
}

#[track_caller]
fn failed(pulled: wash::oci::Result<Pulled>, kind: FailureKind, says: &str) -> wash::oci::Failure {
    let failure = pulled.expect_err("the pull fails");
    assert_eq!(failure.kind(), kind, "{failure}");
    assert!(failure.to_string().contains(says), "{failure}");
    failure
}

#[test]
fn passing_refusals_are_tried_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let (fake, _bench, pulled) = pulled_from(move |call| match call.nth {
            0 | 1 if call.path.starts_with("/v2/a") => {
                Reaction::Answer(status, vec![("retry-after", "0".into())], b"busy".to_vec())
            }
            _ => Reaction::Normal,
        });
        assert_eq!(pulled.unwrap().bytes().unwrap(), component(300_000), "{status}");
        assert_eq!(fake.calls_of(Method::GET, "/manifests/1").len(), 3, "{status}");
        assert_eq!(fake.calls_of(Method::GET, "/blobs/").len(), 3, "{status}");
    }
}

#[test]
fn refusals_that_do_not_pass_are_told_with_what_the_registry_says() {
    let (fake, _bench, pulled) = pulled_from(|call| match call.path.starts_with("/v2/a") {
        true => Reaction::Answer(503, vec![], br#"{"errors":[{"code":"TOOMANY","message":"come later"}]}"#.to_vec()),
        false => Reaction::Normal,
    });
    let failure = failed(pulled, FailureKind::Refused, "TOOMANY: come later");
    assert!(failure.to_string().contains("tried 5 times"), "{failure}");
    assert_eq!(fake.calls_of(Method::GET, "/manifests/1").len(), 5);

    let (fake, _bench, pulled) = pulled_from(|call| match call.path.starts_with("/v2/a") {
        true => Reaction::Answer(429, vec![("retry-after", "3600".into())], vec![]),
        false => Reaction::Normal,
    });
    let failure = failed(pulled, FailureKind::Refused, "429");
    assert!(failure.error().hints().iter().any(|hint| hint.contains("3600 s")), "{:?}", failure.error().hints());
    assert_eq!(fake.calls_of(Method::GET, "/manifests/1").len(), 1, "nobody waits for an hour");

    let (_, _, pulled) = pulled_from(|call| match call.path.starts_with("/v2/a") {
        true => Reaction::Answer(403, vec![], b"<html>nginx</html>".to_vec()),
        false => Reaction::Normal,
    });
    let failure = failed(pulled, FailureKind::Denied, "403");
    assert!(!failure.to_string().contains("html"), "{failure}");
    assert!(
        failure.error().hints()[0].starts_with("log in: wash oci login 127.0.0.1:"),
        "{:?}",
        failure.error().hints()
    );
}

#[test]
fn broken_transfer_goes_on_where_it_broke() {
    let (fake, bench, pulled) = pulled_from(|call| match (is_layer(call), call.nth) {
        (true, 0) => Reaction::BreakAfter(100_000),
        (true, 1) => Reaction::BreakAfter(50_000),
        _ => Reaction::Normal,
    });
    assert_eq!(pulled.unwrap().bytes().unwrap(), component(300_000));
    let ranges: Vec<_> = fake.calls_of(Method::GET, "/blobs/").into_iter().map(|call| call.range).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".into()), Some("bytes=150000-".into())]);
    assert!(bench.files().iter().all(|file| !file.starts_with("partial")), "{:?}", bench.files());
}

#[test]
fn registry_that_cannot_continue_begins_again() {
    for wrong in ["ignore", "other part", "refuse"] {
        let (_fake, _bench, pulled) = pulled_from(move |call| match (is_layer(call), call.nth, wrong) {
            (true, 0, _) => Reaction::BreakAfter(100_000),
            (true, 1, "ignore") => Reaction::IgnoreRange,
            (true, 1, "other part") => Reaction::WrongRange,
            (true, 1, _) => Reaction::Answer(416, vec![], vec![]),
            _ => Reaction::Normal,
        });
        assert_eq!(pulled.unwrap().bytes().unwrap(), component(300_000), "{wrong}");
    }
}

#[test]
fn silent_registry_is_given_up() {
    let fake = Fake::start();
    fake.publish("a/b", "1", &component(300_000));
    let reference = format!("{}/a/b:1", fake.host());
    for (kind, react) in [
        (
            "no answer",
            Box::new(|call: &Call| if is_layer(call) { Reaction::Hang } else { Reaction::Normal })
                as Box<dyn Fn(&Call) -> Reaction + Send + Sync>,
        ),
        ("no more bytes", Box::new(|call| if is_layer(call) { Reaction::StallAfter(0) } else { Reaction::Normal })),
        (
            "a byte now and then",
            Box::new(|call| match is_layer(call) {
                true => Reaction::Trickle(Duration::from_millis(30)),
                false => Reaction::Normal,
            }),
        ),
    ] {
        fake.react(react);
        let bench = Bench::impatient();
        failed(bench.pull(&reference), FailureKind::Unreachable, "has stopped answering");
        assert!(bench.files().is_empty(), "{kind}: {:?}", bench.files());
    }
    // One that only pauses is waited for.
    fake.react(
        |call| if is_layer(call) && call.nth % 2 == 0 { Reaction::StallAfter(10_000) } else { Reaction::Normal },
    );
    assert_eq!(Bench::impatient().pull(&reference).unwrap().size, component(300_000).len() as u64);
}

#[test]
fn wrong_bytes_are_an_error_and_leave_nothing() {
    for (what, kind, says, reaction) in [
        ("layer", FailureKind::Corrupt, "not what its digest says", 0),
        ("layer", FailureKind::Corrupt, "more than the manifest says", 1),
        ("layer", FailureKind::Unreachable, "ended too early", 2),
        ("manifest", FailureKind::Corrupt, "not what its digest says", 0),
    ] {
        let (_fake, bench, pulled) = pulled_from(move |call| {
            let meant = if what == "layer" { is_layer(call) } else { call.is(Method::GET, "/manifests/") };
            match (meant, reaction) {
                (true, 0) => Reaction::Garble,
                (true, 1) => Reaction::Append(b"more".to_vec()),
                (true, _) => Reaction::Answer(200, vec![], component(300_000)[..1000].to_vec()),
                _ => Reaction::Normal,
            }
        });
        let failure = failed(pulled, kind, says);
        assert!(failure.error().message().starts_with("cannot pull `127.0.0.1:"), "{failure}");
        assert!(bench.files().is_empty(), "{what}: {:?}", bench.files());
    }
}

#[test]
fn digest_in_the_reference_is_what_counts() {
    let fake = Fake::start();
    let artifact = fake.publish("a/b", "1", &component(1000));
    let other = Digest::of(b"something else");
    // A registry that gives something else under that name, and says that it is right.
    fake.put_manifest("a/b", other.as_str(), MANIFEST_TYPE, &artifact.manifest);
    let bench = Bench::new();
    let name = format!("{}/a/b", fake.host());
    failed(bench.pull(&format!("{name}:1@{other}")), FailureKind::Corrupt, "not what its digest says");
    assert!(bench.files().is_empty());
    let pulled = bench.pull(&format!("{name}:no-such-tag@{}", artifact.digest)).unwrap();
    assert_eq!(pulled.digest, artifact.digest);
    failed(bench.pull(&format!("{name}:nothing")), FailureKind::NotFound, "has no `nothing`");
}

#[test]
fn redirects_are_followed_as_they_are_written() {
    let storage = Fake::start();
    let fake = Fake::sharing(&storage);
    fake.publish("a/b", "1", &component(5000));
    let target = format!("http://{}/v2/x/blobs/", storage.host());
    fake.react(move |call| match call.path.split_once("/blobs/") {
        Some((_, digest)) if call.method == Method::GET => {
            Reaction::Answer(307, vec![("location", format!("{target}{digest}?sig=a%2Fb%2B&se=2026%3A1"))], vec![])
        }
        _ => Reaction::Normal,
    });
    Bench::new().pull(&format!("{}/a/b:1", fake.host())).unwrap();
    let asked: Vec<String> = storage.calls().into_iter().map(|call| call.path).collect();
    assert!(asked.iter().any(|path| path.ends_with("?sig=a%2Fb%2B&se=2026%3A1")), "{asked:?}");

    for (location, says) in [
        ("/v2/a/b/manifests/1", "more than 10"),
        ("ftp://127.0.0.1/x", "an address of the kind `ftp`"),
        ("http://", "no address"),
    ] {
        fake.react(move |call| match call.path.starts_with("/v2/a") {
            true => Reaction::Answer(302, vec![("location", location.into())], vec![]),
            false => Reaction::Normal,
        });
        let failure = failed(Bench::new().pull(&format!("{}/a/b:1", fake.host())), FailureKind::Refused, says);
        assert!(failure.to_string().contains("redirect"), "{failure}");
    }
}

/// The proof: two hosts that are all a registry sends us to beside itself, and every request that
/// they have seen.
#[test]
fn no_credential_reaches_a_second_host() {
    for auth in [Auth::Basic, Auth::Bearer { realm: None, uses: 100, anonymous: false }] {
        let storage = Fake::start();
        let fake = Fake::sharing(&storage);
        fake.publish("a/b", "1", &component(5000));
        fake.manner(Manner { auth, place: Place::Other(storage.host().into()), ..Manner::default() });
        // The storage is curious: it asks for credentials before it gives anything.
        let host = storage.host().to_string();
        storage.react(move |call| match call.nth {
            0 => {
                let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"x\"");
                Reaction::Answer(401, vec![("www-authenticate", challenge)], vec![])
            }
            _ => Reaction::Normal,
        });
        let target = format!("http://{}", storage.host());
        fake.react(move |call| match call.method == Method::GET && call.path.contains("/blobs/sha") {
            true => Reaction::Answer(302, vec![("location", format!("{target}{}", call.path))], vec![]),
            false => Reaction::Normal,
        });
        let bench = Bench::new().password(fake.host());
        let reference = format!("{}/a/b:1", fake.host());
        failed(bench.pull(&reference), FailureKind::Denied, "401");
        bench.pull(&reference).expect("the second time, the storage asks for nothing");
        let pushed = format!("{}/a/c:1", fake.host());
        bench.push(&pushed, &component(9_000_000)).expect_err("the storage asks again");
        let seen = storage.calls();
        assert!(seen.iter().any(|call| call.method == Method::GET), "{seen:?}");
        assert!(seen.iter().any(|call| call.method == Method::PATCH), "{seen:?}");
        for call in &seen {
            assert_eq!(call.authorization, None, "{call:?}");
            assert!(!call.path.contains("/token"), "{call:?}");
        }
        assert!(fake.calls().iter().any(|call| call.authorization.is_some()));
    }
}

#[test]
fn uploads_go_where_the_registry_says_and_cross_hosts_without_credentials() {
    for place in ["relative", "absolute", "other"] {
        let storage = Fake::start();
        let fake = Fake::sharing(&storage);
        let place = match place {
            "relative" => Place::Relative,
            "absolute" => Place::Absolute,
            _ => Place::Other(storage.host().into()),
        };
        fake.manner(Manner { auth: Auth::Basic, place, ..Manner::default() });
        let bench = Bench::new().password(fake.host());
        for size in [10, 9_000_000] {
            let artifact = bench.push(&format!("{}/a/b:{size}", fake.host()), &component(size)).unwrap();
            assert!(!artifact.existed);
            assert!(fake.has_blob(Digest::of(&component(size)).as_str()));
        }
        assert_eq!(fake.tags("a/b"), ["10", "9000000"]);
        assert!(storage.calls().iter().all(|call| call.authorization.is_none()));
    }
}

#[test]
fn large_uploads_come_in_the_chunks_that_the_registry_takes() {
    let size = 9_000_000;
    for (limit, smallest, expected) in [
        (Some(4 << 20), None, 4 << 20),
        (Some(1 << 20), None, 1 << 20),
        (None, Some(5 << 20), 5 << 20),
        (Some(300_000), None, 262_144),
        (None, None, 4 << 20),
    ] {
        let fake = Fake::start();
        fake.manner(Manner { limit, smallest_chunk: smallest, ..Manner::default() });
        Bench::new().push(&format!("{}/a/b:1", fake.host()), &component(size)).unwrap();
        let sent: Vec<usize> = fake.calls_of(Method::PATCH, "/uploads/").iter().map(|call| call.length).collect();
        assert!(sent.contains(&expected), "{limit:?}: {sent:?}");
        assert!(fake.has_blob(Digest::of(&component(size)).as_str()));
    }
    // A small one that is still too large for a proxy in front of the registry.
    let fake = Fake::start();
    fake.manner(Manner { limit: Some(100_000), ..Manner::default() });
    Bench::new().push(&format!("{}/a/b:1", fake.host()), &component(500_000)).unwrap();
    fake.manner(Manner { limit: Some(1000), ..Manner::default() });
    let failure = Bench::new().push(&format!("{}/a/c:1", fake.host()), &component(500_001)).unwrap_err();
    assert!(failure.to_string().contains("does not even take 65536 bytes at once"), "{failure}");
}

#[test]
fn registry_without_chunks_gets_everything_at_once() {
    for status in [400, 404, 405, 501] {
        let fake = Fake::start();
        fake.react(move |call| match call.method == Method::PATCH {
            true => Reaction::Answer(status, vec![], vec![]),
            false => Reaction::Normal,
        });
        let pushed = Bench::new().push(&format!("{}/a/b:1", fake.host()), &component(9_000_000));
        assert!(pushed.is_ok(), "{status}: {}", pushed.unwrap_err());
    }
}

#[test]
fn broken_upload_goes_on_where_the_registry_is() {
    let fake = Fake::start();
    fake.react(|call| match (call.method == Method::PATCH, call.nth) {
        (true, 1) => Reaction::Close,
        (true, 3) => Reaction::Answer(502, vec![], vec![]),
        _ => Reaction::Normal,
    });
    Bench::new().push(&format!("{}/a/b:1", fake.host()), &component(9_000_000)).unwrap();
    let sent: Vec<String> =
        fake.calls_of(Method::PATCH, "/uploads/").into_iter().filter_map(|call| call.content_range).collect();
    assert_eq!(sent[..3], ["0-4194303", "4194304-8388607", "4194304-8388607"], "{sent:?}");
    assert_eq!(fake.calls_of(Method::POST, "/uploads/").len(), 2, "one for the layer, one for the config");

    // A registry that has forgotten the upload gets it from the beginning.
    let fake = Fake::start();
    fake.react(|call| match (call.path.contains("upload-1"), call.method == Method::PATCH, call.nth) {
        (true, true, 0) => Reaction::Normal,
        (true, _, _) => Reaction::Answer(404, vec![], vec![]),
        _ => Reaction::Normal,
    });
    Bench::new().push(&format!("{}/a/b:1", fake.host()), &component(9_000_000)).unwrap();
    assert!(fake.has_blob(Digest::of(&component(9_000_000)).as_str()));

    // The manifest is as important as the rest.
    let fake = Fake::start();
    fake.react(|call| match (call.is(Method::PUT, "/manifests/"), call.nth) {
        (true, 0) => Reaction::Close,
        (true, 1) => Reaction::Answer(500, vec![], vec![]),
        _ => Reaction::Normal,
    });
    Bench::new().push(&format!("{}/a/b:1", fake.host()), &component(10)).unwrap();
    assert_eq!(fake.tags("a/b"), ["1"]);
}

#[test]
fn silent_registry_is_given_up_during_an_upload() {
    let fake = Fake::start();
    fake.react(|call| if call.method == Method::PATCH { Reaction::Hang } else { Reaction::Normal });
    let failure = Bench::impatient().push(&format!("{}/a/b:1", fake.host()), &component(9_000_000)).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Unreachable, "{failure}");
    assert!(fake.tags("a/b").is_empty());
}

#[test]
fn tokens_are_asked_for_with_the_rights_that_are_needed_and_renewed_when_they_end() {
    let fake = Fake::start();
    fake.publish("a/b", "1", &component(100));
    // Each token serves two requests.
    fake.manner(Manner { auth: Auth::Bearer { realm: None, uses: 2, anonymous: false }, ..Manner::default() });
    let bench = Bench::new().password(fake.host());
    bench.pull(&format!("{}/a/b:1", fake.host())).unwrap();
    bench.push(&format!("{}/a/b:2", fake.host()), &component(200)).unwrap();
    let asked: BTreeSet<String> = fake.calls_of(Method::GET, "/token").into_iter().map(|call| call.path).collect();
    assert_eq!(
        asked.into_iter().collect::<Vec<_>>(),
        [
            "/token?service=fake&scope=repository%3Aa%2Fb%3Apull",
            "/token?service=fake&scope=repository%3Aa%2Fb%3Apull%2Cpush"
        ]
    );
    let client = bench.client();
    assert_eq!(bench.run(client.check_login(fake.host())).unwrap(), LoggedIn::Accepted);

    let wrong = Credential::Password { username: USERNAME.into(), password: "wrong".into() };
    let failure = Bench::new().knowing(fake.host(), wrong).push(&format!("{}/a/b:3", fake.host()), &component(1));
    let failure = failure.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Denied);
    assert!(failure.to_string().contains("refuses the credentials"), "{failure}");
    let failure = Bench::new().pull(&format!("{}/a/b:1", fake.host())).unwrap_err();
    assert!(failure.to_string().contains("gives no access without credentials"), "{failure}");
    assert!(!failure.to_string().contains("wrong\""), "{failure}");
}

#[test]
fn identity_tokens_are_exchanged_and_bearer_tokens_are_sent() {
    let fake = Fake::start();
    fake.publish("a/b", "1", &component(100));
    fake.manner(Manner { auth: Auth::Bearer { realm: None, uses: 100, anonymous: false }, ..Manner::default() });
    let identity = Credential::IdentityToken(IDENTITY_TOKEN.into());
    Bench::new().knowing(fake.host(), identity).pull(&format!("{}/a/b:1", fake.host())).unwrap();
    assert_eq!(fake.calls_of(Method::POST, "/token").len(), 1);
    let token = fake.calls().into_iter().rev().find_map(|call| call.authorization).unwrap();
    let token = token.strip_prefix("Bearer ").unwrap().to_string();
    Bench::new().knowing(fake.host(), Credential::Token(token)).pull(&format!("{}/a/b:1", fake.host())).unwrap();
    assert_eq!(fake.calls_of(Method::POST, "/token").len(), 1);
    assert_eq!(fake.calls_of(Method::GET, "/token").len(), 0);
}

#[test]
fn stored_credentials_that_are_refused_do_not_stop_what_everybody_may() {
    let fake = Fake::start();
    fake.publish("a/b", "1", &component(100));
    fake.manner(Manner { auth: Auth::Bearer { realm: None, uses: 100, anonymous: true }, ..Manner::default() });
    let old = Credential::Password { username: USERNAME.into(), password: "expired".into() };
    let bench = Bench::new().knowing(fake.host(), old);
    bench.pull(&format!("{}/a/b:1", fake.host())).unwrap();
    let heard = bench.heard.0.lock().unwrap().clone();
    assert!(heard[0].contains("refuses the stored credentials, and is asked anonymously"), "{heard:?}");
    assert!(!heard[0].contains("expired"), "{heard:?}");
}

#[test]
fn credentials_are_not_sent_until_the_registry_asks() {
    let fake = Fake::start();
    fake.publish("a/b", "1", &component(100));
    Bench::new().password(fake.host()).pull(&format!("{}/a/b:1", fake.host())).unwrap();
    assert!(fake.calls().iter().all(|call| call.authorization.is_none()));
}

#[test]
fn tags_are_listed_over_all_pages_and_may_be_none() {
    let fake = Fake::start();
    let bench = Bench::new();
    let name = Reference::parse(&format!("{}/a/b", fake.host())).unwrap();
    let tags = || bench.run(bench.client().tags(&name, &bench.heard));
    assert_eq!(tags().unwrap(), [""; 0]);
    fake.react(|call| match call.path.contains("tags") {
        true => Reaction::Answer(200, vec![], br#"{"name":"a/b","tags":null}"#.to_vec()),
        false => Reaction::Normal,
    });
    assert_eq!(tags().unwrap(), [""; 0]);
    fake.react(|_| Reaction::Normal);
    fake.manner(Manner { page: Some(2), ..Manner::default() });
    for tag in ["1", "2", "3", "4", "5"] {
        fake.publish("a/b", tag, &component(10));
    }
    assert_eq!(tags().unwrap(), ["1", "2", "3", "4", "5"]);
    // Pages that lead in a circle end.
    fake.react(|call| match call.path.contains("tags") {
        true => {
            let link = "</v2/a/b/tags/list?n=1000>; rel=\"next\"".to_string();
            Reaction::Answer(200, vec![("link", link)], br#"{"tags":["x"]}"#.to_vec())
        }
        false => Reaction::Normal,
    });
    assert_eq!(tags().unwrap(), ["x"]);
}

#[test]
fn older_layouts_indexes_and_foreign_artifacts() {
    let fake = Fake::start();
    let bytes = component(100);
    let layer = fake.put_blob(&bytes);
    let config = fake.put_blob(b"{}");
    let manifest = |types: &[&str]| {
        let layers: Vec<_> = types
            .iter()
            .map(|media_type| serde_json::json!({"mediaType": media_type, "digest": layer, "size": bytes.len()}))
            .collect();
        let config =
            serde_json::json!({"mediaType": "application/vnd.unknown.config.v1+json", "digest": config, "size": 2});
        serde_json::json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string()
    };
    let pull = |tag: &str| Bench::new().pull(&format!("{}/a/b:{tag}", fake.host()));
    for old in wash::oci::OLD_LAYER_TYPES {
        fake.put_manifest("a/b", "old", MANIFEST_TYPE, manifest(&["text/plain", old]).as_bytes());
        assert_eq!(pull("old").unwrap().media_type, old);
    }
    fake.put_manifest("a/b", "two", MANIFEST_TYPE, manifest(&["application/wasm", "application/wasm"]).as_bytes());
    failed(pull("two"), FailureKind::Unsupported, "several WebAssembly layers");
    let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
    fake.put_manifest("a/b", "image", MANIFEST_TYPE, manifest(&[tar]).as_bytes());
    let failure = failed(pull("image"), FailureKind::Unsupported, "application/vnd.unknown.config.v1+json");
    assert!(failure.to_string().contains(tar), "{failure}");
    fake.put_manifest("a/b", "text", MANIFEST_TYPE, b"nothing");
    failed(pull("text"), FailureKind::Unsupported, "it is not JSON");

    let inner = fake.put_manifest("a/b", "inner", MANIFEST_TYPE, manifest(&["application/wasm"]).as_bytes());
    let entry = |digest: &str, os: &str, architecture: &str| {
        serde_json::json!({"mediaType": MANIFEST_TYPE, "digest": digest, "size": 1,
            "platform": {"os": os, "architecture": architecture}})
    };
    let index_type = "application/vnd.oci.image.index.v1+json";
    let index = |entries: Vec<serde_json::Value>| {
        serde_json::json!({"schemaVersion": 2, "mediaType": index_type, "manifests": entries}).to_string()
    };
    let other = Digest::of(b"other").to_string();
    let text = index(vec![entry(&other, "linux", "amd64"), entry(&inner, "wasip2", "wasm")]);
    let digest = fake.put_manifest("a/b", "index", index_type, text.as_bytes());
    let bench = Bench::new();
    let pulled = bench.pull(&format!("{}/a/b:index", fake.host())).unwrap();
    assert_eq!((pulled.digest.as_str(), pulled.bytes().unwrap()), (digest.as_str(), bytes.clone()));
    assert!(bench.pull(&format!("{}/a/b@{digest}", fake.host())).unwrap().cached);
    let text = index(vec![entry(&other, "linux", "amd64"), entry(&other, "linux", "arm64")]);
    fake.put_manifest("a/b", "linux", index_type, text.as_bytes());
    failed(pull("linux"), FailureKind::Unsupported, "linux/amd64, linux/arm64");

    let html = fake.put_blob(b"<html>hello</html>");
    let manifest = serde_json::json!({"schemaVersion": 2,
        "config": {"mediaType": "x/y", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": html, "size": 18}]});
    fake.put_manifest("a/b", "html", MANIFEST_TYPE, manifest.to_string().as_bytes());
    failed(pull("html"), FailureKind::Unsupported, "is not WebAssembly");
}

#[test]
fn copies_are_the_same_bytes_and_send_only_what_is_missing() {
    let from = Fake::start();
    let to = Fake::start();
    let artifact = from.publish("a/b", "1", &component(9_000_000));
    to.manner(Manner { auth: Auth::Basic, ..Manner::default() });
    let bench = Bench::new().password(to.host());
    let reference = |fake: &Fake, name: &str| Reference::parse(&format!("{}/{name}", fake.host())).unwrap();
    let copy = |source: &Reference, target: &Reference| bench.run(bench.client().copy(source, target, &bench.heard));
    let copied = copy(&reference(&from, "a/b:1"), &reference(&to, "x/y:2")).unwrap();
    assert_eq!((copied.digest.clone(), copied.blobs), (artifact.digest.clone(), 2));
    assert_eq!(bench.pull(&format!("{}/x/y:2", to.host())).unwrap().digest, artifact.digest);
    assert!(from.calls().iter().all(|call| call.authorization.is_none()), "the other registry's credentials");

    // Within a registry nothing is transferred.
    let before = to.calls().len();
    let copied = copy(&reference(&to, "x/y:2"), &reference(&to, "x/z:3")).unwrap();
    assert_eq!(copied.blobs, 0);
    let calls = &to.calls()[before..];
    assert!(calls.iter().all(|call| !call.is(Method::GET, "/blobs/") && call.method != Method::PATCH), "{calls:?}");
    assert_eq!(to.tags("x/z"), ["3"]);
}

#[test]
fn cache_serves_when_the_registry_is_gone_or_must_not_be_asked() {
    let fake = Fake::start();
    let artifact = fake.publish("a/b", "1", &component(5000));
    let bench = Bench::new();
    let name = format!("{}/a/b", fake.host());
    assert!(!bench.pull(&format!("{name}:1")).unwrap().cached);
    let asked = fake.calls().len();
    assert!(bench.pull(&format!("{name}@{}", artifact.digest)).unwrap().cached);
    assert_eq!(fake.calls().len(), asked, "a digest means the same for ever");

    let reference = Reference::parse(&format!("{name}:1")).unwrap();
    let cached = bench.run(bench.client().pull(&reference, Freshness::Cached, &bench.heard)).unwrap();
    assert!(cached.cached && fake.calls().len() == asked);

    // A tag that has moved is noticed, and what is the same is not transferred.
    fake.publish("a/b", "1", &component(6000));
    assert_eq!(bench.pull(&format!("{name}:1")).unwrap().size, component(6000).len() as u64);

    drop(fake);
    let gone = bench.pull(&format!("{name}:1")).unwrap();
    assert_eq!(gone.bytes().unwrap(), component(6000));
    let heard = bench.heard.0.lock().unwrap().clone();
    assert!(heard[0].contains("is used as it was pulled the last time"), "{heard:?}");
    let failure = bench.pull(&format!("{name}:2")).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Unreachable, "{failure}");

    let mut offline = Bench::new();
    offline.opts.cache_dir = bench.folder.path().to_path_buf();
    offline.opts.offline = true;
    assert_eq!(offline.pull(&format!("{name}:1")).unwrap().bytes().unwrap(), component(6000));
    failed(offline.pull(&format!("{name}:2")), FailureKind::Offline, "not in the cache");
    assert_eq!(offline.push(&format!("{name}:2"), &component(1)).unwrap_err().kind(), FailureKind::Offline);
}
