//! `wash config`.

use std::fs;

use crate::support::{Sandbox, run};

#[test]
fn a_typing_error_is_shown_where_it_is_with_what_was_meant() {
    for (name, text, place, line) in [
        ("config.yaml", "dev:\n  adress: 127.0.0.1:1\n", "2:3", "2 |   adress: 127.0.0.1:1\n  |   ^^^^^^\n"),
        ("config.toml", "[dev]\nadress = \"127.0.0.1:1\"\n", "2:1", "2 | adress = \"127.0.0.1:1\"\n  | ^^^^^^\n"),
        (
            "config.json",
            "{\n  \"dev\": {\"adress\": \"127.0.0.1:1\"}\n}\n",
            "2:11",
            "2 |   \"dev\": {\"adress\": \"127.0.0.1:1\"}\n  |           ^^^^^^^^\n",
        ),
    ] {
        let sandbox = Sandbox::new();
        let file = sandbox.write(format!("größe p/.wash/{name}"), text);
        let ended = run(sandbox.wash(["config", "validate", "-C", "größe p"]).env("TERM", "dumb")).expect_code(2);
        let expected = format!(
            "error: unknown key `adress` in `dev`\n --> {}:{place}\n  |\n{line}hint: did you mean `address`?\n",
            file.display()
        );
        assert_eq!(ended.stderr, expected);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write(".wash/config.yaml", "build:\n  command: ''\ndev:\n  wasi_webgpu: true\n  address: ${HERE}\n");
    let ended = run(sandbox.wash(["config", "validate"]).env("WASH_DEV__ADRESS", "x")).expect_code(2);
    for expected in [
        "4 problems in the settings",
        "config.yaml:2:12",
        "not supported yet: `dev.wasi_webgpu`",
        "`dev.address` needs the variable `HERE`, which is not set",
        "did you mean `WASH_DEV__ADDRESS`?",
    ] {
        assert!(ended.stderr.contains(expected), "{expected}: {}", ended.stderr);
    }
}

#[test]
fn good_settings_are_called_so() {
    let sandbox = Sandbox::new();
    let file = sandbox.write(".wash/config.toml", "[build]\ncommand = \"make ${NOT_OURS}\"\n");
    let ended = run(&mut sandbox.wash(["config", "validate"])).expect_code(0);
    assert_eq!(ended.stdout, format!("ok: {}\n", file.display()));
    let json = run(&mut sandbox.wash(["config", "validate", "-o", "json"])).expect_code(0).json();
    assert_eq!((&json["command"], &json["ok"]), (&"config".into(), &true.into()));
}

#[test]
fn each_value_tells_its_origin_and_secrets_stay_secret() {
    let sandbox = Sandbox::new();
    sandbox.write("p/.wash/config.yaml", "build:\n  env:\n    API_TOKEN: ${SECRET}\n  component_path: a.wasm\n");
    let user = sandbox.write("user.toml", "[dev]\nignore = [\"notes/\"]\n");
    let mut command = sandbox.wash(["config", "show", "--origin", "-C", "p", "--user-config", "user.toml"]);
    let ended = run(command.env("SECRET", "hunter2").env("WASH_DEV__ADDRESS", "127.0.0.1:0")).expect_code(0);
    for expected in [
        "build.env.API_TOKEN = \"***\"  # .wash/config.yaml:3\n".to_string(),
        "build.component_path = \"a.wasm\"  # .wash/config.yaml:4\n".into(),
        "dev.address = \"127.0.0.1:0\"  # WASH_DEV__ADDRESS\n".into(),
        format!("dev.ignore = [\"notes/\"]  # {}:2\n", user.display()),
        "wit.wit_dir = \"wit\"  # default\n".into(),
    ] {
        assert!(ended.stdout.contains(&expected), "{expected}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("hunter2"));
}

#[test]
fn shown_settings_are_settings() {
    let sandbox = Sandbox::new();
    sandbox.write(".wash/config.yaml", "build: {command: \"a: b # c\", env: {PORT: \"8080\"}}\n");
    let shown = run(&mut sandbox.wash(["config", "show"])).expect_code(0).stdout;
    sandbox.write(".wash/config.yaml", &shown);
    assert_eq!(run(&mut sandbox.wash(["config", "show"])).expect_code(0).stdout, shown);
}

#[test]
fn init_writes_a_file_that_is_valid_and_never_overwrites_unasked() {
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[package]\nname = \"my-app\"\n");
    run(&mut sandbox.wash(["config", "init"])).expect_code(0);
    let yaml = sandbox.path().join(".wash/config.yaml");
    let first = fs::read_to_string(&yaml).unwrap();
    assert!(first.contains("my_app.wasm"), "{first}");
    let refused = run(&mut sandbox.wash(["config", "init", "--format", "toml"])).expect_code(2);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&yaml).unwrap(), first);

    run(&mut sandbox.wash(["config", "init", "--format", "toml", "--force", "--example"])).expect_code(0);
    let names: Vec<_> = fs::read_dir(sandbox.path().join(".wash")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["config.toml"]);
    run(&mut sandbox.wash(["config", "validate"])).expect_code(0);
}

#[test]
fn init_can_write_the_users_settings() {
    let sandbox = Sandbox::new();
    let ended = run(&mut sandbox.wash(["config", "init", "--global", "-o", "json"])).expect_code(0);
    let path = ended.json()["path"].as_str().unwrap().to_string();
    let info = run(&mut sandbox.wash(["config", "info", "-o", "json"])).expect_code(0).json();
    assert_eq!(info["user_config_file"], path.as_str());
    assert_eq!(info["project"], serde_json::Value::Null);
}

#[test]
fn looking_at_settings_creates_nothing() {
    let sandbox = Sandbox::new();
    // What tests share.
    fs::remove_dir_all(sandbox.path().join("../home/cache")).unwrap();
    for command in ["info", "show", "validate"] {
        run(&mut sandbox.wash(["config", command])).expect_code(0);
    }
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 0);
    let home = sandbox.path().join("../home");
    assert_eq!(fs::read_dir(home).unwrap().count(), 0, "nothing is created at home");
}
