//! The releases of a repository, by GitHub's interface (<https://docs.github.com/rest/releases/releases>).

use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Response, StatusCode};
use semver::Version;
use serde::Deserialize;
use url::Url;

use crate::error::{Error, Result};

/// How long to wait for a connection, and between two pieces of an answer.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the list of releases may take.
const LIST_PATIENCE: Duration = Duration::from_secs(60);
/// The largest list that is read.
const LONGEST_LIST: u64 = 16 << 20;
/// As many releases as a page can have: a newer version is on the first.
const PER_PAGE: u32 = 100;

/// A repository on GitHub, or on a server with the same interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `OWNER/NAME`
    name: String,
    /// Where its interface is, without a `/` at the end.
    api: String,
}

impl Repository {
    /// Reads `OWNER/NAME`, or a URL: `https://HOST/OWNER/NAME`.
    ///
    /// Errors: what is neither. Plain HTTP is only for this machine.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::usage(format!("`{text}` is not a repository: {why}"))
                .hint("write OWNER/NAME, or https://HOST/OWNER/NAME")
        };
        let (api, path) = if text.contains("://") {
            let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
            let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            match url.scheme() {
                "https" => {}
                "http" if is_local => {}
                scheme => return Err(wrong(&format!("a release does not come by `{scheme}`"))),
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err(Error::usage("the URL of the repository has credentials in it").hint("use --token"));
            }
            let origin = url.origin().ascii_serialization();
            let api = if url.host_str() == Some("github.com") {
                "https://api.github.com".to_string()
            } else {
                format!("{origin}/api/v3")
            };
            (api, url.path().trim_matches('/').trim_end_matches(".git").to_string())
        } else {
            ("https://api.github.com".to_string(), text.to_string())
        };
        let fits = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match path.split('/').collect::<Vec<_>>()[..] {
            [owner, name] if fits(owner) && fits(name) => Ok(Repository { name: path, api }),
            _ => Err(wrong("it does not have an owner and a name")),
        }
    }

    /// Whether it is on github.com itself.
    pub fn is_on_github(&self) -> bool {
        self.api == "https://api.github.com"
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What proves to the server who asks.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Wraps the secret. An empty text is none.
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        (!secret.is_empty()).then(|| Token(secret.to_string()))
    }
}

/// Without the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A release with its files.
#[derive(Debug)]
pub struct Release {
    pub version: Version,
    /// The page that people read.
    pub page: String,
    files: Vec<File>,
}

/// A file of a release.
#[derive(Clone, Debug, Deserialize)]
pub struct File {
    pub name: String,
    #[serde(default)]
    pub size: u64,
    /// Where browsers get it.
    browser_download_url: String,
    /// Where those with a token get it.
    url: String,
}

impl Release {
    /// The file for a platform.
    pub fn file(&self, target: &str) -> Result<&File> {
        let names = [format!("wash-{target}"), format!("wash-{target}.exe")];
        self.named(|name| names.iter().any(|wanted| wanted == name)).ok_or_else(|| {
            let known: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
            Error::failed(format!("the release {} has no file for {target}", self.version))
                .cause(format!("it has {}", if known.is_empty() { "no files".to_string() } else { known.join(", ") }))
                .hint("build it from its source code: cargo build --release")
        })
    }

    /// The file with the checksums of all others.
    pub fn checksums(&self) -> Result<&File> {
        self.named(|name| name == "SHA256SUMS").ok_or_else(|| {
            Error::failed(format!("the release {} has no SHA256SUMS: what it has cannot be checked", self.version))
        })
    }

    fn named(&self, is_wanted: impl Fn(&str) -> bool) -> Option<&File> {
        self.files.iter().find(|file| is_wanted(&file.name))
    }
}

#[derive(Deserialize)]
struct Listed {
    tag_name: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    assets: Vec<File>,
}

/// Asks one repository.
pub struct Client {
    http: reqwest::Client,
    repository: Repository,
    token: Option<Token>,
}

impl Client {
    /// Nothing is asked yet.
    pub fn new(repository: &Repository, token: Option<Token>) -> Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("wash/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(SILENCE)
            .read_timeout(SILENCE)
            // Also where a server redirects to. On this machine there is nobody in between.
            .https_only(repository.api.starts_with("https:"))
            .build()
            .map_err(|error| Error::caused_by("cannot set up TLS", &error))?;
        Ok(Client { http, repository: repository.clone(), token })
    }

