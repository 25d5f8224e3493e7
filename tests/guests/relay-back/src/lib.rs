//! Works for `relay-front` in WASI 0.3; exports `test:relay/relay`.

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "relay-back", generate_all });
}

use bindings::exports::test::relay::relay::Guest;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use wasip3::http_compat::http_into_wasi_request;
use wit_bindgen::rt::async_support::{FutureReader, StreamReader, StreamResult};

struct Back;

impl Guest for Back {
    async fn shout(mut text: StreamReader<u8>) -> (StreamReader<u8>, FutureReader<u32>) {
        let (mut out, shouted) = bindings::wit_stream::new();
        let (done, count) = bindings::wit_future::new(|| 0);
        wit_bindgen::spawn_local(async move {
            let mut length = 0;
            loop {
                let (result, mut part) = text.read(Vec::with_capacity(4096)).await;
                length += part.len() as u32;
                part.make_ascii_uppercase();
                let left = out.write_all(part).await;
                if !left.is_empty() || !matches!(result, StreamResult::Complete(_)) {
                    break;
                }
            }
            drop(out);
            let _ = done.write(length).await;
        });
        (shouted, count)
    }

    async fn belongings() -> Vec<String> {
        let variables = wasip3::cli::environment::get_environment();
        let mut lines: Vec<String> = variables.into_iter().map(|(name, value)| format!("env {name}={value}")).collect();
        let folders = wasip3::filesystem::preopens::get_directories();
        lines.extend(folders.into_iter().map(|(_, path)| format!("folder {path}")));
        lines.sort();
        lines
    }

    async fn fetch(url: String) -> String {
        let empty = Empty::<Bytes>::new().map_err(|never| match never {});
        let request = http::Request::get(url).body(empty.boxed_unsync()).expect("a request");
        let request = http_into_wasi_request(request).expect("a request of WASI");
        match wasip3::http::client::send(request).await {
            Ok(response) => response.get_status_code().to_string(),
            Err(error) => format!("{error:?}"),
        }
    }

    async fn say(text: String) {
        let (mut out, reader) = wasip3::wit_stream::new();
        let written = wasip3::cli::stdout::write_via_stream(reader);
        out.write_all(format!("back says {text}\n").into_bytes()).await;
        drop(out);
        let _ = written.await;
    }

    async fn reach(address: String) -> String {
        reach(&address).await
    }

    async fn pause(milliseconds: u32) {
        wasip3::clocks::monotonic_clock::wait_for(u64::from(milliseconds) * 1_000_000).await;
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

bindings::export!(Back with_types_in bindings);
