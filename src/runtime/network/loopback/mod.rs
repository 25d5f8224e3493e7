//! The network inside of a workload: 127.0.0.0/8 and ::1 as its members see them.
//!
//! It is a private place in this process. Its ports are the workload's own, so that two workloads
//! can use the same, and nothing that is sent here reaches the machine's loopback. Only the service
//! waits for others ([`Loopback::listen`], [`Loopback::datagrams`]); every member may connect.

mod pipe;
mod tcp;
mod udp;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tcp::Accepted;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

pub use tcp::{Connection, Listener, Stream};
pub use udp::{Datagrams, MOST_BYTES};

/// So many sockets a workload may have at one time, all members together.
const SOCKETS: usize = 4096;
/// Ports that are given to those who ask for any, as on Linux.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;
/// How long a member that connects to a port where nothing listens waits for a service that has just
/// been started: it needs a moment before it listens, also after an edit. Then it is refused.
pub const STARTING: Duration = Duration::from_secs(2);

/// What a port is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// The network of one workload.
pub struct Loopback {
    state: Mutex<State>,
    /// Somebody listens, or will not.
    changed: Notify,
    sockets: Arc<Semaphore>,
    /// Connections that a service has accepted and that are not over.
    accepted: Arc<Accepted>,
}

#[derive(Default)]
struct State {
    ports: HashMap<(Protocol, bool, u16), Vec<Taken>>,
    next_port: u16,
    next_id: u64,
    /// Until then a service that was started may begin to listen.
    expected: Option<Instant>,
    /// Connections that nobody had accepted when their service was replaced. They wait for the next one
    /// that listens where they wanted to.
    waiting: Vec<Connection>,
}

struct Taken {
    ip: IpAddr,
    id: u64,
    by: Holder,
}

enum Holder {
    /// One that connects, or that does nothing yet.
    Nobody,
    Listener(Weak<Listener>),
    Datagrams(Weak<Datagrams>),
}

impl Default for Loopback {
    fn default() -> Self {
        let sockets = Arc::new(Semaphore::new(SOCKETS));
        Loopback { state: Mutex::default(), changed: Notify::new(), sockets, accepted: Arc::default() }
    }
}

/// Whether an address belongs to a workload's own loopback.
pub fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback()
}

impl Loopback {
    /// Counts one more socket; `None`: there are too many.
    pub fn socket(&self) -> Option<OwnedSemaphorePermit> {
        self.sockets.clone().try_acquire_owned().ok()
    }

