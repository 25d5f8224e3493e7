//! `wash inspect`: what it says of files, projects and WIT, and that it runs nothing.

use serde_json::Value as Json;

use crate::support::{Ended, Sandbox, guests, run};

const GREETER: &str = r#"
(component
  (type $acme (instance (export "greet" (func (param "name" string) (result string)))))
  (import "acme:words/words@1.2.0" (instance (type $acme)))
  (import "wasi:nn/graph@0.2.0-rc" (instance))
  (import "wasi:keyvalue/store@0.9.0" (instance))
  (import "wasi:cli/exit@0.2.3" (instance (export "exit" (func (param "status" (result))))))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func (export "go") (canon lift (core func $i "run")))
)"#;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own WAT")
}

fn inspect(sandbox: &Sandbox, args: &[&str]) -> Ended {
    run(&mut sandbox.wash(["inspect"].iter().chain(args)))
}

/// The names of the imports with what is said of their provider.
fn providers(document: &Json) -> Vec<(&str, &str)> {
    let imports = document["imports"].as_array().unwrap().iter();
    imports.map(|import| (import["name"].as_str().unwrap(), import["provider"].as_str().unwrap())).collect()
}

#[test]
fn imports_are_told_by_who_provides_them() {
    let sandbox = Sandbox::new();
    sandbox.write("greeter.wasm", wat(GREETER));
    let said = inspect(&sandbox, &["greeter.wasm"]).expect_code(0);
    assert_eq!(said.stderr, "");
    let expected = "\
  imports    provided by the host:
               wasi:cli@0.2.3  exit
             another component must provide:
               acme:words@1.2.0  words
             nobody provides:
               wasi:nn/graph@0.2.0-rc
                 wash does not know this package
               wasi:keyvalue/store@0.9.0
                 wash provides version 0.2.0-draft2, which is not compatible
";
    assert!(said.stdout.contains(expected), "{}", said.stdout);
    let document = inspect(&sandbox, &["greeter.wasm", "-o", "json"]).expect_code(0).json();
    assert_eq!(
        providers(&document),
        [
            ("acme:words/words@1.2.0", "component"),
            ("wasi:nn/graph@0.2.0-rc", "nobody"),
            ("wasi:keyvalue/store@0.9.0", "nobody"),
            ("wasi:cli/exit@0.2.3", "host"),
        ]
    );
    assert_eq!(document["imports"][0]["functions"][0]["signature"], "func(name: string) -> string");
    assert_eq!(document["imports"][3]["provided_version"], "0.2.12");
}

#[test]
fn rust_component_says_what_it_is_and_what_it_weighs() {
    let sandbox = Sandbox::new();
    let probe = guests::probe();
    sandbox.write("probe.wasm", &probe);
    let said = inspect(&sandbox, &["probe.wasm"]).expect_code(0).stdout;
    assert!(said.starts_with("probe.wasm\n  kind       component that answers HTTP requests"), "{said}");
    assert!(said.contains(", in Rust\n"), "{said}");
    for fact in ["  made with  rustc 1.", "  size       1.", "code of    ", "  functions  ", "  digest     sha256:"] {
        assert!(said.contains(fact), "{fact}\n{said}");
    }
    let long: Vec<&str> = said.lines().filter(|line| line.chars().count() > 80 && !line.contains("sha256:")).collect();
    assert!(long.is_empty(), "lines are not longer than a terminal is wide: {long:#?}");

    let document = inspect(&sandbox, &["probe.wasm", "-o", "json"]).expect_code(0).json();
    assert_eq!((document["schema_version"].as_u64(), document["command"].as_str()), (Some(1), Some("inspect")));
    assert_eq!(document["kind"], "component");
    assert_eq!(document["size"], probe.len());
    let parts = document["anatomy"]["parts"].as_array().unwrap();
    let sum: u64 = parts.iter().map(|part| part["bytes"].as_u64().unwrap()).sum();
    assert_eq!(sum, probe.len() as u64, "every byte is counted once: {parts:#?}");
    let functions = document["anatomy"]["functions"].as_array().unwrap();
    let sizes: Vec<u64> = functions.iter().map(|function| function["bytes"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|one, next| one >= next) && sizes.len() == 20, "{sizes:?}");
    assert!(providers(&document).iter().all(|(_, provider)| *provider == "host"), "{:#?}", providers(&document));
    let export = document["exports"].as_array().unwrap().iter().find(|export| export["purpose"].is_string()).unwrap();
    assert_eq!(export["interface"], "wasi:http/incoming-handler");
    assert!(document["wit"]["text"].as_str().unwrap().contains("resource incoming-request {"));
}

