//! Go projects for TinyGo, which makes components for WASI 0.2 by itself.

use super::checks::Need;
use super::go::generates_code;
use super::recipe::{Facts, Product, Recipe, program};
use super::wit_world::only_world;

/// The recipe of a project with `go.mod` that is for TinyGo, with the reason why it is taken for one.
pub(super) fn recipe(facts: Facts<'_>, because: String) -> Recipe {
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
        because,
        needs: vec![Need::tool("tinygo"), Need::tool("go")],
        install: None,
        steps,
        product: Product::OneOf(vec![output.clone()]),
        outputs: vec![output],
        blocked: world.and_then(Result::err),
        env: facts.env,
    }
}
