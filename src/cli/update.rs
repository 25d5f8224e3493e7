//! `wash update`: a newer release in the place of this one.

use super::signals::run_until_interrupted;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::progress::Progress as _;
use crate::update::{self, Allow, Options, Report, Repository, Token};

/// What its documents are called.
pub const COMMAND: &str = "update";

/// Where a token is looked for after --token and WASH_GITHUB_TOKEN. These are meant for github.com and
/// are sent nowhere else.
const GITHUB_TOKENS: &[&str] = &["GITHUB_TOKEN", "GH_TOKEN", "GITHUB_ACCESS_TOKEN"];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --major, --minor or --patch, wash moves to the newest compatible release, and says which newer one there is.
Nothing else in wash asks for newer releases.")]
pub struct Args {
    /// Only tell which release there is
    #[arg(short, long)]
    dry_run: bool,
    /// Install the newest release again although it is the current one
    #[arg(short, long)]
    force: bool,
    /// The repository with the releases: OWNER/NAME, or https://HOST/OWNER/NAME
    #[arg(long, value_name = "REPOSITORY", default_value = update::REPOSITORY)]
    git: String,
    /// Move to a release that breaks something, too
    #[arg(long, conflicts_with_all = ["minor", "patch"])]
    major: bool,
    /// Move to new features within the major version
    #[arg(long, conflicts_with = "patch")]
    minor: bool,
    /// Move to corrections only
    #[arg(long)]
    patch: bool,
    /// A GitHub token, for private repositories [also: GITHUB_TOKEN, GH_TOKEN, GITHUB_ACCESS_TOKEN]
    #[arg(long, env = "WASH_GITHUB_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

pub fn run(ctx: &Context, args: Args) -> Result<()> {
    if ctx.offline {
        return Err(Error::failed("`wash update` needs the network, which `--offline` forbids")
            .hint("leave out --offline, and unset WASH_OFFLINE"));
    }
    let repository = Repository::parse(&args.git)?;
    let own = args.token.as_deref().and_then(Token::new);
    let token = own.or_else(|| {
        let names = GITHUB_TOKENS.iter().filter(|_| repository.is_on_github());
        names.filter_map(|name| ctx.var(name)).find_map(Token::new)
    });
    let allow = match (args.major, args.minor, args.patch) {
        (true, _, _) => Allow::Major,
        (_, true, _) => Allow::Minor,
        (_, _, true) => Allow::Patch,
        _ => Allow::Compatible,
    };
    let current = env!("CARGO_PKG_VERSION").parse().map_err(|error| Error::caused_by("wash has no version", &error))?;
    let opts = Options {
        repository,
        token,
        allow,
        force: args.force,
        dry_run: args.dry_run,
        current,
        program: ctx.program()?,
    };
    let shell = &ctx.shell;
    let report = run_until_interrupted(update::update(&opts, &**shell))?;
    shell.result(COMMAND, &report, || text(&report));
    if report.wanted && !report.updated {
        shell.hint("install it: wash update");
    }
    if let Some(version) = &report.held_back {
        let major = |version: &str| version.split('.').next().map(str::to_string);
        let flag = if major(version) == major(&report.current) { "--minor" } else { "--major" };
        shell.hint(&format!("wash {version} is there, too; its notes say what it changes: wash update {flag}"));
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let Report { current, newest, program, notes, .. } = report;
    let mut lines = vec![match newest {
        Some(newest) if report.updated => format!("updated wash {current} to {newest}: {}", program.display()),
        Some(newest) if report.wanted => format!("wash {newest} can be installed; this is {current}"),
        Some(_) => format!("wash {current} is the newest"),
        None => format!("there is no release for wash {current} to move to"),
    }];
    if let Some(notes) = notes.as_ref().filter(|notes| report.wanted && !notes.is_empty()) {
        lines.push(format!("  what is new  {notes}"));
    }
    lines.join("\n")
}
