//! The world of a project's WIT files: its name, for the tools that want to be told it, and its types,
//! for core modules that come without.

use std::path::Path;

use wasmparser::{Parser, Payload};
use wit_component::StringEncoding;
use wit_parser::{PackageId, Resolve};

use crate::error::{Error, Result};

/// The name of the only world of the WIT package in `folder`, which is the `wit_dir` of the settings.
pub(super) fn only_world(root: &Path, wit_dir: &str) -> Result<String> {
    let (resolve, package) = read(root, wit_dir)?;
    let worlds: Vec<&String> = resolve.packages[package].worlds.keys().collect();
    match worlds.as_slice() {
        [world] => Ok(world.to_string()),
        [] => Err(Error::failed(format!("the WIT package in `{}` has no world", root.join(wit_dir).display())).hint(
            format!("add to `{wit_dir}/world.wit`: `world component {{ export wasi:http/incoming-handler@0.2.0; }}`"),
        )),
        several => {
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            Err(Error::failed(format!(
                "the WIT package in `{}` has several worlds: {}",
                root.join(wit_dir).display(),
                names.join(", ")
            ))
            .hint("say which in a `build.command` of your own: wash config init"))
        }
    }
}

/// Gives a core module the types of the project's only world, if it is made for some world and does
/// not say which: compilers that know nothing of WIT make such modules. All other bytes stay as they are.
pub(super) fn with_types(mut bytes: Vec<u8>, root: &Path, wit_dir: &str) -> Result<Vec<u8>> {
    if !lacks_types(&bytes) || !root.join(wit_dir).is_dir() {
        return Ok(bytes);
    }
    let name = only_world(root, wit_dir)?;
    let (resolve, package) = read(root, wit_dir)?;
    let world = resolve.packages[package].worlds[&name];
    wit_component::embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8).map_err(|error| {
        Error::failed(format!("cannot write the types of the world `{name}` into the core module"))
            .cause(format!("{error:#}"))
    })?;
    Ok(bytes)
}

/// Whether the bytes are a core module that speaks of interfaces and has no types of them.
fn lacks_types(bytes: &[u8]) -> bool {
    if !Parser::is_core_wasm(bytes) {
        return false;
    }
    let mut speaks_of_interfaces = false;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::CustomSection(section)) if section.name().starts_with("component-type") => return false,
            Ok(Payload::ImportSection(imports)) => {
                speaks_of_interfaces |= imports.into_imports().flatten().any(|import| import.module.contains(':'));
            }
            Ok(Payload::ExportSection(exports)) => {
                speaks_of_interfaces |= exports
                    .into_iter()
                    .flatten()
                    .any(|export| export.name.contains('#') || export.name == "cabi_realloc");
            }
            // Whoever reads it next says what is wrong.
            Err(_) => return false,
            Ok(_) => {}
        }
    }
    speaks_of_interfaces
}

fn read(root: &Path, wit_dir: &str) -> Result<(Resolve, PackageId)> {
    let folder = root.join(wit_dir);
    if !folder.is_dir() {
        return Err(Error::failed(format!("there is no folder `{wit_dir}` with the project's WIT files"))
            .cause(format!("looked for `{}`", folder.display()))
            .hint(format!("write the world that the component implements into `{wit_dir}/world.wit`")));
    }
    let mut resolve = Resolve::default();
    match resolve.push_path(&folder) {
        Ok((package, _)) => Ok((resolve, package)),
        Err(error) => Err(Error::failed(format!("cannot read the WIT files in `{}`", folder.display()))
            .details(resolve.render_error(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world_of(wit: Option<&str>) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        if let Some(wit) = wit {
            std::fs::create_dir(folder.path().join("wit")).unwrap();
            std::fs::write(folder.path().join("wit/world.wit"), wit).unwrap();
        }
        only_world(folder.path(), "wit")
    }

    #[test]
    fn core_module_without_types_gets_those_of_the_world() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("wit")).unwrap();
        let wit = "package a:b; interface i { go: func(); } world w { export i; }";
        std::fs::write(folder.path().join("wit/world.wit"), wit).unwrap();
        let typed = |text: &str| with_types(wat::parse_str(text).unwrap(), folder.path(), "wit").unwrap();
        let module = typed(r#"(module (func (export "a:b/i#go")))"#);
        assert!(!lacks_types(&module));
        let component = wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
        let description = crate::component::describe(&component).unwrap();
        assert_eq!(description.exports, ["a:b/i"]);
        // Once is enough, and a program for preview 1 needs none.
        assert_eq!(with_types(module.clone(), folder.path(), "wit").unwrap(), module);
        let program =
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_start")))"#;
        assert_eq!(typed(program), wat::parse_str(program).unwrap());
    }

    #[test]
    fn only_world_is_found_and_everything_else_is_explained() {
        assert_eq!(world_of(Some("package a:b; world one {}")).unwrap(), "one");
        assert!(world_of(None).unwrap_err().message().contains("there is no folder `wit`"));
        assert!(world_of(Some("package a:b; interface i {}")).unwrap_err().message().contains("has no world"));
        let several = world_of(Some("package a:b; world one {} world two {}")).unwrap_err();
        assert!(several.message().ends_with("has several worlds: `one`, `two`"), "{several}");
        let broken = world_of(Some("package a:b; world one {")).unwrap_err();
        assert!(broken.details_text().unwrap().contains("world.wit:1:"), "{broken:?}");
    }
}
