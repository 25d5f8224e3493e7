//! The grammar of `allowed_hosts` and `allowed_ip_name_lookups`.
//!
//! ```text
//! entry  = [ scheme "://" ] host [ ":" port ]
//! scheme = "http" | "https" | "tcp" | "udp"
//! host   = "*" | name | "*." name | address | range       (with a port, IPv6 stands in brackets)
//! ```

use std::fmt;
use std::net::IpAddr;

use super::Transport;

/// What an entry permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// `None`: every one.
    transport: Option<Transport>,
    host: HostMatch,
    /// `None`: every one.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostMatch {
    Any,
    Name(NamePattern),
    Range(Range),
}

/// Names that an entry permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// `*`
    Any,
    /// This name.
    Exactly(String),
    /// Names that end so; begins with a dot.
    Below(String),
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    base: IpAddr,
    bits: u8,
}

/// What is wrong with an entry, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// e.g. `` `a.example/b` has a path ``
    pub message: String,
    /// One line.
    pub hint: String,
}

impl PatternError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        PatternError { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl HostPattern {
    /// Reads an entry of `allowed_hosts`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let entry = text.trim();
        let (transport, rest) = match entry.split_once("://") {
            Some((scheme, rest)) => (Some(scheme_of(entry, scheme)?), rest),
            None => (None, entry),
        };
        if rest.contains('@') {
            return Err(PatternError::new(
                format!("`{entry}` has a user in it"),
                format!("write `{}`", rest.rsplit('@').next().unwrap_or_default()),
            ));
        }
        // What has a slash is a range of addresses, or a URL.
        if let Some((before, after)) = rest.split_once('/')
            && !looks_like_range(before, after)
        {
            let scheme = entry.strip_suffix(rest).unwrap_or_default();
            return Err(PatternError::new(
                format!("`{entry}` has a path; hosts are permitted with all their paths"),
                format!("write `{scheme}{before}`"),
            ));
        }
        let (host, port) = split_port(entry, rest)?;
        let host = if host == "*" {
            HostMatch::Any
        } else if let Some(range) = Range::parse(entry, host)? {
            HostMatch::Range(range)
        } else {
            HostMatch::Name(NamePattern::parse(host)?)
        };
        // As in a URL: a scheme means its port, unless another is given.
        let port = port.or(match transport {
            Some(Transport::Http) => Some(80),
            Some(Transport::Https) => Some(443),
            _ => None,
        });
        Ok(HostPattern { transport, host, port })
    }

    /// Whether the entry permits this destination: by its name or by its address.
    pub fn permits(&self, transport: Transport, name: Option<&str>, address: Option<IpAddr>, port: u16) -> bool {
        let host = match &self.host {
            HostMatch::Any => true,
            HostMatch::Name(pattern) => name.is_some_and(|name| pattern.matches(name)),
            HostMatch::Range(range) => address.is_some_and(|address| range.contains(address)),
        };
        host && self.transport.is_none_or(|wanted| wanted == transport) && self.port.is_none_or(|wanted| wanted == port)
    }

    /// Whether the entry names this very address, by itself or in a range.
    pub fn names_address(&self, transport: Transport, address: IpAddr, port: u16) -> bool {
        matches!(self.host, HostMatch::Range(_)) && self.permits(transport, None, Some(address), port)
    }

    /// The one address that the entry names, and its port.
    pub fn single_address(&self) -> Option<(IpAddr, Option<u16>)> {
        match self.host {
            HostMatch::Range(range) if range.is_single() => Some((range.base, self.port)),
            _ => None,
        }
    }

    /// The name that the entry is for, if it is one, and its port.
    pub fn single_name(&self) -> Option<(&str, Option<u16>)> {
        match &self.host {
            HostMatch::Name(NamePattern::Exactly(name)) => Some((name, self.port)),
            _ => None,
        }
    }
}

impl NamePattern {
    /// Reads an entry of `allowed_ip_name_lookups`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let entry = text.trim();
        if entry == "*" {
            return Ok(NamePattern::Any);
        }
        let name = entry.strip_suffix('.').unwrap_or(entry).to_ascii_lowercase();
        let (below, rest) = match name.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, name.as_str()),
        };
        if entry.is_empty() {
            return Err(PatternError::new("an entry is empty", "remove it, or write a name, e.g. `api.example.com`"));
        }
        if rest.contains('*') {
            let base = rest.rsplit('*').next().unwrap_or_default().trim_matches('.');
            let hint = if base.contains('.') { format!("write `*.{base}`") } else { "write `*.example.com`".into() };
            return Err(PatternError::new(format!("`{entry}` has a `*` that is not its whole first part"), hint));
        }
        if !rest.is_ascii() {
            return Err(PatternError::new(
                format!("`{entry}` has letters that names on the network do not have"),
                "write the name in its ASCII form, e.g. `xn--bcher-kva.example` for `bücher.example`",
            ));
        }
        let part = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if rest.len() > 253 || !rest.split('.').all(part) {
            return Err(PatternError::new(
                format!("`{entry}` is no name of a host"),
                "write e.g. `api.example.com`, `*.example.com`, `10.0.0.0/8` or `api.example.com:8443`",
            ));
        }
        Ok(if below { NamePattern::Below(format!(".{rest}")) } else { NamePattern::Exactly(rest.to_string()) })
    }

    /// Whether a name (lowercase, without a dot at the end) is one of these.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            NamePattern::Any => true,
            NamePattern::Exactly(exact) => name == exact,
            NamePattern::Below(end) => name.len() > end.len() && name.ends_with(end.as_str()),
        }
    }
}

