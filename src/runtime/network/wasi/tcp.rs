//! TCP sockets of `wasi:sockets` 0.2.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
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

use super::bindings::wasi::sockets::tcp::{Host, HostTcpSocket, ShutdownType};
use super::{BUFFER_BYTES, HOPS, code_of, is_of, is_one_receiver, is_remote, network, on_machine, positive};
use crate::runtime::network::Transport;
use crate::runtime::network::loopback::{Connection, Lease, Listener, Protocol, is_own};
use crate::runtime::network::sockets::{Sockets, View};

/// How long a connection inside of the workload may wait to be taken into the queue of its listener.
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// So many connections wait to be accepted unless the guest says otherwise.
const BACKLOG: usize = 128;

/// A socket and what has become of it.
pub struct TcpSocket {
    sockets: Arc<Sockets>,
    ctx: WasiSocketsCtx,
    family: IpAddressFamily,
    options: Options,
    state: State,
    /// What was started and not yet finished.
    step: Option<Step>,
    /// It counts among the workload's sockets.
    _permit: OwnedSemaphorePermit,
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
    /// Connected through the machine's network; `None` only while it is asked something.
    Machine(Option<MachineSocket>),
    Closed(ErrorCode),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Bind,
    Connect,
    Listen,
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
            self.done = Some(futures::ready!(self.work.as_mut().poll(cx)));
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
    sockets: Arc<Sockets>,
    ctx: WasiSocketsCtx,
    family: IpAddressFamily,
    options: Options,
    lease: Option<Lease>,
    to: SocketAddr,
}

impl Plan {
    async fn connect(self) -> Result<Connected, ErrorCode> {
        if !is_own(self.to.ip()) {
            return self.through_machine().await.map_err(code_of);
        }
        let loopback = self.sockets.loopback();
        // The service itself knows whether it listens.
        let there = match self.sockets.listens() {
            true => loopback.has(Protocol::Tcp, self.to),
            false => loopback.expects(Protocol::Tcp, self.to).await,
        };
        if self.sockets.is_opened(self.to.port()) {
            if !there {
                return self.through_machine().await.map_err(code_of);
            }
            self.sockets.tell_hidden(Transport::Tcp, self.to);
        }
        match tokio::time::timeout(CONNECT_TIME, loopback.connect(self.lease, self.to, !self.sockets.listens())).await {
            Ok(Ok(connection)) => Ok(Connected::Own(connection)),
            Ok(Err(error)) => {
                if !there {
                    self.sockets.tell_nobody(Transport::Tcp, self.to);
                }
                Err(error.into())
            }
            Err(_) => Err(ErrorCode::Timeout),
        }
    }

    async fn through_machine(self) -> SocketResult<Connected> {
        let (mut ctx, mut table) = (self.ctx, ResourceTable::new());
        let socket = {
            let mut view = WasiSocketsCtxView { ctx: &mut ctx, table: &mut table };
            let network = network(&mut view)?;
            let socket = upstream_create::Host::create_tcp_socket(&mut view, self.family)?;
            self.options.apply(&mut view, &socket)?;
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
        Ok(self.table.push(TcpSocket {
            sockets: sockets.clone(),
            ctx: self.ctx.clone(),
            family,
            options: Options::default(),
            state: State::Fresh,
            step: None,
            _permit: permit,
        })?)
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
        let address = SocketAddr::from(address);
        let socket = self.table.get_mut(&this)?;
        socket.begin(Step::Bind)?;
        if !matches!(socket.state, State::Fresh) {
            return Err(ErrorCode::InvalidState.into());
        }
        if !is_of(socket.family, address.ip()) || !is_one_receiver(address.ip()) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let local = address.ip().is_unspecified() || is_own(address.ip());
        // A port that nobody can know is no offer to connect; a client may ask for one.
        if !(local && (socket.sockets.listens() || address.port() == 0)) {
            socket.sockets.permits(address, SocketAddrUse::TcpBind);
            return Err(ErrorCode::AccessDenied.into());
        }
        let lease = socket.sockets.loopback().bind(Protocol::Tcp, address)?;
        socket.state = State::Bound(lease);
        socket.step = Some(Step::Bind);
        Ok(())
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
        let to = SocketAddr::from(address);
        let socket = self.table.get_mut(&this)?;
        socket.begin(Step::Connect)?;
        if !matches!(socket.state, State::Fresh | State::Bound(_)) {
            return Err(ErrorCode::InvalidState.into());
        }
        if !is_of(socket.family, to.ip()) || !is_one_receiver(to.ip()) || !is_remote(to) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let lease = match std::mem::replace(&mut socket.state, State::Fresh) {
            State::Bound(lease) => Some(lease),
            _ => None,
        };
        // What is bound to the loopback reaches nothing else.
        if lease.as_ref().is_some_and(|lease| is_own(lease.address().ip()) && !is_own(to.ip())) {
            socket.state = lease.map_or(State::Fresh, State::Bound);
            return Err(ErrorCode::RemoteUnreachable.into());
        }
        let (sockets, ctx, family, options) =
            (socket.sockets.clone(), socket.ctx.clone(), socket.family, socket.options);
        let plan = Plan { sockets, ctx, family, options, lease, to };
        socket.state = State::Connecting(Connecting { work: Box::pin(plan.connect()), done: None });
        socket.step = Some(Step::Connect);
        Ok(())
    }

    fn finish_connect(&mut self, this: Resource<TcpSocket>) -> SocketResult<Streams> {
        let socket = self.table.get_mut(&this)?;
        if socket.step != Some(Step::Connect) {
            return Err(ErrorCode::NotInProgress.into());
        }
        let State::Connecting(connecting) = &mut socket.state else { return Err(ErrorCode::InvalidState.into()) };
        if connecting.poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            return Err(ErrorCode::WouldBlock.into());
        }
        socket.step = None;
        let (state, input, output) = match connecting.done.take() {
            Some(Ok(Connected::Own(connection))) => own(connection),
            Some(Ok(Connected::Machine(inner, input, output))) => (State::Machine(Some(inner)), input, output),
            Some(Err(code)) => {
                socket.state = State::Closed(code);
                return Err(code.into());
            }
            None => return Err(ErrorCode::WouldBlock.into()),
        };
        socket.state = state;
        Ok((self.table.push_child(input, &this)?, self.table.push_child(output, &this)?))
    }

