//! `wasi:sockets` under the policy: addresses, listening, and looking up names.
//!
//! Sockets of the machine's network are the upstream library's, which asks [`Sockets::permits`] before
//! every step; those inside of the workload are ours ([`super::wasi`], and [`super::wasi3`] for WASI 0.3). Looking up names is upstream's behind
//! [`View`] in WASI 0.2, and ours in 0.3. Both ask the policy first and remember what was found: `allowed_hosts` speaks of names, sockets of addresses.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, LinkerInstance, Resource, ResourceTable, ResourceType};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network as NetworkHandle};
use wasmtime_wasi::p2::{DynPollable, SocketError};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtx, WasiSocketsCtxView};

use super::loopback::{Loopback, Protocol, is_own};
use super::policy::{Destination, Rule, is_localhost};
use super::{Host, Network, Transport, wasi};

/// So many addresses, peers and lookups of one store are remembered. A service may live for months:
/// then any of the others is forgotten for a new one.
const REMEMBERED: usize = 1024;

/// So many names of one address are remembered.
const NAMES: usize = 64;

/// How long looking up a name may take, where we do it.
const LOOKUP_TIME: Duration = Duration::from_secs(10);

/// What one store's sockets have done so far.
pub struct Sockets {
    network: Arc<Network>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Names that were looked up, by the addresses that were found.
    names: HashMap<IpAddr, Vec<Arc<str>>>,
    /// To whom datagrams were sent. Only they may send some back: the rest would be listening.
    peers: HashSet<SocketAddr>,
    /// Names of lookups that run, by their resource.
    lookups: HashMap<u32, Arc<str>>,
}

impl Sockets {
    /// The sockets of a new store.
    pub fn new(network: Arc<Network>) -> Self {
        Sockets { network, seen: Mutex::default() }
    }