fn scheme_of(entry: &str, scheme: &str) -> Result<Transport, PatternError> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(Transport::Http),
        "https" => Ok(Transport::Https),
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        _ => Err(PatternError::new(
            format!("`{scheme}` in `{entry}` is no scheme of the network policy"),
            "write `http`, `https`, `tcp` or `udp`, or leave it out for all of them",
        )),
    }
}

fn looks_like_range(before: &str, after: &str) -> bool {
    let address = before.trim_start_matches('[');
    let bits = after.split([']', ':']).next().unwrap_or_default();
    address.parse::<IpAddr>().is_ok() && !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit())
}

/// Takes the port from the end. Colons of IPv6 addresses are none of it unless they stand in brackets.
fn split_port<'a>(entry: &str, text: &'a str) -> Result<(&'a str, Option<u16>), PatternError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((inner, after)) = rest.split_once(']') else {
            return Err(PatternError::new(format!("`{entry}` lacks a `]`"), "write e.g. `[2001:db8::1]:443`"));
        };
        match after.strip_prefix(':') {
            Some(port) => (inner, Some(port)),
            None if after.is_empty() => (inner, None),
            None => {
                return Err(PatternError::new(
                    format!("`{entry}` goes on after `]`"),
                    "write e.g. `[2001:db8::1]:443`",
                ));
            }
        }
    } else if text.matches(':').count() > 1 {
        (text, None)
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let Some(port) = port else { return Ok((host, None)) };
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port @ 1..) if digits => Ok((host, Some(port))),
        _ => Err(PatternError::new(
            format!("`{port}` in `{entry}` is no port"),
            "write a number from 1 to 65535, or leave it out for every port",
        )),
    }
}

