//! Connecting to a host: a name is resolved once, every address is checked, and one that was checked
//! is dialled. So a resolver that gives another answer the second time changes nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;

use super::policy::{Denial, Destination, is_localhost};
use super::{Host, Network, Transport};

/// The next address is tried beside the one before after this time, as RFC 8305 recommends.
const STAGGER: Duration = Duration::from_millis(250);
/// Of a name's addresses so many are tried.
const MOST_ADDRESSES: usize = 8;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync + 'static {
    /// Looks the name up.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Asks the system.
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// The policy does not permit it; the observer knows.
    Denied(Denial),
    /// The name has no address.
    Unknown(io::Error),
    /// No address answered as it should; this is what the first said.
    Unreachable(io::Error),
}

impl Network {
    /// The addresses of a host, all of which the policy permits.
    pub async fn addresses(&self, transport: Transport, host: &Host, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        self.decide(&host.destination(transport, port)).map_err(DialError::Denied)?;
        let name = match host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
            Host::Name(name) => name,
        };
        let found = self.resolve(name).await.map_err(DialError::Unknown)?;
        let mut denial = None;
        let mut permitted = Vec::new();
        for address in found {
            match self.consider(&Destination { transport, name: Some(name), address: Some(address), port }) {
                Ok(_) => permitted.push(SocketAddr::new(address, port)),
                Err(denied) => denial = denial.or(Some(denied)),
            }
        }
        match denial {
            Some(denial) if permitted.is_empty() => {
                self.denied(&denial);
                Err(DialError::Denied(denial))
            }
            None if permitted.is_empty() => Err(DialError::Unknown(io::ErrorKind::NotFound.into())),
            _ => {
                permitted.truncate(MOST_ADDRESSES);
                Ok(permitted)
            }
        }
    }

    /// Connects to a host that the policy permits. The caller bounds the time.
    pub async fn dial(&self, transport: Transport, host: &Host, port: u16) -> Result<TcpStream, DialError> {
        let addresses = self.addresses(transport, host, port).await?;
        first_connected(addresses).await.map_err(DialError::Unreachable)
    }

    /// Connects to a host that the user has chosen, not the component: a proxy.
    pub async fn dial_chosen(&self, host: &Host, port: u16) -> Result<TcpStream, DialError> {
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolve(name).await.map_err(DialError::Unknown)?,
        };
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        first_connected(addresses).await.map_err(DialError::Unreachable)
    }

    /// The addresses of a name. Whoever dials one checks it.
    pub async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Some(address) = self.fixed(name) {
            return Ok(vec![address]);
        }
        if is_localhost(name) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        self.outbound.resolver.resolve(name).await
    }
}

