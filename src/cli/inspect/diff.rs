//! `wash inspect diff`: what changed from one component to another.

use std::collections::HashMap;
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use super::super::oci::ConnectionArgs;
use super::source;
use super::text::{Page, counted};
use crate::component::inspect::{self, Change, ChangeKind, Comparison, FieldChange, Place, Verdict};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::shell::human_size;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The component or WIT package as it was: a file, a folder, or a reference to a registry
    old: String,

    /// As it is now [default: the project here, which is built]
    new: Option<String>,

    /// Fail when the change is larger than this
    #[arg(long, value_name = "CHANGE")]
    at_most: Option<AtMost>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AtMost {
    Patch,
    Minor,
}

#[derive(Serialize)]
struct Report {
    old: Side,
    new: Side,
    #[serde(skip)]
    is_wit: bool,
    #[serde(flatten)]
    comparison: Comparison,
}

#[derive(Serialize)]
struct Side {
    name: String,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

pub fn run(ctx: &Context, start: &Path, args: &Args) -> Result<()> {
    let side = |reference: Option<&str>| {
        let subject = source::read(ctx, start, reference, &args.connection)?;
        let inspection = subject.inspect()?;
        let version = match &inspection.package {
            Some(package) => package.version.clone(),
            None => inspection.metadata.version.clone(),
        };
        let side = Side { name: subject.name, digest: inspection.description.digest.clone(), version };
        Ok::<_, Error>((side, inspection))
    };
    let (old, before) = side(Some(&args.old))?;
    let (new, after) = side(args.new.as_deref())?;
    let is_wit = before.package.is_some() && after.package.is_some();
    let report = Report { comparison: inspect::compare(&before, &after), old, new, is_wit };
    let verdict = report.comparison.verdict;
    let too_large = match args.at_most {
        Some(AtMost::Patch) => verdict > Verdict::Patch,
        Some(AtMost::Minor) => verdict > Verdict::Minor,
        None => false,
    };
    if !too_large {
        ctx.shell.result("inspect", &report, || text(&report, ctx.verbose));
        return Ok(());
    }
    // The error is the one document then, and says what is too large.
    let limit = if matches!(args.at_most, Some(AtMost::Patch)) { "patch" } else { "minor" };
    Err(Error::failed(format!(
        "the change from `{}` to `{}` is {}, not {limit}",
        report.old.name,
        report.new.name,
        verdict.name()
    ))
    .details(text(&report, ctx.verbose)))
}

/// How many functions are shown, unless more was asked for.
const FEW: usize = 5;

fn text(report: &Report, verbose: bool) -> String {
    let comparison = &report.comparison;
    let mut page = Page::titled(&format!("{} \u{2192} {}", report.old.name, report.new.name));
    page.fact(
        "change",
        match comparison.verdict {
            Verdict::Same => "same: the very same bytes",
            Verdict::Patch => "patch: other bytes, the same world",
            Verdict::Minor => "minor: the new one can stand in for the old one, and has more to offer",
            Verdict::Major => "major: the new one cannot stand in for the old one everywhere",
        },
    );
    versions(&mut page, report);
    changes(&mut page, &comparison.changes, verbose);
    // What WIT weighs is of no interest.
    if comparison.verdict != Verdict::Same && !report.is_wit {
        sizes(&mut page, comparison, verbose);
    }
    for field in &comparison.metadata {
        let (old, new) = (field.old.as_deref().unwrap_or("none"), field.new.as_deref().unwrap_or("none"));
        page.wrapped(label(&field.name), "", &format!("{old} \u{2192} {new}"));
    }
    for package in &comparison.packages {
        page.fact("packages", &dependency(package));
    }
    page.lines.join("\n")
}

fn sizes(page: &mut Page, comparison: &Comparison, verbose: bool) {
    let size = &comparison.size;
    let (old, new) = (human_size(size.old), human_size(size.new));
    let both = if size.old == size.new { old } else { format!("{old} \u{2192} {new} ({})", grown(size.old, size.new)) };
    page.fact("size", &both);
    let parts: Vec<String> =
        size.parts.iter().map(|part| format!("{} {}", part.part.name(), grown(part.old, part.new))).collect();
    page.list("size", "", &parts);
    for function in size.functions.iter().take(if verbose { usize::MAX } else { FEW }) {
        let what = match (function.old, function.new) {
            (0, _) => " (new)",
            (_, 0) => " (gone)",
            _ => "",
        };
        page.cut("functions", &format!("{:>10}  {}{what}", grown(function.old, function.new), function.name));
    }
}

/// Whether the version tells of the change as much as it should.
fn versions(page: &mut Page, report: &Report) {
    let (Some(old), Some(needed)) = (&report.old.version, &report.comparison.needed_version) else { return };
    let enough = |new: &String| match (semver::Version::parse(new), semver::Version::parse(needed)) {
        (Ok(new), Ok(needed)) => new >= needed,
        _ => false,
    };
    page.fact(
        "version",
        &match &report.new.version {
            Some(new) if enough(new) => format!("{old} \u{2192} {new}"),
            Some(new) => format!("{old} \u{2192} {new}, which should be {needed} or later"),
            None => format!("{old}; the new one should have {needed} or later"),
        },
    );
}

/// A line for each change; interfaces of a package that all got the same new version share one.
fn changes(page: &mut Page, changes: &[Change], verbose: bool) {
    // A function of an interface is no interface: its name has a dot.
    let group = |change: &Change| match (change.kind, change.name.split_once('/')) {
        (ChangeKind::Changed, Some((package, rest))) if !rest.contains('.') => {
            Some((change.place, package.to_string(), change.old.clone(), change.new.clone()))
        }
        _ => None,
    };
    let mut counts: HashMap<_, usize> = HashMap::new();
    for group in changes.iter().filter_map(group) {
        *counts.entry(group).or_default() += 1;
    }
    for change in changes.iter().filter(|change| verbose || change.verdict > Verdict::Patch) {
        let group = group(change).filter(|_| !verbose);
        // The first of a group speaks for all of it.
        match group.as_ref().map(|group| counts.insert(group.clone(), 0)) {
            None | Some(Some(1) | None) => one(page, change),
            Some(Some(0)) => {}
            Some(Some(count)) => {
                let package = group.map(|(_, package, ..)| package).unwrap_or_default();
                let name = format!("{package} ({})", counted(count, "interface"));
                one(page, &Change { name, ..change.clone() });
            }
        }
    }
}

fn one(page: &mut Page, change: &Change) {
    let name = match change.place {
        Place::Kind => "kind",
        Place::Export => "exports",
        Place::Import => "imports",
        Place::Interface => "interfaces",
        Place::World => "worlds",
    };
    let sign = match change.kind {
        ChangeKind::Added => '+',
        ChangeKind::Removed => '-',
        ChangeKind::Changed => '~',
    };
    let breaks = if change.verdict == Verdict::Major { "  breaks" } else { "" };
    match (change.kind, &change.old, &change.new) {
        (ChangeKind::Changed, Some(old), Some(new)) if old.len() + new.len() < 24 => {
            page.fact(name, &format!("{sign} {}  {old} \u{2192} {new}{breaks}", change.name));
        }
        (ChangeKind::Changed, Some(old), Some(new)) => {
            page.fact(name, &format!("{sign} {}{breaks}", change.name));
            page.wrapped(name, "    was ", old);
            page.wrapped(name, "    is  ", new);
        }
        _ => page.fact(name, &format!("{sign} {}{breaks}", change.name)),
    }
}

fn label(field: &str) -> &str {
    match field {
        "processed-by" => "made with",
        "licenses" => "licences",
        "description" => "about",
        other => other,
    }
}

fn dependency(package: &FieldChange) -> String {
    match (&package.old, &package.new) {
        (None, Some(new)) => format!("+ {} {new}", package.name),
        (Some(old), None) => format!("- {} {old}", package.name),
        (old, new) => {
            format!("~ {} {} \u{2192} {}", package.name, old.as_deref().unwrap_or(""), new.as_deref().unwrap_or(""))
        }
    }
}

/// The difference with its sign: `+12 KB`.
fn grown(old: u64, new: u64) -> String {
    let sign = if new >= old { '+' } else { '-' };
    format!("{sign}{}", human_size(old.abs_diff(new)))
}
