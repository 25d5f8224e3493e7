//! `wasi:sockets` 0.3: the sockets of [`super::wasi`] behind the functions of the newer generation.
//!
//! The sockets, the loopback and the policy are the same. What differs is how a guest waits: calls that
//! take time are asynchronous, and what it reads, writes and accepts are streams of the component
//! model ([`tcp`]).

mod tcp;
mod udp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use wasmtime::component::{Accessor, Linker, LinkerInstance};
use wasmtime_wasi::p2::SocketError as EarlierError;
use wasmtime_wasi::p2::bindings::sockets::network as earlier;
use wasmtime_wasi::{TrappableError, p2};

use super::sockets::{View, Views};

/// Traits and links, with resource types of our own.
mod bindings {
    wasmtime::component::bindgen!({
        path: ["wit/wasi-0.3.0/clocks.wit", "wit/wasi-0.3.0/sockets.wit"],
        inline: "
            package wash:sockets3;
            world sockets {
                import wasi:sockets/types@0.3.0;
                import wasi:sockets/ip-name-lookup@0.3.0;
            }
        ",
        imports: {
            "wasi:sockets/types.[method]tcp-socket.listen": store | trappable,
            "wasi:sockets/types.[method]tcp-socket.send": store | trappable,
            "wasi:sockets/types.[method]tcp-socket.receive": store | trappable,
            "wasi:sockets/types.[method]udp-socket.bind": async | trappable,
            "wasi:sockets/types.[method]udp-socket.connect": async | trappable,
            "wasi:sockets/types.[method]udp-socket.disconnect": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
        trappable_error_type: {
            "wasi:sockets/types.error-code" => crate::runtime::network::wasi3::SocketError,
        },
        with: {
            "wasi:clocks": wasmtime_wasi::p3::bindings::clocks,
            "wasi:sockets/types.tcp-socket": crate::runtime::network::wasi::tcp::TcpSocket,
            "wasi:sockets/types.udp-socket": crate::runtime::network::wasi::udp::UdpSocket,
        },
    });
}

use bindings::wasi::sockets::{ip_name_lookup, types};
use types::{ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress};

/// An error of a guest's, or a fault.
type SocketError = TrappableError<ErrorCode>;
type SocketResult<T> = Result<T, SocketError>;

/// Links the sockets, in place of what upstream has put into the linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let linked = types::add_to_linker::<T, Views>(linker, view)
        .and_then(|()| ip_name_lookup::add_to_linker::<T, Views>(linker, view));
    linker.allow_shadowing(false);
    linked
}

/// Links one of the two, told by its name without the version, for a store that holds several
/// components: `view` finds the one that calls.
pub fn link_personal<T: Send + 'static>(
    instance: &mut LinkerInstance<'_, T>,
    name: &str,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    match name {
        "wasi:sockets/types" => types::add_to_linker_instance::<T, Views>(instance, view),
        _ => ip_name_lookup::add_to_linker_instance::<T, Views>(instance, view),
    }
}

impl types::Host for View<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }
}

impl ip_name_lookup::Host for View<'_> {}

impl<T: Send> ip_name_lookup::HostWithStore<T> for Views {
    async fn resolve_addresses(
        store: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<IpAddress>, ip_name_lookup::ErrorCode>> {
        use ip_name_lookup::ErrorCode as LookupError;
        let Some(sockets) = store.with(|mut store| store.get().sockets.cloned()) else {
            return Ok(Err(LookupError::AccessDenied));
        };
        let found = sockets.look_up(&name).await.map_err(|code| match code {
            earlier::ErrorCode::AccessDenied => LookupError::AccessDenied,
            earlier::ErrorCode::InvalidArgument => LookupError::InvalidArgument,
            earlier::ErrorCode::TemporaryResolverFailure => LookupError::TemporaryResolverFailure,
            _ => LookupError::NameUnresolvable,
        });
        Ok(found.map(|found| found.into_iter().map(IpAddress::from).collect()))
    }
}

/// An error of the sockets that both generations share.
fn translated(error: EarlierError) -> SocketError {
    match error.downcast() {
        Ok(code) => ErrorCode::from(code).into(),
        Err(fault) => SocketError::trap(fault),
    }
}

impl From<earlier::ErrorCode> for ErrorCode {
    fn from(code: earlier::ErrorCode) -> Self {
        use earlier::ErrorCode as Earlier;
        match code {
            Earlier::AccessDenied => ErrorCode::AccessDenied,
            Earlier::NotSupported => ErrorCode::NotSupported,
            Earlier::InvalidArgument => ErrorCode::InvalidArgument,
            Earlier::OutOfMemory => ErrorCode::OutOfMemory,
            Earlier::Timeout => ErrorCode::Timeout,
            // What 0.2 calls steps and conflicts of them.
            Earlier::InvalidState | Earlier::ConcurrencyConflict | Earlier::NotInProgress => ErrorCode::InvalidState,
            Earlier::AddressNotBindable => ErrorCode::AddressNotBindable,
            Earlier::AddressInUse => ErrorCode::AddressInUse,
            Earlier::RemoteUnreachable => ErrorCode::RemoteUnreachable,
            Earlier::ConnectionRefused => ErrorCode::ConnectionRefused,
            Earlier::ConnectionReset => ErrorCode::ConnectionReset,
            Earlier::ConnectionAborted => ErrorCode::ConnectionAborted,
            Earlier::DatagramTooLarge => ErrorCode::DatagramTooLarge,
            Earlier::NewSocketLimit => ErrorCode::Other(Some("the workload has too many sockets".into())),
            _ => ErrorCode::Other(None),
        }
    }
}

impl From<IpAddressFamily> for earlier::IpAddressFamily {
    fn from(family: IpAddressFamily) -> Self {
        match family {
            IpAddressFamily::Ipv4 => earlier::IpAddressFamily::Ipv4,
            IpAddressFamily::Ipv6 => earlier::IpAddressFamily::Ipv6,
        }
    }
}

impl From<earlier::IpAddressFamily> for IpAddressFamily {
    fn from(family: earlier::IpAddressFamily) -> Self {
        match family {
            earlier::IpAddressFamily::Ipv4 => IpAddressFamily::Ipv4,
            earlier::IpAddressFamily::Ipv6 => IpAddressFamily::Ipv6,
        }
    }
}

impl From<IpAddr> for IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => IpAddress::Ipv4(address.octets().into()),
            IpAddr::V6(address) => IpAddress::Ipv6(address.segments().into()),
        }
    }
}

impl From<IpSocketAddress> for SocketAddr {
    fn from(address: IpSocketAddress) -> Self {
        match address {
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address }) => {
                SocketAddrV4::new(Ipv4Addr::from(<[u8; 4]>::from(address)), port).into()
            }
            IpSocketAddress::Ipv6(Ipv6SocketAddress { port, flow_info, address, scope_id }) => {
                SocketAddrV6::new(Ipv6Addr::from(<[u16; 8]>::from(address)), port, flow_info, scope_id).into()
            }
        }
    }
}

impl From<SocketAddr> for IpSocketAddress {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => {
                IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: address.ip().octets().into() })
            }
            SocketAddr::V6(address) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: address.port(),
                flow_info: address.flowinfo(),
                address: address.ip().segments().into(),
                scope_id: address.scope_id(),
            }),
        }
    }
}

/// An address as the sockets that both generations share tell it.
fn address(found: p2::SocketResult<earlier::IpSocketAddress>) -> SocketResult<IpSocketAddress> {
    found.map(|address| SocketAddr::from(address).into()).map_err(translated)
}