/// Tries the addresses in their order, each a little after the one before; the first that answers
/// is taken.
async fn first_connected(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut running = FuturesUnordered::new();
    let mut failure = None;
    loop {
        match waiting.next() {
            Some(address) => running.push(TcpStream::connect(address)),
            None if running.is_empty() => return Err(failure.unwrap_or_else(|| io::ErrorKind::NotFound.into())),
            None => {}
        }
        tokio::select! {
            Some(connected) = running.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = failure.or(Some(error)),
            },
            () = tokio::time::sleep(STAGGER), if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::runtime::network::policy::{Policy, Rule, Rules};
    use crate::runtime::network::{Outbound, OutboundOptions};
    use crate::runtime::observer::{Fault, NetworkNotice, Observer, Output, RequestRecord};

    /// Gives another answer each time, as a hostile name server does.
    struct Rebinding {
        answers: Vec<Vec<&'static str>>,
        asked: AtomicUsize,
    }

    impl Resolve for Rebinding {
        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            let time = self.asked.fetch_add(1, Ordering::SeqCst);
            let answer = self.answers.get(time).into_iter().flatten().map(|address| address.parse().unwrap()).collect();
            Box::pin(async move { Ok(answer) })
        }
    }

    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Observer for Told {
        fn request(&self, _: RequestRecord) {}
        fn output(&self, _: Output) {}
        fn fault(&self, _: Arc<Fault>) {}
        fn network(&self, notice: NetworkNotice) {
            self.0.lock().unwrap().push(notice.reason);
        }
    }

    fn network(rules: Rules, answers: &[&[&'static str]]) -> (Network, Arc<Rebinding>, Arc<Told>) {
        let resolver = Arc::new(Rebinding {
            answers: answers.iter().map(|answer| answer.to_vec()).collect(),
            asked: AtomicUsize::new(0),
        });
        let hosts = BTreeMap::from([("Fixed.Example".to_string(), "127.0.0.1".parse().unwrap())]);
        let mut outbound = Outbound::new(&OutboundOptions { hosts, ..Default::default() }).unwrap();
        outbound.resolver = resolver.clone();
        let told = Arc::new(Told::default());
        let network = Network::new(Policy::new(rules).unwrap(), Arc::new(outbound), "app".into(), told.clone());
        (network, resolver, told)
    }

    fn name(name: &str) -> Host {
        Host::Name(name.into())
    }

    #[tokio::test]
    async fn a_public_name_that_resolves_to_loopback_is_denied() {
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1", "0.0.0.0"] {
            let (network, _, told) = network(Rules::default(), &[&[address]]);
            let denied = network.dial(Transport::Http, &name("good.example"), 80).await.unwrap_err();
            assert!(matches!(denied, DialError::Denied(_)), "{address}: {denied:?}");
            let told = told.0.lock().unwrap();
            assert!(told[0].contains("good.example") && told[0].contains(address), "{told:?}");
        }
    }

    #[tokio::test]
    async fn a_name_is_resolved_once_and_what_was_checked_is_dialled() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let rules = Rules { allowed_host_loopback_ports: vec![port.into()], ..Rules::default() };
        // The second answer would be denied; it is never asked for.
        let (network, resolver, _) = network(rules, &[&["127.0.0.1"], &["169.254.169.254"]]);
        let stream = network.dial(Transport::Tcp, &name("a.example"), port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), server.local_addr().unwrap());
        assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn of_several_addresses_only_the_permitted_ones_are_dialled() {
        let (network, ..) = network(Rules::default(), &[&["127.0.0.1", "93.184.216.34", "10.0.0.1"]]);
        let addresses = network.addresses(Transport::Https, &name("a.example"), 443).await.unwrap();
        assert_eq!(addresses, ["93.184.216.34:443".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_that_is_not_listed_is_not_even_looked_up() {
        let rules = Rules { allowed_hosts: vec!["a.example".into()], ..Rules::default() };
        let (network, resolver, _) = network(rules, &[]);
        let denied = network.dial(Transport::Http, &name("b.example"), 80).await.unwrap_err();
        assert!(matches!(&denied, DialError::Denied(denial) if denial.rule == Rule::NotListed), "{denied:?}");
        assert_eq!(resolver.asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn localhost_and_fixed_names_need_no_resolver() {
        let rules = Rules { allowed_host_loopback_ports: vec![8080.into()], ..Rules::default() };
        let (network, resolver, _) = network(rules, &[]);
        for host in ["localhost", "app.localhost", "fixed.example"] {
            let addresses = network.addresses(Transport::Http, &name(host), 8080).await.unwrap();
            assert_eq!(addresses[0], "127.0.0.1:8080".parse().unwrap(), "{host}");
        }
        assert_eq!(resolver.asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_refuses() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        // On Linux the whole of 127.0.0.0/8 is there, and nothing listens at this one.
        let refusing = SocketAddr::new("127.0.0.9".parse().unwrap(), address.port());
        let stream = first_connected(vec![refusing, address]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let error = first_connected(vec![refusing]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(first_connected(Vec::new()).await.is_err());
    }

    #[tokio::test]
    async fn the_same_denial_is_told_once() {
        let (network, _, told) = network(Rules::default(), &[]);
        for _ in 0..3 {
            let _ = network.dial(Transport::Http, &name("localhost"), 80).await;
        }
        assert_eq!(told.0.lock().unwrap().len(), 1);
    }
}
