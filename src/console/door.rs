//! Who is let in to the page: browsers of this machine, on pages of our own.
//!
//! A page of another site may send requests to 127.0.0.1, and with a name that it makes point there (DNS
//! rebinding) it may even read the answers. So a request must name the loopback address as its host, must not come
//! from another origin, and must bring the token: in the address that the terminal shows the first time, in a cookie
//! from then on, which browsers send along with requests of this page only. Nothing else on the machine knows it.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Uri};

use crate::error::{Error, Result};

/// One page's door.
#[derive(Clone, Debug)]
pub struct Door {
    port: u16,
    token: String,
}

/// What is done about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It may have what it asks for.
    Open,
    /// It brought the token in its address: it is given the cookie, and an address without the token.
    Welcome,
    /// It is told why not.
    Closed(&'static str),
}

impl Door {
    /// For the page on this port, with a token that nobody can guess.
    pub fn new(port: u16) -> Result<Self> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::bug("the system has no random numbers"))?;
        Ok(Door { port, token: bytes.iter().map(|byte| format!("{byte:02x}")).collect() })
    }

    /// Where it is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address that opens it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.token)
    }

    /// The cookie that opens it from then on. Cookies know no ports, so its name has it.
    pub fn cookie(&self) -> HeaderValue {
        let text = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name(), self.token);
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    fn cookie_name(&self) -> String {
        format!("wash-console-{}", self.port)
    }

    /// Looks at a request.
    pub fn look(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Entry {
        if !self.is_ours(headers) {
            return Entry::Closed("the request names another host than this page's");
        }
        if !self.is_from_here(headers) {
            return Entry::Closed("the request comes from another page");
        }
        let brought = uri.query().and_then(|query| query.strip_prefix("token="));
        if let Some(token) = brought.filter(|_| *method == Method::GET && uri.path() == "/") {
            return match same(token, &self.token) {
                true => Entry::Welcome,
                false => Entry::Closed("this address is of another run; the one of now is in the terminal"),
            };
        }
        match self.has_cookie(headers) {
            true => Entry::Open,
            false => Entry::Closed("open the address that the terminal shows, with its token"),
        }
    }

    /// Whether the host is the loopback's.
    fn is_ours(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let names = ["127.0.0.1", "localhost", "[::1]"];
        host.to_str().is_ok_and(|host| {
            host.rsplit_once(':').is_some_and(|(name, port)| {
                names.iter().any(|ours| name.eq_ignore_ascii_case(ours)) && port == self.port.to_string()
            })
        })
    }

    /// Whether no page of another origin has sent it. Browsers say it in one of these; other programs in none.
    fn is_from_here(&self, headers: &HeaderMap) -> bool {
        let same_site = match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            None | Some(b"same-origin" | b"none") => true,
            Some(_) => false,
        };
        let same_origin = headers.get_all(header::ORIGIN).iter().all(|origin| {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            origin.to_str().is_ok_and(|origin| origin == format!("http://{host}"))
        });
        same_site && same_origin
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let name = self.cookie_name();
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .any(|(cookie, token)| cookie == name && same(token, &self.token))
    }
}

/// Compares without telling by its time how much was right.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(uri: &str, headers: &[(&'static str, &str)]) -> Entry {
        let door = Door { port: 4000, token: "secret".into() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        door.look(&Method::GET, &uri.parse().unwrap(), &map)
    }

    const COOKIE: (&str, &str) = ("cookie", "a=b; wash-console-4000=secret");

    #[test]
    fn the_token_opens_it_and_then_the_cookie() {
        assert_eq!(look("/?token=secret", &[("host", "127.0.0.1:4000")]), Entry::Welcome);
        assert!(matches!(look("/?token=secres", &[("host", "127.0.0.1:4000")]), Entry::Closed(_)));
        assert!(matches!(look("/", &[("host", "localhost:4000")]), Entry::Closed(_)));
        assert_eq!(look("/", &[("host", "localhost:4000"), COOKIE]), Entry::Open);
        let other = ("cookie", "wash-console-4001=secret");
        assert!(matches!(look("/", &[("host", "localhost:4000"), other]), Entry::Closed(_)));
    }

    #[test]
    fn another_name_for_this_address_is_another_host() {
        for host in ["evil.example", "evil.example:4000", "127.0.0.1", "127.0.0.1:4001", "127.0.0.1:4000.evil.example"]
        {
            assert!(matches!(look("/?token=secret", &[("host", host), COOKIE]), Entry::Closed(_)), "{host}");
        }
        assert!(matches!(look("/", &[COOKIE]), Entry::Closed(_)));
        assert!(matches!(look("/", &[("host", "localhost:4000"), ("host", "a"), COOKIE]), Entry::Closed(_)));
    }

    #[test]
    fn pages_of_others_are_turned_away_also_with_the_cookie() {
        let host = ("host", "127.0.0.1:4000");
        for foreign in [
            ("origin", "https://evil.example"),
            ("origin", "http://127.0.0.1:8000"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            // Another port of this machine is the same site.
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(matches!(look("/api/v1/status", &[host, COOKIE, foreign]), Entry::Closed(_)), "{foreign:?}");
        }
        let own = [("origin", "http://127.0.0.1:4000"), ("sec-fetch-site", "same-origin")];
        assert_eq!(look("/api/v1/status", &[host, COOKIE, own[0], own[1]]), Entry::Open);
    }
}
