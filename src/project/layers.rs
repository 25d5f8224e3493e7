//! Putting the layers of settings together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::problem::{self, Problem};
use super::settings::Settings;
use super::source::Origin;
use super::tree::{Key, Node};
use super::{Flag, Request, check, expand, find_user_file, formats, validate, variables};
use crate::error::{Context as _, Error, Result};

/// Settings with their origins.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    pub settings: Settings,
    pub origins: Origins,
}

/// Where each of the settings comes from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Origins(pub(super) Arc<Node>);

impl Origins {
    /// Who set the value of a key like `dev.components[0].file`. A list has one origin as a whole,
    /// its elements have their own places in it.
    pub fn of(&self, key: &str) -> Origin {
        self.of_key(&Key::of(key))
    }

    pub(super) fn of_key(&self, key: &Key) -> Origin {
        validate::origin(&self.0, key)
    }
}

/// The settings outside of a project: the user's file, the environment and flags.
pub fn user_settings(request: &Request<'_>) -> Result<Merged> {
    let file = find_user_file(request)?;
    let files: Vec<&Path> = file.as_deref().into_iter().collect();
    merge(&files, request.env, request.flags)
}

/// Checks one settings file alone, wherever it lies.
pub fn check_file(path: &Path, env: &BTreeMap<String, String>) -> Result<()> {
    must_be_file(path, "the settings file")?;
    let bytes = std::fs::read(path).context(|| format!("cannot read the settings file `{}`", path.display()))?;
    check_bytes(path, bytes, env)
}

/// Checks the content of a settings file. The path decides the format and stands in errors.
pub fn check_bytes(path: &Path, bytes: Vec<u8>, env: &BTreeMap<String, String>) -> Result<()> {
    let mut problems = Vec::new();
    let read = formats::read_bytes(path, bytes, formats::format_of(path)?);
    let layer = check_layer(read, &mut problems);
    finish(layer, env, problems).map(drop)
}

/// Makes an error of a path, given by the user, that is no file.
pub fn must_be_file(path: &Path, name: &str) -> Result<()> {
    if path.is_file() {
        return Ok(());
    }
    let what = if path.exists() { "is not a file" } else { "does not exist" };
    Err(Error::usage(format!("{name} `{}` {what}", path.display())))
}

/// Merges settings files, the stronger ones later, with the environment and flags.
pub fn merge(files: &[&Path], env: &BTreeMap<String, String>, flags: &[Flag]) -> Result<Merged> {
    let mut problems = Vec::new();
    let mut tree = Node::empty_map();
    for file in files {
        tree = tree.merge(file_layer(file, &mut problems)?);
    }
    let variables = variables::layer(env, &mut problems);
    tree = tree.merge(check::check(variables, &mut problems));
    for flag in flags {
        let nested = flag.key.rsplit('.').fold(flag.value.clone(), |value, name| serde_json::json!({ name: value }));
        let layer = Node::from_json(&nested, &Origin::Flag(flag.flag));
        tree = tree.merge(check::check(layer, &mut problems));
    }
    finish(tree, env, problems)
}

fn file_layer(path: &Path, problems: &mut Vec<Problem>) -> Result<Node> {
    Ok(check_layer(formats::read(path)?, problems))
}

fn check_layer(read: Result<Node, Problem>, problems: &mut Vec<Problem>) -> Node {
    match read {
        Ok(node) => check::check(node, problems),
        Err(problem) => {
            problems.push(problem);
            Node::empty_map()
        }
    }
}

