//! The imports of WASI 0.3 that give a component what is its own, see [`super::personal`].
//!
//! The generated bindings find their state through a plain function, which cannot carry a number. So
//! there is one for each member, up to [`MEMBERS`].

use wasmtime::component::LinkerInstance;
use wasmtime_wasi::cli::{WasiCli, WasiCliCtxView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemCtxView};
use wasmtime_wasi::p3::bindings::cli::{environment, stderr, stdout};
use wasmtime_wasi::p3::bindings::filesystem::preopens;
use wasmtime_wasi_http::WasiHttpCtxView;

use super::caller;
use super::guest::Guest;
use super::network::sockets::View;
use super::network::wasi3;
use super::personal::{cli, files};

/// So many members of a composed component may import these.
pub const MEMBERS: usize = 16;

/// The function that finds a member's state.
macro_rules! of_member {
    ($member:expr, $find:ident -> $view:ident) => {{
        let all: [fn(&mut Guest<S>) -> $view<'_>; MEMBERS] = [
            $find::<S, 0>,
            $find::<S, 1>,
            $find::<S, 2>,
            $find::<S, 3>,
            $find::<S, 4>,
            $find::<S, 5>,
            $find::<S, 6>,
            $find::<S, 7>,
            $find::<S, 8>,
            $find::<S, 9>,
            $find::<S, 10>,
            $find::<S, 11>,
            $find::<S, 12>,
            $find::<S, 13>,
            $find::<S, 14>,
            $find::<S, 15>,
        ];
        let found = all.get($member).copied();
        found.ok_or_else(|| wasmtime::Error::msg(format!("only {MEMBERS} linked components may use WASI 0.3")))
    }};
}

/// Links such an interface, told by its name without the version, to one member of the store.
pub fn link<S: Send + 'static>(
    instance: &mut LinkerInstance<'_, Guest<S>>,
    name: &str,
    member: usize,
) -> wasmtime::Result<()> {
    match name {
        "wasi:cli/environment" => {
            environment::add_to_linker_instance::<_, WasiCli>(instance, of_member!(member, cli_at -> WasiCliCtxView)?)
        }
        "wasi:cli/stdout" => {
            stdout::add_to_linker_instance::<_, WasiCli>(instance, of_member!(member, cli_at -> WasiCliCtxView)?)
        }
        "wasi:cli/stderr" => {
            stderr::add_to_linker_instance::<_, WasiCli>(instance, of_member!(member, cli_at -> WasiCliCtxView)?)
        }
        "wasi:filesystem/preopens" => preopens::add_to_linker_instance::<_, WasiFilesystem>(
            instance,
            of_member!(member, files_at -> WasiFilesystemCtxView)?,
        ),
        "wasi:sockets/types" | "wasi:sockets/ip-name-lookup" => {
            wasi3::link_personal(instance, name, of_member!(member, sockets_at -> View)?)
        }
        "wasi:http/client" => caller::link_client(instance, of_member!(member, http_at -> WasiHttpCtxView)?),
        other => Err(wasmtime::Error::msg(format!("`{other}` of WASI 0.3 belongs to no member"))),
    }
}

fn cli_at<S: Send, const MEMBER: usize>(guest: &mut Guest<S>) -> WasiCliCtxView<'_> {
    cli(guest, MEMBER)
}

fn files_at<S: Send, const MEMBER: usize>(guest: &mut Guest<S>) -> WasiFilesystemCtxView<'_> {
    files(guest, MEMBER)
}

fn sockets_at<S: Send, const MEMBER: usize>(guest: &mut Guest<S>) -> View<'_> {
    guest.sockets_of(MEMBER)
}

fn http_at<S: Send, const MEMBER: usize>(guest: &mut Guest<S>) -> WasiHttpCtxView<'_> {
    guest.http_of(MEMBER)
}
