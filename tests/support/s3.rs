//! A server that speaks as much of S3 as a client needs to keep objects: in this process, in memory,
//! and able to misbehave.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One bucket, `bucket`, on a free port of this machine. Ends when it is dropped.
pub struct FakeS3 {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    data: Mutex<Data>,
    /// How many of the next requests are answered 503.
    failing: AtomicUsize,
    largest_body: AtomicUsize,
    stopped: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

#[derive(Default)]
struct Data {
    objects: BTreeMap<String, Arc<Vec<u8>>>,
    uploads: HashMap<String, BTreeMap<usize, Vec<u8>>>,
    count: usize,
}

struct Request {
    method: String,
    path: String,
    query: HashMap<String, String>,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl FakeS3 {
    pub fn start() -> FakeS3 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = serving.clone();
                shared.connections().push(stream.try_clone().expect("a socket"));
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        FakeS3 { address, shared }
    }

    /// Where it answers.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so many of the next requests with 503.
    pub fn fail(&self, requests: usize) {
        self.shared.failing.store(requests, Ordering::SeqCst);
    }

    /// All keys, sorted.
    pub fn keys(&self) -> Vec<String> {
        self.shared.data().objects.keys().cloned().collect()
    }

    /// How many uploads in parts have been begun and neither completed nor given up.
    pub fn open_uploads(&self) -> usize {
        self.shared.data().uploads.len()
    }

    /// Stores an object, as another program would.
    pub fn put(&self, key: &str, content: &[u8]) {
        self.shared.data().objects.insert(key.into(), Arc::new(content.to_vec()));
    }

    /// The largest body of a request so far, in bytes.
    pub fn largest_body(&self) -> usize {
        self.shared.largest_body.load(Ordering::SeqCst)
    }
}

impl Drop for FakeS3 {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for connection in self.shared.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        shared.largest_body.fetch_max(request.body.len(), Ordering::SeqCst);
        let fails = shared.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let response = match fails {
            true => error(503, "SlowDown"),
            false => answer(&request, shared),
        };
        let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", response.status, response.body.len());
        for (name, value) in &response.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let body: &[u8] = if request.method == "HEAD" { &[] } else { &response.body };
        if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body)).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut parts = line.split_whitespace();
    let (method, target) = (parts.next()?.to_string(), parts.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(key, value)| (decoded(key), decoded(value))).collect();
    let path = decoded(path);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, query, headers, body })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| first == b'%');
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).expect("keys are text")
}

fn ok(body: impl Into<Vec<u8>>) -> Response {
    Response { status: 200, headers: Vec::new(), body: body.into() }
}

