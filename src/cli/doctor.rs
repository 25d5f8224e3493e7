//! `wash doctor`: what is in the way of building and running, and what mends it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::signals::run_until_interrupted;
use crate::context::Context;
use crate::doctor::{self, Options, Report};
use crate::error::{Error, Result};
use crate::progress::Progress as _;
use crate::project;
use crate::shell::Format;
use crate::toolchain::{self, BuildOptions, State, ToolOutput, WitFetch};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
In a project, looks at what its build needs; elsewhere, at every language that wash knows. Exits with 1
when something does not work. Changes nothing without --fix.")]
pub struct Args {
    /// Run the commands that mend something without risk, after asking for each
    #[arg(long)]
    fix: bool,
    /// With --fix, do not ask
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Ask this registry, too, with the credentials that there are for it; may be repeated
    #[arg(long = "registry", value_name = "HOST")]
    registries: Vec<String>,
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    if args.fix && !args.yes && !ctx.interactive {
        return Err(Error::usage("`--fix` asks before each command, and nobody can be asked here").hint("add --yes"));
    }
    let request = project::Request {
        start,
        env: &ctx.env,
        user_config: ctx.user_config.as_deref(),
        user_config_dir: &ctx.dirs.config,
        flags: &[],
    };
    let project = if project::find(&request)?.is_some() { Some(super::load_project(ctx, start, &[])?) } else { None };
    let build = BuildOptions {
        for_dev: true,
        output: if ctx.shell.format() == Format::Json { ToolOutput::Stderr } else { ToolOutput::Inherit },
        env: (*ctx.env).clone(),
        interactive: false,
        offline: ctx.offline,
        wit: WitFetch::Skipped,
        cache: ctx.dirs.cache.clone(),
    };
    let opts = Options {
        project: project.as_ref(),
        build: &build,
        folders: [ctx.dirs.config.clone(), ctx.dirs.data.clone(), ctx.dirs.cache.clone()],
        registries: &args.registries,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)),
        env: ctx.env.clone(),
    };
    let mut report = run_until_interrupted(doctor::examine(&opts))?;
    if args.fix && mend(ctx, &build, &report, args.yes)? {
        report = run_until_interrupted(doctor::examine(&opts))?;
    }
    ctx.shell.result("doctor", &report, || text(&report));
    if report.state == State::Problem {
        let count = findings(&report).filter(|finding| finding.state == State::Problem).count();
        let what = if count == 1 { "1 thing does not work".to_string() } else { format!("{count} things do not work") };
        return Err(Error::failed(what));
    }
    Ok(())
}

fn findings(report: &Report) -> impl Iterator<Item = &toolchain::Finding> {
    report.groups.iter().flat_map(|group| &group.findings)
}

/// Runs what mends something; whether anything was run.
fn mend(ctx: &Context, build: &BuildOptions, report: &Report, yes: bool) -> Result<bool> {
    let mut done = false;
    for finding in findings(report).filter(|finding| finding.state != State::Good) {
        let Some(repair) = &finding.repair else { continue };
        let command = repair.command();
        if yes
            || ctx.shell.confirm(&format!(
                "{}: {}. Run `{command}`?",
                finding.what,
                finding.why.as_deref().unwrap_or_default()
            ))
        {
            ctx.shell.status("Running", &command);
            run_until_interrupted(toolchain::repair(repair, build))?;
            done = true;
        }
    }
    if !done {
        ctx.shell.status("Fixing", "nothing: no command can mend anything without risk");
    }
    Ok(done)
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    for group in &report.groups {
        lines.push(group.title.clone());
        for finding in &group.findings {
            let mark = match finding.state {
                State::Good => "ok  ",
                State::Warning => "warn",
                State::Problem => "FAIL",
            };
            let said: Vec<&str> = [&finding.found, &finding.why].into_iter().flatten().map(String::as_str).collect();
            lines.push(format!("  {mark}  {:<22} {}", finding.what, said.join("; ")));
            if let Some(fix) = finding.fix.as_ref().filter(|_| finding.state != State::Good) {
                lines.push(format!("        {:<22} fix: {fix}", ""));
            }
        }
    }
    lines.join("\n")
}