    fn start_listen(&mut self, this: Resource<TcpSocket>) -> SocketResult<()> {
        let socket = self.table.get_mut(&this)?;
        socket.begin(Step::Listen)?;
        let State::Bound(lease) = &socket.state else { return Err(ErrorCode::InvalidState.into()) };
        if !socket.sockets.listens() {
            socket.sockets.permits(lease.address(), SocketAddrUse::TcpListen);
            return Err(ErrorCode::AccessDenied.into());
        }
        if let State::Bound(lease) = std::mem::replace(&mut socket.state, State::Fresh) {
            let loopback = lease.network().clone();
            let listener = loopback.listen(lease, socket.options.backlog.unwrap_or(BACKLOG));
            socket.state = State::Listening(listener);
        }
        socket.step = Some(Step::Listen);
        Ok(())
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
        let permit = socket.sockets.loopback().socket().ok_or(ErrorCode::NewSocketLimit)?;
        let Poll::Ready(connection) = listener.poll_accept(&mut Context::from_waker(Waker::noop())) else {
            return Err(ErrorCode::WouldBlock.into());
        };
        let (state, input, output) = own(connection);
        let accepted = TcpSocket {
            sockets: socket.sockets.clone(),
            ctx: socket.ctx.clone(),
            family: socket.family,
            options: Options { backlog: None, ..socket.options },
            state,
            step: None,
            _permit: permit,
        };
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
            State::Machine(inner) => {
                on_machine(&socket.ctx, inner, |view, socket| upstream::HostTcpSocket::local_address(view, socket))
            }
            State::Closed(code) => Err((*code).into()),
        }
    }

    fn remote_address(&mut self, this: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        let socket = self.table.get_mut(&this)?;
        match &mut socket.state {
            State::Own(connection) => Ok(connection.peer.into()),
            State::Machine(inner) => {
                on_machine(&socket.ctx, inner, |view, socket| upstream::HostTcpSocket::remote_address(view, socket))
            }
            State::Closed(code) => Err((*code).into()),
            _ => Err(ErrorCode::InvalidState.into()),
        }
    }

    fn is_listening(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<bool> {
        Ok(matches!(self.table.get(&this)?.state, State::Listening(_)))
    }

    fn address_family(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.table.get(&this)?.family)
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
        socket.options.backlog = Some(backlog);
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
            State::Machine(inner) => {
                let how = match how {
                    ShutdownType::Receive => upstream::ShutdownType::Receive,
                    ShutdownType::Send => upstream::ShutdownType::Send,
                    ShutdownType::Both => upstream::ShutdownType::Both,
                };
                on_machine(&socket.ctx, inner, |upstream, socket| {
                    upstream::HostTcpSocket::shutdown(upstream, socket, how)
                })
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
            State::Machine(inner) => on_machine(&socket.ctx, inner, ask),
            State::Connecting(_) => Err(ErrorCode::InvalidState.into()),
            State::Closed(code) => Err((*code).into()),
            _ => Ok(known(&socket.options)),
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
            State::Machine(inner) => on_machine(&socket.ctx, inner, tell),
            State::Connecting(_) => Err(ErrorCode::InvalidState.into()),
            State::Closed(code) => Err((*code).into()),
            _ => {
                keep(&mut socket.options);
                Ok(())
            }
        }
    }
}

impl TcpSocket {
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

/// A connection inside of the workload, as a socket and its streams.
fn own(connection: Connection) -> (State, DynInputStream, DynOutputStream) {
    let connection = Arc::new(connection);
    let input = Box::new(Reader(connection.clone()));
    let output = Box::new(Writer { connection: connection.clone(), told: false });
    (State::Own(connection), input, output)
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
