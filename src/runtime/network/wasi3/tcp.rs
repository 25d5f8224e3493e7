//! TCP sockets of `wasi:sockets` 0.3.

use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wasmtime::component::{
    Access, Accessor, Destination, FutureReader, Resource, Source, StreamConsumer, StreamProducer, StreamReader,
    StreamResult,
};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::p2::SocketError as EarlierError;

use super::types::{Duration, ErrorCode, HostTcpSocket, HostTcpSocketWithStore, IpAddressFamily, IpSocketAddress};
use super::{SocketResult, address, translated};
use crate::runtime::network::loopback::Listener;
use crate::runtime::network::sockets::{View, Views};
use crate::runtime::network::wasi::tcp::{Broken, Origin, Receiving, Sending, TcpSocket};
use crate::runtime::network::wasi::{tcp as earlier, tcp_create_socket};

/// So much is read at one time where the guest does not say how much it takes.
const PIECE: usize = 8 << 10;

/// What became of one direction of a connection.
type Outcome = Result<(), ErrorCode>;

impl<T: Send> HostTcpSocketWithStore<T> for Views {
    async fn connect(
        store: &Accessor<T, Self>,
        this: Resource<TcpSocket>,
        remote: IpSocketAddress,
    ) -> SocketResult<()> {
        store.with(|mut store| -> SocketResult<()> {
            let socket = store.get().table.get_mut(&this).map_err(fault)?;
            socket.connect(remote.into()).map_err(translated)
        })?;
        std::future::poll_fn(|cx| {
            store.with(|mut store| match store.get().table.get_mut(&this) {
                Ok(socket) => socket.poll_connected(cx).map_err(translated),
                Err(error) => Poll::Ready(Err(fault(error))),
            })
        })
        .await
    }

    fn listen(
        mut store: Access<'_, T, Self>,
        this: Resource<TcpSocket>,
    ) -> SocketResult<StreamReader<Resource<TcpSocket>>> {
        let view = store.getter();
        let socket = store.get().table.get_mut(&this).map_err(fault)?;
        let (listener, origin) = socket.listen_at_once().map_err(translated)?;
        let arrivals = Arrivals { listener, origin, place: Place::Wanted, view };
        StreamReader::new(&mut store, arrivals).map_err(super::SocketError::trap)
    }

    fn send(
        mut store: Access<'_, T, Self>,
        this: Resource<TcpSocket>,
        mut data: StreamReader<u8>,
    ) -> wasmtime::Result<FutureReader<Outcome>> {
        let sending = store.get().table.get_mut(&this)?.sending();
        match code(sending)? {
            Ok(sending) => {
                let (tell, told) = oneshot::channel();
                data.pipe(&mut store, Leaving { half: Some((sending, tell)), under_way: 0 })?;
                FutureReader::new(&mut store, told)
            }
            Err(code) => {
                data.close(&mut store)?;
                FutureReader::new(&mut store, async move { wasmtime::error::Ok(Err(code)) })
            }
        }
    }

    fn receive(
        mut store: Access<'_, T, Self>,
        this: Resource<TcpSocket>,
    ) -> wasmtime::Result<(StreamReader<u8>, FutureReader<Outcome>)> {
        let receiving = store.get().table.get_mut(&this)?.receiving();
        match code(receiving)? {
            Ok(receiving) => {
                let (tell, told) = oneshot::channel();
                let data = StreamReader::new(&mut store, Arriving(Some((receiving, tell))))?;
                Ok((data, FutureReader::new(&mut store, told)?))
            }
            Err(code) => {
                let nothing = StreamReader::new(&mut store, iter::empty())?;
                Ok((nothing, FutureReader::new(&mut store, async move { wasmtime::error::Ok(Err(code)) })?))
            }
        }
    }
}

/// A handle that the guest should have.
fn fault(error: wasmtime::component::ResourceTableError) -> super::SocketError {
    super::SocketError::trap(error)
}

/// What goes into a future is a code.
fn code<R>(result: Result<R, EarlierError>) -> wasmtime::Result<Result<R, ErrorCode>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(error.downcast()?.into())),
    }
}

/// What a stream's end says of the wait for more.
fn waiting(finish: bool) -> Poll<wasmtime::Result<StreamResult>> {
    if finish { Poll::Ready(Ok(StreamResult::Cancelled)) } else { Poll::Pending }
}

/// Connections that were waited for. When the guest drops the stream, nobody may connect any more.
struct Arrivals<D: 'static> {
    listener: Arc<Listener>,
    origin: Origin,
    place: Place,
    view: fn(&mut D) -> View<'_>,
}

