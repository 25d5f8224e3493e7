//! Who we are for which registry.
//!
//! A credential belongs to one host (with its port) and is never given to another one. Sources, the
//! first that has something wins: what the command line or `WASH_OCI_…` say; the file of
//! `REGISTRY_AUTH_FILE`; docker's settings (a helper for the host, the helper for all, the entry of
//! the host); podman's file; nothing. Only the source is ever logged.

mod auth_file;
mod helper;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth_file::AuthFile;

use crate::error::{Error, Result};

/// The source of what was given to `login`.
pub const LOGIN_SOURCE: &str = "login";

/// What proves to a registry who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user name with a password or an access token in its place.
    Password {
        /// The user's name.
        username: String,
        /// The secret.
        password: String,
    },
    /// An OAuth2 refresh token, which is exchanged for tokens of short life.
    IdentityToken(String),
    /// A bearer token that is sent as it is.
    Token(String),
}

/// Without the secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Password { username, .. } => write!(f, "Password {{ username: {username:?}, .. }}"),
            Credential::IdentityToken(_) => f.write_str("IdentityToken(..)"),
            Credential::Token(_) => f.write_str("Token(..)"),
        }
    }
}

/// A credential with the place it comes from, for people.
#[derive(Clone, Debug)]
pub struct Found {
    /// The credential.
    pub credential: Credential,
    /// E.g. `~/.docker/config.json`, or `docker-credential-pass`.
    pub source: String,
}

/// The outcome of a search.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// Nothing: the registry is asked anonymously.
    pub found: Option<Found>,
    /// What did not work on the way, e.g. a helper that is not installed.
    pub troubles: Vec<String>,
}

/// Finds, stores and removes credentials. Reads files anew at each call.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The host, and what was said for it.
    given: Vec<(String, Found)>,
    env: Arc<BTreeMap<String, String>>,
}

