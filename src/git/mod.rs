//! Git repositories: their URLs, and fetching one with the `git` program, so that the user's own set-up (keys, credential
//! helpers, proxies, rewritten URLs) works as everywhere else.
//!
//! Nothing of the repository is executed: hooks are looked for in a folder that does not exist, no
//! template folder is copied, submodules stay away, and transports that run commands are off.

mod repository;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, timeout_at};

use crate::error::{Context as _, Error, Result};
use crate::process::{Leave, Place, Running};
use crate::progress::Progress;

pub use repository::{Repository, is_git_url, without_password};

/// The folder in the temporary one. git runs beside it, so that any path to there will do.
const CLONE: &str = "repository";
/// How many of git's last lines an error shows.
const LAST_LINES: usize = 8;
/// How much of what git says is read.
const LAST_BYTES: u64 = 16 * 1024;

/// Variables that point git at another repository. They are set when wash is started by a hook.
const OF_ANOTHER_REPOSITORY: [&str; 11] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

const SETTINGS: [&str; 9] = [
    "advice.detachedHead=false",
    "core.fsmonitor=false",
    "core.symlinks=true",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "init.defaultBranch=main",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
];

/// What decides how git is run.
pub struct Git<'a> {
    /// The environment of git.
    pub env: &'a BTreeMap<String, String>,
    /// Whether git may ask for a password.
    pub interactive: bool,
    /// How long to wait for all that is tried, and again if git asks.
    pub patience: Duration,
    /// A temporary folder of the caller: the clone and what git says go there.
    pub folder: &'a Path,
    /// A hint about what works without git, for those who have none.
    pub instead: &'a str,
}

/// A way to get what was asked for.
#[derive(Clone, Copy)]
enum Method {
    /// The newest commit alone.
    NewestCommit,
    /// All commits; for servers that give nothing less.
    Everything,
    /// The commit of a branch or a tag, or the commit itself if the server gives single ones.
    OneCommit,
    /// All commits, then the one that was asked for: an abbreviated commit is only known so.
    EverythingThenOne,
}

/// A way that was tried.
struct Failure {
    /// The step that failed, as one would type it.
    step: String,
    result: String,
    said: String,
    gave_up: bool,
}

