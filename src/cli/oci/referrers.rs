//! `wash oci referrers`: what is attached to an artifact.

use serde::Serialize;

use super::RegistryArgs;
use crate::cli::signals::run_until_interrupted;
use crate::context::Context;
use crate::error::Result;
use crate::oci::{Reference, Referrer};
use crate::progress::Progress;

pub(super) const COMMAND: &str = "oci referrers";

#[derive(Debug, clap::Args)]
#[command(after_help = "Attach something with: wash oci push --attach FILE")]
pub struct Args {
    /// The artifact: registry/name:tag, or registry/name@digest
    reference: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct Report {
    /// The artifact, by digest.
    reference: String,
    referrers: Vec<Referrer>,
}

pub fn run(ctx: &Context, args: Args) -> Result<()> {
    let reference = Reference::parse(&args.reference)?;
    let client = args.registry.client(ctx, reference.registry())?;
    let (digest, referrers) = run_until_interrupted(async { Ok(client.referrers(&reference, &*ctx.shell).await?) })?;
    if referrers.is_empty() {
        ctx.shell.hint(&format!("nothing is attached to `{reference}`"));
    }
    let report = Report { reference: reference.with_digest(&digest).to_string(), referrers };
    ctx.shell.result(COMMAND, &report, || {
        report.referrers.iter().map(|one| format!("{}  {}\n", one.digest, one.artifact_type)).collect()
    });
    Ok(())
}
