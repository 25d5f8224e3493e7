//! `wash oci login` and `logout`: credentials, kept where docker and others keep them.

use dialoguer::console::Term;
use serde::Serialize;

use super::RegistryArgs;
use crate::cli::new::ask;
use crate::cli::signals::run_until_interrupted;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::oci::credentials::LOGIN_SOURCE;
use crate::oci::{Client, Credential, Credentials, parse_registry};
use crate::progress::Progress;

pub(super) const LOGIN: &str = "oci login";
pub(super) const LOGOUT: &str = "oci logout";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The credentials are kept by the credential helper that docker's settings name, else in these
settings (DOCKER_CONFIG, ~/.docker), where docker, oras and wkg find them, too. REGISTRY_AUTH_FILE
names another file.")]
pub struct LoginArgs {
    /// The registry, e.g. ghcr.io or localhost:5000
    registry: String,
    #[command(flatten)]
    flags: RegistryArgs,
}

#[derive(Debug, clap::Args)]
pub struct LogoutArgs {
    /// The registry, e.g. ghcr.io or localhost:5000
    registry: String,
}

#[derive(Serialize)]
struct Login {
    registry: String,
    username: String,
    /// The file or helper that keeps it.
    kept_by: String,
    /// Whether the registry was asked and has accepted it.
    verified: bool,
}

pub fn login(ctx: &Context, args: LoginArgs) -> Result<()> {
    let registry = parse_registry(&args.registry)?;
    if ctx.offline {
        return Err(Error::usage("logging in needs the network, and `--offline` is set").hint("leave out --offline"));
    }
    let (username, password) = match args.flags.credentials.read()? {
        Some((username, password)) => (username, password),
        None => typed(ctx, &registry, args.flags.credentials.username.clone())?,
    };
    let credential = Credential::Password { username: username.clone(), password };
    let mut opts = args.flags.connection.options(ctx, None, &[&registry])?;
    opts.credentials.give(&registry, credential.clone(), LOGIN_SOURCE);
    let client = Client::new(&opts)?;
    let (outcome, stored) = run_until_interrupted(async {
        let outcome = client.check_login(&registry).await?;
        // What the registry has refused is not kept.
        let credentials = Credentials::from_environment(ctx.env.clone(), None)?;
        Ok((outcome, credentials.store(&registry, &credential).await?))
    })?;
    let verified = outcome == crate::oci::LoggedIn::Accepted;
    if !verified {
        ctx.shell.warning(&format!("{registry} asks nobody for credentials, so whether these are right is not known"));
    }
    if !stored.protected {
        ctx.shell.warning(&format!(
            "the password is kept in {}, which only you can read; a credential helper would encrypt it",
            stored.place
        ));
    }
    let report = Login { registry, username, kept_by: stored.place, verified };
    ctx.shell.result(LOGIN, &report, || format!("logged in to {} as {}", report.registry, report.username));
    Ok(())
}

/// Asks at the terminal for what the command line does not say.
fn typed(ctx: &Context, registry: &str, username: Option<String>) -> Result<(String, String)> {
    if !ctx.interactive {
        return Err(Error::usage(format!("no credentials for {registry} are given, and nobody can be asked"))
            .hint(format!("echo \"$TOKEN\" | wash oci login {registry} --username NAME --password-stdin")));
    }
    let registry = registry.to_string();
    run_until_interrupted(async move {
        let mut stop = ask::Stop::listen()?;
        ask::question(&mut stop, move || {
            let term = Term::stderr();
            let username = match username {
                Some(username) => username,
                None => {
                    term.write_str(&format!("User name for {registry}: "))?;
                    term.read_line()?
                }
            };
            term.write_str(&format!("Password of {}: ", username.trim()))?;
            let password = term.read_secure_line()?;
            Ok((username.trim().to_string(), password))
        })
        .await
    })
    .and_then(|(username, password)| {
        if username.is_empty() || password.is_empty() {
            return Err(Error::usage("user name and password are both needed"));
        }
        Ok((username, password))
    })
}

#[derive(Serialize)]
struct Logout {
    registry: String,
    /// The files and helpers that had something.
    removed_from: Vec<String>,
}

pub fn logout(ctx: &Context, args: LogoutArgs) -> Result<()> {
    let registry = parse_registry(&args.registry)?;
    let credentials = Credentials::from_environment(ctx.env.clone(), None)?;
    let removed_from = run_until_interrupted(async { credentials.erase(&registry).await })?;
    let report = Logout { registry, removed_from };
    ctx.shell.result(LOGOUT, &report, || match report.removed_from.is_empty() {
        true => format!("there are no credentials for {}", report.registry),
        false => format!("removed the credentials for {} from {}", report.registry, report.removed_from.join(", ")),
    });
    Ok(())
}
