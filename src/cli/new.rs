//! `wash new`: a project from a template, a Git repository or a folder.

pub(super) mod ask;

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use ask::{Stop, or_stop};

use crate::context::Context;
use crate::error::{Context as _, Error, Result};
use crate::progress::Progress;
use crate::scaffold::{self, Name, Options, Report, SetupCommand, Source, Template, catalog};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The project is made in a new folder below the current one (or the one of -C), named like it.\n\
    Without SOURCE, a menu is shown on a terminal.\n\n\
    Examples:\n  \
    wash new http-hello-world --name hello\n  \
    wash new https://github.com/me/repo --subfolder templates/api --git-ref v1.2\n  \
    wash new ./my-template --name hello"
)]
pub struct Args {
    /// A template (`--list` shows them), a folder, or any URL that git understands
    source: Option<String>,

    /// The project's name and folder [default: that of the template, subfolder or repository]
    #[arg(long)]
    name: Option<String>,

    /// The branch, tag or commit of the Git repository to take
    #[arg(long, value_name = "REF", requires = "source")]
    git_ref: Option<String>,

    /// The folder within the repository or folder to take
    #[arg(long, value_name = "PATH", requires = "source")]
    subfolder: Option<String>,

    /// Run the template's set-up command (`new.command` of its settings) without asking
    #[arg(short, long)]
    yes: bool,

    /// Print the templates and make nothing
    #[arg(long, conflicts_with_all = ["source", "name", "git_ref", "subfolder", "yes"])]
    list: bool,
}

#[derive(Serialize)]
struct List {
    templates: &'static [Template],
}

/// What `-o json` says.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// The template's set-up command, if it has one.
    set_up: Option<SetUp<'a>>,
    /// What to type next.
    next: [&'a str; 1],
}

#[derive(Serialize)]
struct SetUp<'a> {
    command: &'a str,
    /// Whether it was run, and successfully: a failure is an error.
    done: bool,
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    if args.list {
        ctx.shell.result("new", &List { templates: catalog::templates() }, || catalog::table().join("\n"));
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(|| "cannot start the runtime that watches git and signals")?;
    let result = runtime.block_on(make(ctx, start, args));
    // A question that ctrl-c has ended may still wait for a key in its thread.
    runtime.shutdown_background();
    result
}

async fn make(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    let mut stop = Stop::listen()?;
    let (source, name) = decide(ctx, &args, &mut stop).await?;
    let opts = Options {
        source,
        name,
        parent: tidy(start),
        env: ctx.env.as_ref().clone(),
        interactive: ctx.interactive,
        offline: ctx.offline,
    };
    let report = or_stop(&mut stop, scaffold::create(&opts, ctx.shell.as_ref())).await?;
    ctx.shell.status("Created", &format!("{} from {}", report.name, opts.source.shown()));

    if let Some(problem) = &report.problem {
        ctx.shell.warning(&format!("{problem}; if the template has a set-up command, it was not run"));
    }
    let mut steps = vec![format!("cd {}", quoted(&shown_folder(ctx, &report.path).display().to_string()))];
    let mut done = false;
    if let Some(set_up) = &report.set_up {
        done = match run_set_up(ctx, &args, &report, set_up, &opts, &mut stop).await {
            Ok(done) => done,
            Err(error) => return Err(error.hint(format!("the project was created: {}", report.path.display()))),
        };
        if !done {
            ctx.shell.warning("the set-up command was not run");
            steps.push(pasteable(&set_up.command));
        }
    }
    steps.push("wash dev".into());
    let next = steps.join(" && ");
    ctx.shell.hint(&next);

    let set_up = report.set_up.as_ref().map(|set_up| SetUp { command: &set_up.command, done });
    let document = Document { report: &report, set_up, next: [&next] };
    ctx.shell.result("new", &document, || report.path.display().to_string());
    Ok(())
}

/// What to make, and how it is called: as typed, else as chosen in the menu.
async fn decide(ctx: &Context, args: &Args, stop: &mut Stop) -> Result<(Source, Name)> {
    let name = args.name.as_deref().map(Name::parse).transpose()?;
    let Some(typed) = &args.source else {
        if !ctx.interactive {
            return Err(Error::usage("no template was named")
                .details(scaffold::list())
                .hint("for example: wash new http-hello-world --name hello"));
        }
        let template = ask::template(stop).await?;
        let name = match name {
            Some(name) => name,
            None => ask::name(stop, &template.name).await?,
        };
        return Ok((Source::Template(template), name));
    };
    let source = Source::parse(typed, args.git_ref.as_deref(), args.subfolder.as_deref(), &ctx.cwd)?;
    let name = match name {
        Some(name) => name,
        None => source.default_name()?,
    };
    Ok((source, name))
}

/// Shows the template's command, and runs it with consent. Returns whether it was run.
async fn run_set_up(
    ctx: &Context,
    args: &Args,
    report: &Report,
    set_up: &SetupCommand,
    opts: &Options,
    stop: &mut Stop,
) -> Result<bool> {
    let lines: String = visible(set_up.command.trim()).lines().map(|line| format!("\n    {line}")).collect();
    ctx.shell.line(&format!("The template has a set-up command (`new.command` in {}):{lines}", set_up.file));
    let consent = args.yes || ctx.interactive && ask::consent(stop, &report.path).await?;
    if consent {
        ctx.shell.status("Running", "the set-up command");
        let result = or_stop(stop, scaffold::set_up(&report.path, set_up, opts)).await;
        if ctx.interactive && result.is_err() {
            // The terminal has shown `^C`, or the command an unfinished question.
            ctx.shell.line("");
        }
        result?;
    }
    Ok(consent)
}

/// The folder without the `.` and `..` that `-C` may have brought.
fn tidy(folder: &Path) -> PathBuf {
    let has_parents = folder.components().any(|part| part == Component::ParentDir);
    let real = if has_parents { folder.canonicalize().ok() } else { None };
    real.unwrap_or_else(|| folder.components().collect())
}

/// The folder as the user would type it: relative, where that is shorter.
fn shown_folder(ctx: &Context, path: &Path) -> PathBuf {
    path.strip_prefix(&ctx.cwd).unwrap_or(path).to_path_buf()
}

/// The command as part of a line for a shell, whatever is in it.
fn pasteable(command: &str) -> String {
    let command = command.trim();
    let is_compound = command.contains(['\n', ';', '|', '&', '<', '>', '#']);
    visible(&if is_compound { format!("sh -c {}", quoted(command)) } else { command.to_string() })
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./\\:+,@".contains(c);
    if text.chars().all(is_plain) { text.to_string() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Foreign text with its control characters made visible, so that it cannot hide a part of itself.
fn visible(text: &str) -> String {
    let is_plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars().map(|c| if is_plain(c) { c.to_string() } else { c.escape_default().to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_shell_when_they_must_be() {
        for (path, shown) in [("a/b-c", "a/b-c"), ("my app", "'my app'"), ("größe", "größe"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(quoted(path), shown);
        }
    }

    #[test]
    fn a_set_up_command_can_be_pasted_after_another() {
        for (command, line) in [
            ("npm install\n", "npm install"),
            ("a; b", "sh -c 'a; b'"),
            ("a || echo 'x'", r"sh -c 'a || echo '\''x'\'''"),
            ("a\nb\n", "sh -c 'a\nb'"),
        ] {
            assert_eq!(pasteable(command), line);
        }
    }

    #[test]
    fn a_command_cannot_hide_itself_with_escapes() {
        assert_eq!(visible("rm x\r\x1b[2Knpm install\n"), "rm x\\r\\u{1b}[2Knpm install\n");
    }
}
