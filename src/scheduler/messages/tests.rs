use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

fn texts_of<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// A start request with every field.
fn full() -> Value {
    json!({
        "workloadId": "id-1",
        "somethingNew": [{}],
        "workload": {
            "namespace": "default",
            "name": "shop",
            "annotations": { "team": "a" },
            "somethingElse": 1,
            "service": {
                "image": "registry.example/ticker:1",
                "localResources": { "environment": { "A": "B" } },
                "maxRestarts": "3",
                "imagePullSecret": { "username": "alice", "password": "s3cret" },
                "imagePullPolicy": "IMAGE_PULL_POLICY_NEVER",
            },
            "witWorld": {
                "components": [{
                    "name": "front",
                    "image": "registry.example/front:1",
                    "poolSize": 2,
                    "maxInvocations": "40",
                    "maxConcurrency": -1,
                    "imagePullPolicy": 1,
                    "localResources": {
                        "memoryLimitMb": 64,
                        "cpuLimit": 505,
                        "config": { "greeting": "hi" },
                        "environment": { "LANG": "C" },
                        "volumeMounts": [{ "name": "data", "mountPath": "/data", "readOnly": true }],
                        "allowedHosts": ["api.example", "*.example"],
                        "allowedIpNameLookups": ["db.example"],
                        "allowedHostLoopbackPorts": ["5432", "6379/tcp", "53/udp"],
                    },
                }],
                "hostInterfaces": [{
                    "namespace": "wasi", "package": "keyvalue", "version": "0.2.0-draft",
                    "interfaces": ["store"], "config": { "bucket": "b" }, "name": "sessions",
                }],
            },
            "volumes": [
                { "name": "data", "hostPath": { "localPath": "/srv/data" } },
                { "name": "scratch", "emptyDir": {} },
            ],
        },
    })
}

fn expected() -> WorkloadSpec {
    WorkloadSpec {
        namespace: "default".into(),
        name: "shop".into(),
        annotations: texts_of([("team", "a")]),
        components: vec![ComponentSpec {
            name: "front".into(),
            image: ImageSpec {
                image: Image::Reference("registry.example/front:1".into()),
                policy: PullPolicy::Always,
                secret: None,
            },
            resources: LocalResources {
                environment: texts_of([("LANG", "C")]),
                config: texts_of([("greeting", "hi")]),
                volume_mounts: vec![VolumeMount { volume: "data".into(), mount_path: "/data".into(), read_only: true }],
                memory_limit_mb: Some(64),
                cpu_limit: Some(51),
                network: Rules {
                    allowed_hosts: vec!["api.example".into(), "*.example".into()],
                    allowed_ip_name_lookups: vec!["db.example".into()],
                    allowed_host_loopback_ports: ["5432", "6379/tcp", "53/udp"]
                        .map(|text| LoopbackPort::parse(text).unwrap())
                        .into(),
                    place: RULES_PLACE.into(),
                    ..Rules::default()
                },
                secrets: Secrets::default(),
            },
            pool_size: 2,
            max_invocations: 40,
            max_concurrency: 0,
        }],
        service: Some(ServiceSpec {
            image: ImageSpec {
                image: Image::Reference("registry.example/ticker:1".into()),
                policy: PullPolicy::Never,
                secret: Some(PullSecret { username: "alice".into(), password: "s3cret".into() }),
            },
            resources: LocalResources {
                environment: texts_of([("A", "B")]),
                network: Rules { place: RULES_PLACE.into(), ..Rules::default() },
                ..LocalResources::default()
            },
            max_restarts: 3,
        }),
        host_interfaces: vec![HostInterface {
            namespace: "wasi".into(),
            package: "keyvalue".into(),
            name: Some("sessions".into()),
            interfaces: vec!["store".into()],
            version: Some("0.2.0-draft".into()),
            config: texts_of([("bucket", "b")]),
        }],
        volumes: vec![
            VolumeSpec { name: "data".into(), source: VolumeSource::HostPath("/srv/data".into()) },
            VolumeSpec { name: "scratch".into(), source: VolumeSource::EmptyDir },
        ],
    }
}

fn read_value(value: &Value) -> Result<(String, WorkloadSpec), Unreadable> {
    read_start(value.to_string().as_bytes())
}

/// The same message with the names that the definitions have.
fn in_snake_case(value: &Value) -> Value {
    let keeps_names = ["annotations", "config", "environment", "labels"];
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let kept = keeps_names.contains(&name.as_str()) && value.is_object();
                let snake = name.chars().fold(String::new(), |mut snake, letter| {
                    if letter.is_ascii_uppercase() {
                        snake.push('_');
                    }
                    snake.push(letter.to_ascii_lowercase());
                    snake
                });
                (snake, if kept { value.clone() } else { in_snake_case(value) })
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(entries) => entries.iter().map(in_snake_case).collect(),
        other => other.clone(),
    }
}

