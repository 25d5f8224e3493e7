//! TCP sockets, and what `wasi:sockets` 0.2 does with them; for 0.3 see [`crate::runtime::network::wasi3`].

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Network};
use wasmtime_wasi::p2::bindings::sockets::{tcp as upstream, tcp_create_socket as upstream_create};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, InputStream, OutputStream, Pollable, SocketResult, StreamError,
    StreamResult, TcpSocket as MachineSocket, subscribe,
};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtx, WasiSocketsCtxView};

pub use super::bindings::wasi::sockets::tcp::HostTcpSocket;
use super::bindings::wasi::sockets::tcp::{Host, ShutdownType};
use super::{BUFFER_BYTES, HOPS, any, code_of, is_of, is_one_receiver, is_remote, network, on_machine, positive};
use crate::runtime::network::Transport;
use crate::runtime::network::loopback::{Connection, Lease, Listener, Loopback, Protocol, is_own};
use crate::runtime::network::sockets::{Sockets, View};

/// How long a connection inside of the workload may wait to be taken into the queue of its listener.
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// So many connections wait to be accepted unless the guest says otherwise.
const BACKLOG: usize = 128;

/// A socket and what has become of it.
pub struct TcpSocket {
    origin: Origin,
    state: State,
    /// What was started and not yet finished.
    step: Option<Step>,
    /// Both directions of a connection, until the guest asks for them. In WASI 0.2 it gets them at once.
    halves: (Option<Receiving>, Option<Sending>),
    /// It counts among the workload's sockets.
    _permit: OwnedSemaphorePermit,
}

/// What a socket was made with, and hands on to those that are accepted from it.
#[derive(Clone)]
pub struct Origin {
    sockets: Arc<Sockets>,
    ctx: WasiSocketsCtx,
    family: IpAddressFamily,
    options: Options,
}

enum State {
    /// It may become anything.
    Fresh,
    /// It has a port of the workload's loopback, and may still become anything.
    Bound(Lease),
    Connecting(Connecting),
    /// Connected inside of the workload.
    Own(Arc<Connection>),
    Listening(Arc<Listener>),
    /// Connected through the machine's network.
    Machine(Arc<Machine>),
    Closed(ErrorCode),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Bind,
    Connect,
    Listen,
}

/// A socket of the machine's network, held for as long as one of its directions is in use.
pub struct Machine {
    ctx: WasiSocketsCtx,
    /// `None` only while it is asked something.
    socket: Mutex<Option<MachineSocket>>,
}

impl Machine {
    fn ask<R>(
        &self,
        call: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<MachineSocket>) -> SocketResult<R>,
    ) -> SocketResult<R> {
        on_machine(&self.ctx, &mut self.socket.lock().unwrap_or_else(PoisonError::into_inner), call)
    }

    fn shutdown(&self, how: upstream::ShutdownType) -> SocketResult<()> {
        self.ask(|view, socket| upstream::HostTcpSocket::shutdown(view, socket, how))
    }
}

/// What comes in through a connection.
pub enum Receiving {
    Own(Arc<Connection>),
    Machine(Arc<Machine>, DynInputStream),
}

/// What goes out through a connection.
pub enum Sending {
    Own(Arc<Connection>),
    Machine(Arc<Machine>, DynOutputStream),
}

/// A connection that is being made.
struct Connecting {
    work: BoxFuture<'static, Result<Connected, ErrorCode>>,
    done: Option<Result<Connected, ErrorCode>>,
}

enum Connected {
    Own(Connection),
    Machine(MachineSocket, DynInputStream, DynOutputStream),
}

impl Connecting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.done.is_none() {
            self.done = Some(ready!(self.work.as_mut().poll(cx)));
        }
        Poll::Ready(())
    }
}

