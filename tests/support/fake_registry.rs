//! A registry in this process that does what it is told: correct by itself, and wrong in whatever way
//! a test asks for. It writes down every request, so that a test can say who was shown what.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, RANGE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use wash::oci::{Additions, Artifact, Digest};

pub const USERNAME: &str = "alice";
pub const PASSWORD: &str = "s3cret";
/// What `USERNAME` may exchange for tokens.
pub const IDENTITY_TOKEN: &str = "an-identity-token";

type Body = UnsyncBoxBody<Bytes, std::io::Error>;
type React = Box<dyn Fn(&Call) -> Reaction + Send + Sync>;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    /// Path and query, not decoded.
    pub path: String,
    pub authorization: Option<String>,
    pub range: Option<String>,
    pub content_range: Option<String>,
    /// The size of the body.
    pub length: usize,
    /// How many requests of this method and path (without query) came before.
    pub nth: usize,
}

impl Call {
    /// Whether it is of this method, and its path has this part.
    pub fn is(&self, method: Method, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

/// What the registry does with a request.
pub enum Reaction {
    /// What is right.
    Normal,
    /// This status, these headers, this body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    Close,
    /// The right answer, of which so many bytes come, and then nothing, for ever.
    StallAfter(usize),
    /// The right answer, of which so many bytes come, and then the connection breaks.
    BreakAfter(usize),
    /// The right answer, a byte at a time.
    Trickle(Duration),
    /// The right answer with other bytes of the same number.
    Garble,
    /// The right answer with more bytes.
    Append(Vec<u8>),
    /// The whole blob, whatever part was asked for.
    IgnoreRange,
    /// A part of the blob that begins elsewhere.
    WrongRange,
}

/// How the registry wants to be asked.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    #[default]
    Open,
    Basic,
    /// By a token of `realm`, or of `/token` of this registry. Each serves so many requests.
    Bearer {
        realm: Option<String>,
        uses: usize,
        anonymous: bool,
    },
}

/// Where uploads are sent to.
#[derive(Clone, Debug, Default)]
pub enum Place {
    #[default]
    Relative,
    Absolute,
    /// Another registry that has the same content.
    Other(String),
}

/// What may be set about a registry.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    pub auth: Auth,
    pub place: Place,
    /// The largest body it takes.
    pub limit: Option<usize>,
    /// What it says is the smallest chunk.
    pub smallest_chunk: Option<usize>,
    /// How many tags are on a page.
    pub page: Option<usize>,
    /// Whether it keeps lists of referrers.
    pub referrers: bool,
}

/// What a registry has.
#[derive(Default)]
struct Store {
    blobs: BTreeMap<String, Vec<u8>>,
    /// By repository and tag or digest.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    uploads: BTreeMap<String, Vec<u8>>,
    begun: usize,
    tokens: BTreeMap<String, usize>,
    issued: usize,
}

struct Shared {
    store: Arc<Mutex<Store>>,
    calls: Mutex<Vec<Call>>,
    manner: Mutex<Manner>,
    react: Mutex<React>,
    host: String,
}

