//! Go projects: TinyGo, which is the one that makes components for WASI 0.2.

use super::checks::Need;
use super::recipe::{Facts, Product, Recipe, program};
use super::wit_world::only_world;

/// The recipe of a project with `go.mod`.
pub(super) fn recipe(facts: Facts<'_>) -> Recipe {
    let root = facts.root();
    let wit_dir = facts.project.settings.wit.wit_dir.as_str();
    let output = facts.declared().unwrap_or_else(|| root.join("build").join(format!("{}.wasm", facts.artifact_name())));
    let shown = output.strip_prefix(root).unwrap_or(&output).display().to_string();

    let mut args = vec!["build", "-target", "wasip2"];
    // A command-line program needs no WIT of its own.
    let world = root.join(wit_dir).is_dir().then(|| only_world(root, wit_dir));
    let wit_dir = format!("./{}", wit_dir.trim_start_matches("./"));
    if let Some(world) = &world {
        args.extend(["-wit-package", &wit_dir, "-wit-world", world.as_deref().unwrap_or("WORLD")]);
    }
    args.extend(["-o", &shown, "."]);

    let mut steps = vec![program("tinygo", &args)];
    if generates_code(root) {
        steps.insert(0, program("go", &["generate", "./..."]));
    }
    Recipe {
        because: "Go project: go.mod".into(),
        needs: vec![Need::tool("tinygo"), Need::tool("go")],
        install: None,
        steps,
        product: Product::OneOf(vec![output.clone()]),
        outputs: vec![output],
        blocked: world.and_then(Result::err),
        env: facts.env,
    }
}

/// Whether a file of the main package asks for `go generate`, as those with WIT bindings do.
fn generates_code(root: &std::path::Path) -> bool {
    let Ok(files) = std::fs::read_dir(root) else { return false };
    files
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|extension| extension == "go"))
        .filter_map(|file| std::fs::read_to_string(file.path()).ok())
        .any(|text| text.lines().any(|line| line.starts_with("//go:generate ")))
}
