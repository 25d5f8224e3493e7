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

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::runtime::workload::{HostInterface, Workload, WorkloadId};

use super::entry;
use super::remote::{ServerUrl, Servers};
pub use backend::{Backend, Broker, BrokerMessage, Handler, Subscription};
use backends::{memory::Memory, nats::NatsMessages};
pub use subject::Pattern;

/// What carries a host's messages for which a workload does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Inside of this process.
    #[default]
    Memory,
    /// Through NATS.
    Nats(ServerUrl),
}

/// The settings of an entry for `wasmcloud:messaging`.
const SETTINGS: &[&str] =
    &[ADMISSION_WAIT, BACKEND, BROADCAST, CONSUMER_GROUP, MAX_IN_FLIGHT, PREFIX, SUBSCRIPTIONS, URL];
/// Those that only an entry with the interface `handler` has.
const OF_HANDLERS: &[&str] = &[ADMISSION_WAIT, BROADCAST, CONSUMER_GROUP, MAX_IN_FLIGHT, SUBSCRIPTIONS];
/// Those that say what carries the messages.
const OF_TRANSPORT: &[&str] = &[BACKEND, PREFIX, URL];
const ADMISSION_WAIT: &str = "admission_wait";
const BACKEND: &str = "backend";
const BROADCAST: &str = "broadcast";
const CONSUMER_GROUP: &str = "consumer_group";
const MAX_IN_FLIGHT: &str = "max_in_flight";
const PREFIX: &str = "prefix";
const SUBSCRIPTIONS: &str = "subscriptions";
const URL: &str = "url";

/// The capability on one host.
#[derive(Clone)]
pub struct Messaging {
    transport: Transport,
    servers: Servers,
    memory: Arc<Memory>,
    brokers: Arc<Mutex<Brokers>>,
}

#[derive(Default)]
struct Brokers {
    /// By server and prefix.
    nats: HashMap<(ServerUrl, Option<String>), Arc<NatsMessages>>,
    /// With whom the running version of a workload has subscribed.
    active: HashMap<WorkloadId, Vec<Arc<dyn Broker>>>,
}

impl Messaging {
    /// A server is connected to when it is used.
    pub fn new(transport: &Transport, servers: &Servers) -> Self {
        Messaging {
            transport: transport.clone(),
            servers: servers.clone(),
            memory: Arc::default(),
            brokers: Arc::default(),
        }
    }

    /// The same capability with another transport, for workloads that are configured from now on.
    pub fn with(&self, transport: &Transport, servers: &Servers) -> Self {
        Messaging { transport: transport.clone(), servers: servers.clone(), ..self.clone() }
    }

    /// Validates the workload's entries for `wasmcloud:messaging`.
    ///
    /// Fails with a server outside of a tokio runtime: its connection lives there.
    pub fn configure(&self, workload: &Workload) -> Result<ForComponent> {
        let entries = Entries::of(workload)?;
        entries.all().try_for_each(|entry| subscribed_by(&[entry]).map(drop))?;
        subscribed_by(&entries.unnamed)?;
        let component = |broker| ForComponent { broker, labels: BTreeMap::new(), answer: None };
        let labels = entries.named.iter().map(|(name, entry)| {
            let broker = self.broker_of(workload, &[entry])?;
            Ok((name.to_string(), component(broker)))
        });
        let labels = labels.collect::<Result<_>>()?;
        Ok(ForComponent { labels, ..component(self.broker(workload)?) })
    }

    /// What carries the messages of a workload that no entry with a name is for.
    pub fn broker(&self, workload: &Workload) -> Result<Arc<dyn Broker>> {
        self.broker_of(workload, &Entries::of(workload)?.unnamed)
    }