/// A place among the sockets of the workload, for the next connection. It is taken before the connection
/// is, so that none is lost for want of it.
enum Place {
    Wanted,
    Awaited(BoxFuture<'static, Option<OwnedSemaphorePermit>>),
    Taken(OwnedSemaphorePermit),
}

impl Place {
    fn poll(&mut self, cx: &mut Context<'_>, origin: &Origin) -> Poll<wasmtime::Result<()>> {
        loop {
            match self {
                Place::Wanted => *self = Place::Awaited(Box::pin(origin.loopback().socket_soon())),
                Place::Awaited(soon) => match ready!(soon.as_mut().poll(cx)) {
                    Some(permit) => *self = Place::Taken(permit),
                    None => return Poll::Ready(Err(wasmtime::Error::msg("the workload's network is gone"))),
                },
                Place::Taken(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<D: 'static> StreamProducer<D> for Arrivals<D> {
    type Item = Resource<TcpSocket>;
    type Buffer = Option<Self::Item>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let this = self.get_mut();
        // Nothing is wanted but to know whether there is something.
        if destination.remaining(store.as_context_mut()) == Some(0) {
            return match this.listener.poll_ready(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(StreamResult::Completed)),
                Poll::Pending => waiting(finish),
            };
        }
        if this.listener.poll_ready(cx).is_pending() {
            return waiting(finish);
        }
        match this.place.poll(cx, &this.origin) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => return waiting(finish),
        }
        let Poll::Ready(connection) = this.listener.poll_accept(cx) else { return waiting(finish) };
        let Place::Taken(permit) = std::mem::replace(&mut this.place, Place::Wanted) else { return waiting(finish) };
        let socket = this.origin.accepted(connection, permit);
        let socket = (this.view)(store.data_mut()).table.push(socket)?;
        destination.set_buffer(Some(socket));
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl<D> Drop for Arrivals<D> {
    fn drop(&mut self) {
        self.listener.close();
    }
}

/// What comes in, and who is told how that ended.
struct Arriving(Option<(Receiving, oneshot::Sender<Outcome>)>);

impl Arriving {
    fn end(&mut self, outcome: Outcome) {
        if let Some((receiving, tell)) = self.0.take() {
            receiving.close();
            let _ = tell.send(outcome);
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

impl<D> StreamProducer<D> for Arriving {
    type Item = u8;
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, BytesMut>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let Some((receiving, _)) = &mut self.0 else { return Poll::Ready(Ok(StreamResult::Dropped)) };
        if destination.remaining(store.as_context_mut()) == Some(0) {
            return match receiving.poll_readable(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(StreamResult::Completed)),
                Poll::Pending => waiting(finish),
            };
        }
        let mut destination = destination.as_direct(store, PIECE);
        let room = destination.remaining();
        match receiving.poll_read(cx, room.len()) {
            Poll::Pending => waiting(finish),
            Poll::Ready(Ok(bytes)) if bytes.is_empty() => {
                self.end(Ok(()));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Ready(Ok(bytes)) => {
                room[..bytes.len()].copy_from_slice(&bytes);
                destination.mark_written(bytes.len());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Err(broken)) => {
                self.end(Err(broken.code()?));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
        }
    }
}

/// What goes out, and who is told how that ended.
struct Leaving {
    half: Option<(Sending, oneshot::Sender<Outcome>)>,
    /// Bytes that were taken and are not yet sent.
    under_way: usize,
}

impl Leaving {
    fn end(&mut self, outcome: Outcome) {
        if let Some((sending, tell)) = self.half.take() {
            sending.close();
            let _ = tell.send(outcome);
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

impl<D> StreamConsumer<D> for Leaving {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let Leaving { half, under_way } = &mut *self;
        let Some((sending, _)) = half else { return Poll::Ready(Ok(StreamResult::Dropped)) };
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        if bytes.is_empty() {
            return match sending.poll_writable(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(StreamResult::Completed)),
                Poll::Pending => waiting(finish),
            };
        }
        match sending.poll_write(cx, bytes, under_way) {
            Poll::Ready(Ok(count)) => {
                source.mark_read(count);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Err(broken)) => {
                self.end(Err(broken.code()?));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Pending if finish && *under_way > 0 => {
                // They cannot be had back.
                source.mark_read(std::mem::take(under_way));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Pending => waiting(finish),
        }
    }
}

impl Broken {
    fn code(self) -> wasmtime::Result<ErrorCode> {
        match self {
            Broken::Pipe => Ok(ErrorCode::ConnectionBroken),
            Broken::Code(code) => Ok(code.into()),
            Broken::Trap(fault) => Err(fault),
        }
    }
}

/// What takes no time is what it is in 0.2.
impl HostTcpSocket for View<'_> {
    fn create(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        tcp_create_socket::Host::create_tcp_socket(self, family.into()).map_err(translated)
    }

    fn bind(&mut self, this: Resource<TcpSocket>, local: IpSocketAddress) -> SocketResult<()> {
        self.table.get_mut(&this).map_err(fault)?.bind_at_once(local.into()).map_err(translated)
    }

    fn get_local_address(&mut self, this: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        address(earlier::HostTcpSocket::local_address(self, this))
    }

    fn get_remote_address(&mut self, this: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> {
        address(earlier::HostTcpSocket::remote_address(self, this))
    }

    fn get_is_listening(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<bool> {
        earlier::HostTcpSocket::is_listening(self, this)
    }

    fn get_address_family(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(earlier::HostTcpSocket::address_family(self, this)?.into())
    }

    fn set_listen_backlog_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        earlier::HostTcpSocket::set_listen_backlog_size(self, this, value).map_err(translated)
    }

    fn get_keep_alive_enabled(&mut self, this: Resource<TcpSocket>) -> SocketResult<bool> {
        earlier::HostTcpSocket::keep_alive_enabled(self, this).map_err(translated)
    }

    fn set_keep_alive_enabled(&mut self, this: Resource<TcpSocket>, value: bool) -> SocketResult<()> {
        earlier::HostTcpSocket::set_keep_alive_enabled(self, this, value).map_err(translated)
    }

    fn get_keep_alive_idle_time(&mut self, this: Resource<TcpSocket>) -> SocketResult<Duration> {
        earlier::HostTcpSocket::keep_alive_idle_time(self, this).map_err(translated)
    }

    fn set_keep_alive_idle_time(&mut self, this: Resource<TcpSocket>, value: Duration) -> SocketResult<()> {
        earlier::HostTcpSocket::set_keep_alive_idle_time(self, this, value).map_err(translated)
    }

    fn get_keep_alive_interval(&mut self, this: Resource<TcpSocket>) -> SocketResult<Duration> {
        earlier::HostTcpSocket::keep_alive_interval(self, this).map_err(translated)
    }

    fn set_keep_alive_interval(&mut self, this: Resource<TcpSocket>, value: Duration) -> SocketResult<()> {
        earlier::HostTcpSocket::set_keep_alive_interval(self, this, value).map_err(translated)
    }

    fn get_keep_alive_count(&mut self, this: Resource<TcpSocket>) -> SocketResult<u32> {
        earlier::HostTcpSocket::keep_alive_count(self, this).map_err(translated)
    }

    fn set_keep_alive_count(&mut self, this: Resource<TcpSocket>, value: u32) -> SocketResult<()> {
        earlier::HostTcpSocket::set_keep_alive_count(self, this, value).map_err(translated)
    }

    fn get_hop_limit(&mut self, this: Resource<TcpSocket>) -> SocketResult<u8> {
        earlier::HostTcpSocket::hop_limit(self, this).map_err(translated)
    }

    fn set_hop_limit(&mut self, this: Resource<TcpSocket>, value: u8) -> SocketResult<()> {
        earlier::HostTcpSocket::set_hop_limit(self, this, value).map_err(translated)
    }

    fn get_receive_buffer_size(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        earlier::HostTcpSocket::receive_buffer_size(self, this).map_err(translated)
    }

    fn set_receive_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        earlier::HostTcpSocket::set_receive_buffer_size(self, this, value).map_err(translated)
    }

    fn get_send_buffer_size(&mut self, this: Resource<TcpSocket>) -> SocketResult<u64> {
        earlier::HostTcpSocket::send_buffer_size(self, this).map_err(translated)
    }

    fn set_send_buffer_size(&mut self, this: Resource<TcpSocket>, value: u64) -> SocketResult<()> {
        earlier::HostTcpSocket::set_send_buffer_size(self, this, value).map_err(translated)
    }

    /// Streams of the socket live on: they have what they need.
    fn drop(&mut self, this: Resource<TcpSocket>) -> wasmtime::Result<()> {
        let mut socket = self.table.delete(this)?;
        if let Ok(receiving) = socket.receiving() {
            receiving.close();
        }
        if let Ok(sending) = socket.sending() {
            sending.close();
        }
        Ok(())
    }
}
