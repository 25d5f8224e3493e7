use super::*;
use crate::node::spec::{Image, PullPolicy, VolumeSource};

fn texts(all: &[&str]) -> Vec<Text> {
    let named = all.iter().enumerate();
    named.map(|(index, text)| Text { path: format!("/m/{index}.yaml").into(), text: text.to_string() }).collect()
}

/// The messages and hints of what is wrong.
fn problems(text: &str) -> Vec<String> {
    let reading = read(&texts(&[text]));
    let shown = |problem: &Problem| match &problem.hint {
        Some(hint) => format!("{} | {hint}", problem.message),
        None => problem.message.clone(),
    };
    reading.problems.iter().map(shown).collect()
}

#[track_caller]
fn workloads(all: &[&str]) -> BTreeMap<String, Found> {
    let mut reading = read(&texts(all));
    if let Some(error) = reading.error() {
        panic!("{error}\n{}", error.details_text().unwrap_or_default());
    }
    reading.workloads
}

/// A workload with these lines in its `spec`, indented by two.
fn workload(spec: &str) -> String {
    format!("apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: Workload\nmetadata: {{ name: a }}\nspec:\n{spec}")
}

const EVERYTHING: &str = "
apiVersion: runtime.wasmcloud.dev/v1alpha1
kind: WorkloadDeployment
metadata: { name: shop, namespace: sales }
spec:
  replicas: 2
  deployPolicy: Recreate
  kubernetes: { service: { name: shop-svc } }
  template:
    metadata: { labels: { app: shop }, annotations: { team: red } }
    spec:
      hostSelector: { hostgroup: default }
      components:
      - name: front
        image: registry.example/front:1
        imagePullPolicy: Always
        imagePullSecret: { name: registry }
        poolSize: 4
        maxInvocations: 100
        localResources:
          environment:
            config: { A: inline, B: inline, C: inline }
            configFrom: [{ name: settings }]
            secretFrom: [{ name: keys }]
          config: { greeting: hello }
          allowedHosts: [api.example.com, '*.s3.example']
          memoryLimitMb: 64
          volumeMounts:
          - { name: data, mountPath: /data, readOnly: true }
          - { name: scratch, mountPath: /tmp }
      service:
        image: ./worker.wasm
        maxRestarts: 3
      hostInterfaces:
      - { namespace: wasi, package: http, interfaces: [incoming-handler], config: { host: shop.example } }
      - { name: cache, namespace: wasi, package: keyvalue, interfaces: [store], config: { backend: memory } }
      - { name: sessions, namespace: wasi, package: keyvalue, interfaces: [store], secretFrom: [{ name: keys }] }
      volumes:
      - { name: data, hostPath: { path: /srv/data } }
      - { name: scratch, ephemeral: {} }
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: { name: settings, namespace: sales }
  data: { B: map, C: map }
- apiVersion: v1
  kind: Secret
  metadata: { name: keys, namespace: sales }
  data: { C: c2VjcmV0 }
  stringData: { D: plain }
---
apiVersion: v1
kind: Secret
type: kubernetes.io/dockerconfigjson
metadata: { name: registry, namespace: sales }
stringData:
  .dockerconfigjson: '{\"auths\": {\"https://registry.example/v1/\": {\"auth\": \"YWxpY2U6czNjcmV0\"}}}'
---
apiVersion: v1
kind: Service
metadata: { name: shop-svc, namespace: sales }
spec: { ports: [{ port: 80 }] }
";