    /// Whether a step of a socket is permitted.
    pub fn permits(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        match usage {
            SocketAddrUse::TcpConnect => self.may_reach(Transport::Tcp, address),
            SocketAddrUse::UdpSend => {
                let may = self.may_reach(Transport::Udp, address);
                let mut seen = self.seen();
                if may {
                    seen.peers.insert(canonical(address));
                    forget_one(&mut seen.peers, &canonical(address));
                }
                may
            }
            SocketAddrUse::UdpReceive => self.seen().peers.contains(&canonical(address)),
            // Every socket that connects or sends is bound, and says so in this way. Nobody can know the
            // port that it gets.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind if address.ip().is_unspecified() && address.port() == 0 => {
                true
            }
            SocketAddrUse::TcpBind => self.listening(&format!("binding TCP to {address}")),
            SocketAddrUse::UdpBind => self.listening(&format!("binding UDP to {address}")),
            SocketAddrUse::TcpListen => self.listening(&format!("listening on TCP at {address}")),
            SocketAddrUse::TcpAccept => false,
        }
    }

    fn listening(&self, what: &str) -> bool {
        if !self.listens() {
            self.network.deny_listening(what);
        } else {
            let inside = "a service listens inside of its workload: on loopback addresses, 0.0.0.0 and ::";
            self.network.tell(format!("the network policy denies {what}: {inside}"), None, true);
        }
        false
    }

    /// The workload's own loopback.
    pub fn loopback(&self) -> Arc<Loopback> {
        self.network.loopback()
    }

    /// Whether they belong to a service, which may wait for others there.
    pub fn listens(&self) -> bool {
        self.network.listens()
    }

    /// Whether a port of the machine's loopback was opened to them.
    pub fn is_opened(&self, protocol: Protocol, port: u16) -> bool {
        let transport = match protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
        };
        self.network.is_opened(transport, port)
    }

    /// Whether what is sent to an address stays inside of the workload: a socket of the workload goes
    /// before a port of the machine.
    pub fn is_inside(&self, protocol: Protocol, to: SocketAddr) -> bool {
        if !is_own(to.ip()) || !self.is_opened(protocol, to.port()) {
            return is_own(to.ip());
        }
        let inside = self.loopback().has(protocol, to);
        if inside {
            self.tell_hidden(Transport::Udp, to);
        }
        inside
    }

    /// Tells that a port of the machine's was opened and is not reached.
    pub fn tell_hidden(&self, transport: Transport, to: SocketAddr) {
        self.network.tell_hidden(transport, to);
    }

    /// Tells that nothing waits at an address of the workload's own loopback.
    pub fn tell_nobody(&self, transport: Transport, to: SocketAddr) {
        let to = Destination { transport, name: None, address: Some(to.ip()), port: to.port() };
        let _ = self.network.decide(&to);
    }

    /// By the address alone, or by a name that was looked up and has that address.
    fn may_reach(&self, transport: Transport, address: SocketAddr) -> bool {
        let port = address.port();
        let protocol = if transport == Transport::Udp { Protocol::Udp } else { Protocol::Tcp };
        let to = Destination { transport, name: None, address: Some(address.ip()), port };
        // The workload's own loopback comes before this is asked, and before the machine's.
        if is_own(address.ip()) && (!self.is_opened(protocol, port) || self.loopback().has(protocol, address)) {
            let _ = self.network.decide(&to);
            return false;
        }
        match self.network.consider(&to) {
            Ok(_) => return true,
            Err(denial) if denial.rule == Rule::NotListed => {
                let names = self.seen().names.get(&address.ip().to_canonical()).cloned().unwrap_or_default();
                if names.iter().any(|name| self.network.consider(&Destination { name: Some(name), ..to }).is_ok()) {
                    return true;
                }
            }
            Err(_) => {}
        }
        // Told with the best name there is.
        let name = self.seen().names.get(&address.ip().to_canonical()).and_then(|names| names.last().cloned());
        let _ = self.network.decide(&Destination { name: name.as_deref(), ..to });
        false
    }

    /// What looking up this text means, if the policy permits it.
    fn question(&self, text: &str) -> Result<Question, ErrorCode> {
        let name = match (text.parse::<IpAddr>(), Host::parse(text)) {
            (Ok(address), _) | (_, Some(Host::Address(address))) => return Ok(Question::Address(address)),
            (_, Some(Host::Name(name))) => name,
            // Names in other scripts have an ASCII form, which a resolver might make of them.
            (_, None) if !text.is_ascii() => return Err(ErrorCode::InvalidArgument),
            (_, None) => text.to_string(),
        };
        if is_localhost(&name) {
            return Ok(Question::Name { name, fixed: Some(IpAddr::from([127, 0, 0, 1])) });
        }
        self.network.decide_lookup(&name).map_err(|_| ErrorCode::AccessDenied)?;
        let fixed = self.network.fixed(&name);
        Ok(Question::Name { name, fixed })
    }

    /// The addresses of a name, if the policy permits to look it up.
    pub async fn look_up(&self, text: &str) -> Result<Vec<IpAddr>, ErrorCode> {
        let (name, fixed) = match self.question(text)? {
            Question::Address(address) => return Ok(vec![address]),
            Question::Name { name, fixed } => (name, fixed),
        };
        if Host::parse(&name).is_none() {
            return Err(ErrorCode::InvalidArgument);
        }
        let found = match fixed {
            Some(address) => vec![address],
            None => match tokio::time::timeout(LOOKUP_TIME, self.network.resolve(&name)).await {
                Ok(Ok(found)) => found,
                Ok(Err(_)) => return Err(ErrorCode::NameUnresolvable),
                Err(_) => return Err(ErrorCode::TemporaryResolverFailure),
            },
        };
        let found: Vec<IpAddr> = found.into_iter().map(|address| address.to_canonical()).collect();
        let name: Arc<str> = name.into();
        found.iter().for_each(|address| self.remember(&name, *address));
        Ok(found)
    }

    /// Remembers an address that was found for a name.
    fn remember(&self, name: &Arc<str>, address: IpAddr) {
        let mut seen = self.seen();
        if seen.names.len() >= REMEMBERED
            && !seen.names.contains_key(&address)
            && let Some(other) = seen.names.keys().next().copied()
        {
            seen.names.remove(&other);
        }
        let names = seen.names.entry(address).or_default();
        if !names.contains(name) && names.len() < NAMES {
            names.push(name.clone());
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is asked of a resolver.
enum Question {
    /// Nothing: it is an address.
    Address(IpAddr),
    /// The addresses of a name, which may have one whatever a resolver says.
    Name { name: String, fixed: Option<IpAddr> },
}

/// Makes room in what is remembered, and not by forgetting what was remembered last.
fn forget_one<T: Copy + Eq + std::hash::Hash>(remembered: &mut HashSet<T>, last: &T) {
    if remembered.len() > REMEMBERED
        && let Some(other) = remembered.iter().find(|other| *other != last).copied()
    {
        remembered.remove(&other);
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What the interfaces of sockets need of their store.
pub struct View<'a> {
    pub sockets: Option<&'a Arc<Sockets>>,
    pub ctx: &'a mut WasiSocketsCtx,
    pub table: &'a mut ResourceTable,
}

/// Stands for [`View`] where the bindings ask for a type without a lifetime.
pub struct Views;

impl HasData for Views {
    type Data<'a> = View<'a>;
}

/// Puts sockets and looking up names under the policy, in place of what upstream has put into the linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let linked = ip_name_lookup::add_to_linker::<T, Views>(linker, view);
    linker.allow_shadowing(false);
    linked.and_then(|()| wasi::link(linker, view))
}

/// Puts the interface into a linker's instance, for a store that holds several components: `view`
/// finds the one that calls.
pub fn link_personal<T: Send + 'static>(
    instance: &mut LinkerInstance<'_, T>,
    view: impl for<'a> Fn(&'a mut T) -> View<'a> + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    type Call<'a, T> = StoreContextMut<'a, T>;
    type Stream = Resource<ResolveAddressStream>;
    instance.resource(
        "resolve-address-stream",
        ResourceType::host::<ResolveAddressStream>(),
        move |mut store, rep| {
            ip_name_lookup::HostResolveAddressStream::drop(&mut view(store.data_mut()), Resource::new_own(rep))
        },
    )?;
    instance.func_wrap(
        "resolve-addresses",
        move |mut store: Call<'_, T>, (network, name): (Resource<NetworkHandle>, String)| {
            let mut view = view(store.data_mut());
            let found = ip_name_lookup::Host::resolve_addresses(&mut view, network, name);
            Ok((or_code(&mut view, found)?,))
        },
    )?;
    instance.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        move |mut store: Call<'_, T>, (stream,): (Stream,)| {
            let mut view = view(store.data_mut());
            let found = ip_name_lookup::HostResolveAddressStream::resolve_next_address(&mut view, stream);
            Ok((or_code(&mut view, found)?,))
        },
    )?;
    instance.func_wrap(
        "[method]resolve-address-stream.subscribe",
        move |mut store: Call<'_, T>, (stream,): (Stream,)| {
            Ok((ip_name_lookup::HostResolveAddressStream::subscribe(&mut view(store.data_mut()), stream)?,))
        },
    )
}

