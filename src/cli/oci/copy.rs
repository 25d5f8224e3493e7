//! `wash oci copy`: an artifact from one place to another, byte for byte.

use serde::Serialize;

use super::ConnectionArgs;
use crate::cli::signals::run_until_interrupted;
use crate::context::Context;
use crate::error::Result;
use crate::oci::{Client, Reference};
use crate::progress::Progress;
use crate::shell::human_size;

pub(super) const COMMAND: &str = "oci copy";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Copies any artifact or image, also an index with all that it names; not what is attached to it.
Credentials are those of wash oci login; those of WASH_OCI_USERNAME belong to the host in
WASH_OCI_REGISTRY.")]
pub struct Args {
    /// What to copy: registry/name:tag, or registry/name@digest
    source: String,
    /// Where to; without a tag it gets the source's
    target: String,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Serialize)]
struct Report {
    source: String,
    /// The copy, with its digest.
    reference: String,
    digest: String,
    manifests: usize,
    /// How many layers and configs had to be sent.
    blobs: usize,
    bytes: u64,
}

pub fn run(ctx: &Context, args: Args) -> Result<()> {
    let source = Reference::parse(&args.source)?;
    let mut target = Reference::parse(&args.target)?;
    if !Reference::says_which(&args.target) {
        target = match (source.tag(), source.digest()) {
            (Some(tag), _) => target.with_tag(tag)?,
            (None, Some(digest)) => target.with_digest(digest),
            (None, None) => target,
        };
    }
    let opts = args.connection.options(ctx, None, &[source.registry(), target.registry()])?;
    if ctx.var("WASH_OCI_REGISTRY").is_none()
        && ["WASH_OCI_USERNAME", "WASH_OCI_TOKEN"].iter().any(|name| ctx.var(name).is_some())
    {
        ctx.shell.warning("the credentials of WASH_OCI_… are not used: WASH_OCI_REGISTRY does not say whose they are");
    }
    let client = Client::new(&opts)?;
    ctx.shell.status("Copying", &format!("{source} to {target}"));
    let copied = run_until_interrupted(async { Ok(client.copy(&source, &target, &*ctx.shell).await?) })?;
    let what = match copied.blobs {
        0 => "everything but the manifest was there".to_string(),
        blobs => format!("{blobs} blobs, {}", human_size(copied.bytes)),
    };
    ctx.shell.status("Copied", &what);
    let report = Report {
        source: source.to_string(),
        reference: match target.tag() {
            Some(tag) => format!("{}:{tag}@{}", target.name(), copied.digest),
            None => format!("{}@{}", target.name(), copied.digest),
        },
        digest: copied.digest.to_string(),
        manifests: copied.manifests,
        blobs: copied.blobs,
        bytes: copied.bytes,
    };
    ctx.shell.result(COMMAND, &report, || report.reference.clone());
    Ok(())
}
