use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

/// Answers one request. Every request gets a fresh instance of this component.
#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => Ok(Response::new("Hello from wash!\n".into())),
        _ => not_found(),
    }
}

fn not_found() -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(StatusCode::NOT_FOUND)
        .body("Not found\n".into())?)
}
