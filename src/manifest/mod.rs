//! Manifests: the YAML that Kubernetes users apply, read into workloads for a [`Node`](crate::node::Node).
//!
//! [`read`] is pure: texts in, workloads and problems out. `loader` finds the files and `watch` keeps
//! a node at what they say. Refuses to guess: a key that nobody knows is a problem with its line. What is only for
//! Kubernetes (other kinds, where a workload is to be scheduled) is passed over.

mod document;
mod fields;
mod layers;
mod workload;

pub mod loader;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::node::spec::WorkloadSpec;
use crate::project::problem::{Problem, into_error_about};
use crate::project::source::{Origin, Source};
use document::{Document, Kind};
use fields::Problems;
use layers::Values;

/// One manifest file.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// Absolute; relative paths in the text are relative to its folder. For stdin a file that does not exist.
    pub path: PathBuf,
    pub text: String,
}

/// What manifests say.
#[derive(Default)]
pub struct Reading {
    /// The workloads by the identifiers that they run under: `namespace/name`, and for replicas
    /// `namespace/name/0` and so on.
    pub workloads: BTreeMap<String, Found>,
    /// What is wrong. What it is about is not among the workloads.
    pub problems: Vec<Problem>,
    /// What is passed over, and what is probably not meant.
    pub notices: Vec<Notice>,
    /// Documents, `namespace/name`, and whole files that cannot be used: what they said before is to stay.
    spoiled: BTreeSet<String>,
    spoiled_files: BTreeSet<PathBuf>,
}

/// A workload of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub spec: WorkloadSpec,
    /// Whether the old version is stopped before the new one starts.
    pub recreate: bool,
    /// Where it stands.
    pub file: PathBuf,
}

/// Something that is worth a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    pub message: String,
    pub hint: Option<String>,
}

impl Reading {
    /// Whether what a workload was before is to stay, because what is said of it now cannot be used.
    pub fn keeps(&self, before: &Found) -> bool {
        let name = format!("{}/{}", before.spec.namespace, before.spec.name);
        self.spoiled.contains(&name) || self.spoiled_files.contains(&before.file)
    }

    /// One error with all the problems.
    pub fn error(&mut self) -> Option<Error> {
        into_error_about("the manifests", std::mem::take(&mut self.problems))
    }
}

/// Reads manifests. Documents may refer to each other, also in different files.
pub fn read(texts: &[Text]) -> Reading {
    let mut reading = Reading::default();
    let mut documents = Vec::new();
    for text in texts {
        match parse(text) {
            Ok(nodes) => {
                for node in nodes {
                    let problems = Problems::default();
                    documents.extend(document::of(node, &text.path, &problems, &mut reading.notices));
                    let mut problems = problems.into_vec();
                    if text.text.contains("Secret") {
                        problems = problems.into_iter().map(without_excerpt).collect();
                    }
                    if !problems.is_empty() {
                        // Whose document it is nobody can tell.
                        reading.spoiled_files.insert(text.path.clone());
                    }
                    reading.problems.extend(problems);
                }
            }
            Err(problem) => {
                reading.spoiled_files.insert(text.path.clone());
                reading.problems.push(problem);
            }
        }
    }
    find_twins(&documents, &mut reading);
    let values = Values::of(&documents, &mut reading.problems);
    for document in &documents {
        workloads_of(document, &values, &mut reading);
    }
    reading
}

fn parse(text: &Text) -> Result<Vec<crate::project::tree::Node>, Problem> {
    let content = text.text.strip_prefix('\u{feff}').unwrap_or(&text.text);
    let source = Arc::new(Source { path: text.path.clone(), text: content.to_string() });
    let parsed = crate::project::parse_yaml_documents(content, &|mark| Origin::File { source: source.clone(), mark });
    parsed.map_err(|problem| {
        // The line that is shown could be one of a Secret.
        if !content.contains("Secret") {
            return problem;
        }
        without_excerpt(problem)
    })
}

/// A problem whose place is told without showing the line: it may have the value of a Secret in it.
fn without_excerpt(problem: Problem) -> Problem {
    let message = format!("{} ({})", problem.message, problem.origin);
    Problem { message, origin: Origin::Default, ..problem }
}

/// Of two with one name nobody knows which is meant.
fn find_twins(documents: &[Document], reading: &mut Reading) {
    let mut seen: BTreeMap<(&str, String), &Document> = BTreeMap::new();
    for document in documents {
        // All of these become workloads, which share the names.
        let group = if document.kind.runs() { "workload" } else { document.kind.name() };
        let Some(first) = seen.insert((group, document.full_name()), document) else { continue };
        let kind = document.kind.name();
        let problem = Problem::at(&document.origin, format!("there are two of `{}` ({kind})", document.full_name()));
        let problem = problem.hint(format!("the other one is in {}; rename one of them", first.origin));
        let is_secret = document.kind == Kind::Secret;
        reading.problems.push(if is_secret { without_excerpt(problem) } else { problem });
        reading.spoiled.insert(document.full_name());
    }
}

fn workloads_of(document: &Document, values: &Values, reading: &mut Reading) {
    let name = document.full_name();
    if !document.kind.runs() || reading.spoiled.contains(&name) {
        return;
    }
    let problems = Problems::default();
    let read = workload::read(document, values, &problems);
    if problems.count() > 0 {
        reading.problems.extend(problems.into_vec());
        reading.spoiled.insert(name);
        return;
    }
    let Some(read) = read else { return };
    reading.notices.extend(read.notices);
    let found = Found { spec: read.spec, recreate: read.recreate, file: document.file.clone() };
    match document.kind {
        Kind::Workload => {
            reading.workloads.insert(name, found);
        }
        _ => {
            for replica in 0..read.replicas {
                reading.workloads.insert(format!("{name}/{replica}"), found.clone());
            }
        }
    }
}

/// The folder that relative paths of a manifest are relative to.
fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests;