/// Without the environment, which may have secrets in it.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("given", &self.given).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those of the files and helpers that this environment leads to, and of `WASH_OCI_TOKEN` or
    /// `WASH_OCI_USERNAME` and `WASH_OCI_PASSWORD`. These belong to the host in `WASH_OCI_REGISTRY`;
    /// without it to `registry`, the one registry that the command is about.
    pub fn from_environment(env: Arc<BTreeMap<String, String>>, registry: Option<&str>) -> Result<Self> {
        let var = |name: &str| env.get(name).filter(|value| !value.is_empty());
        let host = match var("WASH_OCI_REGISTRY") {
            Some(host) => Some(
                super::parse_registry(host).map_err(|error| error.wrap("`WASH_OCI_REGISTRY` cannot be understood"))?,
            ),
            None => registry.map(str::to_string),
        };
        let found = match (var("WASH_OCI_TOKEN"), var("WASH_OCI_USERNAME"), var("WASH_OCI_PASSWORD")) {
            (Some(token), _, _) => Some((Credential::Token(token.clone()), "WASH_OCI_TOKEN")),
            (None, Some(username), Some(password)) => {
                let (username, password) = (username.clone(), password.clone());
                Some((Credential::Password { username, password }, "WASH_OCI_USERNAME"))
            }
            (None, None, None) => None,
            (None, Some(_), None) => {
                return Err(Error::usage("`WASH_OCI_USERNAME` is set, `WASH_OCI_PASSWORD` is not")
                    .hint("set both, or neither of them"));
            }
            (None, None, Some(_)) => {
                return Err(Error::usage("`WASH_OCI_PASSWORD` is set, `WASH_OCI_USERNAME` is not")
                    .hint("set both, or WASH_OCI_TOKEN for a bearer token"));
            }
        };
        let mut credentials = Credentials { given: Vec::new(), env };
        if let (Some((credential, source)), Some(host)) = (found, host) {
            credentials.give(&host, credential, source);
        }
        Ok(credentials)
    }

    /// Says what to use for a host; goes before everything that was said earlier and what is stored.
    pub fn give(&mut self, registry: &str, credential: Credential, source: &str) {
        let found = Found { credential, source: source.to_string() };
        self.given.insert(0, (registry.to_string(), found));
    }

    /// Finds what to use for a host. A file of podman's may have entries for a part of its names.
    pub async fn lookup(&self, registry: &str, repository: Option<&str>) -> Lookup {
        let mut lookup = Lookup::default();
        if let Some((_, found)) = self.given.iter().find(|(host, _)| host == registry) {
            lookup.found = Some(found.clone());
            return lookup;
        }
        for path in self.files() {
            let file = match AuthFile::read(&path) {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                Err(error) => {
                    lookup.troubles.push(error.to_string());
                    continue;
                }
            };
            for helper in file.helpers(registry) {
                match helper::get(&helper, &auth_file::server_of(registry), &self.env).await {
                    Ok(Some(credential)) => {
                        lookup.found = Some(Found { credential, source: helper::program(&helper) });
                        return lookup;
                    }
                    Ok(None) => {}
                    Err(error) => lookup.troubles.push(error.to_string()),
                }
            }
            match file.entry(registry, repository) {
                Ok(Some(credential)) => {
                    lookup.found = Some(Found { credential, source: self.short(&path) });
                    return lookup;
                }
                Ok(None) => {}
                Err(why) => {
                    lookup.troubles.push(format!("`{}` has an unusable entry for {registry}: {why}", path.display()))
                }
            }
        }
        lookup
    }

    /// Keeps a credential where other tools find it, too: in the helper that docker's settings name,
    /// else in docker's settings themselves. Returns the place. An existing file keeps everything
    /// else that it has.
    pub async fn store(&self, registry: &str, credential: &Credential) -> Result<Stored> {
        let path = self.login_file()?;
        let mut file = AuthFile::read(&path)?.unwrap_or_default();
        let helper = file.helpers(registry).into_iter().next();
        if let Some(helper) = helper {
            helper::store(&helper, &auth_file::server_of(registry), credential, &self.env).await?;
            // As docker does: the entry says that there is something to be asked for.
            file.set_entry(registry, None);
            file.write(&path)?;
            return Ok(Stored { place: helper::program(&helper), protected: true });
        }
        file.set_entry(registry, Some(credential));
        file.write(&path)?;
        Ok(Stored { place: self.short(&path), protected: false })
    }

    /// Removes what is stored for a host, wherever it is found. Returns the places.
    pub async fn erase(&self, registry: &str) -> Result<Vec<String>> {
        let mut places = Vec::new();
        for path in self.files() {
            let Some(mut file) = AuthFile::read(&path)? else { continue };
            for helper in file.helpers(registry) {
                let server = auth_file::server_of(registry);
                // A helper that has nothing may say so as an error.
                if helper::get(&helper, &server, &self.env).await?.is_some() {
                    helper::erase(&helper, &server, &self.env).await?;
                    places.push(helper::program(&helper));
                }
            }
            if file.remove_entry(registry) {
                file.write(&path)?;
                places.push(self.short(&path));
            }
        }
        Ok(places)
    }

    /// The files that may have credentials, the most important first.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = [self.path_of("REGISTRY_AUTH_FILE"), self.docker_file()]
            .into_iter()
            .chain(self.podman_files())
            .flatten()
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        files.retain(|path| seen.insert(path.clone()));
        files
    }

    /// Where `login` writes to.
    fn login_file(&self) -> Result<PathBuf> {
        self.path_of("REGISTRY_AUTH_FILE").or_else(|| self.docker_file()).ok_or_else(|| {
            Error::failed("cannot tell where to keep credentials").hint("set HOME or DOCKER_CONFIG to a folder you own")
        })
    }

    fn docker_file(&self) -> Option<PathBuf> {
        let folder = self.path_of("DOCKER_CONFIG").or_else(|| Some(self.home()?.join(".docker")))?;
        Some(folder.join("config.json"))
    }

    fn podman_files(&self) -> [Option<PathBuf>; 2] {
        let file = |folder: Option<PathBuf>| folder.map(|folder| folder.join("containers/auth.json"));
        let config = self.path_of("XDG_CONFIG_HOME").or_else(|| Some(self.home()?.join(".config")));
        [file(self.path_of("XDG_RUNTIME_DIR")), file(config)]
    }

    fn home(&self) -> Option<PathBuf> {
        self.path_of("HOME").or_else(|| self.path_of("USERPROFILE"))
    }

    /// A path of the environment. Relative ones would mean another place for every caller.
    fn path_of(&self, name: &str) -> Option<PathBuf> {
        self.env.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    fn short(&self, path: &Path) -> String {
        match self.home().and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf)) {
            Some(rest) => format!("~/{}", rest.display()),
            None => path.display().to_string(),
        }
    }
}

/// Where a credential was kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// A file or a helper's program.
    pub place: String,
    /// Whether a helper protects it; a file only has its permissions.
    pub protected: bool,
}

#[cfg(test)]
mod tests;
