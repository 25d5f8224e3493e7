//! UDP sockets of `wasi:sockets` 0.3.
//!
//! A socket itself sends and receives here. Its streams are those of 0.2, which it has for itself.

use std::net::SocketAddr;

use wasmtime::component::{Accessor, Resource, ResourceTableError};
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode as EarlierCode;

use super::types::{ErrorCode, HostUdpSocket, HostUdpSocketWithStore, IpAddressFamily, IpSocketAddress};
use super::{SocketError, SocketResult, address, translated};
use crate::runtime::network::sockets::{View, Views};
use crate::runtime::network::wasi::udp::{Flow, OutgoingDatagram, UdpSocket};
use crate::runtime::network::wasi::{udp as earlier, udp_create_socket};

fn fault(error: ResourceTableError) -> SocketError {
    SocketError::trap(error)
}

/// The streams of a socket, made if there are none.
async fn flow<T: Send>(store: &Accessor<T, Views>, this: &Resource<UdpSocket>) -> SocketResult<Flow> {
    let outside = store.with(|mut store| -> SocketResult<_> {
        let socket = store.get().table.get_mut(this).map_err(fault)?;
        if let Some(flow) = &socket.flow {
            return Ok(Err(flow.clone()));
        }
        socket.bind_to_any().map_err(translated)?;
        Ok(Ok(socket.outside_for_flow().map_err(translated)?))
    })?;
    let outside = match outside {
        Err(flow) => return Ok(flow),
        Ok(outside) => outside.await.map_err(translated)?,
    };
    store.with(|mut store| {
        let socket = store.get().table.get_mut(this).map_err(fault)?;
        socket.begin_flow(outside).map_err(translated)
    })
}

impl<T: Send> HostUdpSocketWithStore<T> for Views {
    async fn send(
        store: &Accessor<T, Self>,
        this: Resource<UdpSocket>,
        data: Vec<u8>,
        remote: Option<IpSocketAddress>,
    ) -> SocketResult<()> {
        let remote_address = remote.map(|remote| SocketAddr::from(remote).into());
        let flow = flow(store, &this).await?;
        let mut outgoing = flow.outgoing.lock().await;
        loop {
            outgoing.ready().await;
            match outgoing.send_one(OutgoingDatagram { data: data.clone(), remote_address }) {
                Err(error) if matches!(error.downcast_ref(), Some(EarlierCode::WouldBlock)) => {}
                sent => return sent.map_err(translated),
            }
        }
    }

    async fn receive(store: &Accessor<T, Self>, this: Resource<UdpSocket>) -> SocketResult<(Vec<u8>, IpSocketAddress)> {
        let bound = store.with(|mut store| store.get().table.get(&this).map(UdpSocket::is_bound)).map_err(fault)?;
        if !bound {
            return Err(ErrorCode::InvalidState.into());
        }
        let flow = flow(store, &this).await?;
        let mut incoming = flow.incoming.lock().await;
        loop {
            if let Some(datagram) = incoming.take(1).map_err(translated)?.pop() {
                return Ok((datagram.data, SocketAddr::from(datagram.remote_address).into()));
            }
            incoming.ready().await;
        }
    }
}

impl HostUdpSocket for View<'_> {
    fn create(&mut self, family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        udp_create_socket::Host::create_udp_socket(self, family.into()).map_err(translated)
    }

    async fn bind(&mut self, this: Resource<UdpSocket>, local: IpSocketAddress) -> SocketResult<()> {
        let socket = self.table.get_mut(&this).map_err(fault)?;
        socket.bind(local.into()).map_err(translated)?;
        socket.flow_to(None).await.map_err(translated)
    }

    async fn connect(&mut self, this: Resource<UdpSocket>, remote: IpSocketAddress) -> SocketResult<()> {
        let socket = self.table.get_mut(&this).map_err(fault)?;
        socket.bind_to_any().map_err(translated)?;
        socket.flow_to(Some(remote.into())).await.map_err(translated)
    }

    async fn disconnect(&mut self, this: Resource<UdpSocket>) -> SocketResult<()> {
        let socket = self.table.get_mut(&this).map_err(fault)?;
        if !socket.is_connected() {
            return Err(ErrorCode::InvalidState.into());
        }
        socket.flow_to(None).await.map_err(translated)
    }

    fn get_local_address(&mut self, this: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        address(earlier::HostUdpSocket::local_address(self, this))
    }

    fn get_remote_address(&mut self, this: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> {
        address(earlier::HostUdpSocket::remote_address(self, this))
    }

    fn get_address_family(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(earlier::HostUdpSocket::address_family(self, this)?.into())
    }

    fn get_unicast_hop_limit(&mut self, this: Resource<UdpSocket>) -> SocketResult<u8> {
        earlier::HostUdpSocket::unicast_hop_limit(self, this).map_err(translated)
    }

    fn set_unicast_hop_limit(&mut self, this: Resource<UdpSocket>, value: u8) -> SocketResult<()> {
        earlier::HostUdpSocket::set_unicast_hop_limit(self, this, value).map_err(translated)
    }

    fn get_receive_buffer_size(&mut self, this: Resource<UdpSocket>) -> SocketResult<u64> {
        earlier::HostUdpSocket::receive_buffer_size(self, this).map_err(translated)
    }

    fn set_receive_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> SocketResult<()> {
        earlier::HostUdpSocket::set_receive_buffer_size(self, this, value).map_err(translated)
    }

    fn get_send_buffer_size(&mut self, this: Resource<UdpSocket>) -> SocketResult<u64> {
        earlier::HostUdpSocket::send_buffer_size(self, this).map_err(translated)
    }

    fn set_send_buffer_size(&mut self, this: Resource<UdpSocket>, value: u64) -> SocketResult<()> {
        earlier::HostUdpSocket::set_send_buffer_size(self, this, value).map_err(translated)
    }

    fn drop(&mut self, this: Resource<UdpSocket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
