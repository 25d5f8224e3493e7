//! `wash completion`, and the scripts that are checked in for packagers.

use std::path::Path;

use crate::support::{Sandbox, run};

#[test]
fn the_checked_in_scripts_are_those_of_the_program() {
    for (shell, file) in [
        ("bash", "wash.bash"),
        ("elvish", "wash.elv"),
        ("fish", "wash.fish"),
        ("powershell", "_wash.ps1"),
        ("zsh", "_wash"),
    ] {
        let printed = run(&mut Sandbox::new().wash(["completion", shell])).expect_code(0).stdout;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file);
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == printed, "completions/{file} is stale: cargo run -- completion {shell} > completions/{file}");
    }
}

#[test]
fn bash_completes_subcommands_and_flags() {
    let sandbox = Sandbox::new();
    let script = sandbox.write("wash.bash", run(&mut sandbox.wash(["completion", "bash"])).stdout);
    let complete = |words: &str| {
        let count = words.split(' ').count() - 1;
        let line = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD={count}; _wash wash \"${{COMP_WORDS[{count}]}}\" x; printf '%s ' \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        run(std::process::Command::new("bash").args(["-c", &line])).stdout
    };
    assert_eq!(complete("wash de"), "dev ");
    assert!(complete("wash dev --po").contains("--port"), "{}", complete("wash dev --po"));
}

#[test]
fn another_shell_is_a_usage_error_that_names_those_known() {
    let ended = run(&mut Sandbox::new().wash(["completion", "tcsh"])).expect_code(2);
    assert!(ended.stderr.contains("elvish") && ended.stderr.contains("zsh"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_usage_error_is_one_document_for_programs() {
    for args in [["bogus", "-o", "json"], ["-o", "json", "bogus"], ["dev", "--output=json", "--bogus"]] {
        let ended = run(&mut Sandbox::new().wash(args)).expect_code(2);
        assert_eq!(ended.json()["error"]["exit_code"], 2, "{args:?}");
    }
}
