//! `wasmcloud:postgres`: statements for PostgreSQL.
//!
//! [`host`] is what guests call, in both versions of the interface; [`database::Database`] runs it;
//! [`value`] has the types. A server is named by the host, or by an entry of the workload. What a
//! component imports under a name of its own is the entry that has this name.

mod database;
pub mod draft;
mod failure;
pub mod host;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::component;
use crate::error::{Error, Result};
use crate::runtime::workload::{Component, HostInterface, Workload};

use super::entry;
use super::remote::{Postgres, PostgresUrl, Servers, postgres_url};

/// The settings of an entry for `wasmcloud:postgres`.
const SETTINGS: &[&str] = &["database", "pool_size", "statement_timeout", "url"];
/// What the names of the package's interfaces begin with.
const PACKAGE: &str = "wasmcloud:postgres/";

/// The capability on one host.
#[derive(Clone)]
pub struct Databases {
    url: Option<PostgresUrl>,
    servers: Servers,
}

/// What a component is given.
pub struct ForComponent {
    /// For what is imported under the interface's own name.
    unnamed: Option<Arc<Postgres>>,
    named: BTreeMap<String, Arc<Postgres>>,
    /// Whether an instance answers one call only, and may have a session that lasts as long.
    lasts: bool,
}

impl Databases {
    /// A server for entries that name none. Nothing is connected yet.
    pub fn new(url: Option<PostgresUrl>, servers: &Servers) -> Self {
        Databases { url, servers: servers.clone() }
    }

    /// Validates the workload's entries for `wasmcloud:postgres`, and that a component has a server for
    /// everything that it imports.
    pub fn configure(&self, workload: &Workload, component: &Component) -> Result<ForComponent> {
        let entries = entry::by_name(workload, "wasmcloud", "postgres")?;
        let connect = |url: Option<PostgresUrl>| url.map(|url| self.servers.connections.postgres(&url)).transpose();
        let unnamed = match entries.unnamed {
            Some(entry) => self.url(entry)?,
            None => self.url.clone(),
        };
        let mut named = BTreeMap::new();
        for (name, entry) in entries.named {
            let url = self.url(entry)?.ok_or_else(|| {
                Error::usage(format!("the entry `{name}` of `wasmcloud:postgres` needs the setting `url`"))
                    .hint("add `url: \"postgres://USER:${PASSWORD}@HOST/DATABASE\"` to the `config` of the entry")
            })?;
            named.extend(connect(Some(url))?.map(|server| (name.to_string(), server)));
        }
        let is_service = workload.service.as_ref().is_some_and(|service| service.component.name == component.name);
        let configured =
            ForComponent { unnamed: connect(unnamed)?, named, lasts: component.pool_size == 0 && !is_service };
        configured.check(component)?;
        Ok(configured)
    }

    /// Where an entry says that the database is.
    fn url(&self, entry: &HostInterface) -> Result<Option<PostgresUrl>> {
        entry::check_settings(entry, SETTINGS)?;
        let mut url = entry::setting(entry, "url", PostgresUrl::parse)?.or_else(|| self.url.clone());
        let mut change = |with: &dyn Fn(PostgresUrl) -> PostgresUrl| url = url.take().map(with);
        if let Some(database) = entry::setting(entry, "database", filled)? {
            change(&|url| url.with_database(database.clone()));
        }
        if let Some(size) = entry::setting(entry, "pool_size", postgres_url::pool_size)? {
            change(&|url| url.with_pool_size(size));
        }
        if let Some(time) = entry::setting(entry, "statement_timeout", postgres_url::statement_timeout)? {
            change(&|url| url.with_statement_timeout(time));
        }
        Ok(url)
    }
}

fn filled(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it is empty".into()) } else { Ok(text.into()) }
}

