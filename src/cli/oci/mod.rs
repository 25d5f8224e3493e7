//! `wash oci`: components in registries. One file a subcommand; here is what they share.

mod copy;
mod login;
mod pull;
mod push;
mod referrers;
mod tags;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;

use super::signals::run_until_interrupted;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::oci::{Client, ClientOptions, Credential, Freshness, Reference};

/// Secrets are shorter than this.
const LONGEST_PASSWORD: u64 = 64 << 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Push a component to a registry
    Push(push::Args),
    /// Pull a component from a registry
    Pull(pull::Args),
    /// List the tags of a name
    Tags(tags::Args),
    /// List what is attached to an artifact: bills of materials, provenance
    Referrers(referrers::Args),
    /// Copy an artifact from one registry to another
    #[command(alias = "cp")]
    Copy(copy::Args),
    /// Keep credentials for a registry
    Login(login::LoginArgs),
    /// Remove the credentials for a registry
    Logout(login::LogoutArgs),
}

impl Args {
    /// What documents call the command.
    pub fn name(&self) -> &'static str {
        match self.command {
            Command::Push(_) => push::COMMAND,
            Command::Pull(_) => pull::COMMAND,
            Command::Tags(_) => tags::COMMAND,
            Command::Referrers(_) => referrers::COMMAND,
            Command::Copy(_) => copy::COMMAND,
            Command::Login(_) => login::LOGIN,
            Command::Logout(_) => login::LOGOUT,
        }
    }
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    match args.command {
        Command::Push(args) => push::run(ctx, start, args),
        Command::Pull(args) => pull::run(ctx, start, args),
        Command::Tags(args) => tags::run(ctx, args),
        Command::Referrers(args) => referrers::run(ctx, args),
        Command::Copy(args) => copy::run(ctx, args),
        Command::Login(args) => login::login(ctx, args),
        Command::Logout(args) => login::logout(ctx, args),
    }
}

/// Flags about one registry: the way to it, and who we are for it.
#[derive(Debug, clap::Args)]
struct RegistryArgs {
    #[command(flatten)]
    credentials: CredentialArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, clap::Args)]
struct CredentialArgs {
    /// The user name for this registry
    #[arg(short, long, alias = "user", value_name = "NAME")]
    username: Option<String>,
    /// The password; others can see it in the list of processes, so prefer --password-stdin
    #[arg(short, long, value_name = "PASSWORD", requires = "username", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long, requires = "username")]
    password_stdin: bool,
}

/// Flags about the way to registries.
#[derive(Debug, clap::Args)]
pub(super) struct ConnectionArgs {
    /// Allow plain HTTP (a registry on this machine may always speak it)
    #[arg(long)]
    insecure: bool,
    /// Trust the certificates of this PEM file, or of the PEM files in this folder, too [env: WASH_OCI_CA_PATHS]
    #[arg(long, value_name = "PATH")]
    ca_path: Vec<PathBuf>,
    /// Give up when the registry sends nothing for so many seconds [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
}

impl RegistryArgs {
    /// A client for one registry, made of what flags and environment say.
    fn client(&self, ctx: &Context, registry: &str) -> Result<Client> {
        let mut opts = self.connection.options(ctx, Some(registry), &[registry])?;
        if let Some((username, password)) = self.credentials.read()? {
            opts.credentials.give(registry, Credential::Password { username, password }, "the command line");
        } else if self.credentials.username.is_some() {
            return Err(Error::usage("--username needs a password").hint("add --password-stdin, and pipe it in"));
        }
        Ok(Client::new(&opts)?)
    }
}

impl CredentialArgs {
    /// User name and password, if both are given.
    fn read(&self) -> Result<Option<(String, String)>> {
        let Some(username) = self.username.clone() else { return Ok(None) };
        Ok(match (&self.password, self.password_stdin) {
            (Some(password), _) => Some((username, password.clone())),
            (None, true) => Some((username, read_password()?)),
            (None, false) => None,
        })
    }
}

impl ConnectionArgs {
    /// What flags and environment say about the way to these registries. `only` is the one that the
    /// command is about, if there is one.
    fn options(&self, ctx: &Context, only: Option<&str>, registries: &[&str]) -> Result<ClientOptions> {
        let mut opts = ClientOptions::from_environment(ctx.env.clone(), &ctx.dirs.cache, only)?;
        opts.offline = ctx.offline;
        if self.insecure {
            opts.insecure.extend(registries.iter().map(|registry| registry.to_string()));
        }
        for path in opts.ca_paths.iter_mut() {
            *path = ctx.absolute(&*path);
        }
        opts.ca_paths.extend(self.ca_path.iter().map(|path| ctx.absolute(path)));
        if let Some(seconds) = self.timeout {
            opts.timing.stall = Duration::from_secs(seconds);
            opts.timing.connect = opts.timing.connect.min(opts.timing.stall);
        }
        Ok(opts)
    }
}

/// What a reference stands for, for commands that read components from anywhere: what was pulled
/// before is asked for again, and taken from the cache when it is the same or nobody answers.
pub(super) fn pull_bytes(ctx: &Context, connection: &ConnectionArgs, reference: &str) -> Result<Vec<u8>> {
    let reference = Reference::parse(reference)?;
    let client = Client::new(&connection.options(ctx, Some(reference.registry()), &[reference.registry()])?)?;
    run_until_interrupted(async {
        let pulled = client.pull(&reference, Freshness::Check, &*ctx.shell).await?;
        Ok(pulled.bytes()?)
    })
}

/// What stdin has, without the line break at its end.
fn read_password() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(LONGEST_PASSWORD)
        .read_to_string(&mut text)
        .map_err(|error| Error::caused_by("cannot read the password from stdin", &error))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Error::usage("there is no password on stdin").hint("pipe it in: echo \"$TOKEN\" | wash oci …"));
    }
    Ok(password.to_string())
}