/// A running fake; stopped when dropped.
pub struct Fake {
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fake {
    /// An empty registry that does everything right.
    pub fn start() -> Self {
        Self::with(Arc::default())
    }

    /// Another host with the same content, as the storage behind a registry is.
    pub fn sharing(other: &Fake) -> Self {
        Self::with(other.shared.store.clone())
    }

    fn with(store: Arc<Mutex<Store>>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let host = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            store,
            calls: Mutex::default(),
            manner: Mutex::default(),
            react: Mutex::new(Box::new(|_| Reaction::Normal)),
            host,
        });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                tokio::select! {
                    () = serve(listener, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Fake { shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    pub fn manner(&self, manner: Manner) -> &Self {
        *locked(&self.shared.manner) = manner;
        self
    }

    /// Decides what happens to each request, before who asks is looked at.
    pub fn react(&self, react: impl Fn(&Call) -> Reaction + Send + Sync + 'static) -> &Self {
        *locked(&self.shared.react) = Box::new(react);
        self
    }

    /// Every request since the start.
    pub fn calls(&self) -> Vec<Call> {
        locked(&self.shared.calls).clone()
    }

    /// Those of this method whose path has this part.
    pub fn calls_of(&self, method: Method, part: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.is(method.clone(), part)).collect()
    }

    pub fn has_blob(&self, digest: &str) -> bool {
        locked(&self.shared.store).blobs.contains_key(digest)
    }

    pub fn tags(&self, repository: &str) -> Vec<String> {
        tags(&locked(&self.shared.store), repository)
    }

    /// Puts a component there, as `wash oci push` would.
    pub fn publish(&self, repository: &str, tag: &str, component: &[u8]) -> Artifact {
        let bytes = Bytes::copy_from_slice(component);
        let artifact = Artifact::of(bytes, "test", &Additions::default()).expect("a component");
        let mut store = locked(&self.shared.store);
        store.blobs.insert(artifact.layer_digest.to_string(), component.to_vec());
        store.blobs.insert(artifact.config_digest.to_string(), artifact.config.clone());
        drop(store);
        self.put_manifest(repository, tag, wash::oci::MANIFEST_TYPE, &artifact.manifest);
        artifact
    }

    pub fn put_blob(&self, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        locked(&self.shared.store).blobs.insert(digest.clone(), bytes.to_vec());
        digest
    }

    pub fn put_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        let mut store = locked(&self.shared.store);
        for name in [tag, &digest] {
            let key = (repository.to_string(), name.to_string());
            store.manifests.insert(key, (media_type.to_string(), bytes.to_vec()));
        }
        digest
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| answer(shared.clone(), request));
            // A connection that we break is an error of the library's.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Why a connection is given up.
#[derive(Debug)]
struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("as the test wants it")
    }
}

impl std::error::Error for Hangup {}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Hangup> {
    let (parts, body) = request.into_parts();
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_string);
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let bare = parts.uri.path().to_string();
    let announced = header(CONTENT_LENGTH).and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut call = Call {
        method: parts.method.clone(),
        path,
        authorization: header(AUTHORIZATION),
        range: header(RANGE),
        content_range: header(CONTENT_RANGE),
        length: announced,
        nth: 0,
    };
    {
        let mut calls = locked(&shared.calls);
        let same = |other: &&Call| other.method == call.method && other.path.split('?').next() == Some(&bare);
        call.nth = calls.iter().filter(same).count();
        calls.push(call.clone());
    }
    let reaction = (locked(&shared.react))(&call);
    match reaction {
        Reaction::Hang => std::future::pending().await,
        Reaction::Close => return Err(Hangup),
        _ => {}
    }
    // Read whatever the answer is: an answer before the end of a request may be lost.
    let Ok(bytes) = body.collect().await.map(|body| body.to_bytes()) else { return Err(Hangup) };
    let content_type = header(CONTENT_TYPE).unwrap_or_default();
    match reaction {
        Reaction::Answer(status, headers, body) => {
            let status = StatusCode::from_u16(status).expect("a status");
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            return Ok(say(status, &headers, body));
        }
        Reaction::IgnoreRange => call.range = None,
        Reaction::WrongRange if call.range.is_some() => call.range = Some("bytes=0-".into()),
        _ => {}
    }
    let response = right(&shared, &call, &bare, &bytes, &content_type);
    Ok(bend(response, reaction).await)
}

/// The right answer, made wrong.
async fn bend(response: Response<Body>, reaction: Reaction) -> Response<Body> {
    if matches!(reaction, Reaction::Normal) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("bytes of memory").to_bytes();
    let frame = |bytes: Bytes| Ok(Frame::data(bytes));
    let mut parts = parts;
    // What the headers promise is the whole.
    parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
    let body: Body = match reaction {
        Reaction::StallAfter(count) => {
            let sent = stream::iter([frame(bytes.slice(..count.min(bytes.len())))]);
            BodyExt::boxed_unsync(StreamBody::new(sent.chain(stream::pending())))
        }
        Reaction::BreakAfter(count) => {
            let sent = stream::iter([frame(bytes.slice(..count.min(bytes.len())))]);
            // The pause lets what was sent leave before the connection goes.
            let broken = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("as the test wants it"))
            });
            BodyExt::boxed_unsync(StreamBody::new(sent.chain(broken)))
        }
        Reaction::Trickle(pause) => {
            let bytes: Vec<u8> = bytes.to_vec();
            let slow = stream::iter(bytes).then(move |byte| async move {
                tokio::time::sleep(pause).await;
                Ok(Frame::data(Bytes::from(vec![byte])))
            });
            BodyExt::boxed_unsync(StreamBody::new(slow))
        }
        Reaction::Garble => {
            let garbled: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
            full(garbled)
        }
        Reaction::Append(more) => {
            parts.headers.insert(CONTENT_LENGTH, (bytes.len() + more.len()).into());
            full([bytes.to_vec(), more].concat())
        }
        _ => full(bytes.to_vec()),
    };
    Response::from_parts(parts, body)
}

