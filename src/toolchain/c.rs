//! C projects: clang with wasi-libc, wherever the system or the WASI SDK has put them.
//!
//! All sources are compiled at once into a core module for WASI preview 1; the WIT world and the
//! preview1 adapter make it a component (`adapt`). A project that wants more has a Makefile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use super::checks::Need;
use super::process::{Tool, ask_blocking};
use super::recipe::{Facts, Product, Recipe, Step, find_tool};
use super::wit_world::only_world;
use crate::error::Error;

type Env = BTreeMap<String, String>;

/// Folders whose sources are compiled, below the project's own, whose files alone are.
const FOLDERS: &[&str] = &["src", "gen"];
/// Folders in which headers are looked for.
const INCLUDES: &[&str] = &[".", "include", "src", "gen"];

/// The targets of a core module, the name of today first.
const TARGETS: &[&str] = &["wasm32-wasip1", "wasm32-wasi"];

/// The recipe of a project with C sources.
pub(super) fn recipe(facts: Facts<'_>) -> Recipe {
    let root = facts.root();
    let wit_dir = facts.project.settings.wit.wit_dir.as_str();
    let has_wit = root.join(wit_dir).is_dir();
    let world = has_wit.then(|| only_world(root, wit_dir));
    let output = facts.declared().unwrap_or_else(|| root.join("build").join(format!("{}.wasm", facts.artifact_name())));
    let tools = Tools::find(&facts.env, root);
    let sources = sources(root);
    let blocked = match (&world, sources.is_empty()) {
        (Some(Err(error)), _) => Some(error.clone()),
        (_, true) => Some(
            Error::failed(format!("there is no C source in `{}`", root.display()))
                .cause("looked for `*.c` in it, and below `src` and `gen`"),
        ),
        _ => None,
    };
    let args = arguments(&facts, &tools, &sources, world.as_ref().and_then(|world| world.as_deref().ok()), &output);
    Recipe {
        because: because(has_wit),
        needs: tools.needs(&facts.env, root),
        install: None,
        steps: vec![Step::Clang { name: tools.name.clone(), args }],
        product: Product::OneOf(vec![output.clone()]),
        outputs: vec![output],
        blocked,
        env: facts.env,
    }
}

fn because(has_wit: bool) -> String {
    if has_wit { "C project: C sources and WIT".into() } else { "C program: main.c".into() }
}

fn arguments(facts: &Facts<'_>, tools: &Tools, sources: &[String], world: Option<&str>, output: &Path) -> Vec<String> {
    let root = facts.root();
    let words = |name: &str| -> Vec<String> {
        facts.env.get(name).map(|text| text.split_whitespace().map(str::to_string).collect()).unwrap_or_default()
    };
    let mut args: Vec<String> = Vec::new();
    if let Some((sysroot, target)) = &tools.libc {
        args.extend([format!("--target={target}"), format!("--sysroot={}", sysroot.display())]);
    }
    if let Some(world) = world {
        // A library, whose functions the host calls.
        args.push("-mexec-model=reactor".into());
        // The generated code refers to the object file with the world's types, which is made by
        // `wit-bindgen` and need not be there: the types are taken from the WIT.
        if !sources.iter().any(|source| source.ends_with(TYPE_OBJECT)) {
            args.push(format!("-D__component_type_object_force_link_{}=abort", world.replace('-', "_")));
        }
    }
    let optimised: &[&str] = if facts.opts.for_dev { &["-O1", "-gline-tables-only"] } else { &["-Oz"] };
    args.extend(optimised.iter().map(|flag| flag.to_string()));
    args.extend(INCLUDES.iter().filter(|folder| root.join(folder).is_dir()).map(|folder| format!("-I{folder}")));
    args.extend(words("CFLAGS"));
    args.extend(sources.iter().cloned());
    if !facts.opts.for_dev {
        // The names of functions stay, so that the backtrace of a trap can be read.
        args.push("-Wl,--strip-debug".into());
    }
    args.extend(words("LDFLAGS"));
    if let Some(builtins) = &tools.builtins {
        // Where clang looks for them and where distributions put them are different places.
        args.extend(["-nodefaultlibs".into(), "-lc".into(), builtins.display().to_string()]);
    }
    args.extend(["-o".into(), output.strip_prefix(root).unwrap_or(output).display().to_string()]);
    args
}

/// The end of the name of the object file that has the types of a world.
const TYPE_OBJECT: &str = "_component_type.o";

/// What is compiled, relative to the project and in order, and the object files with types.
fn sources(root: &Path) -> Vec<String> {
    let is_source = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".c") || name.ends_with(TYPE_OBJECT)
    };
    let walk = |folder: &Path, depth: Option<usize>| {
        // An object file is mostly ignored, and used all the same.
        let files = ignore::WalkBuilder::new(folder).standard_filters(false).hidden(true).max_depth(depth).build();
        let files = files.flatten().map(ignore::DirEntry::into_path).filter(|path| path.is_file() && is_source(path));
        files.collect::<Vec<PathBuf>>()
    };
    let mut found = walk(root, Some(1));
    found.extend(FOLDERS.iter().flat_map(|folder| walk(&root.join(folder), None)));
    let mut found: Vec<String> =
        found.iter().map(|path| path.strip_prefix(root).unwrap_or(path).display().to_string()).collect();
    found.sort();
    found
}

