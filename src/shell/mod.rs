//! The only writer to stdout and stderr.
//!
//! stdout carries the result, stderr the conversation. In JSON mode stdout is exactly one document,
//! or one event a line for the commands that run until they are stopped. This room knows text,
//! colour and terminals, and no type of any other room but [`crate::error::Error`].

mod busy;

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::error::{Error, Kind};
use crate::progress::{Busy, Progress, Transfer};

/// The version of every JSON document and event that wash prints.
pub const SCHEMA_VERSION: u32 = 1;

/// What stdout is for in this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one document, or one event a line.
    Json,
}

const VERB: Style = AnsiColor::Green.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const FAILURE: Style = AnsiColor::Red.on_default().bold();
/// For what may be overlooked.
pub const DIM: Style = Style::new().dimmed();

/// Writes results and the conversation; shared by everything that runs.
pub struct Shell {
    format: Format,
    /// Held while a line is written, so that lines of different tasks never mix.
    turn: Mutex<()>,
    bars: indicatif::MultiProgress,
    stderr_is_terminal: bool,
    /// Events or the result have been printed: another document would be one too many.
    answered: AtomicBool,
    /// Something could not be written to stdout.
    lost: AtomicBool,
}

impl Shell {
    /// Takes over stdout and stderr of the process.
    pub fn new(format: Format) -> Self {
        Shell {
            format,
            turn: Mutex::new(()),
            bars: indicatif::MultiProgress::new(),
            stderr_is_terminal: io::stderr().is_terminal(),
            answered: AtomicBool::new(false),
            lost: AtomicBool::new(false),
        }
    }

