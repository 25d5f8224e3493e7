//! Names of artifacts: `registry/repository:tag@digest`.

use std::fmt;

use super::digest::Digest;
use crate::error::{Error, Result};

/// The registry of a name that has none, as everybody else has it.
const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";
/// The distribution specification's limit for names.
const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;

/// The name of an artifact in a registry. Has a tag, a digest, or both; a digest wins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads a name as people write it: `ghcr.io/team/hello:0.1.0`, `localhost:5000/hello`,
    /// `ghcr.io/team/hello@sha256:…`. Without a registry it is Docker Hub's, without tag and digest
    /// it is `latest`. A leading `oci://` is accepted.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| Error::usage(format!("`{text}` is not a reference: {what}"));
        let example = "write it as registry/name:tag, e.g. ghcr.io/team/hello:0.1.0";
        let rest = text.strip_prefix("oci://").unwrap_or(text);
        if rest.is_empty() {
            return Err(wrong("it is empty").hint(example));
        }
        if let Some((scheme, after)) = rest.split_once("://") {
            let error = wrong(&format!("it begins with `{scheme}://`"));
            let name = after.trim_start_matches('/').trim_end_matches('/');
            return Err(if name.is_empty() { error.hint(example) } else { error.hint(format!("write `{name}`")) });
        }
        if let Some(bad) = rest.chars().find(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(wrong(&format!("it has the character {bad:?}")).hint(example));
        }
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest).map_err(|why| wrong(&why))?)),
            None => (rest, None),
        };
        let (registry, rest) = match rest.split_once('/') {
            Some((first, after)) if is_registry(first) => (first, after),
            _ => (DEFAULT_REGISTRY, rest),
        };
        check_registry(registry).map_err(|why| wrong(&why).hint(example))?;
        // A colon behind the last slash begins the tag; one before it belongs to a port.
        let name_end = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match rest[name_end..].find(':') {
            Some(colon) => (&rest[..name_end + colon], Some(&rest[name_end + colon + 1..])),
            None => (rest, None),
        };
        if repository.is_empty() {
            return Err(wrong("the name behind the registry is missing").hint(example));
        }
        if repository.chars().any(|letter| letter.is_ascii_uppercase()) {
            return Err(wrong("names in registries are lowercase")
                .hint(format!("write `{}`", text.replace(repository, &repository.to_ascii_lowercase()))));
        }
        check_repository(repository).map_err(|why| wrong(&why).hint(example))?;
        if let Some(tag) = tag {
            check_tag(tag).map_err(|why| wrong(&why))?;
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_string()),
            (None, Some(_)) => None,
            (None, None) => Some(DEFAULT_TAG.to_string()),
        };
        // Docker Hub keeps names of one part below `library`.
        let repository = match registry {
            "docker.io" | "index.docker.io" if !repository.contains('/') => format!("library/{repository}"),
            _ => repository.to_string(),
        };
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let reference = Reference { registry: registry.to_ascii_lowercase(), repository, tag, digest };
        if reference.registry.len() + reference.repository.len() >= LONGEST_NAME {
            return Err(wrong(&format!("it is longer than {LONGEST_NAME} characters")));
        }
        Ok(reference)
    }

    /// The host, with its port if one was given: what credentials belong to.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name in the registry, e.g. `team/hello`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if it has one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, if it has one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Registry and repository: `ghcr.io/team/hello`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Whether a text that is a reference has a tag or digest of its own.
    pub fn says_which(text: &str) -> bool {
        let last = text.rsplit_once('/').map_or(text, |(_, last)| last);
        text.contains('@') || last.contains(':')
    }

    /// The same name with this tag and nothing else.
    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        check_tag(tag).map_err(|why| Error::usage(format!("`{tag}` is not a tag: {why}")))?;
        Ok(Reference { tag: Some(tag.to_string()), digest: None, ..self.clone() })
    }

    /// The same name by digest: what it means can never change.
    pub fn with_digest(&self, digest: &Digest) -> Self {
        Reference { tag: None, digest: Some(digest.clone()), ..self.clone() }
    }

    /// What is asked for in the registry's API: the digest, else the tag.
    pub(super) fn target(&self) -> &str {
        self.digest.as_ref().map(Digest::as_str).or(self.tag.as_deref()).unwrap_or(DEFAULT_TAG)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// Reads the name of a registry alone, as `login` takes it: a host, or an address that names one.
pub fn parse_registry(text: &str) -> Result<String> {
    let host = text.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let wrong = |why: &str| Error::usage(format!("`{text}` is not a registry: {why}"));
    if host.is_empty() {
        return Err(wrong("it is empty").hint("write a host, e.g. ghcr.io or localhost:5000"));
    }
    if let Some((registry, _)) = host.split_once('/') {
        // Docker Hub's own address has a path: `https://index.docker.io/v1/`.
        return match registry {
            "index.docker.io" => Ok(DEFAULT_REGISTRY.to_string()),
            _ => Err(wrong("credentials belong to a host, not to a name on it").hint(format!("write `{registry}`"))),
        };
    }
    check_registry(host).map_err(|why| wrong(&why).hint("write a host, e.g. ghcr.io or localhost:5000"))?;
    match host {
        "index.docker.io" | "registry-1.docker.io" => Ok(DEFAULT_REGISTRY.to_string()),
        _ => Ok(host.to_ascii_lowercase()),
    }
}

/// Whether the first part of a name is a host: it has a dot or a port, or is `localhost`.
fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':', '['])
}

