//! Nothing of a template may lead out of its folder: subfolders that are asked for, and links.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::source::Subfolder;
use crate::error::{Context as _, Error, Result};

/// As many links in a row as Linux follows.
const MOST_LINKS: u32 = 40;

/// Returns the folder below `root` that is the project. It must be there, and inside.
pub(super) fn folder(root: &Path, source: &str, subfolder: Option<&Subfolder>) -> Result<PathBuf> {
    let Some(subfolder) = subfolder else { return Ok(root.to_path_buf()) };
    let wanted = subfolder.path();
    let path = root.join(wanted);
    let real_root = root.canonicalize().context(|| format!("cannot read `{}`", root.display()))?;
    match path.canonicalize() {
        Ok(real) if !real.starts_with(&real_root) || real.starts_with(real_root.join(".git")) => {
            Err(Error::failed(format!("`--subfolder {}` leads out of `{source}` through a link", wanted.display())))
        }
        Ok(real) if real.is_dir() => Ok(real),
        Ok(_) => Err(Error::failed(format!("`{}` in `{source}` is not a folder", wanted.display()))),
        Err(_) => Err(missing(&real_root, source, wanted)),
    }
}

/// Says what is there instead of a folder that is not.
fn missing(root: &Path, source: &str, wanted: &Path) -> Error {
    let error = Error::failed(format!("there is no folder `{}` in `{source}`", wanted.display()));
    let nearest = wanted.ancestors().skip(1).find(|ancestor| root.join(ancestor).is_dir());
    let nearest = nearest.unwrap_or(Path::new(""));
    let mut names: Vec<String> = fs::read_dir(root.join(nearest))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok())
        .filter(|entry| entry.path().is_dir() && entry.file_name() != ".git")
        .map(|entry| nearest.join(entry.file_name()).display().to_string())
        .collect();
    names.sort();
    let shown = wanted.display().to_string();
    let likest = names
        .iter()
        .map(|name| (strsim::jaro_winkler(name, &shown), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match (likest, names.is_empty()) {
        (Some((_, name)), _) => error.hint(format!("did you mean --subfolder {name}?")),
        (None, false) => error.details(format!("folders there:\n  {}", names.join("\n  "))),
        (None, true) => error.hint("there are no folders in it at all: leave `--subfolder` out"),
    }
}

/// Returns where the link leads, if that is inside.
pub(super) fn link(root: &Path, link: &Path) -> Result<PathBuf> {
    let target = fs::read_link(root.join(link)).context(|| format!("cannot read the link `{}`", link.display()))?;
    if stays_inside(root, link, &target) {
        return Ok(target);
    }
    Err(Error::failed(format!("the link `{}` leads out of the project, to `{}`", link.display(), target.display()))
        .hint("nothing was created: a template must not reach files outside of its folder"))
}

/// Walks along `target` as the system would, over links on the way, and looks at every step whether
/// it is still below `root`. (To compare resolved paths is not enough: what the link leads to may
/// be missing now and made later.)
fn stays_inside(root: &Path, link: &Path, target: &Path) -> bool {
    let steps = |path: &Path| -> Vec<Option<OsString>> {
        path.components()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(Some(name.to_os_string())),
                Component::ParentDir => Some(None),
                _ => None,
            })
            .collect()
    };
    let is_relative = |path: &Path| !path.has_root() && !matches!(path.components().next(), Some(Component::Prefix(_)));
    if !is_relative(target) {
        return false;
    }
    let mut here = link.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut ahead = VecDeque::from(steps(target));
    let mut links = 0;
    while let Some(step) = ahead.pop_front() {
        let Some(name) = step else {
            if !here.pop() {
                return false;
            }
            continue;
        };
        here.push(name);
        if let Ok(next) = fs::read_link(root.join(&here)) {
            links += 1;
            if links > MOST_LINKS || !is_relative(&next) {
                return false;
            }
            here.pop();
            for step in steps(&next).into_iter().rev() {
                ahead.push_front(step);
            }
        }
    }
    true
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_may_lead_anywhere_inside() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        for (link, target) in [("x", "a"), ("x", "./a/b/../b"), ("a/x", "../y"), ("a/b/x", "../../missing"), ("x", ".")]
        {
            assert!(stays_inside(root.path(), Path::new(link), Path::new(target)), "{link} -> {target}");
        }
    }

    #[test]
    fn links_may_not_lead_out() {
        let root = tempfile::tempdir().unwrap();
        for (link, target) in
            [("x", ".."), ("x", "../x"), ("x", "/etc"), ("a/x", "../../y"), ("x", "a/../../b"), ("x", "/")]
        {
            assert!(!stays_inside(root.path(), Path::new(link), Path::new(target)), "{link} -> {target}");
        }
    }

    #[test]
    fn links_may_not_lead_out_over_another_link() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b/c")).unwrap();
        fs::create_dir(root.path().join("top")).unwrap();
        // By its text `a/b/c/up/../..` is `a/b`; in fact `up` is `top`, and that leads out.
        symlink("../../../top", root.path().join("a/b/c/up")).unwrap();
        assert!(!stays_inside(root.path(), Path::new("x"), Path::new("a/b/c/up/../../missing")));
        assert!(stays_inside(root.path(), Path::new("x"), Path::new("a/b/c/up/../missing")));
        symlink("/", root.path().join("root")).unwrap();
        assert!(!stays_inside(root.path(), Path::new("x"), Path::new("root/etc")));
        symlink("round", root.path().join("round")).unwrap();
        assert!(!stays_inside(root.path(), Path::new("round"), Path::new("round")));
    }

    #[test]
    fn a_subfolder_is_found_and_must_be_inside() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("source");
        fs::create_dir_all(root.join("templates/hello")).unwrap();
        fs::create_dir(outer.path().join("outside")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        symlink("../outside", root.join("out")).unwrap();
        symlink("templates", root.join("in")).unwrap();
        let enter = |path: &str| folder(&root, "SRC", Some(&Subfolder::parse(path).unwrap()));

        assert!(enter("templates/hello").unwrap().ends_with("templates/hello"));
        assert!(enter("in/hello").unwrap().ends_with("templates/hello"));
        assert_eq!(enter("out").unwrap_err().message(), "`--subfolder out` leads out of `SRC` through a link");
        assert_eq!(enter("file").unwrap_err().message(), "`file` in `SRC` is not a folder");

        let error = enter("templates/helo").unwrap_err();
        assert_eq!(error.message(), "there is no folder `templates/helo` in `SRC`");
        assert_eq!(error.hints(), ["did you mean --subfolder templates/hello?"]);
        assert_eq!(enter("zzz/y").unwrap_err().details_text(), Some("folders there:\n  in\n  out\n  templates"));
    }
}
