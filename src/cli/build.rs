//! `wash build`: builds the project into a component and says what came out.

use std::path::Path;

use super::signals::Signals;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::project::Project;
use crate::shell::{Format, human_size};
use crate::toolchain::{self, BuildOptions, BuildReport, ToolOutput, WitFetch};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The command is build.command of .wash/config.yaml. Without one, wash recognises Rust, JavaScript and
TypeScript, Python, Go and Makefiles, and calls their tools.")]
pub struct Args {
    /// Do not fetch WIT packages that are missing
    #[arg(long, conflicts_with = "locked")]
    skip_fetch: bool,

    /// Fail if wkg.lock would have to change
    #[arg(long)]
    locked: bool,
}

pub fn run(ctx: &Context, start: &Path, args: Args) -> Result<()> {
    let project = super::load_project(ctx, start, &[])?;
    let report = build_project(ctx, &project, tool_output(ctx), super::wit_fetch(args.skip_fetch, args.locked))?;
    ctx.shell.result("build", &report, || text(&report, &ctx.cwd));
    Ok(())
}

/// stdout is for the result, also when that is text: tools write to stderr.
pub(super) fn tool_output(ctx: &Context) -> ToolOutput {
    let colour = ctx.shell.has_colour();
    ToolOutput::Copied { colour, progress: colour && ctx.shell.format() == Format::Text }
}

/// Builds a project for a command whose result may be another one.
pub(super) fn build_project(
    ctx: &Context,
    project: &Project,
    output: ToolOutput,
    wit: WitFetch,
) -> Result<BuildReport> {
    let opts = BuildOptions {
        for_dev: false,
        output,
        env: (*ctx.env).clone(),
        interactive: ctx.interactive,
        offline: ctx.offline,
        wit,
        cache: ctx.dirs.cache.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::caused_by("cannot start the runtime", &error))?;
    let report = runtime.block_on(build(ctx, project, &opts));
    // A step that still reads a file is of no use to anybody now.
    runtime.shutdown_background();
    report
}

/// Builds until the user wants to stop: the first signal asks the tools to end, the second one does
/// not wait for them.
async fn build(ctx: &Context, project: &Project, opts: &BuildOptions) -> Result<BuildReport> {
    let mut signals = Signals::listen()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let work = toolchain::build_until(project, opts, &*ctx.shell, async {
        let _ = stopped.await;
    });
    tokio::pin!(work);
    tokio::select! {
        report = &mut work => return report,
        () = signals.next() => {}
    }
    let _ = stop.send(());
    tokio::select! {
        report = work => report,
        () = signals.next() => Err(Error::interrupted()),
    }
}

/// The report for people: the path first, then a line for each fact.
fn text(report: &BuildReport, cwd: &Path) -> String {
    let description = &report.description;
    let mut lines = vec![report.path.strip_prefix(cwd).unwrap_or(&report.path).display().to_string()];
    let mut fact = |name: &str, values: &[String]| {
        for (index, value) in values.iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            lines.push(format!("  {name:<9}{value}"));
        }
    };
    let exact = if description.size < 1_000 { String::new() } else { format!(" ({} bytes)", description.size) };
    fact("size", &[format!("{}{exact}", human_size(description.size))]);
    fact("digest", std::slice::from_ref(&description.digest));
    if let Some(world) = &description.world {
        fact("world", std::slice::from_ref(world));
    }
    fact("exports", &description.exports);
    fact("imports", &description.imports);
    if report.adapted {
        fact("adapted", &["from a core module, with the preview1 adapter".to_string()]);
    }
    let stages: Vec<String> =
        report.stages.iter().map(|stage| format!("{} {:.2} s", stage.name, stage.time.as_secs_f64())).collect();
    fact("time", &[stages.join(", ")]);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::component::{Description, Kind};
    use crate::toolchain::{Artifact, Stage};

    #[test]
    fn report_is_a_path_and_a_line_for_each_fact() {
        let description = Description {
            kind: Kind::Component,
            world: Some("root:component/root".into()),
            imports: vec!["wasi:io/poll@0.2.12".into(), "wasi:http/types@0.2.12".into()],
            exports: vec!["wasi:http/incoming-handler@0.2.12".into()],
            size: 299_126,
            digest: "sha256:abc".into(),
        };
        let report = BuildReport {
            name: "hello".into(),
            path: "/p/target/hello.wasm".into(),
            description: description.clone(),
            adapted: true,
            command: "cargo build".into(),
            stages: vec![
                Stage { name: "check", time: Duration::from_millis(21) },
                Stage { name: "build", time: Duration::from_millis(1_420) },
            ],
            artifact: Artifact { path: "/p/target/hello.wasm".into(), bytes: Vec::new(), description },
        };
        assert_eq!(
            text(&report, Path::new("/p")),
            "\
target/hello.wasm
  size     299 KB (299126 bytes)
  digest   sha256:abc
  world    root:component/root
  exports  wasi:http/incoming-handler@0.2.12
  imports  wasi:io/poll@0.2.12
           wasi:http/types@0.2.12
  adapted  from a core module, with the preview1 adapter
  time     check 0.02 s, build 1.42 s"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["exports"][0], "wasi:http/incoming-handler@0.2.12");
        assert_eq!(json["stages"][1]["milliseconds"], 1420);
        assert_eq!(json["adapted"], true);
    }
}
