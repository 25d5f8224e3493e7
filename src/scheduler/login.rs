//! Who we are to the scheduler's NATS server.
//!
//! Files are read for every connection: what was renewed on disk is used by the next one, without a
//! restart. No secret is in a message, a log or debug output.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_nats::Auth;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;

/// No credentials are larger, in bytes.
const LARGEST: u64 = 64 << 10;

/// How we prove who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    #[default]
    Nobody,
    /// A user and a password.
    Password { user: String, password: Secret },
    /// A token.
    Token(Secret),
    /// A file with the seed of an nkey.
    Nkey(PathBuf),
    /// A file with a JWT and the seed of its nkey, as `nsc` writes it.
    Credentials(PathBuf),
}

/// Something that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The secret itself.
    Text(String),
    /// A file that has it; white space around it does not belong to it.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Text(_) => f.write_str("(secret)"),
            Secret::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Secret {
    fn read(&self) -> Result<String, String> {
        match self {
            Secret::Text(text) => Ok(text.clone()),
            Secret::File(path) => match read(path)?.trim() {
                "" => Err(format!("the file `{}` is empty", path.display())),
                text => Ok(text.to_string()),
            },
        }
    }
}

impl Login {
    /// What is sent to a server that has sent this nonce to sign.
    pub fn auth(&self, nonce: &[u8]) -> Result<Auth, String> {
        let mut auth = Auth::new();
        match self {
            Login::Nobody => {}
            Login::Password { user, password } => {
                auth.username = Some(user.clone());
                auth.password = Some(password.read()?);
            }
            Login::Token(token) => auth.token = Some(token.read()?),
            Login::Nkey(path) => {
                let key = key_pair(path, read(path)?.trim())?;
                auth.signature = Some(sign(&key, nonce)?);
                auth.nkey = Some(key.public_key());
            }
            Login::Credentials(path) => {
                let text = read(path)?;
                let (jwt, seed) = parts(&text).ok_or_else(|| {
                    format!(
                        "there are no credentials in `{}`; it needs a section `NATS USER JWT` and a section \
                         `USER NKEY SEED`, as `nsc generate creds` writes them",
                        path.display()
                    )
                })?;
                check_expiry(path, jwt)?;
                auth.signature = Some(sign(&key_pair(path, seed)?, nonce)?);
                auth.jwt = Some(jwt.to_string());
            }
        }
        Ok(auth)
    }
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |why: String| format!("cannot read `{}`: {why}", path.display());
    let about = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?;
    if about.len() > LARGEST {
        return Err(cannot(format!("it has more than {LARGEST} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}

/// The library's own error may have parts of the seed in it.
fn key_pair(path: &Path, seed: &str) -> Result<KeyPair, String> {
    KeyPair::from_seed(seed)
        .map_err(|_| format!("there is no seed of an nkey in `{}`; one begins with `SU`", path.display()))
}

fn sign(key: &KeyPair, nonce: &[u8]) -> Result<Vec<u8>, String> {
    key.sign(nonce).map_err(|_| "the nkey cannot sign".to_string())
}

/// The JWT and the seed of a credentials file: the lines below `---BEGIN …---`.
fn parts(text: &str) -> Option<(&str, &str)> {
    let section = |name: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find(|line| line.starts_with("---") && line.contains("BEGIN") && line.contains(name))?;
        lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with("---"))
    };
    Some((section("JWT")?, section("SEED")?))
}

/// The server would only say that we may not connect.
fn check_expiry(path: &Path, jwt: &str) -> Result<(), String> {
    let expiry = jwt
        .split('.')
        .nth(1)
        .and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok())
        .and_then(|claims| serde_json::from_slice::<serde_json::Value>(&claims).ok())
        .and_then(|claims| claims.get("exp")?.as_u64())
        .filter(|expiry| *expiry > 0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    match expiry {
        Some(expiry) if expiry <= now => {
            let when = i64::try_from(expiry).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
            let when = when.map(|when| format!(" on {}", when.format("%Y-%m-%d"))).unwrap_or_default();
            Err(format!("the credentials in `{}` have expired{when}; issue new ones", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn credentials(jwt: &str, seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n*** IMPORTANT ***\n\n\
             -----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------\n"
        )
    }

    fn jwt_until(expiry: u64) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{expiry}}}")))
    }

    #[test]
    fn each_way_to_prove_who_we_are_is_what_the_server_is_told() {
        let (_folder, path) = file("pw from a file\n");
        let login = Login::Password { user: "alice".into(), password: Secret::File(path.clone()) };
        let auth = login.auth(b"").unwrap();
        assert_eq!((auth.username.unwrap(), auth.password.unwrap()), ("alice".into(), "pw from a file".into()));
        std::fs::write(&path, "renewed").unwrap();
        assert_eq!(login.auth(b"").unwrap().password.unwrap(), "renewed");
        let auth = Login::Token(Secret::Text("t".into())).auth(b"").unwrap();
        assert_eq!(auth.token.unwrap(), "t");

        let user = KeyPair::new_user();
        std::fs::write(&path, format!("{}\n", user.seed().unwrap())).unwrap();
        let auth = Login::Nkey(path.clone()).auth(b"nonce").unwrap();
        assert_eq!(auth.nkey.unwrap(), user.public_key());
        user.verify(b"nonce", &auth.signature.unwrap()).unwrap();

        for jwt in ["a.b.c".to_string(), jwt_until(0), jwt_until(u64::from(u32::MAX))] {
            std::fs::write(&path, credentials(&jwt, &user.seed().unwrap())).unwrap();
            let auth = Login::Credentials(path.clone()).auth(b"nonce").unwrap();
            assert_eq!(auth.jwt.unwrap(), jwt);
            user.verify(b"nonce", &auth.signature.unwrap()).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_names_the_file_and_shows_no_secret() {
        let seed = KeyPair::new_user().seed().unwrap();
        let broken = format!("{}X", &seed[..seed.len() - 1]);
        let (_folder, path) = file("");
        let shown = path.display().to_string();
        let check = |text: &str, login: Login, expected: &str| {
            std::fs::write(&path, text).unwrap();
            let error = login.auth(b"nonce").err().unwrap();
            assert!(error.contains(expected) && error.contains(&shown), "{error}");
            assert!(!error.contains(&broken) && !error.contains(&seed), "{error}");
        };
        check("", Login::Token(Secret::File(path.clone())), "is empty");
        check(&broken, Login::Nkey(path.clone()), "there is no seed of an nkey in");
        check(&seed, Login::Credentials(path.clone()), "there are no credentials in");
        check(&credentials("a.b.c", &broken), Login::Credentials(path.clone()), "there is no seed of an nkey in");
        check(&credentials(&jwt_until(86_400), &seed), Login::Credentials(path.clone()), "have expired on 1970-01-02");
        check(&"x".repeat(70_000), Login::Nkey(path.clone()), "it has more than 65536 bytes");
        assert!(Login::Nkey("/nowhere".into()).auth(b"").err().unwrap().starts_with("cannot read `/nowhere`: "));
        let shown = format!("{:?}", Login::Password { user: "alice".into(), password: Secret::Text("s3cret".into()) });
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