impl Git<'_> {
    /// Checks the repository out and returns the folder with its files.
    pub async fn fetch(&self, repository: &Repository, progress: &dyn Progress) -> Result<PathBuf> {
        let url = repository.shown_url();
        progress.status("Cloning", &url);
        let methods = match &repository.git_ref {
            None => [Method::NewestCommit, Method::Everything],
            Some(_) => [Method::OneCommit, Method::EverythingThenOne],
        };
        let clone = self.folder.join(CLONE);
        let deadline = Instant::now() + self.patience;
        let mut tried = Vec::new();
        let mut asking = false;
        let mut next = 0;
        loop {
            // While git may ask at the terminal, a spinner would overwrite the question.
            let busy = (!asking).then(|| progress.busy(&format!("cloning {url}")));
            // Nobody can be asked in time if the first try has used up the patience.
            let deadline = if asking { Instant::now() + self.patience } else { deadline };
            let result = self.attempt(methods[next], repository, asking, deadline).await?;
            drop(busy);
            let Err(failure) = result else { return Ok(clone) };
            let gave_up = failure.gave_up;
            let wants_to_ask = self.interactive && !asking && failure.wants_credentials();
            let wants_more = next == 0 && failure.may_need_everything(repository.git_ref.as_deref());
            tried.push(failure);
            if clone.exists() {
                fs::remove_dir_all(&clone).context(|| format!("cannot remove `{}`", clone.display()))?;
            }
            if gave_up {
                break;
            } else if wants_to_ask {
                progress.status("Asking", "git wants to know who you are");
                asking = true;
            } else if wants_more {
                next += 1;
            } else {
                break;
            }
        }
        Err(explain(repository, &tried))
    }

    async fn attempt(
        &self,
        method: Method,
        repository: &Repository,
        asking: bool,
        deadline: Instant,
    ) -> Result<Result<(), Failure>> {
        let url = repository.url.as_str();
        let git_ref = repository.git_ref.as_deref().unwrap_or("HEAD");
        let commit = format!("{git_ref}^{{commit}}");
        let steps: Vec<Vec<&str>> = match method {
            Method::NewestCommit => {
                vec![vec!["clone", "--template=", "--no-tags", "--depth=1", "--", url, CLONE]]
            }
            Method::Everything => {
                vec![vec!["clone", "--template=", "--no-tags", "--single-branch", "--", url, CLONE]]
            }
            Method::OneCommit => vec![
                vec!["init", "--quiet", "--template=", CLONE],
                vec!["-C", CLONE, "fetch", "--no-tags", "--depth=1", "--", url, git_ref],
                vec!["-C", CLONE, "checkout", "--quiet", "--detach", "FETCH_HEAD^{commit}"],
            ],
            Method::EverythingThenOne => vec![
                vec!["clone", "--template=", "--no-checkout", "--", url, CLONE],
                vec!["-C", CLONE, "checkout", "--quiet", "--detach", &commit, "--"],
            ],
        };
        for step in steps {
            if let Err(failure) = self.step(&step, repository, asking, deadline).await? {
                return Ok(Err(failure));
            }
        }
        Ok(Ok(()))
    }

    async fn step(
        &self,
        arguments: &[&str],
        repository: &Repository,
        asking: bool,
        deadline: Instant,
    ) -> Result<Result<(), Failure>> {
        // A file, not a pipe: a credential daemon that git starts keeps a pipe open for ever.
        let log = self.folder.join("git.log");
        let said = File::create(&log).context(|| format!("cannot write `{}`", log.display()))?;
        let mut command = self.command(asking);
        command.args(arguments).stdout(Stdio::null()).stderr(said);
        let place = if asking { Place::AtTheTerminal } else { Place::Apart };
        let started = Running::start(&mut command, place, Leave::Asked);
        let mut git = started.map_err(|error| cannot_start(&error, self.instead))?;
        let ended = timeout_at(deadline, git.wait()).await;
        drop(git);
        let said = last_lines(&log, repository);
        let (result, gave_up) = match ended {
            Ok(Ok(status)) if status.success() => return Ok(Ok(())),
            Ok(Ok(status)) => (status.to_string(), false),
            Ok(Err(error)) => (error.to_string(), false),
            Err(_) => (format!("given up after {} seconds", self.patience.as_secs()), true),
        };
        let shown: Vec<&str> = arguments
            .iter()
            .filter(|argument| !argument.starts_with("--template") && !matches!(**argument, "--" | "--quiet" | "-C"))
            .filter(|argument| **argument != CLONE && **argument != repository.url)
            .copied()
            .collect();
        Ok(Err(Failure { step: format!("git {}", shown.join(" ")), result, said, gave_up }))
    }

    fn command(&self, asking: bool) -> Command {
        let mut command = Command::new("git");
        command.current_dir(self.folder).env_clear().envs(self.env);
        for name in OF_ANOTHER_REPOSITORY {
            command.env_remove(name);
        }
        // What git says decides what is tried next, so it must be in English.
        command.env("LC_ALL", "C");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let no_hooks = self.folder.join("no-hooks");
        command.arg("-c").arg(format!("core.hooksPath={}", no_hooks.display()));
        if asking {
            command.stdin(Stdio::inherit());
            return command;
        }
        // Helpers and askpass programs still answer; only questions to the terminal are off.
        command.stdin(Stdio::null()).env("GIT_TERMINAL_PROMPT", "0").env("GCM_INTERACTIVE", "never");
        // ssh asks at the terminal even when stdin is none; a program that fails is its answer.
        if ["SSH_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND"].iter().all(|name| !self.env.contains_key(*name)) {
            command.env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force");
        }
        command
    }
}

impl Failure {
    fn says(&self, texts: &[&str]) -> bool {
        let said = self.said.to_ascii_lowercase();
        texts.iter().any(|text| said.contains(text))
    }

    fn wants_credentials(&self) -> bool {
        self.says(&[
            "terminal prompts disabled",
            "could not read username",
            "could not read password",
            "authentication failed",
            "permission denied",
            "host key verification failed",
            "interactivity has been disabled",
            "unable to get password",
        ])
    }

    /// Whether the whole history may help: the server gives no single commits, or does not know an
    /// abbreviated one.
    fn may_need_everything(&self, git_ref: Option<&str>) -> bool {
        let may_be_commit = |text: &str| text.len() >= 4 && text.chars().all(|c| c.is_ascii_hexdigit());
        git_ref.is_some_and(may_be_commit) || self.says(&["shallow"])
    }

    fn misses_ref(&self) -> bool {
        self.says(&["couldn't find remote ref", "not our ref", "invalid reference", "did not match any"])
    }
}

fn cannot_start(error: &io::Error, instead: &str) -> Error {
    if error.kind() != io::ErrorKind::NotFound {
        return Error::caused_by("cannot start `git`", error);
    }
    Error::failed("`git` is not installed, or not on the PATH")
        .hint(if cfg!(target_os = "macos") {
            "install it: xcode-select --install"
        } else if cfg!(windows) {
            "install it: winget install Git.Git"
        } else {
            "install it with your package manager, for example: sudo apt-get install git"
        })
        .hint(instead)
}