#[test]
fn a_component_of_wasi_0_3_has_everything_from_the_host() {
    let sandbox = Sandbox::new();
    sandbox.write("probe3.wasm", guests::probe3());
    let said = inspect(&sandbox, &["probe3.wasm"]).expect_code(0).stdout;
    assert!(said.contains("component that answers HTTP requests"), "{said}");
    let document = inspect(&sandbox, &["probe3.wasm", "-o", "json"]).expect_code(0).json();
    assert!(providers(&document).iter().all(|(_, provider)| *provider == "host"), "{:#?}", providers(&document));
}

#[test]
fn wit_and_world_are_printed_as_wit_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("greeter.wasm", wat(GREETER));
    let world = inspect(&sandbox, &["greeter.wasm", "--world"]).expect_code(0).stdout;
    assert_eq!(
        world,
        "\
package root:component;

world root {
  import acme:words/words@1.2.0;
  import wasi:nn/graph@0.2.0-rc;
  import wasi:keyvalue/store@0.9.0;
  import wasi:cli/exit@0.2.3;

  export go: func();
}
"
    );
    let wit = inspect(&sandbox, &["greeter.wasm", "--wit"]).expect_code(0).stdout;
    assert!(wit.starts_with(world.trim_end()), "{wit}");
    assert!(
        wit.contains("package acme:words@1.2.0 {\n  interface words {\n    greet: func(name: string) -> string;"),
        "{wit}"
    );

    sandbox.write("core.wasm", wat("(module)"));
    let refused = inspect(&sandbox, &["core.wasm", "--wit"]).expect_code(1);
    assert!(refused.stderr.contains("error: `core.wasm` is a core module without WIT"), "{}", refused.stderr);
    inspect(&sandbox, &["greeter.wasm", "--wit", "--world"]).expect_code(2);
}

#[test]
fn core_module_is_told_with_its_adapter() {
    let sandbox = Sandbox::new();
    sandbox.write("core.wasm", guests::core_module());
    let said = inspect(&sandbox, &["core.wasm"]).expect_code(0).stdout;
    assert!(said.contains("  kind       core module, in Rust\n"), "{said}");
    assert!(said.contains("provided by the adapter that wash build puts around the module:\n"), "{said}");
    assert!(said.contains("wasi_snapshot_preview1  "), "{said}");
}

#[test]
fn folder_of_wit_and_its_binary_form_say_the_same() {
    let sandbox = Sandbox::new();
    let wit = "package acme:shop@1.0.0;\n\ninterface cart {\n  record item { name: string }\n  add: func(item: item);\n}\n\n\
               world shop {\n  import cart;\n  export run: func();\n}\n";
    sandbox.write("wit/shop.wit", wit);
    let said = inspect(&sandbox, &["wit"]).expect_code(0).stdout;
    assert_eq!(
        said,
        "wit\n  kind       WIT package acme:shop@1.0.0\n  interfaces cart  (1 function, 1 type)\n  worlds     shop  (1 import, 1 export)\n"
    );
    let printed = inspect(&sandbox, &["wit/shop.wit", "--wit"]).expect_code(0).stdout;
    assert!(printed.contains("add: func(item: item);"), "{printed}");
    let document = inspect(&sandbox, &["wit", "-o", "json"]).expect_code(0).json();
    assert_eq!(document["kind"], "wit-package");
    assert_eq!(document["package"]["worlds"][0]["imports"][0], "acme:shop/cart@1.0.0");

    sandbox.write("broken/a.wit", "package a:b;\ninterface i {\n  f: func(;\n}\n");
    let refused = inspect(&sandbox, &["broken"]).expect_code(1);
    assert!(
        refused.stderr.contains("cannot read the WIT in `broken`") && refused.stderr.contains("a.wit:3:"),
        "{}",
        refused.stderr
    );
}

