//! The network policy of one component: one decision, and a denial that says what would change it.

use std::fmt;
use std::net::IpAddr;

use super::Transport;
use super::address::Class;
use super::pattern::{HostPattern, NamePattern, PatternError};

/// What a component's local resources say about the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Hosts that it may connect to; empty: every public one.
    pub allowed_hosts: Vec<String>,
    /// Whether it may connect to private addresses that `allowed_hosts` does not name.
    pub allow_private_networks: bool,
    /// Ports of this machine's loopback that are its 127.0.0.1, ::1 and localhost.
    pub allowed_host_loopback_ports: Vec<LoopbackPort>,
    /// Names that it may look up through `wasi:sockets`; empty: none.
    pub allowed_ip_name_lookups: Vec<String>,
    /// Where these rules stand, as denials say it: e.g. `` below `dev` in .wash/config.yaml ``.
    pub place: String,
}

/// A port of this machine's loopback that a component may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopbackPort {
    /// The port; 0 is refused when the workload starts.
    pub port: u16,
    /// Which sockets reach it.
    pub sockets: LoopbackSockets,
}

/// The sockets that reach a [`LoopbackPort`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoopbackSockets {
    /// TCP, with HTTP, and UDP.
    #[default]
    Both,
    /// Only TCP, with HTTP.
    Tcp,
    /// Only UDP.
    Udp,
}

/// For both TCP and UDP.
impl From<u16> for LoopbackPort {
    fn from(port: u16) -> Self {
        LoopbackPort { port, sockets: LoopbackSockets::Both }
    }
}

impl LoopbackPort {
    /// `5432`, `5432/tcp` or `53/udp`; `None`: it is none of these.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, sockets) = match text.split_once('/') {
            None => (text, LoopbackSockets::Both),
            Some((number, "tcp")) => (number, LoopbackSockets::Tcp),
            Some((number, "udp")) => (number, LoopbackSockets::Udp),
            Some(_) => return None,
        };
        // `+1` is a number for the library and no port for people.
        let port = number.parse().ok().filter(|port| *port != 0 && number.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(LoopbackPort { port, sockets })
    }

    fn opens(self, transport: Transport, port: u16) -> bool {
        let fits = match self.sockets {
            LoopbackSockets::Both => true,
            LoopbackSockets::Tcp => transport != Transport::Udp,
            LoopbackSockets::Udp => transport == Transport::Udp,
        };
        fits && self.port == port
    }
}

/// The rules, read.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Rules,
    hosts: Vec<HostPattern>,
    lookups: Vec<NamePattern>,
}

/// An entry of the rules that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// e.g. `allowed_hosts`
    pub key: &'static str,
    /// Which entry of it.
    pub index: usize,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// Where a component wants to go. The policy is asked twice: with the name, before it is looked up,
/// and with each address that was found, before it is dialled.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    pub transport: Transport,
    /// The name that was asked for; lowercase, without a dot at the end.
    pub name: Option<&'a str>,
    /// The address, when it is known.
    pub address: Option<IpAddr>,
    pub port: u16,
}

/// Which network leads there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The machine's network.
    Network,
    /// The machine's own loopback, through a port that was opened.
    HostLoopback,
}

/// Why a component may not do something, and what would permit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub rule: Rule,
    /// What was denied, e.g. `http://127.0.0.1:5432`.
    pub what: String,
    /// Why, as the end of a sentence.
    why: String,
    /// What to change, if anything helps.
    pub remedy: Option<String>,
}

/// The rules by which something is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `allowed_hosts` is not empty and does not have it.
    NotListed,
    /// The address is private.
    Private,
    /// The workload's own loopback, where nothing answers.
    Loopback,
    /// An address that nothing opens.
    Never,
    /// Looking up names.
    NameLookup,
    /// Waiting for others to connect.
    Listening,
}

