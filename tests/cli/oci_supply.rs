//! What belongs to an artifact: bills of materials, signatures, and the workflow that publishes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use saphyr::{LoadableYamlNode, Yaml};

use crate::support::fake_registry::{Fake, Manner};
use crate::support::registry::{PASSWORD, Protection, Registry, USERNAME};
use crate::support::{Sandbox, run};

const BOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[]}"#;

fn component() -> Vec<u8> {
    wat::parse_str("(component (import \"wasi:cli/environment@0.2.0\" (instance)))").unwrap()
}

#[test]
fn attached_documents_are_found_also_in_registries_that_keep_no_list() {
    let real = Registry::open();
    let keeps = Fake::start();
    keeps.manner(Manner { referrers: true, ..Manner::default() });
    let forgets = Fake::start();
    for host in [real.host(), keeps.host(), forgets.host()] {
        let sandbox = Sandbox::new();
        sandbox.write("hello.wasm", component());
        sandbox.write("bom.json", BOM);
        sandbox.write("notes.txt", "read me");
        let reference = format!("{host}/a/b:1");
        let push =
            ["oci", "push", &reference, "hello.wasm", "--attach", "bom.json", "--attach", "notes.txt:text/plain"];
        for _ in 0..2 {
            run(&mut sandbox.wash(push)).expect_code(0);
        }
        let listed = run(&mut sandbox.wash(["oci", "referrers", &reference, "-o", "json"])).expect_code(0).json();
        let mut types: Vec<&str> =
            listed["referrers"].as_array().unwrap().iter().map(|one| one["artifact_type"].as_str().unwrap()).collect();
        types.sort_unstable();
        assert_eq!(types, ["application/vnd.cyclonedx+json", "text/plain"], "{host}");
        let text = run(&mut sandbox.wash(["oci", "referrers", listed["reference"].as_str().unwrap()])).expect_code(0);
        assert_eq!(text.stdout.lines().count(), 2, "{}", text.stdout);
        // What is attached is no other artifact, and no version.
        let unknown = run(&mut sandbox.wash(["oci", "push", &reference, "hello.wasm", "--attach", "notes.txt"]));
        assert!(unknown.expect_code(2).stderr.contains("--attach "), "says how");
    }
    assert_eq!(keeps.tags("a/b"), ["1"]);
    let digest_tag: Vec<String> = forgets.tags("a/b").into_iter().filter(|tag| tag.starts_with("sha256-")).collect();
    assert_eq!(digest_tag.len(), 1);
    let sandbox = Sandbox::new();
    forgets.publish("x/y", "1", &component());
    let none = run(&mut sandbox.wash(["oci", "referrers", &format!("{}/x/y:1", forgets.host())])).expect_code(0);
    assert_eq!(none.stdout, "");
    assert!(none.stderr.contains("nothing is attached"), "{}", none.stderr);
}

/// Signs as `cosign sign --key` does, with a key of this kind, and puts the signature there.
fn sign(fake: &Fake, sandbox: &Sandbox, repository: &str, digest: &str, about: &str, key: &str) {
    let payload = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"x"}},"image":{{"docker-manifest-digest":"{about}"}},"type":"cosign container image signature"}},"optional":null}}"#
    );
    let path = sandbox.write("payload.json", &payload);
    let key = sandbox.path().join(key);
    let signed = Command::new("openssl").args(["dgst", "-sha256", "-sign"]).arg(&key).arg(&path).output().unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let config = fake.put_blob(b"{}");
    let layer = fake.put_blob(payload.as_bytes());
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
        "layers": [{
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": layer, "size": payload.len(),
            "annotations": {"dev.cosignproject.cosign/signature": STANDARD.encode(signed.stdout)}
        }]
    });
    let tag = format!("{}.sig", digest.replace(':', "-"));
    fake.put_manifest(repository, &tag, wash::oci::MANIFEST_TYPE, manifest.to_string().as_bytes());
}