    /// All releases, as the server orders them. What is no version is none of ours.
    pub async fn list(&self) -> Result<Vec<Release>> {
        let repository = &self.repository;
        let url = format!("{}/repos/{}/releases?per_page={PER_PAGE}", repository.api, repository.name);
        let cannot = || format!("cannot get the releases of `{repository}`");
        let answer = self.get(&url, "application/vnd.github+json").timeout(LIST_PATIENCE).send().await;
        let answer = self.checked(answer, cannot)?;
        let mut bytes = Vec::new();
        let collect = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        read(answer, LONGEST_LIST, collect).await.map_err(|error| error.wrap(cannot()))?;
        let listed: Vec<Listed> = serde_json::from_slice(&bytes).map_err(|error| Error::caused_by(cannot(), &error))?;
        let release = |listed: Listed| {
            let version = listed.tag_name.strip_prefix('v').unwrap_or(&listed.tag_name).parse().ok()?;
            (!listed.draft).then_some(Release { version, page: listed.html_url, files: listed.assets })
        };
        Ok(listed.into_iter().filter_map(release).collect())
    }

    /// Downloads a file of at most `limit` bytes, and gives every piece to `each`.
    pub async fn download(&self, file: &File, limit: u64, each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let cannot = || format!("cannot download `{}`", file.name);
        // Only the interface knows tokens; it counts requests, so others take the way of browsers.
        let url = if self.token.is_some() { &file.url } else { &file.browser_download_url };
        let answer = self.checked(self.get(url, "application/octet-stream").send().await, cannot)?;
        read(answer, limit, each).await.map_err(|error| error.wrap(cannot()))
    }

    fn get(&self, url: &str, accept: &str) -> reqwest::RequestBuilder {
        let request = self.http.get(url).header(ACCEPT, accept);
        // What a server calls its files' addresses decides nothing about who sees the token.
        match &self.token {
            Some(Token(token)) if url.starts_with(&format!("{}/", self.repository.api)) => {
                request.header(AUTHORIZATION, format!("Bearer {token}"))
            }
            _ => request,
        }
    }

    fn checked(&self, answer: reqwest::Result<Response>, what: impl Fn() -> String) -> Result<Response> {
        let answer = answer.map_err(|error| {
            Error::caused_by(what(), &error.without_url())
                .hint("check whether you are online; HTTPS_PROXY=http://HOST:PORT is respected")
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let rest = answer.headers().get("x-ratelimit-remaining").and_then(|value| value.to_str().ok());
        let is_limited = rest == Some("0") || status == StatusCode::TOO_MANY_REQUESTS;
        let error = Error::failed(what()).cause(format!("the server answers {status}"));
        let own_token = "give a token that may read it: --token, or WASH_GITHUB_TOKEN";
        Err(match status {
            _ if is_limited && self.token.is_none() => {
                error.hint("too many questions came from this network: try later, or set WASH_GITHUB_TOKEN")
            }
            _ if is_limited => error.hint("this token has asked too often: try again in an hour"),
            StatusCode::NOT_FOUND if self.token.is_none() => {
                error.hint(format!("check the name; if it is private, {own_token}"))
            }
            StatusCode::NOT_FOUND => error.hint("check the name, and whether the token may read it"),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => error.hint(own_token),
            _ => error.hint("try again later"),
        })
    }
}

async fn read(mut answer: Response, limit: u64, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let broken =
        |error: reqwest::Error| Error::caused_by("the connection broke", &error.without_url()).hint("try again");
    let mut length = 0;
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        length += piece.len() as u64;
        if length > limit {
            return Err(Error::failed(format!("it is longer than {limit} bytes")));
        }
        each(&piece)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_names_or_urls() {
        for (text, api, name) in [
            ("wasm-shell/wash", "https://api.github.com", "wasm-shell/wash"),
            ("https://github.com/a/b", "https://api.github.com", "a/b"),
            ("https://github.com/a/b.git", "https://api.github.com", "a/b"),
            ("https://git.example:8443/a/b/", "https://git.example:8443/api/v3", "a/b"),
            ("http://127.0.0.1:8000/a/b", "http://127.0.0.1:8000/api/v3", "a/b"),
        ] {
            let repository = Repository::parse(text).unwrap();
            assert_eq!((repository.api.as_str(), repository.name.as_str()), (api, name), "{text}");
        }
        for text in [
            "",
            "wash",
            "a/b/c",
            "../x",
            "a/..",
            "a b/c",
            "http://github.com/a/b",
            "ftp://h/a/b",
            "https://me:pw@h/a/b",
        ] {
            assert!(Repository::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_is_not_shown_and_goes_to_the_interface_only() {
        let repository = Repository::parse("https://git.example/a/b").unwrap();
        let token = Token::new(" secret-word ").unwrap();
        assert!(!format!("{token:?}").contains("secret"));
        assert!(Token::new("  ").is_none());
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::new(&repository, Some(token)).unwrap();
        let header = |url: &str| {
            let request = client.get(url, "*/*").build().unwrap();
            request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_string())
        };
        assert_eq!(header("https://git.example/api/v3/x").as_deref(), Some("Bearer secret-word"));
        for elsewhere in
            ["https://git.example/other", "https://git.example.evil/api/v3/x", "https://cdn.example/api/v3/"]
        {
            assert_eq!(header(elsewhere), None, "{elsewhere}");
        }
    }
}