    /// The same, as soon as there are fewer.
    pub fn socket_soon(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + use<> {
        let sockets = self.sockets.clone();
        async move { sockets.acquire_owned().await.ok() }
    }

    /// Takes a port; with port 0 a free one.
    ///
    /// Errors: it is in use, or none is left. The address must be loopback or unspecified.
    pub fn bind(self: &Arc<Self>, protocol: Protocol, address: SocketAddr) -> io::Result<Lease> {
        let mut state = self.lock();
        let port = match address.port() {
            0 => state.free_port(protocol, address.ip()).ok_or(io::ErrorKind::AddrInUse)?,
            port if state.is_free(protocol, address.ip(), port) => port,
            _ => return Err(io::ErrorKind::AddrInUse.into()),
        };
        state.next_id += 1;
        let id = state.next_id;
        let taken = Taken { ip: address.ip(), id, by: Holder::Nobody };
        state.ports.entry((protocol, address.is_ipv6(), port)).or_default().push(taken);
        drop(state);
        Ok(Lease { network: self.clone(), protocol, address: SocketAddr::new(address.ip(), port), id })
    }

    /// Waits for connections at a port that was taken.
    pub fn listen(&self, lease: Lease, backlog: usize) -> Arc<Listener> {
        let (key, id) = (lease.key(), lease.id);
        let listener = Arc::new(Listener::new(lease, backlog, self.accepted.clone()));
        {
            let mut state = self.lock();
            let (wanted, others) = std::mem::take(&mut state.waiting)
                .into_iter()
                .partition(|connection| reaches(listener.local, connection.local));
            state.waiting = others;
            listener.inherit(wanted);
            state.hold(key, id, Holder::Listener(Arc::downgrade(&listener)));
        }
        self.changed.notify_waiters();
        listener
    }

    /// Takes datagrams at a port that was taken: from anybody if it is `open`, else only from those it
    /// has sent some to.
    pub fn datagrams(&self, lease: Lease, open: bool) -> Arc<Datagrams> {
        let (key, id) = (lease.key(), lease.id);
        let socket = Arc::new(Datagrams::new(lease, open));
        self.lock().hold(key, id, Holder::Datagrams(Arc::downgrade(&socket)));
        self.changed.notify_waiters();
        socket
    }

    /// Whether something waits at this address.
    pub fn has(&self, protocol: Protocol, address: SocketAddr) -> bool {
        let state = self.lock();
        state.holders(protocol, address).any(|holder| match holder {
            Holder::Nobody => false,
            Holder::Listener(listener) => listener.strong_count() > 0,
            Holder::Datagrams(socket) => socket.strong_count() > 0,
        })
    }

    /// Whether something waits at this address, or will soon; the latter is waited for.
    pub async fn expects(&self, protocol: Protocol, address: SocketAddr) -> bool {
        self.expects_any(protocol, &[address.ip()], address.port()).await.is_some()
    }

    /// The first of these addresses at which something waits, or will soon.
    pub async fn expects_any(&self, protocol: Protocol, ips: &[IpAddr], port: u16) -> Option<SocketAddr> {
        let addresses = || ips.iter().map(|ip| SocketAddr::new(*ip, port));
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = addresses().find(|address| self.has(protocol, *address)) {
                return Some(found);
            }
            let until = self.lock().expected.filter(|until| *until > Instant::now())?;
            let _ = tokio::time::timeout_at(until, changed).await;
        }
    }