/// A result as guests get it.
pub fn or_code<R>(view: &mut View<'_>, result: Result<R, SocketError>) -> wasmtime::Result<Result<R, ErrorCode>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(network::Host::convert_error_code(view, error)?)),
    }
}

impl View<'_> {
    /// Upstream's implementation, with looking up permitted. The store's own context never permits
    /// it, so that there is no way around the policy.
    fn upstream<R>(&mut self, call: impl FnOnce(&mut WasiSocketsCtxView<'_>) -> R) -> R {
        let mut ctx: WasiSocketsCtx = WasiCtx::builder().allow_ip_name_lookup(true).build().sockets().clone();
        call(&mut WasiSocketsCtxView { ctx: &mut ctx, table: self.table })
    }
}

impl ip_name_lookup::Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<NetworkHandle>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        let Some(sockets) = self.sockets.cloned() else { return Err(ErrorCode::AccessDenied.into()) };
        let (wanted, asked) = match sockets.question(&name)? {
            Question::Address(address) => (address.to_string(), None),
            Question::Name { name, fixed } => {
                (fixed.map_or_else(|| name.clone(), |fixed| fixed.to_string()), Some(name))
            }
        };
        let stream = self.upstream(|upstream| ip_name_lookup::Host::resolve_addresses(upstream, network, wanted))?;
        let mut seen = sockets.seen();
        if let Some(name) = asked
            && seen.lookups.len() < REMEMBERED
        {
            seen.lookups.insert(stream.rep(), name.into());
        }
        Ok(stream)
    }
}