#[test]
fn project_is_built_and_its_component_is_inspected() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("app", &wat(GREETER), "");
    std::fs::create_dir(root.join("src")).unwrap();
    for (folder, args) in [(sandbox.path(), vec!["app"]), (root.clone(), vec![]), (root.join("src"), vec![])] {
        let _ = std::fs::remove_dir_all(root.join("out"));
        let said = run(sandbox.wash(["inspect"].iter().chain(&args)).current_dir(&folder)).expect_code(0);
        assert!(said.stdout.contains("app.wasm\n  kind       component\n"), "{}", said.stdout);
        assert!(said.stderr.contains("Building app"), "{}", said.stderr);
    }
    let by_flag = run(&mut sandbox.wash(["-C", "app", "inspect", "-o", "json"])).expect_code(0).json();
    assert_eq!(by_flag["name"], "app/out/app.wasm");
    // Relative paths are those of the folder of -C.
    run(&mut sandbox.wash(["-C", "app", "inspect", "input.wasm"])).expect_code(0);
}

#[test]
fn what_cannot_be_inspected_is_explained() {
    let sandbox = Sandbox::new();
    sandbox.write("text.wat", "(component)");
    sandbox.write("elf.wasm", b"\x7fELF\x02\x01\x01");
    let whole = wat(GREETER);
    sandbox.write("half.wasm", &whole[..whole.len() / 2]);
    sandbox.write("empty.wasm", "");
    for (name, expected) in [
        ("none.wasm", "error: there is no file `none.wasm`"),
        ("./none", "error: there is no file `./none`"),
        ("text.wat", "`text.wat` is WebAssembly text, not binary"),
        ("elf.wasm", "`elf.wasm` is not WebAssembly but an ELF program"),
        ("half.wasm", "`half.wasm` is WebAssembly that ends too early"),
        ("empty.wasm", "`empty.wasm` is empty"),
        ("127.0.0.1:1/acme/hello:1.0", "there is no file `127.0.0.1:1/acme/hello:1.0`, and it cannot be pulled either"),
    ] {
        let refused = inspect(&sandbox, &[name, "-o", "json"]).expect_code(1);
        assert!(refused.stderr.contains(expected), "{name}: {}", refused.stderr);
        assert!(refused.json()["error"]["message"].is_string());
    }
    let nowhere = inspect(&sandbox, &[]).expect_code(2);
    assert!(nowhere.stderr.contains("hint:"), "{}", nowhere.stderr);
}

#[test]
fn a_reference_is_pulled_and_read_from_the_cache_without_a_network() {
    let sandbox = Sandbox::new();
    sandbox.write("greeter.wasm", wat(GREETER));
    let registry = crate::support::registry::Registry::open();
    let name = format!("{}/team/greeter:1", registry.host());
    crate::support::run(&mut sandbox.wash(["oci", "push", &name, "greeter.wasm"])).expect_code(0);
    let from_file = inspect(&sandbox, &["greeter.wasm", "-o", "json"]).expect_code(0).json();
    let from_registry = inspect(&sandbox, &[&name, "-o", "json"]).expect_code(0).json();
    assert_eq!(from_registry["digest"], from_file["digest"]);
    assert_eq!(from_registry["imports"], from_file["imports"]);
    let same = inspect(&sandbox, &["diff", &name, "greeter.wasm", "-o", "json"]).expect_code(0).json();
    assert_eq!(same["verdict"], "same", "{same}");
    drop(registry);
    let offline = inspect(&sandbox, &[&name, "--offline", "-o", "json"]).expect_code(0).json();
    assert_eq!(offline["digest"], from_file["digest"]);
}

#[test]
fn names_of_strangers_do_not_command_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "evil.wasm",
        wat("(module (import \"a\\1b[2J\" \"b\\0ac\" (func)) (func (export \"\\1b]0;owned\\07\")))"),
    );
    for args in [&["evil.wasm"][..], &["evil.wasm", "--verbose"]] {
        let said = inspect(&sandbox, args).expect_code(0).stdout;
        assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
        assert!(said.contains("\\u{1b}[2J"), "{said}");
    }
}

