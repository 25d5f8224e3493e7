//! What components may reach, in one place for HTTP, TCP, UDP and looking up names.
//!
//! [`policy::Policy`] decides, purely. [`Network`] is one component's policy with what is needed to
//! follow it: it resolves names once and dials only addresses that were checked ([`dial`]), guards
//! `wasi:sockets` ([`sockets`], [`wasi`], [`wasi3`]), and tells the observer what was denied. Addresses of the
//! loopback belong to the workload ([`loopback`]). What all components of a
//! host have in common (proxies, trusted authorities, names with fixed addresses) is [`Outbound`].

pub mod address;
pub mod dial;
pub mod loopback;
pub mod pattern;
pub mod policy;
pub mod sockets;
pub mod wasi;
pub mod wasi3;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::observer::{NetworkNotice, Observer};
use super::tls::{Trust, Trusted};
use crate::error::Result;
use dial::{Resolve, SystemResolver};
use loopback::{Loopback, Protocol, Seat, is_own};
use policy::{Denial, Destination, Policy, Route, is_localhost};

/// How a component wants to talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Http,
    Https,
    Tcp,
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Http => "http",
            Transport::Https => "https",
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        })
    }
}

/// A host as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lowercase, without a dot at the end.
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// Reads the host of a URL, where an IPv6 address stands in brackets. `None` if it is no host.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return Some(Host::Address(IpAddr::V6(inner.strip_suffix(']')?.parse().ok()?)));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Host::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let fits = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        (name.len() <= 253 && name.split('.').all(fits)).then_some(Host::Name(name))
    }

    /// As a destination of the policy, as far as it is known before names are looked up.
    pub fn destination(&self, transport: Transport, port: u16) -> Destination<'_> {
        match self {
            Host::Name(name) => Destination { transport, name: Some(name), address: None, port },
            Host::Address(address) => Destination { transport, name: None, address: Some(*address), port },
        }
    }
}

/// What the outgoing connections of a host's workloads have in common.
#[derive(Clone, Debug, Default)]
pub struct OutboundOptions {
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are looked for here, in capitals and in
    /// small letters, which win.
    pub environment: BTreeMap<String, String>,
    /// Whom TLS connections trust.
    pub trust: Trust,
    /// Names that stand for these addresses, whatever a resolver says.
    pub hosts: BTreeMap<String, IpAddr>,
}

/// What the outgoing connections of a host's workloads have in common, made ready.
pub struct Outbound {
    opts: OutboundOptions,
    proxies: Matcher,
    trusted: Trusted,
    hosts: BTreeMap<String, IpAddr>,
    resolver: Arc<dyn Resolve>,
}

impl Outbound {
    /// Reads the files of authorities; fails when one cannot be used.
    pub fn new(opts: &OutboundOptions) -> Result<Self> {
        let hosts =
            opts.hosts.iter().map(|(name, address)| (name.trim_end_matches('.').to_ascii_lowercase(), *address));
        Ok(Outbound {
            opts: opts.clone(),
            proxies: proxies(&opts.environment),
            trusted: opts.trust.read()?,
            hosts: hosts.collect(),
            resolver: Arc::new(SystemResolver),
        })
    }

    /// Tells whether two are the same. It may have secrets in it, and is not for showing.
    pub fn description(&self) -> String {
        let OutboundOptions { environment, trust, hosts } = &self.opts;
        let proxies = environment.iter().filter(|(name, _)| name.to_ascii_lowercase().ends_with("_proxy"));
        format!("{:?} {trust:?} {hosts:?}", proxies.collect::<Vec<_>>())
    }

    /// Whom TLS connections trust.
    pub fn trusted(&self) -> &Trusted {
        &self.trusted
    }

    /// The proxy for a request, if there is one.
    pub fn proxy(&self, uri: &http::Uri) -> Option<Intercept> {
        self.proxies.intercept(uri)
    }
}

fn proxies(environment: &BTreeMap<String, String>) -> Matcher {
    let value = |name: &str| {
        let lower = environment.get(&name.to_ascii_lowercase()).filter(|value| !value.is_empty());
        lower.or_else(|| environment.get(name)).cloned().unwrap_or_default()
    };
    Matcher::builder()
        .all(value("ALL_PROXY"))
        .http(value("HTTP_PROXY"))
        .https(value("HTTPS_PROXY"))
        .no(value("NO_PROXY"))
        .build()
}

/// So many different notices are told of one component; after that, what goes on is known.
const NOTICES: usize = 100;

/// What one component may reach, and the means to reach it.
pub struct Network {
    policy: Policy,
    outbound: Arc<Outbound>,
    component: Arc<str>,
    observer: Arc<dyn Observer>,
    told: Mutex<HashSet<String>>,
    seat: Seat,
    listens: bool,
}

impl Network {
    /// The network of a component.
    pub fn new(policy: Policy, outbound: Arc<Outbound>, component: Arc<str>, observer: Arc<dyn Observer>) -> Self {
        Network { policy, outbound, component, observer, told: Mutex::default(), seat: Seat::default(), listens: false }
    }

    /// The same, in a workload with this loopback. A service may wait for others there.
    pub fn inside(mut self, seat: &Seat, is_service: bool) -> Self {
        self.seat = seat.clone();
        self.listens = is_service;
        self
    }

    /// The workload's own loopback.
    pub fn loopback(&self) -> Arc<Loopback> {
        self.seat.network()
    }

    /// Whether the component may wait for others there.
    pub fn listens(&self) -> bool {
        self.listens
    }