    /// What carries the messages that these entries are for.
    fn broker_of(&self, workload: &Workload, entries: &[&HostInterface]) -> Result<Arc<dyn Broker>> {
        let mut of_transport =
            entries.iter().filter(|entry| OF_TRANSPORT.iter().any(|setting| entry.config.contains_key(*setting)));
        let entry = of_transport.next();
        if of_transport.next().is_some() {
            return Err(Error::usage("two entries for `wasmcloud:messaging` say what carries the messages")
                .hint("give each a `name`: the one under which components import `wasmcloud:messaging/consumer`")
                .hint(format!("or have {} in one of them only", entry::list(OF_TRANSPORT))));
        }
        let id = workload.id();
        let Some(entry) = entry else {
            return match &self.transport {
                Transport::Memory => Ok(self.memory.broker(&id)),
                Transport::Nats(url) => Ok(self.nats(url, None)?.broker(&id)),
            };
        };
        entry::check_settings(entry, SETTINGS)?;
        match entry.config.get(BACKEND).map(String::as_str) {
            Some("memory" | "in-memory" | "in_memory") => {
                entry::check_backend_settings(entry, "memory", OF_HANDLERS)?;
                Ok(self.memory.broker(&id))
            }
            Some("nats") | None => {
                let of_host = match &self.transport {
                    Transport::Nats(url) => Some(url.clone()),
                    Transport::Memory => self.servers.nats_url.clone(),
                };
                let url = entry::setting(entry, URL, ServerUrl::nats)?.or(of_host).ok_or_else(|| {
                    Error::usage(format!("the backend `nats` of `wasmcloud:messaging` needs the setting `{URL}`"))
                        .hint("add `url: nats://127.0.0.1:4222`, with your address, to the `config` of the entry")
                })?;
                let prefix = entry::setting(entry, PREFIX, |prefix| {
                    subject::check(prefix)?;
                    Ok(prefix.to_string())
                })?;
                Ok(self.nats(&url, prefix)?.broker(&id))
            }
            Some(other) => Err(Error::usage(format!("`wasmcloud:messaging` has no backend `{other}`"))
                .hint("the backends of `wasmcloud:messaging` are `memory`, `nats`")),
        }
    }

    /// What the workload's handlers subscribe to: with the entries without a name, and with each that has one
    /// and is for handlers.
    ///
    /// Fails when they would be given everything that anybody sends through a NATS server: on a server that
    /// is shared, a workload sees of others only what the operator has named.
    pub fn subscribed(&self, workload: &Workload) -> Result<Vec<Source>> {
        let entries = Entries::of(workload)?;
        let mut sources = Vec::new();
        let of_handlers = entries.named.iter().filter(|(_, entry)| !entries.is_only(entry) && is_for_handlers(entry));
        for (name, entry) in of_handlers {
            sources.push(self.source(workload, Some(name), &[entry])?);
        }
        // What only others are asked for is not asked for here, too.
        if sources.is_empty() || !entries.unnamed.is_empty() {
            sources.push(self.source(workload, None, &entries.unnamed)?);
        }
        Ok(sources)
    }

    fn source(&self, workload: &Workload, name: Option<&str>, entries: &[&HostInterface]) -> Result<Source> {
        let (subscribed, broker) = (subscribed_by(entries)?, self.broker_of(workload, entries)?);
        let of = |setting: &str| entries.iter().any(|entry| entry.config.contains_key(setting));
        if broker.is_common() && !of(SUBSCRIPTIONS) {
            return Err(Error::usage(
                "the handlers of messages would be given everything on the NATS server, also of others",
            )
            .hint(format!(
                "name what they are for: `{SUBSCRIPTIONS}: tasks.>` in the `config` of an entry for \
                     `wasmcloud:messaging` with `interfaces: [handler]` (`>` is everything)"
            ))
            .hint(format!("or have subjects of its own for the workload: `{PREFIX}: NAME`")));
        }
        Ok(Source { name: name.map(String::from), subscribed, broker })
    }

    fn nats(&self, url: &ServerUrl, prefix: Option<String>) -> Result<Arc<NatsMessages>> {
        let server = self.servers.connections.nats(url)?;
        let mut brokers = self.lock();
        let place = brokers.nats.entry((url.clone(), prefix.clone()));
        Ok(place.or_insert_with(|| Arc::new(NatsMessages::new(server, prefix))).clone())
    }

    /// Replaces all subscriptions of a workload, with each broker of its new version in one step.
    /// Messages that are being handled stay with the handler that has them; those that wait go to the
    /// new handler of the same name, and those of a name that is not there any more are dropped.
    ///
    /// Panics outside of a tokio runtime: the messages are handed out by tasks.
    pub fn replace_subscriptions(&self, workload: &WorkloadId, routes: Vec<(Arc<dyn Broker>, Vec<Subscription>)>) {
        let brokers: Vec<_> = routes.iter().map(|(broker, _)| broker.clone()).collect();
        for (broker, subscriptions) in routes {
            broker.replace_subscriptions(subscriptions);
        }
        let before = self.lock().active.insert(workload.clone(), brokers.clone()).unwrap_or_default();
        let unused = |before: &Arc<dyn Broker>| !brokers.iter().any(|broker| Arc::ptr_eq(before, broker));
        for before in before.into_iter().filter(unused) {
            before.replace_subscriptions(Vec::new());
        }
    }

