//! Registries of WIT packages, through the client library of `wkg`.
//!
//! Which registry has a package is said by the user's configuration of `wkg` (a mapping of the package
//! or its namespace), else by the project's `wit.registries`, in their order, else by what is well
//! known. Credentials for `wit.registries` are theirs, else those that `wash oci` would use; for what
//! `wkg` configures they are its own. Every wait has a bound, and what may pass is tried again,
//! because the library does neither.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use oci_client::errors::{OciDistributionError, OciErrorCode};
use semver::Version;
use wasm_pkg_client::{Client, Config, ContentDigest, Error as ClientError, PackageRef, Registry as Host, Release};
use wit_parser::PackageName;

use super::lock::Entry;
use super::name::Name;
use super::source::Surroundings;
use crate::error::{Error, Result};
use crate::git::without_password;
use crate::oci::{self, ClientOptions, Credential, Credentials, Freshness, Reference};
use crate::progress::Progress;

/// A registry answers in a second. One that needs longer than this is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a package may take. Packages have some ten kilobytes.
const CONTENT_PATIENCE: Duration = Duration::from_secs(2 * 60);
/// How often a registry is asked that breaks off or says that it is busy, and the first pause between.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A WIT package is smaller by far.
const MOST_BYTES: usize = 64 << 20;
/// Namespaces whose registries are known beside those that the library knows.
const WELL_KNOWN: &[(&str, &str)] = &[("wasmcloud", "wasmcloud.com"), ("wrpc", "bytecodealliance.org")];

/// An entry of `wit.registries`.
#[derive(Clone, PartialEq, Eq)]
pub struct Registry {
    /// `https://host[:port][/path]`, `http://…` or without a scheme.
    pub url: String,
    /// `USER:PASSWORD`, or a token alone.
    pub token: Option<String>,
}

/// A token must not end up in a log.
impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", without_password(&self.url))
    }
}

/// What a registry has of a package.
#[derive(Debug)]
pub struct Fetched {
    pub registry: String,
    pub version: Version,
    pub digest: String,
    pub bytes: Vec<u8>,
}

/// All registries of a project.
pub struct Registries {
    /// By the user's configuration of `wkg`.
    user: Client,
    /// By the project's settings.
    project: Vec<Registry>,
    /// For registries of the project that say none themselves.
    credentials: Credentials,
    /// Whom to trust beside the system's authorities, as `extra_root_certificates` of a configuration.
    authorities: Vec<String>,
}

/// Why nothing was got, a line for each registry that was asked.
pub type Tried = Vec<String>;