impl Denial {
    /// The denial as one line, without what would change it.
    pub fn reason(&self) -> String {
        format!("the network policy denies {}: {}", self.what, self.why)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl Policy {
    /// Reads the rules. What is wrong with an entry is the error.
    pub fn new(mut rules: Rules) -> Result<Self, RuleError> {
        if rules.place.is_empty() {
            rules.place = "to the component's network rules".into();
        }
        let at =
            |key, index| move |error: PatternError| RuleError { key, index, message: error.message, hint: error.hint };
        let mut hosts = Vec::new();
        for (index, entry) in rules.allowed_hosts.iter().enumerate() {
            let pattern = HostPattern::parse(entry).map_err(at("allowed_hosts", index))?;
            if let Some(error) = unopenable(entry, &pattern) {
                return Err(at("allowed_hosts", index)(error));
            }
            hosts.push(pattern);
        }
        let lookup =
            |(index, entry): (usize, &String)| NamePattern::parse(entry).map_err(at("allowed_ip_name_lookups", index));
        let lookups = rules.allowed_ip_name_lookups.iter().enumerate().map(lookup).collect::<Result<_, _>>()?;
        if let Some(index) = rules.allowed_host_loopback_ports.iter().position(|opened| opened.port == 0) {
            let error = PatternError {
                message: "0 is no port that something listens on".into(),
                hint: "write the port of the service, e.g. 5432".into(),
            };
            return Err(at("allowed_host_loopback_ports", index)(error));
        }
        Ok(Policy { rules, hosts, lookups })
    }

    /// Decides about a connection, a request or a datagram.
    pub fn decide(&self, to: &Destination<'_>) -> Result<Route, Denial> {
        let class = to.address.map(Class::of);
        if let Some(why) = class.and_then(Class::never) {
            return Err(deny(Rule::Never, to, format!("{why}; nothing opens it"), None));
        }
        let localhost = to.name.is_some_and(is_localhost);
        if localhost || class == Some(Class::Loopback) {
            // A name that is not listed must not become one by what it resolves to.
            if let Some(name) = to.name.filter(|_| !localhost) {
                self.listed(&Destination { name: Some(name), address: None, ..*to })?;
            }
            return self.loopback(to);
        }
        self.listed(to)?;
        let named = || {
            let address = to.address.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
            self.hosts.iter().any(|pattern| pattern.names_address(to.transport, address, to.port))
        };
        if class == Some(Class::Private) && !self.rules.allow_private_networks && !named() {
            let remedy = format!("add `allow_private_networks: true` {}", self.rules.place);
            return Err(deny(Rule::Private, to, "it is in a private network".into(), Some(remedy)));
        }
        Ok(Route::Network)
    }

    /// Whether a port of the machine's loopback was opened.
    pub fn opens_loopback(&self, transport: Transport, port: u16) -> bool {
        self.rules.allowed_host_loopback_ports.iter().any(|opened| opened.opens(transport, port))
    }

    /// Decides about looking up a name through `wasi:sockets`. Addresses and `localhost` need no
    /// looking up.
    pub fn decide_lookup(&self, name: &str) -> Result<(), Denial> {
        if self.lookups.iter().any(|pattern| pattern.matches(name)) {
            return Ok(());
        }
        Err(Denial {
            rule: Rule::NameLookup,
            what: format!("looking up `{}`", shown(name)),
            why: "`wasi:sockets` resolves only the names in `allowed_ip_name_lookups`".into(),
            remedy: Some(self.add("allowed_ip_name_lookups", &self.rules.allowed_ip_name_lookups, &quoted(name))),
        })
    }

    /// The denial of whatever waits for others to connect.
    pub fn deny_listening(&self, what: impl Into<String>) -> Denial {
        Denial {
            rule: Rule::Listening,
            what: what.into(),
            why: "components do not listen; they are called".into(),
            remedy: None,
        }
    }

    fn listed(&self, to: &Destination<'_>) -> Result<(), Denial> {
        let permits = |pattern: &HostPattern| pattern.permits(to.transport, to.name, to.address, to.port);
        if self.hosts.is_empty() || self.hosts.iter().any(permits) {
            return Ok(());
        }
        let remedy = self.add("allowed_hosts", &self.rules.allowed_hosts, &quoted(&entry_for(to)));
        Err(deny(Rule::NotListed, to, "`allowed_hosts` does not have it".into(), Some(remedy)))
    }

    fn loopback(&self, to: &Destination<'_>) -> Result<Route, Denial> {
        let ports = &self.rules.allowed_host_loopback_ports;
        // Whoever asks has found that nothing of the workload listens there.
        if self.opens_loopback(to.transport, to.port) {
            return Ok(Route::HostLoopback);
        }
        let why = "that is the workload's own loopback, where nothing listens; this machine's is closed to components";
        let remedy = self.add("allowed_host_loopback_ports", ports, &to.port.to_string());
        Err(deny(Rule::Loopback, to, why.into(), Some(remedy)))
    }

    /// The line to add, or what to add to it.
    fn add<T>(&self, key: &str, present: &[T], value: &str) -> String {
        let place = &self.rules.place;
        match present {
            [] => format!("add `{key}: [{value}]` {place}"),
            _ => format!("add `{value}` to `{key}` {place}"),
        }
    }
}

/// What is written in `allowed_hosts` and would never work.
fn unopenable(entry: &str, pattern: &HostPattern) -> Option<PatternError> {
    let loopback = |port: Option<u16>| PatternError {
        message: format!("`{entry}` is a loopback address; `allowed_hosts` does not open this machine's"),
        hint: match port {
            Some(port) => format!("write `allowed_host_loopback_ports: [{port}]` beside it instead"),
            None => "write the service's port beside it instead, e.g. `allowed_host_loopback_ports: [5432]`".into(),
        },
    };
    if let Some((name, port)) = pattern.single_name()
        && is_localhost(name)
    {
        return Some(loopback(port));
    }
    let (address, port) = pattern.single_address()?;
    match Class::of(address) {
        Class::Loopback => Some(loopback(port)),
        class => class.never().map(|why| PatternError {
            message: format!("`{entry}` can never be reached: {why}"),
            hint: "remove it".into(),
        }),
    }
}

/// `localhost` and all names below it are loopback, whatever a resolver says (RFC 6761).
pub fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn deny(rule: Rule, to: &Destination<'_>, why: String, remedy: Option<String>) -> Denial {
    let host = host_of(to);
    let what = match to.transport {
        Transport::Http if to.port == 80 => format!("http://{host}"),
        Transport::Https if to.port == 443 => format!("https://{host}"),
        transport => format!("{transport}://{host}:{}", to.port),
    };
    let what = match (to.name, to.address) {
        (Some(_), Some(address)) => format!("{what} (at {address})"),
        _ => what,
    };
    Denial { rule, what, why, remedy }
}

fn host_of(to: &Destination<'_>) -> String {
    match (to.name, to.address) {
        (Some(name), _) => shown(name),
        (None, Some(IpAddr::V6(address))) => format!("[{address}]"),
        (None, Some(address)) => address.to_string(),
        (None, None) => String::new(),
    }
}

/// The narrowest entry that people would write.
fn entry_for(to: &Destination<'_>) -> String {
    let host = host_of(to);
    match (to.transport, to.port) {
        (Transport::Http, 80) | (Transport::Https, 443) => match to.address {
            // Without a port there are no brackets.
            Some(address) if to.name.is_none() => address.to_string(),
            _ => host,
        },
        (_, port) => format!("{host}:{port}"),
    }
}

/// What a guest made up must not steer a terminal or fill it.
fn shown(name: &str) -> String {
    name.chars().take(253).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn quoted(text: &str) -> String {
    format!("{:?}", shown(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Transport::{Http, Https, Tcp, Udp};

    fn policy(rules: Rules) -> Policy {
        Policy::new(Rules { place: "below `dev`".into(), ..rules }).unwrap()
    }

    fn hosts(entries: &[&str]) -> Rules {
        Rules { allowed_hosts: entries.iter().map(|entry| entry.to_string()).collect(), ..Rules::default() }
    }

    fn to(transport: Transport, name: &'static str, address: &str, port: u16) -> Destination<'static> {
        Destination {
            transport,
            name: (!name.is_empty()).then_some(name),
            address: (!address.is_empty()).then(|| address.parse().unwrap()),
            port,
        }
    }

    #[test]
    fn without_a_list_every_public_host_is_open_and_nothing_else() {
        let policy = policy(Rules::default());
        for (name, address) in [("a.example", ""), ("a.example", "93.184.216.34"), ("", "2606:4700::1111")] {
            for transport in [Http, Https, Tcp, Udp] {
                assert_eq!(policy.decide(&to(transport, name, address, 443)), Ok(Route::Network), "{name} {address}");
            }
        }
        for (name, address, rule) in [
            ("", "127.0.0.1", Rule::Loopback),
            ("", "::1", Rule::Loopback),
            ("", "::ffff:127.0.0.1", Rule::Loopback),
            ("", "64:ff9b::7f00:1", Rule::Loopback),
            ("localhost", "", Rule::Loopback),
            ("app.localhost", "", Rule::Loopback),
            ("rebound.example", "127.0.0.1", Rule::Loopback),
            ("rebound.example", "::ffff:127.0.0.1", Rule::Loopback),
            ("", "10.0.0.1", Rule::Private),
            ("db.internal", "192.168.1.5", Rule::Private),
            ("", "fd00::1", Rule::Private),
            ("", "169.254.169.254", Rule::Never),
            ("metadata.example", "169.254.169.254", Rule::Never),
            ("", "fd00:ec2::254", Rule::Never),
            ("", "0.0.0.0", Rule::Never),
            ("", "::", Rule::Never),
            ("", "255.255.255.255", Rule::Never),
            ("", "224.0.0.1", Rule::Never),
        ] {
            for transport in [Http, Tcp, Udp] {
                let denial = policy.decide(&to(transport, name, address, 80)).unwrap_err();
                assert_eq!(denial.rule, rule, "{name} {address}: {denial}");
            }
        }
    }

    #[test]
    fn a_list_closes_everything_that_it_does_not_have() {
        let policy =
            policy(hosts(&["api.example.com", "*.s3.example", "https://pay.example:8443", "10.1.0.0/16:5432"]));
        for to in [
            to(Https, "api.example.com", "", 443),
            to(Https, "api.example.com", "93.184.216.34", 443),
            to(Http, "a.s3.example", "93.184.216.34", 80),
            to(Https, "pay.example", "", 8443),
            to(Tcp, "", "10.1.2.3", 5432),
        ] {
            assert_eq!(policy.decide(&to), Ok(Route::Network), "{to:?}");
        }
        for (to, rule) in [
            (to(Https, "other.example", "", 443), Rule::NotListed),
            (to(Https, "s3.example", "", 443), Rule::NotListed),
            (to(Http, "pay.example", "", 8443), Rule::NotListed),
            (to(Tcp, "", "93.184.216.34", 443), Rule::NotListed),
            (to(Tcp, "", "10.1.2.3", 5433), Rule::NotListed),
            // Names of the list do not open private addresses.
            (to(Https, "api.example.com", "10.0.0.1", 443), Rule::Private),
            (to(Https, "api.example.com", "127.0.0.1", 443), Rule::Loopback),
            (to(Https, "other.example", "127.0.0.1", 443), Rule::NotListed),
            (to(Https, "api.example.com", "169.254.169.254", 443), Rule::Never),
        ] {
            let denial = policy.decide(&to).unwrap_err();
            assert_eq!(denial.rule, rule, "{to:?}: {denial}");
        }
    }

    #[test]
    fn a_star_opens_no_more_than_no_list() {
        let policy = policy(hosts(&["*"]));
        assert!(policy.decide(&to(Https, "a.example", "93.184.216.34", 443)).is_ok());
        assert_eq!(policy.decide(&to(Https, "a.example", "10.0.0.1", 443)).unwrap_err().rule, Rule::Private);
        assert_eq!(policy.decide(&to(Tcp, "", "127.0.0.1", 443)).unwrap_err().rule, Rule::Loopback);
    }

    #[test]
    fn private_networks_open_by_the_switch_or_by_their_address() {
        let open = policy(Rules { allow_private_networks: true, ..Rules::default() });
        assert!(open.decide(&to(Http, "db.internal", "10.0.0.1", 80)).is_ok());
        assert_eq!(open.decide(&to(Http, "", "127.0.0.1", 80)).unwrap_err().rule, Rule::Loopback);
        assert_eq!(open.decide(&to(Http, "", "169.254.1.1", 80)).unwrap_err().rule, Rule::Never);
        assert_eq!(open.decide(&to(Http, "", "100.100.100.200", 80)).unwrap_err().rule, Rule::Never);
        let by_range = policy(hosts(&["db.internal", "10.0.0.0/8"]));
        assert!(by_range.decide(&to(Http, "db.internal", "10.0.0.1", 80)).is_ok());
        assert_eq!(by_range.decide(&to(Http, "db.internal", "192.168.0.1", 80)).unwrap_err().rule, Rule::Private);
    }

    #[test]
    fn a_port_may_be_open_for_one_kind_of_sockets_only() {
        let opened = |text: &str, transport: Transport| {
            let ports = vec![LoopbackPort::parse(text).unwrap()];
            let policy = Policy::new(Rules { allowed_host_loopback_ports: ports, ..Rules::default() }).unwrap();
            policy.opens_loopback(transport, 53)
        };
        for (text, tcp, udp) in [("53", true, true), ("53/tcp", true, false), ("53/udp", false, true)] {
            assert_eq!((opened(text, Transport::Tcp), opened(text, Transport::Udp)), (tcp, udp), "{text}");
            assert_eq!(opened(text, Transport::Http), tcp, "{text}");
        }
        for wrong in ["", "0", "/tcp", "53/", "53/sctp", "+53", "70000", "53/tcp/udp"] {
            assert_eq!(LoopbackPort::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_machines_loopback_opens_port_by_port() {
        let rules = Rules { allowed_host_loopback_ports: vec![5432.into()], ..hosts(&["api.example.com"]) };
        let policy = policy(rules);
        for (name, address) in [("localhost", ""), ("", "127.0.0.1"), ("localhost", "::1"), ("", "::ffff:127.0.0.1")] {
            assert_eq!(policy.decide(&to(Tcp, name, address, 5432)), Ok(Route::HostLoopback), "{name} {address}");
            let denial = policy.decide(&to(Tcp, name, address, 22)).unwrap_err();
            assert_eq!(denial.rule, Rule::Loopback, "{name} {address}");
        }
        // A listed name may stand for it, another may not.
        assert!(policy.decide(&to(Http, "api.example.com", "127.0.0.1", 5432)).is_ok());
        assert_eq!(policy.decide(&to(Http, "b.example", "127.0.0.1", 5432)).unwrap_err().rule, Rule::NotListed);
    }

    #[test]
    fn a_denial_says_which_line_would_permit_it() {
        let lists = Rules {
            allowed_hosts: vec!["a.example".into()],
            allowed_host_loopback_ports: vec![3000.into()],
            allowed_ip_name_lookups: vec!["a.example".into()],
            ..Rules::default()
        };
        for (rules, to, text) in [
            (
                Rules::default(),
                to(Http, "", "127.0.0.1", 5432),
                "the network policy denies http://127.0.0.1:5432: that is the workload's own loopback, where nothing \
                 listens; this machine's is closed to components; add `allowed_host_loopback_ports: [5432]` below `dev`",
            ),
            (
                lists.clone(),
                to(Tcp, "localhost", "", 5432),
                "the network policy denies tcp://localhost:5432: that is the workload's own loopback, where nothing \
                 listens; this machine's is closed to components; add `5432` to `allowed_host_loopback_ports` below `dev`",
            ),
            (
                Rules::default(),
                to(Http, "db.internal", "10.0.0.7", 80),
                "the network policy denies http://db.internal (at 10.0.0.7): it is in a private network; add \
                 `allow_private_networks: true` below `dev`",
            ),
            (
                lists.clone(),
                to(Https, "b.example", "", 443),
                "the network policy denies https://b.example: `allowed_hosts` does not have it; add `\"b.example\"` to \
                 `allowed_hosts` below `dev`",
            ),
            (
                lists.clone(),
                to(Tcp, "", "2001:db8::1", 5432),
                "the network policy denies tcp://[2001:db8::1]:5432: `allowed_hosts` does not have it; add \
                 `\"[2001:db8::1]:5432\"` to `allowed_hosts` below `dev`",
            ),
            (
                Rules::default(),
                to(Http, "", "169.254.169.254", 80),
                "the network policy denies http://169.254.169.254: it is link-local, where clouds have their metadata \
                 services; nothing opens it",
            ),
        ] {
            assert_eq!(policy(rules).decide(&to).unwrap_err().to_string(), text);
        }
        assert_eq!(
            policy(Rules::default()).decide_lookup("db.internal").unwrap_err().to_string(),
            "the network policy denies looking up `db.internal`: `wasi:sockets` resolves only the names in \
             `allowed_ip_name_lookups`; add `allowed_ip_name_lookups: [\"db.internal\"]` below `dev`"
        );
        assert!(policy(lists).decide_lookup("a.example").is_ok());
    }

    #[test]
    fn what_a_denial_tells_to_add_permits_it() {
        for to in [
            to(Https, "b.example", "", 443),
            to(Https, "b.example", "", 8443),
            to(Tcp, "", "2001:db8::1", 5432),
            to(Http, "", "93.184.216.34", 80),
            to(Https, "", "2606:4700::1111", 443),
        ] {
            let entry = entry_for(&to);
            assert_eq!(policy(hosts(&[&entry])).decide(&to), Ok(Route::Network), "{entry} for {to:?}");
        }
    }

    #[test]
    fn entries_that_could_never_work_are_refused() {
        for (entry, message, hint) in [
            ("localhost:5432", "loopback", "write `allowed_host_loopback_ports: [5432]`"),
            ("http://localhost", "loopback", "write `allowed_host_loopback_ports: [80]`"),
            ("127.0.0.1", "loopback", "e.g. `allowed_host_loopback_ports: [5432]`"),
            ("[::1]:80", "loopback", "[80]"),
            ("169.254.169.254", "never", "remove"),
            ("0.0.0.0", "never", "remove"),
        ] {
            let error = Policy::new(hosts(&["ok.example", entry])).unwrap_err();
            assert_eq!((error.key, error.index), ("allowed_hosts", 1));
            assert!(error.message.contains(message) && error.hint.contains(hint), "{entry}: {error:?}");
        }
        let ports = Rules { allowed_host_loopback_ports: vec![80.into(), 0.into()], ..Rules::default() };
        assert_eq!(Policy::new(ports).unwrap_err().index, 1);
        let lookups = Rules { allowed_ip_name_lookups: vec!["a b".into()], ..Rules::default() };
        assert_eq!(Policy::new(lookups).unwrap_err().key, "allowed_ip_name_lookups");
    }

    #[test]
    fn what_a_guest_made_up_is_shown_harmlessly() {
        let denial = policy(Rules::default()).decide_lookup("a\u{1b}[2Jb").unwrap_err();
        assert!(!denial.to_string().contains('\u{1b}'), "{denial}");
    }
}
