//! UDP sockets, and what `wasi:sockets` 0.2 does with them; for 0.3 see [`crate::runtime::network::wasi3`].
//!
//! A socket that is bound to every address talks with members of the workload and with the machine's
//! network at once, as it would on a system. So it may have two halves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Network};
use wasmtime_wasi::p2::bindings::sockets::{udp as upstream, udp_create_socket as upstream_create};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketError, SocketResult, UdpSocket as MachineSocket, subscribe};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtx, WasiSocketsCtxView};

use super::bindings::wasi::sockets::udp::{Host, HostIncomingDatagramStream, HostOutgoingDatagramStream};
pub use super::bindings::wasi::sockets::udp::{HostUdpSocket, IncomingDatagram, OutgoingDatagram};
use super::{BUFFER_BYTES, HOPS, any, is_of, is_remote, network, on_machine, positive};
use crate::runtime::network::Transport;
use crate::runtime::network::loopback::{Datagrams, MOST_BYTES, Protocol, is_own};
use crate::runtime::network::sockets::{Sockets, View};

/// So many datagrams are received or sent by one call.
const AT_ONCE: usize = 16;

/// A socket and what has become of it.
pub struct UdpSocket {
    sockets: Arc<Sockets>,
    ctx: WasiSocketsCtx,
    family: IpAddressFamily,
    options: Options,
    /// It was bound: this is its half inside of the workload.
    own: Option<Arc<Datagrams>>,
    /// Its half outside.
    machine: Option<MachineSocket>,
    /// Whom it talks to only.
    peer: Option<Peer>,
    is_binding: bool,
    /// What arrives and leaves, where the socket itself sends and receives: in WASI 0.3.
    pub flow: Option<Flow>,
    /// It counts among the workload's sockets.
    _permit: OwnedSemaphorePermit,
}

/// Both directions of a socket, for calls that run beside each other.
#[derive(Clone)]
pub struct Flow {
    pub incoming: Arc<tokio::sync::Mutex<Incoming>>,
    pub outgoing: Arc<tokio::sync::Mutex<Outgoing>>,
}

impl Flow {
    fn new((incoming, outgoing): (Incoming, Outgoing)) -> Self {
        Flow { incoming: Arc::new(incoming.into()), outgoing: Arc::new(outgoing.into()) }
    }
}

#[derive(Clone, Copy)]
enum Peer {
    Own(SocketAddr),
    Machine(SocketAddr),
}

#[derive(Clone, Copy, Default)]
struct Options {
    hop_limit: Option<u8>,
    receive_buffer_size: Option<u64>,
    send_buffer_size: Option<u64>,
}

/// What arrives at a socket.
pub struct Incoming {
    ctx: WasiSocketsCtx,
    own: Option<(Arc<Datagrams>, Option<SocketAddr>)>,
    machine: Option<upstream::IncomingDatagramStream>,
}

/// What leaves a socket.
pub struct Outgoing {
    sockets: Arc<Sockets>,
    ctx: WasiSocketsCtx,
    family: IpAddressFamily,
    own: Arc<Datagrams>,
    peer: Option<Peer>,
    machine: Option<upstream::OutgoingDatagramStream>,
    /// How many the last `check-send` has permitted.
    permitted: usize,
}

impl super::udp_create_socket::Host for View<'_> {
    fn create_udp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        let Some(sockets) = self.sockets else { return Err(ErrorCode::AccessDenied.into()) };
        let permit = sockets.loopback().socket().ok_or(ErrorCode::NewSocketLimit)?;
        Ok(self.table.push(UdpSocket {
            sockets: sockets.clone(),
            ctx: self.ctx.clone(),
            family,
            options: Options::default(),
            own: None,
            machine: None,
            peer: None,
            is_binding: false,
            flow: None,
            _permit: permit,
        })?)
    }
}

impl Host for View<'_> {}