    /// Connects, from a port that was taken or any. Who is `patient` waits for a service that was
    /// started and will listen soon, also when the one before it has just gone.
    ///
    /// Errors: nothing listens there, or no port is left.
    pub async fn connect(
        self: &Arc<Self>,
        from: Option<Lease>,
        to: SocketAddr,
        patient: bool,
    ) -> io::Result<Connection> {
        let lease = match from {
            Some(lease) => lease,
            None => self.bind(Protocol::Tcp, SocketAddr::new(source(to), 0))?,
        };
        let local = match lease.address.ip() {
            ip if ip.is_unspecified() => SocketAddr::new(source(to), lease.address.port()),
            _ => lease.address,
        };
        let mut lease = Some(lease);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let listener = self.lock().holders(Protocol::Tcp, to).find_map(|holder| match holder {
                Holder::Listener(listener) => listener.upgrade(),
                _ => None,
            });
            let refused = match listener {
                Some(listener) => match listener.join(&mut lease, local, to).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => error,
                },
                None => io::ErrorKind::ConnectionRefused.into(),
            };
            let until = self.lock().expected.filter(|until| patient && *until > Instant::now());
            let Some(until) = until else { return Err(refused) };
            let _ = tokio::time::timeout_at(until, changed).await;
        }
    }

    /// Sends a datagram. One that its receiver has no room for is lost.
    ///
    /// Errors: nothing is there.
    pub fn send(&self, from: &Datagrams, data: Vec<u8>, to: SocketAddr) -> io::Result<()> {
        let receiver = self.lock().holders(Protocol::Udp, to).find_map(|holder| match holder {
            Holder::Datagrams(socket) => socket.upgrade(),
            _ => None,
        });
        let receiver = receiver.ok_or(io::ErrorKind::ConnectionRefused)?;
        from.expect(to);
        let source = match from.local.ip() {
            ip if ip.is_unspecified() => SocketAddr::new(source(to), from.local.port()),
            _ => from.local,
        };
        receiver.deliver(data, source);
        Ok(())
    }

    /// A service was started: for some time connections wait until it listens.
    pub fn expect(&self, time: Duration) {
        self.lock().expected = Some(Instant::now() + time);
    }

    /// The service has ended: nobody need wait for it.
    pub fn expect_nothing(&self) {
        self.lock().expected = None;
        self.changed.notify_waiters();
        self.forsake();
    }

    /// Resets the connections that wait for a service where none has begun to listen.
    pub fn forsake(&self) {
        let forsaken = std::mem::take(&mut self.lock().waiting);
        // They give back their ports, for which the state must be free.
        forsaken.iter().for_each(|connection| connection.outgoing().reset());
    }

    /// Waits until the connections that a service has accepted are over, for this long at most.
    pub async fn accepted_are_over(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.accepted.are_over()).await;
    }

    /// Takes the ports from a service that ends: its listeners accept nobody any more, and the next
    /// service may have them. Connections that were not accepted wait for it.
    pub fn evict(&self) {
        let (mut listeners, mut sockets) = (Vec::new(), Vec::new());
        let mut state = self.lock();
        for taken in state.ports.values_mut() {
            taken.retain(|taken| match &taken.by {
                Holder::Nobody => true,
                Holder::Listener(listener) => {
                    listeners.extend(listener.upgrade());
                    false
                }
                Holder::Datagrams(socket) => {
                    sockets.extend(socket.upgrade());
                    sockets.last().is_some_and(|socket: &Arc<Datagrams>| !socket.is_open())
                }
            });
        }
        state.ports.retain(|_, taken| !taken.is_empty());
        // One that is dropped here gives its port back, for which the state must be free.
        drop(state);
        let unaccepted: Vec<Connection> = listeners.iter().flat_map(|listener| listener.surrender()).collect();
        self.lock().waiting.extend(unaccepted);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether who has this address gets what is sent to the other.
fn reaches(has: SocketAddr, to: SocketAddr) -> bool {
    has.port() == to.port() && has.is_ipv6() == to.is_ipv6() && (has.ip() == to.ip() || has.ip().is_unspecified())
}

/// The address that a system would send from.
fn source(to: SocketAddr) -> IpAddr {
    match to {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

impl State {
    /// Who has a port in such a way that something sent to `address` reaches them.
    fn holders(&self, protocol: Protocol, address: SocketAddr) -> impl Iterator<Item = &Holder> {
        let taken = self.ports.get(&(protocol, address.is_ipv6(), address.port())).into_iter().flatten();
        taken.filter(move |taken| taken.ip == address.ip() || taken.ip.is_unspecified()).map(|taken| &taken.by)
    }

    fn hold(&mut self, key: (Protocol, bool, u16), id: u64, by: Holder) {
        if let Some(taken) = self.ports.get_mut(&key).and_then(|all| all.iter_mut().find(|taken| taken.id == id)) {
            taken.by = by;
        }
    }

    fn is_free(&self, protocol: Protocol, ip: IpAddr, port: u16) -> bool {
        let taken = self.ports.get(&(protocol, ip.is_ipv6(), port));
        taken.is_none_or(|all| {
            !all.iter().any(|taken| taken.ip == ip || taken.ip.is_unspecified() || ip.is_unspecified())
        })
    }

    fn free_port(&mut self, protocol: Protocol, ip: IpAddr) -> Option<u16> {
        for _ in EPHEMERAL {
            self.next_port = match self.next_port {
                port if EPHEMERAL.contains(&port) && port < *EPHEMERAL.end() => port + 1,
                _ => *EPHEMERAL.start(),
            };
            if self.is_free(protocol, ip, self.next_port) {
                return Some(self.next_port);
            }
        }
        None
    }
}

/// A port that is taken until this is dropped.
pub struct Lease {
    network: Arc<Loopback>,
    protocol: Protocol,
    address: SocketAddr,
    id: u64,
}

impl Lease {
    /// With the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The network of the port.
    pub fn network(&self) -> &Arc<Loopback> {
        &self.network
    }

    fn key(&self) -> (Protocol, bool, u16) {
        (self.protocol, self.address.is_ipv6(), self.address.port())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.network.lock();
        if let Some(all) = state.ports.get_mut(&self.key()) {
            all.retain(|taken| taken.id != self.id);
            if all.is_empty() {
                state.ports.remove(&self.key());
            }
        }
    }
}

/// The place of a workload's network in what was made ready for it. Versions of one workload share
/// one network, which is only known when a version is activated.
#[derive(Clone, Default)]
pub struct Seat(Arc<ArcSwap<Loopback>>);

impl Seat {
    /// The network.
    pub fn network(&self) -> Arc<Loopback> {
        self.0.load_full()
    }

    /// Puts another network in its place.
    pub fn take(&self, network: Arc<Loopback>) {
        self.0.store(network);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn listen(network: &Arc<Loopback>, text: &str) -> Arc<Listener> {
        network.listen(network.bind(Protocol::Tcp, at(text)).unwrap(), 128)
    }

    async fn connect(network: &Arc<Loopback>, text: &str) -> io::Result<Connection> {
        network.connect(None, at(text), false).await
    }

    #[tokio::test]
    async fn a_listener_has_the_addresses_that_it_has_on_a_system() {
        let network = Arc::new(Loopback::default());
        let one = listen(&network, "127.0.0.1:80");
        assert!(connect(&network, "127.0.0.1:80").await.is_ok());
        for other in ["127.0.0.2:80", "127.0.0.1:81", "[::1]:80"] {
            let refused = connect(&network, other).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{other}");
        }
        let _all = listen(&network, "0.0.0.0:81");
        let client = connect(&network, "127.0.0.9:81").await.unwrap();
        assert_eq!((client.peer, client.local.ip()), (at("127.0.0.9:81"), at("127.0.0.1:0").ip()));
        let accepted = poll_fn(|cx| one.poll_accept(cx)).await;
        assert_eq!(accepted.local, at("127.0.0.1:80"));
        assert!(EPHEMERAL.contains(&accepted.peer.port()));
    }

    #[test]
    fn a_port_is_taken_once_and_free_again_when_its_socket_is_gone() {
        let network = Arc::new(Loopback::default());
        let bind = |text| network.bind(Protocol::Tcp, at(text)).map(|lease| lease.address().port());
        let first = network.bind(Protocol::Tcp, at("127.0.0.1:80")).unwrap();
        for other in ["127.0.0.1:80", "0.0.0.0:80"] {
            assert_eq!(bind(other).unwrap_err().kind(), io::ErrorKind::AddrInUse, "{other}");
        }
        for other in ["127.0.0.2:80", "[::1]:80", "[::]:80"] {
            assert_eq!(bind(other).unwrap(), 80, "{other}");
        }
        assert!(network.bind(Protocol::Udp, at("127.0.0.1:80")).is_ok(), "UDP has ports of its own");
        let any: Vec<_> = (0..3).map(|_| network.bind(Protocol::Tcp, at("127.0.0.1:0")).unwrap()).collect();
        assert!(any[0].address().port() != any[1].address().port() && any[1].address() != any[2].address());
        drop(first);
        assert_eq!(bind("0.0.0.0:80").unwrap(), 80);
        // Another workload's network has its own ports.
        assert!(Arc::new(Loopback::default()).bind(Protocol::Tcp, any[0].address()).is_ok());
    }

    #[tokio::test]
    async fn a_full_backlog_makes_connections_wait_and_the_end_of_the_listener_refuses_them() {
        let network = Arc::new(Loopback::default());
        let listener = network.listen(network.bind(Protocol::Tcp, at("127.0.0.1:80")).unwrap(), 1);
        let first = connect(&network, "127.0.0.1:80").await.unwrap();
        let second = connect(&network, "127.0.0.1:80");
        tokio::pin!(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        let accepted = poll_fn(|cx| listener.poll_accept(cx)).await;
        let waiting = second.await.unwrap();
        let third = connect(&network, "127.0.0.1:80");
        tokio::pin!(third);
        assert!(futures::poll!(third.as_mut()).is_pending());
        listener.close();
        drop(listener);
        assert_eq!(third.await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        // What was not accepted is reset, what was goes on.
        let read = poll_fn(|cx| waiting.incoming().poll_read(cx, 1)).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        accepted.outgoing().write(b"x").unwrap();
        assert_eq!(poll_fn(|cx| first.incoming().poll_read(cx, 9)).await.unwrap(), "x");
    }

    #[tokio::test]
    async fn the_end_of_a_connection_is_told_as_a_system_tells_it() {
        let network = Arc::new(Loopback::default());
        let listener = listen(&network, "127.0.0.1:80");
        let pair = async || {
            let client = connect(&network, "127.0.0.1:80").await.unwrap();
            (client, poll_fn(|cx| listener.poll_accept(cx)).await)
        };
        // Everything was read: the other side sees the end, and cannot write any more.
        let (client, server) = pair().await;
        drop(server);
        assert_eq!(poll_fn(|cx| client.incoming().poll_read(cx, 9)).await.unwrap(), "");
        assert_eq!(client.outgoing().write(b"x").unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        // Something was not: the other side must not take it for received.
        let (client, server) = pair().await;
        client.outgoing().write(b"lost").unwrap();
        drop(server);
        let read = poll_fn(|cx| client.incoming().poll_read(cx, 9)).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        // Half of it: what is left works.
        let (client, server) = pair().await;
        client.outgoing().finish();
        assert_eq!(poll_fn(|cx| server.incoming().poll_read(cx, 9)).await.unwrap(), "");
        server.outgoing().write(b"still").unwrap();
        assert_eq!(poll_fn(|cx| client.incoming().poll_read(cx, 9)).await.unwrap(), "still");
    }

    #[tokio::test]
    async fn datagrams_reach_the_service_and_only_answers_reach_others() {
        let network = Arc::new(Loopback::default());
        let socket = |text, open| network.datagrams(network.bind(Protocol::Udp, at(text)).unwrap(), open);
        let (service, client, stranger) =
            (socket("0.0.0.0:53", true), socket("127.0.0.1:0", false), socket("0.0.0.0:0", false));
        assert!(network.send(&client, b"x".to_vec(), at("127.0.0.1:54")).is_err(), "nothing is there");
        network.send(&stranger, b"unwanted".to_vec(), client.local).unwrap();
        network.send(&client, b"question".to_vec(), at("127.0.0.1:53")).unwrap();
        let (data, from) = poll_fn(|cx| service.poll_receive(cx, None)).await;
        assert_eq!((data, from), (b"question".to_vec(), client.local));
        // It answers from the address that was asked.
        network.send(&service, b"answer".to_vec(), from).unwrap();
        let (data, from) = poll_fn(|cx| client.poll_receive(cx, None)).await;
        assert_eq!((data, from), (b"answer".to_vec(), at("127.0.0.1:53")));
        for _ in 0..10_000 {
            network.send(&client, vec![0; 1000], at("127.0.0.1:53")).unwrap();
        }
        let mut kept = 0;
        while futures::poll!(std::pin::pin!(poll_fn(|cx| service.poll_receive(cx, None)))).is_ready() {
            kept += 1;
        }
        assert_eq!(kept, 256, "what does not fit is lost");
    }

    #[tokio::test]
    async fn the_ports_of_a_service_that_ends_are_free_and_clients_keep_theirs() {
        let network = Arc::new(Loopback::default());
        let socket = |text, open| network.datagrams(network.bind(Protocol::Udp, at(text)).unwrap(), open);
        let (old, own) = (listen(&network, "127.0.0.1:80"), socket("127.0.0.1:53", true));
        let (client, datagrams) = (connect(&network, "127.0.0.1:80").await.unwrap(), socket("127.0.0.1:0", false));
        network.evict();
        assert!(connect(&network, "127.0.0.1:80").await.is_err());
        let _new = listen(&network, "127.0.0.1:80");
        let _other = socket("127.0.0.1:53", true);
        drop((old, own));
        assert!(connect(&network, "127.0.0.1:80").await.is_ok(), "the old one takes nothing with it");
        assert!(
            network.bind(Protocol::Udp, datagrams.local).is_err() && network.bind(Protocol::Tcp, client.local).is_err()
        );
    }

    #[tokio::test]
    async fn connections_that_were_not_accepted_wait_for_the_next_service() {
        let network = Arc::new(Loopback::default());
        let old = listen(&network, "0.0.0.0:80");
        let other = listen(&network, "127.0.0.1:81");
        let (first, second) = (connect(&network, "127.0.0.1:80").await, connect(&network, "127.0.0.2:80").await);
        let (first, second, third) =
            (first.unwrap(), second.unwrap(), connect(&network, "127.0.0.1:81").await.unwrap());
        first.outgoing().write(b"first").unwrap();
        network.evict();
        drop((old, other));
        // It has not the address that the second one wanted.
        let new = listen(&network, "127.0.0.1:80");
        let accepted = poll_fn(|cx| new.poll_accept(cx)).await;
        assert_eq!(poll_fn(|cx| accepted.incoming().poll_read(cx, 9)).await.unwrap(), "first");
        assert!(futures::poll!(std::pin::pin!(poll_fn(|cx| new.poll_accept(cx)))).is_pending());
        for waiting in [&second, &third] {
            let mut read = std::pin::pin!(poll_fn(|cx| waiting.incoming().poll_read(cx, 1)));
            assert!(futures::poll!(read.as_mut()).is_pending());
        }
        network.forsake();
        for waiting in [second, third] {
            let read = poll_fn(|cx| waiting.incoming().poll_read(cx, 1)).await;
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        }
    }

    #[tokio::test]
    async fn a_service_that_is_replaced_finishes_with_those_it_has_accepted() {
        let network = Arc::new(Loopback::default());
        network.accepted_are_over(Duration::from_secs(600)).await;
        let listener = listen(&network, "127.0.0.1:80");
        let _clients = (connect(&network, "127.0.0.1:80").await, connect(&network, "127.0.0.1:80").await);
        let accepted = poll_fn(|cx| listener.poll_accept(cx)).await;
        let over = network.accepted_are_over(Duration::from_secs(600));
        tokio::pin!(over);
        assert!(futures::poll!(over.as_mut()).is_pending());
        drop(accepted);
        over.await;
        let _endless = poll_fn(|cx| listener.poll_accept(cx)).await;
        network.accepted_are_over(Duration::from_millis(1)).await;
    }

    #[tokio::test]
    async fn a_service_that_was_just_started_is_waited_for() {
        let network = Arc::new(Loopback::default());
        assert!(!network.expects(Protocol::Tcp, at("127.0.0.1:80")).await, "nobody was started");
        network.expect(Duration::from_secs(600));
        let waiting = network.expects(Protocol::Tcp, at("127.0.0.1:80"));
        tokio::pin!(waiting);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        let _listener = listen(&network, "0.0.0.0:80");
        assert!(waiting.await);
        network.expect(Duration::from_millis(1));
        assert!(!network.expects(Protocol::Tcp, at("127.0.0.1:81")).await, "not for ever");
        network.expect(Duration::from_secs(600));
        let waiting = network.expects(Protocol::Tcp, at("127.0.0.1:81"));
        tokio::pin!(waiting);
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        network.expect_nothing();
        assert!(!waiting.await, "it has ended");
    }
}
