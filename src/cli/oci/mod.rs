//! `wash oci`: components in registries. One file a subcommand; here is what they share.

mod pull;
mod push;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::oci::{Client, ClientOptions, Credential};

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
}

impl Args {
    /// What documents call the command.
    pub fn name(&self) -> &'static str {
        match self.command {
            Command::Push(_) => push::COMMAND,
            Command::Pull(_) => pull::COMMAND,
        }
    }
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    match args.command {
        Command::Push(args) => push::run(ctx, start, args),
        Command::Pull(args) => pull::run(ctx, start, args),
    }
}

/// Flags about the registry, of every subcommand that talks to one.
#[derive(Debug, clap::Args)]
struct RegistryArgs {
    /// Allow plain HTTP for this registry (one on this machine may always speak it)
    #[arg(long)]
    insecure: bool,
    /// The user name for this registry
    #[arg(short, long, alias = "user", value_name = "NAME")]
    username: Option<String>,
    /// The password; others can see it in the list of processes, so prefer --password-stdin
    #[arg(short, long, value_name = "PASSWORD", requires = "username", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// Trust the certificates in this PEM file, or in the PEM files of this folder, too [env: WASH_OCI_CA_PATHS]
    #[arg(long, value_name = "PATH")]
    ca_path: Vec<PathBuf>,
    /// Give up when the registry sends nothing for so many seconds [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
}

impl RegistryArgs {
    /// What the flags and the environment say about a registry.
    fn options(&self, ctx: &Context, registry: &str) -> Result<ClientOptions> {
        let mut opts = ClientOptions::from_environment(ctx.env.clone(), &ctx.dirs.cache, Some(registry))?;
        opts.offline = ctx.offline;
        if self.insecure {
            opts.insecure.insert(registry.to_string());
        }
        for path in opts.ca_paths.iter_mut() {
            *path = ctx.absolute(&*path);
        }
        opts.ca_paths.extend(self.ca_path.iter().map(|path| ctx.absolute(path)));
        if let Some(seconds) = self.timeout {
            opts.timing.stall = Duration::from_secs(seconds);
            opts.timing.connect = opts.timing.connect.min(opts.timing.stall);
        }
        if let Some(credential) = self.credential()? {
            opts.credentials.give(registry, credential, "the command line");
        }
        Ok(opts)
    }

    fn client(&self, ctx: &Context, registry: &str) -> Result<Client> {
        Ok(Client::new(&self.options(ctx, registry)?)?)
    }

    /// The credential of the flags.
    fn credential(&self) -> Result<Option<Credential>> {
        let Some(username) = self.username.clone() else { return Ok(None) };
        let password = match (&self.password, self.password_stdin) {
            (Some(password), _) => password.clone(),
            (None, true) => read_password()?,
            (None, false) => {
                return Err(Error::usage("--username needs a password").hint("add --password-stdin, and pipe it in"));
            }
        };
        Ok(Some(Credential::Password { username, password }))
    }
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