impl Registries {
    /// Reads what is configured; asks nobody yet.
    ///
    /// Errors: a configuration that cannot be read, a URL that is none.
    pub fn new(registries: &[Registry], env: &BTreeMap<String, String>) -> Result<Self> {
        let mut config = Config::default();
        if let Some(path) = user_config(env) {
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let user = Config::from_toml(&text).map_err(|error| {
                        // The rest shows the line, and with it, maybe, a password.
                        let place = error.to_string().lines().next().unwrap_or_default().to_string();
                        Error::failed(format!("`{}` is not a configuration of wkg", path.display())).cause(place)
                    })?;
                    config.merge(user);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::caused_by(format!("cannot read `{}`", path.display()), &error)),
            }
        }
        for registry in registries {
            registry.parts()?;
        }
        Ok(Registries {
            user: Client::new(config),
            project: registries.to_vec(),
            credentials: Credentials::from_environment(Arc::new(env.clone()), None)?,
            authorities: oci::authorities(&oci::ca_paths(env))?,
        })
    }

    /// The clients to ask for a package, in order, with the names of their registries.
    async fn of(&self, package: &PackageRef) -> Vec<(String, Client)> {
        let config = self.user.config();
        let resolved = config.resolve_registry(package).map(ToString::to_string);
        let is_mapped = config.package_registry_override(package).is_some()
            || config.namespace_registry(package.namespace()).is_some();
        if let (true, Some(registry)) = (is_mapped, &resolved) {
            return vec![(registry.clone(), self.user.clone())];
        }
        let mut clients: Vec<(String, Client)> = Vec::new();
        for registry in &self.project {
            clients.extend(registry.client(package, self).await.ok());
        }
        if let Some(registry) = resolved {
            clients.push((registry, self.user.clone()));
        } else if let Some((_, registry)) =
            WELL_KNOWN.iter().find(|(namespace, _)| *namespace == package.namespace().as_ref())
            && let Ok(host) = registry.parse::<Host>()
        {
            let mut config = config.clone();
            config.set_default_registry(Some(host));
            clients.push((registry.to_string(), Client::new(config)));
        }
        clients
    }

    /// Asks for the versions of a package, from old to new; the first registry that has it counts.
    pub async fn versions(&self, name: &Name) -> Result<Vec<Version>, Tried> {
        let package = package_ref(name)?;
        let mut tried = Vec::new();
        for (registry, client) in self.of(&package).await {
            match patiently(PATIENCE, || client.list_all_versions(&package)).await {
                Ok(versions) => {
                    let mut versions: Vec<Version> =
                        versions.into_iter().filter(|info| !info.yanked).map(|info| info.version).collect();
                    versions.sort();
                    if !versions.is_empty() {
                        return Ok(versions);
                    }
                    tried.push(format!("{registry}: no versions of `{name}`"));
                }
                Err(why) => tried.push(format!("{registry}: {}", why.about(name))),
            }
        }
        Err(or_unknown(tried, name))
    }

    /// Fetches a version of a package.
    pub async fn release(&self, name: &PackageName) -> Result<Fetched, Tried> {
        let package = package_ref(&Name::from(name))?;
        let Some(version) = &name.version else { return Err(vec!["the world names no version".into()]) };
        let mut tried = Vec::new();
        for (registry, client) in self.of(&package).await {
            let fetched = async {
                let release = patiently(PATIENCE, || client.get_release(&package, version)).await?;
                let bytes = content(&client, &package, &release).await?;
                Ok((release, bytes))
            };
            match fetched.await {
                Ok((release, bytes)) => {
                    let digest = release.content_digest.to_string();
                    return Ok(Fetched { registry, version: release.version, digest, bytes });
                }
                Err(why) => tried.push(format!("{registry}: {}", self.explain(&client, &package, name, &why).await)),
            }
        }
        Err(or_unknown(tried, &Name::from(name)))
    }

    /// Fetches exactly the bytes that are locked.
    pub async fn locked(&self, entry: &Entry) -> Result<Vec<u8>, Tried> {
        let wrong = |what: String| vec![format!("wkg.lock: {what}")];
        let package: PackageRef = entry.name.parse().map_err(|error| wrong(format!("{error}")))?;
        let release = Release {
            version: Version::parse(&entry.version).map_err(|error| wrong(error.to_string()))?,
            content_digest: entry.digest.parse::<ContentDigest>().map_err(|error| wrong(format!("{error}")))?,
        };
        let mut tried = Vec::new();
        for (registry, client) in self.of(&package).await {
            match content(&client, &package, &release).await {
                Ok(bytes) => return Ok(bytes),
                Err(why) => tried.push(format!("{registry}: {} (locked as {})", why.text(), entry.digest)),
            }
        }
        let name: Name = Name::parse(&entry.name).map_err(|error| wrong(error.to_string()))?;
        Err(or_unknown(tried, &name))
    }

    /// Says which versions there are, where there is the package but not the version.
    async fn explain(&self, client: &Client, package: &PackageRef, name: &PackageName, why: &Why) -> String {
        if let Why::Missing = why
            && let Ok(versions) = patiently(PATIENCE, || client.list_all_versions(package)).await
            && !versions.is_empty()
        {
            let mut versions: Vec<Version> = versions.into_iter().map(|info| info.version).collect();
            versions.sort();
            let shown: Vec<String> = versions.iter().rev().take(8).map(ToString::to_string).collect();
            return format!(
                "has no version {}, but {}",
                name.version.as_ref().map(ToString::to_string).unwrap_or_default(),
                shown.join(", ")
            );
        }
        why.about(&Name::from(name))
    }
}

