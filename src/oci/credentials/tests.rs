use super::*;

fn environment(pairs: &[(&str, &str)]) -> Arc<BTreeMap<String, String>> {
    Arc::new(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

fn password(username: &str, password: &str) -> Credential {
    Credential::Password { username: username.into(), password: password.into() }
}

#[tokio::test]
async fn environment_belongs_to_one_host() {
    let pairs = [("WASH_OCI_USERNAME", "alice"), ("WASH_OCI_PASSWORD", "s3cret"), ("HOME", "/nowhere")];
    let of_command = Credentials::from_environment(environment(&pairs), Some("ghcr.io")).unwrap();
    assert_eq!(of_command.lookup("ghcr.io", None).await.found.unwrap().credential, password("alice", "s3cret"));
    assert!(of_command.lookup("docker.io", None).await.found.is_none());

    let mut pairs = pairs.to_vec();
    pairs.push(("WASH_OCI_REGISTRY", "https://localhost:5000/"));
    let named = Credentials::from_environment(environment(&pairs), Some("ghcr.io")).unwrap();
    assert!(named.lookup("ghcr.io", None).await.found.is_none());
    assert!(named.lookup("localhost:5000", None).await.found.is_some());
    assert!(named.lookup("localhost:5001", None).await.found.is_none(), "another port is another registry");

    let half = Credentials::from_environment(environment(&pairs[..1]), Some("ghcr.io")).unwrap_err();
    assert!(half.message().contains("`WASH_OCI_PASSWORD` is not"), "{half}");
}

#[tokio::test]
async fn entries_of_files_are_read_in_all_their_forms() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    std::fs::create_dir(folder.path().join(".docker")).unwrap();
    std::fs::write(
        folder.path().join(".docker/config.json"),
        r#"{"auths": {
            "ghcr.io": {"auth": "YWxpY2U6czNjcmV0"},
            "https://index.docker.io/v1/": {"auth": "Ym9iOnA6dw"},
            "azure.example": {"auth": "MDAwOg==", "identitytoken": "refresh"},
            "http://plain.example:5000/v2/": {"username": "carol", "password": "pw"},
            "empty.example": {},
            "https://empty.example": {"auth": "YWxpY2U6czNjcmV0"},
            "bad.example": {"auth": "%%%"},
            "token.example": {"registrytoken": "bearer"},
            "nested.example/team/app": {"auth": "YTox"},
            "nested.example/team": {"auth": "Yjoy"},
            "nested.example": {"auth": "Yzoz"}
        }, "detachKeys": "ctrl-x"}"#,
    )
    .unwrap();
    let credentials = Credentials::from_environment(environment(&[("HOME", home)]), None).unwrap();
    for (registry, repository, expected) in [
        ("ghcr.io", None, Some(password("alice", "s3cret"))),
        ("docker.io", Some("library/hello"), Some(password("bob", "p:w"))),
        ("azure.example", None, Some(Credential::IdentityToken("refresh".into()))),
        ("plain.example:5000", None, Some(password("carol", "pw"))),
        ("plain.example", None, None),
        ("empty.example", None, Some(password("alice", "s3cret"))),
        ("token.example", None, Some(Credential::Token("bearer".into()))),
        ("nested.example", Some("team/app/x"), Some(password("a", "1"))),
        ("nested.example", Some("team/other"), Some(password("b", "2"))),
        ("nested.example", Some("teams"), Some(password("c", "3"))),
        ("unknown.example", None, None),
    ] {
        let lookup = credentials.lookup(registry, repository).await;
        assert_eq!(lookup.found.map(|found| found.credential), expected, "{registry} {repository:?}");
        assert_eq!(lookup.troubles, [""; 0], "{registry}");
    }
    assert_eq!(credentials.lookup("ghcr.io", None).await.found.unwrap().source, "~/.docker/config.json");
    let bad = credentials.lookup("bad.example", None).await;
    assert!(bad.found.is_none() && bad.troubles[0].contains("`auth` is not base64"), "{bad:?}");
    assert!(!format!("{:?}", credentials.lookup("ghcr.io", None).await).contains("s3cret"));
}

#[tokio::test]
async fn podmans_file_and_docker_config_are_found_and_logout_removes_from_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let entry = |who: &str| format!(r#"{{"auths": {{"r.example": {{"username": "{who}", "password": "x"}}}}}}"#);
    for (file, who) in
        [("run/containers/auth.json", "runtime"), ("docker/config.json", "docker"), ("special.json", "special")]
    {
        std::fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(file), entry(who)).unwrap();
    }
    let (run, docker, special) = (path("run"), path("docker"), path("special.json"));
    let mut pairs = vec![("XDG_RUNTIME_DIR", run.as_str())];
    for (more, who) in [
        (None, "runtime"),
        (Some(("DOCKER_CONFIG", docker.as_str())), "docker"),
        (Some(("REGISTRY_AUTH_FILE", special.as_str())), "special"),
    ] {
        pairs.extend(more);
        let credentials = Credentials::from_environment(environment(&pairs), None).unwrap();
        let found = credentials.lookup("r.example", None).await.found.unwrap();
        assert_eq!(found.credential, password(who, "x"));
    }
    let credentials = Credentials::from_environment(environment(&pairs), None).unwrap();
    assert_eq!(credentials.erase("r.example").await.unwrap().len(), 3);
    assert!(credentials.lookup("r.example", None).await.found.is_none());
}

#[tokio::test]
async fn login_keeps_what_the_file_has_and_hides_it_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("config.json");
    std::fs::write(&home, r#"{"psFormat": "x", "auths": {"other.example": {"auth": "YTox"}}}"#).unwrap();
    let env = environment(&[("DOCKER_CONFIG", folder.path().to_str().unwrap())]);
    let credentials = Credentials::from_environment(env, None).unwrap();
    let stored = credentials.store("docker.io", &password("alice", "s3:cret")).await.unwrap();
    assert!(!stored.protected);
    let text = std::fs::read_to_string(&home).unwrap();
    assert!(text.contains("psFormat") && text.contains("other.example") && text.contains("index.docker.io/v1/"));
    assert!(!text.contains("s3:cret"));
    assert_eq!(credentials.lookup("docker.io", None).await.found.unwrap().credential, password("alice", "s3:cret"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::write(&home, "{ not json").unwrap();
    let error = credentials.store("docker.io", &password("a", "b")).await.unwrap_err();
    assert!(error.to_string().contains("it is not JSON: line 1"), "{error}");
    assert_eq!(std::fs::read_to_string(&home).unwrap(), "{ not json", "a file that is not understood is left alone");
}