/// What a guest has asked for, until there is a socket of the machine that knows by itself.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    backlog: Option<usize>,
    keep_alive: Option<bool>,
    keep_alive_idle_time: Option<u64>,
    keep_alive_interval: Option<u64>,
    keep_alive_count: Option<u32>,
    hop_limit: Option<u8>,
    receive_buffer_size: Option<u64>,
    send_buffer_size: Option<u64>,
}

impl Options {
    fn apply(&self, view: &mut WasiSocketsCtxView<'_>, socket: &Resource<MachineSocket>) -> SocketResult<()> {
        use upstream::HostTcpSocket as Upstream;
        let socket = || Resource::new_borrow(socket.rep());
        self.keep_alive.map_or(Ok(()), |value| Upstream::set_keep_alive_enabled(view, socket(), value))?;
        self.keep_alive_idle_time.map_or(Ok(()), |value| Upstream::set_keep_alive_idle_time(view, socket(), value))?;
        self.keep_alive_interval.map_or(Ok(()), |value| Upstream::set_keep_alive_interval(view, socket(), value))?;
        self.keep_alive_count.map_or(Ok(()), |value| Upstream::set_keep_alive_count(view, socket(), value))?;
        self.hop_limit.map_or(Ok(()), |value| Upstream::set_hop_limit(view, socket(), value))?;
        self.receive_buffer_size.map_or(Ok(()), |value| Upstream::set_receive_buffer_size(view, socket(), value))?;
        self.send_buffer_size.map_or(Ok(()), |value| Upstream::set_send_buffer_size(view, socket(), value))
    }
}

/// Everything that connecting needs, for longer than the call that begins it.
struct Plan {
    origin: Origin,
    lease: Option<Lease>,
    to: SocketAddr,
}

impl Plan {
    async fn connect(self) -> Result<Connected, ErrorCode> {
        if !is_own(self.to.ip()) {
            return self.through_machine().await.map_err(code_of);
        }
        let loopback = self.origin.sockets.loopback();
        // The service itself knows whether it listens.
        let there = match self.origin.sockets.listens() {
            true => loopback.has(Protocol::Tcp, self.to),
            false => loopback.expects(Protocol::Tcp, self.to).await,
        };
        if self.origin.sockets.is_opened(Protocol::Tcp, self.to.port()) {
            if !there {
                return self.through_machine().await.map_err(code_of);
            }
            self.origin.sockets.tell_hidden(Transport::Tcp, self.to);
        }
        match tokio::time::timeout(CONNECT_TIME, loopback.connect(self.lease, self.to, !self.origin.sockets.listens()))
            .await
        {
            Ok(Ok(connection)) => Ok(Connected::Own(connection)),
            Ok(Err(error)) => {
                if !there {
                    self.origin.sockets.tell_nobody(Transport::Tcp, self.to);
                }
                Err(error.into())
            }
            Err(_) => Err(ErrorCode::Timeout),
        }
    }

    async fn through_machine(self) -> SocketResult<Connected> {
        let (mut ctx, mut table) = (self.origin.ctx, ResourceTable::new());
        let socket = {
            let mut view = WasiSocketsCtxView { ctx: &mut ctx, table: &mut table };
            let network = network(&mut view)?;
            let socket = upstream_create::Host::create_tcp_socket(&mut view, self.origin.family)?;
            self.origin.options.apply(&mut view, &socket)?;
            let borrowed = Resource::new_borrow(socket.rep());
            upstream::HostTcpSocket::start_connect(&mut view, borrowed, network, self.to.into())?;
            socket
        };
        table.get_mut(&socket)?.ready().await;
        let mut view = WasiSocketsCtxView { ctx: &mut ctx, table: &mut table };
        let borrowed = Resource::new_borrow(socket.rep());
        let (input, output) = upstream::HostTcpSocket::finish_connect(&mut view, borrowed)?;
        let (input, output) = (table.delete(input)?, table.delete(output)?);
        Ok(Connected::Machine(table.delete(socket)?, input, output))
    }
}

