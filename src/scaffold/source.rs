//! What `SOURCE` of `wash new` means: a template inside the binary, a folder or a Git repository.

use std::path::{Component, Path, PathBuf};

use super::catalog::{self, Template};
use super::name::Name;
use crate::error::{Error, Result};
use crate::git::{Repository, is_git_url};

/// Where a new project comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A template inside the binary.
    Template(&'static Template),
    /// A folder of this machine.
    Folder {
        /// As it was typed.
        typed: String,
        /// Absolute.
        path: PathBuf,
        /// The folder below it that is the project.
        subfolder: Option<Subfolder>,
    },
    /// A Git repository.
    Git {
        repository: Repository,
        /// The folder in it that is the project.
        subfolder: Option<Subfolder>,
    },
}

/// A path below a source: relative, without `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subfolder(PathBuf);

impl Source {
    /// Tells what was meant: a template of exactly this name, else a folder that exists (relative
    /// ones are looked for in `cwd`), else a Git URL.
    pub fn parse(typed: &str, git_ref: Option<&str>, subfolder: Option<&str>, cwd: &Path) -> Result<Self> {
        let subfolder = subfolder.map(Subfolder::parse).transpose()?;
        if let Some(template) = catalog::find(typed) {
            let flag = if git_ref.is_some() { Some("--git-ref") } else { subfolder.as_ref().map(|_| "--subfolder") };
            return match flag {
                None => Ok(Source::Template(template)),
                Some(flag) => Err(Error::usage(format!("`{flag}` has no meaning with the template `{typed}`"))
                    .hint(format!("leave `{flag}` out, or write ./{typed} if you mean a folder"))),
            };
        }
        if typed.is_empty() {
            return Err(Error::usage("the source is empty").details(list()));
        }
        let path = cwd.join(typed);
        if path.is_dir() {
            return folder(typed, path, git_ref, subfolder);
        }
        if is_path(typed) || !is_git_url(typed) {
            return Err(unknown(typed, &path));
        }
        refuse_page(typed)?;
        Ok(Source::Git { repository: Repository::parse(typed, git_ref)?, subfolder })
    }

    /// The name of a project for which no other was given.
    pub fn default_name(&self) -> Result<Name> {
        Name::parse_default(&self.own_name().unwrap_or_default())
    }

    /// What the source is called itself: the template, the folder, the repository.
    pub(super) fn own_name(&self) -> Option<String> {
        match self {
            Source::Template(template) => Some(template.name.clone()),
            Source::Folder { path, subfolder, .. } => match subfolder.as_ref().and_then(Subfolder::name) {
                Some(name) => Some(name),
                // `.` and `..` have no name of their own.
                None => last_name(&path.canonicalize().ok()?),
            },
            Source::Git { repository, subfolder } => match subfolder.as_ref().and_then(Subfolder::name) {
                Some(name) => Some(name),
                None => Some(repository.name()),
            },
        }
    }

    /// The source for messages and reports, without a password.
    pub fn shown(&self) -> String {
        match self {
            Source::Template(template) => template.name.clone(),
            Source::Folder { typed, .. } => typed.clone(),
            Source::Git { repository, .. } => repository.shown_url(),
        }
    }
}

impl Subfolder {
    /// Takes a path as it was typed.
    pub fn parse(typed: &str) -> Result<Self> {
        let refused = |why: &str| {
            Err(Error::usage(format!("`--subfolder {typed}` {why}"))
                .hint("give a path relative to the top of the source, for example --subfolder templates/hello"))
        };
        let mut path = PathBuf::new();
        for component in Path::new(typed).components() {
            match component {
                Component::Normal(name) if name.eq_ignore_ascii_case(".git") => return refused("is inside `.git`"),
                Component::Normal(name) => path.push(name),
                Component::CurDir => {}
                Component::ParentDir => return refused("leaves the source with `..`"),
                Component::RootDir | Component::Prefix(_) => return refused("is an absolute path"),
            }
        }
        if typed.is_empty() { refused("is empty") } else { Ok(Subfolder(path)) }
    }

    /// The path, relative to the top of the source.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn name(&self) -> Option<String> {
        last_name(&self.0)
    }
}

fn folder(typed: &str, path: PathBuf, git_ref: Option<&str>, subfolder: Option<Subfolder>) -> Result<Source> {
    let url = format!("file://{}", path.display());
    if git_ref.is_some() {
        return Err(Error::usage(format!(
            "`--git-ref` has no meaning with the folder `{typed}`, which is copied as it is"
        ))
        .hint(format!("to take a version from its Git history: wash new {url}")));
    }
    if ["HEAD", "objects", "refs"].iter().all(|part| path.join(part).exists()) && !path.join(".git").exists() {
        return Err(Error::usage(format!("`{typed}` is a Git repository without files (a bare one)"))
            .hint(format!("to take its files: wash new {url}")));
    }
    Ok(Source::Folder { typed: typed.to_string(), path, subfolder })
}

