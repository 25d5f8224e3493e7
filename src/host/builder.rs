//! Puts a host together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::http::HostHandler;
use super::workloads::{About, Host, Setup};
use crate::error::{Error, Result};
use crate::plugins::host_plugin::{HostPlugin, Plugins};
use crate::plugins::{Installed, InstalledOptions};
use crate::runtime::engine::{Engine, EngineOptions};
use crate::runtime::limits::Limits;
use crate::runtime::network::{Outbound, OutboundOptions};
use crate::runtime::observer::{Blind, Observer};

/// How long calls may take to finish when a workload or the host stops, unless somebody says it.
const DRAIN: Duration = Duration::from_secs(10);

/// Puts a host together: an engine, capabilities, an entrance for HTTP. What is not given has a
/// default.
#[derive(Default)]
pub struct HostBuilder {
    engine: Option<Engine>,
    id: Option<String>,
    friendly_name: Option<String>,
    labels: BTreeMap<String, String>,
    environment: String,
    http: Option<Arc<dyn HostHandler>>,
    plugins: Plugins,
    capabilities: Capabilities,
    outbound: Option<OutboundOptions>,
    observer: Option<Arc<dyn Observer>>,
    limits: Option<Limits>,
    drain: Option<Duration>,
}

enum Capabilities {
    Options(Box<InstalledOptions>),
    Installed(Box<Installed>),
}

impl Default for Capabilities {
    fn default() -> Self {
        Capabilities::Options(Box::default())
    }
}

impl HostBuilder {
    /// A host with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The engine that compiles and runs components. Without it, one that keeps no compiled code.
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// What identifies the host, for schedulers. Without it, a new random identifier.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The host's name for people. Without it, one made of the identifier.
    pub fn with_friendly_name(mut self, name: impl Into<String>) -> Self {
        self.friendly_name = Some(name.into());
        self
    }

    /// A label by which schedulers choose hosts, e.g. `hostgroup`. May be given several times.
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Where the host runs, for its heartbeats, e.g. `production`.
    pub fn with_environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = environment.into();
        self
    }

    /// The entrance for HTTP requests, e.g. an [`HttpServer`](super::http::HttpServer). Without it,
    /// workloads get none.
    pub fn with_http_handler(mut self, http: Arc<dyn HostHandler>) -> Self {
        self.http = Some(http);
        self
    }

    /// A capability of one's own. May be given several times.
    ///
    /// Errors: its WIT cannot be used; its identifier is taken; another plugin or wash itself
    /// provides one of its interfaces.
    pub fn with_plugin<P: HostPlugin>(mut self, plugin: Arc<P>) -> Result<Self> {
        self.plugins.add(plugin)?;
        Ok(self)
    }

    /// Where the built-in capabilities keep their data. Without it, in memory, as long as the workload
    /// runs.
    pub fn with_capabilities(mut self, options: InstalledOptions) -> Self {
        self.capabilities = Capabilities::Options(Box::new(options));
        self
    }

    /// The same, opened already.
    pub(crate) fn with_installed(mut self, installed: Installed) -> Self {
        self.capabilities = Capabilities::Installed(Box::new(installed));
        self
    }

    /// What outgoing connections of components have in common: proxies, trusted authorities, fixed
    /// names. Without it, no proxies and the authorities of Mozilla and of the machine.
    pub fn with_outbound(mut self, options: OutboundOptions) -> Self {
        self.outbound = Some(options);
        self
    }

    /// Who sees requests, output and failures of components. Without it, nobody.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// What every component is held to that does not ask for less. Without it,
    /// [`Limits::development`].
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// How long calls that run may take to finish when their workload or the host stops; without it
    /// 10 seconds.
    pub fn with_drain_timeout(mut self, time: Duration) -> Self {
        self.drain = Some(time);
        self
    }

    /// Opens what the options name and links all capabilities. The host runs nothing until it is
    /// started. Must be called in a tokio runtime when a capability uses a server: its connections
    /// live there.
    ///
    /// Errors: the engine cannot start; a folder of a capability, or a file of authorities, cannot be
    /// used; a plugin cannot be linked.
    pub fn build(self) -> Result<Host> {
        let engine = match self.engine {
            Some(engine) => engine,
            None => Engine::new(&EngineOptions::default())?,
        };
        let installed = match self.capabilities {
            Capabilities::Installed(installed) => *installed,
            Capabilities::Options(options) => Installed::new(&options)?,
        };
        let core =
            Core::new(engine, installed.with_plugins(self.plugins), self.observer.unwrap_or_else(|| Arc::new(Blind)))?;
        if let Some(options) = self.outbound {
            core.replace_outbound(Outbound::new(&options)?);
        }
        let id = match self.id {
            Some(id)
                if id.is_empty() || id.contains(|letter: char| letter.is_whitespace() || ".*>".contains(letter)) =>
            {
                return Err(Error::usage(format!("{id:?} cannot identify a host"))
                    .hint("use letters, digits and `-`: the identifier is part of subjects of messages"));
            }
            Some(id) => id,
            None => random_id()?,
        };
        let friendly_name = self.friendly_name.unwrap_or_else(|| {
            let begin: String = id.chars().take(8).collect();
            format!("wash-{begin}")
        });
        Ok(Host::new(Setup {
            core,
            http: self.http,
            about: About { id, friendly_name, labels: self.labels, environment: self.environment },
            limits: self.limits.unwrap_or_else(Limits::development),
            drain: self.drain.unwrap_or(DRAIN),
        }))
    }
}

/// A random identifier in the form of a UUID.
pub(crate) fn random_id() -> Result<String> {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::failed("the system gives no random numbers"))?;
    // Version 4, variant 1.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            id.push('-');
        }
        id.push_str(&format!("{byte:02x}"));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_form_of_a_uuid() {
        let (one, other) = (random_id().unwrap(), random_id().unwrap());
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4');
        assert_ne!(one, other);
    }
}
