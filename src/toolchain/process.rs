//! Running a tool as a process group of its own, so that it ends as a whole with all its children.
//!
//! A tool never reads from the terminal, writes to ours live, and is never waited for longer than
//! anybody wants it: dropping what waits kills the group, [`Stop`] asks it to end first.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ToolOutput;
use crate::error::{Error, Result};
use crate::process::{End, Leave, Place, Running};

/// How long output is waited for after the tool itself has ended, while a child still holds it open.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// Becomes true when running tools shall be ended.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub fn new() -> (watch::Sender<bool>, Stop) {
        let (sender, receiver) = watch::channel(false);
        (sender, Stop(receiver))
    }

    /// Waits until it is true.
    pub async fn requested(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }
}

/// Everything that a tool gets from us.
pub(super) struct Tool<'a> {
    /// What errors call it.
    pub title: &'a str,
    /// Where it lies.
    pub program: &'a Path,
    pub args: &'a [String],
    pub folder: &'a Path,
    pub env: &'a BTreeMap<String, String>,
}

impl Tool<'_> {
    /// Runs it with its output shown as it comes; `tail` gets the end of what is copied.
    pub async fn run(&self, output: ToolOutput, tail: &Arc<Tail>, stop: &mut Stop) -> Result<ExitStatus> {
        let mut command = self.command(output);
        command.stdout(match output {
            ToolOutput::Inherit => Stdio::inherit(),
            ToolOutput::Stderr => stderr_of_ours()?,
            ToolOutput::Copied { .. } => Stdio::piped(),
        });
        let mut group = self.spawn(&mut command)?;
        let copies =
            [group.take_stdout().map(|pipe| copy(pipe, tail)), group.take_stderr().map(|pipe| copy(pipe, tail))];
        let ended = tokio::select! {
            ended = group.ended() => ended,
            () = stop.requested() => {
                group.terminate().await;
                return Err(Error::interrupted());
            }
        };
        for copied in copies.into_iter().flatten() {
            let _ = tokio::time::timeout(LAST_OUTPUT, copied).await;
        }
        self.settle(ended)
    }

    /// Runs it and hands over each line of its stdout; stderr is shown as it comes.
    pub async fn run_lines(
        &self,
        output: ToolOutput,
        tail: &Arc<Tail>,
        stop: &mut Stop,
        mut on_line: impl FnMut(&[u8]),
    ) -> Result<ExitStatus> {
        let mut command = self.command(output);
        command.stdout(Stdio::piped());
        let mut group = self.spawn(&mut command)?;
        let copied = group.take_stderr().map(|pipe| copy(pipe, tail));
        let stdout = group.take_stdout().ok_or_else(|| Error::bug("a tool has no stdout"))?;
        let reading = async {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
                on_line(&line);
                line.clear();
            }
        };
        let work = async {
            tokio::pin!(reading);
            let mut all_read = false;
            let status = loop {
                tokio::select! {
                    ended = group.ended() => break ended,
                    () = &mut reading, if !all_read => all_read = true,
                }
            };
            if !all_read {
                let _ = tokio::time::timeout(LAST_OUTPUT, reading).await;
            }
            if let Some(copied) = copied {
                let _ = tokio::time::timeout(LAST_OUTPUT, copied).await;
            }
            status
        };
        let ended = tokio::select! {
            ended = work => Some(ended),
            () = stop.requested() => None,
        };
        match ended {
            Some(ended) => self.settle(ended),
            None => {
                group.terminate().await;
                Err(Error::interrupted())
            }
        }
    }

    /// Runs it quietly and returns what it wrote to stdout; nothing when it fails. Its stderr is shown.
    pub async fn ask(&self, stop: &mut Stop) -> Result<Option<String>> {
        let mut answer = Vec::new();
        let on_line = |line: &[u8]| answer.extend_from_slice(line);
        let status = self.run_lines(ToolOutput::Stderr, &Arc::default(), stop, on_line).await?;
        Ok(status.success().then(|| String::from_utf8_lossy(&answer).trim().to_string()))
    }

    fn command(&self, output: ToolOutput) -> Command {
        let mut command = Command::new(self.program);
        #[cfg(not(windows))]
        command.args(self.args);
        #[cfg(windows)]
        if self.program.file_stem().is_some_and(|name| name.eq_ignore_ascii_case("cmd")) {
            // The shell takes the rest of its line as it is written, inside one pair of quotes.
            for arg in self.args {
                if arg.starts_with('/') {
                    command.raw_arg(arg)
                } else {
                    command.raw_arg(format!("\"{arg}\""))
                };
            }
        } else {
            command.args(self.args);
        }
        command.current_dir(self.folder).env_clear().envs(self.env);
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        if let ToolOutput::Copied { colour, progress } = output {
            command.stderr(Stdio::piped());
            // A tool that writes to a pipe leaves colours out unless it is asked for them.
            for name in COLOUR.iter().filter(|name| colour && !self.env.contains_key(**name)) {
                command.env(name, if *name == "CARGO_TERM_COLOR" { "always" } else { "1" });
            }
            if progress && !self.env.contains_key("CARGO_TERM_PROGRESS_WHEN") {
                // Cargo cannot ask a pipe for its width.
                command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
            }
        }
        command
    }

    fn spawn(&self, command: &mut Command) -> Result<Running> {
        Running::start(command, Place::Apart, Leave::Killed).map_err(|error| self.broken(&error))
    }

    fn settle(&self, ended: std::io::Result<End>) -> Result<ExitStatus> {
        match ended {
            Ok(End::Exited(status)) => Ok(status),
            Ok(End::WantsTerminal) => Err(Error::failed(format!("`{}` wants to read from the terminal", self.title))
                .cause("a build answers no questions: it is repeated, and run by machines")
                .hint("run the command once yourself, answer it, and build again")),
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn broken(&self, error: &std::io::Error) -> Error {
        Error::caused_by(format!("cannot run `{}` in `{}`", self.title, self.folder.display()), error)
    }
}

/// By these, cargo, the tools of Node.js and many others write colours although they write to a pipe.
const COLOUR: [&str; 3] = ["CARGO_TERM_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"];

/// The end of what a tool has written, for those who do not see the terminal.
#[derive(Default)]
pub(super) struct Tail(Mutex<Vec<u8>>);

impl Tail {
    /// A page of a compiler's errors; the first of them is mostly the one that counts.
    const MOST: usize = 16 << 10;

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(Self::MOST);
        kept.drain(..surplus);
    }

    /// As plain text, without colours; `None` when nothing was written.
    pub fn text(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = anstream::adapter::strip_str(&String::from_utf8_lossy(&kept)).to_string();
        (!text.trim().is_empty()).then(|| text.trim_end().to_string())
    }
}

