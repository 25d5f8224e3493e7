use super::*;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own WAT")
}

/// A component that reaches its import as compilers do it: through a shim with a table that is filled
/// later, and inside of the module through a function pointer.
const POINTERS: &str = r#"
(component
  (import "acme:log/log@1.0.0" (instance $log
    (export "write" (func (param "line" u32)))
    (export "flush" (func))
    (export "never" (func))))
  (core module $main
    (import "acme:log/log@1.0.0" "write" (func $write (param i32)))
    (import "acme:log/log@1.0.0" "never" (func $never))
    (import "acme:log/log@1.0.0" "flush" (func $flush))
    (type $callback (func (param i32)))
    (table 2 2 funcref)
    (elem (i32.const 0) func $callee $other)
    (func (export "go") (call $inner))
    (func $inner (i32.const 7) (i32.load (i32.const 0)) (call_indirect (type $callback)))
    (func $callee (param i32) (call $write (local.get 0)))
    (func $other (result i32) (call $never) (i32.const 0))
    (func $begin (call $flush))
    (memory 1)
    (start $begin))
  (core module $shim
    (type $write (func (param i32)))
    (table (export "$imports") 1 1 funcref)
    (func (export "0") (param i32) (local.get 0) (i32.const 0) (call_indirect (type $write))))
  (core module $fixups
    (import "" "0" (func $write (param i32)))
    (import "" "$imports" (table 1 1 funcref))
    (elem (i32.const 0) func $write))
  (core instance $shim (instantiate $shim))
  (core func $flush (canon lower (func $log "flush")))
  (core func $never (canon lower (func $log "never")))
  (core instance $main (instantiate $main
    (with "acme:log/log@1.0.0" (instance
      (export "write" (func $shim "0"))
      (export "never" (func $never))
      (export "flush" (func $flush))))))
  (core func $write (canon lower (func $log "write")))
  (core instance (instantiate $fixups (with "" (instance
    (export "0" (func $write)) (export "$imports" (table $shim "$imports"))))))
  (func (export "go") (canon lift (core func $main "go")))
)"#;

/// A component that uses one inside of it twice, the second time on top of the first.
fn nested() -> String {
    let inner = r#"
      (component $inner
        (import "say" (func $say))
        (core module $m (import "" "say" (func $say)) (func $speak (export "speak") (call $say)))
        (core func $say (canon lower (func $say)))
        (core instance $i (instantiate $m (with "" (instance (export "say" (func $say))))))
        (func (export "speak") (canon lift (core func $i "speak"))))"#;
    format!(
        r#"(component
          (import "acme:out/out" (instance $out (export "print" (func))))
          {inner}
          (alias export $out "print" (func $print))
          (instance $one (instantiate $inner (with "say" (func $print))))
          (instance $two (instantiate $inner (with "say" (func $one "speak"))))
          (instance $api (export "run" (func $two "speak")))
          (export "acme:api/api" (instance $api)))"#
    )
}

fn package_of_wit() -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let text = "package acme:shop@1.0.0; interface cart { record item { name: string } add: func(item: item); }
                world shop { import cart; export run: func() -> result<u32, string>; }";
    let package = resolve.push_str("shop.wit", text).expect("the test's own WIT");
    wit_component::encode(&resolve, package).expect("a package that can be encoded")
}

fn explained(bytes: &[u8]) -> Vec<String> {
    let imports = inspect(bytes).unwrap().description.imports;
    let mut lines = Vec::new();
    for answer in why(bytes, &imports, |_| true).unwrap() {
        for function in answer.functions {
            let Some(way) = function.way else {
                lines.push(format!("{} {}: no way", answer.import, function.name));
                continue;
            };
            let steps: Vec<String> = way
                .steps
                .iter()
                .map(|step| format!("{}{}", if step.guessed { "? " } else { "" }, step.function))
                .collect();
            let end = if way.ends_guessed { " ?" } else { "" };
            let begin = way.export.unwrap_or_else(|| "(start)".to_string());
            lines.push(format!("{} {}: {begin} > {}{end}", answer.import, function.name, steps.join(" > ")));
        }
    }
    lines
}

#[test]
fn ways_are_followed_through_tables_shims_and_start_functions() {
    assert_eq!(
        explained(&wat(POINTERS)),
        [
            "acme:log/log@1.0.0 flush: (start) > begin",
            "acme:log/log@1.0.0 write: go > inner > ? callee",
            // Its only caller stands in the table with another signature.
            "acme:log/log@1.0.0 never: no way",
        ]
    );
}

