//! A connection to a Redis server.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::home::{Home, Unanswered};
use super::url::ServerUrl;
use crate::error::{Error, Result};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one operation may take, with the connecting before it: long enough for the largest batch
/// of values, shorter than the patience of those who wait for the guest.
const OPERATION: Duration = Duration::from_secs(10);

/// How long a connection that only listens may be silent before the server is asked whether it is there.
const ASK: Duration = Duration::from_secs(15);

/// A Redis server with at most one connection, which all share. One that breaks is replaced when it
/// is needed the next time.
pub struct Redis {
    inner: Arc<Inner>,
    home: Home,
}

struct Inner {
    url: ServerUrl,
    client: Client,
    connection: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that who saw one break does not throw its successor away.
    number: u64,
}

impl Redis {
    /// Connects when it is used for the first time.
    pub fn new(url: ServerUrl, home: Home) -> Result<Self> {
        let secret = url.with_secrets().next().cloned();
        let client = secret
            .ok_or_else(|| "it is empty".to_string())
            .and_then(|secret| Client::open(secret).map_err(|error| error.to_string()))
            .map_err(|error| Error::usage(format!("the URL of the Redis server `{url}` is wrong")).cause(error))?;
        Ok(Redis { inner: Arc::new(Inner { url, client, connection: Mutex::default() }), home })
    }

    /// Runs a script or command. It is sent once more when the connection turns out to have been
    /// broken before and `again` says that this does no harm.
    pub async fn call<T: FromRedisValue + Send + 'static>(
        &self,
        command: redis::Cmd,
        again: Again,
    ) -> Result<T, String> {
        let inner = self.inner.clone();
        let called = self.home.run(OPERATION, async move { inner.call(&command, again).await });
        called.await.unwrap_or_else(|unanswered| {
            let inner = self.inner.clone();
            // A peer that has silently gone would keep the connection open for many minutes.
            self.home.spawn(async move { inner.connection.lock().await.connection = None });
            Err(self.inner.unanswered(unanswered))
        })
    }
}

/// What to listen to.
#[derive(Clone, Debug)]
pub enum Channels {
    One(String),
    /// All whose names are like this pattern.
    Like(String),
}

/// Something that was published.
pub struct Heard {
    pub channel: String,
    pub payload: Vec<u8>,
}

/// Why nothing is heard any more.
pub enum NotListening {
    /// The connection could not be made, or broke.
    Broken(String),
    /// The server does not let us listen.
    Refused(String),
}

impl Redis {
    /// Listens on a connection of its own, until that breaks. Only for those who are on the runtime of the
    /// connection.
    pub async fn listen(
        &self,
        channels: &Channels,
        began: impl FnOnce(),
        mut heard: impl FnMut(Heard),
    ) -> NotListening {
        let url = &self.inner.url;
        let silent = |_| NotListening::Broken(format!("no answer from the Redis server {url}"));
        let connecting = tokio::time::timeout(CONNECT, self.inner.client.get_async_pubsub()).await;
        let (mut sink, mut messages) = match connecting.map_err(silent) {
            Ok(Ok(connection)) => connection.split(),
            Ok(Err(error)) => return NotListening::Broken(format!("cannot reach the Redis server {url}: {error}")),
            Err(silent) => return silent,
        };
        let subscribing = async {
            match channels {
                Channels::One(channel) => sink.subscribe(channel).await,
                Channels::Like(pattern) => sink.psubscribe(pattern).await,
            }
        };
        match tokio::time::timeout(OPERATION, subscribing).await.map_err(silent) {
            Ok(Ok(())) => began(),
            Ok(Err(error)) if error.code() == Some("NOPERM") => {
                return NotListening::Refused(format!("the Redis server {url} refused: {error}"));
            }
            Ok(Err(error)) => return NotListening::Broken(format!("the Redis server {url} refused: {error}")),
            Err(silent) => return silent,
        }
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    None => return NotListening::Broken(format!("the connection to the Redis server {url} broke")),
                    Some(message) => heard(Heard {
                        channel: message.get_channel_name().into(),
                        payload: message.get_payload_bytes().into(),
                    }),
                },
                // A peer that has silently gone would never say so.
                () = tokio::time::sleep(ASK) => {
                    match tokio::time::timeout(OPERATION, sink.ping::<redis::Value>()).await.map_err(silent) {
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) => return NotListening::Broken(format!("the connection to the Redis server {url} broke: {error}")),
                        Err(silent) => return silent,
                    }
                }
            }
        }
    }

    /// Starts something on the runtime of the connection that runs until it ends or the handle is used.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.home.spawn(work)
    }

    /// The number of the database, as the URL says it.
    pub fn database(&self) -> i64 {
        self.inner.client.get_connection_info().redis_settings().db()
    }
}

/// Whether a command may be sent a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Done twice it is the same as done once.
    Harmless,
    /// It would count twice.
    Never,
}

impl Inner {
    async fn call<T: FromRedisValue>(&self, command: &redis::Cmd, again: Again) -> Result<T, String> {
        let mut answer = self.try_once(command).await?;
        if again == Again::Harmless && answer.as_ref().is_err_and(RedisError::is_unrecoverable_error) {
            answer = self.try_once(command).await?;
        }
        answer.map_err(|error| match error.is_io_error() || error.is_timeout() {
            true => format!("the connection to the Redis server {} broke: {error}", self.url),
            false => format!("the Redis server {} refused: {error}", self.url),
        })
    }

    async fn try_once<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<redis::RedisResult<T>, String> {
        let (mut connection, number) = self.connection().await?;
        let answer = command.query_async(&mut connection).await;
        if answer.as_ref().is_err_and(RedisError::is_unrecoverable_error) {
            let mut held = self.connection.lock().await;
            if held.number == number {
                held.connection = None;
            }
        }
        Ok(answer)
    }

    /// The connection that is there, or a new one. Others wait for the same one meanwhile.
    async fn connection(&self) -> Result<(MultiplexedConnection, u64), String> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &held.connection {
            return Ok((connection.clone(), held.number));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            // Bounded by the operation.
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection =
            connecting.await.map_err(|error| format!("cannot reach the Redis server {}: {error}", self.url))?;
        held.number += 1;
        held.connection = Some(connection.clone());
        Ok((connection, held.number))
    }

    fn unanswered(&self, unanswered: Unanswered) -> String {
        match unanswered {
            Unanswered::TimedOut => {
                format!("no answer from the Redis server {} within {} seconds", self.url, OPERATION.as_secs())
            }
            Unanswered::Gone => format!("the connection to the Redis server {} has ended", self.url),
        }
    }
}