#[test]
fn a_deployment_is_read_as_kubernetes_users_write_it() {
    let mut reading = read(&texts(&[EVERYTHING]));
    assert!(reading.error().is_none(), "{:?}", reading.error());
    assert_eq!(reading.workloads.keys().collect::<Vec<_>>(), ["sales/shop/0", "sales/shop/1"]);
    let Found { spec, recreate, .. } = &reading.workloads["sales/shop/0"];
    assert!(recreate);
    assert_eq!(*spec, reading.workloads["sales/shop/1"].spec);
    assert_eq!((spec.namespace.as_str(), spec.name.as_str()), ("sales", "shop"));
    assert_eq!(spec.annotations["team"], "red");
    let front = &spec.components[0];
    assert_eq!(front.image.image, Image::Reference("registry.example/front:1".into()));
    assert_eq!(front.image.policy, PullPolicy::Always);
    let secret = front.image.secret.as_ref().unwrap();
    assert_eq!((secret.username.as_str(), secret.password.as_str()), ("alice", "s3cret"));
    assert_eq!((front.pool_size, front.max_invocations), (4, 100));
    let local = &front.resources;
    let environment: Vec<_> = local.environment.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(environment, ["A=inline", "B=map", "C=secret", "D=plain"], "secrets win over maps over what is inline");
    let secrets: Vec<_> = local.secrets.names().collect();
    assert_eq!(secrets, ["C", "D"], "and `wasmcloud:secrets` has them, too");
    assert_eq!(local.config["greeting"], "hello");
    assert_eq!(local.network.allowed_hosts, ["api.example.com", "*.s3.example"]);
    assert_eq!(local.memory_limit_mb, Some(64));
    assert!(local.volume_mounts[0].read_only && !local.volume_mounts[1].read_only);
    let service = spec.service.as_ref().unwrap();
    assert_eq!(service.image.image, Image::File("/m/worker.wasm".into()));
    assert_eq!(service.max_restarts, 3);
    assert_eq!(spec.volumes[0].source, VolumeSource::HostPath("/srv/data".into()));
    assert_eq!(spec.volumes[1].source, VolumeSource::EmptyDir);
    assert_eq!(spec.host_interfaces[1].name.as_deref(), Some("cache"));
    assert_eq!(spec.host_interfaces[2].config["C"], "secret");
    let http = &spec.host_interfaces[0].config;
    assert_eq!(http["host"], "shop.example");
    assert_eq!(http["host-aliases"], "shop-svc,shop-svc.sales,shop-svc.sales.svc,shop-svc.sales.svc.cluster.local");
    assert_eq!(reading.notices.len(), 1);
    let notice = &reading.notices[0].message;
    assert!(notice.starts_with("Service `shop-svc` is passed over: it is for Kubernetes (/m/0.yaml:"), "{notice}");
}

#[test]
fn an_artifact_is_the_image_of_a_deployment() {
    let artifact = "{apiVersion: runtime.wasmcloud.dev/v1alpha1, kind: Artifact, metadata: {name: hello}, \
                    spec: {image: 'registry.example/hello:2'}}";
    let deployment = "
apiVersion: runtime.wasmcloud.dev/v1alpha1
kind: WorkloadDeployment
metadata: { name: a }
spec:
  artifacts: [{ name: main, artifactFrom: { name: hello } }]
  template: { spec: { components: [{ name: main, image: 'registry.example/hello:1' }] } }
";
    let found = workloads(&[deployment, artifact]);
    let image = &found["default/a/0"].spec.components[0].image.image;
    assert_eq!(*image, Image::Reference("registry.example/hello:2".into()));
    assert_eq!(
        problems(deployment),
        ["there is no Artifact `hello` in the namespace `default` | give a manifest with it, too"]
    );
}

#[test]
fn what_is_wrong_is_told_with_what_to_write() {
    for (spec, expected) in [
        ("  component: []\n", "unknown key `component` in `spec` | did you mean `components`?"),
        (
            "  components: [{ name: a, image: 'r.example/a:1', poolsize: 1 }]\n",
            "unknown key `poolsize` in `spec.components[0]` | did you mean `poolSize`?",
        ),
        (
            "  components: [{ name: a, image: 'r.example/a:1', poolSize: -1 }]\n",
            "`spec.components[0].poolSize` must be a whole number from 0 up, not the number -1",
        ),
        (
            "  components: [{ name: a, image: 'r.example/a:1', imagePullPolicy: Sometimes }]\n",
            "there is no `imagePullPolicy` `Sometimes` | `Always`, `IfNotPresent` or `Never`",
        ),
        (
            "  components: [{ name: a, image: 'r.example/a:1', localResources: { environment: { config: { A: 1 } } } }]\n",
            "`spec.components[0].localResources.environment.config.A` must be text, not the number 1 | put it in \
             quotes: \"1\"",
        ),
        (
            "  components: [{ name: a, image: 'r.example/a:1', localResources: { volumeMounts: [{ name: v, mountPath: \
             /v }] } }]\n",
            "there is no volume `v` in the workload | add it to `volumes`",
        ),
        (
            "  components: [{ name: a, image: 'r.example/a:1', localResources: { environment: { secretFrom: [{ name: \
             s }] } } }]\n",
            "there is no Secret `s` in the namespace `default` | give a manifest with it, too: the host reads no \
             Secret elsewhere",
        ),
        ("  hostSelector: {}\n", "`default/a` has neither components nor a service"),
    ] {
        let found = problems(&workload(spec));
        assert!(found.contains(&expected.to_string()), "{spec}{found:#?}");
    }
    assert_eq!(problems(&workload("  componets: []\n")).len(), 1, "a slip of the pen is told once");
    let two = "  components: [{ name: a, image: 'r.example/a:1' }]\n  hostInterfaces:\n  - { namespace: wasi, package: \
               keyvalue, interfaces: [store] }\n  - { namespace: wasi, package: keyvalue, interfaces: [store] }\n";
    assert!(problems(&workload(two))[0].starts_with("there are several entries for `wasi:keyvalue`"));
}

