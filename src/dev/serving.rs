//! Where the loop listens, and where its capabilities keep their data: what settings say of the
//! things that live longer than a workload.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use super::report::Report;
use crate::error::{Error, Result};
use crate::plugins::blobstore::ObjectPlace;
use crate::plugins::remote::{CloudEnvironment, PostgresUrl, ServerUrl};
use crate::plugins::{InstalledOptions, blobstore, keyvalue, messaging};
use crate::project::{self, Project, settings};
use crate::runtime::http::server::{Bound, ServeOptions, Server, ServerLimits};
use crate::runtime::http::tls::{Certificates, TlsFiles};

/// The address to listen on; `port` replaces the one of the settings.
pub fn address_of(project: &Project, port: Option<u16>) -> Result<SocketAddr> {
    let text = project.settings.dev.address.as_deref().unwrap_or(settings::DEFAULT_ADDRESS);
    let mut address = project::socket_address(text).ok_or_else(|| {
        Error::usage(format!("`{text}` is not an address to listen on")).hint("write it as 127.0.0.1:8000")
    })?;
    if let Some(port) = port {
        address.set_port(port);
    }
    Ok(address)
}

/// Binds it. The error says who has it.
pub fn bind(address: SocketAddr) -> Result<Bound> {
    Bound::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let owner = listeners::get_process_by_port(address.port(), listeners::Protocol::TCP);
            let by = owner.map(|owner| format!(" by `{}` (process {})", owner.name, owner.pid)).unwrap_or_default();
            Error::failed(format!("the address {address} is already in use{by}")).hint(format!(
                "choose another port: wash dev --port {} (0 takes a free one)",
                address.port().wrapping_add(1)
            ))
        }
        std::io::ErrorKind::PermissionDenied => {
            Error::caused_by(format!("listening on {address} is not permitted"), &error)
                .hint("choose a port above 1023: wash dev --port 8000")
        }
        _ => Error::caused_by(format!("cannot listen on {address}"), &error),
    })
}

/// What is told of a server that listens.
pub fn listening(server: &Server) -> Report {
    let address = server.address();
    let host = match address {
        _ if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_string(),
    };
    let scheme = if server.is_secure() { "https" } else { "http" };
    Report::Listening { url: format!("{scheme}://{host}/"), address }
}

/// The files of the certificates, if HTTPS is wanted.
pub fn tls_files(project: &Project) -> Option<TlsFiles> {
    let dev = &project.settings.dev;
    let path = |path: &String| project.root.join(path);
    Some(TlsFiles {
        cert: dev.tls_cert_path.as_ref().map(path)?,
        key: dev.tls_key_path.as_ref().map(path)?,
        ca: dev.tls_ca_path.as_ref().map(path),
    })
}

/// Reads them.
pub fn certificates(project: &Project) -> Result<Option<Certificates>> {
    tls_files(project).map(Certificates::read).transpose()
}

/// How requests are served.
pub fn options(certificates: Option<Certificates>) -> ServeOptions {
    ServeOptions { threads: serving_threads(), certificates, limits: ServerLimits::default() }
}

/// One for each core: each serves the connections it accepts.
fn serving_threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Where the capabilities keep their data. A key of a capability's own goes before `data_nats_url`.
pub fn kept_data(project: &Project, env: &BTreeMap<String, String>) -> Result<InstalledOptions> {
    let dev = &project.settings.dev;
    let path = |path: &Option<String>| path.as_ref().map(|path| project.root.join(path));
    let nats_url = server("dev.data_nats_url", &dev.data_nats_url, ServerUrl::nats)?;
    let keyvalue_nats = server("dev.wasi_keyvalue_nats_url", &dev.wasi_keyvalue_nats_url, ServerUrl::nats)?;
    let keyvalue_redis = server("dev.wasi_keyvalue_redis_url", &dev.wasi_keyvalue_redis_url, ServerUrl::redis)?;
    let messaging_nats =
        server("dev.wasmcloud_messaging_nats_url", &dev.wasmcloud_messaging_nats_url, ServerUrl::nats)?;
    let messaging =
        messaging_nats.or(nats_url.clone()).map_or(messaging::Transport::Memory, messaging::Transport::Nats);
    let keyvalue = match (path(&dev.wasi_keyvalue_path), keyvalue_nats, keyvalue_redis, nats_url.clone()) {
        (Some(folder), ..) => keyvalue::Storage::Folder(folder),
        (None, None, Some(url), _) => keyvalue::Storage::Redis(url),
        (None, Some(url), ..) | (None, None, None, Some(url)) => keyvalue::Storage::Nats(url),
        (None, None, None, None) => keyvalue::Storage::Memory,
    };
    let blobstore_nats = server("dev.wasi_blobstore_nats_url", &dev.wasi_blobstore_nats_url, ServerUrl::nats)?;
    let objects = |url: &str| ObjectPlace::new(url, BTreeMap::new());
    let blobstore_objects = server("dev.wasi_blobstore_url", &dev.wasi_blobstore_url, objects)?;
    let blobstore = match (path(&dev.wasi_blobstore_path), blobstore_nats, blobstore_objects, nats_url.clone()) {
        (Some(folder), ..) => blobstore::Storage::Folder(folder),
        (None, None, Some(place), _) => blobstore::Storage::Objects(place),
        (None, Some(url), ..) | (None, None, None, Some(url)) => blobstore::Storage::Nats(url),
        (None, None, None, None) => blobstore::Storage::Memory,
    };
    let postgres_url = server("dev.postgres_url", &dev.postgres_url, PostgresUrl::parse)?;
    let cloud_environment = CloudEnvironment::of(env);
    Ok(InstalledOptions { keyvalue, blobstore, messaging, nats_url, postgres_url, cloud_environment })
}

/// Reads the address of a server. The error does not repeat it: it may have a password in it.
fn server<T>(key: &str, url: &Option<String>, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>> {
    let read = url.as_deref().map(read).transpose();
    read.map_err(|reason| Error::usage(format!("`{key}` is wrong: {reason}")))
}
