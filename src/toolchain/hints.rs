//! What to do about messages of toolchains that do not say it themselves.

/// Words of a message, and the next step.
const KNOWN: &[(&str, &str)] = &[
    // Go.
    ("module lookup disabled by GOPROXY=off", "fetch the modules once with a network: go mod download"),
    ("missing go.sum entry", "write what is missing into go.sum: go mod tidy"),
    (
        "inconsistent vendoring",
        "go mod vendor, or without that folder: GOFLAGS=-mod=mod below `build.env` of the settings",
    ),
    (
        "-race is not supported on wasip1",
        "GOFLAGS has `-race`, which is for other targets: set GOFLAGS to \"\" below `build.env` of the settings",
    ),
    ("go.mod requires go >=", "install a newer Go, or let go fetch it: GOTOOLCHAIN=auto"),
    ("unsupported GOOS/GOARCH pair wasip1/wasm", "install Go 1.24 or newer: https://go.dev/doc/install"),
    // C.
    (
        "No available targets are compatible with triple \"wasm32",
        "this clang was built without WebAssembly, as Apple's is: install another, and name it with CC",
    ),
    (
        "undefined symbol: exports_",
        "write the function that is named: the header in `gen` declares what the world exports",
    ),
    ("undefined symbol: main", "the program has no `main`; a component that is called has its world in `wit`"),
    (
        "_component_type_object_force_link_",
        "the bindings are of another world than `wit` has: make them again with wit-bindgen c",
    ),
    ("-D_WASI_EMULATED_", "set CFLAGS and LDFLAGS below `build.env` of the settings, as the message says"),
    // Python.
    ("No module named venv", "install Python's venv with your system's packages, e.g. apt-get install python3-venv"),
];

/// What to do next, when a tool has failed with these words.
pub(super) fn hint(text: &str) -> Option<String> {
    if let Some(header) = missing_header(text) {
        return Some(match header.strip_suffix(".h") {
            Some(world) if !header.contains('/') => format!(
                "if `{header}` has the bindings of the world `{}`: wit-bindgen c --world {} --out-dir gen wit",
                world.replace('_', "-"),
                world.replace('_', "-")
            ),
            _ => format!("add the folder of `{header}`: CFLAGS below `build.env` of the settings, with -I"),
        });
    }
    KNOWN.iter().find(|(words, _)| text.contains(words)).map(|(_, hint)| hint.to_string())
}

/// The header that clang has not found.
fn missing_header(text: &str) -> Option<&str> {
    let (before, _) = text.split_once("' file not found")?;
    let (_, header) = before.rsplit_once('\'')?;
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_messages_have_a_next_step() {
        for (message, expected) in [
            ("main.go:2:8: module lookup disabled by GOPROXY=off", Some("go mod download")),
            ("x.c:1:10: fatal error: 'component.h' file not found", Some("wit-bindgen c --world component ")),
            ("x.c:1:10: fatal error: 'my_world.h' file not found", Some("--world my-world ")),
            ("x.c:1:10: fatal error: 'zlib/zlib.h' file not found", Some("-I")),
            ("wasm-ld: error: x.o: undefined symbol: exports_a_b_run", Some("the header in `gen`")),
            ("error[E0308]: mismatched types", None),
        ] {
            let found = hint(message);
            assert_eq!(found.is_some(), expected.is_some(), "{message}");
            assert!(expected.is_none_or(|part| found.as_ref().unwrap().contains(part)), "{message}: {found:?}");
        }
    }
}