fn check_registry(registry: &str) -> Result<(), String> {
    let wrong = || format!("`{registry}` is not a host");
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(wrong)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            (None, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(wrong)?) })
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        },
    };
    if let Some(host) = host {
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
        };
        if !host.split('.').all(label) {
            return Err(wrong());
        }
    }
    match port {
        Some(port) if !port.parse::<u16>().is_ok_and(|port| port > 0) => Err(format!("`{port}` is not a port")),
        _ => Ok(()),
    }
}

fn check_repository(repository: &str) -> Result<(), String> {
    for part in repository.split('/') {
        if part.is_empty() {
            return Err("a part of the name is empty".into());
        }
        let alphanumeric = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        if let Some(bad) = part.chars().find(|letter| !alphanumeric(*letter) && !"._-".contains(*letter)) {
            return Err(format!("names have lowercase letters, digits and `.`, `_`, `-`, not `{bad}`"));
        }
        if !part.starts_with(alphanumeric) || !part.ends_with(alphanumeric) {
            return Err(format!("`{part}` must begin and end with a letter or digit"));
        }
        // One of `.`, `_`, `__` or any number of `-` between letters.
        let separators = part.split(alphanumeric).filter(|separator| !separator.is_empty());
        if let Some(bad) = separators
            .into_iter()
            .find(|separator| !matches!(*separator, "." | "_" | "__") && !separator.chars().all(|letter| letter == '-'))
        {
            return Err(format!("`{bad}` cannot separate parts of a name"));
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), String> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if tag.is_empty() {
        return Err("the tag is empty".into());
    }
    if tag.len() > LONGEST_TAG {
        return Err(format!("the tag is longer than {LONGEST_TAG} characters"));
    }
    if let Some(bad) = tag.chars().find(|letter| !word(*letter) && !".-".contains(*letter)) {
        return Err(format!("tags have letters, digits and `.`, `_`, `-`, not `{bad}`"));
    }
    if !tag.starts_with(word) {
        return Err("the tag must begin with a letter, a digit or `_`".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn references_are_read_as_people_write_them() {
        for (text, shown) in [
            ("ghcr.io/team/hello:0.1.0", "ghcr.io/team/hello:0.1.0"),
            ("oci://ghcr.io/team/hello:0.1.0", "ghcr.io/team/hello:0.1.0"),
            ("ghcr.io/team/hello", "ghcr.io/team/hello:latest"),
            ("GHCR.io/team/hello", "ghcr.io/team/hello:latest"),
            ("localhost/hello", "localhost/hello:latest"),
            ("localhost:5000/a/b/c/d:v1", "localhost:5000/a/b/c/d:v1"),
            ("registry:5000/hello:V1_x-y.z", "registry:5000/hello:V1_x-y.z"),
            ("my_registry.local:5000/hello", "my_registry.local:5000/hello:latest"),
            ("[::1]:5000/hello", "[::1]:5000/hello:latest"),
            ("127.0.0.1:5000/a__b/c--d.e_f", "127.0.0.1:5000/a__b/c--d.e_f:latest"),
            ("hello", "docker.io/library/hello:latest"),
            ("hello:1", "docker.io/library/hello:1"),
            ("team/hello:1", "docker.io/team/hello:1"),
            ("index.docker.io/hello", "docker.io/library/hello:latest"),
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), shown, "{text}");
        }
        assert!(Reference::says_which("localhost:5000/a:1") && Reference::says_which(&format!("a@{SHA}")));
        assert!(!Reference::says_which("localhost:5000/a") && Reference::says_which("a:1"));
        let digest = Reference::parse(&format!("ghcr.io/a/b@{SHA}")).unwrap();
        assert_eq!((digest.tag(), digest.target()), (None, SHA));
        let both = Reference::parse(&format!("ghcr.io/a/b:1@{SHA}")).unwrap();
        assert_eq!((both.tag(), both.target()), (Some("1"), SHA));
        assert_eq!(both.to_string(), format!("ghcr.io/a/b:1@{SHA}"));
    }

    #[test]
    fn what_is_no_reference_is_explained() {
        for (text, message, hint) in [
            ("", "it is empty", "ghcr.io/team/hello:0.1.0"),
            ("https://ghcr.io/a/b", "begins with `https://`", "write `ghcr.io/a/b`"),
            ("docker://x", "begins with `docker://`", "write `x`"),
            ("ghcr.io/Team/Hello:V1", "lowercase", "write `ghcr.io/team/hello:V1`"),
            ("ghcr.io/a b", "' '", "ghcr.io"),
            ("ghcr.io/", "the name behind the registry is missing", ""),
            ("ghcr.io/a//b", "a part of the name is empty", ""),
            ("ghcr.io/../b", "`..` must begin and end with a letter or digit", ""),
            ("ghcr.io/a/b%2f", "not `%`", ""),
            ("ghcr.io/a:x:y", "not `:`", ""),
            ("ghcr.io/a:", "the tag is empty", ""),
            ("ghcr.io/a:.x", "the tag must begin with", ""),
            ("ghcr.io:x/a", "`x` is not a port", ""),
            ("ghcr.io:0/a", "`0` is not a port", ""),
            ("-x.io/a", "`-x.io` is not a host", ""),
            ("[::1/a", "`[::1` is not a host", ""),
            ("ghcr.io/a@sha256:12", "64 hexadecimal digits", ""),
            ("ghcr.io/a@md5:12", "`md5`", ""),
            ("ghcr.io/a...b", "`...` cannot separate", ""),
        ] {
            let error = Reference::parse(text).unwrap_err();
            assert!(error.message().contains(message), "{text}: {error}");
            assert!(hint.is_empty() || error.hints()[0].contains(hint), "{text}: {:?}", error.hints());
            assert_eq!(error.exit_code(), 2, "{text}");
        }
        let long = format!("ghcr.io/{}", "a".repeat(300));
        assert!(Reference::parse(&long).unwrap_err().message().contains("longer than 255"));
        let long = format!("ghcr.io/a:{}", "a".repeat(129));
        assert!(Reference::parse(&long).unwrap_err().message().contains("longer than 128"));
    }

    #[test]
    fn any_text_is_read_or_refused_and_what_is_read_reads_back() {
        // Pieces that matter to the grammar, in every order of three.
        let pieces =
            ["a", "A", ".", ":", "/", "@", "-", "__", "[::1]", "localhost", "5000", SHA, "://", "%", "\u{e4}", " "];
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let text = format!("{first}{second}{third}");
                    if let Ok(reference) = Reference::parse(&text) {
                        assert_eq!(Reference::parse(&reference.to_string()).as_ref().ok(), Some(&reference), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn registries_are_hosts() {
        assert_eq!(parse_registry("https://ghcr.io/").unwrap(), "ghcr.io");
        assert_eq!(parse_registry("https://index.docker.io/v1/").unwrap(), "docker.io");
        assert_eq!(parse_registry("LOCALHOST:5000").unwrap(), "localhost:5000");
        let error = parse_registry("ghcr.io/team").unwrap_err();
        assert_eq!(error.hints(), ["write `ghcr.io`"]);
        assert!(parse_registry("").is_err() && parse_registry("a b").is_err());
    }
}
