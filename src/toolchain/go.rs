//! Go projects: which of the two Go compilers they are written for, and how the plain one builds them.
//!
//! The plain toolchain makes a core module for WASI preview 1, with the exports that the generated
//! bindings ask for; the WIT world and the preview1 adapter make it a component (`adapt`).

use std::path::Path;

use semver::VersionReq;

use super::checks::Need;
use super::recipe::{Facts, Product, Recipe, Step};
use super::tinygo;
use super::versions::Wanted;
use super::wit_world::only_world;

/// What is set for the plain toolchain.
pub(super) const TARGET: &[(&str, &str)] = &[("GOOS", "wasip1"), ("GOARCH", "wasm")];

/// What the bindings of `wit-bindgen go` need at run time.
const RUNTIME: &str = "go.bytecodealliance.org/pkg";

/// Modules that only bindings for TinyGo need.
const OF_TINYGO: &[&str] = &[
    "go.bytecodealliance.org/cm",
    "go.bytecodealliance.org/cmd/wit-bindgen-go",
    "github.com/bytecodealliance/wasm-tools-go",
    "go.wasmcloud.dev/component",
];

/// The compiler that a project is for, and the line of its manifest that says so.
#[derive(Debug, PartialEq, Eq)]
enum Compiler {
    Plain(String),
    Tiny(String),
}

/// The recipe of a project with `go.mod`.
pub(super) fn recipe(facts: Facts<'_>) -> Recipe {
    let root = facts.root();
    let manifest = std::fs::read_to_string(root.join("go.mod")).unwrap_or_default();
    let has_wit = root.join(&facts.project.settings.wit.wit_dir).is_dir();
    match compiler(&manifest, has_wit) {
        Compiler::Plain(because) => plain(facts, because, &manifest, has_wit),
        Compiler::Tiny(because) => tinygo::recipe(facts, because),
    }
}

fn compiler(manifest: &str, has_wit: bool) -> Compiler {
    let required = |module: &&str| {
        manifest.lines().any(|line| {
            let line = line.split("//").next().unwrap_or_default();
            line.split_whitespace()
                .any(|word| word.strip_prefix(*module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        })
    };
    if required(&RUNTIME) {
        return Compiler::Plain(format!("Go project: go.mod, which requires {RUNTIME}"));
    }
    if let Some(module) = OF_TINYGO.iter().find(|module| required(module)) {
        return Compiler::Tiny(format!("TinyGo project: go.mod, which requires {module}"));
    }
    if has_wit {
        // TinyGo reads the WIT by itself. The plain toolchain does nothing with it without bindings.
        return Compiler::Tiny(format!("TinyGo project: go.mod and WIT, without {RUNTIME}"));
    }
    Compiler::Plain("Go program: go.mod".into())
}

fn plain(facts: Facts<'_>, because: String, manifest: &str, has_wit: bool) -> Recipe {
    let root = facts.root();
    let output = facts.declared().unwrap_or_else(|| root.join("build").join(format!("{}.wasm", facts.artifact_name())));
    let shown = output.strip_prefix(root).unwrap_or(&output).display().to_string();
    let world = has_wit.then(|| only_world(root, &facts.project.settings.wit.wit_dir));

    let mut args = vec!["build"];
    if has_wit {
        // A library, whose functions the host calls. Its runtime refers to an inner function of Go's
        // own, which Go's linker refuses unless it is told otherwise.
        args.extend(["-buildmode=c-shared", "-ldflags=-checklinkname=0"]);
    }
    args.extend(["-o", &shown, "."]);

    let Need::Tool { name, fix, .. } = Need::tool("go") else { unreachable!("a tool is a tool") };
    let wanted = wanted(manifest, has_wit, toolchains_are_fetched(&facts));
    Recipe {
        because,
        needs: vec![Need::Tool { name, fix, wanted }],
        install: None,
        steps: vec![Step::Go { args: args.into_iter().map(str::to_string).collect() }],
        product: Product::OneOf(vec![output.clone()]),
        outputs: vec![output],
        blocked: world.and_then(Result::err),
        env: facts.env,
    }
}

/// Whether `go` fetches a newer toolchain when the manifest asks for one.
fn toolchains_are_fetched(facts: &Facts<'_>) -> bool {
    facts.env.get("GOTOOLCHAIN").is_none_or(|chosen| chosen != "local")
}

/// The oldest Go that will do.
fn wanted(manifest: &str, has_wit: bool, toolchains_are_fetched: bool) -> Option<Wanted> {
    let of_manifest = manifest.lines().find_map(|line| line.trim().strip_prefix("go ")).map(str::trim);
    let number = of_manifest.map(|text| text.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or(text));
    if let (Some(number), false) = (number, toolchains_are_fetched) {
        let requirement: Option<VersionReq> = format!(">={}", number.trim_end_matches('.')).parse().ok();
        return requirement.map(|requirement| Wanted {
            requirement,
            because: format!("go.mod says `go {number}`, and GOTOOLCHAIN=local keeps go from fetching that one"),
        });
    }
    let (requirement, because) = if has_wit {
        (">=1.24", "functions for the host came to GOOS=wasip1 with Go 1.24")
    } else {
        (">=1.21", "GOOS=wasip1 came with Go 1.21")
    };
    Some(Wanted { requirement: requirement.parse().ok()?, because: because.into() })
}

/// Whether a file of the main package asks for `go generate`, as those with WIT bindings do.
pub(super) fn generates_code(root: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(root) else { return false };
    files
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|extension| extension == "go"))
        .filter_map(|file| std::fs::read_to_string(file.path()).ok())
        .any(|text| text.lines().any(|line| line.starts_with("//go:generate ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiler_is_the_one_whose_bindings_the_manifest_requires() {
        let is_plain = |manifest: &str, has_wit| matches!(compiler(manifest, has_wit), Compiler::Plain(_));
        assert!(is_plain("module a\nrequire go.bytecodealliance.org/pkg v0.4.0\n", true));
        assert!(is_plain("require (\n\tgo.bytecodealliance.org/pkg v0.4.0\n)\n", true));
        assert!(!is_plain("require go.bytecodealliance.org/cm v0.2.2\n", false));
        assert!(!is_plain("tool go.bytecodealliance.org/cmd/wit-bindgen-go\n", true));
        assert!(!is_plain("// go.bytecodealliance.org/pkg\n", true));
        assert!(!is_plain("require go.bytecodealliance.org/pkgs v1.0.0\n", true));
        assert!(!is_plain("module a\n", true));
        assert!(is_plain("module a\n", false));
        let Compiler::Tiny(because) = compiler("require go.wasmcloud.dev/component v0.1.0", true) else { panic!() };
        assert_eq!(because, "TinyGo project: go.mod, which requires go.wasmcloud.dev/component");
    }

    #[test]
    fn go_has_to_be_as_new_as_the_manifest_says_where_it_cannot_fetch_a_newer_one() {
        let text = |manifest, has_wit, fetched| wanted(manifest, has_wit, fetched).unwrap().requirement.to_string();
        assert_eq!(text("module a\n\ngo 1.27.1\n", true, false), ">=1.27.1");
        assert_eq!(text("module a\n\ngo 1.28rc1\n", true, false), ">=1.28");
        assert_eq!(text("module a\n\ngo 1.27.1\n", true, true), ">=1.24");
        assert_eq!(text("module a\n", false, false), ">=1.21");
    }
}