impl super::tcp_create_socket::Host for View<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        let Some(sockets) = self.sockets else { return Err(ErrorCode::AccessDenied.into()) };
        let permit = sockets.loopback().socket().ok_or(ErrorCode::NewSocketLimit)?;
        let origin = Origin { sockets: sockets.clone(), ctx: self.ctx.clone(), family, options: Options::default() };
        Ok(self.table.push(origin.socket(State::Fresh, permit))?)
    }
}

impl Host for View<'_> {}

type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);

impl HostTcpSocket for View<'_> {
    fn start_bind(
        &mut self,
        this: Resource<TcpSocket>,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        let _ = self.table.get(&network)?;
        self.table.get_mut(&this)?.bind(address.into())
    }

    fn finish_bind(&mut self, this: Resource<TcpSocket>) -> SocketResult<()> {
        self.table.get_mut(&this)?.finish(Step::Bind)
    }

    fn start_connect(
        &mut self,
        this: Resource<TcpSocket>,
        network: Resource<Network>,
        address: IpSocketAddress,
    ) -> SocketResult<()> {
        let _ = self.table.get(&network)?;
        self.table.get_mut(&this)?.connect(address.into())
    }

    fn finish_connect(&mut self, this: Resource<TcpSocket>) -> SocketResult<Streams> {
        let socket = self.table.get_mut(&this)?;
        let Poll::Ready(connected) = socket.poll_connected(&mut Context::from_waker(Waker::noop())) else {
            return Err(ErrorCode::WouldBlock.into());
        };
        connected?;
        let (input, output) = socket.streams()?;
        Ok((self.table.push_child(input, &this)?, self.table.push_child(output, &this)?))
    }

    fn start_listen(&mut self, this: Resource<TcpSocket>) -> SocketResult<()> {
        self.table.get_mut(&this)?.listen().map(drop)
    }

    fn finish_listen(&mut self, this: Resource<TcpSocket>) -> SocketResult<()> {
        self.table.get_mut(&this)?.finish(Step::Listen)
    }

    fn accept(
        &mut self,
        this: Resource<TcpSocket>,
    ) -> SocketResult<(Resource<TcpSocket>, Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let socket = self.table.get_mut(&this)?;
        let State::Listening(listener) = &socket.state else { return Err(ErrorCode::InvalidState.into()) };
        // Looked at before a connection is taken, so that none is lost for want of a socket.
        let permit = socket.origin.sockets.loopback().socket().ok_or(ErrorCode::NewSocketLimit)?;
        let Poll::Ready(connection) = listener.poll_accept(&mut Context::from_waker(Waker::noop())) else {
            return Err(ErrorCode::WouldBlock.into());
        };
        let mut accepted = socket.origin.accepted(connection, permit);
        let (input, output) = accepted.streams()?;
        let accepted = self.table.push(accepted)?;
        let input = self.table.push_child(input, &accepted)?;
        let output = self.table.push_child(output, &accepted)?;
        Ok((accepted, input, output))
    }

    fn local_address(&mut self, this: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        let socket = self.table.get_mut(&this)?;
        match &mut socket.state {
            State::Fresh | State::Connecting(_) => Err(ErrorCode::InvalidState.into()),
            State::Bound(lease) => Ok(lease.address().into()),
            State::Own(connection) => Ok(connection.local.into()),
            State::Listening(listener) => Ok(listener.local.into()),
            State::Machine(machine) => machine.ask(|view, socket| upstream::HostTcpSocket::local_address(view, socket)),
            State::Closed(code) => Err((*code).into()),
        }
    }

    fn remote_address(&mut self, this: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        let socket = self.table.get_mut(&this)?;
        match &mut socket.state {
            State::Own(connection) => Ok(connection.peer.into()),
            State::Machine(machine) => {
                machine.ask(|view, socket| upstream::HostTcpSocket::remote_address(view, socket))
            }
            State::Closed(code) => Err((*code).into()),
            _ => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn is_listening(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<bool> {
        Ok(matches!(self.table.get(&this)?.state, State::Listening(_)))
    }

    fn address_family(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.table.get(&this)?.origin.family)
    }

    fn set_listen_backlog_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        let backlog = usize::try_from(positive(value)?).unwrap_or(usize::MAX);
        let socket = self.table.get_mut(&this)?;
        match &socket.state {
            State::Fresh | State::Bound(_) => {}
            State::Listening(listener) => listener.set_backlog(backlog),
            State::Closed(code) => return Err((*code).into()),
            _ => return Err(ErrorCode::InvalidState.into()),
        }
        socket.origin.options.backlog = Some(backlog);
        Ok(())
    }

    fn keep_alive_enabled(&mut self, this: Resource<TcpSocket>) -> SocketResult<bool> {
        let known = |options: &Options| options.keep_alive.unwrap_or(false);
        self.option(this, known, |view, socket| upstream::HostTcpSocket::keep_alive_enabled(view, socket))
    }

    fn set_keep_alive_enabled(&mut self, this: Resource<TcpSocket>, value: bool) -> SocketResult<()> {
        self.set_option(
            this,
            |options| options.keep_alive = Some(value),
            |upstream, socket| upstream::HostTcpSocket::set_keep_alive_enabled(upstream, socket, value),
        )
    }

    fn keep_alive_idle_time(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        let known = |options: &Options| options.keep_alive_idle_time.unwrap_or(7200 * SECOND);
        self.option(this, known, |view, socket| upstream::HostTcpSocket::keep_alive_idle_time(view, socket))
    }

    fn set_keep_alive_idle_time(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        let value = positive(value)?;
        self.set_option(
            this,
            |options| options.keep_alive_idle_time = Some(whole_seconds(value)),
            |upstream, socket| upstream::HostTcpSocket::set_keep_alive_idle_time(upstream, socket, value),
        )
    }

    fn keep_alive_interval(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        let known = |options: &Options| options.keep_alive_interval.unwrap_or(75 * SECOND);
        self.option(this, known, |view, socket| upstream::HostTcpSocket::keep_alive_interval(view, socket))
    }

    fn set_keep_alive_interval(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        let value = positive(value)?;
        self.set_option(
            this,
            |options| options.keep_alive_interval = Some(whole_seconds(value)),
            |upstream, socket| upstream::HostTcpSocket::set_keep_alive_interval(upstream, socket, value),
        )
    }

    fn keep_alive_count(&mut self, this: Resource<TcpSocket>) -> SocketResult<u32> {
        let known = |options: &Options| options.keep_alive_count.unwrap_or(9);
        self.option(this, known, |view, socket| upstream::HostTcpSocket::keep_alive_count(view, socket))
    }

    fn set_keep_alive_count(&mut self, this: Resource<TcpSocket>, value: u32) -> SocketResult<()> {
        let value = positive(value)?;
        self.set_option(
            this,
            |options| options.keep_alive_count = Some(value.min(127)),
            |upstream, socket| upstream::HostTcpSocket::set_keep_alive_count(upstream, socket, value),
        )
    }

    fn hop_limit(&mut self, this: Resource<TcpSocket>) -> SocketResult<u8> {
        let known = |options: &Options| options.hop_limit.unwrap_or(HOPS);
        self.option(this, known, |view, socket| upstream::HostTcpSocket::hop_limit(view, socket))
    }

    fn set_hop_limit(&mut self, this: Resource<TcpSocket>, value: u8) -> SocketResult<()> {
        let value = positive(value)?;
        self.set_option(
            this,
            |options| options.hop_limit = Some(value),
            |upstream, socket| upstream::HostTcpSocket::set_hop_limit(upstream, socket, value),
        )
    }

    fn receive_buffer_size(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        let known = |options: &Options| options.receive_buffer_size.unwrap_or(BUFFER_BYTES);
        self.option(this, known, |view, socket| upstream::HostTcpSocket::receive_buffer_size(view, socket))
    }

    fn set_receive_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        let value = positive(value)?;
        self.set_option(
            this,
            |options| options.receive_buffer_size = Some(value),
            |upstream, socket| upstream::HostTcpSocket::set_receive_buffer_size(upstream, socket, value),
        )
    }

    fn send_buffer_size(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        let known = |options: &Options| options.send_buffer_size.unwrap_or(BUFFER_BYTES);
        self.option(this, known, |view, socket| upstream::HostTcpSocket::send_buffer_size(view, socket))
    }

    fn set_send_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        let value = positive(value)?;
        self.set_option(
            this,
            |options| options.send_buffer_size = Some(value),
            |upstream, socket| upstream::HostTcpSocket::set_send_buffer_size(upstream, socket, value),
        )
    }

    fn subscribe(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, this)
    }

    fn shutdown(&mut self, this: Resource<TcpSocket>, how: ShutdownType) -> SocketResult<()> {
        let socket = self.table.get_mut(&this)?;
        match &mut socket.state {
            State::Own(connection) => {
                if matches!(how, ShutdownType::Receive | ShutdownType::Both) {
                    connection.incoming().discard();
                }
                if matches!(how, ShutdownType::Send | ShutdownType::Both) {
                    connection.outgoing().finish();
                }
                Ok(())
            }
            State::Machine(machine) => {
                let how = match how {
                    ShutdownType::Receive => upstream::ShutdownType::Receive,
                    ShutdownType::Send => upstream::ShutdownType::Send,
                    ShutdownType::Both => upstream::ShutdownType::Both,
                };
                machine.shutdown(how)
            }
            State::Closed(code) => Err((*code).into()),
            _ => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn drop(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<()> {
        let socket = self.table.delete(this)?;
        if let State::Listening(listener) = &socket.state {
            // Those who wait to connect hold it, too.
            listener.close();
        }
        Ok(())
    }
}

const SECOND: u64 = 1_000_000_000;

/// Systems count these in seconds, at most 32767.
fn whole_seconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(SECOND).clamp(1, 32_767) * SECOND
}

impl View<'_> {
    fn option<R>(
        &mut self,
        this: Resource<TcpSocket>,
        known: impl FnOnce(&Options) -> R,
        ask: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<MachineSocket>) -> SocketResult<R>,
    ) -> SocketResult<R> {
        let socket = self.table.get_mut(&this)?;
        match &mut socket.state {
            State::Machine(machine) => machine.ask(ask),
            State::Connecting(_) => Err(ErrorCode::InvalidState.into()),
            State::Closed(code) => Err((*code).into()),
            _ => Ok(known(&socket.origin.options)),
        }
    }

    fn set_option(
        &mut self,
        this: Resource<TcpSocket>,
        keep: impl FnOnce(&mut Options),
        tell: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<MachineSocket>) -> SocketResult<()>,
    ) -> SocketResult<()> {
        let socket = self.table.get_mut(&this)?;
        match &mut socket.state {
            State::Machine(machine) => machine.ask(tell),
            State::Connecting(_) => Err(ErrorCode::InvalidState.into()),
            State::Closed(code) => Err((*code).into()),
            _ => {
                keep(&mut socket.origin.options);
                Ok(())
            }
        }
    }
}