/// A pair of keys, as files `NAME.key` and `NAME.pub`.
fn key_pair(sandbox: &Sandbox, name: &str, kind: &[&str]) {
    let make = |args: &[&str]| {
        let made = Command::new("openssl").args(args).current_dir(sandbox.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let (private, public) = (format!("{name}.key"), format!("{name}.pub"));
    make(&[&["genpkey", "-out", &private][..], kind].concat());
    make(&["pkey", "-in", &private, "-pubout", "-out", &public]);
}

#[test]
fn signatures_are_checked_before_anything_is_written() {
    let fake = Fake::start();
    let artifact = fake.publish("a/b", "1", &component());
    let digest = artifact.digest.to_string();
    let sandbox = Sandbox::new();
    let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    key_pair(&sandbox, "ours", &curve);
    key_pair(&sandbox, "other", &curve);
    key_pair(&sandbox, "rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let reference = format!("{}/a/b:1", fake.host());
    let pull = |key: &str| run(&mut sandbox.wash(["oci", "pull", &reference, "--verify-key", key, "-o", "json"]));
    let written = sandbox.path().join("component.wasm");

    let unsigned = pull("ours.pub").expect_code(1);
    assert!(unsigned.stderr.contains("is not signed"), "{}", unsigned.stderr);
    for (about, key) in [(digest.as_str(), "other.key"), (&format!("sha256:{}", "0".repeat(64)), "ours.key")] {
        sign(&fake, &sandbox, "a/b", &digest, about, key);
        let refused = pull("ours.pub").expect_code(1);
        assert!(refused.stderr.contains("no signature of") && refused.stderr.contains("is by this key"));
        assert!(!written.exists());
    }
    for key in ["ours", "rsa"] {
        sign(&fake, &sandbox, "a/b", &digest, &digest, &format!("{key}.key"));
        assert_eq!(pull(&format!("{key}.pub")).expect_code(0).json()["verified"], true, "{key}");
        assert!(written.exists());
    }
    let private = pull("ours.key").expect_code(2);
    assert!(private.stderr.contains("-----BEGIN PUBLIC KEY-----"), "{}", private.stderr);
    let offline = run(&mut sandbox.wash(["oci", "pull", &reference, "--verify-key", "rsa.pub", "--offline"]));
    assert!(offline.expect_code(1).stderr.contains("verifying needs the network"), "nothing is taken for verified");
}

/// The steps of the workflow that people copy, run one after the other as the runner would.
#[test]
fn the_example_workflow_publishes() {
    let registry = Registry::start(Protection { password: true, tls: false });
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("examples/ci/publish.yml")).unwrap();
    let text = text.replace("ghcr.io", registry.host());
    let workflow = Yaml::load_from_str(&text).unwrap().remove(0);
    let sandbox = Sandbox::new();
    let project = sandbox.copying_project("project", &component(), "");
    let bin = Path::new(env!("CARGO_BIN_EXE_wash")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut known: BTreeMap<String, String> = BTreeMap::from([
        ("github.actor".into(), USERNAME.into()),
        ("secrets.GITHUB_TOKEN".into(), PASSWORD.into()),
        ("github.repository".into(), "team/hello".into()),
    ]);
    let mut ran = Vec::new();
    for step in workflow["jobs"]["publish"]["steps"].as_sequence().unwrap() {
        let get = |key: &str| step.as_mapping_get(key).and_then(|value| value.as_str()).map(str::to_string);
        let (Some(name), Some(script)) = (get("name"), get("run")) else { continue };
        match name.as_str() {
            "Install wash" => continue,
            // The tool for it is the language's.
            "Make a bill of materials" => {
                std::fs::write(project.join("bom.json"), BOM).unwrap();
                continue;
            }
            // Not every build of wash has it.
            "Inspect" if run(&mut sandbox.wash(["inspect", "--help"])).code != 0 => continue,
            _ => {}
        }
        let output = sandbox.path().join("output");
        std::fs::write(&output, "").unwrap();
        let mut command = Command::new("bash");
        command.args(["-e", "-o", "pipefail", "-c", &script]).current_dir(&project);
        sandbox.environment(&mut command);
        command
            .env("PATH", &path)
            .env("GITHUB_OUTPUT", &output)
            .env("GITHUB_REF_NAME", "v1.2.3")
            .env("GITHUB_SHA", "0123abc");
        let variables = [workflow.as_mapping_get("env"), step.as_mapping_get("env")];
        for (key, value) in variables.into_iter().flatten().filter_map(|all| all.as_mapping()).flatten() {
            let value = filled(value.as_str().unwrap_or_default(), &known);
            command.env(key.as_str().unwrap(), value);
        }
        let ended = run(&mut command);
        assert_eq!(ended.code, 0, "{name}:\n{}{}", ended.stdout, ended.stderr);
        if let Some(id) = get("id") {
            for line in std::fs::read_to_string(&output).unwrap().lines() {
                let (key, value) = line.split_once('=').unwrap();
                known.insert(format!("steps.{id}.outputs.{key}"), value.to_string());
            }
        }
        ran.push(name);
    }
    for name in ["Build", "Push", "Check what was pushed"] {
        assert!(ran.iter().any(|ran| ran == name), "{ran:?}");
    }
    let reference = &known["steps.push.outputs.reference"];
    assert!(reference.starts_with(&format!("{}/team/hello:1.2.3@sha256:", registry.host())), "{reference}");
    assert_eq!(std::fs::read(project.join("pulled.wasm")).unwrap(), component());
}

/// `${{ name }}` replaced by what it is.
fn filled(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut text = text.to_string();
    while let (Some(start), Some(end)) = (text.find("${{"), text.find("}}")) {
        let name = text[start + 3..end].trim().to_string();
        let value = known.get(&name).unwrap_or_else(|| panic!("`{name}` has a value"));
        text.replace_range(start..end + 2, value);
    }
    text
}