fn full(bytes: Vec<u8>) -> Body {
    BodyExt::boxed_unsync(Full::new(Bytes::from(bytes)).map_err(|never: Infallible| match never {}))
}

fn say(status: StatusCode, headers: &[(&str, &str)], body: Vec<u8>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(full(body)).expect("an answer")
}

fn refuse(status: StatusCode, code: &str) -> Response<Body> {
    let text = format!(r#"{{"errors":[{{"code":"{code}","message":"said by the fake"}}]}}"#);
    say(status, &[("content-type", "application/json")], text.into_bytes())
}

/// What a registry that does everything right answers.
fn right(shared: &Shared, call: &Call, path: &str, body: &[u8], content_type: &str) -> Response<Body> {
    let manner = locked(&shared.manner).clone();
    let store = &mut *locked(&shared.store);
    if path == "/token" {
        return token(store, call, body, &manner);
    }
    if let Some(challenge) = challenge(shared, store, call, path, &manner) {
        let mut response = refuse(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
        response.headers_mut().insert("www-authenticate", challenge.parse().expect("a challenge"));
        return response;
    }
    if manner.limit.is_some_and(|limit| body.len() > limit) {
        return say(
            StatusCode::PAYLOAD_TOO_LARGE,
            &[("content-type", "text/html")],
            b"<html>too large</html>".to_vec(),
        );
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return refuse(StatusCode::NOT_FOUND, "NOT_FOUND") };
    if rest.is_empty() {
        return say(StatusCode::OK, &[], b"{}".to_vec());
    }
    if let Some((repository, digest)) = rest.split_once("/blobs/sha") {
        let _ = repository;
        return blob(store, call, &format!("sha{digest}"));
    }
    if let Some((repository, id)) = rest.split_once("/blobs/uploads/") {
        return upload(shared, store, call, repository, id, body, &manner);
    }
    if let Some((repository, name)) = rest.split_once("/manifests/") {
        return manifest(store, call, repository, name, body, content_type, manner.referrers);
    }
    if let (Some((repository, digest)), true) = (rest.split_once("/referrers/"), manner.referrers) {
        return referrers(store, repository, digest);
    }
    match rest.strip_suffix("/tags/list") {
        Some(repository) => tag_page(store, call, repository, &manner),
        None => refuse(StatusCode::NOT_FOUND, "NOT_FOUND"),
    }
}

fn query(call: &Call, name: &str) -> Option<String> {
    let (_, query) = call.path.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The challenge, if the request does not prove enough.
fn challenge(shared: &Shared, store: &mut Store, call: &Call, path: &str, manner: &Manner) -> Option<String> {
    let basic = format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")));
    match &manner.auth {
        Auth::Open => None,
        Auth::Basic => (call.authorization.as_deref() != Some(&basic)).then(|| "Basic realm=\"fake\"".to_string()),
        Auth::Bearer { realm, .. } => {
            let reads = matches!(call.method, Method::GET | Method::HEAD) && !path.contains("/uploads/");
            let rights = if reads { "pull" } else { "pull,push" };
            let wanted = path.strip_prefix("/v2/").filter(|rest| !rest.is_empty()).map(|rest| {
                let name = rest.split("/blobs/").next().unwrap_or_default().split("/manifests/").next();
                let name = name.unwrap_or_default().trim_end_matches("/tags/list");
                format!("repository:{name}:{rights}")
            });
            if let Some(token) = call.authorization.as_deref().and_then(|text| text.strip_prefix("Bearer ")) {
                let (_, granted) = token.split_once('#').unwrap_or_default();
                let covers = wanted.as_deref().is_none_or(|wanted| granted.starts_with(wanted));
                let left = store.tokens.get_mut(token).filter(|left| **left > 0);
                if let (Some(left), true) = (left, covers) {
                    *left -= 1;
                    return None;
                }
            }
            let realm = realm.clone().unwrap_or_else(|| format!("http://{}/token", shared.host));
            let scope = wanted.map(|wanted| format!(",scope=\"{wanted}\"")).unwrap_or_default();
            Some(format!("Bearer realm=\"{realm}\",service=\"fake\"{scope}"))
        }
    }
}

fn token(store: &mut Store, call: &Call, body: &[u8], manner: &Manner) -> Response<Body> {
    let Auth::Bearer { uses, anonymous, .. } = manner.auth else {
        return refuse(StatusCode::NOT_FOUND, "NOT_FOUND");
    };
    let (scope, allowed) = if call.method == Method::POST {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let right = form.get("grant_type").is_some_and(|grant| grant == "refresh_token")
            && form.get("refresh_token").is_some_and(|token| token == IDENTITY_TOKEN);
        (form.get("scope").cloned(), right)
    } else {
        let basic = format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")));
        let right = match &call.authorization {
            Some(given) => *given == basic,
            None => anonymous,
        };
        (query(call, "scope"), right)
    };
    if !allowed {
        return refuse(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    }
    store.issued += 1;
    let token = format!("token-{}#{}", store.issued, scope.unwrap_or_default());
    store.tokens.insert(token.clone(), uses);
    let key = if call.method == Method::POST { "access_token" } else { "token" };
    let text = serde_json::json!({ key: token, "expires_in": 300 }).to_string();
    say(StatusCode::OK, &[("content-type", "application/json")], text.into_bytes())
}

fn blob(store: &Store, call: &Call, digest: &str) -> Response<Body> {
    let Some(bytes) = store.blobs.get(digest) else { return refuse(StatusCode::NOT_FOUND, "BLOB_UNKNOWN") };
    if call.method == Method::HEAD {
        return say(StatusCode::OK, &[("docker-content-digest", digest)], Vec::new());
    }
    let start = call.range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match start {
        Some(start) if start < bytes.len() => {
            let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
            say(StatusCode::PARTIAL_CONTENT, &[("content-range", &range)], bytes[start..].to_vec())
        }
        Some(_) => say(StatusCode::RANGE_NOT_SATISFIABLE, &[], Vec::new()),
        None => say(StatusCode::OK, &[], bytes.clone()),
    }
}

fn upload(
    shared: &Shared,
    store: &mut Store,
    call: &Call,
    repository: &str,
    id: &str,
    body: &[u8],
    manner: &Manner,
) -> Response<Body> {
    let at = |id: &str, size: usize, status: StatusCode| {
        // As real ones do: with a state in the query, and things in it that must stay encoded.
        let path = format!("/v2/{repository}/blobs/uploads/{id}?_state=a%2Fb%3D&x=1");
        let location = match &manner.place {
            Place::Relative => path,
            Place::Absolute => format!("http://{}{path}", shared.host),
            Place::Other(host) => format!("http://{host}{path}"),
        };
        let range = format!("0-{}", size.saturating_sub(1));
        let smallest = manner.smallest_chunk.unwrap_or(0).to_string();
        let headers = [("location", location.as_str()), ("range", &range), ("oci-chunk-min-length", &smallest)];
        say(status, &headers, Vec::new())
    };
    if call.method == Method::POST && id.is_empty() {
        if let (Some(digest), Some(_)) = (query(call, "mount"), query(call, "from"))
            && store.blobs.contains_key(&digest)
        {
            return say(StatusCode::CREATED, &[("location", "/x")], Vec::new());
        }
        store.begun += 1;
        let id = format!("upload-{}", store.begun);
        store.uploads.insert(id.clone(), Vec::new());
        return at(&id, 0, StatusCode::ACCEPTED);
    }
    if !call.path.contains("_state=a%2Fb%3D&x=1") {
        return refuse(StatusCode::BAD_REQUEST, "STATE_LOST");
    }
    let Some(held) = store.uploads.get_mut(id) else { return refuse(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN") };
    match call.method {
        Method::GET => at(id, held.len(), StatusCode::NO_CONTENT),
        Method::PATCH => {
            let start = call.content_range.as_deref().and_then(|range| range.split('-').next()?.parse::<usize>().ok());
            if start.is_some_and(|start| start != held.len()) {
                return at(id, held.len(), StatusCode::RANGE_NOT_SATISFIABLE);
            }
            held.extend_from_slice(body);
            let size = held.len();
            at(id, size, StatusCode::ACCEPTED)
        }
        Method::PUT => {
            let mut bytes = store.uploads.remove(id).unwrap_or_default();
            bytes.extend_from_slice(body);
            let named = query(call, "digest").unwrap_or_default();
            if Digest::of(&bytes).as_str() != named {
                return refuse(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
            }
            store.blobs.insert(named.clone(), bytes);
            say(StatusCode::CREATED, &[("docker-content-digest", &named)], Vec::new())
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
    }
}

fn manifest(
    store: &mut Store,
    call: &Call,
    repository: &str,
    name: &str,
    body: &[u8],
    content_type: &str,
    keeps_referrers: bool,
) -> Response<Body> {
    if call.method == Method::PUT {
        let subject = subject_of(body).filter(|_| keeps_referrers);
        let digest = Digest::of(body).to_string();
        for name in [name, &digest] {
            let key = (repository.to_string(), name.to_string());
            store.manifests.insert(key, (content_type.to_string(), body.to_vec()));
        }
        let mut headers = vec![("docker-content-digest", digest.as_str())];
        headers.extend(subject.as_deref().map(|subject| ("oci-subject", subject)));
        return say(StatusCode::CREATED, &headers, Vec::new());
    }
    match store.manifests.get(&(repository.to_string(), name.to_string())) {
        Some((media_type, bytes)) => {
            let digest = Digest::of(bytes).to_string();
            let headers = [("content-type", media_type.as_str()), ("docker-content-digest", &digest)];
            say(StatusCode::OK, &headers, bytes.clone())
        }
        None => refuse(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
    }
}

fn subject_of(manifest: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(manifest).ok()?;
    Some(json.pointer("/subject/digest")?.as_str()?.to_string())
}

fn referrers(store: &Store, repository: &str, digest: &str) -> Response<Body> {
    let of_digest = store.manifests.iter().filter(|((of, name), (_, bytes))| {
        of == repository && name.starts_with("sha256:") && subject_of(bytes).as_deref() == Some(digest)
    });
    let entries: Vec<_> = of_digest
        .map(|((_, name), (media_type, bytes))| {
            let json: serde_json::Value = serde_json::from_slice(bytes).expect("a manifest");
            serde_json::json!({"mediaType": media_type, "digest": name, "size": bytes.len(),
                "artifactType": json["artifactType"]})
        })
        .collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
    say(StatusCode::OK, &[("content-type", media_type)], index.to_string().into_bytes())
}

fn tags(store: &Store, repository: &str) -> Vec<String> {
    let names = store.manifests.keys().filter(|(of, name)| of == repository && !name.starts_with("sha256:"));
    names.map(|(_, name)| name.clone()).collect()
}

fn tag_page(store: &Store, call: &Call, repository: &str, manner: &Manner) -> Response<Body> {
    let last = query(call, "last").unwrap_or_default();
    let mut tags = tags(store, repository);
    tags.retain(|tag| *tag > last);
    let page = manner.page.unwrap_or(usize::MAX);
    let rest = tags.split_off(page.min(tags.len()));
    let text = serde_json::json!({ "name": repository, "tags": tags }).to_string();
    let link = match (rest.is_empty(), tags.last()) {
        (false, Some(last)) => format!("</v2/{repository}/tags/list?last={last}&n={page}>; rel=\"next\""),
        _ => String::new(),
    };
    let headers = [("link", link.as_str())];
    say(StatusCode::OK, if link.is_empty() { &[] } else { &headers }, text.into_bytes())
}