fn explain(repository: &Repository, tried: &[Failure]) -> Error {
    let url = repository.shown_url();
    let last = tried.last().expect("only failures are explained");
    let error = match &repository.git_ref {
        Some(git_ref) if !last.gave_up && last.misses_ref() => {
            Error::failed(format!("there is no branch, tag or commit `{git_ref}` in `{url}`"))
                .hint(format!("list what is there: git ls-remote {url}"))
        }
        _ if last.gave_up => Error::failed(format!("cannot clone `{url}` in time"))
            .hint(format!("see whether git reaches it: git ls-remote {url}")),
        _ => Error::failed(format!("cannot clone `{url}`"))
            .hint(format!("check the URL, and whether you may read it: git ls-remote {url}")),
    };
    let tried: Vec<String> = tried
        .iter()
        .map(|failure| {
            let said: String = failure.said.lines().map(|line| format!("\n    {line}")).collect();
            format!("  {}: {}{said}", failure.step, failure.result)
        })
        .collect();
    error.details(format!("tried, and nothing was left behind:\n{}", tried.join("\n")))
}

/// The last lines of what git has said, without passwords and control characters.
fn last_lines(log: &Path, repository: &Repository) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(LAST_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).replace(&repository.url, &repository.shown_url());
    let lines: Vec<String> = text
        .split(['\n', '\r'])
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>().trim_end().to_string())
        .filter(|line| !line.is_empty() && !line.starts_with("Cloning into"))
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(said: &str) -> Failure {
        Failure { step: "git fetch".into(), result: "exit status: 128".into(), said: said.into(), gave_up: false }
    }

    fn repository(url: &str, git_ref: Option<&str>) -> Repository {
        Repository { url: url.into(), git_ref: git_ref.map(ToString::to_string) }
    }

    #[test]
    fn the_whole_history_is_fetched_only_where_it_may_help() {
        let missing = failure("fatal: couldn't find remote ref x");
        assert!(missing.may_need_everything(Some("0123abc")));
        assert!(!missing.may_need_everything(Some("main")));
        assert!(!missing.may_need_everything(None));
        let dumb = failure("fatal: dumb http transport does not support shallow capabilities");
        assert!(dumb.may_need_everything(None));
        assert!(dumb.may_need_everything(Some("main")));
    }

    #[test]
    fn an_error_names_the_url_and_everything_that_was_tried() {
        let tried = [failure("fatal: one"), failure("fatal: two\nfatal: three")];
        let error = explain(&repository("https://me:secret@x.example/r", None), &tried);
        assert_eq!(error.message(), "cannot clone `https://***@x.example/r`");
        assert_eq!(
            error.details_text().unwrap(),
            "tried, and nothing was left behind:\n  git fetch: exit status: 128\n    fatal: one\n  \
             git fetch: exit status: 128\n    fatal: two\n    fatal: three"
        );
        let error = explain(&repository("file:///r", Some("x")), &[failure("fatal: couldn't find remote ref x")]);
        assert_eq!(error.message(), "there is no branch, tag or commit `x` in `file:///r`");
    }

    #[cfg(unix)]
    #[test]
    fn a_clone_that_hangs_is_given_up_and_ended() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let git = folder.path().join("git");
        fs::write(&git, "#!/bin/sh\necho waiting >&2\nsleep 1000\n").unwrap();
        fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
        let env = BTreeMap::from([("PATH".to_string(), format!("{}:/usr/bin:/bin", folder.path().display()))]);
        let temporary = tempfile::tempdir().unwrap();
        // Long enough for the shell to say something, also on a busy machine.
        let git = Git {
            env: &env,
            interactive: true,
            patience: Duration::from_secs(2),
            folder: temporary.path(),
            instead: "",
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error =
            runtime.block_on(git.fetch(&repository("https://h/r", None), &crate::progress::Silent)).unwrap_err();
        assert_eq!(error.message(), "cannot clone `https://h/r` in time");
        let details = error.details_text().unwrap();
        assert!(details.ends_with("git clone --no-tags --depth=1: given up after 2 seconds\n    waiting"), "{details}");
    }

    #[test]
    fn the_last_lines_are_shown_without_passwords_and_escapes() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let many: String = (0..50).map(|line| format!("line {line}\n")).collect();
        fs::write(&log, format!("Cloning into 'x'...\n{many}1%\r2%\r\x1b[31mfatal: https://a:b@h/r\n")).unwrap();
        let lines = last_lines(&log, &repository("https://a:b@h/r", None));
        assert_eq!(lines.lines().count(), LAST_LINES);
        assert!(lines.ends_with("1%\n2%\n[31mfatal: https://***@h/r"), "{lines}");
    }
}
