//! Taking bytes as a component: core modules are wrapped, everything else is explained.

use std::io::Write;
use std::path::{Path, PathBuf};

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};

use super::Artifact;
use crate::component::{self, Description, Kind, Unreadable};
use crate::error::{Error, Result};

/// Takes bytes as a component: a core module is wrapped with the preview1 adapter; anything else
/// is an error that says what was found in `path`.
pub fn componentize(path: &Path, bytes: Vec<u8>) -> Result<(Artifact, bool)> {
    let description = component::describe(&bytes).map_err(|error| unreadable(path, &error))?;
    match description.kind {
        Kind::Component => Ok((Artifact { path: path.to_path_buf(), bytes, description }, false)),
        Kind::Module => {
            let bytes = wrap(&bytes, &description).map_err(|reason| not_wrapped(path, &reason, &description))?;
            let description = component::describe(&bytes)
                .map_err(|error| Error::bug(format!("the wrapped `{}` {error}", path.display())))?;
            Ok((Artifact { path: path.to_path_buf(), bytes, description }, true))
        }
        Kind::WitPackage => Err(Error::failed(format!("`{}` is a WIT package, not a component", path.display()))
            .cause("it has types only, and nothing that could run")),
    }
}

/// Where the component lies that was made from the core module at `path`. The module stays as it
/// is, so that its own tools see what they have written.
pub(super) fn wrapped_path(path: &Path) -> PathBuf {
    path.with_extension("component.wasm")
}

/// Writes a file in one step, and only if it is different: its time tells when it has changed.
pub(super) fn write_if_different(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let written = (|| {
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
        #[cfg(unix)]
        {
            // Temporary files are private; this one is as public as the module beside it.
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path)?;
        Ok::<_, std::io::Error>(())
    })();
    written.map_err(|error| Error::caused_by(format!("cannot write `{}`", path.display()), &error))
}

fn wrap(module: &[u8], description: &Description) -> Result<Vec<u8>, String> {
    // A program is run, a library is called.
    let adapter = if description.exports.iter().any(|export| export == "_start") {
        WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| format!("{error:#}"))
}

/// Modules that core modules import from when they were built for something else.
const FOREIGN: &[(&str, &str)] = &[
    ("__wbindgen_", "it was built by wasm-bindgen, for browsers"),
    ("wbg.", "it was built by wasm-bindgen, for browsers"),
    ("gojs.", "it was built with GOOS=js, for browsers"),
    ("go.", "it was built with GOOS=js, for browsers"),
    ("wasi_unstable.", "it was built for a WASI that is older than preview 1"),
    ("env.emscripten", "it was built by Emscripten, for browsers"),
    ("env.", "it imports from `env`: a function that it declares was not linked"),
];

fn not_wrapped(path: &Path, reason: &str, description: &Description) -> Error {
    let error = Error::failed(format!("`{}` is a core module that cannot be made a component", path.display()));
    let found = FOREIGN.iter().find_map(|(beginning, what)| {
        let import = description.imports.iter().find(|import| import.starts_with(beginning))?;
        Some(format!("{what} (import `{import}`)"))
    });
    let error = match found {
        Some(what) => error.cause(what),
        None => error.cause(reason),
    };
    error.hint("build it for wasm32-wasip2, which makes components")
}

/// An error about bytes that are not WebAssembly as it should be.
fn unreadable(path: &Path, reason: &Unreadable) -> Error {
    let shown = path.display();
    let error = Error::failed(format!("`{shown}` {reason}"));
    match reason {
        Unreadable::Text => {
            let binary = path.with_extension("wasm");
            error.hint(format!("make it binary: wasm-tools parse {shown} -o {}", binary.display()))
        }
        Unreadable::NotWasm { looks_like: "a Git LFS pointer" } => error.hint("git lfs pull"),
        Unreadable::NotWasm { looks_like } if looks_like.ends_with("program") => {
            error.hint("build for WebAssembly, e.g. cargo build --target wasm32-wasip2")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Result<(Artifact, bool)> {
        componentize(Path::new("/p/my out.wasm"), wat::parse_str(text).unwrap())
    }

    #[test]
    fn program_becomes_a_component_that_can_be_run() {
        let (artifact, adapted) = module(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const 0))))"#,
        )
        .unwrap();
        assert!(adapted);
        assert_eq!(artifact.description.kind, Kind::Component);
        assert!(artifact.description.exports.iter().any(|export| export.starts_with("wasi:cli/run@0.2")));
        assert!(artifact.description.imports.iter().any(|import| import.starts_with("wasi:cli/exit@0.2")));
    }

    #[test]
    fn component_is_taken_as_it_is() {
        let bytes = wat::parse_str("(component)").unwrap();
        let (artifact, adapted) = componentize(Path::new("/p/a.wasm"), bytes.clone()).unwrap();
        assert!(!adapted);
        assert_eq!((artifact.bytes, artifact.path), (bytes, PathBuf::from("/p/a.wasm")));
    }

    #[test]
    fn module_for_browsers_is_refused_with_the_reason() {
        let error = module(r#"(module (import "wbg" "__wbg_log" (func)))"#).unwrap_err();
        assert_eq!(error.message(), "`/p/my out.wasm` is a core module that cannot be made a component");
        assert_eq!(error.causes(), ["it was built by wasm-bindgen, for browsers (import `wbg.__wbg_log`)"]);
    }

    #[test]
    fn everything_else_is_named() {
        let message = |bytes: &[u8]| {
            let error = componentize(Path::new("/p/a.wasm"), bytes.to_vec()).map(|_| ()).unwrap_err();
            error.message().to_string()
        };
        assert_eq!(message(b""), "`/p/a.wasm` is empty");
        assert_eq!(message(b"\x7fELF"), "`/p/a.wasm` is not WebAssembly but an ELF program");
        assert_eq!(message(b"\0asm\x0d"), "`/p/a.wasm` is WebAssembly that ends too early, after 5 bytes");
        assert_eq!(message(b"(component)"), "`/p/a.wasm` is WebAssembly text, not binary");
        let types = wat::parse_str(r#"(component (type $t (component)) (export "w" (type $t)))"#).unwrap();
        assert_eq!(message(&types), "`/p/a.wasm` is a WIT package, not a component");
    }

    #[test]
    fn file_is_written_only_when_it_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        let modified = || path.metadata().unwrap().modified().unwrap();
        write_if_different(&path, b"one").unwrap();
        let past = std::time::SystemTime::UNIX_EPOCH;
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(past).unwrap();
        write_if_different(&path, b"one").unwrap();
        assert_eq!(modified(), past);
        write_if_different(&path, b"two").unwrap();
        assert_ne!(modified(), past);
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }
}
