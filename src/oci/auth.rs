//! Proving to a registry who we are, in the way that it asks for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use url::Url;

use super::answer::Answer;
use super::credentials::{Credential, Lookup};
use super::failure::{Failure, FailureKind};
use super::patience::Setback;
use super::payload::Payload;
use super::transport::{Request, Scope, Transport, shown};

/// Tokens are long, and nothing that is longer than this is one.
const LARGEST_ANSWER: usize = 1 << 20;
/// What the specification says for tokens that do not say it themselves.
const DEFAULT_LIFE: u64 = 60;
/// A token is not used in its last seconds: it has to live until the request arrives.
const RESERVE: u64 = 5;

/// What is to be done with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Pull,
    Push,
}

impl Action {
    fn rights(self) -> &'static str {
        match self {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        }
    }
}

type Key = (String, Option<String>, Action);

/// What is sent to whom, kept for the time of a run.
#[derive(Default)]
pub(super) struct Tokens {
    known: Mutex<BTreeMap<Key, Token>>,
    lookups: Mutex<BTreeMap<(String, Option<String>), Lookup>>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    until: Option<Instant>,
}

/// A challenge of a registry: how it wants to be asked.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Tokens {
    /// What to send, if that is known already.
    pub fn known(&self, scope: &Scope) -> Option<HeaderValue> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let token = known.get(&key(scope))?;
        token.until.is_none_or(|until| Instant::now() < until).then(|| token.header.clone())
    }

    /// Does what the registry asks for in its refusal. Whether another attempt makes sense.
    pub async fn answer(
        &self,
        transport: &Transport,
        answer: &Answer,
        scope: &Scope,
        origin: &Url,
        had_authorization: bool,
    ) -> Result<bool, Setback> {
        let challenges = challenges(answer);
        let lookup = self.lookup(transport, scope).await;
        for trouble in &lookup.troubles {
            transport.note(trouble.clone());
        }
        let credential = lookup.found.as_ref().map(|found| &found.credential);
        match &lookup.found {
            Some(found) => tracing::debug!(registry = scope.registry, source = found.source, "credentials"),
            None => tracing::debug!(registry = scope.registry, "no credentials: asking anonymously"),
        }
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service, scope } => Some((realm, service, scope)),
            Challenge::Basic => None,
        });
        if let Some((realm, service, wanted)) = bearer {
            if let Some(Credential::Token(token)) = credential {
                if had_authorization {
                    return Ok(false);
                }
                return self.keep(scope, format!("Bearer {token}"), None).map(|()| true);
            }
            let realm = Url::parse(realm).map_err(|error| {
                let message = format!("{} asks for a token from no address", scope.registry);
                Setback::Final(Failure::new(FailureKind::Refused, message).cause(error.to_string()))
            })?;
            let question = Question { realm, service: service.as_deref(), wanted: wanted.as_deref(), scope };
            let (token, life) = question.ask(transport, credential, origin).await?;
            let until = Instant::now() + Duration::from_secs(life.saturating_sub(RESERVE).max(1));
            return self.keep(scope, format!("Bearer {token}"), Some(until)).map(|()| true);
        }
        match credential {
            // The same again would be refused again.
            _ if had_authorization => Ok(false),
            Some(Credential::Password { username, password }) if challenges.contains(&Challenge::Basic) => {
                let text = STANDARD.encode(format!("{username}:{password}"));
                self.keep(scope, format!("Basic {text}"), None).map(|()| true)
            }
            Some(Credential::Token(token)) => self.keep(scope, format!("Bearer {token}"), None).map(|()| true),
            _ => Ok(false),
        }
    }

    fn keep(&self, scope: &Scope, header: String, until: Option<Instant>) -> Result<(), Setback> {
        let mut header = HeaderValue::from_str(&header).map_err(|_| {
            let message = format!("the credential for {} has characters that cannot be sent", scope.registry);
            Setback::Final(Failure::new(FailureKind::Denied, message))
        })?;
        header.set_sensitive(true);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key(scope), Token { header, until });
        Ok(())
    }

    /// Searches once: a helper may have to ask its user.
    async fn lookup(&self, transport: &Transport, scope: &Scope) -> Lookup {
        let key = (scope.registry.clone(), scope.repository.clone());
        if let Some(lookup) = self.lookups.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return lookup.clone();
        }
        let lookup = transport.settings.credentials.lookup(&scope.registry, scope.repository.as_deref()).await;
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner).insert(key, lookup.clone());
        lookup
    }
}

fn key(scope: &Scope) -> Key {
    (scope.registry.clone(), scope.repository.clone(), scope.action)
}

/// A question for a token.
struct Question<'a> {
    realm: Url,
    service: Option<&'a str>,
    wanted: Option<&'a str>,
    scope: &'a Scope,
}