impl Origin {
    fn socket(&self, state: State, permit: OwnedSemaphorePermit) -> TcpSocket {
        TcpSocket { origin: self.clone(), state, step: None, halves: (None, None), _permit: permit }
    }

    /// A socket of a connection that was waited for.
    pub fn accepted(&self, connection: Connection, permit: OwnedSemaphorePermit) -> TcpSocket {
        let connection = Arc::new(connection);
        let origin = Origin { options: Options { backlog: None, ..self.options }, ..self.clone() };
        let mut socket = origin.socket(State::Own(connection.clone()), permit);
        socket.halves = (Some(Receiving::Own(connection.clone())), Some(Sending::Own(connection)));
        socket
    }

    /// The workload's loopback.
    pub fn loopback(&self) -> Arc<Loopback> {
        self.sockets.loopback()
    }
}

impl TcpSocket {
    /// Takes a port of the loopback.
    fn bind(&mut self, address: SocketAddr) -> SocketResult<()> {
        self.begin(Step::Bind)?;
        if !matches!(self.state, State::Fresh) {
            return Err(ErrorCode::InvalidState.into());
        }
        if !is_of(self.origin.family, address.ip()) || !is_one_receiver(address.ip()) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let local = address.ip().is_unspecified() || is_own(address.ip());
        // A port that nobody can know is no offer to connect; a client may ask for one.
        if !(local && (self.origin.sockets.listens() || address.port() == 0)) {
            self.origin.sockets.permits(address, SocketAddrUse::TcpBind);
            return Err(ErrorCode::AccessDenied.into());
        }
        let lease = self.origin.sockets.loopback().bind(Protocol::Tcp, address)?;
        self.state = State::Bound(lease);
        self.step = Some(Step::Bind);
        Ok(())
    }

