//! Credential helpers: programs `docker-credential-NAME` that keep secrets in a keychain.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::Credential;
use crate::error::{Error, Result};

/// A helper may have to unlock a keychain, and ask for that; longer than this nobody is there.
const PATIENCE: Duration = Duration::from_secs(60);
/// This user name says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// The name of the helper's program.
pub(super) fn program(helper: &str) -> String {
    format!("docker-credential-{helper}")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks for the credential of a host.
pub(super) async fn get(helper: &str, server: &str, env: &BTreeMap<String, String>) -> Result<Option<Credential>> {
    let answer = match run(helper, "get", server.as_bytes(), env).await? {
        Ok(stdout) => stdout,
        // The one message of the protocol: it has nothing for this host.
        Err(said) if said.contains("credentials not found") => return Ok(None),
        Err(said) => return Err(failed(helper, "get", &said)),
    };
    let Ok(answer) = serde_json::from_slice::<Answer>(&answer) else {
        return Err(Error::failed(format!("`{}` answered something else than a credential", program(helper))));
    };
    Ok(match (answer.username.as_str(), answer.secret) {
        (_, secret) if secret.is_empty() => None,
        (TOKEN_USER, token) => Some(Credential::IdentityToken(token)),
        (username, password) => Some(Credential::Password { username: username.to_string(), password }),
    })
}

/// Keeps a credential.
pub(super) async fn store(
    helper: &str,
    server: &str,
    credential: &Credential,
    env: &BTreeMap<String, String>,
) -> Result<()> {
    let (username, secret) = match credential {
        Credential::Password { username, password } => (username.as_str(), password),
        Credential::IdentityToken(token) => (TOKEN_USER, token),
        Credential::Token(_) => {
            return Err(Error::failed(format!("`{}` cannot keep a bearer token", program(helper)))
                .hint("give it as WASH_OCI_TOKEN to each command"));
        }
    };
    let request = json!({ "ServerURL": server, "Username": username, "Secret": secret }).to_string();
    run(helper, "store", request.as_bytes(), env).await?.map(drop).map_err(|said| failed(helper, "store", &said))
}

/// Removes a credential.
pub(super) async fn erase(helper: &str, server: &str, env: &BTreeMap<String, String>) -> Result<()> {
    run(helper, "erase", server.as_bytes(), env).await?.map(drop).map_err(|said| failed(helper, "erase", &said))
}

fn failed(helper: &str, action: &str, said: &str) -> Error {
    let error = Error::failed(format!("`{} {action}` failed", program(helper)));
    if said.is_empty() { error } else { error.cause(said) }
}

/// Runs the helper: its stdout, or what it said when it failed. The latter never has a secret.
async fn run(
    helper: &str,
    action: &str,
    input: &[u8],
    env: &BTreeMap<String, String>,
) -> Result<Result<Vec<u8>, String>> {
    let name = program(helper);
    let cannot = |cause: String| Error::failed(format!("cannot ask the credential helper `{name}`")).cause(cause);
    if helper.contains(['/', '\\']) {
        return Err(cannot("its name has a path in it".into()));
    }
    let path = which::which_in_global(&name, env.get("PATH"))
        .ok()
        .and_then(|mut found| found.next())
        .ok_or_else(|| cannot("it is not installed".into()).hint(format!("install `{name}`, or wash oci login")))?;
    let mut child = tokio::process::Command::new(path)
        .arg(action)
        .env_clear()
        .envs(env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| cannot(error.to_string()))?;
    let mut stdin = child.stdin.take();
    let talk = async {
        if let Some(stdin) = &mut stdin {
            // A helper that ends without reading has its reason, which it says.
            let _ = stdin.write_all(input).await;
        }
        drop(stdin);
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(PATIENCE, talk)
        .await
        .map_err(|_| cannot(format!("it did not answer within {} s", PATIENCE.as_secs())))?
        .map_err(|error| cannot(error.to_string()))?;
    if output.status.success() {
        return Ok(Ok(output.stdout));
    }
    let said = [output.stdout, output.stderr].concat();
    Ok(Err(String::from_utf8_lossy(&said).trim().chars().take(500).collect()))
}