    /// Drops the workload's subscriptions and waiting messages. Instances that are still there can send
    /// nothing after it.
    pub fn forget(&self, workload: &WorkloadId) {
        self.memory.forget(workload);
        let mut brokers = self.lock();
        brokers.active.remove(workload);
        brokers.nats.values().for_each(|nats| nats.forget(workload));
    }

    fn lock(&self) -> MutexGuard<'_, Brokers> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a component is given.
#[derive(Clone)]
pub struct ForComponent {
    broker: Arc<dyn Broker>,
    /// What it is given by imports under a name of its own, where an entry has this name.
    labels: BTreeMap<String, ForComponent>,
    /// The subject that the answer to a message goes to, and what has brought the message.
    answer: Option<(String, Arc<dyn Broker>)>,
}

impl ForComponent {
    /// What an import under this name is given.
    fn of_label(&self, label: &str) -> &ForComponent {
        self.labels.get(label).unwrap_or(self)
    }

    /// What carries a message to this subject: an answer goes back the way that the question came.
    fn broker_of(&self, subject: &str) -> &Arc<dyn Broker> {
        match &self.answer {
            Some((reply_to, broker)) if reply_to == subject => broker,
            _ => &self.broker,
        }
    }

    /// The same for an instance that handles a message: its answer, to this subject, goes back by `broker`.
    /// `None` where that makes no difference.
    pub fn answering(&self, subject: &str, broker: &Arc<dyn Broker>) -> Option<ForComponent> {
        let answer = Some((subject.to_string(), broker.clone()));
        (!Arc::ptr_eq(&self.broker, broker)).then(|| ForComponent { answer, ..self.clone() })
    }
}

/// The entries of a workload.
struct Entries<'a> {
    /// For whatever has no name. One entry is for that, too, whatever its own name is.
    unnamed: Vec<&'a HostInterface>,
    named: BTreeMap<&'a str, &'a HostInterface>,
}

impl<'a> Entries<'a> {
    fn of(workload: &'a Workload) -> Result<Self> {
        let mut entries = Entries { unnamed: Vec::new(), named: BTreeMap::new() };
        for found in entry::of(workload, "wasmcloud", "messaging") {
            match entry::name_of(found)? {
                None => entries.unnamed.push(found),
                Some(name) if entries.named.contains_key(name) => return Err(entry::twice(found, name)),
                Some(name) => drop(entries.named.insert(name, found)),
            }
        }
        if entries.unnamed.is_empty() && entries.named.len() == 1 {
            entries.unnamed.extend(entries.named.values());
        }
        Ok(entries)
    }

    fn all(&self) -> impl Iterator<Item = &'a HostInterface> {
        self.unnamed.iter().chain(self.named.values()).copied()
    }

    /// Whether it is the only one.
    fn is_only(&self, entry: &HostInterface) -> bool {
        self.unnamed.iter().any(|unnamed| std::ptr::eq(*unnamed, entry))
    }
}

/// Whether handlers subscribe with an entry that has a name.
fn is_for_handlers(entry: &HostInterface) -> bool {
    entry.interfaces.iter().any(|name| name == "handler")
        || OF_HANDLERS.iter().any(|setting| entry.config.contains_key(*setting))
}

/// Where handlers get their messages from.
pub struct Source {
    /// The name of the entry, where it has one of several.
    pub name: Option<String>,
    pub subscribed: Subscribed,
    pub broker: Arc<dyn Broker>,
}

/// Which messages the handlers of a workload want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// At least one.
    pub patterns: Vec<Pattern>,
    /// Of all handlers with the same group, one is given each message; without a group, each.
    pub group: Option<String>,
    /// Every host that runs the workload is given each message.
    pub broadcast: bool,
    /// How many messages one handler is given at one time.
    pub in_flight: usize,
    /// How long a message may wait for its turn; then it is thrown away. `None`: as long as it takes.
    pub admission_wait: Option<Duration>,
}

/// The most that `max_in_flight` may be: instances cost memory.
const MOST_IN_FLIGHT: usize = 4096;
/// The most seconds that `admission_wait` may be: ten minutes.
const MOST_ADMISSION_WAIT: u64 = 600;