impl Registry {
    /// A client that asks this registry for a package.
    async fn client(&self, package: &PackageRef, registries: &Registries) -> Result<(String, Client)> {
        let (host, prefix, scheme) = self.parts()?;
        let key = quoted(&host);
        let mut text = match prefix {
            // With a path, the registry is used as it is: nobody is asked where its packages are.
            Some(prefix) => format!(
                "[package_registry_overrides]\n{} = {{ registry = {key}, metadata = {{ preferredProtocol = \"oci\", \
                 oci = {{ registry = {key}, namespacePrefix = {} }} }} }}\n",
                quoted(&package.to_string()),
                quoted(&format!("{prefix}/")),
            ),
            None => format!("default_registry = {key}\n"),
        };
        text.push_str(&format!(
            "[registry.{key}]\ntype = \"oci\"\n[registry.{key}.oci]\nprotocol = {}\n",
            quoted(scheme)
        ));
        if !registries.authorities.is_empty() {
            let certificate = |pem: &String| format!("{{ encoding = \"pem\", data = {} }}", quoted(pem));
            let all: Vec<String> = registries.authorities.iter().map(certificate).collect();
            text.push_str(&format!("extra_root_certificates = [{}]\n", all.join(", ")));
        }
        if let Some((user, password)) = self.credentials_among(&registries.credentials, &host).await {
            text.push_str(&format!("auth = {{ username = {}, password = {} }}\n", quoted(&user), quoted(&password)));
        }
        // The error of the library would show the text, and with it the token.
        let config = Config::from_toml(&text)
            .map_err(|_| Error::usage(format!("`{self:?}` cannot be a registry")).hint("write https://HOST"))?;
        Ok((host, Client::new(config)))
    }

