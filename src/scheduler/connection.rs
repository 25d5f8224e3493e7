//! The connection to the scheduler's NATS server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{AuthError, Client, ConnectOptions, Event, ServerAddr};

use super::login::{Login, Secret};
use crate::error::{Context, Error, Result};
use crate::plugins::remote::ServerUrl;
use crate::plugins::remote::nats::chain;
use crate::runtime::tls;

/// How long connecting to one address may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one attempt may take with all addresses of a cluster.
const ATTEMPT: Duration = Duration::from_secs(15);
/// How often the server is asked whether it is there. One that answers two of these not is gone, so
/// that a cable that was pulled is noticed within half a minute.
const PING: Duration = Duration::from_secs(10);
/// The longest time between two attempts.
const LONGEST_DELAY: Duration = Duration::from_secs(3);
/// How many messages may wait inside of the client. They are taken out at once, so that this is for
/// bursts only; what did not fit would never be answered.
const SUBSCRIPTION_CAPACITY: usize = 65_536;

/// How the scheduler's NATS server is reached. Debug output and errors have no secrets.
#[derive(Clone, Debug)]
pub struct Access {
    pub url: ServerUrl,
    pub login: Login,
    pub tls: Tls,
}

/// What is special about TLS. It is spoken when this says something, with `tls://`, and when the server
/// asks for it. The files are read for every connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file with the authorities that are trusted, instead of the machine's.
    pub ca: Option<PathBuf>,
    /// PEM files with our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Whether TLS comes before the server's first word, as servers with `handshake_first` want it.
    pub first: bool,
}

impl Login {
    /// What stands in the URL.
    pub fn of_url(url: &ServerUrl) -> Login {
        match url.credentials() {
            Some((user, Some(password))) => Login::Password { user, password: Secret::Text(password) },
            Some((token, None)) => Login::Token(Secret::Text(token)),
            None => Login::Nobody,
        }
    }
}

impl Access {
    /// Reads every file once, so that what is wrong with them is told at the start.
    pub fn check(&self) -> Result<()> {
        self.login.auth(b"").map_err(|why| Error::failed("cannot log in to the scheduler's NATS server").cause(why))?;
        if let Some(ca) = &self.tls.ca {
            let bytes = std::fs::read(ca).context(|| format!("cannot read the authorities in `{}`", ca.display()))?;
            tls::certificates(ca, &bytes)?;
        }
        if let Some((certificate, key)) = &self.tls.client {
            let read = |path: &PathBuf, what: &str| {
                std::fs::read(path).context(|| format!("cannot read the {what} in `{}`", path.display()))
            };
            tls::certificates(certificate, &read(certificate, "certificate")?)?;
            tls::private_key(key, &read(key, "private key")?)?;
        }
        Ok(())
    }

    /// Connects. The client connects again by itself when the connection breaks, for ever, with its
    /// subscriptions; `event` is called with all that happens to it.
    pub async fn connect(&self, event: impl Fn(Event) + Send + Sync + 'static) -> Result<Client, String> {
        // Without what is secret in them: the library logs addresses.
        let addresses: Vec<ServerAddr> = self
            .url
            .without_secrets()
            .map(|url| ServerAddr::from_url(url).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        let login = Arc::new(self.login.clone());
        let mut options = ConnectOptions::with_auth_callback(move |nonce| {
            std::future::ready(login.auth(&nonce).map_err(AuthError::new))
        })
        .name("wash host")
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .max_reconnects(None)
        .reconnect_delay_callback(delay)
        .event_callback(move |happened| {
            event(happened);
            std::future::ready(())
        });
        let Tls { ca, client, first } = &self.tls;
        if let Some(ca) = ca {
            options = options.add_root_certificates(ca.clone()).require_tls(true);
        }
        if let Some((certificate, key)) = client {
            options = options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
        }
        if *first {
            options = options.tls_first().require_tls(true);
        }
        match tokio::time::timeout(ATTEMPT, options.connect(addresses)).await {
            Ok(client) => client.map_err(|error| explained(&chain(&error))),
            Err(_) => Err(format!("no answer within {} seconds", ATTEMPT.as_secs())),
        }
    }
}

/// How long to wait before an attempt: soon there again after a restart of the server, no load while
/// it is away, and not all hosts at the same moment.
pub fn delay(attempts: usize) -> Duration {
    if attempts <= 1 {
        return Duration::ZERO;
    }
    let exponent = u32::try_from(attempts - 2).unwrap_or(u32::MAX).min(6);
    let longest = (Duration::from_millis(100) * 2u32.pow(exponent)).min(LONGEST_DELAY);
    let mut random = [0u8];
    // Without random numbers all wait equally long, which does no harm.
    let _ = aws_lc_rs::rand::fill(&mut random);
    longest / 2 + longest / 2 * u32::from(random[0]) / 255
}

/// What is behind the errors that say too little.
pub fn explained(error: &str) -> String {
    let error = error.replace("AuthError(", "").replace("failed signing nonce: ", "");
    let error = error.trim_end_matches(')');
    let lower = error.to_lowercase();
    if lower.contains("authorization violation") {
        "the server does not let us in: user, password, token or key are wrong or missing".into()
    } else if lower.contains("unknownissuer") {
        format!("{error}: the server's certificate is of an authority that we do not trust (--scheduler-tls-ca)")
    } else if lower.contains("certificaterequired") {
        format!("{error}: the server wants a certificate of ours (--scheduler-tls-cert, --scheduler-tls-key)")
    } else {
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer_and_are_never_further_apart_than_the_bound() {
        assert_eq!((delay(0), delay(1)), (Duration::ZERO, Duration::ZERO));
        assert!((Duration::from_millis(50)..=Duration::from_millis(100)).contains(&delay(2)));
        for attempts in [3, 8, 100, usize::MAX] {
            assert!(delay(attempts) >= delay(2) / 2 && delay(attempts) <= LONGEST_DELAY, "{attempts}");
        }
        assert!(delay(usize::MAX) >= LONGEST_DELAY / 2);
    }

    #[test]
    fn what_stands_in_the_url_logs_in() {
        let login = |url| Login::of_url(&ServerUrl::nats(url).unwrap());
        assert_eq!(login("nats://a"), Login::Nobody);
        assert_eq!(login("nats://tok%40en@a"), Login::Token(Secret::Text("tok@en".into())));
        let password = Login::Password { user: "u".into(), password: Secret::Text("p".into()) };
        assert_eq!(login("tls://u:p@a,tls://b"), password);
    }

    #[test]
    fn files_that_cannot_be_used_are_told_at_the_start() {
        let access = Access {
            url: ServerUrl::nats("nats://a").unwrap(),
            login: Login::Nobody,
            tls: Tls { ca: Some("/nowhere/ca.pem".into()), ..Tls::default() },
        };
        let error = access.check().unwrap_err().to_string();
        assert!(error.starts_with("cannot read the authorities in `/nowhere/ca.pem`: "), "{error}");
        let login = Login::Credentials("/nowhere/a.creds".into());
        let error = Access { login, tls: Tls::default(), ..access }.check().unwrap_err().to_string();
        assert!(error.starts_with("cannot log in to the scheduler's NATS server: cannot read `/nowhere/a.creds`"));
    }
}
