//! Servers that capabilities keep their data on: addresses, and connections that are shared.
//!
//! A guest runs on the single-threaded runtime of its connection's thread, which may be busy with
//! another guest or end when the server's address changes. A connection must depend on neither. So
//! everything that talks to a server is done on the runtime that [`Home`] stands for, the one that
//! made the workload ready; the guest only waits for the answer, for a bounded time.

mod home;
pub mod names;
pub mod nats;
pub mod postgres;
pub mod postgres_url;
pub mod redis;
mod url;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::Result;

pub use home::{Home, Unanswered};
pub use nats::Nats;
pub use postgres::Postgres;
pub use postgres_url::PostgresUrl;
pub use redis::Redis;
pub use url::ServerUrl;

/// What a host knows of servers.
#[derive(Clone, Default)]
pub struct Servers {
    /// What is connected.
    pub connections: Connections,
    /// The NATS server for whatever asks for NATS and does not say where.
    pub nats_url: Option<ServerUrl>,
    /// Variables by which clouds are reached where nothing else says how.
    pub environment: CloudEnvironment,
}

/// Variables such as `AWS_ACCESS_KEY_ID`, which are never shown. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CloudEnvironment(Arc<BTreeMap<String, String>>);

impl CloudEnvironment {
    /// Takes those variables that are for clouds.
    pub fn of(environment: &BTreeMap<String, String>) -> Self {
        let is_for_clouds = |name: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|begin| name.starts_with(begin));
        let chosen = environment.iter().filter(|(name, _)| is_for_clouds(name));
        CloudEnvironment(Arc::new(chosen.map(|(name, value)| (name.clone(), value.clone())).collect()))
    }

    /// Names and values.
    pub(crate) fn values(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl std::fmt::Debug for CloudEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The connections of a host. Clones are the same connections; each is there as long as somebody
/// uses it, and everyone who names the same URL has the same one.
#[derive(Clone, Default)]
pub struct Connections(Arc<Open>);

#[derive(Default)]
struct Open {
    nats: Shared<ServerUrl, Nats>,
    postgres: Shared<PostgresUrl, Postgres>,
    redis: Shared<ServerUrl, Redis>,
}

impl Connections {
    /// The NATS server of a URL. Nothing is connected yet.
    pub fn nats(&self, url: &ServerUrl) -> Result<Arc<Nats>> {
        self.0.nats.get(url, || Ok(Nats::new(url.clone(), Home::here()?)))
    }

    /// The PostgreSQL database of a URL. Nothing is connected yet.
    pub fn postgres(&self, url: &PostgresUrl) -> Result<Arc<Postgres>> {
        self.0.postgres.get(url, || Postgres::new(url.clone(), Home::here()?))
    }

    /// The Redis server of a URL. Nothing is connected yet.
    pub fn redis(&self, url: &ServerUrl) -> Result<Arc<Redis>> {
        self.0.redis.get(url, || Redis::new(url.clone(), Home::here()?))
    }
}

/// Things of which there is one for each key as long as somebody holds it.
struct Shared<K, V>(Mutex<HashMap<K, Weak<V>>>);

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Shared(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone, V> Shared<K, V> {
    fn get(&self, key: &K, make: impl FnOnce() -> Result<V>) -> Result<Arc<V>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = all.get(key).and_then(Weak::upgrade) {
            return Ok(there);
        }
        let made = Arc::new(make()?);
        all.retain(|_, other| other.strong_count() > 0);
        all.insert(key.clone(), Arc::downgrade(&made));
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_shared_by_all_who_name_its_url() {
        let connections = Connections::default();
        let nats = |url| connections.nats(&ServerUrl::nats(url).unwrap()).unwrap();
        let one = nats("nats://127.0.0.1:1");
        assert!(Arc::ptr_eq(&one, &nats("nats://127.0.0.1:1")));
        assert!(!Arc::ptr_eq(&one, &nats("nats://127.0.0.1:2")));
        assert!(!Arc::ptr_eq(&one, &nats("nats://user:pw@127.0.0.1:1")), "another user sees other data");
    }
}