/// Everything that makes WebAssembly of C.
struct Tools {
    /// How clang is called.
    name: String,
    program: Option<PathBuf>,
    linker: Option<PathBuf>,
    /// The folder above `include` and `lib`, and the target that it has.
    libc: Option<(PathBuf, &'static str)>,
    /// The archive of what the compiler expects to be there.
    builtins: Option<PathBuf>,
}

/// What is missing, for those who have no project.
pub(super) fn needs(env: &Env, folder: &Path) -> Vec<Need> {
    Tools::find(env, folder).needs(env, folder)
}

impl Tools {
    /// The first complete ones, else the first.
    fn find(env: &Env, folder: &Path) -> Tools {
        let mut first = None;
        for name in names(env) {
            let Some(program) = find_tool(&name, env, folder) else { continue };
            let tools = Tools::of(name, program, env, folder);
            if tools.linker.is_some() && tools.libc.is_some() && tools.builtins.is_some() {
                return tools;
            }
            first.get_or_insert(tools);
        }
        first.unwrap_or_else(|| Tools {
            name: "clang".into(),
            program: None,
            linker: find_tool("wasm-ld", env, folder),
            libc: libc(env, None),
            builtins: None,
        })
    }

    fn of(name: String, program: PathBuf, env: &Env, folder: &Path) -> Tools {
        // Clang looks for the linker beside itself first, where its links lead to.
        let home = program.canonicalize().ok().and_then(|path| path.parent().map(Path::to_path_buf));
        let beside = home.as_ref().map(|home| home.join("wasm-ld")).filter(|path| path.is_file());
        Tools {
            linker: beside.or_else(|| find_tool("wasm-ld", env, folder)),
            libc: libc(env, home.as_deref()),
            builtins: resources(&program, env, folder).and_then(|resources| builtins(&resources)),
            program: Some(program),
            name,
        }
    }

    fn needs(&self, env: &Env, folder: &Path) -> Vec<Need> {
        let fix = fix(&self.name, env, folder);
        let part = |what: &str, found: Option<String>, why: String| Need::Part {
            what: what.into(),
            found,
            why,
            fix: fix.clone(),
        };
        let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let sysroot = env.get("WASI_SYSROOT").map_or_else(
            || "no folder for `lib/wasm32-wasip1` with a `libc.a` was found".to_string(),
            |named| format!("WASI_SYSROOT is `{named}`, which has no `lib/wasm32-wasip1/libc.a`"),
        );
        let mut needs = vec![Need::Tool { name: self.name.clone(), fix: fix.clone(), wanted: None }];
        if self.program.is_some() {
            let libc = self.libc.as_ref().map(|(sysroot, target)| format!("{target} in {}", sysroot.display()));
            needs.push(part("wasm-ld", shown(&self.linker), "clang links WebAssembly with it".into()));
            needs.push(part("wasi-libc", libc, sysroot));
            needs.push(part(
                "compiler-rt",
                shown(&self.builtins),
                format!("`{}` has no `libclang_rt.builtins` for wasm32", self.name),
            ));
        }
        needs
    }
}

/// What clang may be called: what the environment names, then the usual names, the newest first.
fn names(env: &Env) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(sdk) = env.get("WASI_SDK_PATH") {
        names.push(Path::new(sdk).join("bin").join("clang").display().to_string());
    }
    names.extend(env.get("CC").filter(|name| name.contains("clang") && !name.contains(' ')).cloned());
    names.push("clang".into());
    names.extend((11..=24).rev().map(|version| format!("clang-{version}")));
    names
}

/// Finds wasi-libc. What the environment names is not doubted.
fn libc(env: &Env, clang_home: Option<&Path>) -> Option<(PathBuf, &'static str)> {
    if let Some(named) = env.get("WASI_SYSROOT") {
        return libc_in(Path::new(named));
    }
    let of_sdk = |sdk: &Path| sdk.join("share").join("wasi-sysroot");
    let mut places: Vec<PathBuf> = env.get("WASI_SDK_PATH").map(|sdk| of_sdk(Path::new(sdk))).into_iter().collect();
    // The clang of an SDK that is in the PATH.
    places.extend(clang_home.and_then(Path::parent).map(of_sdk));
    places.extend(SYSROOTS.iter().map(PathBuf::from));
    places.iter().find_map(|place| libc_in(place))
}