#[test]
fn ways_are_followed_through_components_inside() {
    assert_eq!(explained(&wat(&nested())), ["acme:out/out print: acme:api/api run > speak > speak"]);
}

#[test]
fn ways_of_a_core_module_begin_at_its_exports() {
    let bytes = wat(r#"(module (import "env" "log" (func $log)) (import "env" "memory" (memory 1))
            (func $work (call $log)) (func (export "b") (call $work)) (func (export "a")))"#);
    assert_eq!(explained(&bytes), ["env.log log: b > work"]);
}

#[test]
fn parts_that_are_used_again_and_again_are_given_up() {
    // Each component has two of the one before: 2^40 instances in a kilobyte.
    let mut text =
        "(component $c0 (core module $m (func (export \"f\"))) (core instance (instantiate $m)))".to_string();
    for level in 1..=40 {
        text = format!(
            "(component $c{level} {text} (instance (instantiate $c{0})) (instance (instantiate $c{0})))",
            level - 1
        );
    }
    let bytes = wat(&format!("(component (import \"a\" (func)) {text} (instance (instantiate $c40)))"));
    assert!(inspect(&bytes).is_ok(), "it is valid");
    assert_eq!(why(&bytes, &["a".to_string()], |_| true), Err(TooIntricate));
}

#[test]
fn every_byte_belongs_to_a_part() {
    for bytes in
        [wat(POINTERS), wat("(module)"), wat("(component)"), wat("(module (memory 1) (data (i32.const 8) \"abc\"))")]
    {
        let anatomy = inspect(&bytes).unwrap().anatomy;
        assert_eq!(anatomy.parts.iter().map(|part| part.bytes).sum::<u64>(), bytes.len() as u64);
        assert!(anatomy.parts.is_sorted_by(|one, next| one.bytes >= next.bytes));
    }
    let anatomy = inspect(&wat(POINTERS)).unwrap().anatomy;
    assert_eq!((anatomy.module_count, anatomy.component_count, anatomy.function_count), (3, 0, 6));
    let names: Vec<&str> = anatomy.modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["main", "shim", "fixups"]);
    let data = inspect(&wat("(module (memory 1) (data $d (i32.const 8) \"abc\"))")).unwrap().anatomy.data;
    assert_eq!((data[0].name.as_deref(), data[0].bytes, data[0].address), (Some("d"), 3, Some(8)));
}

/// A core module with custom sections.
fn with_sections(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = wat("(module)");
    for (name, content) in sections {
        let mut section = vec![name.len() as u8];
        section.extend(name.as_bytes());
        section.extend(*content);
        bytes.push(0);
        let mut size = section.len();
        while size >= 0x80 {
            bytes.push(size as u8 | 0x80);
            size >>= 7;
        }
        bytes.push(size as u8);
        bytes.extend(section);
    }
    bytes
}

fn packed(text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn listed(sbom: &Sbom) -> Vec<String> {
    let package = |package: &Package| {
        let version = package.version.as_deref().unwrap_or("-");
        format!("{} {version} {}", package.name, package.licenses.join("+")).trim_end().to_string()
    };
    sbom.packages.iter().map(package).collect()
}

#[test]
fn dependencies_are_read_in_every_format() {
    let auditable = packed(
        br#"{"packages":[
            {"name":"serde","version":"1.0.2","source":"crates.io"},
            {"name":"anyhow","version":"1.0.0","source":"crates.io"},
            {"name":"cc","version":"1.1.0","source":"crates.io","kind":"build"},
            {"name":"hello","version":"0.1.0","source":"local","root":true,"dependencies":[0,1]}]}"#,
    );
    let cyclonedx = br#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[
        {"name":"left-pad","version":"1.3.0","group":"@acme","licenses":[{"license":{"id":"MIT"}}],
         "components":[{"name":"inner","licenses":[{"expression":"MIT OR Apache-2.0"}]}]}]}"#;
    let spdx = br#"{"spdxVersion":"SPDX-2.3","packages":[
        {"name":"zlib","versionInfo":"1.3","licenseConcluded":"NOASSERTION","licenseDeclared":"Zlib"}]}"#;
    let bytes = with_sections(&[
        (".dep-v0", &auditable),
        ("sbom", cyclonedx),
        ("sbom.spdx", &packed(spdx)),
        ("licenses", b"Apache-2.0"),
        ("other", b"{\"a\": 1}"),
    ]);
    let metadata = inspect(&bytes).unwrap().metadata;
    assert_eq!(metadata.licenses.as_deref(), Some("Apache-2.0"));
    let [one, two, three] = metadata.sboms.as_slice() else { panic!("{:#?}", metadata.sboms) };
    assert_eq!(
        (one.format, listed(one)),
        (SbomFormat::CargoAuditable, vec!["anyhow 1.0.0".into(), "serde 1.0.2".into()])
    );
    assert_eq!((two.format, two.spec_version.as_deref()), (SbomFormat::CycloneDx, Some("1.5")));
    assert_eq!(listed(two), ["@acme/left-pad 1.3.0 MIT", "inner - MIT OR Apache-2.0"]);
    assert_eq!((three.format, listed(three)), (SbomFormat::Spdx, vec!["zlib 1.3 Zlib".to_string()]));
}

