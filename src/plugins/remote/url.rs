//! Addresses of servers, with their secrets.

use std::fmt;

use url::Url;

/// The address of a server, or of the servers of one cluster with commas between them. It may have
/// a user and a password in it, which are never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl(Vec<Url>);

impl ServerUrl {
    /// One or more NATS servers: `nats://` or `tls://`.
    pub fn nats(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(|part| parse(part.trim(), &["nats", "tls"], "nats://127.0.0.1:4222"));
        let url = parts.collect::<Result<_, _>>().map(ServerUrl)?;
        // The library has one login for all addresses, and would use another than the one that stands there.
        let mut logins = url.0.iter().map(login).filter(|(user, password)| !user.is_empty() || password.is_some());
        let first = logins.next();
        if logins.any(|login| Some(login) != first) {
            return Err("its addresses have different users, passwords or tokens, and one counts for all: write it \
                        at the first, like `nats://user:password@a:4222,nats://b:4222`"
                .into());
        }
        Ok(url)
    }

    /// A Redis server: `redis://` or `rediss://`.
    pub fn redis(text: &str) -> Result<Self, String> {
        parse(text.trim(), &["redis", "rediss"], "redis://127.0.0.1:6379").map(|url| ServerUrl(vec![url]))
    }

    /// User and password of the first address that has some; without a password, what stands in the
    /// user's place.
    pub(crate) fn credentials(&self) -> Option<(String, Option<String>)> {
        self.0.iter().map(login).find(|(user, password)| !user.is_empty() || password.is_some())
    }

    /// The addresses without user and password: the NATS library logs them as they are.
    pub(crate) fn without_secrets(&self) -> impl Iterator<Item = Url> {
        self.0.iter().map(|url| {
            let mut bare = url.clone();
            // They only fail for URLs that can have neither.
            let _ = bare.set_username("");
            let _ = bare.set_password(None);
            bare
        })
    }

    /// The addresses with all that is in them, for those who connect.
    pub(crate) fn with_secrets(&self) -> impl Iterator<Item = &Url> {
        self.0.iter()
    }
}

/// What stands in an address to log in with.
fn login(url: &Url) -> (String, Option<String>) {
    (decoded(url.username()), url.password().map(decoded))
}

/// The complaint about a URL never repeats it: what is wrong may be that the password has a `/`.
pub(super) fn parse(text: &str, schemes: &[&str], example: &str) -> Result<Url, String> {
    let like = format!("write it like `{example}`");
    let url = Url::parse(text).map_err(|error| format!("it is no URL ({error}); {like}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("it begins with `{}:`; {like}", url.scheme()));
    }
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(url),
        _ => Err(format!("it names no host; {like}")),
    }
}

/// What a part of a URL stands for: `%40` is `@`.
pub(super) fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &after[2..]),
            None => (bytes.push(first), rest = after),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, url) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // A token stands where the user does, so that neither is shown.
            let secrets = if url.username().is_empty() && url.password().is_none() { "" } else { "***@" };
            let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let path = url.path().trim_end_matches('/');
            write!(f, "{comma}{scheme}://{secrets}{host}{port}{path}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_shown() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://:pw@host:1/2", "redis://***@host:1/2"),
            ("rediss://user:pw@host?x=pw", "rediss://***@host"),
        ] {
            let url = ServerUrl::redis(url).unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.into(), shown.into()));
        }
        let cluster = ServerUrl::nats("nats://token@a:1, tls://token@b").unwrap();
        assert_eq!(cluster.to_string(), "nats://***@a:1,tls://***@b");
    }

    #[test]
    fn credentials_are_what_the_url_stands_for() {
        let of = |url| ServerUrl::nats(url).unwrap().credentials();
        assert_eq!(of("nats://a,nats://us%65r:p%40ss%2@b"), Some(("user".into(), Some("p@ss%2".into()))));
        assert_eq!(of("nats://token@a"), Some(("token".into(), None)));
        assert_eq!(of("nats://a"), None);
        let url = ServerUrl::nats("nats://user:pw@a:1,nats://b").unwrap();
        assert_eq!(url.without_secrets().map(String::from).collect::<Vec<_>>(), ["nats://a:1", "nats://b"]);
    }

    #[test]
    fn different_logins_of_the_addresses_are_refused_and_not_shown() {
        for same in ["nats://u:p@a,nats://b", "nats://a,nats://u:p@b", "nats://u:p@a,tls://u:p@b"] {
            assert!(ServerUrl::nats(same).is_ok(), "{same}");
        }
        for different in ["nats://u:s3cret@a,nats://u:other@b", "nats://s3cret@a,nats://u:s3cret@b"] {
            let refused = ServerUrl::nats(different).unwrap_err();
            assert!(
                refused.starts_with("its addresses have different users") && !refused.contains("s3cret"),
                "{refused}"
            );
        }
    }

    #[test]
    fn what_is_no_address_of_such_a_server_is_refused_with_an_example_and_without_itself() {
        let wrong = |url| ServerUrl::redis(url).unwrap_err();
        assert_eq!(wrong("http://secret@host"), "it begins with `http:`; write it like `redis://127.0.0.1:6379`");
        assert_eq!(wrong("redis://"), "it names no host; write it like `redis://127.0.0.1:6379`");
        assert!(wrong("secret").starts_with("it is no URL (relative URL without a base)"));
        assert!(ServerUrl::nats("nats://a,redis://b").is_err());
        assert!(ServerUrl::nats("").is_err());
    }
}
