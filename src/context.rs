//! Where and how this run happens: folder, environment, directories, interactivity.
//!
//! Built once by `main`; nothing below reads the process's environment or current folder again.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::AppStrategy;

use crate::error::{Context as _, Error, Result};
use crate::shell::{Format, Shell};

/// The facts of one run. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The folder wash was started in; relative paths of the command line are relative to it.
    pub cwd: PathBuf,
    /// The environment at start. Variables whose name or value is not Unicode are left out.
    pub env: Arc<BTreeMap<String, String>>,
    /// Where wash keeps its files.
    pub dirs: Arc<Directories>,
    /// The user settings file that was asked for, if any (`--user-config`).
    pub user_config: Option<PathBuf>,
    /// Whether a question may be asked.
    pub interactive: bool,
    /// Whether the network must not be used.
    pub offline: bool,
    /// Whether more was asked to be said.
    pub verbose: bool,
    /// The only way to say something.
    pub shell: Arc<Shell>,
}

/// Where wash keeps its files, by the conventions of the platform.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Directories {
    /// User settings.
    pub config: PathBuf,
    /// What must be kept.
    pub data: PathBuf,
    /// What can be made again.
    pub cache: PathBuf,
}

/// What the command line says about the run.
pub struct Wishes {
    /// What stdout is for.
    pub format: Format,
    /// Never ask a question.
    pub non_interactive: bool,
    /// Never use the network.
    pub offline: bool,
    /// Say more.
    pub verbose: bool,
    /// The user settings file.
    pub user_config: Option<PathBuf>,
}

impl Context {
    /// Reads the process's surroundings, once.
    #[allow(clippy::disallowed_methods, reason = "the one place that looks at the process's surroundings")]
    pub fn from_process(wishes: Wishes, shell: Arc<Shell>) -> Result<Self> {
        let cwd = std::env::current_dir()
            .context(|| "cannot tell the current folder")
            .map_err(|error| error.hint("change to a folder that exists: cd ~"))?;
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let strategy = etcetera::choose_app_strategy(etcetera::AppStrategyArgs {
            top_level_domain: "dev".into(),
            author: "wash".into(),
            app_name: "wash".into(),
        })
        .map_err(|_| Error::failed("cannot tell the home folder").hint("set HOME to a folder you own"))?;
        let user_config = wishes.user_config.map(|path| cwd.join(path));
        Ok(Context {
            cwd,
            env: Arc::new(env),
            dirs: Arc::new(Directories {
                config: strategy.config_dir(),
                data: strategy.data_dir(),
                cache: strategy.cache_dir(),
            }),
            user_config,
            interactive: !wishes.non_interactive && std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            offline: wishes.offline,
            verbose: wishes.verbose,
            shell,
        })
    }

    /// The file of the program that runs.
    #[allow(clippy::disallowed_methods, reason = "the one place that looks at the process's surroundings")]
    pub fn program(&self) -> Result<PathBuf> {
        std::env::current_exe().context(|| "cannot tell which file this wash is")
    }

    /// Makes a path of the command line absolute.
    pub fn absolute(&self, path: impl AsRef<Path>) -> PathBuf {
        self.cwd.join(path)
    }

    /// A variable of the environment at start.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str)
    }
}