impl ip_name_lookup::HostResolveAddressStream for View<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let lookup = stream.rep();
        let found =
            self.upstream(|upstream| ip_name_lookup::HostResolveAddressStream::resolve_next_address(upstream, stream))?;
        if let (Some(address), Some(sockets)) = (&found, self.sockets) {
            let name = sockets.seen().lookups.get(&lookup).cloned();
            if let Some(name) = name {
                sockets.remember(&name, ip(address));
            }
        }
        Ok(found)
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        self.upstream(|upstream| ip_name_lookup::HostResolveAddressStream::subscribe(upstream, stream))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        if let Some(sockets) = self.sockets {
            sockets.seen().lookups.remove(&stream.rep());
        }
        self.upstream(|upstream| ip_name_lookup::HostResolveAddressStream::drop(upstream, stream))
    }
}

/// The bindings of lookups turn errors into codes by these.
impl network::Host for View<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.upstream(|upstream| network::Host::network_error_code(upstream, error))
    }
}

impl network::HostNetwork for View<'_> {
    fn drop(&mut self, handle: Resource<NetworkHandle>) -> wasmtime::Result<()> {
        self.upstream(|upstream| network::HostNetwork::drop(upstream, handle))
    }
}

fn ip(address: &IpAddress) -> IpAddr {
    match *address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]).to_canonical(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::network::loopback::Seat;
    use crate::runtime::network::policy::{Policy, Rules};
    use crate::runtime::network::{Outbound, OutboundOptions};
    use crate::runtime::observer::{Fault, NetworkNotice, Observer, Output, RequestRecord};

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

    fn sockets(rules: Rules, is_service: bool) -> (Sockets, Arc<Told>) {
        let (told, outbound) = (Arc::new(Told::default()), Outbound::new(&OutboundOptions::default()).unwrap());
        let network = Network::new(Policy::new(rules).unwrap(), Arc::new(outbound), "app".into(), told.clone());
        (Sockets::new(Arc::new(network.inside(&Seat::default(), is_service))), told)
    }

    /// Sockets of the loopback are made without this being asked: see `wasi::tcp` and `wasi::udp`.
    #[test]
    fn sockets_of_the_machine_do_not_reach_the_loopback() {
        let (open, usage) =
            (Rules { allowed_host_loopback_ports: vec![5432.into()], ..Rules::default() }, SocketAddrUse::TcpConnect);
        let (sockets, told) = sockets(open, false);
        assert!(sockets.permits("127.0.0.1:5432".parse().unwrap(), usage), "a port of the machine that was opened");
        assert!(!sockets.permits("127.0.0.1:80".parse().unwrap(), usage));
        assert!(!sockets.permits("[::1]:80".parse().unwrap(), SocketAddrUse::UdpSend));
        assert_eq!(told.0.lock().unwrap().len(), 2);
        // The workload's own goes before the machine's.
        let (loopback, port) = (sockets.loopback(), "127.0.0.1:5432".parse().unwrap());
        let _listener = loopback.listen(loopback.bind(Protocol::Tcp, port).unwrap(), 1);
        assert!(!sockets.permits(port, usage));
    }

    #[test]
    fn what_may_not_listen_is_told_why() {
        for (is_service, address, why) in
            [(false, "127.0.0.1:80", "components do not listen"), (true, "10.0.0.1:80", "inside of its workload")]
        {
            let (sockets, told) = sockets(Rules::default(), is_service);
            assert!(!sockets.permits(address.parse().unwrap(), SocketAddrUse::TcpBind));
            assert!(told.0.lock().unwrap()[0].contains(why), "{address}: {told:?}", told = told.0);
        }
    }

    #[test]
    fn who_was_sent_to_last_may_answer_however_many_there_were() {
        let (sockets, _) = sockets(Rules::default(), true);
        for number in 0..3000u16 {
            let peer = SocketAddr::from(([93, 184, (number >> 8) as u8, number as u8], 53));
            assert!(sockets.permits(peer, SocketAddrUse::UdpSend));
            assert!(sockets.permits(peer, SocketAddrUse::UdpReceive), "{peer}");
        }
        assert!(sockets.seen().peers.len() <= REMEMBERED);
    }
}
