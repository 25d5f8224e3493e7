//! The world of a project's WIT files, for the tools that want to be told its name.

use std::path::Path;

use crate::error::{Error, Result};

/// The name of the only world of the WIT package in `folder`, which is the `wit_dir` of the settings.
pub(super) fn only_world(root: &Path, wit_dir: &str) -> Result<String> {
    let folder = root.join(wit_dir);
    if !folder.is_dir() {
        return Err(Error::failed(format!("there is no folder `{wit_dir}` with the project's WIT files"))
            .cause(format!("looked for `{}`", folder.display()))
            .hint(format!("write the world that the component implements into `{wit_dir}/world.wit`")));
    }
    let mut resolve = wit_parser::Resolve::default();
    let package = match resolve.push_path(&folder) {
        Ok((package, _)) => package,
        Err(error) => {
            return Err(Error::failed(format!("cannot read the WIT files in `{}`", folder.display()))
                .details(resolve.render_error(&error)));
        }
    };
    let worlds: Vec<&String> = resolve.packages[package].worlds.keys().collect();
    match worlds.as_slice() {
        [world] => Ok(world.to_string()),
        [] => Err(Error::failed(format!("the WIT package in `{}` has no world", folder.display())).hint(format!(
            "add to `{wit_dir}/world.wit`: `world component {{ export wasi:http/incoming-handler@0.2.0; }}`"
        ))),
        several => {
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            Err(Error::failed(format!(
                "the WIT package in `{}` has several worlds: {}",
                folder.display(),
                names.join(", ")
            ))
            .hint("say which in a `build.command` of your own: wash config init"))
        }
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