fn unknown(typed: &str, path: &Path) -> Error {
    if is_path(typed) {
        let what = if path.exists() { "is not a folder" } else { "does not exist" };
        return Error::usage(format!("the folder `{typed}` {what}"));
    }
    let mut error = Error::usage(format!("no template is called `{typed}`, and it is neither a folder nor a Git URL"))
        .details(list());
    for name in catalog::similar(typed) {
        error = error.hint(format!("did you mean `{name}`? wash new {name}"));
    }
    if typed.split_once('/').is_some_and(|(host, _)| host.contains('.')) {
        error = error.hint(format!("a Git URL starts with its scheme: wash new https://{typed}"));
    }
    error
}

/// The page of a folder on a forge, copied from the browser.
fn refuse_page(url: &str) -> Result<()> {
    if let Some((repository, rest)) = url.split_once("/-/tree/").or_else(|| url.split_once("/tree/"))
        && url.starts_with("http")
        && !url.ends_with(".git")
    {
        let (git_ref, subfolder) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest, ""));
        let more = if subfolder.is_empty() { String::new() } else { format!(" --subfolder {subfolder}") };
        return Err(Error::usage(format!("`{url}` is a page about a repository, not the repository"))
            .hint(format!("wash new {repository} --git-ref {}{more}", git_ref.trim_end_matches('/'))));
    }
    Ok(())
}

/// The templates as a block below an error.
pub fn list() -> String {
    format!("templates:\n  {}", catalog::table().join("\n  "))
}

fn is_path(typed: &str) -> bool {
    let starts_like_one = ["./", "../", ".\\", "..\\"].iter().any(|start| typed.starts_with(start));
    starts_like_one || matches!(typed, "." | "..") || Path::new(typed).is_absolute()
}

fn last_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<Source> {
        Source::parse(typed, None, None, Path::new("/nowhere"))
    }

    #[test]
    fn an_exact_template_name_wins_over_a_folder() {
        let cwd = tempfile::tempdir().unwrap();
        std::fs::create_dir(cwd.path().join("http-hello-world")).unwrap();
        std::fs::create_dir(cwd.path().join("other")).unwrap();
        let parse = |typed| Source::parse(typed, None, None, cwd.path()).unwrap();
        assert!(matches!(parse("http-hello-world"), Source::Template(_)));
        assert!(matches!(parse("./http-hello-world"), Source::Folder { .. }));
        assert!(matches!(parse("other"), Source::Folder { .. }));
    }

    #[test]
    fn everything_git_takes_as_a_url_is_one() {
        for url in [
            "https://example.com/me/hello.git",
            "http://example.com/hello",
            "ssh://git@example.com:22/hello",
            "git://example.com/hello",
            "file:///srv/hello.git",
            "git+ssh://example.com/hello",
            "git@example.com:me/hello.git",
            "example.com:hello",
            "codecommit::eu-west-1://hello",
        ] {
            let Ok(Source::Git { repository, .. }) = parse(url) else { panic!("{url} is not taken as a URL") };
            assert_eq!(repository.url, url);
            assert_eq!(repository.name(), "hello", "{url}");
        }
    }

    #[test]
    fn what_would_run_a_command_is_refused() {
        for url in ["ext::sh -c touch% x", "EXT::sh", "fd::7", "-oProxyCommand=x:y", "--upload-pack=x://y"] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{url}");
        }
    }

    #[test]
    fn what_is_nothing_known_is_an_error_with_suggestions_and_the_list() {
        let error = parse("http-helo-world").unwrap_err();
        assert_eq!(
            error.message(),
            "no template is called `http-helo-world`, and it is neither a folder nor a Git URL"
        );
        assert_eq!(error.hints()[0], "did you mean `http-hello-world`? wash new http-hello-world");
        assert!(error.details_text().unwrap().contains("http-kv-handler"));
        assert_eq!(error.exit_code(), 2);

        assert_eq!(parse("").unwrap_err().message(), "the source is empty");
        assert_eq!(parse("./x").unwrap_err().message(), "the folder `./x` does not exist");
        assert!(parse("C:\\x").is_err());
        let error = parse("example.com/me/hello").unwrap_err();
        assert!(error.hints()[0].ends_with("wash new https://example.com/me/hello"), "{:?}", error.hints());
    }

    #[test]
    fn the_page_of_a_folder_names_the_command_that_works() {
        for page in
            ["https://x.example/me/r/tree/main/templates/hello", "https://x.example/me/r/-/tree/main/templates/hello/"]
        {
            let error = parse(page).unwrap_err();
            assert_eq!(error.hints(), ["wash new https://x.example/me/r --git-ref main --subfolder templates/hello"]);
        }
    }

    #[test]
    fn flags_of_git_are_refused_for_templates() {
        for (git_ref, subfolder) in [(Some("main"), None), (None, Some("x"))] {
            let error = Source::parse("http-hello-world", git_ref, subfolder, Path::new("/")).unwrap_err();
            assert!(error.message().contains("has no meaning"), "{error}");
        }
    }

    #[test]
    fn subfolders_stay_inside() {
        for typed in ["a", "a/b", "./a/b/", "."] {
            assert!(Subfolder::parse(typed).is_ok(), "{typed}");
        }
        for typed in ["", "..", "../x", "a/../../x", "a/..", "/etc", ".git", "a/.git/hooks"] {
            assert_eq!(Subfolder::parse(typed).unwrap_err().exit_code(), 2, "{typed}");
        }
    }
}
