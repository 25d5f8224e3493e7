//! Whether a registry accepts a credential.

use reqwest::StatusCode;

use super::auth::Action;
use super::client::Client;
use super::failure::Result;
use super::transport::{Request, Scope};

/// How a registry took a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedIn {
    /// It asked for it and accepted it.
    Accepted,
    /// It asks nobody: whether the credential is right is not known.
    NotAsked,
}

impl Client {
    /// Shows a registry the credential that the client was given for it.
    pub async fn check_login(&self, registry: &str) -> Result<LoggedIn> {
        let wrap = |failure: super::Failure| failure.wrap(format!("cannot log in to {registry}"));
        let transport = self.transport("logging in").map_err(wrap)?;
        let scope = Scope { registry: registry.to_string(), repository: None, action: Action::Pull };
        let url = transport.url(registry, "v2/").await.map_err(wrap)?;
        let answer = transport.send(&Request::get(url), &scope).await.map_err(wrap)?;
        // A registry without this page is one all the same, if it asked for a credential first.
        let asked = transport.tokens.known(&scope).is_some();
        if answer.is_success() || (asked && answer.status == StatusCode::NOT_FOUND) {
            return Ok(if asked { LoggedIn::Accepted } else { LoggedIn::NotAsked });
        }
        let doing = match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "user name or password is wrong".to_string(),
            _ => format!("{registry} does not answer as a registry does"),
        };
        Err(wrap(answer.refusal(&doing, &scope).await))
    }
}