#[test]
fn kinds_and_versions_are_checked() {
    let kind = |api: &str, kind: &str| {
        problems(&format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{ name: a }}\nspec: {{}}\n"))
    };
    assert_eq!(
        kind("runtime.wasmcloud.dev/v1alpha1", "WorkloadDeploymant"),
        ["there is no kind `WorkloadDeploymant` in runtime.wasmcloud.dev/v1alpha1 | did you mean \
          `WorkloadDeployment`?"]
    );
    assert_eq!(
        kind("runtime.wasmcloud.dev/v1", "Workload"),
        ["the version `v1` of runtime.wasmcloud.dev is not known | write `runtime.wasmcloud.dev/v1alpha1`"]
    );
    assert_eq!(kind("v1", "Workload"), ["`Workload` is not a kind of `v1` | write `runtime.wasmcloud.dev/v1alpha1`"]);
    assert_eq!(kind("apps/v1", "Deployment"), [""; 0]);
    assert_eq!(problems("kind: Workload\n"), ["`apiVersion` is missing"]);
    assert_eq!(problems("[1]\n"), ["a document must be a table of keys, not a list"]);
}

#[test]
fn a_file_that_cannot_be_read_keeps_what_it_said_and_the_others_go_on() {
    let good = workload("  components: [{ name: a, image: 'r.example/a:1' }]\n");
    let other = good.replace("name: a }", "name: b }");
    let before = workloads(&[&good, &other]);
    let reading = read(&texts(&[&good.replace("spec:", "spec: ["), &other]));
    assert_eq!(reading.problems.len(), 1);
    assert!(reading.keeps(&before["default/a"]));
    assert!(!reading.keeps(&before["default/b"]));
    assert!(reading.workloads.contains_key("default/b"));

    let reading = read(&texts(&[&good.replace("image", "imago"), &other]));
    assert!(reading.keeps(&before["default/a"]) && !reading.keeps(&before["default/b"]));
}

#[test]
fn two_of_one_name_are_neither_run() {
    let good = workload("  components: [{ name: a, image: 'r.example/a:1' }]\n");
    let reading = read(&texts(&[&good, &good]));
    assert!(reading.workloads.is_empty());
    assert_eq!(reading.problems[0].message, "there are two of `default/a` (Workload)");
    assert!(reading.problems[0].hint.as_ref().unwrap().contains("/m/0.yaml:3"));
}

#[test]
fn values_of_secrets_are_in_no_message() {
    for text in [
        "apiVersion: v1\nkind: Secret\nmetadata: { name: s }\ndata: { password: hunter2! }\n",
        "apiVersion: v1\nkind: Secret\nmetadata: { name: s }\nstringData:\n  password: hunter2\n  password: hunter2\n",
        "apiVersion: v1\nkind: Secret\nmetadata: { name: s }\nstringData: { password: [hunter2] }\n",
        "{ apiVersion: v1, kind: Secret, metadata: { name: s }, stringdata: { password: hunter2 } }\n",
        "{ apiVersion: v1, kind: Secret, metadata: {}, stringData: { password: hunter2 } }\n",
        "apiVersion: v1\nkind: Secret\nmetadata: { name: s }\nstringData:\n  password: \"hunter2\n",
    ] {
        let error = read(&texts(&[text])).error().expect("a problem");
        let shown = format!("{error} {} {:?}", error.details_text().unwrap_or_default(), error.hints());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let spec = workloads(&[EVERYTHING]).remove("sales/shop/0").unwrap().spec;
    assert!(!format!("{:?}", spec.components[0].image).contains("s3cret"));
}

#[test]
fn who_can_get_no_requests_is_told() {
    let spec = "  components: [{ name: a, image: 'r.example/a:1' }]\n  hostInterfaces:\n  - { namespace: wasi, package: \
                http, interfaces: [incoming-handler], config: { address: '0.0.0.0:8080' } }\n";
    let reading = read(&texts(&[&workload(spec)]));
    let notice = &reading.notices[0].message;
    assert!(notice.starts_with("`default/a` gets no requests: its entry for `wasi:http` names no host"), "{notice}");
}
