use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const USAGE: &str = "\
GET  /hello?name=you  a greeting
GET  /items/{id}      an item as JSON
POST /echo            the JSON you send, sent back
";

/// Builds the router. This is done for every request, so keep it cheap.
#[wstd_axum::http_server]
fn main() -> Router {
    Router::new()
        .route("/", get(USAGE))
        .route("/hello", get(hello))
        .route("/items/{id}", get(item))
        .route("/echo", post(echo))
        .fallback((StatusCode::NOT_FOUND, "Not found\n"))
}

#[derive(Deserialize)]
struct Greeting {
    name: Option<String>,
}

async fn hello(Query(greeting): Query<Greeting>) -> String {
    let name = greeting.name.as_deref().unwrap_or("World");
    format!("Hello, {name}!\n")
}

#[derive(Serialize)]
struct Item {
    id: u32,
    name: String,
}

/// A stand-in for a look-up. An `id` that is not a number is refused by axum with status 400.
async fn item(Path(id): Path<u32>) -> Json<Item> {
    let name = format!("Item {id}");
    Json(Item { id, name })
}

async fn echo(Json(value): Json<Value>) -> Json<Value> {
    Json(value)
}
