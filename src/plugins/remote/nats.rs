//! A connection to NATS.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::home::{Home, Unanswered};
use super::url::ServerUrl;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one operation may take, with the connecting before it.
const OPERATION: Duration = Duration::from_secs(10);
/// How long a client is given that connects again, before another one is made.
const RECONNECT: Duration = Duration::from_secs(1);
/// How often a connection that is being made again is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How many messages of one subscription may wait inside of the client. What comes on top is lost,
/// as with every subscriber of NATS that is too slow.
const SUBSCRIPTION_CAPACITY: usize = 4096;

/// A NATS server, or cluster, with at most one connection, which all share. It is made when it is
/// needed, and again when it breaks.
pub struct Nats {
    inner: Arc<Inner>,
    home: Home,
}

struct Inner {
    url: ServerUrl,
    held: Mutex<Option<Client>>,
}

impl Nats {
    /// Connects when it is used for the first time.
    pub fn new(url: ServerUrl, home: Home) -> Self {
        Nats { inner: Arc::new(Inner { url, held: Mutex::default() }), home }
    }

    /// Does something with the connected client, on the runtime of the connection and in bounded
    /// time.
    pub async fn run<T, W>(&self, work: impl FnOnce(Client) -> W + Send + 'static) -> Result<T, String>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, String>> + Send + 'static,
    {
        self.run_within(OPERATION, work).await
    }

    /// The same with another bound.
    pub async fn run_within<T, W>(
        &self,
        limit: Duration,
        work: impl FnOnce(Client) -> W + Send + 'static,
    ) -> Result<T, String>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, String>> + Send + 'static,
    {
        let inner = self.inner.clone();
        let done = self.home.run(limit, async move { work(inner.client().await?).await });
        done.await.unwrap_or_else(|unanswered| Err(self.unanswered(unanswered, limit)))
    }

    /// The connected client. Only for those who are on the runtime of the connection.
    pub async fn client(&self) -> Result<Client, String> {
        self.inner.client().await
    }

    /// Starts something on the runtime of the connection that runs until it ends or the handle is
    /// used.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.home.spawn(work)
    }

    fn unanswered(&self, unanswered: Unanswered, limit: Duration) -> String {
        let url = &self.inner.url;
        match unanswered {
            Unanswered::TimedOut => {
                format!("no answer from the NATS server {url} within {} seconds", limit.as_secs_f32())
            }
            Unanswered::Gone => format!("the connection to the NATS server {url} has ended"),
        }
    }
}

impl Inner {
    /// The client that is there and connected, or a new one. Others wait for the same one meanwhile.
    async fn client(&self) -> Result<Client, String> {
        let mut held = self.held.lock().await;
        if let Some(client) = &*held {
            if connected(client).await {
                return Ok(client.clone());
            }
            // It may have given up, and only a new one says why there is no connection.
            *held = None;
        }
        let client = self.connect().await?;
        *held = Some(client.clone());
        Ok(client)
    }

    async fn connect(&self) -> Result<Client, String> {
        let failed = |error: String| format!("cannot reach the NATS server {}: {error}", self.url);
        let addresses: Vec<ServerAddr> = self
            .url
            .without_secrets()
            .map(|url| ServerAddr::from_url(url).map_err(|error| failed(error.to_string())))
            .collect::<Result<_, _>>()?;
        let shown = self.url.to_string();
        let options = ConnectOptions::new()
            .name("wash")
            .connection_timeout(CONNECT)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            // Soon there again after a restart of the server, and still no load while it is away.
            .reconnect_delay_callback(|attempts| Duration::from_millis((attempts as u64 * 100).min(1000)))
            .event_callback(move |event| {
                note(&event, &shown);
                std::future::ready(())
            });
        let options = match self.url.credentials() {
            Some((user, Some(password))) => options.user_and_password(user, password),
            Some((token, None)) => options.token(token),
            None => options,
        };
        let client = tokio::time::timeout(CONNECT, options.connect(addresses)).await;
        let client = client.map_err(|_| failed(format!("no answer within {} seconds", CONNECT.as_secs())))?;
        client.map_err(|error| failed(chain(&error)))
    }
}

/// A client whose connection broke connects again by itself; for a moment that is worth waiting for.
async fn connected(client: &Client) -> bool {
    let connected = async {
        while client.connection_state() != State::Connected {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(RECONNECT, connected).await.is_ok()
}

fn note(event: &Event, url: &str) {
    match event {
        Event::SlowConsumer(_) => tracing::warn!(url, "messages from NATS were lost: their handlers do not keep up"),
        event => tracing::debug!(url, %event, "NATS"),
    }
}

/// An error with what caused it, without saying anything twice.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