impl Question<'_> {
    /// Asks the token service; where reading is refused to somebody, anybody may still be allowed to.
    async fn ask(
        &self,
        transport: &Transport,
        credential: Option<&Credential>,
        origin: &Url,
    ) -> Result<(String, u64), Setback> {
        // The service is named by the registry, so it may be elsewhere; but who protects the way to
        // one protects the way to the other.
        if credential.is_some() && origin.scheme() == "https" && self.realm.scheme() != "https" {
            let message = format!("{} wants its credentials sent unprotected", self.scope.registry);
            let cause = format!("it asks for a token from {}", shown(&self.realm));
            return Err(Setback::Final(Failure::new(FailureKind::Refused, message).cause(cause)));
        }
        let answer = self.once(transport, credential).await?;
        if answer.is_success() {
            return read_token(answer, &self.scope.registry).await;
        }
        let denied = matches!(answer.status.as_u16(), 400 | 401 | 403);
        if denied && credential.is_some() && self.scope.action == Action::Pull && self.scope.repository.is_some() {
            let anonymous = self.once(transport, None).await?;
            if anonymous.is_success() {
                transport.note(format!(
                    "{} refuses the stored credentials, and is asked anonymously; renew them: wash oci login {}",
                    self.scope.registry, self.scope.registry
                ));
                return read_token(anonymous, &self.scope.registry).await;
            }
        }
        let doing = match credential {
            Some(_) => format!("{} refuses the credentials", self.scope.registry),
            None => format!("{} gives no access without credentials", self.scope.registry),
        };
        let passes = matches!(answer.status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
        let failure = answer.refusal(&doing, self.scope).await;
        Err(if passes { Setback::Passing { failure, wait: None } } else { Setback::Final(failure) })
    }

    /// The request for a token, in exchange for an identity token.
    fn refresh_form(&self, token: &str, scopes: &[String]) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token");
        form.append_pair("client_id", "wash");
        form.append_pair("refresh_token", token);
        if let Some(service) = self.service {
            form.append_pair("service", service);
        }
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        form.finish()
    }

    async fn once(&self, transport: &Transport, credential: Option<&Credential>) -> Result<Answer, Setback> {
        let scopes = self.scopes();
        if let Some(Credential::IdentityToken(token)) = credential {
            let form = self.refresh_form(token, &scopes);
            let request = Request::new(Method::POST, self.realm.clone())
                .header("content-type", "application/x-www-form-urlencoded")
                .payload(Payload::Bytes(form.into()));
            return transport.once(&request, &self.realm, None).await;
        }
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = self.service {
                query.append_pair("service", service);
            }
            for scope in &scopes {
                query.append_pair("scope", scope);
            }
        }
        let authorization = match credential {
            Some(Credential::Password { username, password }) => {
                let text = STANDARD.encode(format!("{username}:{password}"));
                HeaderValue::from_str(&format!("Basic {text}")).ok().map(|mut header| {
                    header.set_sensitive(true);
                    header
                })
            }
            _ => None,
        };
        // Redirects are not followed here: the credential is for this address.
        transport.once(&Request::get(url.clone()), &url, authorization).await
    }

    /// What the token is for: what we are going to do, and what the registry says besides.
    fn scopes(&self) -> Vec<String> {
        let mut scopes = Vec::new();
        if let Some(repository) = &self.scope.repository {
            scopes.push(format!("repository:{repository}:{}", self.scope.action.rights()));
        }
        let covered = |wanted: &str| {
            self.scope.repository.as_ref().is_some_and(|repository| {
                let rights = wanted.strip_prefix(&format!("repository:{repository}:"));
                rights.is_some_and(|rights| {
                    rights.split(',').all(|right| self.scope.action.rights().split(',').any(|ours| ours == right))
                })
            })
        };
        let wanted = self.wanted.unwrap_or_default().split(' ').filter(|wanted| !wanted.is_empty());
        scopes.extend(wanted.filter(|wanted| !covered(wanted)).map(str::to_string));
        scopes
    }
}

async fn read_token(answer: Answer, registry: &str) -> Result<(String, u64), Setback> {
    let bytes = answer.bytes(LARGEST_ANSWER, "the answer of the token service").await?;
    let unusable = || {
        let message = format!("the token service of {registry} answered no token");
        Setback::Final(Failure::new(FailureKind::Refused, message))
    };
    let answer: TokenAnswer = serde_json::from_slice(&bytes).map_err(|_| unusable())?;
    let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty());
    Ok((token.ok_or_else(unusable)?, answer.expires_in.unwrap_or(DEFAULT_LIFE)))
}

fn challenges(answer: &Answer) -> Vec<Challenge> {
    let headers = answer.headers.get_all(WWW_AUTHENTICATE).into_iter();
    headers.filter_map(|value| value.to_str().ok()).flat_map(parse).collect()
}

fn parse(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    for challenge in http_auth::ChallengeParser::new(header).flatten() {
        let param = |name: &str| {
            let (_, value) = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(value.to_unescaped())
        };
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            found.push(Challenge::Basic);
        } else if challenge.scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = param("realm")
        {
            found.push(Challenge::Bearer { realm, service: param("service"), scope: param("scope") });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let header =
            r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push""#;
        let bearer = Challenge::Bearer {
            realm: "https://auth.example/token".into(),
            service: Some("r.example".into()),
            scope: Some("repository:a/b:pull,push".into()),
        };
        assert_eq!(parse(header), [bearer]);
        assert_eq!(parse(r#"Basic realm="x""#), [Challenge::Basic]);
        assert_eq!(parse("nonsense\u{1}"), []);
        assert_eq!(parse("Bearer service=x"), []);
    }
}