    /// Whether a port of the machine's loopback was opened.
    pub fn is_opened(&self, transport: Transport, port: u16) -> bool {
        self.policy.opens_loopback(transport, port)
    }

    /// Connects to a service of the workload, if the host is its loopback and something listens there.
    pub async fn dial_inside(&self, host: &Host, port: u16) -> Option<loopback::Stream> {
        let loopback = self.loopback();
        for ip in self.inside_addresses(host) {
            let to = SocketAddr::new(ip, port);
            let there = match self.listens {
                true => loopback.has(Protocol::Tcp, to),
                // Both addresses of `localhost` are waited for at once.
                false => loopback.expects_any(Protocol::Tcp, &self.inside_addresses(host), port).await == Some(to),
            };
            if !there {
                continue;
            }
            if self.is_opened(Transport::Tcp, port) {
                self.tell_hidden(Transport::Tcp, to);
            }
            if let Ok(connection) = loopback.connect(None, to, !self.listens).await {
                return Some(loopback::Stream(connection));
            }
        }
        None
    }

    /// Whether a host is the workload's loopback; its ports may be the machine's if they were opened.
    pub fn is_inside(&self, host: &Host) -> bool {
        !self.inside_addresses(host).is_empty()
    }

    fn inside_addresses(&self, host: &Host) -> Vec<IpAddr> {
        match host {
            Host::Name(name) if is_localhost(name) && self.fixed(name).is_none() => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Host::Address(address) if is_own(*address) => vec![*address],
            _ => Vec::new(),
        }
    }

    /// Tells that a port of the machine's was opened and is not reached, since the workload has it.
    pub fn tell_hidden(&self, transport: Transport, to: SocketAddr) {
        let port = to.port();
        self.tell(
            format!("{transport}://{to} is the workload's own service; port {port} of this machine is not reached"),
            Some(format!(
                "let the service listen on another port, or remove {port} from `allowed_host_loopback_ports`"
            )),
            false,
        );
    }

    /// What is common to all components.
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// Asks the policy, and tells the observer of a denial.
    pub fn decide(&self, to: &Destination<'_>) -> Result<Route, Denial> {
        self.policy.decide(to).inspect_err(|denial| self.denied(denial))
    }

    /// Asks the policy, and tells nobody: for a first look.
    pub fn consider(&self, to: &Destination<'_>) -> Result<Route, Denial> {
        self.policy.decide(to)
    }

    /// Asks the policy about looking up a name.
    pub fn decide_lookup(&self, name: &str) -> Result<(), Denial> {
        self.policy.decide_lookup(name).inspect_err(|denial| self.denied(denial))
    }

    /// Denies what waits for others to connect.
    pub fn deny_listening(&self, what: impl Into<String>) {
        self.denied(&self.policy.deny_listening(what));
    }

    /// The address of a name that has a fixed one.
    pub fn fixed(&self, name: &str) -> Option<IpAddr> {
        self.outbound.hosts.get(name).copied()
    }

    fn denied(&self, denial: &Denial) {
        self.tell(denial.reason(), denial.remedy.clone(), true);
    }

    /// Tells the observer why a connection failed, where the guest only gets a code. The same is told
    /// once.
    pub fn tell(&self, reason: String, hint: Option<String>, denied: bool) {
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() >= NOTICES || !told.insert(reason.clone()) {
                return;
            }
        }
        self.observer.network(NetworkNotice { component: self.component.clone(), reason, hint, denied });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_urls_are_names_or_addresses() {
        for (text, host) in [
            ("Example.COM.", Some(Host::Name("example.com".into()))),
            ("127.0.0.1", Some(Host::Address("127.0.0.1".parse().unwrap()))),
            ("[::1]", Some(Host::Address("::1".parse().unwrap()))),
            // Resolvers take these for addresses; what they find is checked.
            ("2130706433", Some(Host::Name("2130706433".into()))),
            ("0x7f.1", Some(Host::Name("0x7f.1".into()))),
            ("", None),
            ("a..b", None),
            ("a b", None),
            ("a%2eb", None),
            ("[::1", None),
            ("[127.0.0.1]", None),
        ] {
            assert_eq!(Host::parse(text), host, "{text}");
        }
    }

    #[test]
    fn proxies_come_from_the_environment_that_was_given() {
        let environment = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect::<BTreeMap<_, _>>()
        };
        let proxy = |pairs: &[(&str, &str)], uri: &'static str| {
            proxies(&environment(pairs)).intercept(&http::Uri::from_static(uri)).map(|found| found.uri().to_string())
        };
        assert_eq!(proxy(&[], "http://a.example/"), None);
        let both = [
            ("HTTP_PROXY", "http://p.example:3128"),
            ("https_proxy", "q.example:3129"),
            ("NO_PROXY", ".int,10.0.0.0/8"),
        ];
        assert_eq!(proxy(&both, "http://a.example/").as_deref(), Some("http://p.example:3128/"));
        assert_eq!(proxy(&both, "https://a.example/").as_deref(), Some("http://q.example:3129/"));
        assert_eq!(proxy(&both, "http://db.int/"), None);
        assert_eq!(proxy(&both, "http://10.1.2.3/"), None);
        let small = [("HTTP_PROXY", "http://capital.example"), ("http_proxy", "http://small.example")];
        assert_eq!(proxy(&small, "http://a.example/").as_deref(), Some("http://small.example/"));
        assert_eq!(
            proxy(&[("ALL_PROXY", "http://all.example")], "https://a.example/").as_deref(),
            Some("http://all.example/")
        );
    }
}
