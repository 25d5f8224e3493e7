//! The client: what it is made with. What it can do is in `pull`, `push`, `tags` and `copy`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::{Cache, DEFAULT_LIMIT};
use super::credentials::Credentials;
use super::failure::{Failure, FailureKind, Result};
use super::patience::Timing;
use super::transport::{Settings, Transport};
use crate::progress::Progress;

/// What a client is made with.
#[derive(Clone)]
pub struct ClientOptions {
    /// The environment: proxies, and what leads to credentials.
    pub env: Arc<BTreeMap<String, String>>,
    /// Who we are, for each host.
    pub credentials: Credentials,
    /// Registries that may be asked over plain HTTP. Those of this machine always may.
    pub insecure: BTreeSet<String>,
    /// Files, or folders of files, with certificates to trust beside the system's.
    pub ca_paths: Vec<PathBuf>,
    /// wash's folder of what can be made again.
    pub cache_dir: PathBuf,
    /// What the cache holds at most, in bytes.
    pub cache_limit: u64,
    /// Whether the network must not be used.
    pub offline: bool,
    /// How long to wait, and how often to try.
    pub timing: Timing,
}

impl ClientOptions {
    /// What the environment says: credentials, `WASH_OCI_CA_PATHS`, `WASH_OCI_INSECURE`, proxies.
    /// `registry` is the one that `WASH_OCI_USERNAME` and the like belong to, unless they say so.
    pub fn from_environment(
        env: Arc<BTreeMap<String, String>>,
        cache_dir: &Path,
        registry: Option<&str>,
    ) -> crate::error::Result<Self> {
        let insecure: crate::error::Result<BTreeSet<String>> =
            list(&env, "WASH_OCI_INSECURE").map(super::parse_registry).collect();
        Ok(ClientOptions {
            credentials: Credentials::from_environment(env.clone(), registry)?,
            insecure: insecure.map_err(|error| error.wrap("`WASH_OCI_INSECURE` cannot be understood"))?,
            ca_paths: ca_paths(&env),
            env,
            cache_dir: cache_dir.to_path_buf(),
            cache_limit: DEFAULT_LIMIT,
            offline: false,
            timing: Timing::default(),
        })
    }
}

/// The files and folders with certificates that this environment trusts: `WASH_OCI_CA_PATHS`.
pub fn ca_paths(env: &BTreeMap<String, String>) -> Vec<PathBuf> {
    list(env, "WASH_OCI_CA_PATHS").map(PathBuf::from).collect()
}

/// The parts of a variable between commas.
fn list<'a>(env: &'a BTreeMap<String, String>, name: &str) -> impl Iterator<Item = &'a str> {
    let value = env.get(name).map(String::as_str).unwrap_or_default();
    value.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// Talks to any number of registries. Cheap to clone; clones share connections and tokens.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    cache: Cache,
    offline: bool,
}

impl Client {
    /// Makes a client. Nothing is asked of anybody yet.
    pub fn new(opts: &ClientOptions) -> Result<Self> {
        let transport = Transport::new(Settings {
            credentials: opts.credentials.clone(),
            env: opts.env.clone(),
            insecure: opts.insecure.clone(),
            ca_paths: opts.ca_paths.clone(),
            timing: opts.timing,
        })?;
        let cache = Cache::below(&opts.cache_dir, opts.cache_limit);
        Ok(Client { transport: Arc::new(transport), cache, offline: opts.offline })
    }

    /// Where it keeps what it pulls.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(super) fn is_offline(&self) -> bool {
        self.offline
    }

    /// The way to the registries, unless it must not be taken.
    pub(super) fn transport(&self, doing: &str) -> Result<&Transport> {
        if self.offline {
            return Err(Failure::new(
                FailureKind::Offline,
                format!("{doing} needs the network, and `--offline` is set"),
            )
            .hint("leave out --offline, and unset WASH_OFFLINE"));
        }
        Ok(&self.transport)
    }

    /// Passes on what was noticed on the way.
    pub(super) fn tell_notes(&self, progress: &dyn Progress) {
        for note in self.transport.take_notes() {
            progress.warning(&note);
        }
    }
}