#[test]
fn list_of_dependencies_that_explodes_is_refused() {
    let bomb = packed(&vec![b' '; 20 << 20]);
    assert!(bomb.len() < 200_000);
    let metadata = inspect(&with_sections(&[(".dep-v0", &bomb)])).unwrap().metadata;
    assert_eq!(metadata.sboms[0].problem.as_deref(), Some("it is larger than 8 MiB when unpacked"));
    let broken = inspect(&with_sections(&[(".dep-v0", b"nonsense")])).unwrap().metadata;
    assert!(broken.sboms[0].problem.is_some());
}

#[test]
fn the_author_s_language_is_told_not_that_of_the_engine() {
    let producers = |names: &[(&str, &str)]| Metadata {
        languages: Vec::new(),
        processed_by: names
            .iter()
            .map(|(name, version)| Producer { name: (*name).into(), version: (*version).into() })
            .collect(),
        ..Metadata::default()
    };
    for (tools, language) in [
        (&[("rustc", "1.95.0"), ("clang", "20")][..], Some("Rust")),
        (&[("clang", "20"), ("rustc", "1.88.0"), ("ComponentizeJS", "0.22.0")], Some("JavaScript")),
        (&[("clang", "20"), ("componentize-py", "0.17")], Some("Python")),
        (&[("clang", "20"), ("TinyGo", "0.34")], Some("Go")),
        (&[("wit-component", "0.244.0")], None),
    ] {
        assert_eq!(producers(tools).language([]), language);
    }
    assert_eq!(producers(&[("rustc", "1.75.0")]).language(["libc.so", "libpython3.14.so"]), Some("Python"));
}

#[test]
fn wit_that_grows_without_end_is_cut() {
    // Each type has the one before twice: the text doubles with each, the file grows by some bytes.
    let mut types = String::from("(type $t0 (tuple u8 u8))");
    for level in 1..60 {
        types.push_str(&format!("(type $t{level} (tuple $t{0} $t{0}))", level - 1));
    }
    let text = format!("(component {types} (import \"f\" (func (param \"a\" $t59))))");
    let bytes = wat(&text);
    assert!(inspect(&bytes).is_err() || wit(&bytes).is_none_or(|wit| wit.text.len() <= 17 << 20));
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// What a fuzzer does as well, for a moment and always the same: bytes flipped, cut out, doubled.
#[test]
fn changed_bytes_end_with_an_error_or_a_report() {
    let seeds = [
        wat(POINTERS),
        with_sections(&[
            (".dep-v0", &packed(b"{\"packages\":[]}")),
            ("producers", b"\x01\x08language\x01\x04Rust\x00"),
        ]),
        wat(&nested()),
        package_of_wit(),
    ];
    let mut random = Random(7);
    let mut reports = 0;
    for seed in &seeds {
        for _ in 0..600 {
            let mut bytes = seed.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes[at] = random.below(256) as u8,
                    1 => bytes[at] ^= 1 << random.below(8),
                    2 => drop(bytes.drain(at..(at + random.below(16)).min(bytes.len()))),
                    _ => {
                        let piece = bytes[at..(at + random.below(64)).min(bytes.len())].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            let Ok(inspection) = inspect(&bytes) else { continue };
            reports += 1;
            let sum: u64 = inspection.anatomy.parts.iter().map(|part| part.bytes).sum();
            assert_eq!(sum, bytes.len() as u64, "{bytes:?}");
            let _ = wit(&bytes);
            let _ = why(&bytes, &inspection.description.imports, |_| true);
            assert!(compare(&inspection, &inspection).is_same(), "{bytes:?}");
        }
    }
    assert!(reports > 100, "some changes leave the bytes valid: {reports}");
}
