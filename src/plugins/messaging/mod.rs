//! `wasmcloud:messaging`: messages between the components of a workload.
//!
//! [`host`] is what guests call, [`backend::Backend`] what carries the messages, a [`Handler`] what
//! receives them: whoever runs the workload makes one of each component that exports
//! `wasmcloud:messaging/handler`, with the [`Subscribed`] of the workload.

mod backend;
mod backends;
#[cfg(test)]
mod conformance;
pub mod host;
pub mod subject;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::runtime::workload::{Workload, WorkloadId};

use super::entry;
pub use backend::{Backend, Broker, BrokerMessage, Handler, Subscription};
pub use subject::Pattern;

/// The settings of an entry for `wasmcloud:messaging`.
const SETTINGS: &[&str] = &[SUBSCRIPTIONS, CONSUMER_GROUP];
const SUBSCRIPTIONS: &str = "subscriptions";
const CONSUMER_GROUP: &str = "consumer_group";

/// The capability on one host.
#[derive(Clone)]
pub struct Messaging {
    backend: Arc<dyn Backend>,
}

impl Messaging {
    /// Carries messages inside of this process.
    pub fn in_memory() -> Self {
        Messaging { backend: Arc::new(backends::memory::Memory::default()) }
    }

    /// Validates the workload's entries for `wasmcloud:messaging`.
    pub fn configure(&self, workload: &Workload) -> Result<ForComponent> {
        subscriptions_of(workload)?;
        Ok(ForComponent { broker: self.backend.broker(&workload.id()) })
    }

    /// Replaces all subscriptions of a workload in one step. Messages that are being handled stay with
    /// the handler that has them; those that wait go to the new handler of the same name, and those of
    /// a name that is not there any more are dropped.
    ///
    /// Panics outside of a tokio runtime: the messages are handed out by tasks.
    pub fn replace_subscriptions(&self, workload: &WorkloadId, subscriptions: Vec<Subscription>) {
        self.backend.broker(workload).replace_subscriptions(subscriptions);
    }

    /// Drops the workload's subscriptions and waiting messages. Instances that are still there can send
    /// nothing after it.
    pub fn forget(&self, workload: &WorkloadId) {
        self.backend.forget(workload);
    }
}

/// What a component is given.
#[derive(Clone)]
pub struct ForComponent {
    broker: Arc<dyn Broker>,
}

/// Which messages the handlers of a workload want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// At least one.
    pub patterns: Vec<Pattern>,
    /// Of all handlers with the same group, one is given each message; without a group, each.
    pub group: Option<String>,
}

/// Returns what the workload's handlers subscribe to: the settings `subscriptions` (patterns with commas
/// between them) and `consumer_group` of its entries that have the interface `handler`; everything,
/// where no entry says it.
pub fn subscriptions_of(workload: &Workload) -> Result<Subscribed> {
    let mut subscribed = Subscribed { patterns: Vec::new(), group: None };
    for entry in entry::of(workload, "wasmcloud", "messaging") {
        entry::check_settings(entry, SETTINGS)?;
        if let Some(setting) = SETTINGS.iter().find(|setting| entry.config.contains_key(**setting))
            && !entry::names(entry, "handler")
        {
            return Err(Error::usage(format!("`{setting}` is given for `wasmcloud:messaging` without a handler"))
                .hint("add `handler` to the `interfaces` of that entry"));
        }
        if let Some(list) = entry.config.get(SUBSCRIPTIONS) {
            for pattern in list.split(',') {
                let pattern = Pattern::new(pattern.trim()).map_err(|error| {
                    Error::usage(format!("`{SUBSCRIPTIONS}` of `wasmcloud:messaging` is wrong: {error}")).hint(
                        "write subjects with commas between them: `tasks.*, events.>`; without the setting, \
                               handlers receive every message",
                    )
                })?;
                subscribed.patterns.push(pattern);
            }
        }
        if let Some(group) = entry.config.get(CONSUMER_GROUP) {
            if group.is_empty() || group.contains(char::is_whitespace) {
                return Err(Error::usage(format!(
                    "`{CONSUMER_GROUP}` of `wasmcloud:messaging` is wrong: {group:?} is no name"
                )));
            }
            subscribed.group = Some(group.clone());
        }
    }
    if subscribed.patterns.is_empty() {
        subscribed.patterns.push(Pattern::everything());
    }
    Ok(subscribed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::workload::HostInterface;

    fn workload(interfaces: &[&str], config: &[(&str, &str)]) -> Workload {
        let entry = HostInterface {
            namespace: "wasmcloud".into(),
            package: "messaging".into(),
            interfaces: interfaces.iter().map(|name| name.to_string()).collect(),
            config: config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..Default::default()
        };
        Workload { host_interfaces: vec![entry], ..Default::default() }
    }

    fn patterns(workload: &Workload) -> Vec<String> {
        subscriptions_of(workload).unwrap().patterns.iter().map(Pattern::to_string).collect()
    }

    #[test]
    fn subscriptions_are_a_list_with_commas() {
        let workload = workload(&["consumer", "handler"], &[("subscriptions", "tasks.>, events.*")]);
        assert_eq!(patterns(&workload), ["tasks.>", "events.*"]);
    }

    #[test]
    fn without_subscriptions_handlers_receive_everything() {
        assert_eq!(patterns(&Workload::default()), [">"]);
        assert_eq!(patterns(&workload(&["handler"], &[])), [">"]);
    }

    #[test]
    fn a_wrong_subscription_is_an_error_that_names_it() {
        let error = subscriptions_of(&workload(&[], &[("subscriptions", "a.>.b")])).unwrap_err();
        assert_eq!(
            error.message(),
            "`subscriptions` of `wasmcloud:messaging` is wrong: `a.>.b` is no subscription: `>` can only be at its end"
        );
        assert!(subscriptions_of(&workload(&[], &[("subscriptions", "")])).is_err());
    }

    #[test]
    fn subscriptions_without_a_handler_are_an_error() {
        let error = subscriptions_of(&workload(&["consumer"], &[("subscriptions", "a")])).unwrap_err();
        assert_eq!(error.message(), "`subscriptions` is given for `wasmcloud:messaging` without a handler");
    }

    #[test]
    fn handlers_can_be_a_group() {
        let group = |name| subscriptions_of(&workload(&[], &[("consumer_group", name)])).map(|all| all.group);
        assert_eq!(group("workers").unwrap().as_deref(), Some("workers"));
        assert!(group("").is_err());
        assert!(group("a b").is_err());
    }
}
