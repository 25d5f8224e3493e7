//! `wasi:sockets` 0.2: sockets that become one of two kinds.
//!
//! A socket belongs to nothing when it is made. Once its guest says where to, it becomes a socket of
//! the workload's own loopback ([`super::loopback`]) or one of the machine's network. The latter are
//! the upstream library's, under the policy ([`super::sockets`]); here they are only held, in tables
//! that live for one call ([`on_machine`]).

pub mod tcp;
pub mod udp;

use std::net::{IpAddr, SocketAddr};

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sockets::instance_network;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, Network};
use wasmtime_wasi::p2::{SocketError, SocketResult};
use wasmtime_wasi::sockets::{WasiSocketsCtx, WasiSocketsCtxView};

use super::sockets::View;

/// Traits and links, with resource types of our own.
mod bindings {
    wasmtime::component::bindgen!({
        path: ["wit/deps/io.wit", "wit/deps/clocks.wit", "wit/deps/sockets.wit"],
        inline: "
            package wash:sockets;
            world sockets {
                import wasi:sockets/tcp@0.2.12;
                import wasi:sockets/tcp-create-socket@0.2.12;
                import wasi:sockets/udp@0.2.12;
                import wasi:sockets/udp-create-socket@0.2.12;
            }
        ",
        imports: {
            "wasi:sockets/udp.[method]udp-socket.stream": async | trappable,
            "wasi:sockets/udp.[drop]outgoing-datagram-stream": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
        trappable_error_type: {
            "wasi:sockets/network.error-code" => wasmtime_wasi::p2::SocketError,
        },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:sockets/network": wasmtime_wasi::p2::bindings::sockets::network,
            "wasi:sockets/tcp.tcp-socket": crate::runtime::network::wasi::tcp::TcpSocket,
            "wasi:sockets/udp.udp-socket": crate::runtime::network::wasi::udp::UdpSocket,
            "wasi:sockets/udp.incoming-datagram-stream": crate::runtime::network::wasi::udp::Incoming,
            "wasi:sockets/udp.outgoing-datagram-stream": crate::runtime::network::wasi::udp::Outgoing,
        },
    });
}

pub use bindings::wasi::sockets::{tcp_create_socket, udp_create_socket};

/// Stands for [`View`] where the bindings ask for a type without a lifetime.
struct Views;

impl HasData for Views {
    type Data<'a> = View<'a>;
}

/// Links the sockets, in place of what upstream has put into the linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let linked = bindings::wasi::sockets::tcp::add_to_linker::<T, Views>(linker, view)
        .and_then(|()| tcp_create_socket::add_to_linker::<T, Views>(linker, view))
        .and_then(|()| bindings::wasi::sockets::udp::add_to_linker::<T, Views>(linker, view))
        .and_then(|()| udp_create_socket::add_to_linker::<T, Views>(linker, view));
    linker.allow_shadowing(false);
    linked
}

/// Has upstream's implementation do something with one of its resources.
fn on_machine<V: Send + 'static, R>(
    ctx: &WasiSocketsCtx,
    held: &mut Option<V>,
    call: impl FnOnce(&mut WasiSocketsCtxView<'_>, Resource<V>) -> SocketResult<R>,
) -> SocketResult<R> {
    let Some(value) = held.take() else { return Err(ErrorCode::InvalidState.into()) };
    let (mut ctx, mut table) = (ctx.clone(), ResourceTable::new());
    let resource = table.push(value)?;
    let result =
        call(&mut WasiSocketsCtxView { ctx: &mut ctx, table: &mut table }, Resource::new_borrow(resource.rep()));
    *held = Some(table.delete(resource)?);
    result
}

/// Upstream wants a handle to the network for every step.
fn network(upstream: &mut WasiSocketsCtxView<'_>) -> SocketResult<Resource<Network>> {
    instance_network::Host::instance_network(upstream).map_err(SocketError::trap)
}

/// The code of an error, for what happens while nobody calls.
fn code_of(error: SocketError) -> ErrorCode {
    error.downcast().unwrap_or(ErrorCode::Unknown)
}

/// Whether an address is of the family. Addresses of one family inside of the other are none.
fn is_of(family: IpAddressFamily, ip: IpAddr) -> bool {
    match (family, ip) {
        (IpAddressFamily::Ipv4, IpAddr::V4(_)) => true,
        (IpAddressFamily::Ipv6, IpAddr::V6(ip)) => ip.to_ipv4().is_none() || ip.is_loopback() || ip.is_unspecified(),
        _ => false,
    }
}

fn is_one_receiver(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_multicast(),
    }
}

fn is_remote(address: SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}

/// The address of a socket that nobody can connect to.
pub fn any(family: IpAddressFamily) -> SocketAddr {
    match family {
        IpAddressFamily::Ipv4 => SocketAddr::from(([0, 0, 0, 0], 0)),
        IpAddressFamily::Ipv6 => SocketAddr::from(([0; 16], 0)),
    }
}

/// What a system's own loopback says of its buffers.
const BUFFER_BYTES: u64 = 64 << 10;
/// How many hops a datagram may take that never leaves.
const HOPS: u8 = 64;

fn positive<T: Default + PartialEq>(value: T) -> SocketResult<T> {
    if value == T::default() { Err(ErrorCode::InvalidArgument.into()) } else { Ok(value) }
}
