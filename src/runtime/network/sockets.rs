//! `wasi:sockets` under the policy: addresses, listening, and looking up names.
//!
//! Sockets of the machine's network are the upstream library's, which asks [`Sockets::permits`] before
//! every step; those inside of the workload are ours ([`super::wasi`]). Looking up names is upstream's behind [`View`], which asks the policy first and remembers
//! what was found: `allowed_hosts` speaks of names, sockets of addresses.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

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
            SocketAddrUse::TcpBind => self.listening(format!("binding TCP to {address}"), address),
            SocketAddrUse::UdpBind => self.listening(format!("binding UDP to {address}"), address),
            SocketAddrUse::TcpListen => self.listening(format!("listening on TCP at {address}"), address),
            SocketAddrUse::TcpAccept => false,
        }
    }

    fn listening(&self, what: String, address: SocketAddr) -> bool {
        if !self.listens() {
            self.network.deny_listening(what);
        } else if is_own(address.ip()) || address.ip().is_unspecified() {
            self.not_of_0_3(&what);
        } else {
            let inside = "a service listens inside of its workload: on loopback addresses, 0.0.0.0 and ::";
            self.network.tell(format!("the network policy denies {what}: {inside}"), None, true);
        }
        false
    }

    fn not_of_0_3(&self, what: &str) {
        let reason = "sockets of WASI 0.3 do not reach the workload's own loopback yet";
        let hint = "use `wasi:sockets` 0.2 for it, as the standard libraries of most languages do".to_string();
        self.network.tell(format!("{what} is denied: {reason}"), Some(hint), true);
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
    pub fn is_opened(&self, port: u16) -> bool {
        self.network.is_opened(port)
    }

    /// Whether what is sent to an address stays inside of the workload: a socket of the workload goes
    /// before a port of the machine.
    pub fn is_inside(&self, protocol: Protocol, to: SocketAddr) -> bool {
        if !is_own(to.ip()) || !self.is_opened(to.port()) {
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
        // Those of 0.2 were served by the workload's own loopback before this was asked.
        if is_own(address.ip()) && (!self.is_opened(port) || self.loopback().has(protocol, address)) {
            self.not_of_0_3(&format!("{transport}://{address}"));
            return false;
        }
        let to = Destination { transport, name: None, address: Some(address.ip()), port };
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

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let asked = match name.parse::<IpAddr>() {
            Ok(_) => name.clone(),
            Err(_) => match Host::parse(&name) {
                Some(Host::Name(name)) => name,
                // Names in other scripts have an ASCII form, which upstream would make of them.
                _ if !name.is_ascii() => return Err(ErrorCode::InvalidArgument.into()),
                _ => name.clone(),
            },
        };
        let literal = asked.parse::<IpAddr>().is_ok() || matches!(Host::parse(&asked), Some(Host::Address(_)));
        let known = if literal {
            None
        } else if is_localhost(&asked) {
            Some(IpAddr::from([127, 0, 0, 1]))
        } else {
            sockets.network.decide_lookup(&asked).map_err(|_| ErrorCode::AccessDenied)?;
            sockets.network.fixed(&asked)
        };
        let wanted = known.map_or_else(|| asked.clone(), |address| address.to_string());
        let stream = self.upstream(|upstream| ip_name_lookup::Host::resolve_addresses(upstream, network, wanted))?;
        let mut seen = sockets.seen();
        if !literal && seen.lookups.len() < REMEMBERED {
            seen.lookups.insert(stream.rep(), asked.into());
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
            let mut seen = sockets.seen();
            if let Some(name) = seen.lookups.get(&lookup).cloned() {
                if seen.names.len() >= REMEMBERED
                    && !seen.names.contains_key(&ip(address))
                    && let Some(other) = seen.names.keys().next().copied()
                {
                    seen.names.remove(&other);
                }
                let names = seen.names.entry(ip(address)).or_default();
                if !names.contains(&name) && names.len() < NAMES {
                    names.push(name);
                }
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

    /// Only those of WASI 0.3 get here with such an address: see `wasi::tcp` and `wasi::udp`.
    #[test]
    fn sockets_of_0_3_do_not_reach_loopback_and_it_is_told() {
        let (open, usage) =
            (Rules { allowed_host_loopback_ports: vec![5432], ..Rules::default() }, SocketAddrUse::TcpConnect);
        let (sockets, told) = sockets(open, false);
        assert!(sockets.permits("127.0.0.1:5432".parse().unwrap(), usage), "a port of the machine that was opened");
        assert!(!sockets.permits("127.0.0.1:80".parse().unwrap(), usage));
        assert!(!sockets.permits("[::1]:80".parse().unwrap(), SocketAddrUse::UdpSend));
        assert!(told.0.lock().unwrap().iter().all(|told| told.contains("WASI 0.3")), "{told:?}", told = told.0);
        // The workload's own goes before the machine's.
        let (loopback, port) = (sockets.loopback(), "127.0.0.1:5432".parse().unwrap());
        let _listener = loopback.listen(loopback.bind(Protocol::Tcp, port).unwrap(), 1);
        assert!(!sockets.permits(port, usage));
    }

    #[test]
    fn what_may_not_listen_is_told_why() {
        for (is_service, address, why) in [
            (false, "127.0.0.1:80", "components do not listen"),
            (true, "127.0.0.1:80", "WASI 0.3"),
            (true, "10.0.0.1:80", "inside of its workload"),
        ] {
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