/// Where distributions and installers put wasi-libc.
const SYSROOTS: &[&str] = &[
    "/usr",
    "/usr/share/wasi-sysroot",
    "/usr/local/share/wasi-sysroot",
    "/opt/wasi-sdk/share/wasi-sysroot",
    "/opt/homebrew/share/wasi-sysroot",
];

fn libc_in(sysroot: &Path) -> Option<(PathBuf, &'static str)> {
    let target = TARGETS.iter().find(|target| sysroot.join("lib").join(target).join("libc.a").is_file())?;
    Some((sysroot.to_path_buf(), target))
}

/// The archive, by the names that it has had.
fn builtins(resources: &Path) -> Option<PathBuf> {
    const PLACES: &[&str] = &[
        "lib/wasm32-unknown-wasip1/libclang_rt.builtins.a",
        "lib/wasm32-unknown-wasi/libclang_rt.builtins.a",
        "lib/wasm32-wasip1/libclang_rt.builtins.a",
        "lib/wasip1/libclang_rt.builtins-wasm32.a",
        "lib/wasi/libclang_rt.builtins-wasm32.a",
    ];
    PLACES.iter().map(|place| resources.join(place)).find(|path| path.is_file())
}

/// Where clang has what belongs to it. Asked once for each file: it costs some ten milliseconds.
fn resources(program: &Path, env: &Env, folder: &Path) -> Option<PathBuf> {
    type Known = BTreeMap<(PathBuf, Option<SystemTime>), Option<PathBuf>>;
    static KNOWN: Mutex<Known> = Mutex::new(Known::new());

    let modified = program.metadata().and_then(|file| file.modified()).ok();
    let key = (program.to_path_buf(), modified);
    if let Some(known) = KNOWN.lock().ok().and_then(|known| known.get(&key).cloned()) {
        return known;
    }
    let args = ["--print-resource-dir".to_string()];
    let answer = ask_blocking(&Tool { title: "clang --print-resource-dir", program, args: &args, folder, env });
    let found = answer.map(|answer| PathBuf::from(String::from_utf8_lossy(&answer).trim()));
    if let Ok(mut known) = KNOWN.lock() {
        known.insert(key, found.clone());
    }
    found
}

/// The one command that brings what is missing.
fn fix(clang: &str, env: &Env, folder: &Path) -> String {
    if find_tool("apt-get", env, folder).is_some() {
        let version = clang.rsplit(['/', '\\']).next().and_then(|name| name.strip_prefix("clang-"));
        return match version {
            Some(n) => format!("apt-get install clang-{n} lld-{n} wasi-libc libclang-rt-{n}-dev-wasm32"),
            None => "apt-get install clang lld wasi-libc libclang-rt-dev-wasm32".into(),
        };
    }
    if find_tool("brew", env, folder).is_some() {
        return "brew install llvm lld wasi-libc wasi-runtimes, and put llvm's clang first in the PATH".into();
    }
    "unpack the WASI SDK of https://github.com/WebAssembly/wasi-sdk/releases, and: export WASI_SDK_PATH=/its/folder"
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(folder: &Path, files: &[&str]) {
        for file in files {
            std::fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
            std::fs::write(folder.join(file), "").unwrap();
        }
    }

    #[test]
    fn sources_are_those_of_the_project_and_of_two_folders() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "main.c",
            "notes.txt",
            "src/a.c",
            "src/deep/b.c",
            "src/.old.c",
            "gen/w.c",
            "gen/w_component_type.o",
            "gen/other.o",
            "tests/t.c",
            "build/x.c",
        ];
        touch(folder.path(), &files);
        let expected = ["gen/w.c", "gen/w_component_type.o", "main.c", "src/a.c", "src/deep/b.c"];
        assert_eq!(sources(folder.path()), expected);
    }

    #[test]
    fn wasi_libc_is_found_by_the_target_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(libc_in(folder.path()), None);
        touch(folder.path(), &["lib/wasm32-wasi/libc.a"]);
        assert_eq!(libc_in(folder.path()).unwrap().1, "wasm32-wasi");
        touch(folder.path(), &["lib/wasm32-wasip1/libc.a"]);
        assert_eq!(libc_in(folder.path()).unwrap().1, "wasm32-wasip1");
        let empty = folder.path().join("empty").display().to_string();
        assert_eq!(libc(&[("WASI_SYSROOT".to_string(), empty)].into(), None), None);
    }

    #[test]
    fn builtins_are_found_in_the_old_place_and_in_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(builtins(folder.path()), None);
        touch(folder.path(), &["lib/wasi/libclang_rt.builtins-wasm32.a"]);
        assert!(builtins(folder.path()).unwrap().ends_with("lib/wasi/libclang_rt.builtins-wasm32.a"));
        touch(folder.path(), &["lib/wasm32-unknown-wasip1/libclang_rt.builtins.a"]);
        assert!(builtins(folder.path()).unwrap().ends_with("lib/wasm32-unknown-wasip1/libclang_rt.builtins.a"));
    }
}
