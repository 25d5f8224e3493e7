//! The reports of `wash wit` for people.

use std::path::Path;

use crate::shell::human_size;
use crate::wit::CleanReport;
use crate::wit::{
    AddReport, BuildReport, Check, FetchReport, Keyword, RemoveReport, Row, Severity, Tree, UpdateReport,
};

pub fn fetched(report: &FetchReport) -> String {
    if report.packages.is_empty() {
        return "the project's WIT needs no packages".into();
    }
    let mut lines = rows(&report.packages);
    lines.push(changed(&report.changed));
    lines.join("\n")
}

pub fn added(report: &AddReport, keyword: Keyword) -> String {
    let verb = if keyword == Keyword::Export { "export" } else { "import" };
    if report.added.is_empty() {
        return format!("the world has everything of `{}` already\n{}", report.package, changed(&report.changed));
    }
    let mut lines: Vec<String> = report.added.iter().map(|interface| format!("+ {verb} {interface};")).collect();
    lines.push(changed(&report.changed));
    lines.join("\n")
}

pub fn removed(report: &RemoveReport) -> String {
    let mut lines: Vec<String> = report.removed.iter().map(|statement| format!("- {statement}")).collect();
    lines.extend(report.dropped.iter().map(|package| format!("  dropped {package}")));
    lines.push(changed(&report.changed));
    lines.join("\n")
}

pub fn updated(report: &UpdateReport) -> String {
    let mut lines: Vec<String> =
        report.moved.iter().map(|one| format!("{} {} -> {}", one.package, one.from, one.to)).collect();
    lines.extend(report.unchanged.iter().map(|name| format!("{name} is the newest of its kind")));
    lines.extend(report.unknown.clone());
    if lines.is_empty() {
        lines.push("the project's WIT needs no packages".into());
    }
    lines.push(changed(&report.changed));
    lines.join("\n")
}

pub fn cleaned(report: &CleanReport) -> String {
    match report.removed.len() {
        0 => format!("{} is empty already", report.folder),
        _ => format!("removed {}: {}", report.folder, report.removed.join(", ")),
    }
}

pub fn built(report: &BuildReport, cwd: &Path) -> String {
    format!(
        "{}\n  package  {}\n  size     {}\n  digest   {}",
        report.path.strip_prefix(cwd).unwrap_or(&report.path).display(),
        report.package,
        human_size(report.size),
        report.digest
    )
}

pub fn tree(tree: &Tree) -> String {
    let mut lines = vec![tree.name.clone()];
    branches(&tree.uses, "", &mut lines);
    lines.join("\n")
}

fn branches(uses: &[Tree], indent: &str, lines: &mut Vec<String>) {
    for (index, tree) in uses.iter().enumerate() {
        let is_last = index + 1 == uses.len();
        let (mark, more) = if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let origin = tree.origin.as_ref().map(|origin| format!(" ({})", origin.shown())).unwrap_or_default();
        let repeated = if tree.repeated { " (*)" } else { "" };
        lines.push(format!("{indent}{mark}{}{origin}{repeated}", tree.name));
        branches(&tree.uses, &format!("{indent}{more}"), lines);
    }
}

pub fn checked(check: &Check) -> String {
    let mut lines = Vec::new();
    for finding in &check.findings {
        let kind = match finding.severity {
            Severity::Problem => "problem",
            Severity::Note => "note",
        };
        lines.push(format!("{kind}: {}", finding.message));
        lines.extend(finding.hint.iter().map(|hint| format!("  {hint}")));
    }
    if !check.findings.iter().any(|finding| finding.severity == Severity::Problem) {
        let s = if check.packages == 1 { "" } else { "s" };
        lines.push(format!("the project's WIT is in order: {} package{s}", check.packages));
    }
    lines.join("\n")
}

fn rows(packages: &[Row]) -> Vec<String> {
    let width = packages.iter().map(|row| row.name.len()).max().unwrap_or_default();
    packages.iter().map(|row| format!("{:<width$}  {}", row.name, row.origin.shown())).collect()
}

fn changed(paths: &[String]) -> String {
    if paths.is_empty() { "nothing had to be changed".into() } else { format!("changed {}", paths.join(", ")) }
}