    /// What stdout is for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether a result could not be written: the command has failed then.
    pub fn has_lost_output(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether stderr shows colours: what others write there may have them, too.
    pub fn has_colour(&self) -> bool {
        anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
    }

    /// Prints the result of a command: `text` for people, `document` for programs.
    pub fn result<T: Serialize>(&self, command: &str, document: &T, text: impl FnOnce() -> String) {
        match self.format {
            Format::Text => self.stdout(&text()),
            Format::Json => {
                self.document(command, document);
                self.answered.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Prints `text` as the result in either format, for results that are files of a format of
    /// their own (a completion script).
    pub fn raw_result(&self, text: &str) {
        self.stdout(text);
    }

    /// One event of a running command as a line, for [`Shell::events`]. `None`: it could not be written, which is said.
    pub fn event_line<T: Serialize>(&self, event: &T) -> Option<String> {
        match serde_json::to_string(&Versioned { schema_version: SCHEMA_VERSION, command: None, body: event }) {
            Ok(line) => Some(line),
            Err(error) => {
                self.warning(&format!("an event could not be written as JSON: {error}"));
                None
            }
        }
    }

    /// Prints events of a running command, each a line.
    pub fn events(&self, lines: &str) {
        self.answered.store(true, Ordering::Relaxed);
        self.stdout(lines);
    }

    /// Prints a line of the conversation as it is, or several.
    pub fn line(&self, line: &str) {
        self.stderr(line);
    }

    /// Clears the terminal, if there is one.
    pub fn clear(&self) {
        if self.stderr_is_terminal {
            let _turn = self.turn.lock();
            let mut err = anstream::stderr().lock();
            let _ = write!(err, "\x1b[2J\x1b[3J\x1b[H");
            let _ = err.flush();
        }
    }

    /// Renders an error once: message, causes, details, hints. In JSON mode the document says it, too.
    pub fn error(&self, command: &str, error: &Error) {
        // Who presses ctrl-c knows it; what it left behind is worth telling.
        let says_more = error.details_text().is_some() || !error.causes().is_empty() || !error.hints().is_empty();
        if error.kind() != Kind::Interrupted || says_more {
            self.stderr(&render(error));
        }
        if self.format == Format::Json && !self.answered.load(Ordering::Relaxed) {
            self.error_document(command, error);
        }
    }

    /// Prints an error that people have already been shown as the one document.
    pub fn error_document(&self, command: &str, error: &Error) {
        self.document(command, &serde_json::json!({ "error": error_document(error) }));
    }

    /// Renders an error of something that goes on (a failed rebuild); never a JSON document.
    pub fn problem(&self, error: &Error) {
        self.stderr(&render(error));
    }

    fn document<T: Serialize>(&self, command: &str, document: &T) {
        let body = Versioned { schema_version: SCHEMA_VERSION, command: Some(command), body: document };
        match serde_json::to_string_pretty(&body) {
            Ok(text) => self.stdout(&text),
            Err(error) => self.warning(&format!("the result could not be written as JSON: {error}")),
        }
    }

    fn stdout(&self, text: &str) {
        // An empty list is no line.
        if text.is_empty() {
            return;
        }
        let _turn = self.turn.lock();
        let written = self.bars.suspend(|| {
            let mut out = anstream::stdout().lock();
            if text.ends_with('\n') { write!(out, "{text}") } else { writeln!(out, "{text}") }?;
            out.flush()
        });
        // A reader that has seen enough (`| head`) is no failure of ours; what cannot be written
        // otherwise (a full disk) would be lost silently, so it is said.
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.lost.store(true, Ordering::Relaxed);
            let _ = writeln!(anstream::stderr(), "error: cannot write to stdout: {error}");
        }
    }

    fn stderr(&self, text: &str) {
        let _turn = self.turn.lock();
        self.bars.suspend(|| {
            let mut err = anstream::stderr().lock();
            let _ = writeln!(err, "{text}");
            let _ = err.flush();
        });
    }
}

impl Progress for Shell {
    fn status(&self, verb: &str, object: &str) {
        self.stderr(&format!("{VERB}{verb:>10}{VERB:#} {object}"));
    }

    fn warning(&self, message: &str) {
        self.stderr(&format!("{WARNING}warning:{WARNING:#} {message}"));
    }

    fn hint(&self, message: &str) {
        self.stderr(&format!("{NOTE}hint:{NOTE:#} {message}"));
    }

    fn confirm(&self, question: &str) -> bool {
        if !self.stderr_is_terminal || !io::stdin().is_terminal() {
            return false;
        }
        let _turn = self.turn.lock();
        let asked = self.bars.suspend(|| dialoguer::Confirm::new().with_prompt(question).default(true).interact_opt());
        matches!(asked, Ok(Some(true)))
    }

    fn busy(&self, message: &str) -> Busy {
        if self.stderr_is_terminal { busy::show_later(&self.bars, message) } else { Busy::hidden() }
    }

    fn transfer(&self, message: &str, total: u64) -> Transfer {
        if self.stderr_is_terminal { busy::show_transfer(&self.bars, message, total) } else { Transfer::hidden() }
    }
}

/// Lines of the conversation, or events, that are collected to be written in one go.
#[derive(Default)]
pub struct Lines(String);

impl Lines {
    /// Adds a line, if there is one.
    pub fn add(&mut self, line: Option<String>) {
        let Some(line) = line else { return };
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&line);
    }

    /// Writes what there is: events in JSON mode, else lines of the conversation.
    pub fn write(&mut self, shell: &Shell) {
        if self.0.is_empty() {
            return;
        }
        match shell.format() {
            Format::Json => shell.events(&self.0),
            Format::Text => shell.line(&self.0),
        }
        self.0.clear();
    }
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    #[serde(flatten)]
    body: &'a T,
}

/// An error as JSON, for documents and events.
pub fn error_document(error: &Error) -> serde_json::Value {
    serde_json::json!({
        "message": error.message(),
        "causes": error.causes(),
        "details": error.details_text(),
        "hints": error.hints(),
        "exit_code": error.exit_code(),
    })
}

/// An error as text for people, several lines, without a line break at the end.
pub fn render(error: &Error) -> String {
    let mut text = format!("{FAILURE}error:{FAILURE:#} {}", error.message());
    for cause in error.causes() {
        for (index, line) in cause.lines().enumerate() {
            text.push_str(if index == 0 { "\n  caused by: " } else { "\n             " });
            text.push_str(line);
        }
    }
    // What a tool has just shown on the terminal is not shown again.
    if let Some(details) = error.details_text().filter(|_| !error.is_explained()) {
        text.push('\n');
        text.push_str(details.trim_end());
    }
    for hint in error.hints() {
        text.push_str(&format!("\n{NOTE}hint:{NOTE:#} {hint}"));
    }
    text
}

/// A size with a unit, for people: `388 KB`. Units are powers of 1000.
pub fn human_size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