fn finish(mut tree: Node, env: &BTreeMap<String, String>, mut problems: Vec<Problem>) -> Result<Merged> {
    let broken = expand::expand(&mut tree, env, &mut problems);
    match serde_json::from_value::<Settings>(tree.to_json()) {
        Ok(settings) => {
            problems.extend(validate::validate(&settings, &tree, &broken));
            match problem::into_error(problems) {
                Some(error) => Err(error),
                None => Ok(Merged { settings, origins: Origins(Arc::new(tree)) }),
            }
        }
        // The check knows the same types; only a mistake of ours makes it let pass what serde does not.
        Err(error) => {
            let unexpected = Error::bug(format!("settings were checked and cannot be read: {error}"));
            Err(problem::into_error(problems).unwrap_or(unexpected))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::{Project, load};
    use serde_json::json;
    use std::fs;
    use std::path::PathBuf;

    /// A project folder and a user folder.
    struct Sandbox(tempfile::TempDir);

    impl Sandbox {
        fn new(project: &[(&str, &str)]) -> Self {
            let sandbox = Sandbox(tempfile::tempdir().unwrap());
            fs::create_dir_all(sandbox.root().join(".wash")).unwrap();
            fs::create_dir_all(sandbox.user()).unwrap();
            for (name, text) in project {
                fs::write(sandbox.root().join(name), text).unwrap();
            }
            sandbox
        }

        fn root(&self) -> PathBuf {
            self.0.path().join("p")
        }

        fn user(&self) -> PathBuf {
            self.0.path().join("user")
        }

        fn user_file(self, text: &str) -> Self {
            fs::write(self.user().join("config.yaml"), text).unwrap();
            self
        }

        fn load(&self, env: &[(&str, &str)], flags: &[Flag]) -> Result<Project> {
            let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let (root, user) = (self.root(), self.user());
            load(&Request { start: &root, env: &env, user_config: None, user_config_dir: &user, flags })
        }
    }

    fn address(value: &str) -> Flag {
        Flag { key: "dev.address", value: json!(value), flag: "--address" }
    }

    #[test]
    fn each_layer_wins_over_the_ones_before_and_is_remembered() {
        let env = [("WASH_DEV__ADDRESS", "127.0.0.1:3")];
        let user = "dev: {address: '127.0.0.1:1'}";
        let project = [(".wash/config.yaml", "dev:\n  address: 127.0.0.1:2\n")];
        let flag = [address("127.0.0.1:4")];
        let load = |sandbox: &Sandbox, env: &[(&str, &str)], flags: &[Flag]| {
            let project = sandbox.load(env, flags).unwrap();
            let origin =
                project.origins.of("dev.address").describe(|path| path.file_name().unwrap().to_string_lossy().into());
            (project.settings.dev.address.unwrap_or_default(), origin)
        };
        let nothing = Sandbox::new(&[("Makefile", "")]);
        assert_eq!(load(&nothing, &[], &[]), (String::new(), "default".into()));
        let only_user = Sandbox::new(&[("Makefile", "")]).user_file(user);
        assert_eq!(load(&only_user, &[], &[]), ("127.0.0.1:1".into(), "config.yaml:1".into()));
        let both = Sandbox::new(&project).user_file(user);
        assert_eq!(load(&both, &[], &[]), ("127.0.0.1:2".into(), "config.yaml:2".into()));
        assert_eq!(load(&both, &env, &[]), ("127.0.0.1:3".into(), "WASH_DEV__ADDRESS".into()));
        assert_eq!(load(&both, &env, &flag), ("127.0.0.1:4".into(), "--address".into()));
    }

    #[test]
    fn maps_of_several_layers_are_one_and_lists_are_the_strongest_ones() {
        let sandbox = Sandbox::new(&[(".wash/config.toml", "[build.env]\nB = '2'\n[dev]\nignore = ['c']\n")])
            .user_file("build: {env: {A: '1', B: '1'}}\ndev: {ignore: [a, b]}");
        let project = sandbox.load(&[("WASH_BUILD__ENV__C", "3")], &[]).unwrap();
        let env: Vec<(&str, &str)> = project.settings.build.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(env, [("A", "1"), ("B", "2"), ("C", "3")]);
        assert_eq!(project.settings.dev.ignore, ["c"]);
    }

    #[test]
    fn the_files_that_decided_are_known() {
        let sandbox = Sandbox::new(&[(".wash/config.json", "{}")]).user_file("");
        let project = sandbox.load(&[], &[]).unwrap();
        assert_eq!(project.inputs(), [sandbox.user().join("config.yaml"), sandbox.root().join(".wash/config.json")]);
        assert!(Sandbox::new(&[("Makefile", "")]).load(&[], &[]).unwrap().inputs().is_empty());
    }

    #[test]
    fn problems_of_all_layers_are_told_together() {
        let sandbox =
            Sandbox::new(&[(".wash/config.yaml", "dev:\n  adress: x\n  wasi_webgpu: true\n")]).user_file("build: [\n");
        let error = sandbox.load(&[("WASH_WIT__DIR", "x")], &[address("nowhere")]).unwrap_err();
        assert_eq!(error.message(), "5 problems in the settings");
        assert_eq!(error.exit_code(), 2);
        let details = error.details_text().unwrap();
        for expected in [
            "cannot read this as YAML",
            "unknown key `adress` in `dev`",
            "unknown key `dir` in `wit`",
            " --> the variable `WASH_WIT__DIR`",
            " --> the flag `--address`",
            "not supported yet: `dev.wasi_webgpu`",
        ] {
            assert!(details.contains(expected), "{expected}: {details}");
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_told_once() {
        let sandbox = Sandbox::new(&[(".wash/config.yaml", "dev:\n  address: ${HERE}:8000\n")]);
        let error = sandbox.load(&[], &[]).unwrap_err();
        assert_eq!(error.message(), "`dev.address` needs the variable `HERE`, which is not set");
        let project = sandbox.load(&[("HERE", "127.0.0.1")], &[]).unwrap();
        assert_eq!(project.settings.dev.address.as_deref(), Some("127.0.0.1:8000"));
        // What is overridden is not needed.
        assert!(sandbox.load(&[], &[address("127.0.0.1:1")]).is_ok());
    }

    #[test]
    fn a_user_file_that_was_asked_for_must_exist() {
        let sandbox = Sandbox::new(&[("Makefile", "")]);
        let (root, user, missing) = (sandbox.root(), sandbox.user(), sandbox.user().join("other.yaml"));
        let env = BTreeMap::new();
        let request =
            Request { start: &root, env: &env, user_config: Some(&missing), user_config_dir: &user, flags: &[] };
        let error = load(&request).unwrap_err();
        assert!(error.message().ends_with("other.yaml` does not exist"), "{error}");
        fs::write(&missing, "version: '1'").unwrap();
        assert_eq!(load(&request).unwrap().settings.version.as_deref(), Some("1"));
    }

    #[test]
    fn errors_about_a_value_show_where_it_was_written() {
        let sandbox = Sandbox::new(&[(".wash/config.yaml", "dev:\n  components:\n    - {name: a, file: a.wasm}\n")]);
        let project = sandbox.load(&[], &[]).unwrap();
        let error = project.error_at("dev.components[0].file", "the file `a.wasm` does not exist");
        assert!(error.details_text().unwrap().contains("config.yaml:3:23\n"), "{error:?}");
    }

    #[test]
    fn the_reserved_example_of_the_reference_is_refused_with_reasons() {
        let text = "dev:\n  command: make\n  service: true\n  wasi_webgpu: true\n  tls_cert_path: x\n";
        let error = Sandbox::new(&[(".wash/config.yaml", text)]).load(&[], &[]).unwrap_err();
        assert_eq!(error.message(), "2 problems in the settings");
    }
}
