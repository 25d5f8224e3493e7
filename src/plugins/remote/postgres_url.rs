//! Addresses of PostgreSQL servers.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::{Config, SslMode};
use url::{Host, Url};

use super::url::{decoded, parse};

/// How many connections a server is asked for at the same time, unless `pool_size` says otherwise.
const POOL_SIZE: usize = 10;
const LARGEST_POOL: usize = 1000;
/// The longest that a statement may take, unless `statement_timeout` says otherwise.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_STATEMENT: u64 = 3600;
/// How long connecting to one address may take.
const CONNECT: Duration = Duration::from_secs(3);
const PORT: u16 = 5432;
const EXAMPLE: &str = "postgres://user:${PASSWORD}@127.0.0.1:5432/shop";
const PARAMETERS: &str = "`application_name`, `options`, `pool_size`, `sslmode`, `sslrootcert`, `statement_timeout`";

/// The address of a PostgreSQL server and of a database on it, with what is needed to log in. The
/// password is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PostgresUrl {
    host: Host<String>,
    port: u16,
    user: String,
    password: Option<String>,
    database: Option<String>,
    security: Security,
    /// The only authorities that are trusted, a PEM file; without it those of the machine and Mozilla's.
    root_cert: Option<PathBuf>,
    application_name: Option<String>,
    options: Option<String>,
    pool_size: usize,
    statement_timeout: Duration,
}

/// What `sslmode` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// No TLS.
    Disable,
    /// TLS if the server has it, whoever it is.
    Prefer,
    /// TLS, whoever the server is.
    Require,
    /// TLS with a certificate of a trusted authority, for whichever name.
    VerifyCa,
    /// TLS with a certificate of a trusted authority for the server's name.
    VerifyFull,
}

impl PostgresUrl {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`. The complaint never repeats the
    /// text: it may have a password in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = parse(text.trim(), &["postgres", "postgresql"], EXAMPLE)?;
        let host = host(&url)?;
        let is_here = match &host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let database = decoded(url.path().trim_start_matches('/'));
        let mut read = PostgresUrl {
            host,
            port: url.port().unwrap_or(PORT),
            user: decoded(url.username()),
            password: url.password().map(decoded),
            database: Some(database).filter(|name| !name.is_empty()),
            // On this machine there is nobody in between, and servers here rarely have a certificate.
            security: if is_here { Security::Prefer } else { Security::VerifyFull },
            root_cert: None,
            application_name: None,
            options: None,
            pool_size: POOL_SIZE,
            statement_timeout: STATEMENT_TIMEOUT,
        };
        if read.user.is_empty() {
            return Err(format!("it names no user; write it like `{EXAMPLE}`"));
        }
        let mut has_mode = false;
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" => (read.security, has_mode) = (security(&value)?, true),
                "sslrootcert" => read.root_cert = Some(absolute(&value)?),
                "application_name" => read.application_name = Some(value.into_owned()),
                "options" => read.options = Some(value.into_owned()),
                "pool_size" => read.pool_size = pool_size(&value)?,
                "statement_timeout" => read.statement_timeout = statement_timeout(&value)?,
                _ => return Err(format!("it has a parameter that is not known; there are {PARAMETERS}")),
            }
        }
        if read.root_cert.is_some() && !has_mode {
            read.security = Security::VerifyFull;
        }
        Ok(read)
    }

    /// The same server with another database.
    pub(crate) fn with_database(self, database: String) -> Self {
        PostgresUrl { database: Some(database), ..self }
    }

    /// The same with so many connections.
    pub(crate) fn with_pool_size(self, pool_size: usize) -> Self {
        PostgresUrl { pool_size, ..self }
    }

    /// The same with another bound for statements.
    pub(crate) fn with_statement_timeout(self, statement_timeout: Duration) -> Self {
        PostgresUrl { statement_timeout, ..self }
    }

    pub(crate) fn pool_size(&self) -> usize {
        self.pool_size
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        self.statement_timeout
    }

    pub(crate) fn security(&self) -> Security {
        self.security
    }

    pub(crate) fn root_cert(&self) -> Option<&PathBuf> {
        self.root_cert.as_ref()
    }

    /// What the client library connects with. It has the password in it.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        match &self.host {
            Host::Domain(name) => config.host(name),
            Host::Ipv4(address) => config.host(address.to_string()),
            Host::Ipv6(address) => config.host(address.to_string()),
        };
        config.port(self.port).user(&self.user).connect_timeout(CONNECT);
        config.application_name(self.application_name.as_deref().unwrap_or("wash"));
        if let Some(password) = &self.password {
            config.password(password);
        }
        if let Some(database) = &self.database {
            config.dbname(database);
        }
        // Amounts of money are read and written with two digits after a point, whatever the server's
        // language is. What is set here is also what a session is reset to.
        let ours = format!("-c lc_monetary=C -c statement_timeout={}", self.statement_timeout.as_millis());
        config.options(match &self.options {
            Some(options) => format!("{ours} {options}"),
            None => ours,
        });
        config.ssl_mode(match self.security {
            Security::Disable => SslMode::Disable,
            Security::Prefer => SslMode::Prefer,
            Security::Require | Security::VerifyCa | Security::VerifyFull => SslMode::Require,
        });
        config
    }
}

/// URLs of other schemes than the web's have hosts that are just text to the library.
fn host(url: &Url) -> Result<Host<String>, String> {
    let text = decoded(url.host_str().unwrap_or_default());
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(Host::Ipv4(address)),
        _ => Host::parse(&text).map_err(|_| format!("its host is none; write it like `{EXAMPLE}`")),
    }
}

fn security(mode: &str) -> Result<Security, String> {
    Ok(match mode {
        "disable" => Security::Disable,
        "prefer" => Security::Prefer,
        "require" => Security::Require,
        "verify-ca" => Security::VerifyCa,
        "verify-full" => Security::VerifyFull,
        _ => {
            return Err("its `sslmode` is none of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`".into());
        }
    })
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    if path.is_absolute() { Ok(path) } else { Err("its `sslrootcert` is not an absolute path".into()) }
}

