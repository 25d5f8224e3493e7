//! `wash inspect`: says what a component is, needs, offers and weighs, without running it.

mod report;
mod source;
mod text;

use std::path::Path;

use crate::component::inspect;
use crate::context::Context;
use crate::error::{Error, Result};
use report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is run. With -o json everything is in one document, the WIT as well.")]
pub struct Args {
    /// A .wasm file, a folder with a project (which is built) or with WIT files [default: the project here]
    reference: Option<String>,

    /// Print all interfaces as WIT
    #[arg(long)]
    wit: bool,

    /// Print the world alone as WIT: imports and exports by name
    #[arg(long, conflicts_with = "wit")]
    world: bool,
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    let subject = source::read(ctx, start, args.reference.as_deref())?;
    let inspection = subject.inspect()?;
    let wit = inspect::wit(&subject.bytes);
    if (args.wit || args.world) && wit.is_none() {
        let what = inspection.description.kind;
        return Err(Error::failed(format!("`{}` is a {what} without WIT", subject.name))
            .hint(format!("see its imports and exports: wash inspect {}", subject.name)));
    }
    let report = Report::new(&subject, inspection, wit);
    ctx.shell.result("inspect", &report, || match &report.wit {
        Some(wit) if args.wit => wit.text.clone(),
        Some(wit) if args.world => wit.worlds.clone(),
        _ => text::summary(&report, ctx.verbose),
    });
    Ok(())
}