#[test]
fn every_field_of_a_start_is_read_in_either_spelling() {
    assert_eq!(read_value(&full()).unwrap(), ("id-1".into(), expected()));
    assert_eq!(read_value(&in_snake_case(&full())).unwrap(), ("id-1".into(), expected()));
}

#[test]
fn what_is_not_there_or_null_has_its_default() {
    let least = json!({ "workloadId": "1" });
    assert_eq!(read_value(&least).unwrap().1, WorkloadSpec::default());
    let nulls = json!({ "workloadId": "1", "workload": {
        "namespace": null, "annotations": null, "service": null, "volumes": null,
        "witWorld": { "components": null, "hostInterfaces": null },
    }});
    assert_eq!(read_value(&nulls).unwrap().1, WorkloadSpec::default());
}

/// Replaces every value of the message, one after the other, by others.
fn each_place(value: &Value, replaced: &Value, then: &mut impl FnMut(Value)) {
    fn walk(root: &Value, at: &mut Vec<String>, here: &Value, replaced: &Value, then: &mut impl FnMut(Value)) {
        let mut changed = root.clone();
        *changed.pointer_mut(&at.concat()).expect("a place") = replaced.clone();
        then(changed);
        let below: Vec<(String, &Value)> = match here {
            Value::Object(fields) => fields.iter().map(|(name, value)| (format!("/{name}"), value)).collect(),
            Value::Array(entries) => {
                entries.iter().enumerate().map(|(index, value)| (format!("/{index}"), value)).collect()
            }
            _ => Vec::new(),
        };
        for (step, value) in below {
            at.push(step);
            walk(root, at, value, replaced, then);
            at.pop();
        }
    }
    walk(value, &mut Vec::new(), value, replaced, then);
}

#[test]
fn whatever_stands_in_any_place_gives_a_message_or_an_error_that_names_the_field() {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for wrong in
        [json!(null), json!(true), json!(1e300), json!(-5), json!("😀"), json!([null]), json!({ "a": [] }), deep]
    {
        let mut tried = 0;
        each_place(&full(), &wrong, &mut |message| {
            tried += 1;
            match read_value(&message) {
                Ok((workload_id, _)) => assert!(!workload_id.is_empty()),
                Err(Unreadable { reason, .. }) => {
                    let named = reason.starts_with('`') || reason.starts_with("the message is wrong");
                    assert!(named && reason.len() < 400 && !reason.contains("s3cret"), "{reason}");
                }
            }
        });
        assert!(tried > 50, "{tried}");
    }
}

#[test]
fn a_wrong_field_is_named_with_the_workload_that_it_is_about() {
    for (place, value, expected) in [
        (
            "/workload/witWorld/components/0/poolSize",
            json!("many"),
            "`workload.witWorld.components[0].poolSize` is wrong: it must be a whole number from -2147483648 to 2147483647",
        ),
        (
            "/workload/witWorld/components/0/image",
            json!(""),
            "`workload.witWorld.components[0].image` is wrong: it is empty, and an image of a registry is needed",
        ),
        (
            "/workload/witWorld/components/0/imagePullPolicy",
            json!("SOMETIMES"),
            "`workload.witWorld.components[0].imagePullPolicy` is wrong: it must be one of IMAGE_PULL_POLICY_UNSPECIFIED, \
             IMAGE_PULL_POLICY_ALWAYS, IMAGE_PULL_POLICY_IF_NOT_PRESENT, IMAGE_PULL_POLICY_NEVER",
        ),
        (
            "/workload/witWorld/components/0/localResources/allowedHostLoopbackPorts/1",
            json!("0"),
            "`workload.witWorld.components[0].localResources.allowedHostLoopbackPorts[1]` is wrong: it must be a port \
             like `5432`, `5432/tcp` or `53/udp`",
        ),
        (
            "/workload/service/maxRestarts",
            json!(-1),
            "`workload.service.maxRestarts` is wrong: it must be from 0 to 18446744073709551615",
        ),
        (
            "/workload/service/imagePullSecret",
            json!("s3cret"),
            "`workload.service.imagePullSecret` is wrong: it is text and must be an object",
        ),
        (
            "/workload/volumes/0/hostPath/localPath",
            json!("../etc"),
            "`workload.volumes[0].hostPath.localPath` is wrong: it must be an absolute path of this host",
        ),
        (
            "/workload/volumes/0/hostPath",
            json!(null),
            "`workload.volumes[0].hostPath` is wrong: the volume has neither this nor an `emptyDir`",
        ),
        (
            "/workload/volumes/1",
            json!({ "emptyDir": {}, "hostPath": { "localPath": "/a" } }),
            "`workload.volumes[1].hostPath` is wrong: the volume has an `emptyDir`, too",
        ),
    ] {
        let mut message = full();
        *message.pointer_mut(place).unwrap() = value;
        let wrong = read_value(&message).unwrap_err();
        assert_eq!(wrong, Unreadable { workload_id: "id-1".into(), reason: expected.into() });
    }
}