    /// The same without a second step, as WASI 0.3 has it.
    pub fn bind_at_once(&mut self, address: SocketAddr) -> SocketResult<()> {
        self.bind(address).and_then(|()| self.finish(Step::Bind))
    }

    /// Begins to connect; [`TcpSocket::poll_connected`] goes on with it.
    pub fn connect(&mut self, to: SocketAddr) -> SocketResult<()> {
        self.begin(Step::Connect)?;
        if !matches!(self.state, State::Fresh | State::Bound(_)) {
            return Err(ErrorCode::InvalidState.into());
        }
        if !is_of(self.origin.family, to.ip()) || !is_one_receiver(to.ip()) || !is_remote(to) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let lease = match std::mem::replace(&mut self.state, State::Fresh) {
            State::Bound(lease) => Some(lease),
            _ => None,
        };
        // What is bound to the loopback reaches nothing else.
        if lease.as_ref().is_some_and(|lease| is_own(lease.address().ip()) && !is_own(to.ip())) {
            self.state = lease.map_or(State::Fresh, State::Bound);
            return Err(ErrorCode::RemoteUnreachable.into());
        }
        let plan = Plan { origin: self.origin.clone(), lease, to };
        self.state = State::Connecting(Connecting { work: Box::pin(plan.connect()), done: None });
        self.step = Some(Step::Connect);
        Ok(())
    }

