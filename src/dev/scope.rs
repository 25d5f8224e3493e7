//! What is watched, and what a change of it means.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::serving::tls_files;
use super::session::NodeState;
use super::snapshot::Scope;
use crate::project::Project;

/// What the watcher looks at.
pub fn scope_of(project: &Project, nodes: &[NodeState], generated: &BTreeSet<PathBuf>) -> Scope {
    let mut files = surroundings_of(project);
    files.extend(project.inputs());
    let mut outputs = generated.clone();
    outputs.extend(nodes.iter().flat_map(|node| node.outputs.iter().cloned()));
    for path in [&project.settings.dev.wasi_keyvalue_path, &project.settings.dev.wasi_blobstore_path] {
        outputs.extend(path.as_ref().map(|path| project.root.join(path)));
    }
    // What components write to their volumes is no edit.
    let dev = &project.settings.dev;
    let volumes = dev.volumes.iter().chain(dev.components.iter().flat_map(|component| &component.volumes));
    outputs.extend(volumes.map(|volume| project.root.join(&volume.host_path)));
    // The server looks at these itself; nothing is built of them.
    if let Some(files) = tls_files(project) {
        outputs.extend([files.cert, files.key].into_iter().chain(files.ca));
    }
    outputs.remove(&project.root);
    Scope {
        roots: nodes.iter().map(|node| node.project.root.clone()).collect(),
        files,
        outputs,
        ignore: project.settings.dev.ignore.clone(),
    }
}

/// Files that a workload is made of and that need no build: env files, secrets, component files, the
/// service, authorities.
pub fn surroundings_of(project: &Project) -> BTreeSet<PathBuf> {
    let dev = &project.settings.dev;
    let sidecars = dev
        .components
        .iter()
        .flat_map(|component| component.file.iter().chain(&component.env_files).chain(component.secret_files.values()));
    let authorities = &dev.http_client_ca_paths;
    dev.env_files
        .iter()
        .chain(sidecars)
        .chain(&dev.service_file)
        .chain(dev.secret_files.values())
        .chain(authorities)
        .map(|file| project.root.join(file))
        .collect()
}

/// A settings file that did not exist when the settings were read.
pub fn is_settings_file(project: &Project, path: &Path) -> bool {
    path.parent() == Some(&project.root.join(".wash"))
        && path.file_stem().is_some_and(|stem| stem == "config")
        && path.extension().is_some_and(|end| ["yaml", "yml", "json", "toml"].iter().any(|known| end == *known))
}
