//! The HTTP client: whom it trusts, through which proxy it goes, and what its errors mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, NoProxy, Proxy, redirect};

use super::failure::{Failure, Result, usage};
use super::transport::Settings;

/// What never goes through a proxy: a proxy elsewhere does not know this machine.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1";
/// Nobody has more certificates than that.
const LARGEST_BUNDLE: u64 = 16 << 20;

/// Makes the client for everything. Nothing is read from the environment behind our back.
pub(super) fn client(settings: &Settings) -> Result<reqwest::Client> {
    let certificates = certificates(&settings.ca_paths)?;
    let builder = || -> Result<reqwest::ClientBuilder> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("wash/", env!("CARGO_PKG_VERSION")))
            // We follow them ourselves: see `transport`.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(settings.timing.connect)
            .no_proxy();
        for proxy in proxies(&settings.env)? {
            builder = builder.proxy(proxy);
        }
        Ok(builder)
    };
    let unable = |error: reqwest::Error| Failure::local("cannot set up TLS", &error);
    match builder()?.tls_certs_merge(certificates.clone()).build() {
        Ok(client) => Ok(client),
        // A small container may have no certificates of its own. Plain HTTP works without, and so
        // do registries whose issuer is given; all others will say that they are not trusted.
        Err(error) => {
            tracing::debug!(%error, "the system's certificates cannot be used");
            builder()?.tls_certs_only(certificates).build().map_err(unable)
        }
    }
}

fn certificates(paths: &[PathBuf]) -> Result<Vec<Certificate>> {
    let mut certificates = Vec::new();
    for_each_bundle(paths, |_, bundle| certificates.extend(bundle))?;
    Ok(certificates)
}

/// The certificates of these files, or of folders of files, as PEM text with one certificate each: for
/// libraries with a client of their own.
pub fn authorities(paths: &[PathBuf]) -> crate::error::Result<Vec<String>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut texts = Vec::new();
    for_each_bundle(paths, |pem, _| {
        let pieces = pem.split(BEGIN).skip(1).filter_map(|rest| rest.split_once(END));
        texts.extend(pieces.map(|(inner, _)| format!("{BEGIN}{inner}{END}\n")));
    })?;
    Ok(texts)
}

/// Calls `each` with the text of each file and the certificates in it.
fn for_each_bundle(paths: &[PathBuf], mut each: impl FnMut(&str, Vec<Certificate>)) -> Result<()> {
    for path in paths {
        let files = if path.is_dir() { pem_files(path)? } else { vec![path.clone()] };
        let mut found = false;
        for file in files {
            let unreadable = |error: &(dyn std::error::Error + 'static)| {
                Failure::local(format!("cannot read the certificates of `{}`", file.display()), error)
            };
            let size = std::fs::metadata(&file).map_err(|error| unreadable(&error))?.len();
            if size > LARGEST_BUNDLE {
                return Err(usage(format!("`{}` is too large for a file of certificates", file.display())));
            }
            let pem = std::fs::read(&file).map_err(|error| unreadable(&error))?;
            let bundle = Certificate::from_pem_bundle(&pem).map_err(|error| unreadable(&error))?;
            found |= !bundle.is_empty();
            each(&String::from_utf8_lossy(&pem), bundle);
        }
        if !found {
            return Err(usage(format!("there is no certificate in `{}`", path.display()))
                .hint("give a PEM file, which begins with -----BEGIN CERTIFICATE-----"));
        }
    }
    Ok(())
}

fn pem_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Failure::local(format!("cannot list the folder `{}`", folder.display()), &error))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| ["pem", "crt", "cer"].iter().any(|known| end == *known)))
        .collect();
    files.sort();
    Ok(files)
}

/// The proxies that the environment names, as other programs understand it.
fn proxies(env: &BTreeMap<String, String>) -> Result<Vec<Proxy>> {
    let var = |name: &str| {
        let value = env.get(&name.to_ascii_lowercase()).or_else(|| env.get(name));
        value.map(|value| value.trim()).filter(|value| !value.is_empty())
    };
    let mut exceptions = NEVER_PROXIED.to_string();
    if let Some(more) = var("NO_PROXY") {
        exceptions = format!("{exceptions},{more}");
    }
    let mut proxies = Vec::new();
    for (name, make) in [
        ("HTTP_PROXY", Proxy::http as fn(String) -> reqwest::Result<Proxy>),
        ("HTTPS_PROXY", Proxy::https as fn(String) -> reqwest::Result<Proxy>),
        ("ALL_PROXY", Proxy::all as fn(String) -> reqwest::Result<Proxy>),
    ] {
        let Some(value) = var(name) else { continue };
        let address = if value.contains("://") { value.to_string() } else { format!("http://{value}") };
        // The value may have a password in it, and the library's message would repeat it.
        let proxy = make(address).map_err(|_| {
            usage(format!("the value of `{name}` is not the address of a proxy"))
                .hint(format!("set it to http://HOST:PORT, or unset {name}"))
        })?;
        proxies.push(proxy.no_proxy(NoProxy::from_string(&exceptions)));
    }
    Ok(proxies)
}

/// Why a connection failed, as far as TLS has to do with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// What answers does not speak TLS.
    NotTls,
    /// Its certificate is not trusted.
    Certificate(String),
    /// Something else.
    Other,
}

impl Cause {
    pub fn of(error: &reqwest::Error) -> Self {
        if !error.is_connect() {
            return Cause::Other;
        }
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = next {
            if let Some(cause) = classify(cause) {
                return cause;
            }
            next = cause.source();
        }
        Cause::Other
    }
}

fn classify(error: &(dyn std::error::Error + 'static)) -> Option<Cause> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(match tls {
            rustls::Error::InvalidMessage(_) => Cause::NotTls,
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                Cause::Certificate(tls.to_string())
            }
            rustls::Error::General(text) if text.contains("ertificate") => Cause::Certificate(text.clone()),
            _ => return None,
        });
    }
    let io = error.downcast_ref::<std::io::Error>()?;
    if let Some(cause) = io.get_ref().and_then(|inner| classify(inner)) {
        return Some(cause);
    }
    // Some servers hang up on what they take for a strange request.
    let text = io.to_string();
    (io.kind() == std::io::ErrorKind::UnexpectedEof && text.contains("handshake")).then_some(Cause::NotTls)
}