    /// Connects; what was started is kept in the socket, so that this may be given up and asked again.
    pub fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<SocketResult<()>> {
        if self.step != Some(Step::Connect) {
            return Poll::Ready(Err(ErrorCode::NotInProgress.into()));
        }
        let State::Connecting(connecting) = &mut self.state else {
            return Poll::Ready(Err(ErrorCode::InvalidState.into()));
        };
        ready!(connecting.poll(cx));
        let Some(done) = connecting.done.take() else { return Poll::Pending };
        self.step = None;
        match done {
            Ok(Connected::Own(connection)) => {
                let connection = Arc::new(connection);
                self.halves = (Some(Receiving::Own(connection.clone())), Some(Sending::Own(connection.clone())));
                self.state = State::Own(connection);
            }
            Ok(Connected::Machine(socket, input, output)) => {
                let machine = Arc::new(Machine { ctx: self.origin.ctx.clone(), socket: Mutex::new(Some(socket)) });
                self.halves =
                    (Some(Receiving::Machine(machine.clone(), input)), Some(Sending::Machine(machine.clone(), output)));
                self.state = State::Machine(machine);
            }
            Err(code) => {
                self.state = State::Closed(code);
                return Poll::Ready(Err(code.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Begins to wait for connections.
    fn listen(&mut self) -> SocketResult<Arc<Listener>> {
        self.begin(Step::Listen)?;
        let State::Bound(lease) = &self.state else { return Err(ErrorCode::InvalidState.into()) };
        if !self.origin.sockets.listens() {
            self.origin.sockets.permits(lease.address(), SocketAddrUse::TcpListen);
            return Err(ErrorCode::AccessDenied.into());
        }
        let State::Bound(lease) = std::mem::replace(&mut self.state, State::Fresh) else {
            return Err(ErrorCode::InvalidState.into());
        };
        let loopback = lease.network().clone();
        let listener = loopback.listen(lease, self.origin.options.backlog.unwrap_or(BACKLOG));
        self.state = State::Listening(listener.clone());
        self.step = Some(Step::Listen);
        Ok(listener)
    }

    /// The same as WASI 0.3 has it: without a second step, and with any port if none was asked for.
    pub fn listen_at_once(&mut self) -> SocketResult<(Arc<Listener>, Origin)> {
        if matches!(self.state, State::Fresh) {
            self.bind_at_once(any(self.origin.family))?;
        }
        let listener = self.listen()?;
        self.finish(Step::Listen)?;
        Ok((listener, self.origin.clone()))
    }

    /// What comes in. It is there once.
    pub fn receiving(&mut self) -> SocketResult<Receiving> {
        self.halves.0.take().ok_or_else(|| ErrorCode::InvalidState.into())
    }

    /// What goes out. It is there once.
    pub fn sending(&mut self) -> SocketResult<Sending> {
        self.halves.1.take().ok_or_else(|| ErrorCode::InvalidState.into())
    }

    /// Both as streams of WASI 0.2.
    fn streams(&mut self) -> SocketResult<(DynInputStream, DynOutputStream)> {
        let input = match self.receiving()? {
            Receiving::Own(connection) => Box::new(Reader(connection)) as DynInputStream,
            Receiving::Machine(_, input) => input,
        };
        let output = match self.sending()? {
            Sending::Own(connection) => Box::new(Writer { connection, told: false }) as DynOutputStream,
            Sending::Machine(_, output) => output,
        };
        Ok((input, output))
    }

    /// Nothing else may be in progress.
    fn begin(&self, _: Step) -> SocketResult<()> {
        if self.step.is_some() { Err(ErrorCode::ConcurrencyConflict.into()) } else { Ok(()) }
    }

    fn finish(&mut self, step: Step) -> SocketResult<()> {
        if self.step != Some(step) {
            return Err(ErrorCode::NotInProgress.into());
        }
        self.step = None;
        Ok(())
    }
}

#[async_trait]
impl Pollable for TcpSocket {
    async fn ready(&mut self) {
        match (&mut self.state, self.step) {
            (State::Connecting(connecting), _) => std::future::poll_fn(|cx| connecting.poll(cx)).await,
            (State::Listening(listener), None) => std::future::poll_fn(|cx| listener.poll_ready(cx)).await,
            _ => {}
        }
    }
}

impl Receiving {
    /// Takes up to `most` bytes. Empty: nothing more comes.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<Result<Bytes, Broken>> {
        match self {
            Receiving::Own(connection) => connection.incoming().poll_read(cx, most).map_err(Broken::from),
            Receiving::Machine(_, input) => loop {
                match input.read(most) {
                    Ok(bytes) if bytes.is_empty() => ready!(poll_ready(&mut **input, cx)),
                    Ok(bytes) => return Poll::Ready(Ok(bytes)),
                    Err(StreamError::Closed) => return Poll::Ready(Ok(Bytes::new())),
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            },
        }
    }

    /// Ready when reading would not wait.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Receiving::Own(connection) => connection.incoming().poll_readable(cx),
            Receiving::Machine(_, input) => poll_ready(&mut **input, cx),
        }
    }

    /// Nobody reads any more; who writes need not know.
    pub fn close(&self) {
        match self {
            Receiving::Own(connection) => connection.incoming().discard(),
            Receiving::Machine(machine, _) => drop(machine.shutdown(upstream::ShutdownType::Receive)),
        }
    }
}

impl Sending {
    /// Writes some of the bytes, and returns how many. `under_way` are those that a machine's socket
    /// has taken and not yet sent; whoever calls keeps it from one call to the next.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        under_way: &mut usize,
    ) -> Poll<Result<usize, Broken>> {
        match self {
            Sending::Own(connection) => {
                ready!(connection.outgoing().poll_writable(cx));
                Poll::Ready(connection.outgoing().write(bytes).map_err(Broken::from))
            }
            Sending::Machine(_, output) => {
                if *under_way == 0 {
                    let permitted = loop {
                        match output.check_write()? {
                            0 => ready!(poll_ready(&mut **output, cx)),
                            permitted => break permitted,
                        }
                    };
                    let count = permitted.min(bytes.len());
                    output.write(Bytes::copy_from_slice(&bytes[..count]))?;
                    *under_way = count;
                }
                // Upstream sends in the background. Only what was sent counts: the guest's end of the stream
                // is the end of the connection.
                ready!(poll_ready(&mut **output, cx));
                Poll::Ready(Ok(std::mem::take(under_way)))
            }
        }
    }

    /// Ready when writing would not wait.
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Sending::Own(connection) => connection.outgoing().poll_writable(cx),
            Sending::Machine(_, output) => poll_ready(&mut **output, cx),
        }
    }

