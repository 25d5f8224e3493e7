//! Delivers messages to the components that export `wasmcloud:messaging/handler`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tracing::Instrument;

use crate::error::{Error, Result};
use crate::plugins::Installed;
use crate::plugins::bindings::{MessageHandlerPre, wasmcloud::messaging::types};
use crate::plugins::messaging::{Broker, BrokerMessage, Handler, Source, Subscription};
use crate::runtime::capability::GuestOf;
use crate::runtime::cpu;
use crate::runtime::fault;
use crate::runtime::observer::{CallId, MessageRecord};
use crate::runtime::prepare::Prepared;
use crate::runtime::stdio::CallOutput;
use crate::runtime::trace;
use crate::runtime::workload::{Workload, WorkloadId};

/// The handlers of one version of a workload, not yet subscribed.
pub struct Handlers {
    capabilities: Arc<Installed>,
    /// With each broker of the workload, who subscribes there.
    routes: Vec<(Arc<dyn Broker>, Vec<Subscription>)>,
}

impl Handlers {
    /// Finds the components that handle messages.
    pub fn of(workload: &Workload, members: &[Arc<Prepared<Installed>>], capabilities: Arc<Installed>) -> Result<Self> {
        let messaging = capabilities.messaging();
        let mut routes = vec![(messaging.broker(workload)?, Vec::new())];
        for member in members.iter().filter(|member| member.exports("wasmcloud:messaging/handler@0.2")) {
            let pre = MessageHandlerPre::new(member.pre().clone()).map_err(|error| {
                Error::failed(format!("the message handler of `{}` cannot be called", member.name))
                    .cause(format!("{error:#}"))
            })?;
            for Source { name, subscribed: wanted, broker } in messaging.subscribed(workload)? {
                let name = name.map_or(member.name.to_string(), |entry| format!("{}/{entry}", member.name));
                let subscription = Subscription {
                    name,
                    patterns: wanted.patterns,
                    group: wanted.group,
                    broadcast: wanted.broadcast,
                    in_flight: wanted.in_flight,
                    admission_wait: wanted.admission_wait,
                    handler: Arc::new(MessageComponent {
                        member: member.clone(),
                        pre: pre.clone(),
                        broker: broker.clone(),
                    }),
                };
                match routes.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &broker)) {
                    Some((_, subscriptions)) => subscriptions.push(subscription),
                    None => routes.push((broker, vec![subscription])),
                }
            }
        }
        Ok(Handlers { capabilities, routes })
    }

    /// Makes these the handlers of the workload, instead of those before.
    pub fn subscribe(&self, workload: &WorkloadId) {
        self.capabilities.messaging().replace_subscriptions(workload, self.routes.clone());
    }

    /// Leaves the workload without handlers.
    pub fn unsubscribe(&self, workload: &WorkloadId) {
        let nobody = self.routes.iter().map(|(broker, _)| (broker.clone(), Vec::new()));
        self.capabilities.messaging().replace_subscriptions(workload, nobody.collect());
    }
}

/// A component that handles messages, each in a fresh instance.
struct MessageComponent {
    member: Arc<Prepared<Installed>>,
    pre: MessageHandlerPre<GuestOf<Installed>>,
    /// What brings the messages.
    broker: Arc<dyn Broker>,
}

impl Handler for MessageComponent {
    fn handle(&self, message: BrokerMessage) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let member = &self.member;
            // The broker holds further messages back; each call ends in its time.
            let Ok(_permit) = member.calls.acquire().await else { return Err("the component is gone".into()) };
            let what = format!("message to {}", message.subject);
            let span = trace::message("process", "consumer", &message.subject, message.body.len());
            trace::continue_trace(&span, &message.trace);
            let output = member.output();
            let call_id = CallId::next(trace::id(&span));
            output.serve(call_id);
            let begun = Instant::now();
            let mut record = MessageRecord {
                call: call_id,
                component: member.name.clone(),
                subject: message.subject.clone(),
                body: message.body.clone(),
                reply_to: message.reply_to.clone(),
                time: Duration::ZERO,
                error: None,
            };
            let limit = member.limits.request_time;
            let call = self.call(message, &output).instrument(span.clone());
            let work = cpu::held(member.cpu(), Box::pin(call));
            let error = match tokio::time::timeout(limit, work).await {
                Ok(Ok(Ok(()))) => {
                    record.time = begun.elapsed();
                    member.observer().message(record);
                    return Ok(());
                }
                // What the component itself says goes to whoever waits for an answer, and to the terminal.
                Ok(Ok(Err(reason))) => wasmtime::Error::msg(format!("it refused the message: {reason}")),
                Ok(Err(trap)) => trap,
                Err(_) => wasmtime::Error::msg(format!("no end within {} seconds", limit.as_secs_f64())),
            };
            let fault = fault::describe(&member.name, what, &error, output.finish());
            let reason = fault.reason.clone();
            record.time = begun.elapsed();
            record.error = Some(reason.clone());
            member.observer().message(record);
            trace::record_error(&span, "component_failed");
            member.observer().fault(fault);
            Err(reason)
        })
    }
}

impl MessageComponent {
    async fn call(&self, message: BrokerMessage, output: &Arc<CallOutput>) -> wasmtime::Result<Result<(), String>> {
        let mut store = self.member.store(output)?;
        if let Some(subject) = &message.reply_to {
            store.data_mut().capabilities.answer_through(subject, &self.broker);
        }
        let name = &self.member.name;
        let component = self.pre.instantiate_async(&mut store).instrument(trace::instantiate(name)).await?;
        let message =
            types::BrokerMessage { subject: message.subject, body: message.body.to_vec(), reply_to: message.reply_to };
        let handler = component.wasmcloud_messaging_handler();
        let guest = trace::guest("handle-message", name);
        handler.call_handle_message(&mut store, &message).instrument(guest).await
    }
}
