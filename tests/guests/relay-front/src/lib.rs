//! An HTTP component of WASI 0.3 that has its work done by another component of the workload:
//! `tests/guests/README.md` has the routes.

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "relay-front", generate_all });
}

use bindings::test::relay::relay;
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{http_from_wasi_request, http_into_wasi_request, http_into_wasi_response};

struct Front;

impl wasip3::exports::http::handler::Guest for Front {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let (head, body) = http_from_wasi_request(request)?.into_parts();
        let query = head.uri.query().unwrap_or_default().to_string();
        let answer = match head.uri.path() {
            "/shout" => shout(body.collect().await?.to_bytes().to_vec()).await,
            "/own" => {
                let back = relay::belongings().await;
                format!("front:\n{}\nback:\n{}\n", own().join("\n"), back.join("\n"))
            }
            "/slow" => {
                let before = own();
                relay::pause(query.parse().unwrap_or(50)).await;
                let changed = if own() == before { "" } else { "changed\n" };
                format!("{changed}{}", relay::belongings().await.join("\n"))
            }
            "/fetch" => format!("front {} back {}", fetch(&query).await, relay::fetch(query).await),
            "/reach" => format!("front {} back {}", reach(&query).await, relay::reach(query).await),
            "/say" => {
                relay::say(query).await;
                "said".into()
            }
            _ => "front".into(),
        };
        let body: UnsyncBoxBody<Bytes, ErrorCode> =
            Full::new(Bytes::from(answer)).map_err(|never| match never {}).boxed_unsync();
        http_into_wasi_response(Response::new(body))
    }
}

/// A stream there, a stream and a future back.
async fn shout(text: Vec<u8>) -> String {
    let (mut out, reader) = bindings::wit_stream::new();
    wit_bindgen::spawn_local(async move {
        out.write_all(text).await;
    });
    let (shouted, count) = relay::shout(reader).await;
    let shouted = shouted.collect().await;
    format!("{} {}", String::from_utf8_lossy(&shouted), count.await)
}

fn own() -> Vec<String> {
    let variables = wasip3::cli::environment::get_environment();
    let mut lines: Vec<String> = variables.into_iter().map(|(name, value)| format!("env {name}={value}")).collect();
    let folders = wasip3::filesystem::preopens::get_directories();
    lines.extend(folders.into_iter().map(|(_, path)| format!("folder {path}")));
    lines.sort();
    lines
}

async fn fetch(url: &str) -> String {
    let empty = Empty::<Bytes>::new().map_err(|never| match never {});
    let request = http::Request::get(url).body(empty.boxed_unsync()).expect("a request");
    let request = http_into_wasi_request(request).expect("a request of WASI");
    match wasip3::http::client::send(request).await {
        Ok(response) => response.get_status_code().to_string(),
        Err(error) => format!("{error:?}"),
    }
}

async fn reach(to: &str) -> String {
    use wasip3::sockets::types::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket};
    let to: std::net::SocketAddrV4 = to.parse().expect("an address");
    let address = Ipv4SocketAddress { port: to.port(), address: to.ip().octets().into() };
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).expect("a socket");
    match socket.connect(IpSocketAddress::Ipv4(address)).await {
        Ok(()) => "reached".into(),
        Err(error) => format!("{error:?}"),
    }
}

wasip3::http::service::export!(Front);
