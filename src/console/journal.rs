//! The life of the loop as a short story: builds with their errors, versions with their times, what was odd.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::places::{self, Place};
use super::recorder::now;
use crate::dev::report::{Report, Swap};
use crate::error::Error;
use crate::runtime::observer::ServiceState;

/// Builds, versions and notes that are remembered, of each so many.
const KEPT: usize = 200;
/// The most text of an error that is kept, in bytes.
const TEXT: usize = 64 << 10;

/// Sees the reports of the loop.
#[derive(Default)]
pub struct Journal {
    state: Mutex<Story>,
    changes: AtomicU64,
}

/// What happened so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Story {
    /// Where the workload answers.
    pub url: Option<String>,
    /// Where the console is.
    pub console: Option<String>,
    /// What is being done now.
    pub activity: Option<String>,
    /// Why the newest version does not serve, while that is so.
    pub problem: Option<Problem>,
    /// How the service is, in words.
    pub service: Option<String>,
    pub builds: VecDeque<Build>,
    pub versions: VecDeque<Version>,
    pub notes: VecDeque<Note>,
}

/// A build that has ended.
#[derive(Clone, Debug, Serialize)]
pub struct Build {
    /// In milliseconds since 1970.
    pub at: u64,
    pub project: String,
    pub outcome: Outcome,
    pub milliseconds: f64,
    pub size: Option<u64>,
    pub problem: Option<Problem>,
}

/// How a build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// With another component.
    Changed,
    /// With the same component as before.
    Same,
    Failed,
    Cancelled,
}

/// An error, as far as it helps.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    pub message: String,
    pub causes: Vec<String>,
    pub hints: Vec<String>,
    /// What a tool has printed.
    pub text: Option<String>,
    /// The places in files that it names.
    pub places: Vec<Place>,
}

/// A version that serves, or served.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// In milliseconds since 1970.
    pub at: u64,
    pub generation: u64,
    pub components: Vec<String>,
    pub service: Option<String>,
    pub http: bool,
    pub build_milliseconds: f64,
    pub compile_milliseconds: f64,
    pub link_milliseconds: f64,
    /// From the edit to serving.
    pub since_edit_milliseconds: f64,
}

/// Something odd, or a change of settings.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// In milliseconds since 1970.
    pub at: u64,
    pub message: String,
    pub hint: Option<String>,
}

impl Journal {
    /// Counts what happened: whoever saw this number has seen everything that there is.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// What happened so far.
    pub fn story(&self) -> Story {
        self.lock().clone()
    }

    /// Where the console is, if it is open.
    pub fn set_console(&self, url: Option<String>) {
        self.lock().console = url;
        self.changed();
    }

    /// Takes down what a report says. `root` is where the tools ran.
    pub fn note(&self, report: &Report) {
        let mut story = self.lock();
        let story = &mut *story;
        match report {
            Report::Listening { url, .. } => story.url = Some(url.clone()),
            Report::Building { name } => story.activity = Some(format!("building {name}")),
            Report::Preparing { name } => story.activity = Some(format!("compiling {name} to machine code")),
            Report::Built { name, description, changed, time, .. } => {
                let outcome = if *changed { Outcome::Changed } else { Outcome::Same };
                let size = Some(description.size);
                story.built(Build { size, ..Build::new(name, outcome, milliseconds(*time)) });
                if !changed {
                    story.problem = None;
                }
            }
            Report::BuildFailed { name, error, time, .. } => {
                let problem = Problem::of(error);
                story.problem = Some(problem.clone());
                let failed = Build::new(name, Outcome::Failed, milliseconds(*time));
                story.built(Build { problem: Some(problem), ..failed });
            }
            Report::BuildCancelled { name } => story.built(Build::new(name, Outcome::Cancelled, 0.0)),
            Report::Ready(swap) => story.ready(swap),
            Report::NotReady { error, .. } | Report::SettingsInvalid { error } => {
                story.activity = None;
                story.problem = Some(Problem::of(error));
                keep(
                    &mut story.notes,
                    Note { at: now(), message: error.to_string(), hint: error.hints().first().cloned() },
                );
            }
            Report::SettingsChanged { keys } => {
                story.problem = None;
                let message = match keys.is_empty() {
                    true => "the settings are as before the error".to_string(),
                    false => format!("settings changed: {}", keys.join(", ")),
                };
                keep(&mut story.notes, Note { at: now(), message, hint: None });
            }
            Report::Network(notice) => {
                let message = format!("{}: {}", notice.component, notice.reason);
                keep(&mut story.notes, Note { at: now(), message, hint: notice.hint.clone() });
            }
            Report::Warning { message, hint } => {
                keep(&mut story.notes, Note { at: now(), message: message.clone(), hint: hint.clone() });
            }
            Report::Service(record) => story.service = Some(service(&record.state)),
            Report::Stopping { .. } => story.activity = Some("stopping".into()),
            _ => return,
        }
        self.changed();
    }

    fn lock(&self) -> MutexGuard<'_, Story> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Story {
    fn built(&mut self, build: Build) {
        self.activity = None;
        keep(&mut self.builds, build);
    }

    fn ready(&mut self, swap: &Swap) {
        self.activity = None;
        self.problem = None;
        // The build that led to it, if one did: a version may also be for other settings.
        let since = now().saturating_sub(swap.since_edit.as_millis() as u64 + 1);
        let build = self.builds.iter().rev().find(|build| build.outcome == Outcome::Changed && build.at >= since);
        let version = Version {
            at: now(),
            generation: swap.generation,
            components: swap.components.clone(),
            service: swap.service.clone(),
            http: swap.http,
            build_milliseconds: build.map_or(0.0, |build| build.milliseconds),
            compile_milliseconds: milliseconds(swap.compile),
            link_milliseconds: milliseconds(swap.link),
            since_edit_milliseconds: milliseconds(swap.since_edit),
        };
        keep(&mut self.versions, version);
    }
}

impl Build {
    fn new(project: &str, outcome: Outcome, milliseconds: f64) -> Self {
        Build { at: now(), project: project.into(), outcome, milliseconds, size: None, problem: None }
    }
}

impl Problem {
    fn of(error: &Error) -> Self {
        let text = error.details_text().map(|text| {
            let begin = text.ceil_char_boundary(text.len().saturating_sub(TEXT));
            text[begin..].to_string()
        });
        Problem {
            message: error.message().into(),
            causes: error.causes().to_vec(),
            hints: error.hints().to_vec(),
            places: text.as_deref().map(places::find).unwrap_or_default(),
            text,
        }
    }
}

fn service(state: &ServiceState) -> String {
    match state {
        ServiceState::Starting => "starting".into(),
        ServiceState::Running => "running".into(),
        ServiceState::BackingOff { reason, attempt, most, .. } => {
            format!("failed, restart {attempt} of {most} follows: {reason}")
        }
        ServiceState::Completed => "completed".into(),
        ServiceState::Failed { reason } => format!("failed: {reason}"),
        ServiceState::Stopped => "stopped".into(),
    }
}

fn keep<T>(all: &mut VecDeque<T>, one: T) {
    all.push_back(one);
    if all.len() > KEPT {
        all.pop_front();
    }
}

/// With three digits behind the point.
pub fn milliseconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// A file of the project, if that is what a path names: nothing outside of it is ever shown.
pub fn inside(root: &std::path::Path, file: &str) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let path = root.join(file).canonicalize().ok()?;
    (path.starts_with(&root) && path.is_file()).then_some(path)
}
