//! `wash inspect`: says what a component is, needs, offers and weighs, without running it.

mod diff;
mod report;
mod source;
mod text;
mod why;

use std::path::Path;

use super::oci::ConnectionArgs;
use crate::component::inspect;
use crate::context::Context;
use crate::error::{Error, Result};
use report::Report;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
The component is never run. With -o json everything is in one document, the WIT as well. A file that
is called diff is ./diff.")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// A .wasm file, a folder with a project (which is built) or with WIT files, or a reference to a registry
    /// [default: the project here]
    reference: Option<String>,

    /// Print all interfaces as WIT
    #[arg(long)]
    wit: bool,

    /// Print the world alone as WIT: imports and exports by name
    #[arg(long, conflicts_with = "wit")]
    world: bool,

    /// Show the way of calls from an export to an import, e.g. wasi:cli/environment
    #[arg(long, value_name = "IMPORT", conflicts_with_all = ["wit", "world"])]
    why: Option<String>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what changed from one component to another, and what semantic versioning calls it
    Diff(diff::Args),
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    if let Some(Command::Diff(args)) = &args.command {
        return diff::run(ctx, start, args);
    }
    let subject = source::read(ctx, start, args.reference.as_deref(), &args.connection)?;
    let inspection = subject.inspect()?;
    let wit = inspect::wit(&subject.bytes);
    if (args.wit || args.world) && wit.is_none() {
        let what = inspection.description.kind;
        return Err(Error::failed(format!("`{}` is a {what} without WIT", subject.name))
            .hint(format!("see its imports and exports: wash inspect {}", subject.name)));
    }
    let why = args.why.as_deref().map(|import| why::explain(&subject, &inspection, import)).transpose()?;
    let report = Report { why, ..Report::new(&subject, inspection, wit) };
    ctx.shell.result("inspect", &report, || match &report.wit {
        Some(wit) if args.wit => wit.text.clone(),
        Some(wit) if args.world => wit.worlds.clone(),
        _ => match &report.why {
            Some(answers) => why::text(answers, ctx.verbose),
            None => text::summary(&report, ctx.verbose),
        },
    });
    Ok(())
}