#[test]
fn commands_without_an_identifier_are_refused() {
    for (bytes, reason) in [
        (&b"{}"[..], "`workloadId` is missing"),
        (b"{\"workloadId\":\"\"}", "`workloadId` is missing"),
        (b"{\"workloadId\":7}", "`workloadId` is wrong: it is a number and must be text"),
        (b"[]", "the message is wrong: it is a list and must be an object"),
        (b"nope", "the command cannot be read: it is not JSON: expected ident at line 1 column 2"),
    ] {
        assert_eq!(read_workload_id(bytes).unwrap_err().reason, reason);
    }
    assert_eq!(read_workload_id(b"{\"workload_id\":\"a\"}").unwrap(), "a");
    assert_eq!(guess_workload_id(b"{\"workloadId\":\"a\",\"x\":{}}"), "a");
    assert_eq!(guess_workload_id(b"\xff"), "");
}

#[test]
fn answers_leave_defaults_out() {
    let status = |state, message: &str| WorkloadStatus {
        workload_id: "1".into(),
        workload_state: state,
        message: message.into(),
    };
    for (state, name) in [
        (WorkloadState::Starting, "WORKLOAD_STATE_STARTING"),
        (WorkloadState::Running, "WORKLOAD_STATE_RUNNING"),
        (WorkloadState::Completed, "WORKLOAD_STATE_COMPLETED"),
        (WorkloadState::Stopping, "WORKLOAD_STATE_STOPPING"),
        (WorkloadState::NotFound, "WORKLOAD_STATE_NOT_FOUND"),
    ] {
        let expected = json!({ "workloadStatus": { "workloadId": "1", "workloadState": name } });
        assert_eq!(answer(&status(state, "")), expected);
    }
    let unspecified = answer(&status(WorkloadState::Unspecified, ""));
    assert_eq!(unspecified, json!({ "workloadStatus": { "workloadId": "1" } }));
    let expected = json!({ "workloadStatus": { "workloadState": "WORKLOAD_STATE_ERROR", "message": "no" } });
    assert_eq!(failure("", "no"), expected);
    // Cut between two letters, not in one.
    let long = failure("1", "ä".repeat(LONGEST_MESSAGE));
    assert_eq!(long["workloadStatus"]["message"].as_str().unwrap().len(), LONGEST_MESSAGE);
}

#[test]
fn a_heartbeat_has_the_types_of_the_protocol() {
    let mut beat = HostHeartbeat {
        id: "h".into(),
        hostname: String::new(),
        friendly_name: "a host".into(),
        version: "1.0.0".into(),
        labels: texts_of([("hostgroup", "default")]),
        started_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
        os_arch: "x86_64".into(),
        os_name: "linux".into(),
        os_kernel: "6.1.0".into(),
        system_cpu_usage: 12.345_678,
        system_memory_total: u64::MAX,
        system_memory_free: 0,
        component_count: 3,
        workload_count: 2,
        imports: vec![HostInterface {
            namespace: "wasi".into(),
            package: "config".into(),
            version: Some("0.2.0".into()),
            interfaces: vec!["store".into()],
            ..HostInterface::default()
        }],
        exports: Vec::new(),
        http_port: Some(8080),
        environment: String::new(),
    };
    assert_eq!(
        heartbeat(&beat),
        json!({
            "id": "h",
            "friendlyName": "a host",
            "version": "1.0.0",
            "labels": { "hostgroup": "default" },
            "startedAt": "2023-11-14T22:13:20.250Z",
            "osArch": "x86_64",
            "osName": "linux",
            "osKernel": "6.1.0",
            "systemCpuUsage": 12.35,
            "systemMemoryTotal": "18446744073709551615",
            "componentCount": "3",
            "workloadCount": "2",
            "imports": [{ "namespace": "wasi", "package": "config", "version": "0.2.0", "interfaces": ["store"] }],
            "httpPort": 8080,
        })
    );
    beat.system_cpu_usage = f32::NAN;
    assert_eq!(heartbeat(&beat).get("systemCpuUsage"), None);
}