#[test]
fn way_to_an_import_is_shown_with_names() {
    let sandbox = Sandbox::new();
    sandbox.write("probe.wasm", guests::probe());
    let said = inspect(&sandbox, &["probe.wasm", "--why", "wasi:keyvalue/store"]).expect_code(0).stdout;
    assert!(said.starts_with("wasi:keyvalue/store@0.2.0-draft\n  export wasi:http/incoming-handler@0.2."), "{said}");
    for part in [
        "    calls     <probe::Probe as ",
        "  may call  ",
        "probe::bindings::wasi::keyvalue0_2_0_draft::store::",
        ", which is imported\n",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let document = inspect(&sandbox, &["probe.wasm", "--why", "environment", "-o", "json"]).expect_code(0).json();
    let answer = &document["why"][0];
    assert_eq!(answer["import"].as_str().unwrap().split('@').next(), Some("wasi:cli/environment"));
    let way = &answer["functions"][0]["way"];
    assert!(way["export"].as_str().unwrap().contains("incoming-handler"), "{answer:#}");
    assert!(way["steps"].as_array().unwrap().len() > 2, "{answer:#}");
    let one = inspect(&sandbox, &["probe.wasm", "--why", "wasi:keyvalue/store#open"]).expect_code(0).stdout;
    assert!(one.contains("open, which is imported") && !one.contains("also called"), "{one}");

    let unknown = inspect(&sandbox, &["probe.wasm", "--why", "wasi:cli/enviroment"]).expect_code(1);
    assert!(unknown.stderr.contains("error: `probe.wasm` does not import `wasi:cli/enviroment`"), "{}", unknown.stderr);
    assert!(
        unknown.stderr.contains("hint: name one of them: wash inspect --why wasi:cli/environment@"),
        "{}",
        unknown.stderr
    );
}

/// A component with an import and an export; `more` is put in between.
fn version_of(log: &str, api: &str, more: &str) -> Vec<u8> {
    wat(&format!(
        r#"(component
          (import "acme:log/log@{log}" (instance (export "write" (func (param "line" string)))))
          {more}
          (core module $m (func (export "run")) (func (export "sum") (param i32) (result i32) local.get 0))
          (core instance $i (instantiate $m))
          (func $run (canon lift (core func $i "run")))
          (func $sum (param "a" u32) (result u32) (canon lift (core func $i "sum")))
          (instance $api {api})
          (export "acme:api/api@1.0.0" (instance $api)))"#
    ))
}

