//! What guests call: the limits of `wasmcloud:messaging`, then the broker.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance};

use super::ForComponent;
use super::backend::BrokerMessage;
use super::subject;
use crate::plugins::bindings::wasmcloud::messaging::{consumer, types};
use crate::plugins::view::{View, ViewOf, Views};
use crate::runtime::trace;

/// The largest body, in bytes: the most that a NATS server is advised to allow.
const MAX_BODY: usize = 8 << 20;
/// The longest that a request waits, in milliseconds: ten minutes.
pub const MAX_TIMEOUT_MS: u32 = 600_000;

/// Puts the interfaces into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: ViewOf<T, ForComponent>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, Views<ForComponent>>(linker, view)?;
    consumer::add_to_linker::<T, Views<ForComponent>>(linker, view)
}

/// Puts `wasmcloud:messaging/consumer` into a linker's instance for imports under a name of the component's own.
pub fn link_label<T: Send + 'static>(
    instance: &mut LinkerInstance<'_, T>,
    view: ViewOf<T, ForComponent>,
    label: Arc<str>,
) -> wasmtime::Result<()> {
    let of = label.clone();
    instance.func_wrap_async(
        "request",
        move |mut store: StoreContextMut<'_, T>, (subject, body, timeout): (String, Vec<u8>, u32)| {
            let of = of.clone();
            Box::new(async move {
                let View { state, table } = view(store.data_mut());
                let mut view = View { state: state.of_label(&of), table };
                Ok((consumer::Host::request(&mut view, subject, body, timeout).await?,))
            })
        },
    )?;
    let of = label.clone();
    instance.func_wrap_async(
        "publish",
        move |mut store: StoreContextMut<'_, T>, (message,): (types::BrokerMessage,)| {
            let of = of.clone();
            Box::new(async move {
                let View { state, table } = view(store.data_mut());
                let mut view = View { state: state.of_label(&of), table };
                Ok((consumer::Host::publish(&mut view, message).await?,))
            })
        },
    )?;
    Ok(())
}

impl types::Host for View<'_, ForComponent> {}

impl consumer::Host for View<'_, ForComponent> {
    async fn request(
        &mut self,
        subject: String,
        body: Vec<u8>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<types::BrokerMessage, String>> {
        let answer = async {
            check(&subject, &body)?;
            if !(1..=MAX_TIMEOUT_MS).contains(&timeout_ms) {
                return Err(format!("the time-out must be from 1 to {MAX_TIMEOUT_MS} ms: it is {timeout_ms}"));
            }
            let timeout = Duration::from_millis(timeout_ms.into());
            let span = trace::message("request", "client", &subject, body.len());
            let mut message = BrokerMessage { subject, body: body.into(), reply_to: None, trace: HeaderMap::new() };
            trace::pass_on(&span, &mut message.trace);
            let answer = trace::watched(span, self.state.broker.request(message, timeout)).await?;
            Ok(answer.into())
        };
        Ok(answer.await)
    }

    async fn publish(&mut self, message: types::BrokerMessage) -> wasmtime::Result<Result<(), String>> {
        let published = async {
            check(&message.subject, &message.body)?;
            if let Some(reply_to) = &message.reply_to {
                subject::check(reply_to).map_err(|error| format!("reply-to: {error}"))?;
            }
            let span = trace::message("publish", "producer", &message.subject, message.body.len());
            let mut message = BrokerMessage::from(message);
            trace::pass_on(&span, &mut message.trace);
            trace::watched(span, self.state.broker_of(&message.subject).publish(message)).await
        };
        Ok(published.await)
    }
}

/// Fails when a message cannot be sent.
pub fn check(subject: &str, body: &[u8]) -> Result<(), String> {
    subject::check(subject)?;
    match body.len() > MAX_BODY {
        true => Err(format!("the body is larger than {} MiB: it has {} bytes", MAX_BODY >> 20, body.len())),
        false => Ok(()),
    }
}

impl From<types::BrokerMessage> for BrokerMessage {
    fn from(message: types::BrokerMessage) -> Self {
        BrokerMessage {
            subject: message.subject,
            body: message.body.into(),
            reply_to: message.reply_to,
            trace: HeaderMap::new(),
        }
    }
}

impl From<BrokerMessage> for types::BrokerMessage {
    fn from(message: BrokerMessage) -> Self {
        types::BrokerMessage { subject: message.subject, body: message.body.into(), reply_to: message.reply_to }
    }
}