/// Returns what handlers subscribe to with these entries: the settings `subscriptions` (patterns with commas
/// between them), `consumer_group` and `broadcast` of those that have the interface `handler`; everything,
/// where no entry says it.
fn subscribed_by(entries: &[&HostInterface]) -> Result<Subscribed> {
    let mut subscribed = Subscribed {
        patterns: Vec::new(),
        group: None,
        broadcast: false,
        in_flight: backend::IN_FLIGHT,
        admission_wait: None,
    };
    for entry in entries {
        entry::check_settings(entry, SETTINGS)?;
        if let Some(setting) = OF_HANDLERS.iter().find(|setting| entry.config.contains_key(**setting))
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
        subscribed.broadcast |= entry::flag(entry, BROADCAST)?;
        let in_flight = entry::setting(entry, MAX_IN_FLIGHT, |text| match text.parse() {
            Ok(number @ 1..=MOST_IN_FLIGHT) => Ok(number),
            _ => Err(format!("write a number from 1 to {MOST_IN_FLIGHT}, not `{text}`")),
        })?;
        subscribed.in_flight = in_flight.unwrap_or(subscribed.in_flight);
        let wait = entry::setting(entry, ADMISSION_WAIT, |text| {
            let seconds = text.strip_suffix('s').unwrap_or(text).parse().ok();
            let time = seconds.filter(|seconds| (1..=MOST_ADMISSION_WAIT).contains(seconds)).map(Duration::from_secs);
            time.ok_or_else(|| format!("write seconds from 1 to {MOST_ADMISSION_WAIT}, e.g. `30s`, not `{text}`"))
        })?;
        subscribed.admission_wait = wait.or(subscribed.admission_wait);
    }
    if subscribed.broadcast && subscribed.group.is_some() {
        return Err(Error::usage(format!("`{BROADCAST}` and `{CONSUMER_GROUP}` of `wasmcloud:messaging` contradict"))
            .hint("keep one of the two: a group gives each message to one of its members"));
    }
    if subscribed.patterns.is_empty() {
        subscribed.patterns.push(Pattern::everything());
    }
    Ok(subscribed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriptions_of(workload: &Workload) -> Result<Subscribed> {
        subscribed_by(&Entries::of(workload)?.unnamed)
    }

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

    #[test]
    fn a_handler_may_be_given_fewer_messages_at_a_time_and_only_fresh_ones() {
        let of = |config: &[(&str, &str)]| subscriptions_of(&workload(&["handler"], config));
        let subscribed = of(&[("max_in_flight", "3"), ("admission_wait", "30s")]).unwrap();
        assert_eq!((subscribed.in_flight, subscribed.admission_wait), (3, Some(Duration::from_secs(30))));
        assert_eq!(of(&[]).unwrap().in_flight, backend::IN_FLIGHT);
        for wrong in
            [("max_in_flight", "0"), ("max_in_flight", "x"), ("admission_wait", "601"), ("admission_wait", "1m")]
        {
            assert!(of(&[wrong]).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn handlers_on_a_common_server_name_what_they_want() {
        let messaging = Messaging::new(&Transport::Memory, &Servers::default());
        let of = |config: &[(&str, &str)]| messaging.subscribed(&workload(&["handler"], config));
        let url = ("url", "nats://127.0.0.1:1");
        assert!(of(&[]).is_ok(), "in memory, messages are the workload's own");
        let error = of(&[url]).err().unwrap();
        assert!(error.message().contains("everything on the NATS server"), "{error}");
        assert!(error.hints().iter().any(|hint| hint.contains("subscriptions: tasks.>")), "{:?}", error.hints());
        assert!(of(&[url, ("subscriptions", ">")]).is_ok());
        assert!(of(&[url, ("prefix", "shop")]).is_ok());
    }

    #[test]
    fn a_broadcast_has_no_group() {
        assert!(subscriptions_of(&workload(&[], &[("broadcast", "true")])).unwrap().broadcast);
        assert!(subscriptions_of(&workload(&[], &[("broadcast", "yes")])).is_err());
        assert!(subscriptions_of(&workload(&[], &[("broadcast", "true"), ("consumer_group", "a")])).is_err());
    }

    #[tokio::test]
    async fn an_entry_says_what_carries_the_messages() {
        let messaging = Messaging::new(&Transport::Memory, &Servers::default());
        let broker = |config| messaging.broker(&workload(&[], config));
        let (one, again) = (broker(&[]).unwrap(), broker(&[("backend", "memory")]).unwrap());
        assert!(Arc::ptr_eq(&one, &again));
        let nats = [("url", "nats://127.0.0.1:1")];
        assert!(Arc::ptr_eq(&broker(&nats).unwrap(), &broker(&nats).unwrap()));
        assert!(!Arc::ptr_eq(&broker(&nats).unwrap(), &one));
        let error = |config| broker(config).err().unwrap().message().to_string();
        assert_eq!(
            error(&[("backend", "nats")]),
            "the backend `nats` of `wasmcloud:messaging` needs the setting `url`"
        );
        assert_eq!(error(&[("backend", "kafka")]), "`wasmcloud:messaging` has no backend `kafka`");
        assert!(error(&[("url", "nats://127.0.0.1:1"), ("prefix", "a..b")]).contains("`prefix`"));
        let two = Workload {
            host_interfaces: [workload(&[], &nats), workload(&[], &nats)]
                .map(|mut w| w.host_interfaces.remove(0))
                .into(),
            ..Workload::default()
        };
        let error = messaging.broker(&two).err().unwrap();
        assert!(error.message().contains("two entries") && error.hints()[0].contains("give each a `name`"), "{error}");
    }

    /// The name of an entry, and its settings.
    type Entry<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)]);

    fn named(entries: &[Entry<'_>]) -> Workload {
        let entry = |(name, config): &(Option<&str>, &[(&str, &str)])| HostInterface {
            name: name.map(String::from),
            ..workload(&[], config).host_interfaces.remove(0)
        };
        Workload { host_interfaces: entries.iter().map(entry).collect(), ..Workload::default() }
    }

    #[tokio::test]
    async fn entries_with_names_are_several_backends_at_once() {
        let messaging = Messaging::new(&Transport::Memory, &Servers::default());
        let nats: &[(&str, &str)] = &[("url", "nats://127.0.0.1:1"), ("subscriptions", "orders.>")];
        let local: &[(&str, &str)] = &[("backend", "memory"), ("subscriptions", "local.>")];
        let both = named(&[(Some("orders"), nats), (Some("local"), local)]);
        let state = messaging.configure(&both).unwrap();
        let memory = messaging.broker(&both).unwrap();
        assert!(Arc::ptr_eq(&state.of_label("local").broker, &memory));
        assert!(Arc::ptr_eq(&state.of_label("elsewhere").broker, &memory));
        let orders = &state.of_label("orders").broker;
        assert!(!Arc::ptr_eq(orders, &memory));
        let sources = messaging.subscribed(&both).unwrap();
        let names: Vec<_> = sources.iter().map(|source| source.name.as_deref()).collect();
        assert_eq!(names, [Some("local"), Some("orders")], "nothing is subscribed to beside");
        assert!(Arc::ptr_eq(&sources[1].broker, orders));
        // An answer goes back the way that its question came, and nothing else does.
        let answering = state.answering("_INBOX.x", orders).unwrap();
        assert!(Arc::ptr_eq(answering.broker_of("_INBOX.x"), orders));
        assert!(Arc::ptr_eq(answering.broker_of("local.x"), &memory));
        assert!(state.answering("_INBOX.x", &memory).is_none());
        // One without a name is for all the rest; one that is alone is for everything.
        let rest = named(&[(Some("orders"), nats), (None, local)]);
        let names: Vec<_> = messaging.subscribed(&rest).unwrap().into_iter().map(|source| source.name).collect();
        assert_eq!(names, [Some("orders".to_string()), None]);
        let alone = named(&[(Some("orders"), nats)]);
        assert!(Arc::ptr_eq(&messaging.broker(&alone).unwrap(), orders));
        assert_eq!(messaging.subscribed(&alone).unwrap().len(), 1);
    }

    #[test]
    fn entries_with_the_same_or_an_impossible_name_are_refused() {
        let messaging = Messaging::new(&Transport::Memory, &Servers::default());
        let error = |entries: &[Entry<'_>]| messaging.configure(&named(entries)).err().unwrap().message().to_string();
        assert!(error(&[(Some("a"), &[]), (Some("a"), &[])]).contains("have the name `a`"));
        assert!(error(&[(Some("A"), &[]), (None, &[])]).contains("cannot be the `name`"));
    }
}
