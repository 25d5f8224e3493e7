//! Requests that guests send.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tracing::Instrument;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

use super::client::Client;
use super::streaming::drain;
use crate::runtime::trace;

/// How requests of a guest are sent.
pub struct Outgoing {
    pub client: Arc<Client>,
}

type Done = Box<dyn Future<Output = Result<()>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Done,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Done)>> + Send> {
        let mut request = request.map(|body| Draining(Some(body)).boxed_unsync());
        // Below the call of the guest, which is what runs now.
        let span = trace::outgoing(&request);
        trace::pass_on(&span, request.headers_mut());
        let sent = self.client.clone().send(request, options.unwrap_or_default());
        // The client drives its connections itself.
        Box::new(async move {
            let sent = sent.instrument(span.clone()).await;
            trace::received(&span, &sent);
            Ok((sent?, Box::new(std::future::ready(Ok(()))) as Done))
        })
    }
}

/// A request's body that is read to its end even when the client has no use for it.
///
/// The HTTP client drops the body of a GET at once. A guest that writes its (empty) body a moment
/// later would be told that its stream is closed and take the request for failed.
struct Draining(Option<WasiBody>);

impl Body for Draining {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let frame = futures::ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if let (Some(body), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            // Ends with the guest, which holds the other end.
            runtime.spawn(drain(body));
        }
    }
}
