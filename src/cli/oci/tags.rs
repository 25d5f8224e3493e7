//! `wash oci tags`: what there is under a name.

use serde::Serialize;

use super::RegistryArgs;
use crate::cli::signals::run_until_interrupted;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::oci::Reference;
use crate::progress::Progress;

pub(super) const COMMAND: &str = "oci tags";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose tags: registry/name
    name: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct Report {
    registry: String,
    repository: String,
    tags: Vec<String>,
}

pub fn run(ctx: &Context, args: Args) -> Result<()> {
    let reference = Reference::parse(&args.name)?;
    if Reference::says_which(&args.name) {
        return Err(Error::usage(format!("`{}` names one artifact, not all of a name", args.name))
            .hint(format!("write `{}`", reference.name())));
    }
    let client = args.registry.client(ctx, reference.registry())?;
    let tags = run_until_interrupted(async { Ok(client.tags(&reference, &*ctx.shell).await?) })?;
    if tags.is_empty() {
        ctx.shell.hint(&format!("`{}` has no tags", reference.name()));
    }
    let report = Report { registry: reference.registry().into(), repository: reference.repository().into(), tags };
    ctx.shell.result(COMMAND, &report, || report.tags.iter().map(|tag| format!("{tag}\n")).collect());
    Ok(())
}