/// Passes on what comes through a pipe to our stderr, as it comes, and keeps the end of it.
fn copy(mut pipe: impl AsyncRead + Unpin + Send + 'static, tail: &Arc<Tail>) -> JoinHandle<()> {
    let tail = tail.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 8 << 10];
        while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
            let _ = std::io::stderr().write_all(&buffer[..count]);
            tail.push(&buffer[..count]);
        }
    })
}

/// Our stderr, for the stdout of a tool.
fn stderr_of_ours() -> Result<Stdio> {
    #[cfg(unix)]
    let duplicate = std::os::fd::AsFd::as_fd(&std::io::stderr()).try_clone_to_owned();
    #[cfg(windows)]
    let duplicate = std::os::windows::io::AsHandle::as_handle(&std::io::stderr()).try_clone_to_owned();
    duplicate.map(Stdio::from).map_err(|error| Error::caused_by("cannot use stderr for the output of tools", &error))
}

/// Reads what a short-lived program of ours writes, blocking, bounded by nothing but its end.
pub(super) fn ask_blocking(tool: &Tool<'_>) -> Option<Vec<u8>> {
    let output = std::process::Command::new(tool.program)
        .args(tool.args)
        .current_dir(tool.folder)
        .env_clear()
        .envs(tool.env)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}
