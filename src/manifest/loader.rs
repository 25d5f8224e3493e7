//! Finds the files of manifests and reads them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Text;
use crate::error::{Context, Error, Result};

/// A manifest is text that people write. What is larger was named by mistake.
const LARGEST: u64 = 16 << 20;
/// Folders below folders; deeper ones are not looked into.
const DEEPEST: usize = 8;

/// Where manifests are.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files, and folders whose `.yaml`, `.yml` and `.json` files count. Absolute.
    pub paths: Vec<PathBuf>,
    /// What came in on stdin, which does not change.
    pub stdin: Option<String>,
    /// The folder that paths in the text of stdin are relative to.
    pub base: PathBuf,
}

impl Sources {
    /// Reads all files.
    ///
    /// Errors: a file or folder that was named is not there, or cannot be read; a file is no text.
    pub fn read(&self) -> Result<Vec<Text>> {
        let mut files = BTreeSet::new();
        for path in &self.paths {
            let about = fs::metadata(path).context(|| format!("cannot read the manifest `{}`", path.display()))?;
            if about.is_dir() {
                look_into(path, DEEPEST, &mut files)?;
            } else {
                files.insert(path.clone());
            }
        }
        let mut texts = Vec::new();
        for path in files {
            let text = read_file(&path)?;
            texts.push(Text { path, text });
        }
        if let Some(text) = &self.stdin {
            texts.push(Text { path: self.base.join("<stdin>"), text: text.clone() });
        }
        Ok(texts)
    }

    /// Whether anything of it can change.
    pub fn can_change(&self) -> bool {
        !self.paths.is_empty()
    }
}

/// Reads everything from stdin.
pub fn read_stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().take(LARGEST).read_to_string(&mut text).context(|| "cannot read manifests from stdin")?;
    Ok(text)
}

fn read_file(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read the manifest `{}`", path.display());
    let file = fs::File::open(path).context(cannot)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).context(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::failed(cannot()).cause(format!("it is longer than {} MiB", LARGEST >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Error::failed(cannot()).cause("it is not text (UTF-8)"))
}

fn look_into(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    let cannot = || format!("cannot look into the folder `{}`", folder.display());
    for entry in fs::read_dir(folder).context(cannot)? {
        let path = entry.context(cannot)?.path();
        // `..data` and the like: what Kubernetes keeps beside the files of a volume, and editors theirs.
        if path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        // Follows links: files of a volume are some. One that was just removed is no error.
        let Ok(about) = fs::metadata(&path) else { continue };
        let is_manifest = path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if about.is_dir() && depth > 0 {
            look_into(&path, depth - 1, files)?;
        } else if about.is_file() && is_manifest {
            files.insert(path);
        }
    }
    Ok(())
}