/// A number of connections.
pub(crate) fn pool_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if (1..=LARGEST_POOL).contains(&size) => Ok(size),
        _ => Err(format!("`pool_size` is a number of connections from 1 to {LARGEST_POOL}")),
    }
}

/// A number of seconds, with or without an `s`.
pub(crate) fn statement_timeout(text: &str) -> Result<Duration, String> {
    match text.strip_suffix('s').unwrap_or(text).parse() {
        Ok(seconds) if (1..=LONGEST_STATEMENT).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("`statement_timeout` is a number of seconds from 1 to {LONGEST_STATEMENT}, e.g. `10s`")),
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://***@{}:{}", self.host, self.port)?;
        self.database.as_ref().map_or(Ok(()), |database| write!(f, "/{database}"))
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_shown() {
        let url = PostgresUrl::parse("postgres://us%65r:p%40ss@host/db").unwrap();
        assert_eq!((url.to_string(), format!("{url:?}")), ("postgres://***@host:5432/db".into(), url.to_string()));
        assert_eq!(url.config().get_password(), Some(&b"p@ss"[..]));
    }

    #[test]
    fn servers_elsewhere_have_to_show_who_they_are() {
        let mode = |url: &str| PostgresUrl::parse(url).unwrap().security;
        assert_eq!(mode("postgres://u@db.example.com/d"), Security::VerifyFull);
        assert_eq!(mode("postgresql://u@10.0.0.1/d"), Security::VerifyFull);
        for here in ["127.0.0.1", "localhost", "[::1]"] {
            assert_eq!(mode(&format!("postgres://u@{here}/d")), Security::Prefer, "{here}");
        }
        assert_eq!(mode("postgres://u@127.0.0.1/d?sslrootcert=/ca.pem"), Security::VerifyFull);
        assert_eq!(mode("postgres://u@10.0.0.1/d?sslmode=disable"), Security::Disable);
    }

    #[test]
    fn what_is_no_such_address_is_refused_without_itself() {
        let wrong = |url| PostgresUrl::parse(url).unwrap_err();
        assert!(wrong("http://u:secret@host").starts_with("it begins with `http:`; write it like `postgres://"));
        assert!(wrong("postgres://host/d").starts_with("it names no user"));
        assert!(wrong("postgres://u:secret@host/d?sslmod=secret").starts_with("it has a parameter that is not known"));
        assert!(wrong("postgres://u@host/d?pool_size=0").contains("from 1 to 1000"));
        assert!(wrong("postgres://u@host/d?statement_timeout=1h").contains("e.g. `10s`"));
        assert!(wrong("postgres://u@host/d?sslrootcert=ca.pem").contains("absolute"));
        assert!(PostgresUrl::parse("postgres://u@host/d?sslmode=require&pool_size=10").is_ok());
    }
}