impl Range {
    /// Reads an address or a range; `None` if it is neither, but a name.
    fn parse(entry: &str, text: &str) -> Result<Option<Self>, PatternError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let Ok(base) = address.parse::<IpAddr>() else {
            // A name's last part is never a number; what looks like an address and is none must not pass for a name.
            let numeric = address.rsplit('.').next().is_some_and(|last| {
                !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())
                    || last.starts_with("0x") && last[2..].bytes().all(|b| b.is_ascii_hexdigit())
            });
            if numeric || address.contains(':') {
                return Err(PatternError::new(
                    format!("`{entry}` is no address"),
                    "write e.g. `10.1.2.3`, `10.0.0.0/8`, `2001:db8::1` or `[2001:db8::1]:443`",
                ));
            }
            return Ok(None);
        };
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits.map(str::parse::<u8>) {
            None => width,
            Some(Ok(bits)) if bits <= width => bits,
            Some(_) => {
                return Err(PatternError::new(
                    format!("`{entry}` has a prefix length that no such address has"),
                    format!("write a number from 0 to {width} after the slash"),
                ));
            }
        };
        let range = Range { base, bits };
        let first = range.first();
        if first != base {
            return Err(PatternError::new(
                format!("`{entry}` has bits set beyond its prefix"),
                format!("write `{first}/{bits}`, or `{base}` for the one address"),
            ));
        }
        // The mapped form of one address is that address.
        Ok(Some(if range.is_single() { Range { base: base.to_canonical(), ..range }.narrowed() } else { range }))
    }

    fn narrowed(self) -> Self {
        Range { bits: if self.base.is_ipv4() { 32 } else { 128 }, ..self }
    }

    fn is_single(&self) -> bool {
        self.bits == if self.base.is_ipv4() { 32 } else { 128 }
    }

    fn first(&self) -> IpAddr {
        match self.base {
            IpAddr::V4(base) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4((u32::from(base) & mask).into())
            }
            IpAddr::V6(base) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6((u128::from(base) & mask).into())
            }
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_ipv4() != self.base.is_ipv4() {
            return false;
        }
        Range { base: address, bits: self.bits }.first() == self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Transport::{Http, Https, Tcp, Udp};

    fn permits(entry: &str, transport: Transport, host: &str, port: u16) -> bool {
        let pattern = HostPattern::parse(entry).unwrap_or_else(|error| panic!("{entry}: {error}"));
        match host.parse::<IpAddr>() {
            Ok(address) => pattern.permits(transport, None, Some(address), port),
            Err(_) => pattern.permits(transport, Some(host), None, port),
        }
    }

    #[test]
    fn entries_permit_what_they_say() {
        for (entry, transport, host, port) in [
            ("api.example.com", Https, "api.example.com", 443),
            ("API.Example.Com.", Http, "api.example.com", 8080),
            (" api.example.com ", Tcp, "api.example.com", 5432),
            ("*.example.com", Https, "a.example.com", 443),
            ("*.example.com", Https, "a.b.example.com", 443),
            ("*", Udp, "anything", 53),
            ("*:443", Https, "anything", 443),
            ("https://a.example", Https, "a.example", 443),
            ("https://a.example:8443", Https, "a.example", 8443),
            ("http://*.a.example", Http, "b.a.example", 80),
            ("tcp://db.internal:5432", Tcp, "db.internal", 5432),
            ("udp://10.0.0.53:53", Udp, "10.0.0.53", 53),
            ("10.0.0.0/8", Tcp, "10.200.3.4", 1),
            ("10.0.0.0/8:5432", Tcp, "10.200.3.4", 5432),
            ("10.1.2.3", Https, "10.1.2.3", 443),
            ("10.1.2.3", Https, "::ffff:10.1.2.3", 443),
            ("::ffff:10.1.2.3", Https, "10.1.2.3", 443),
            ("0.0.0.0/0", Https, "203.0.113.9", 443),
            ("2001:db8::/32", Https, "2001:db8:1::1", 443),
            ("[2001:db8::/32]:443", Https, "2001:db8:1::1", 443),
            ("[2001:db8::1]:443", Https, "2001:db8::1", 443),
            ("2001:db8::1", Https, "2001:db8::1", 9),
            ("my_service", Http, "my_service", 80),
        ] {
            assert!(permits(entry, transport, host, port), "{entry} permits {transport:?} {host} {port}");
        }
    }

    #[test]
    fn entries_permit_nothing_else() {
        for (entry, transport, host, port) in [
            ("api.example.com", Https, "xapi.example.com", 443),
            ("api.example.com", Https, "api.example.com.evil.test", 443),
            ("api.example.com", Https, "a.api.example.com", 443),
            ("*.example.com", Https, "example.com", 443),
            ("*.example.com", Https, "badexample.com", 443),
            ("*.example.com", Https, ".example.com", 443),
            ("*:443", Https, "anything", 8443),
            ("https://a.example", Http, "a.example", 80),
            ("https://a.example", Https, "a.example", 8443),
            ("a.example:8443", Https, "a.example", 443),
            ("tcp://a.example", Http, "a.example", 80),
            ("10.0.0.0/8", Tcp, "11.0.0.1", 1),
            ("10.1.2.3", Tcp, "10.1.2.4", 1),
            ("0.0.0.0/0", Https, "2001:db8::1", 443),
            ("2001:db8::/32", Https, "2001:db9::1", 443),
            ("10.1.2.3", Https, "name", 443),
            ("name", Https, "10.1.2.3", 443),
        ] {
            assert!(!permits(entry, transport, host, port), "{entry} does not permit {transport:?} {host} {port}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        for (entry, message, hint) in [
            ("", "an entry is empty", "remove it"),
            ("https://a.example/v1", "has a path", "write `https://a.example`"),
            ("a.example/", "has a path", "write `a.example`"),
            ("ftp://a.example", "no scheme", "tcp"),
            ("user@a.example", "has a user", "write `a.example`"),
            ("a.example:0", "no port", "1 to 65535"),
            ("a.example:70000", "no port", "1 to 65535"),
            ("a.example:", "no port", "leave it out"),
            ("a.example:+80", "no port", "1 to 65535"),
            ("a.*.example", "not its whole first part", "*.example.com"),
            ("*a.example.com", "not its whole first part", "write `*.a.example.com`"),
            ("bücher.example", "names on the network", "xn--"),
            ("a b", "no name of a host", "api.example.com"),
            ("a..b", "no name of a host", "api.example.com"),
            ("-", "", ""),
            ("10.0.0.0/33", "prefix length", "0 to 32"),
            ("10.1.2.3/8", "bits set", "write `10.0.0.0/8`, or `10.1.2.3`"),
            ("10.1.2", "no address", "10.1.2.3"),
            ("300.1.2.3", "no address", "10.1.2.3"),
            ("0x7f.1", "no address", "10.1.2.3"),
            ("a.0x1f", "no address", "10.1.2.3"),
            ("2001:db8::zz", "no address", "2001:db8::1"),
            ("[2001:db8::1", "lacks a `]`", "[2001:db8::1]:443"),
            ("[2001:db8::1]443", "goes on", "[2001:db8::1]:443"),
        ] {
            if entry == "-" {
                assert!(HostPattern::parse(entry).is_ok());
                continue;
            }
            let error = HostPattern::parse(entry).expect_err(entry);
            assert!(error.message.contains(message) && error.hint.contains(hint), "{entry}: {error:?}");
        }
    }

    #[test]
    fn names_to_look_up_have_the_same_wildcards() {
        let matches = |entry: &str, name: &str| NamePattern::parse(entry).unwrap().matches(name);
        assert!(matches("*", "a.example"));
        assert!(matches("a.example", "a.example"));
        assert!(matches("*.example", "a.example"));
        assert!(!matches("*.example", "example"));
        assert!(!matches("a.example", "b.example"));
    }
}
