//! What the operator's tools ask: whether the host lives, whether it is ready, its numbers.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::Node;
use super::metrics::{self, Metrics};
use super::report::SchedulerState;
use crate::error::{Error, Result};
use crate::runtime::http::server::{Bound, ServeOptions, Server, ServerLimits};
use crate::runtime::http::{Body, Handler, plain};

/// How often the main threads show that they are alive.
const PULSE: Duration = Duration::from_secs(1);
/// Main threads that have shown nothing for so long hang.
const SILENCE: Duration = Duration::from_secs(30);

/// How the host is, for those who ask. Clones are the same.
#[derive(Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

struct Inner {
    begun: Instant,
    /// Seconds since then, when the main threads were seen the last time.
    pulse: AtomicU64,
    ready: AtomicBool,
    draining: AtomicBool,
    /// `None`: the host has no scheduler.
    scheduler: Mutex<Option<SchedulerState>>,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            inner: Arc::new(Inner {
                begun: Instant::now(),
                pulse: AtomicU64::new(0),
                ready: AtomicBool::new(false),
                draining: AtomicBool::new(false),
                scheduler: Mutex::default(),
            }),
        }
    }
}

impl Health {
    /// The host does what it is for: everything that it was to start was tried.
    pub fn set_ready(&self) {
        self.inner.ready.store(true, Ordering::SeqCst);
    }

    /// The host ends: nothing new is to be sent here.
    pub fn set_draining(&self) {
        self.inner.draining.store(true, Ordering::SeqCst);
    }

    /// How it is between the host and its scheduler. Whether the host is ready does not depend on it: what
    /// runs serves without one.
    pub fn set_scheduler(&self, state: SchedulerState) {
        *self.inner.scheduler.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    /// Shows for as long as it is polled that the main threads do their work.
    pub async fn beat(&self) {
        let mut interval = tokio::time::interval(PULSE);
        loop {
            interval.tick().await;
            self.inner.pulse.store(self.inner.begun.elapsed().as_secs(), Ordering::Relaxed);
        }
    }

    fn is_alive(&self) -> bool {
        let silent = self.inner.begun.elapsed().as_secs().saturating_sub(self.inner.pulse.load(Ordering::Relaxed));
        silent < SILENCE.as_secs()
    }

    /// What is told of it, or why the host is not ready.
    fn readiness(&self) -> Result<String, &'static str> {
        if self.inner.draining.load(Ordering::SeqCst) {
            return Err("stopping\n");
        }
        if !self.inner.ready.load(Ordering::SeqCst) {
            return Err("starting\n");
        }
        let scheduler = self.inner.scheduler.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match &*scheduler {
            None => "ok\n".into(),
            Some(SchedulerState::Connected) => "ok\nscheduler: connected\n".into(),
            Some(SchedulerState::Lost) => "ok\nscheduler: the connection is lost, trying again\n".into(),
            Some(SchedulerState::Unreachable { reason }) => format!("ok\nscheduler: trying again: {reason}\n"),
        })
    }
}

/// A socket for the operator, that nobody is answered on yet.
pub struct AdminSocket(Bound);

impl AdminSocket {
    /// Binds an address; port 0 takes a free one.
    ///
    /// Errors: the address is in use, or listening there is not permitted.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let bound = Bound::bind(address)
            .map_err(|error| Error::caused_by(format!("cannot listen on {address} for the operator"), &error))
            .map_err(|error| error.hint("choose another port with --admin-addr; 0 takes a free one"))?;
        Ok(AdminSocket(bound))
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Answers, on a thread of its own: also when nothing else does.
    pub fn serve(self, admin: Admin) -> Result<Server> {
        let limits = ServerLimits { connections: 64, ..ServerLimits::default() };
        self.0.serve_with(Arc::new(admin), ServeOptions { threads: NonZeroUsize::MIN, certificates: None, limits })
    }
}

/// Answers the operator.
pub struct Admin {
    pub health: Health,
    pub metrics: Arc<Metrics>,
    /// Set when there is one.
    pub node: Arc<OnceLock<Node>>,
}

impl Handler for Admin {
    fn handle(self: Arc<Self>, request: Request<Incoming>, _: http::uri::Scheme) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            if !matches!(*request.method(), Method::GET | Method::HEAD) {
                return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            }
            let mut response = match request.uri().path() {
                "/livez" | "/healthz" => match self.health.is_alive() {
                    true => plain(StatusCode::OK, "ok\n"),
                    false => plain(StatusCode::SERVICE_UNAVAILABLE, "the main threads do not answer\n"),
                },
                "/readyz" => match self.health.readiness() {
                    Ok(told) => plain(StatusCode::OK, told),
                    Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why),
                },
                "/metrics" => match self.node.get() {
                    Some(node) => {
                        let mut response = plain(StatusCode::OK, self.metrics.text(node).await);
                        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
                        response
                    }
                    None => plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
                },
                _ => plain(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n"),
            };
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_has_tried_everything_and_does_not_end() {
        let health = Health::default();
        assert_eq!(health.readiness(), Err("starting\n"));
        health.set_ready();
        assert_eq!(health.readiness(), Ok("ok\n".into()));
        let reason = "connection refused".into();
        health.set_scheduler(SchedulerState::Unreachable { reason });
        assert_eq!(health.readiness(), Ok("ok\nscheduler: trying again: connection refused\n".into()));
        health.set_scheduler(SchedulerState::Connected);
        assert_eq!(health.readiness(), Ok("ok\nscheduler: connected\n".into()));
        health.set_draining();
        assert_eq!(health.readiness(), Err("stopping\n"));
        assert!(health.is_alive());
    }
}
