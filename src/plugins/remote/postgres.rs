//! Connections to a PostgreSQL server.
//!
//! A connection has one user at a time, who is given it for as long as it needs the same session
//! ([`Lease`]), and nothing of a session is left when the next one is given it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_postgres::{Client, SimpleQueryMessage, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::home::Home;
use super::postgres_url::{PostgresUrl, Security};
use crate::error::{Error, Result};
use crate::runtime::tls::{Trust, TrustRoots, provider};

/// How long one waits for a connection where all are in use.
const WAIT: Duration = Duration::from_secs(5);
/// How long connecting may take, with all addresses of a name.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server is given to end a statement that nobody waits for, and to reset a session.
const CANCEL: Duration = Duration::from_secs(3);
const RESET: Duration = Duration::from_secs(5);
/// A connection that was not used for so long is closed: servers have few of them.
const IDLE: Duration = Duration::from_secs(60);

/// What is left of a session is taken away, all but the statements of the client library itself: so it
/// is not `DISCARD ALL`. The last statement tells how many were prepared with SQL.
const RESET_SESSION: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
    SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES; \
    SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql";

/// The longest that getting a connection may take.
pub const TO_LEASE: Duration = WAIT.saturating_add(CONNECT);

/// A database on a server, with a bounded number of connections, which are made when they are needed.
pub struct Postgres {
    inner: Arc<Inner>,
    home: Home,
}

struct Inner {
    url: PostgresUrl,
    pool: Pool,
    tls: MakeRustlsConnect,
}

impl Postgres {
    /// Connects when it is used. Fails when a file of authorities cannot be used.
    pub fn new(url: PostgresUrl, home: Home) -> Result<Self> {
        let tls = MakeRustlsConnect::new(client_config(&url)?);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(url.config(), tls.clone(), recycling);
        let pool = Pool::builder(manager)
            .max_size(url.pool_size())
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(CONNECT))
            .build()
            .map_err(|error| Error::bug("connections to PostgreSQL cannot be pooled").cause(error.to_string()))?;
        let inner = Arc::new(Inner { url, pool, tls });
        let watched = Arc::downgrade(&inner);
        home.spawn(async move {
            loop {
                tokio::time::sleep(IDLE / 2).await;
                let Some(inner) = watched.upgrade() else { return };
                inner.pool.retain(|_, metrics| metrics.last_used() < IDLE);
            }
        });
        Ok(Postgres { inner, home })
    }

    /// Where it is, without secrets.
    pub fn url(&self) -> &PostgresUrl {
        &self.inner.url
    }

    /// The runtime of the connections.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// A connection in a session of its own. Only for those who are on the runtime of the connections.
    pub async fn lease(&self) -> Result<Lease, String> {
        let object = self.inner.pool.get().await.map_err(|error| self.inner.why(error))?;
        Ok(Lease {
            object: Some(object),
            statements: HashMap::new(),
            inner: self.inner.clone(),
            home: self.home.clone(),
            at_work: false,
            broken: false,
            is_last: false,
        })
    }
}

impl Inner {
    fn why(&self, error: PoolError) -> String {
        let url = &self.url;
        let reason = match error {
            PoolError::Timeout(TimeoutType::Wait) => {
                return format!(
                    "all {} connections to the PostgreSQL server {url} are in use, and none was given back within {} \
                     seconds; `pool_size` allows more",
                    url.pool_size(),
                    WAIT.as_secs()
                );
            }
            PoolError::Timeout(_) => format!("no answer within {} seconds", CONNECT.as_secs()),
            PoolError::Backend(error) => {
                let text = text(&error);
                match text.contains("certificate") || text.contains("TLS") {
                    true => format!("{text} (`sslmode` and `sslrootcert` in its URL say what is trusted)"),
                    false => text,
                }
            }
            other => other.to_string(),
        };
        format!("cannot reach the PostgreSQL server {url}: {reason}")
    }
}

/// What an error of the client library says, with its causes.
pub fn text(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_string();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// A connection with a session that nobody else sees. When it is dropped, what it works on is ended in
/// the server, and the session is reset before the connection is used again.
pub struct Lease {
    object: Option<Object>,
    /// Those that were prepared on it, by their text.
    pub statements: HashMap<Arc<str>, Statement>,
    inner: Arc<Inner>,
    home: Home,
    /// A statement was sent, and its answer has not ended.
    pub at_work: bool,
    /// It is to be closed, and not used again.
    pub broken: bool,
    /// It can be used for as long as the session lasts, and by nobody else.
    pub is_last: bool,
}

impl Lease {
    /// The connection.
    pub fn client(&self) -> &Client {
        // Only `drop` takes it away.
        self.object.as_ref().expect("a lease has its connection until it is dropped")
    }

    /// Whether the connection is still there.
    pub fn is_alive(&self) -> bool {
        !self.broken && !self.client().is_closed()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        self.statements.clear();
        let (inner, at_work, broken) = (self.inner.clone(), self.at_work, self.broken || self.is_last);
        self.home.spawn(async move { give_back(&inner, object, at_work, broken).await });
    }
}

async fn give_back(inner: &Inner, object: Object, at_work: bool, broken: bool) {
    if at_work {
        let token = object.cancel_token();
        let _ = tokio::time::timeout(CANCEL, token.cancel_query(inner.tls.clone())).await;
    } else if !broken && !object.is_closed() {
        let reset = async {
            object.simple_query("ROLLBACK").await?;
            object.simple_query(RESET_SESSION).await
        };
        if let Ok(Ok(said)) = tokio::time::timeout(RESET, reset).await
            && prepared(&said) == Some("0")
        {
            return;
        }
    }
    // A cancellation may reach the server late, and must not meet the statement of another: such a
    // connection is not used again either.
    drop(Object::take(object));
}

/// The last value that the server has sent.
fn prepared(said: &[SimpleQueryMessage]) -> Option<&str> {
    said.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    })
}

fn client_config(url: &PostgresUrl) -> Result<ClientConfig> {
    let trust = match url.root_cert() {
        Some(file) => Trust { roots: TrustRoots::ExtraOnly, ca_paths: vec![file.clone()] },
        None => Trust::default(),
    };
    match url.security() {
        Security::VerifyFull => {
            let mut config = trust.read()?.client()?;
            config.alpn_protocols.clear();
            Ok(config)
        }
        Security::VerifyCa => {
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(trust.read()?.roots()?), provider());
            let verifier = verifier.build().map_err(|error| {
                Error::failed(format!("no authority of the PostgreSQL server {url} can be used"))
                    .cause(error.to_string())
            })?;
            with_verifier(Arc::new(AnyName(verifier)))
        }
        _ => with_verifier(Arc::new(Anybody(provider()))),
    }
}

fn with_verifier(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::bug("the TLS versions do not fit the cryptography").cause(error.to_string()))?;
    Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Whoever has a certificate: what `sslmode=require` means.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A certificate of a trusted authority for whichever name: what `sslmode=verify-ca` means.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;
        // The name is looked at last.
        match self.0.verify_server_cert(cert, intermediates, name, ocsp, now) {
            Err(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
