//! The imports that give a component what is its own: environment, files, output, the network.
//!
//! In a composed component each member's are linked by themselves, under a name of the member's own
//! (see [`super::compose`]); here they are taken to the member's part of the store. The functions
//! are those of WASI's bindings; only the place where they find their state is another.

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi::p2::bindings::cli::{environment, stderr, stdout};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::sockets::network::IpAddressFamily;
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};

use super::caller;
use super::capability::{Capabilities, GuestOf};
use super::guest::Guest;
use super::network::sockets;
use super::network::wasi::{tcp_create_socket, udp_create_socket};
use super::personal3;

/// Interfaces of WASI whose state belongs to one component, without their versions.
const OF_WASI: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:filesystem/preopens",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp-create-socket",
    "wasi:sockets/ip-name-lookup",
    // Of WASI 0.3, where sockets are made by the interface that has them.
    "wasi:sockets/types",
    "wasi:http/outgoing-handler",
    "wasi:http/client",
];

/// With which the name of WASI 0.3's sockets begins.
pub const SOCKETS_OF_0_3: &str = "wasi:sockets/types@0.3";

/// Whether an import gives a component what is its own.
pub fn is_personal<C: Capabilities>(interface: &str) -> bool {
    let name = without_version(interface);
    OF_WASI.contains(&name) || C::PERSONAL.contains(&name)
}

fn without_version(interface: &str) -> &str {
    interface.split('@').next().unwrap_or(interface)
}

/// Whether such an import is of WASI 0.3.
fn is_of_0_3(interface: &str) -> bool {
    OF_WASI.contains(&without_version(interface)) && interface.split('@').nth(1).is_some_and(|v| v.starts_with("0.3."))
}

/// Links such an import to one member of the store.
pub fn link<C: Capabilities>(
    instance: &mut LinkerInstance<'_, GuestOf<C>>,
    interface: &str,
    member: usize,
) -> wasmtime::Result<()> {
    if is_of_0_3(interface) {
        return personal3::link(instance, without_version(interface), member);
    }
    match without_version(interface) {
        "wasi:cli/environment" => link_environment(instance, member),
        "wasi:cli/stdout" => instance.func_wrap("get-stdout", move |mut store: Call<'_, C>, (): ()| {
            let stream: Resource<DynOutputStream> = stdout::Host::get_stdout(&mut cli(store.data_mut(), member))?;
            Ok((stream,))
        }),
        "wasi:cli/stderr" => instance.func_wrap("get-stderr", move |mut store: Call<'_, C>, (): ()| {
            let stream: Resource<DynOutputStream> = stderr::Host::get_stderr(&mut cli(store.data_mut(), member))?;
            Ok((stream,))
        }),
        "wasi:filesystem/preopens" => instance.func_wrap("get-directories", move |mut store: Call<'_, C>, (): ()| {
            let folders: Vec<(Resource<Descriptor>, String)> =
                preopens::Host::get_directories(&mut files(store.data_mut(), member))?;
            Ok((folders,))
        }),
        "wasi:sockets/tcp-create-socket" => {
            instance.func_wrap("create-tcp-socket", move |mut store: Call<'_, C>, (family,): (IpAddressFamily,)| {
                let mut view = store.data_mut().sockets_of(member);
                let socket = tcp_create_socket::Host::create_tcp_socket(&mut view, family);
                Ok((sockets::or_code(&mut view, socket)?,))
            })
        }
        "wasi:sockets/udp-create-socket" => {
            instance.func_wrap("create-udp-socket", move |mut store: Call<'_, C>, (family,): (IpAddressFamily,)| {
                let mut view = store.data_mut().sockets_of(member);
                let socket = udp_create_socket::Host::create_udp_socket(&mut view, family);
                Ok((sockets::or_code(&mut view, socket)?,))
            })
        }
        "wasi:sockets/ip-name-lookup" => {
            sockets::link_personal(instance, move |guest: &mut GuestOf<C>| guest.sockets_of(member))
        }
        "wasi:http/outgoing-handler" => instance.func_wrap("handle", move |mut store: Call<'_, C>, arguments| {
            let (request, options): (Resource<types::OutgoingRequest>, Option<Resource<types::RequestOptions>>) =
                arguments;
            caller::for_caller(&mut store, |guest| {
                let mut view = guest.http_of(member);
                let sent: Result<Resource<types::FutureIncomingResponse>, types::ErrorCode> =
                    match outgoing_handler::Host::handle(&mut view, request, options) {
                        Ok(response) => Ok(response),
                        Err(error) => Err(types::Host::convert_error_code(&mut view, error)?),
                    };
                Ok((sent,))
            })
        }),
        name => C::link_personal(instance, name, member),
    }
}

type Call<'a, C> = StoreContextMut<'a, GuestOf<C>>;

fn link_environment<S: Send + 'static>(
    instance: &mut LinkerInstance<'_, Guest<S>>,
    member: usize,
) -> wasmtime::Result<()> {
    instance.func_wrap("get-environment", move |mut store: StoreContextMut<'_, Guest<S>>, (): ()| {
        Ok((environment::Host::get_environment(&mut cli(store.data_mut(), member))?,))
    })?;
    instance.func_wrap("get-arguments", move |mut store: StoreContextMut<'_, Guest<S>>, (): ()| {
        Ok((environment::Host::get_arguments(&mut cli(store.data_mut(), member))?,))
    })?;
    instance.func_wrap("initial-cwd", move |mut store: StoreContextMut<'_, Guest<S>>, (): ()| {
        Ok((environment::Host::initial_cwd(&mut cli(store.data_mut(), member))?,))
    })
}

pub(super) fn cli<S: Send>(guest: &mut Guest<S>, member: usize) -> WasiCliCtxView<'_> {
    let (wasi, table) = guest.wasi_of(member);
    WasiCliCtxView { ctx: wasi.cli(), table }
}

pub(super) fn files<S: Send>(guest: &mut Guest<S>, member: usize) -> WasiFilesystemCtxView<'_> {
    let (wasi, table) = guest.wasi_of(member);
    WasiFilesystemCtxView { ctx: wasi.filesystem(), table }
}
