//! `wash doctor`: what of this machine and project will be in the way, and what mends it.
//!
//! What languages need is known to `toolchain`, which looks at it before each build, too. Here is the
//! rest: the system ([`machine`]), wash's own folders, and registries. Changes nothing by itself.

mod machine;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::error::Result;
use crate::oci::{self, ClientOptions};
use crate::project::{self, Project};
use crate::toolchain::{self, BuildOptions, Finding, Group, State};

/// How long a registry may take to answer: somebody is looking at the screen.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to look at.
pub struct Options<'a> {
    /// The project; without one, every language is looked at.
    pub project: Option<&'a Project>,
    /// How it would be built.
    pub build: &'a BuildOptions,
    /// wash's folders for settings, data and what can be made again.
    pub folders: [PathBuf; 3],
    /// Registries to ask, as `HOST[:PORT]`.
    pub registries: &'a [String],
    /// Where `wash dev` listens unless told otherwise.
    pub address: SocketAddr,
    /// The environment at start.
    pub env: Arc<BTreeMap<String, String>>,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The worst of all.
    pub state: State,
    pub groups: Vec<Group>,
}

/// Looks at everything.
///
/// Errors: a tool that cannot be run at all, a registry's name that is none.
pub async fn examine(opts: &Options<'_>) -> Result<Report> {
    let mut groups = toolchain::diagnose(opts.project, opts.build).await?;
    let root = opts.project.map(|project| project.root.as_path());
    groups.push(Group { title: "This machine".into(), findings: machine::findings(root, address(opts)) });
    groups.push(Group { title: "wash".into(), findings: own(opts) });
    if !opts.registries.is_empty() {
        let mut findings = Vec::new();
        for registry in opts.registries {
            findings.push(reach(opts, registry).await?);
        }
        groups.push(Group { title: "Registries".into(), findings });
    }
    let findings = groups.iter().flat_map(|group| &group.findings);
    let state = findings.map(|finding| finding.state).max().unwrap_or(State::Good);
    Ok(Report { state, groups })
}

fn address(opts: &Options<'_>) -> SocketAddr {
    let of_project = opts.project.and_then(|project| project.settings.dev.address.as_deref());
    of_project.and_then(project::socket_address).unwrap_or(opts.address)
}

/// wash itself: where it keeps its files, and how much of it there is.
fn own(opts: &Options<'_>) -> Vec<Finding> {
    let mut findings = vec![Finding::good("version", env!("CARGO_PKG_VERSION"))];
    let [config, data, cache] = &opts.folders;
    for (what, folder, variable) in
        [("settings", config, "XDG_CONFIG_HOME"), ("data", data, "XDG_DATA_HOME"), ("cache", cache, "XDG_CACHE_HOME")]
    {
        findings.push(match machine::unwritable(folder) {
            None => Finding::good(what, folder.display().to_string()),
            Some(error) => Finding::problem(what, format!("cannot write to `{}`: {error}", folder.display()))
                .with_fix(format!("make it yours: sudo chown -R \"$USER\" '{}', or set {variable}", folder.display())),
        });
    }
    let usage = oci::Cache::below(cache, oci::DEFAULT_LIMIT).usage();
    if usage.bytes > oci::DEFAULT_LIMIT {
        let why = format!(
            "it has {} MiB of what was pulled, and the bound is {} MiB",
            usage.bytes >> 20,
            oci::DEFAULT_LIMIT >> 20
        );
        findings.push(Finding::warning("cache", why).with_fix("wash config cleanup"));
    }
    findings
}

/// Whether a registry answers, and takes the credentials that there are for it.
async fn reach(opts: &Options<'_>, registry: &str) -> Result<Finding> {
    let host = oci::parse_registry(registry)?;
    let [_, _, cache] = &opts.folders;
    let mut client = ClientOptions::from_environment(opts.env.clone(), cache, Some(&host))?;
    client.offline = opts.build.offline;
    client.timing = oci::Timing { connect: PATIENCE, stall: PATIENCE, attempts: 2, ..oci::Timing::default() };
    Ok(match oci::Client::new(&client)?.check_login(&host).await {
        Ok(oci::LoggedIn::Accepted) => Finding::good(host, "answers, and takes the credentials"),
        Ok(oci::LoggedIn::NotAsked) => Finding::good(host, "answers, and asks for no credentials"),
        Err(failure) => {
            let error = failure.error();
            let why = std::iter::once(error.message()).chain(error.causes().iter().map(String::as_str));
            let finding = Finding::problem(host, why.collect::<Vec<_>>().join(": "));
            match error.hints().first() {
                Some(hint) => finding.with_fix(hint.clone()),
                None => finding,
            }
        }
    })
}
