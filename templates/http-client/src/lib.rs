use wstd::http::body::{Bytes, util::Empty};
use wstd::http::{Body, Client, Error, Method, Request, Response, StatusCode, Uri};
use wstd::time::Duration;

const USAGE: &str = "\
Name the page to fetch in the query: GET /?url=http://host/path
A `?` or `&` in the URL itself has to be written as %3F or %26.
";

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    if request.method() != Method::GET || request.uri().path() != "/" {
        return text(StatusCode::NOT_FOUND, "Not found\n");
    }
    let Some(url) = target(request.uri()) else {
        return text(StatusCode::BAD_REQUEST, USAGE);
    };
    match fetch(&url).await {
        Ok(upstream) => forward(upstream),
        Err(error) => text(
            StatusCode::BAD_GATEWAY,
            &format!("Could not fetch {url}: {error:#}\n"),
        ),
    }
}

/// Returns the value of `url` in the query, if it is a complete HTTP URL.
fn target(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?.as_bytes();
    let (_, value) = form_urlencoded::parse(query).find(|(key, _)| key == "url")?;
    let url: Uri = value.parse().ok()?;
    matches!(url.scheme_str(), Some("http" | "https")).then_some(url)
}

async fn fetch(url: &Uri) -> Result<Response<Body>, Error> {
    let mut client = Client::new();
    client.set_connect_timeout(Duration::from_secs(10));
    client.set_first_byte_timeout(Duration::from_secs(30));
    // A body of no chunks. `Body::empty()` would write one empty chunk, which fails every now and
    // then, because hosts close the body of a GET request as soon as they have sent the rest.
    let no_body = Body::from_http_body(Empty::<Bytes>::new());
    client.send(Request::get(url).body(no_body)?).await
}

/// Passes on status, content type and body. The body is not read here: the host moves it from one
/// connection to the other while it comes in.
fn forward(upstream: Response<Body>) -> Result<Response<Body>, Error> {
    let (head, body) = upstream.into_parts();
    let mut response = Response::builder().status(head.status);
    if let Some(content_type) = head.headers.get("content-type") {
        response = response.header("content-type", content_type);
    }
    Ok(response.body(body)?)
}

fn text(status: StatusCode, body: &str) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(body.into())?)
}
