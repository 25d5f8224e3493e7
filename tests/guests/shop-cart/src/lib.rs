//! Works for `shop-front`; exports `test:shop/cart`.

mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "shop-cart",
        with: {
            "wasi:io/error@0.2.1": wasip2::io::error,
            "wasi:io/poll@0.2.1": wasip2::io::poll,
            "wasi:io/streams@0.2.1": wasip2::io::streams,
        },
        generate_all,
    });
}

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bindings::exports::test::shop0_1_3::cart::{Basket, BasketBorrow, Guest, GuestBasket, Item};
use bindings::wasi::config::store;
use bindings::wasi::logging::logging::{self, Level};
#[cfg(feature = "otel")]
use bindings::wasi::otel::{logs, tracing};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
use wasip2::io::streams::{InputStream, StreamError};

/// Records a log record in the span of the host.
#[cfg(feature = "otel")]
fn record(text: &str) {
    let outer = tracing::outer_span_context();
    logs::on_emit(&logs::LogRecord {
        timestamp: None,
        observed_timestamp: None,
        severity_text: None,
        severity_number: None,
        body: Some(format!("cart records {text}")),
        attributes: None,
        event_name: None,
        resource: None,
        instrumentation_scope: None,
        trace_id: Some(outer.trace_id),
        span_id: Some(outer.span_id),
        trace_flags: None,
    });
}

static CALLS: AtomicU32 = AtomicU32::new(0);

struct Cart;

struct Content(RefCell<Vec<Item>>);

impl Drop for Content {
    fn drop(&mut self) {
        assert!(self.0.borrow().iter().all(|item| item.name != "poison"), "cart panic while a basket is dropped");
    }
}

impl GuestBasket for Content {
    fn new(_owner: String) -> Self {
        Content(RefCell::default())
    }

    fn add(&self, item: Item) -> Result<u32, String> {
        if item.count == 0 {
            return Err(format!("no {}", item.name));
        }
        self.0.borrow_mut().push(item);
        Ok(self.0.borrow().len() as u32)
    }

    fn items(&self) -> Vec<Item> {
        self.0.borrow().clone()
    }
}

impl Guest for Cart {
    type Basket = Content;

    fn merge(into: BasketBorrow<'_>, other: Basket) -> u32 {
        let items = other.into_inner::<Content>().0.take();
        let into = into.get::<Content>();
        into.0.borrow_mut().extend(items);
        into.0.borrow().len() as u32
    }

    fn increment(mut data: Vec<u8>) -> Vec<u8> {
        for byte in &mut data {
            *byte = byte.wrapping_add(1);
        }
        data
    }

    fn measure(body: InputStream) -> Result<u64, String> {
        let mut length = 0;
        loop {
            match body.blocking_read(64 << 10) {
                Ok(part) => length += part.len() as u64,
                Err(StreamError::Closed) => return Ok(length),
                Err(error) => return Err(format!("{error:?}")),
            }
        }
    }

    fn calls() -> u32 {
        CALLS.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn belongings() -> Vec<String> {
        let mut lines: Vec<String> = std::env::vars().map(|(name, value)| format!("env {name}={value}")).collect();
        let config = store::get_all().unwrap_or_default();
        lines.extend(config.into_iter().map(|(key, value)| format!("config {key}={value}")));
        let folders = wasip2::filesystem::preopens::get_directories();
        lines.extend(folders.into_iter().map(|(_, path)| format!("folder {path}")));
        lines.sort();
        lines
    }

    fn say(text: String) {
        println!("cart says {text}");
        eprintln!("cart warns {text}");
        logging::log(Level::Info, "shop", &format!("cart logs {text}"));
        #[cfg(feature = "otel")]
        record(&text);
    }

    fn fail() {
        panic!("cart panic on purpose");
    }

    fn news() -> String {
        "0.1.3".into()
    }

    fn reach(address: String) -> String {
        if let Some(authority) = address.strip_prefix("http://") {
            return status(authority);
        }
        std::net::TcpStream::connect(address).map_or_else(|error| error.kind().to_string(), |_| "reached".into())
    }

    fn pause(milliseconds: u32) {
        std::thread::sleep(Duration::from_millis(milliseconds.into()));
    }
}

/// Status of a request to this host and port, or why there is none.
fn status(authority: &str) -> String {
    let request = OutgoingRequest::new(Fields::new());
    let set = request.set_scheme(Some(&Scheme::Http)).and(request.set_authority(Some(authority)));
    set.and(request.set_path_with_query(Some("/hello"))).expect("a request");
    match outgoing_handler::handle(request, None) {
        Err(code) => format!("{code:?}"),
        Ok(answer) => {
            answer.subscribe().block();
            match answer.get() {
                Some(Ok(Ok(response))) => response.status().to_string(),
                Some(Ok(Err(code))) => format!("{code:?}"),
                _ => "nothing".into(),
            }
        }
    }
}

bindings::export!(Cart with_types_in bindings);
