mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "http-api",
        generate_all,
    });
}

use bindings::wasmcloud::messaging::consumer;
use serde::Deserialize;
use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

/// How long a worker may take to answer.
const TIMEOUT_MS: u32 = 5000;

const USAGE: &str = "\
POST /task  with some text, or with JSON: {\"worker\": \"leet\", \"payload\": \"some text\"}
";

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => text(StatusCode::OK, USAGE),
        (&Method::POST, "/task") => create_task(request).await,
        _ => text(StatusCode::NOT_FOUND, "Not found\n"),
    }
}

#[derive(Deserialize)]
struct Task {
    #[serde(default = "default_worker")]
    worker: String,
    payload: String,
}

fn default_worker() -> String {
    "leet".to_string()
}

async fn create_task(mut request: Request<Body>) -> Result<Response<Body>, Error> {
    let task = match read_task(&mut request).await {
        Ok(task) => task,
        Err(error) => return text(StatusCode::BAD_REQUEST, &format!("{error:#}\n{USAGE}")),
    };
    let subject = format!("tasks.{}", task.worker);
    match consumer::request(&subject, task.payload.as_bytes(), TIMEOUT_MS) {
        Ok(reply) => Ok(Response::new(reply.body.into())),
        Err(error) => text(
            StatusCode::BAD_GATEWAY,
            &format!("No result from {subject}: {error}\n"),
        ),
    }
}

async fn read_task(request: &mut Request<Body>) -> Result<Task, Error> {
    let is_json = request
        .headers()
        .get("content-type")
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));

    let task = if is_json {
        request.body_mut().json().await?
    } else {
        Task {
            worker: default_worker(),
            payload: request.body_mut().str_contents().await?.to_string(),
        }
    };
    if !is_worker_name(&task.worker) {
        return Err(Error::msg(
            "a worker's name has letters, digits, `-` and `_`",
        ));
    }
    if task.payload.is_empty() {
        return Err(Error::msg("there is nothing to do"));
    }
    Ok(task)
}

/// The name becomes part of a subject, where dots and wildcards have a meaning of their own.
fn is_worker_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn text(status: StatusCode, body: &str) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(body.into())?)
}