    /// Host with port, path, and scheme. A registry on this machine need not have a certificate.
    fn parts(&self) -> Result<(String, Option<String>, &'static str)> {
        let (scheme, rest) = match self.url.split_once("://") {
            Some(("https", rest)) => (Some("https"), rest),
            Some(("http", rest)) => (Some("http"), rest),
            Some((scheme, _)) => {
                return Err(Error::usage(format!("`{self:?}` cannot be a registry: `{scheme}` is not spoken"))
                    .hint("write https://HOST"));
            }
            None => (None, self.url.as_str()),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_matches('/');
        if host.is_empty() || host.contains('@') {
            return Err(Error::usage(format!("`{self:?}` cannot be a registry: it is not a host and a path"))
                .hint("write https://HOST, and credentials as `token` beside it: USER:PASSWORD"));
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let scheme = scheme.unwrap_or(if is_loopback(name) { "http" } else { "https" });
        Ok((host.to_string(), (!path.is_empty()).then(|| path.to_string()), scheme))
    }

    /// Its own, else what `wash oci` would use for it. The library can only use names with passwords.
    async fn credentials_among(&self, known: &Credentials, host: &str) -> Option<(String, String)> {
        if let Some(own) = self.credentials() {
            tracing::debug!(registry = host, source = "wit.registries", "credentials");
            return Some(own);
        }
        let found = known.lookup(host, None).await.found?;
        tracing::debug!(registry = host, source = found.source, "credentials");
        match found.credential {
            Credential::Password { username, password } => Some((username, password)),
            Credential::Token(token) => Some(("token".to_string(), token)),
            Credential::IdentityToken(_) => None,
        }
    }

    fn credentials(&self) -> Option<(String, String)> {
        let token = self.token.as_ref().filter(|token| !token.is_empty())?;
        Some(match token.split_once(':') {
            Some((user, password)) => (user.to_string(), password.to_string()),
            // Registries that take tokens ignore the name beside it.
            None => ("token".to_string(), token.clone()),
        })
    }
}

/// Pulls an artifact with a WIT package, as `wash oci pull` does: with its credentials, unless
/// `wit.registries` has some for this registry, its patience and its cache.
pub async fn pull(reference: &str, around: &Surroundings<'_>, progress: &dyn Progress) -> Result<Vec<u8>> {
    let parsed = Reference::parse(reference)?;
    let host = parsed.registry();
    let mut opts = ClientOptions::from_environment(Arc::new(around.env.clone()), around.store.cache_dir(), Some(host))?;
    let of_host = |registry: &&Registry| registry.parts().is_ok_and(|(name, _, _)| name == host);
    if let Some(settings) = around.registries.iter().find(of_host) {
        if settings.parts()?.2 == "http" {
            opts.insecure.insert(host.to_string());
        }
        if let Some((username, password)) = settings.credentials() {
            opts.credentials.give(host, Credential::Password { username, password }, "`wit.registries`");
        }
    }
    let pulled = oci::Client::new(&opts)?.pull(&parsed, Freshness::Check, progress).await?;
    if pulled.size > MOST_BYTES as u64 {
        return Err(Error::failed(format!("`{reference}` is no WIT package"))
            .cause(format!("it has more than {} MiB", MOST_BYTES >> 20)));
    }
    Ok(pulled.bytes()?)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.starts_with("127.") || host == "[::1]"
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn package_ref(name: &Name) -> Result<PackageRef, Tried> {
    name.to_string().parse().map_err(|error: ClientError| vec![format!("registries cannot have `{name}`: {error}")])
}

fn or_unknown(tried: Tried, name: &Name) -> Tried {
    if tried.is_empty() { vec![format!("no registry is known for the namespace `{}`", name.namespace)] } else { tried }
}

/// Where `wkg` keeps its configuration.
fn user_config(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    if let Some(path) = env.get("WKG_CONFIG_FILE").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let base = match env.get("XDG_CONFIG_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None if cfg!(windows) => PathBuf::from(env.get("APPDATA")?),
        None => PathBuf::from(env.get("HOME")?).join(".config"),
    };
    Some(base.join("wasm-pkg").join("config.toml"))
}

async fn content(client: &Client, package: &PackageRef, release: &Release) -> Result<Vec<u8>, Why> {
    let all = || async {
        let mut stream = client.stream_content(package, release).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > MOST_BYTES {
                return Err(ClientError::InvalidContent(format!("it has more than {} MiB", MOST_BYTES >> 20)));
            }
        }
        Ok(bytes)
    };
    patiently(CONTENT_PATIENCE, all).await
}

/// Why a registry did not give something.
enum Why {
    Missing,
    /// Not allowed to those whom it does not know, which registries also say of what they do not have.
    Refused,
    Other(String),
}

impl Why {
    fn text(&self) -> String {
        match self {
            Why::Missing => "it is not there".into(),
            Why::Refused => "it is missing, or private".into(),
            Why::Other(text) => text.clone(),
        }
    }

    fn about(&self, name: &Name) -> String {
        match self {
            Why::Missing => format!("has no package `{name}`"),
            Why::Refused => format!("has no package `{name}`, or it is private"),
            Why::Other(text) => text.clone(),
        }
    }
}

/// Asks, and asks again where that may help: the registry was busy, or the connection broke.
async fn patiently<T, F>(patience: Duration, work: impl Fn() -> F) -> Result<T, Why>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        match tokio::time::timeout(patience, work()).await {
            Ok(Err(error)) if attempt < ATTEMPTS && may_pass(&error) => {
                tracing::debug!(%error, attempt, "asking a registry again");
            }
            Ok(outcome) => return outcome.map_err(|error| why(&error)),
            Err(_) => return Err(Why::Other(format!("no answer within {} seconds", patience.as_secs()))),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
        attempt += 1;
    }
}

/// Whether it may be over in a moment. A server that is not there, or that is not trusted, stays so.
fn may_pass(error: &ClientError) -> bool {
    let ClientError::RegistryError(error) = error else { return matches!(error, ClientError::IoError(_)) };
    error.chain().any(|cause| match cause.downcast_ref::<OciDistributionError>() {
        Some(OciDistributionError::ServerError { code, .. }) => is_busy(*code),
        Some(OciDistributionError::RegistryError { envelope, .. }) => {
            envelope.errors.iter().any(|error| error.code == OciErrorCode::Toomanyrequests)
        }
        Some(OciDistributionError::RequestError(error)) => {
            error.status().is_some_and(|status| is_busy(status.as_u16()))
                || error.is_body()
                || error.is_decode()
                || (error.is_request() && !error.is_connect())
        }
        _ => false,
    })
}

fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504)
}

fn why(error: &ClientError) -> Why {
    if matches!(error, ClientError::PackageNotFound) {
        return Why::Missing;
    }
    // What the client's errors are made of is not part of its interface, but their texts are stable.
    let text = match error {
        ClientError::RegistryError(error) => format!("{error:#}"),
        error => Error::caused_by(error.to_string(), error).to_string(),
    };
    let lower = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&[
        "name_unknown",
        "name unknown",
        "manifest unknown",
        "manifest_unknown",
        "not found",
        "404",
        "no such file",
    ]) {
        Why::Missing
    } else if says(&["unauthorized", "not authorized", "denied", "401", "403", "authentication failure"]) {
        Why::Refused
    } else {
        Why::Other(text)
    }
}
