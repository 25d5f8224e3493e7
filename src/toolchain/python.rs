//! Python projects: componentize-py with the project's world.

use std::path::PathBuf;

use super::checks::Need;
use super::custom::conventional_outputs;
use super::recipe::{Facts, Product, Recipe, program};
use super::wit_world::only_world;
use crate::error::Error;

/// The version that the projects of `wash new` use, too.
const COMPONENTIZE: &str = "componentize-py==0.25.1";

/// The recipe of a project with `pyproject.toml`, `requirements.txt` or `app.py`.
pub(super) fn recipe(mut facts: Facts<'_>) -> Recipe {
    let root = facts.root();
    let wit_dir = facts.project.settings.wit.wit_dir.as_str();
    let world = only_world(root, wit_dir);
    let module = if root.join("app.py").is_file() {
        Ok("app")
    } else {
        Err(Error::failed(format!("there is no `app.py` in `{}`", root.display()))
            .hint("put the component's entry into `app.py`, or say how to build it: wash config init"))
    };
    let output = facts.declared().unwrap_or_else(|| root.join("build").join(format!("{}.wasm", facts.artifact_name())));
    let shown = output.strip_prefix(root).unwrap_or(&output).display().to_string();

    let name = componentize(&mut facts);
    let args = [
        "--wit-path",
        wit_dir,
        "--world",
        world.as_deref().unwrap_or("WORLD"),
        "componentize",
        module.as_deref().unwrap_or("MODULE"),
        "--output",
        &shown,
    ];
    let mut outputs = conventional_outputs(&facts);
    outputs.push(output.clone());
    let manifests = ["pyproject.toml", "requirements.txt", "app.py"];
    let manifest = manifests.into_iter().find(|file| facts.root().join(file).is_file()).unwrap_or("app.py");
    let what = if facts.root().join("requirements.txt").is_file() { "-r requirements.txt" } else { COMPONENTIZE };
    Recipe {
        because: format!("Python project: {manifest}"),
        needs: vec![Need::Tool {
            name: name.clone(),
            fix: format!("python3 -m venv .venv && .venv/bin/pip install {what}"),
            wanted: None,
        }],
        install: None,
        steps: vec![program(&name, &args)],
        product: Product::OneOf(vec![output]),
        outputs,
        blocked: world.err().or(module.err()),
        env: facts.env,
    }
}

/// How componentize-py is called: that of the project's virtual environment, else that of the PATH.
fn componentize(facts: &mut Facts<'_>) -> String {
    for folder in [".venv", "venv"] {
        let script: PathBuf = if cfg!(windows) {
            [folder, "Scripts", "componentize-py.exe"].iter().collect()
        } else {
            [folder, "bin", "componentize-py"].iter().collect()
        };
        if facts.root().join(&script).is_file() {
            // That is where it looks for the packages which the component uses.
            facts.env.insert("VIRTUAL_ENV".into(), facts.root().join(folder).display().to_string());
            return script.display().to_string();
        }
    }
    "componentize-py".into()
}