    /// This was all: what is on its way still arrives.
    pub fn close(&self) {
        match self {
            Sending::Own(connection) => connection.outgoing().finish(),
            Sending::Machine(machine, _) => drop(machine.shutdown(upstream::ShutdownType::Send)),
        }
    }
}

/// Why nothing more is read or written.
#[derive(Debug)]
pub enum Broken {
    /// The peer takes no more.
    Pipe,
    Code(ErrorCode),
    /// A fault of the host.
    Trap(wasmtime::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Broken::Pipe,
            _ => Broken::Code(error.into()),
        }
    }
}

impl From<StreamError> for Broken {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Closed => Broken::Pipe,
            StreamError::LastOperationFailed(error) => {
                Broken::Code(error.downcast::<ErrorCode>().unwrap_or(ErrorCode::Unknown))
            }
            StreamError::Trap(error) => Broken::Trap(error),
        }
    }
}

/// Asks for readiness once. Upstream's streams and ours keep what they wait for in themselves, so that
/// nothing is forgotten with the future.
fn poll_ready(stream: &mut (impl Pollable + ?Sized), cx: &mut Context<'_>) -> Poll<()> {
    stream.ready().as_mut().poll(cx)
}

struct Reader(Arc<Connection>);

impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        match self.0.incoming().poll_read(&mut Context::from_waker(Waker::noop()), size) {
            Poll::Pending => Ok(Bytes::new()),
            Poll::Ready(Ok(bytes)) if bytes.is_empty() => Err(StreamError::Closed),
            Poll::Ready(Ok(bytes)) => Ok(bytes),
            Poll::Ready(Err(error)) => Err(StreamError::LastOperationFailed(error.into())),
        }
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.0.incoming().poll_readable(cx)).await
    }
}

struct Writer {
    connection: Arc<Connection>,
    /// The guest knows that it failed; from now on it is only closed.
    told: bool,
}

impl Writer {
    fn failed(&mut self, error: io::Error) -> StreamError {
        if self.told || error.kind() == io::ErrorKind::BrokenPipe {
            return StreamError::Closed;
        }
        self.told = true;
        StreamError::LastOperationFailed(error.into())
    }
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.connection.outgoing().write(&bytes) {
            Ok(count) if count == bytes.len() => Ok(()),
            Ok(_) => Err(StreamError::trap("more was written than was permitted")),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// What was written is where the peer can read it.
    fn flush(&mut self) -> StreamResult<()> {
        self.connection.outgoing().room().map(drop).map_err(|error| self.failed(error))
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.connection.outgoing().room().map_err(|error| self.failed(error))
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.connection.outgoing().poll_writable(cx)).await
    }
}