fn error(status: u16, code: &str) -> Response {
    Response { status, ..ok(format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>")) }
}

const DATE: &str = "Mon, 01 Jan 2024 00:00:00 GMT";

fn etag(content: &[u8]) -> String {
    // Different for different content, which is all that it is for.
    let sum =
        content.iter().fold(14695981039346656037u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(1099511628211));
    format!("\"{sum:016x}-{}\"", content.len())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

fn answer(request: &Request, shared: &Shared) -> Response {
    let Some(rest) = request.path.strip_prefix("/bucket") else { return error(404, "NoSuchBucket") };
    if !request.headers.contains_key("authorization") {
        return error(403, "AccessDenied");
    }
    let key = rest.strip_prefix('/').unwrap_or_default();
    let mut data = shared.data();
    let has = |name: &str| request.query.contains_key(name);
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    match (request.method.as_str(), key) {
        ("GET", "") => list(request, &data),
        ("POST", "") if has("delete") => {
            let text = String::from_utf8_lossy(&request.body);
            let mut deleted = String::new();
            for part in text.split("<Key>").skip(1) {
                let key = part.split("</Key>").next().unwrap_or_default();
                data.objects.remove(&unescaped(key));
                deleted.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
            }
            ok(format!("<DeleteResult>{deleted}</DeleteResult>"))
        }
        ("POST", _) if has("uploads") => {
            data.count += 1;
            let id = format!("upload-{}", data.count);
            data.uploads.insert(id.clone(), BTreeMap::new());
            ok(format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"))
        }
        ("PUT", _) if has("uploadId") => {
            let number = request.query.get("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0);
            let Some(upload) = data.uploads.get_mut(&request.query["uploadId"]) else {
                return error(404, "NoSuchUpload");
            };
            upload.insert(number, request.body.clone());
            Response { headers: vec![("etag", etag(&request.body))], ..ok("") }
        }
        ("POST", _) if has("uploadId") => {
            let Some(parts) = data.uploads.remove(&request.query["uploadId"]) else {
                return error(404, "NoSuchUpload");
            };
            let content: Vec<u8> = parts.into_values().flatten().collect();
            let tag = escaped(&etag(&content));
            data.objects.insert(key.into(), Arc::new(content));
            ok(format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"))
        }
        ("DELETE", _) if has("uploadId") => {
            data.uploads.remove(&request.query["uploadId"]);
            Response { status: 204, ..ok("") }
        }
        ("PUT", _) => {
            if header("if-none-match") == Some("*") && data.objects.contains_key(key) {
                return error(412, "PreconditionFailed");
            }
            let content = match header("x-amz-copy-source") {
                Some(source) => {
                    let source = decoded(source);
                    let source = source.trim_start_matches('/').strip_prefix("bucket/").unwrap_or_default();
                    let Some(content) = data.objects.get(source).cloned() else { return error(404, "NoSuchKey") };
                    content
                }
                None => Arc::new(request.body.clone()),
            };
            let tag = etag(&content);
            data.objects.insert(key.into(), content);
            let body = match header("x-amz-copy-source") {
                Some(_) => format!("<CopyObjectResult><ETag>{}</ETag></CopyObjectResult>", escaped(&tag)),
                None => String::new(),
            };
            Response { headers: vec![("etag", tag)], ..ok(body) }
        }
        ("DELETE", _) => {
            data.objects.remove(key);
            Response { status: 204, ..ok("") }
        }
        ("GET" | "HEAD", _) => {
            let Some(content) = data.objects.get(key).cloned() else { return error(404, "NoSuchKey") };
            let tag = etag(&content);
            if header("if-match").is_some_and(|wanted| wanted != tag) {
                return error(412, "PreconditionFailed");
            }
            let mut headers = vec![("etag", tag), ("last-modified", DATE.to_string())];
            let Some(range) = header("range").and_then(|range| range.strip_prefix("bytes=")) else {
                return Response { headers, ..ok(content.to_vec()) };
            };
            let (first, last) = range.split_once('-').unwrap_or_default();
            let first: usize = first.parse().unwrap_or(0);
            let last = last.parse().unwrap_or(usize::MAX).min(content.len().saturating_sub(1));
            if first >= content.len() {
                return error(416, "InvalidRange");
            }
            headers.push(("content-range", format!("bytes {first}-{last}/{}", content.len())));
            Response { status: 206, headers, ..ok(&content[first..=last]) }
        }
        _ => error(405, "MethodNotAllowed"),
    }
}

fn list(request: &Request, data: &Data) -> Response {
    let text = |name: &str| request.query.get(name).map(String::as_str).unwrap_or_default();
    // Few at a time, so that clients have to go on.
    let most = 7;
    let after = text("start-after").max(text("continuation-token"));
    let all = data.objects.iter().filter(|(key, _)| key.starts_with(text("prefix")) && key.as_str() > after);
    let mut listed: Vec<_> = all.take(most + 1).collect();
    let more = listed.len() > most;
    listed.truncate(most);
    let mut body = String::from("<ListBucketResult>");
    for (key, content) in &listed {
        body.push_str(&format!(
            "<Contents><Key>{}</Key><Size>{}</Size><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>{}</ETag></Contents>",
            escaped(key),
            content.len(),
            escaped(&etag(content)),
        ));
    }
    if let (true, Some((last, _))) = (more, listed.last()) {
        body.push_str(&format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(last)));
    }
    body.push_str(&format!("<IsTruncated>{more}</IsTruncated></ListBucketResult>"));
    ok(body)
}
