//! `wash oci push`: a component becomes an artifact in a registry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::RegistryArgs;
use crate::cli::signals::run_until_interrupted;
use crate::context::Context;
use crate::error::{Context as _, Error, Result};
use crate::oci::{Additions, Artifact, Attachment, Reference, Referrer};
use crate::progress::Progress;
use crate::shell::human_size;

pub(super) const COMMAND: &str = "oci push";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The same component always becomes the same artifact, with the same digest. The time of its
creation is 1970-01-01, or SOURCE_DATE_EPOCH if that is set.")]
pub struct Args {
    /// Where to push to: registry/name:tag
    reference: String,
    /// The component to push
    path: PathBuf,
    /// Another tag for the same artifact; can be given more than once
    #[arg(short, long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// An annotation of the artifact; can be given more than once
    #[arg(short, long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<String>,
    /// Attach a file, e.g. a bill of materials; can be given more than once. CycloneDX, SPDX and
    /// in-toto documents in JSON are recognised, other files need their media type behind a colon
    #[arg(long, value_name = "FILE[:TYPE]")]
    attach: Vec<String>,
    /// Print what would be pushed, and send nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct Report {
    /// Where it was pushed to, with its digest.
    reference: String,
    registry: String,
    repository: String,
    tags: Vec<String>,
    digest: String,
    layer_digest: String,
    config_digest: String,
    size: u64,
    annotations: BTreeMap<String, String>,
    dry_run: bool,
    /// Whether the registry had the component already.
    existed: bool,
    /// What was attached.
    attached: Vec<Referrer>,
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    let reference = Reference::parse(&args.reference)?;
    let additions = Additions { annotations: annotations(&args.annotations)?, created: created(ctx)? };
    let attachments: Vec<Attachment> = args.attach.iter().map(|text| attachment(start, text)).collect::<Result<_>>()?;
    let path = start.join(&args.path);
    let bytes = read(&path, &args.path)?;
    let artifact = Artifact::of(bytes.into(), &args.path.display().to_string(), &additions)?;
    let mut report = Report {
        reference: String::new(),
        registry: reference.registry().into(),
        repository: reference.repository().into(),
        tags: reference.tag().map(str::to_string).into_iter().collect(),
        digest: artifact.digest.to_string(),
        layer_digest: artifact.layer_digest.to_string(),
        config_digest: artifact.config_digest.to_string(),
        size: artifact.layer.len() as u64,
        annotations: artifact.annotations.clone(),
        dry_run: args.dry_run,
        existed: false,
        attached: Vec::new(),
    };
    if args.dry_run {
        for tag in &args.tags {
            reference.with_tag(tag)?;
            if !report.tags.contains(tag) {
                report.tags.push(tag.clone());
            }
        }
    } else {
        let client = args.registry.client(ctx, reference.registry())?;
        ctx.shell.status("Pushing", &format!("{} ({})", reference, human_size(report.size)));
        let pushed = run_until_interrupted(async {
            let pushed = client.push(&reference, &artifact, &args.tags, &*ctx.shell).await?;
            for attachment in &attachments {
                ctx.shell.status("Attaching", &attachment.media_type);
                report.attached.push(client.attach(&pushed.reference, attachment, &*ctx.shell).await?);
            }
            Ok(pushed)
        })?;
        report.tags = pushed.tags;
        report.existed = pushed.existed;
    }
    report.reference = match report.tags.first() {
        Some(tag) => format!("{}:{tag}@{}", reference.name(), artifact.digest),
        None => format!("{}@{}", reference.name(), artifact.digest),
    };
    if !args.dry_run {
        let known = if report.existed { ", which the registry had already" } else { "" };
        ctx.shell.status("Pushed", &format!("{}{known}", report.tags.join(", ")));
    }
    ctx.shell.result(COMMAND, &report, || report.reference.clone());
    Ok(())
}

fn read(path: &Path, typed: &Path) -> Result<Vec<u8>> {
    if path.is_dir() {
        return Err(Error::usage(format!("`{}` is a folder", typed.display()))
            .hint("give the component: wash build prints its path"));
    }
    let read = std::fs::read(path).context(|| format!("cannot read `{}`", typed.display()));
    read.map_err(|error| match path.exists() {
        true => error,
        false => error.hint("build it first: wash build prints its path"),
    })
}

/// `FILE` or `FILE:TYPE`. A colon that belongs to the name of a file that is there is no separator.
fn attachment(start: &Path, text: &str) -> Result<Attachment> {
    let (file, media_type) = match text.rsplit_once(':') {
        Some((file, media_type)) if media_type.contains('/') && !start.join(text).exists() => (file, Some(media_type)),
        _ => (text, None),
    };
    Ok(Attachment::read(&start.join(file), media_type)?)
}

fn annotations(given: &[String]) -> Result<BTreeMap<String, String>> {
    let mut annotations = BTreeMap::new();
    for text in given {
        let (key, value) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or_else(|| {
            Error::usage(format!("`{text}` is not an annotation"))
                .hint("write it as KEY=VALUE, e.g. org.opencontainers.image.source=https://…")
        })?;
        if annotations.insert(key.to_string(), value.to_string()).is_some() {
            return Err(Error::usage(format!("the annotation `{key}` is given twice")));
        }
    }
    Ok(annotations)
}

fn created(ctx: &Context) -> Result<Option<i64>> {
    let Some(text) = ctx.var("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        Error::usage(format!("SOURCE_DATE_EPOCH is `{text}`, which is not a number of seconds"))
            .hint("set it to the seconds since 1970, e.g. $(git log -1 --pretty=%ct), or unset it")
    })
}
