use super::*;

const CLOCK_USER: &str = r#"
(component
  (type $instance (instance
    (type $names (list string))
    (type $answer (result $names (error u32)))
    (type $read (func (param "key" string) (param "limit" (option u64)) (result $answer)))
    (export "read" (func (type $read)))
    (type $level (enum "low" "high"))
    (export "level" (type $named (eq $level)))
    (export "set" (func (param "to" $named)))
    (export "bucket" (type $bucket (sub resource)))
    (export "[method]bucket.size" (func (param "self" (borrow $bucket)) (result u32)))
    (export "[constructor]bucket" (func (param "name" string) (result (own $bucket))))
  ))
  (import "acme:store/reader@1.2.0" (instance (type $instance)))
  (import "tick" (func (param "by" s8)))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func (export "go") (canon lift (core func $i "run")))
)"#;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own WAT")
}

#[test]
fn component_is_described() {
    let bytes = wat(CLOCK_USER);
    let description = describe(&bytes).unwrap();
    assert_eq!(description.kind, Kind::Component);
    assert_eq!(description.world.as_deref(), Some("root:component/root"));
    assert_eq!(description.imports, ["acme:store/reader@1.2.0", "tick"]);
    assert_eq!(description.exports, ["go"]);
    assert_eq!(description.size, bytes.len() as u64);
    assert_eq!(description.digest, digest(&bytes));
}

#[test]
fn core_module_is_described() {
    let description = describe(&wat(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_start")))"#,
    ))
    .unwrap();
    assert_eq!(description.kind, Kind::Module);
    assert_eq!(description.world, None);
    assert_eq!(description.imports, ["wasi_snapshot_preview1.proc_exit"]);
    assert_eq!(description.exports, ["_start"]);
}