impl HostUdpSocket for View<'_> {
    fn start_bind(
        &mut self,
        this: Resource<UdpSocket>,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        let _ = self.table.get(&network)?;
        let socket = self.table.get_mut(&this)?;
        if socket.is_binding {
            return Err(ErrorCode::ConcurrencyConflict.into());
        }
        socket.bind(address.into())?;
        socket.is_binding = true;
        Ok(())
    }

    fn finish_bind(&mut self, this: Resource<UdpSocket>) -> SocketResult<()> {
        let socket = self.table.get_mut(&this)?;
        if !std::mem::take(&mut socket.is_binding) {
            return Err(ErrorCode::NotInProgress.into());
        }
        Ok(())
    }

    async fn stream(
        &mut self,
        this: Resource<UdpSocket>,
        remote: Option<IpSocketAddress>,
    ) -> SocketResult<(Resource<Incoming>, Resource<Outgoing>)> {
        if self.table.iter_children(&this)?.any(|child| child.is::<Incoming>() || child.is::<Outgoing>()) {
            return Err(SocketError::trap(wasmtime::Error::msg("the streams of the socket were not dropped yet")));
        }
        let socket = self.table.get_mut(&this)?;
        let (incoming, outgoing) = socket.streams(remote.map(SocketAddr::from)).await?;
        Ok((self.table.push_child(incoming, &this)?, self.table.push_child(outgoing, &this)?))
    }

    fn local_address(&mut self, this: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        let socket = self.table.get_mut(&this)?;
        match (&socket.own, &socket.peer) {
            (None, _) => Err(ErrorCode::InvalidState.into()),
            (Some(_), Some(Peer::Machine(_))) => on_machine(&socket.ctx, &mut socket.machine, |view, socket| {
                upstream::HostUdpSocket::local_address(view, socket)
            }),
            (Some(own), _) => Ok(own.local.into()),
        }
    }

    fn remote_address(&mut self, this: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        match self.table.get(&this)?.peer {
            Some(Peer::Own(peer) | Peer::Machine(peer)) => Ok(peer.into()),
            None => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn address_family(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.table.get(&this)?.family)
    }

    fn unicast_hop_limit(&mut self, this: Resource<UdpSocket>) -> SocketResult<u8> {
        Ok(self.table.get(&this)?.options.hop_limit.unwrap_or(HOPS))
    }

    fn set_unicast_hop_limit(&mut self, this: Resource<UdpSocket>, value: u8) -> SocketResult<()> {
        let value = positive(value)?;
        let socket = self.table.get_mut(&this)?;
        socket.options.hop_limit = Some(value);
        socket.apply_options()
    }

    fn receive_buffer_size(&mut self, this: Resource<UdpSocket>) -> SocketResult<u64> {
        Ok(self.table.get(&this)?.options.receive_buffer_size.unwrap_or(BUFFER_BYTES))
    }

    fn set_receive_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> SocketResult<()> {
        let value = positive(value)?;
        let socket = self.table.get_mut(&this)?;
        socket.options.receive_buffer_size = Some(value);
        socket.apply_options()
    }

    fn send_buffer_size(&mut self, this: Resource<UdpSocket>) -> SocketResult<u64> {
        Ok(self.table.get(&this)?.options.send_buffer_size.unwrap_or(BUFFER_BYTES))
    }

    fn set_send_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> SocketResult<()> {
        let value = positive(value)?;
        let socket = self.table.get_mut(&this)?;
        socket.options.send_buffer_size = Some(value);
        socket.apply_options()
    }

    fn subscribe(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, this)
    }

    fn drop(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

type MachineStreams = (upstream::IncomingDatagramStream, upstream::OutgoingDatagramStream);

/// The half of a socket that is outside of the workload, and what came of making streams of it.
pub struct Outside {
    socket: MachineSocket,
    streams: SocketResult<MachineStreams>,
}

impl Outside {
    /// Upstream asks the policy.
    async fn new(
        mut ctx: WasiSocketsCtx,
        family: IpAddressFamily,
        before: Option<MachineSocket>,
        remote: Option<SocketAddr>,
    ) -> SocketResult<Self> {
        let mut table = ResourceTable::new();
        let mut view = WasiSocketsCtxView { ctx: &mut ctx, table: &mut table };
        let socket = match before {
            Some(socket) => view.table.push(socket)?,
            None => {
                let socket = upstream_create::Host::create_udp_socket(&mut view, family).await?;
                let network = network(&mut view)?;
                let borrowed = || Resource::new_borrow(socket.rep());
                upstream::HostUdpSocket::start_bind(&mut view, borrowed(), network, any(family).into()).await?;
                upstream::HostUdpSocket::finish_bind(&mut view, borrowed())?;
                socket
            }
        };
        let borrowed = Resource::new_borrow(socket.rep());
        let streams = upstream::HostUdpSocket::stream(&mut view, borrowed, remote.map(Into::into)).await;
        let streams = match streams {
            Ok((incoming, outgoing)) => Ok((table.delete(incoming)?, table.delete(outgoing)?)),
            Err(error) => Err(error),
        };
        Ok(Outside { socket: table.delete(socket)?, streams })
    }
}

impl UdpSocket {
    /// Takes a port of the loopback.
    pub fn bind(&mut self, address: SocketAddr) -> SocketResult<()> {
        if self.own.is_some() {
            return Err(ErrorCode::InvalidState.into());
        }
        if !is_of(self.family, address.ip()) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let local = address.ip().is_unspecified() || is_own(address.ip());
        if !(local && (self.sockets.listens() || address.port() == 0)) {
            self.sockets.permits(address, SocketAddrUse::UdpBind);
            return Err(ErrorCode::AccessDenied.into());
        }
        let loopback = self.sockets.loopback();
        let lease = loopback.bind(Protocol::Udp, address)?;
        self.own = Some(loopback.datagrams(lease, self.sockets.listens()));
        Ok(())
    }

    /// Takes a port if it has none, as WASI 0.3 has it.
    pub fn bind_to_any(&mut self) -> SocketResult<()> {
        if self.is_bound() { Ok(()) } else { self.bind(any(self.family)) }
    }

    pub fn is_bound(&self) -> bool {
        self.own.is_some()
    }

    pub fn is_connected(&self) -> bool {
        self.peer.is_some()
    }

    /// What arrives and leaves: with `remote` only from there and to there.
    async fn streams(&mut self, remote: Option<SocketAddr>) -> SocketResult<(Incoming, Outgoing)> {
        let (peer, outside) = self.peer_of(remote)?;
        self.peer = None;
        let streams = match outside {
            Some(outside) => Some(self.outside(outside).await?),
            None => None,
        };
        self.peer = peer;
        self.halves(streams)
    }

    /// Talks with `remote` only, or with anybody, from now on.
    pub async fn flow_to(&mut self, remote: Option<SocketAddr>) -> SocketResult<()> {
        // The half outside is made anew: upstream wants its socket for itself when it connects, and a call
        // that still receives has it, too.
        (self.flow, self.machine, self.peer) = (None, None, None);
        self.flow = Some(Flow::new(self.streams(remote).await?));
        Ok(())
    }

    /// The first half of [`UdpSocket::flow_to`] for anybody, for who cannot hold the socket meanwhile: it
    /// makes what [`UdpSocket::begin_flow`] takes.
    pub fn outside_for_flow(&self) -> SocketResult<impl Future<Output = SocketResult<Option<Outside>>> + Send + use<>> {
        let (_, outside) = self.peer_of(None)?;
        let (ctx, family) = (self.ctx.clone(), self.family);
        Ok(async move {
            match outside {
                Some(remote) => Outside::new(ctx, family, None, remote).await.map(Some),
                None => Ok(None),
            }
        })
    }

    /// The second half, which does nothing if there is a flow by now.
    pub fn begin_flow(&mut self, outside: Option<Outside>) -> SocketResult<Flow> {
        if let Some(flow) = &self.flow {
            return Ok(flow.clone());
        }
        let streams = match outside {
            Some(Outside { socket, streams }) => {
                self.machine = Some(socket);
                self.apply_options()?;
                Some(streams?)
            }
            None => None,
        };
        let flow = Flow::new(self.halves(streams)?);
        self.flow = Some(flow.clone());
        Ok(flow)
    }

    /// Whom it talks to, and whether that, or a part of it, is outside of the workload: with one
    /// address, or with all.
    fn peer_of(&self, remote: Option<SocketAddr>) -> SocketResult<(Option<Peer>, Option<Option<SocketAddr>>)> {
        let own = self.own.as_ref().ok_or(ErrorCode::InvalidState)?;
        if remote.is_some_and(|remote| !is_of(self.family, remote.ip()) || !is_remote(remote)) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let bound_to_loopback = is_own(own.local.ip());
        match remote {
            None => Ok((None, (!bound_to_loopback).then_some(None))),
            Some(remote) if self.sockets.is_inside(Protocol::Udp, remote) => Ok((Some(Peer::Own(remote)), None)),
            Some(_) if bound_to_loopback => Err(ErrorCode::RemoteUnreachable.into()),
            Some(remote) => Ok((Some(Peer::Machine(remote)), Some(Some(remote)))),
        }
    }

    /// Puts both halves of the socket together.
    fn halves(&self, streams: Option<MachineStreams>) -> SocketResult<(Incoming, Outgoing)> {
        let own = self.own.clone().ok_or(ErrorCode::InvalidState)?;
        let (arriving, leaving) = streams.unzip();
        let listening = match self.peer {
            None => Some((own.clone(), None)),
            Some(Peer::Own(remote)) => Some((own.clone(), Some(remote))),
            Some(Peer::Machine(_)) => None,
        };
        let incoming = Incoming { ctx: self.ctx.clone(), own: listening, machine: arriving };
        let outgoing = Outgoing {
            sockets: self.sockets.clone(),
            ctx: self.ctx.clone(),
            family: self.family,
            own,
            peer: self.peer,
            machine: leaving,
            permitted: 0,
        };
        Ok((incoming, outgoing))
    }

    /// Makes the half outside if there is none, and streams of it.
    async fn outside(&mut self, remote: Option<SocketAddr>) -> SocketResult<MachineStreams> {
        let Outside { socket, streams } =
            Outside::new(self.ctx.clone(), self.family, self.machine.take(), remote).await?;
        self.machine = Some(socket);
        self.apply_options()?;
        streams
    }

    fn apply_options(&mut self) -> SocketResult<()> {
        let Options { hop_limit, receive_buffer_size, send_buffer_size } = self.options;
        if self.machine.is_none() {
            return Ok(());
        }
        on_machine(&self.ctx, &mut self.machine, |view, socket| {
            use upstream::HostUdpSocket as Upstream;
            let socket = || Resource::new_borrow(socket.rep());
            hop_limit.map_or(Ok(()), |value| Upstream::set_unicast_hop_limit(view, socket(), value))?;
            receive_buffer_size.map_or(Ok(()), |value| Upstream::set_receive_buffer_size(view, socket(), value))?;
            send_buffer_size.map_or(Ok(()), |value| Upstream::set_send_buffer_size(view, socket(), value))
        })
    }
}

#[async_trait]
impl Pollable for UdpSocket {
    /// Nothing that a socket itself does takes time.
    async fn ready(&mut self) {}
}

impl HostIncomingDatagramStream for View<'_> {
    fn receive(&mut self, this: Resource<Incoming>, most: u64) -> SocketResult<Vec<IncomingDatagram>> {
        self.table.get_mut(&this)?.take(usize::try_from(most).unwrap_or(AT_ONCE).min(AT_ONCE))
    }

    fn subscribe(&mut self, this: Resource<Incoming>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, this)
    }

    fn drop(&mut self, this: Resource<Incoming>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl Incoming {
    /// What has arrived, so many datagrams at most.
    pub fn take(&mut self, most: usize) -> SocketResult<Vec<IncomingDatagram>> {
        let mut received = Vec::new();
        if let Some((own, peer)) = &self.own {
            let cx = &mut Context::from_waker(Waker::noop());
            while received.len() < most
                && let Poll::Ready((data, from)) = own.poll_receive(cx, *peer)
            {
                received.push(IncomingDatagram { data, remote_address: from.into() });
            }
        }
        let left = (most - received.len()) as u64;
        if left > 0 && self.machine.is_some() {
            let outside = on_machine(&self.ctx, &mut self.machine, |view, stream| {
                upstream::HostIncomingDatagramStream::receive(view, stream, left)
            });
            match outside {
                Ok(outside) => received.extend(
                    outside
                        .into_iter()
                        .map(|one| IncomingDatagram { data: one.data, remote_address: one.remote_address }),
                ),
                Err(error) if received.is_empty() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(received)
    }
}

#[async_trait]
impl Pollable for Incoming {
    async fn ready(&mut self) {
        let own = self.own.as_ref().map(|(own, _)| own);
        let inside = async {
            match own {
                Some(own) => std::future::poll_fn(|cx| own.poll_ready(cx)).await,
                None => std::future::pending().await,
            }
        };
        match &mut self.machine {
            Some(machine) => {
                tokio::select! {
                    () = inside => {}
                    () = machine.ready() => {}
                }
            }
            None => inside.await,
        }
    }
}

impl Outgoing {
    /// Sends a datagram, or tells that it would have to wait.
    pub fn send_one(&mut self, datagram: OutgoingDatagram) -> SocketResult<()> {
        let named = datagram.remote_address.map(SocketAddr::from);
        let peer = self.peer.map(|(Peer::Own(peer) | Peer::Machine(peer))| peer);
        let to = match (named, peer) {
            (Some(named), Some(peer)) if named != peer => return Err(ErrorCode::InvalidArgument.into()),
            (Some(to), _) | (None, Some(to)) => to,
            (None, None) => return Err(ErrorCode::InvalidArgument.into()),
        };
        if !is_of(self.family, to.ip()) || !is_remote(to) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let inside = match self.peer {
            Some(Peer::Own(_)) => true,
            Some(Peer::Machine(_)) => false,
            None => self.sockets.is_inside(Protocol::Udp, to),
        };
        if inside {
            if datagram.data.len() > MOST_BYTES {
                return Err(ErrorCode::DatagramTooLarge.into());
            }
            // A system only tells those who are connected. Here nothing can be on its way for long, and who
            // waits for an answer is better off with the reason.
            return self.sockets.loopback().send(&self.own, datagram.data, to).map_err(|error| {
                self.sockets.tell_nobody(Transport::Udp, to);
                error.into()
            });
        }
        if self.machine.is_none() {
            return Err(ErrorCode::RemoteUnreachable.into());
        }
        let datagram = upstream::OutgoingDatagram { data: datagram.data, remote_address: datagram.remote_address };
        on_machine(&self.ctx, &mut self.machine, |view, stream| {
            use upstream::HostOutgoingDatagramStream as Upstream;
            let stream = || Resource::new_borrow(stream.rep());
            if Upstream::check_send(view, stream())? == 0 || Upstream::send(view, stream(), vec![datagram])? == 0 {
                return Err(ErrorCode::WouldBlock.into());
            }
            Ok(())
        })
    }
}

impl HostOutgoingDatagramStream for View<'_> {
    fn check_send(&mut self, this: Resource<Outgoing>) -> SocketResult<u64> {
        let stream = self.table.get_mut(&this)?;
        let count = match stream.machine {
            Some(_) => on_machine(&stream.ctx, &mut stream.machine, |view, stream| {
                upstream::HostOutgoingDatagramStream::check_send(view, stream)
            })?,
            None => AT_ONCE as u64,
        };
        stream.permitted = usize::try_from(count).unwrap_or(AT_ONCE);
        Ok(count)
    }

    fn send(&mut self, this: Resource<Outgoing>, datagrams: Vec<OutgoingDatagram>) -> SocketResult<u64> {
        let stream = self.table.get_mut(&this)?;
        if datagrams.is_empty() {
            return Ok(0);
        }
        if datagrams.len() > std::mem::take(&mut stream.permitted) {
            return Err(SocketError::trap(wasmtime::Error::msg("more was sent than was permitted")));
        }
        let mut sent = 0;
        for datagram in datagrams {
            match stream.send_one(datagram) {
                Ok(()) => sent += 1,
                Err(_) if sent > 0 => break,
                Err(error) if matches!(error.downcast_ref(), Some(ErrorCode::WouldBlock)) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    fn subscribe(&mut self, this: Resource<Outgoing>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, this)
    }

    async fn drop(&mut self, this: Resource<Outgoing>) -> wasmtime::Result<()> {
        let mut stream = self.table.delete(this)?;
        if let Some(machine) = stream.machine.take() {
            // What was accepted is sent, which upstream does in the background.
            let (mut ctx, mut table) = (stream.ctx.clone(), ResourceTable::new());
            let machine = table.push(machine)?;
            let mut view = WasiSocketsCtxView { ctx: &mut ctx, table: &mut table };
            upstream::HostOutgoingDatagramStream::drop(&mut view, machine).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Pollable for Outgoing {
    async fn ready(&mut self) {
        if let Some(machine) = &mut self.machine {
            machine.ready().await;
        }
    }
}
