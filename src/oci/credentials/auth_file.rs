//! The file in which docker, podman and others keep credentials, and we with them.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value as Json, json};

use super::Credential;
use crate::error::{Context as _, Error, Result};

/// Larger files are somebody's mistake.
const LARGEST: u64 = 4 << 20;
/// Under this name docker keeps what belongs to Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// Padding is written, and not insisted on.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The name of a registry in files and for helpers.
pub(super) fn server_of(registry: &str) -> String {
    match registry {
        "docker.io" => DOCKER_HUB.to_string(),
        _ => registry.to_string(),
    }
}

/// The content of such a file. Keys that we do not know are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct AuthFile(Map<String, Json>);

impl AuthFile {
    /// Nothing, if there is no such file, or nothing in it.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let doing = || format!("cannot read the credentials in `{}`", path.display());
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() > LARGEST => {
                return Err(Error::failed(doing()).cause(format!("it is larger than {LARGEST} bytes")));
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(Error::caused_by(doing(), &error)),
        }
        let text = fs::read_to_string(path).context(doing)?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        // The parser's message has line and column, and never a value.
        match serde_json::from_str::<Json>(&text) {
            Ok(Json::Object(map)) => Ok(Some(AuthFile(map))),
            Ok(_) => Err(Error::failed(doing()).cause("it is not a JSON object")),
            Err(error) => {
                let place = format!("it is not JSON: line {}, column {}", error.line(), error.column());
                Err(Error::failed(doing()).cause(place))
            }
        }
    }

    /// Writes the file whole or not at all, readable by its owner only.
    pub fn write(&self, path: &Path) -> Result<()> {
        let doing = || format!("cannot write `{}`", path.display());
        // A link stays a link: people keep such files elsewhere.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder).context(doing)?;
        // `tempfile` makes files that only their owner can read.
        let mut file = tempfile::NamedTempFile::new_in(folder).context(doing)?;
        let text = serde_json::to_string_pretty(&self.0).context(doing)?;
        writeln!(file, "{text}").and_then(|()| file.as_file().sync_all()).context(doing)?;
        file.persist(&path).map(drop).map_err(|error| error.error).context(doing)
    }

    /// The helpers to ask for a host: its own, then the one for all.
    pub fn helpers(&self, registry: &str) -> Vec<String> {
        let name = |value: &Json| value.as_str().filter(|name| !name.is_empty()).map(str::to_string);
        let own = self.0.get("credHelpers").and_then(Json::as_object).and_then(|helpers| {
            helpers.iter().find(|(key, _)| host_of(key) == registry).and_then(|(_, value)| name(value))
        });
        let common = self.0.get("credsStore").and_then(name);
        own.into_iter().chain(common).collect()
    }

    /// What the file itself has for a host: the entry for the longest part of the name.
    pub fn entry(&self, registry: &str, repository: Option<&str>) -> Result<Option<Credential>, String> {
        let Some(auths) = self.0.get("auths").and_then(Json::as_object) else { return Ok(None) };
        let mut scope = repository;
        while let Some(part) = scope {
            if let Some(entry) = auths.get(&format!("{registry}/{part}")) {
                return credential_of(entry);
            }
            scope = part.rsplit_once('/').map(|(before, _)| before);
        }
        // An empty entry beside a full one under another spelling says nothing.
        for (_, entry) in auths.iter().filter(|(key, _)| host_of(key) == registry) {
            if let Some(credential) = credential_of(entry)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// Sets the entry of a host; one without credential says that a helper has it.
    pub fn set_entry(&mut self, registry: &str, credential: Option<&Credential>) {
        self.remove_entry(registry);
        let entry = match credential {
            None => json!({}),
            Some(Credential::Password { username, password }) => {
                json!({ "auth": BASE64.encode(format!("{username}:{password}")) })
            }
            Some(Credential::IdentityToken(token)) => json!({ "auth": "", "identitytoken": token }),
            Some(Credential::Token(token)) => json!({ "registrytoken": token }),
        };
        let auths = self.0.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        if let Some(auths) = auths.as_object_mut() {
            auths.insert(server_of(registry), entry);
        }
    }

    /// Removes the entries of a host; whether there were any.
    pub fn remove_entry(&mut self, registry: &str) -> bool {
        let Some(auths) = self.0.get_mut("auths").and_then(Json::as_object_mut) else { return false };
        let before = auths.len();
        auths.retain(|key, _| host_of(key) != registry);
        auths.len() != before
    }
}

/// The host of a key, which may be an address: `https://ghcr.io/v1/`.
fn host_of(key: &str) -> &str {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let host = match bare {
        // What stands behind the host of an address is the version of the API.
        Some(bare) => bare.split('/').next().unwrap_or(bare),
        // What stands behind a bare host is a part of its names, and means only these.
        None => key,
    };
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    }
}

fn credential_of(entry: &Json) -> Result<Option<Credential>, String> {
    let text = |key: &str| entry.get(key).and_then(Json::as_str).filter(|value| !value.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credential::IdentityToken(token.to_string())));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credential::Token(token.to_string())));
    }
    if let Some(auth) = text("auth") {
        let decoded = BASE64.decode(auth.trim()).map_err(|_| "`auth` is not base64".to_string())?;
        let decoded = String::from_utf8(decoded).map_err(|_| "`auth` is not UTF-8".to_string())?;
        let (username, password) = decoded.split_once(':').ok_or("`auth` is not a name and a password")?;
        // Older versions of docker padded with zeros.
        let password = password.trim_end_matches('\0');
        if username.is_empty() && password.is_empty() {
            return Ok(None);
        }
        return Ok(Some(Credential::Password { username: username.into(), password: password.into() }));
    }
    Ok(match (text("username"), text("password")) {
        (Some(username), Some(password)) => {
            Some(Credential::Password { username: username.into(), password: password.into() })
        }
        _ => None,
    })
}