#[test]
fn diff_says_what_changed_and_what_it_means() {
    let sandbox = Sandbox::new();
    let run_only = "(export \"run\" (func $run))";
    let both = "(export \"run\" (func $run)) (export \"sum\" (func $sum))";
    sandbox.write("one.wasm", version_of("1.0.0", run_only, ""));
    sandbox.write("more.wasm", version_of("1.1.0", both, ""));
    sandbox.write("needs.wasm", version_of("1.0.0", run_only, "(import \"acme:db/db@2.0.0\" (instance))"));
    sandbox.write("other.wasm", version_of("1.0.0", "(export \"run\" (func $sum))", ""));
    sandbox.write("code.wasm", version_of("1.0.0", run_only, "(core module (func nop))"));

    let diff = |old: &str, new: &str| inspect(&sandbox, &["diff", old, new]).expect_code(0).stdout;
    let same = diff("one.wasm", "one.wasm");
    assert_eq!(same, "one.wasm \u{2192} one.wasm\n  change     same: the very same bytes\n");
    let patch = diff("one.wasm", "code.wasm");
    assert!(patch.contains("  change     patch: other bytes, the same world\n  size  "), "{patch}");
    let minor = diff("one.wasm", "more.wasm");
    assert!(minor.contains("  change     minor: the new one can stand in for the old one"), "{minor}");
    assert!(
        minor.contains("  exports    + acme:api/api.sum\n  imports    ~ acme:log/log  1.0.0 \u{2192} 1.1.0\n"),
        "{minor}"
    );
    let back = diff("more.wasm", "one.wasm");
    assert!(back.contains("  change     major:") && back.contains("- acme:api/api.sum  breaks\n"), "{back}");
    let needs = diff("one.wasm", "needs.wasm");
    assert!(needs.contains("  imports    + acme:db/db@2.0.0  breaks\n"), "{needs}");
    let other = diff("one.wasm", "other.wasm");
    assert!(
        other.contains(
            "  exports    ~ acme:api/api.run  breaks\n                 was func()\n                 is  func(a: u32) -> u32\n"
        ),
        "{other}"
    );

    let document = inspect(&sandbox, &["diff", "one.wasm", "needs.wasm", "-o", "json"]).expect_code(0).json();
    assert_eq!(document["verdict"], "major");
    assert_eq!(document["changes"][0]["name"], "acme:db/db@2.0.0");
    assert_eq!(document["old"]["name"], "one.wasm");

    inspect(&sandbox, &["diff", "one.wasm", "more.wasm", "--at-most", "minor"]).expect_code(0);
    let refused = inspect(&sandbox, &["diff", "one.wasm", "needs.wasm", "--at-most", "minor"]).expect_code(1);
    assert!(
        refused.stderr.contains("error: the change from `one.wasm` to `needs.wasm` is major, not minor\n"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("+ acme:db/db@2.0.0  breaks"), "{}", refused.stderr);
    inspect(&sandbox, &["diff", "one.wasm", "more.wasm", "--at-most", "patch"]).expect_code(1);
}

#[test]
fn diff_of_wit_packages_knows_what_implementers_need() {
    let sandbox = Sandbox::new();
    let package = |version: &str, functions: &str, world: &str| {
        format!(
            "package acme:shop@{version};\ninterface cart {{\n{functions}\n}}\nworld shop {{\n  import cart;\n{world}\n}}\n"
        )
    };
    sandbox.write("one/shop.wit", package("1.0.0", "add: func(n: u32);", ""));
    sandbox.write("two/shop.wit", package("1.0.1", "add: func(n: u32); items: func() -> list<u32>;", ""));
    sandbox.write("three/shop.wit", package("2.0.0", "add: func(n: u64);", "export run: func();"));
    let minor = inspect(&sandbox, &["diff", "one", "two"]).expect_code(0).stdout;
    assert!(minor.contains("  change     minor:"), "{minor}");
    assert!(minor.contains("  version    1.0.0 \u{2192} 1.0.1, which should be 1.1.0 or later\n"), "{minor}");
    assert!(minor.contains("  interfaces + acme:shop/cart.items\n"), "{minor}");
    let major = inspect(&sandbox, &["diff", "one", "three"]).expect_code(0).stdout;
    assert!(major.contains("  version    1.0.0 \u{2192} 2.0.0\n"), "{major}");
    assert!(major.contains("~ acme:shop/cart.add  breaks\n"), "{major}");
    assert!(major.contains("  worlds     + shop: export run  breaks\n"), "{major}");
}

#[test]
fn diff_against_the_project_here_builds_it() {
    let sandbox = Sandbox::new();
    let run_only = "(export \"run\" (func $run))";
    let root = sandbox.copying_project("app", &version_of("1.0.0", run_only, ""), "");
    let released = sandbox.write("released.wasm", version_of("1.0.0", run_only, ""));
    let said = run(sandbox.wash(["inspect", "diff"]).arg(&released).current_dir(&root)).expect_code(0);
    assert!(said.stdout.contains("change     same"), "{}", said.stdout);
}

#[test]
fn damaged_components_end_with_a_report_or_an_error() {
    let sandbox = Sandbox::new();
    let whole = guests::echo_worker();
    let mut seed = 1_u64;
    let mut below = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    for round in 0..24 {
        let mut bytes = whole.clone();
        match round % 3 {
            0 => bytes.truncate(below(whole.len())),
            1 => (0..20).for_each(|_| bytes[below(whole.len())] = below(256) as u8),
            _ => drop(bytes.drain(below(whole.len() / 2)..whole.len() / 2 + 1)),
        }
        sandbox.write("damaged.wasm", &bytes);
        for more in [&[][..], &["--why", "wasi:cli"], &["--wit"]] {
            let ended = run(sandbox.wash(["inspect", "damaged.wasm"]).args(more));
            assert!(ended.code == 0 || ended.code == 1, "round {round}: {}\n{}", ended.code, ended.stderr);
        }
    }
}