impl ForComponent {
    /// Refuses a component that imports what has no server.
    fn check(&self, component: &Component) -> Result<()> {
        // Most components have nothing of it, and their interfaces need not be read.
        if memchr::memmem::find(&component.bytes, PACKAGE.as_bytes()).is_none() {
            return Ok(());
        }
        // What cannot be read is said better when it is compiled.
        let imports = component::interfaces(&component.bytes).unwrap_or_default().imports;
        for import in imports.iter().filter(|import| import.name.starts_with(PACKAGE) && !import.functions.is_empty()) {
            match &import.label {
                None if self.unnamed.is_none() => {
                    return Err(Error::failed(format!(
                        "`{}` imports `{}`, and no PostgreSQL server is named",
                        component.name,
                        import.full_name()
                    ))
                    .hint(
                        "add `postgres_url: \"postgres://USER:${PASSWORD}@HOST/DATABASE\"` below `dev`, or give a host \
                         `--postgres-url`",
                    ));
                }
                Some(label) if !self.named.contains_key(label) => {
                    return Err(Error::failed(format!(
                        "`{}` imports `{}` as `{label}`, and no entry for `wasmcloud:postgres` has this name",
                        component.name,
                        import.full_name()
                    ))
                    .hint(format!(
                        "add to `host_interfaces`: {{ namespace: wasmcloud, package: postgres, name: {label}, config: {{ url: … }} }}"
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The server of an import, by the name that the component has given it.
    fn server(&self, label: Option<&str>) -> Option<&Arc<Postgres>> {
        match label {
            None => self.unnamed.as_ref(),
            Some(label) => self.named.get(label),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::tests::workload;

    /// Name and settings of an entry.
    type Entry<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)]);

    fn configured(host: Option<&str>, entries: &[Entry<'_>]) -> Result<ForComponent> {
        let entry = |(name, config): &Entry<'_>| HostInterface {
            namespace: "wasmcloud".into(),
            package: "postgres".into(),
            name: name.map(String::from),
            config: config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            ..HostInterface::default()
        };
        let workload = Workload { host_interfaces: entries.iter().map(entry).collect(), ..workload("default", "shop") };
        let url = host.map(|url| PostgresUrl::parse(url).unwrap());
        Databases::new(url, &Servers::default()).configure(&workload, &Component::default())
    }

    fn place(configured: &ForComponent, label: Option<&str>) -> String {
        configured.server(label).map(|server| server.url().to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn an_entry_says_which_database_and_what_it_leaves_out_is_the_hosts() {
        let host = Some("postgres://u:pw@db:1/common?sslmode=disable");
        assert_eq!(place(&configured(host, &[]).unwrap(), None), "postgres://***@db:1/common");
        let own = configured(host, &[(None, &[("database", "shop")])]).unwrap();
        assert_eq!(place(&own, None), "postgres://***@db:1/shop");
        let orders = &[("url", "postgres://u@127.0.0.1/orders"), ("pool_size", "2")][..];
        let both = configured(host, &[(Some("orders"), orders), (Some("log"), &[("database", "log")])]).unwrap();
        assert_eq!(place(&both, Some("orders")), "postgres://***@127.0.0.1:5432/orders");
        assert_eq!(place(&both, Some("log")), "postgres://***@db:1/log");
        assert_eq!(place(&both, None), "postgres://***@db:1/common");
    }

    #[tokio::test]
    async fn what_is_wrong_in_an_entry_is_said_without_its_value() {
        let wrong = |config: &[(&str, &str)]| configured(None, &[(Some("a"), config)]).err().unwrap();
        let error = wrong(&[("url", "mysql://u:secret@h")]);
        assert!(error.message().starts_with("the setting `url` of `wasmcloud:postgres` is wrong: it begins with"));
        assert!(!error.message().contains("secret"));
        assert!(wrong(&[("database", "x")]).message().contains("needs the setting `url`"));
        assert!(wrong(&[("urls", "x")]).message().contains("has no setting `urls`"));
    }

    #[tokio::test]
    async fn workloads_that_name_the_same_database_share_its_connections() {
        let servers = Servers::default();
        let url = PostgresUrl::parse("postgres://u@127.0.0.1/d").unwrap();
        let databases = Databases::new(Some(url), &servers);
        let of = |name| databases.configure(&workload("default", name), &Component::default()).unwrap();
        let (one, two) = (of("one"), of("two"));
        assert!(Arc::ptr_eq(one.unnamed.as_ref().unwrap(), two.unnamed.as_ref().unwrap()));
    }
}
