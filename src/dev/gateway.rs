//! What a browser or client sees: the running version, and the state of the loop where there is
//! something to say.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};

use super::report::{Feed, Report};
use crate::error::Result;
use crate::host::http::{HostHandler, Router, Target, scheme_of};
use crate::host::routers::DevRouter;
use crate::runtime::fault;
use crate::runtime::http::{Body, Handler, Notice, full, plain};
use crate::runtime::observer::{CallId, Observer, RequestRecord, Stages};
use crate::runtime::workload::Workload;

/// The state of the loop, as far as a client is concerned.
pub enum Status {
    /// Nothing serves yet; this is what the loop is doing.
    Starting(String),
    /// All is well.
    Fine,
    /// The last build, link or start failed with this text.
    Broken(String),
}

/// Answers every request of the loop's port.
pub struct Gateway {
    workloads: DevRouter,
    status: ArcSwap<Status>,
    feed: Feed,
}

impl Gateway {
    /// Serves the loop's workload, and tells the feed what the server did by itself.
    pub fn new(feed: Feed) -> Self {
        Gateway {
            workloads: DevRouter::default(),
            status: ArcSwap::from_pointee(Status::Starting("starting".into())),
            feed,
        }
    }

    /// Says how things are.
    pub fn set_status(&self, status: Status) {
        self.status.store(Arc::new(status));
    }

    async fn answer(&self, request: Request<Incoming>, scheme: &http::uri::Scheme) -> Response<Body> {
        let html = wants_html(request.headers());
        let Some(ready) = self.workloads.serving() else {
            return match &**self.status.load() {
                Status::Broken(text) => not_ready("the build failed", text, html),
                Status::Starting(text) => not_ready("not built yet", text, html),
                Status::Fine => not_ready("not built yet", "starting", html),
            };
        };
        let Some(component) = ready.http() else {
            let text = match ready.workload().service {
                Some(_) => "the workload is a service without a component that answers HTTP requests",
                None => "the component answers no HTTP requests: it does not export `wasi:http/incoming-handler`",
            };
            return plain(StatusCode::NOT_FOUND, format!("{text}\n"));
        };
        match component.answer(request, scheme_of(scheme)).await {
            Ok(response) => match &**self.status.load() {
                Status::Broken(text) if html && is_html(response.headers()) => with_banner(response, text),
                _ => response,
            },
            Err(no_answer) => {
                let details = no_answer.fault().map(|fault| fault::render(fault)).unwrap_or_default();
                let mut response = page(no_answer.status(), no_answer.short_reason(), &details, html, false);
                if no_answer.is_worth_another_try() {
                    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                }
                response
            }
        }
    }
}

impl Handler for Gateway {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        scheme: http::uri::Scheme,
    ) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { self.answer(request, &scheme).await })
    }

    fn notice(&self, notice: Notice) {
        match notice {
            Notice::Refused { status, request: Some((method, path)), .. } => self.feed.request(RequestRecord {
                call: CallId::default(),
                scheme: "http",
                method,
                path,
                status: status.as_u16(),
                time: Duration::ZERO,
                stages: Stages::default(),
                generation: self.workloads.serving().map_or(0, |ready| ready.generation()),
                client_left: false,
                cut: false,
            }),
            Notice::Refused { status, request: None, reason } => {
                self.warn(format!("a request was refused with {}: {reason}", status.as_u16()), None);
            }
            Notice::NoHandshake { reason } => self.warn(format!("no TLS connection with a client: {reason}"), None),
            Notice::CertificateRenewed => self.feed.try_tell(Report::CertificateRenewed),
            Notice::CertificateUnusable(error) => self.warn(
                format!("the changed certificate cannot be used, the one before stays: {error}"),
                error.hints().first().cloned(),
            ),
        }
    }
}

/// The loop has servers of its own, which move to other addresses; the host only brings the workload.
impl HostHandler for Gateway {
    fn on_workload_bind(&self, workload: &Workload, target: &Target) -> Result<()> {
        self.workloads.on_workload_bind(workload, target)
    }

    fn on_workload_unbind(&self, workload_id: &str) {
        self.workloads.on_workload_unbind(workload_id);
    }

    fn stop(&self, _: Duration) -> BoxFuture<'_, usize> {
        Box::pin(std::future::ready(0))
    }
}

impl Gateway {
    /// Told as far as there is room: serving threads do not wait for a terminal.
    fn warn(&self, message: String, hint: Option<String>) {
        self.feed.try_tell(Report::Warning { message, hint });
    }
}

fn not_ready(title: &str, text: &str, html: bool) -> Response<Body> {
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, title, text, html, true);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A browser's navigation asks for HTML by name; `*/*` is a program.
fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|value| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("text/html")))
}

fn is_html(headers: &HeaderMap) -> bool {
    let html = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"));
    // A compressed page cannot be added to.
    html && !headers.contains_key(header::CONTENT_ENCODING)
}

/// A page of our own: for browsers as HTML, which looks again by itself where that helps.
fn page(status: StatusCode, title: &str, text: &str, html: bool, again: bool) -> Response<Body> {
    if !html {
        let text = text.trim_end();
        let body = if text.is_empty() { format!("{title}\n") } else { format!("{title}\n\n{text}\n") };
        return plain(status, body);
    }
    let refresh = if again { "<meta http-equiv=\"refresh\" content=\"1\">" } else { "" };
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>wash: {title}</title>{refresh}\
         <style>body{{font:16px system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem}}\
         pre{{background:#8881;padding:1rem;overflow:auto;border-left:4px solid #c33}}\
         :root{{color-scheme:light dark}}</style><h1>{title}</h1><pre>{text}</pre></html>",
        title = escape(title),
        text = escape(text),
    );
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The page of the version that still serves, with the failure shown over its lower end.
fn with_banner(response: Response<Body>, text: &str) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let banner = format!(
        "<div style=\"position:fixed;left:0;right:0;bottom:0;max-height:50%;overflow:auto;z-index:2147483647;\
         background:#300;color:#fdd;font:14px ui-monospace,monospace;padding:1rem;border-top:4px solid #f55\">\
         <b>wash: this is the last version that worked</b><pre style=\"white-space:pre-wrap\">{}</pre></div>",
        escape(text)
    );
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::ETAG);
    head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let banner = futures::stream::once(async move { Ok(Frame::data(Bytes::from(banner))) });
    let body = futures::StreamExt::chain(http_body_util::BodyStream::new(body), banner);
    Response::from_parts(head, http_body_util::StreamBody::new(body).boxed_unsync())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_navigation_wants_html() {
        let mut headers = HeaderMap::new();
        assert!(!wants_html(&headers));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        assert!(!wants_html(&headers));
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml;q=0.9"));
        assert!(wants_html(&headers));
    }

    #[test]
    fn text_of_a_tool_is_not_markup() {
        assert_eq!(escape("Vec<u8> & \"x\""), "Vec&lt;u8&gt; &amp; &quot;x&quot;");
    }
}
