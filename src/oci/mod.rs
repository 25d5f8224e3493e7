//! Registries: pushing and pulling components as OCI artifacts.
//!
//! Owns references, credentials, the transfer itself and the cache of what was pulled. Knows nothing
//! of projects, of the engine or of who runs what it pulls. Start with [`Client`]; `layout` says
//! what an artifact is made of, `transport` how a registry is spoken to and who sees credentials.

mod digest;
mod layout;
mod reference;

mod client;
mod copy;
mod download;
mod login;
mod pull;
mod push;
mod referrers;
mod signature;
mod tags;

mod answer;
mod auth;
mod patience;
mod payload;
mod tls;
mod transport;

mod cache;
pub mod credentials;
mod failure;

pub use cache::{Cache, DEFAULT_LIMIT, Usage};
pub use client::{Client, ClientOptions, ca_paths};
pub use copy::Copied;
pub use credentials::{Credential, Credentials};
pub use digest::Digest;
pub use failure::{Failure, FailureKind, Result};
pub use layout::{Additions, Artifact, CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, OLD_LAYER_TYPES};
pub use login::LoggedIn;
pub use patience::Timing;
pub use pull::{Freshness, Pulled};
pub use push::Pushed;
pub use reference::{Reference, parse_registry};
pub use referrers::{Attachment, Referrer};
pub use signature::PublicKey;
pub use tls::authorities;
