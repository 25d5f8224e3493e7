//! What users see when a tool fails: the tool's own text, then what it means and what to do. The
//! files of `tests/failures/` have both; the first part of each was written by the real tool. The tools of
//! those in `tests/failures/quoted/` are in no registry; their first line says who has reported the text.
//!
//!     WASH_ACCEPT=1 cargo nextest run -E 'test(failures::)'    # writes the second parts anew

use std::path::Path;

use crate::support::{Sandbox, run};

/// Between what the tool has written and what wash adds.
const BORDER: &str = "\n======== and wash says\n";

#[test]
fn the_text_of_a_tool_is_shown_and_then_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/failures");
    let sandbox = Sandbox::new();
    sandbox.write(".wash/config.yaml", "build:\n  command: cat text; exit 1\n  component_path: app.wasm\n");
    let mut count = 0;
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    for path in files(&folder).chain(files(&folder.join("quoted"))).filter(|path| path.is_file()) {
        let content = std::fs::read_to_string(&path).unwrap();
        let (text, expected) = content.split_once(BORDER).unwrap_or((&content, ""));
        let text = text.trim_end();
        sandbox.write("text", text);
        let failed = run(&mut sandbox.wash(["build"])).expect_code(1);
        let shown = failed.stderr.find(text).unwrap_or_else(|| panic!("{path:?} is not shown:\n{}", failed.stderr));
        let said = failed.stderr[shown + text.len()..].replace(&sandbox.path().display().to_string(), "/home/me/hello");
        let said = said.trim();
        if std::env::var_os("WASH_ACCEPT").is_some() {
            std::fs::write(&path, format!("{text}\n{BORDER}{said}\n")).unwrap();
        } else {
            assert_eq!(said, expected.trim(), "{}", path.display());
        }
        assert!(said.contains("\nhint: "), "{} teaches nothing:\n{said}", path.display());
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn programs_get_the_text_and_the_meaning_in_the_document() {
    let sandbox = Sandbox::new();
    let command = "echo 'the `wasm32-wasip2` target may not be installed' >&2; exit 1";
    sandbox.write(".wash/config.yaml", format!("build:\n  command: \"{command}\"\n  component_path: app.wasm\n"));
    let failed = run(&mut sandbox.wash(["build", "-o", "json"])).expect_code(1).json();
    assert_eq!(failed["error"]["hints"][0], "rustup target add wasm32-wasip2");
    assert!(failed["error"]["details"].as_str().unwrap().contains("may not be installed"), "{failed}");
}