#[test]
fn wit_package_is_no_component() {
    let description = describe(&wat(r#"(component (type $t (component)) (export "w" (type $t)))"#)).unwrap();
    assert_eq!(description.kind, Kind::WitPackage);
}

#[test]
fn only_the_outermost_imports_and_exports_count() {
    let bytes = wat(r#"(component
        (component (import "inner" (func)) (export "inner-too" (func 0)))
        (core module (import "a" "b" (func)))
    )"#);
    let description = describe(&bytes).unwrap();
    assert!(description.imports.is_empty() && description.exports.is_empty());
}

#[test]
fn what_is_not_webassembly_is_named() {
    assert_eq!(describe(b""), Err(Unreadable::Empty));
    assert_eq!(describe(b"\0as"), Err(Unreadable::Truncated { at: 3 }));
    assert_eq!(describe(b"\0asm"), Err(Unreadable::Truncated { at: 4 }));
    assert_eq!(describe(b"(module)"), Err(Unreadable::Text));
    assert_eq!(describe(b"\x7fELF....."), Err(Unreadable::NotWasm { looks_like: "an ELF program" }));
    assert_eq!(describe(b"hello").unwrap_err().to_string(), "is not WebAssembly but text");
    assert!(matches!(describe(b"\0asm\x63\0\0\0"), Err(Unreadable::Invalid { .. })));
}

#[test]
fn every_truncation_is_called_one() {
    let bytes = wat(CLOCK_USER);
    for end in 1..bytes.len() {
        match describe(&bytes[..end]) {
            // At a border of sections a component can end early and still be one.
            Ok(_) | Err(Unreadable::Truncated { .. }) => {}
            Err(other) => panic!("the first {end} of {} bytes: {other}", bytes.len()),
        }
    }
}

#[test]
fn no_bytes_bring_us_down() {
    let original = wat(CLOCK_USER);
    for position in 0..original.len() {
        for flip in [0x01, 0x80, 0xff, 0x7f] {
            let mut bytes = original.clone();
            bytes[position] ^= flip;
            let _ = describe(&bytes);
            let _ = interfaces(&bytes);
        }
    }
}

#[test]
fn deeply_nested_types_are_refused() {
    let depth = 300_000;
    let mut section = Vec::new();
    leb(&mut section, depth + 1);
    section.push(0x7f); // bool
    for index in 0..depth {
        section.push(0x70); // list of the one before
        signed(&mut section, index);
    }
    // A function that takes the deepest list, imported.
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    add_section(&mut bytes, 7, &section);
    let mut function = vec![1, 0x40, 1, 1, b'a'];
    signed(&mut function, depth);
    function.extend([1, 0]);
    add_section(&mut bytes, 7, &function);
    let mut import = vec![1, 0, 1, b'f', 1];
    leb(&mut import, depth + 1);
    add_section(&mut bytes, 10, &import);

    let refused = |error: Unreadable| matches!(error, Unreadable::Invalid { .. });
    assert!(describe(&bytes).is_err_and(refused));
    assert!(interfaces(&bytes).is_err_and(refused));
}

/// The library reads these by calling itself, which overflows the stack of a file of 300 kB.
#[test]
fn types_inside_of_types_are_refused_before_they_overflow_the_stack() {
    for inside in [b"\x42\x01\x01", b"\x41\x01\x01"] {
        let nested = |levels: usize| {
            let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
            add_section(&mut bytes, 7, &[&b"\x01"[..], &inside.repeat(levels), b"\x7f"].concat());
            bytes
        };
        assert!(describe(&nested(50)).is_ok());
        let refused = describe(&nested(100_000)).unwrap_err();
        assert!(refused.to_string().ends_with("types are nested more than 100 levels deep"), "{refused}");
        assert!(interfaces(&nested(100_000)).is_err());
    }
}

/// A long name is written once in the file, and once in the text of each function that uses its type.
#[test]
fn a_long_name_in_many_functions_is_cut() {
    let name = "x".repeat(3000);
    let functions: String =
        (0..4000).map(|index| format!("(export \"f{index}\" (func (param \"a\" $named)))")).collect();
    let text = format!(
        "(component (import \"a:b/c\" (instance
             (type $flags (flags \"one\")) (export \"{name}\" (type $named (eq $flags))) {functions})))"
    );
    let interfaces = interfaces(&wat(&text)).unwrap();
    let texts = || interfaces.imports.iter().flat_map(|import| &import.functions).map(|(_, text)| text);
    assert_eq!(texts().count(), 4000);
    assert_eq!(texts().next().unwrap(), &format!("func(a: {name})"));
    assert_eq!(texts().next_back().unwrap(), "\u{2026}");
    let sum: usize = texts().map(String::len).sum();
    assert!((8 << 20..9 << 20).contains(&sum), "{sum}");
}

fn add_section(bytes: &mut Vec<u8>, id: u8, section: &[u8]) {
    bytes.push(id);
    leb(bytes, section.len());
    bytes.extend_from_slice(section);
}

/// Types are written as signed numbers, the basic ones being negative.
fn signed(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x40 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn leb(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[test]
fn interfaces_have_signatures_and_types() {
    let Interfaces { imports, exports } = interfaces(&wat(CLOCK_USER)).unwrap();
    let reader = &imports[0];
    assert_eq!((reader.name.as_str(), reader.version.as_deref()), ("acme:store/reader", Some("1.2.0")));
    let functions: Vec<_> = reader.functions.iter().map(|(name, text)| format!("{name}: {text}")).collect();
    assert_eq!(
        functions,
        [
            "read: func(key: string, limit: option<u64>) -> result<list<string>, u32>",
            "set: func(to: level)",
            "[method]bucket.size: func() -> u32",
            "[constructor]bucket: func(name: string)",
        ]
    );
    let types: Vec<_> = reader.types.iter().map(|(name, text)| format!("{name}: {text}")).collect();
    assert_eq!(types, ["level: enum { low, high }", "bucket: resource"]);
    assert_eq!(imports[1].name, "tick");
    assert_eq!(imports[1].functions, [("tick".to_string(), "func(by: s8)".to_string())]);
    assert_eq!(exports[0].functions, [("go".to_string(), "func()".to_string())]);
}

#[test]
fn a_wit_package_and_a_component_give_the_same_text() {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve
        .push_str(
            "reader.wit",
            "package acme:store@1.2.0;
             interface other { resource thing; }
             interface reader {
               use other.{thing};
               enum level { low, high }
               record entry { name: string, thing: thing }
               variant fault { none, other(string) }
               set: func(to: level);
               read: func(key: string, limit: option<u64>) -> result<list<string>, u32>;
               find: async func(by: borrow<thing>) -> result<_, fault>;
               rest: func() -> tuple<entry, stream<u8>>;
             }",
        )
        .unwrap();
    let id = resolve.packages[package].interfaces["reader"];
    let text = interface(&resolve, id);
    assert_eq!((text.name.as_str(), text.version.as_deref()), ("acme:store/reader", Some("1.2.0")));
    let of = |name: &str| text.functions.iter().find(|(other, _)| other == name).unwrap().1.as_str();
    assert_eq!(of("read"), "func(key: string, limit: option<u64>) -> result<list<string>, u32>");
    assert_eq!(of("set"), "func(to: level)");
    assert_eq!(of("find"), "async func(by: borrow<thing>) -> result<_, fault>");
    assert_eq!(of("rest"), "func() -> tuple<entry, stream<u8>>");
    let ty = |name: &str| text.types.iter().find(|(other, _)| other == name).unwrap().1.as_str();
    assert_eq!(ty("thing"), "acme:store/other.thing");
    assert_eq!(ty("entry"), "record { name: string, thing: thing }");
    assert_eq!(ty("fault"), "variant { none, other(string) }");
}
