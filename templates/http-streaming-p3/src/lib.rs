use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::client;
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{
    IncomingRequestBody, http_from_wasi_request, http_from_wasi_response, http_into_wasi_request,
    http_into_wasi_response,
};

const USAGE: &str = "\
GET  /                  these lines
GET  /count?to=5        numbers, one every half second
POST /upper             the request body in capitals, while it comes
GET  /fetch?url={url}   what another server says, while it comes
GET  /both?a={}&b={}    how long the answers of two servers are, asked at the same time
";

/// The most that `/count` counts to: what is asked for from outside has a bound.
const MOST: u32 = 1000;
const HALF_A_SECOND: u64 = 500_000_000;

type Body = UnsyncBoxBody<Bytes, ErrorCode>;

struct Component;

wasip3::http::service::export!(Component);

// The function that the host calls is `async`: while it waits, the host has the processor.
impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        http_into_wasi_response(route(http_from_wasi_request(request)?).await)
    }
}

async fn route(request: Request<IncomingRequestBody>) -> Response<Body> {
    let uri = request.uri().clone();
    match (request.method(), uri.path()) {
        (&Method::GET, "/") => text(StatusCode::OK, USAGE),
        (&Method::GET, "/count") => match parameter(&uri, "to").unwrap_or("5".into()).parse() {
            Ok(to @ 0..=MOST) => Response::new(count(to)),
            _ => text(StatusCode::BAD_REQUEST, USAGE),
        },
        (&Method::POST, "/upper") => Response::new(upper(request.into_body())),
        (&Method::GET, "/fetch") => match url(&uri, "url") {
            Some(url) => fetch(&url)
                .await
                .unwrap_or_else(|error| failed(&url, &error)),
            None => text(StatusCode::BAD_REQUEST, USAGE),
        },
        (&Method::GET, "/both") => match (url(&uri, "a"), url(&uri, "b")) {
            (Some(a), Some(b)) => both(&a, &b).await,
            _ => text(StatusCode::BAD_REQUEST, USAGE),
        },
        _ => text(StatusCode::NOT_FOUND, "Not found\n"),
    }
}

/// Sends a number, waits, sends the next. The client has the first one before the last one exists.
fn count(to: u32) -> Body {
    let numbers = stream::iter(1..=to).then(|number| async move {
        if number > 1 {
            wait_for(HALF_A_SECOND).await;
        }
        Ok(Frame::data(Bytes::from(format!("{number}\n"))))
    });
    StreamBody::new(numbers).boxed_unsync()
}

/// Changes each piece as it arrives and sends it on, so that a body of any size takes the memory of one.
fn upper(body: IncomingRequestBody) -> Body {
    let pieces = body.into_data_stream();
    let pieces = pieces.map_ok(|piece| Frame::data(Bytes::from(piece.to_ascii_uppercase())));
    StreamBody::new(pieces).boxed_unsync()
}

/// Passes on status, content type and body of another server.
async fn fetch(url: &Uri) -> Result<Response<Body>, ErrorCode> {
    let (head, body) = get(url).await?.into_parts();
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    if let Some(content_type) = head.headers.get("content-type") {
        response
            .headers_mut()
            .insert("content-type", content_type.clone());
    }
    Ok(response)
}

/// Two requests are under way at once, in one instance on one thread.
async fn both(a: &Uri, b: &Uri) -> Response<Body> {
    match futures_util::future::try_join(length(a), length(b)).await {
        Ok((first, second)) => text(StatusCode::OK, &format!("{first} {second}\n")),
        Err((url, error)) => failed(&url, &error),
    }
}

async fn length(url: &Uri) -> Result<usize, (Uri, ErrorCode)> {
    let read = async {
        Ok(get(url)
            .await?
            .into_body()
            .collect()
            .await?
            .to_bytes()
            .len())
    };
    read.await.map_err(|error| (url.clone(), error))
}

async fn get(url: &Uri) -> Result<Response<Body>, ErrorCode> {
    let no_body = Empty::<Bytes>::new().map_err(|never| match never {});
    let request = Request::get(url)
        .body(no_body)
        .map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    let response = client::send(http_into_wasi_request(request)?).await?;
    Ok(http_from_wasi_response(response)?.map(BodyExt::boxed_unsync))
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query()?.as_bytes();
    form_urlencoded::parse(query)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// A parameter that is a complete HTTP URL.
fn url(uri: &Uri, name: &str) -> Option<Uri> {
    let url: Uri = parameter(uri, name)?.parse().ok()?;
    matches!(url.scheme_str(), Some("http" | "https")).then_some(url)
}

fn failed(url: &Uri, error: &ErrorCode) -> Response<Body> {
    text(
        StatusCode::BAD_GATEWAY,
        &format!("Could not fetch {url}: {error}\n"),
    )
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(text.to_string())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(
        "content-type",
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
