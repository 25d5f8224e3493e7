//! `wash oci pull`: an artifact of a registry becomes a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::RegistryArgs;
use crate::cli::signals::run_until_interrupted;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::oci::{Freshness, PublicKey, Reference};
use crate::progress::Progress;
use crate::shell::human_size;

pub(super) const COMMAND: &str = "oci pull";
const DEFAULT_FILE: &str = "component.wasm";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
What was pulled is kept in a cache: it is not transferred twice, and can be pulled again with
--offline or when the registry is gone.")]
pub struct Args {
    /// What to pull: registry/name:tag, or registry/name@digest
    reference: String,
    /// The file to write; an existing one is replaced
    #[arg(default_value = DEFAULT_FILE)]
    path: PathBuf,
    /// Write nothing unless the artifact has a cosign signature of this public key (PEM)
    #[arg(long, value_name = "FILE")]
    verify_key: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct Report {
    /// What was pulled, with its digest.
    reference: String,
    path: PathBuf,
    digest: String,
    layer_digest: String,
    media_type: String,
    size: u64,
    annotations: BTreeMap<String, String>,
    /// Whether nothing had to be transferred.
    cached: bool,
    /// Whether a signature was asked for and found.
    verified: bool,
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    let reference = Reference::parse(&args.reference)?;
    let mut path = start.join(&args.path);
    if path.is_dir() {
        path.push(DEFAULT_FILE);
    } else if args.path.as_os_str().to_string_lossy().ends_with(['/', '\\']) {
        return Err(Error::usage(format!("the folder `{}` does not exist", args.path.display())));
    }
    let key = args.verify_key.as_ref().map(|path| PublicKey::read(&start.join(path))).transpose()?;
    let client = args.registry.client(ctx, reference.registry())?;
    ctx.shell.status("Pulling", &reference.to_string());
    let pulled = run_until_interrupted(async {
        let pulled = client.pull(&reference, Freshness::Check, &*ctx.shell).await?;
        if let Some(key) = &key {
            client.verify(&reference, &pulled.digest, key, &*ctx.shell).await?;
            ctx.shell.status("Verified", &format!("{} is signed by this key", pulled.digest));
        }
        pulled.write_to(&path)?;
        Ok(pulled)
    })?;
    let report = Report {
        reference: match reference.tag() {
            Some(tag) => format!("{}:{tag}@{}", reference.name(), pulled.digest),
            None => format!("{}@{}", reference.name(), pulled.digest),
        },
        annotations: pulled.annotations(),
        digest: pulled.digest.to_string(),
        layer_digest: pulled.layer_digest.to_string(),
        media_type: pulled.media_type,
        size: pulled.size,
        cached: pulled.cached,
        verified: key.is_some(),
        path,
    };
    let how = if report.cached { "from the cache" } else { "transferred" };
    ctx.shell.status("Pulled", &format!("{} ({}, {how})", report.digest, human_size(report.size)));
    ctx.shell
        .result(COMMAND, &report, || report.path.strip_prefix(&ctx.cwd).unwrap_or(&report.path).display().to_string());
    Ok(())
}
