//! The flags about the scheduler: where it is, who we are to it.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::host::builder::HostBuilder;
use crate::plugins::remote::ServerUrl;
use crate::scheduler::connection::{Access, Tls};
use crate::scheduler::identity::Identity;
use crate::scheduler::login::{Login, Secret};

/// Where a scheduler is looked for when nothing else is to be run.
const DEFAULT_URL: &str = "nats://localhost:4222";
/// The group of hosts that name none.
const DEFAULT_GROUP: &str = "default";

#[derive(Debug, clap::Args)]
pub struct SchedulerArgs {
    /// Take commands from the scheduler behind this NATS server; several of one cluster with commas
    /// between them [default: nats://localhost:4222, or none with --manifest]
    #[arg(long, value_name = "URL", env = "WASH_SCHEDULER_NATS_URL", hide_env_values = true)]
    scheduler_nats_url: Option<String>,

    /// The user for the scheduler's NATS server
    #[arg(long, value_name = "NAME", env = "WASH_SCHEDULER_NATS_USER")]
    scheduler_nats_user: Option<String>,

    /// The password of that user
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "WASH_SCHEDULER_NATS_PASSWORD",
        hide_env_values = true,
        requires = "scheduler_nats_user",
        conflicts_with = "scheduler_nats_password_file"
    )]
    scheduler_nats_password: Option<String>,

    /// A file with the password of that user
    #[arg(long, value_name = "FILE", env = "WASH_SCHEDULER_NATS_PASSWORD_FILE", requires = "scheduler_nats_user")]
    scheduler_nats_password_file: Option<PathBuf>,

    /// A token for the scheduler's NATS server, instead of a user
    #[arg(long, value_name = "TOKEN", env = "WASH_SCHEDULER_NATS_TOKEN", hide_env_values = true,
          conflicts_with_all = ["scheduler_nats_user", "scheduler_nats_token_file"])]
    scheduler_nats_token: Option<String>,

    /// A file with that token
    #[arg(long, value_name = "FILE", env = "WASH_SCHEDULER_NATS_TOKEN_FILE", conflicts_with = "scheduler_nats_user")]
    scheduler_nats_token_file: Option<PathBuf>,

    /// A file with the seed of an nkey
    #[arg(long, value_name = "FILE", env = "WASH_SCHEDULER_NATS_NKEY",
          conflicts_with_all = ["scheduler_nats_user", "scheduler_nats_token", "scheduler_nats_token_file"])]
    scheduler_nats_nkey: Option<PathBuf>,

    /// A credentials file: a JWT and the seed of its nkey, as nsc writes them
    #[arg(long, value_name = "FILE", env = "WASH_SCHEDULER_NATS_CREDS",
          conflicts_with_all = ["scheduler_nats_user", "scheduler_nats_token", "scheduler_nats_token_file", "scheduler_nats_nkey"])]
    scheduler_nats_creds: Option<PathBuf>,

    /// Speak TLS, and trust these authorities (PEM) instead of the machine's
    #[arg(long, alias = "scheduler-nats-tls-ca", value_name = "FILE", env = "WASH_SCHEDULER_TLS_CA")]
    scheduler_tls_ca: Option<PathBuf>,

    /// Show this certificate (PEM) to the scheduler's NATS server
    #[arg(
        long,
        alias = "scheduler-nats-tls-cert",
        value_name = "FILE",
        env = "WASH_SCHEDULER_TLS_CERT",
        requires = "scheduler_tls_key"
    )]
    scheduler_tls_cert: Option<PathBuf>,

    /// The private key of that certificate (PEM)
    #[arg(
        long,
        alias = "scheduler-nats-tls-key",
        value_name = "FILE",
        env = "WASH_SCHEDULER_TLS_KEY",
        requires = "scheduler_tls_cert"
    )]
    scheduler_tls_key: Option<PathBuf>,

    /// Begin with TLS, as servers with `handshake_first` want it
    #[arg(long, alias = "scheduler-nats-tls-first")]
    scheduler_tls_first: bool,

    /// The group of hosts that this one belongs to: the label `hostgroup`
    #[arg(long, value_name = "GROUP", default_value = DEFAULT_GROUP)]
    host_group: String,

    /// A label by which the scheduler may choose this host; can be given more than once
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,

    /// What identifies this host to the scheduler [default: kept in the data directory]
    #[arg(long, value_name = "ID", env = "WASH_HOST_ID", value_parser = host_id)]
    host_id: Option<String>,

    /// Where this host runs, e.g. a namespace of Kubernetes
    #[arg(long, value_name = "NAME", env = "WASMCLOUD_HOST_ENVIRONMENT")]
    environment: Option<String>,
}

impl SchedulerArgs {
    /// How the scheduler is reached, if there is one.
    pub fn access(&self, start: &Path, has_manifests: bool) -> Result<Option<Access>> {
        let url = match &self.scheduler_nats_url {
            Some(url) => url,
            None if has_manifests => return self.nobody(),
            None => DEFAULT_URL,
        };
        let url = ServerUrl::nats(url)
            .map_err(|why| Error::usage("the URL of `--scheduler-nats-url` cannot be used").cause(why))?;
        let login = self.login(start).unwrap_or_else(|| Login::of_url(&url));
        if matches!(&login, Login::Password { password: Secret::Text(password), .. } if password.is_empty()) {
            return Err(Error::usage("`--scheduler-nats-user` needs a password")
                .hint("name a file that has it: --scheduler-nats-password-file"));
        }
        let client = self.scheduler_tls_cert.iter().zip(&self.scheduler_tls_key).next();
        let tls = Tls {
            ca: self.scheduler_tls_ca.as_ref().map(|path| start.join(path)),
            client: client.map(|(certificate, key)| (start.join(certificate), start.join(key))),
            first: self.scheduler_tls_first,
        };
        Ok(Some(Access { url, login, tls }))
    }

    /// Flags that nobody would look at are a mistake.
    fn nobody(&self) -> Result<Option<Access>> {
        let login = self.scheduler_nats_user.is_some() || self.login(Path::new("")).is_some();
        let tls = self.scheduler_tls_ca.is_some() || self.scheduler_tls_cert.is_some() || self.scheduler_tls_first;
        let about = self.host_id.is_some() || !self.labels.is_empty() || self.host_group != DEFAULT_GROUP;
        if login || tls || about {
            return Err(Error::usage("there are settings for a scheduler, and no scheduler")
                .hint("with --manifest, say where it is: --scheduler-nats-url nats://127.0.0.1:4222"));
        }
        Ok(None)
    }

    fn login(&self, start: &Path) -> Option<Login> {
        let secret = |text: &Option<String>, file: &Option<PathBuf>| match (text, file) {
            (Some(text), _) => Some(Secret::Text(text.clone())),
            (None, Some(file)) => Some(Secret::File(start.join(file))),
            (None, None) => None,
        };
        if let Some(file) = &self.scheduler_nats_creds {
            return Some(Login::Credentials(start.join(file)));
        }
        if let Some(file) = &self.scheduler_nats_nkey {
            return Some(Login::Nkey(start.join(file)));
        }
        if let Some(token) = secret(&self.scheduler_nats_token, &self.scheduler_nats_token_file) {
            return Some(Login::Token(token));
        }
        let user = self.scheduler_nats_user.clone()?;
        let password = secret(&self.scheduler_nats_password, &self.scheduler_nats_password_file);
        Some(Login::Password { user, password: password.unwrap_or(Secret::Text(String::new())) })
    }

    /// Who this host is to the scheduler. `data_dir` is the directory for what the host keeps; where an
    /// identifier was given, it is only looked at if it was `named`, too.
    pub fn identity(&self, data_dir: &Path, named: bool) -> Result<Identity> {
        match &self.host_id {
            Some(id) if !named => Ok(Identity::given(id.clone())),
            given => Identity::of_folder(data_dir, given.clone()),
        }
    }

    /// What the scheduler is told of the host.
    pub fn describe(&self, identity: &Identity, builder: HostBuilder) -> HostBuilder {
        let builder = builder.with_id(&identity.id).with_label("hostgroup", &self.host_group);
        let builder = builder.with_environment(self.environment.as_deref().unwrap_or_default());
        self.labels.iter().fold(builder, |builder, (name, value)| builder.with_label(name, value))
    }
}

fn label(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some(("hostgroup", _)) => Err("that label is `--host-group`".into()),
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err("write a name and a value: zone=eu-1".into()),
    }
}

/// It is part of subjects, whose parts have dots between them.
fn host_id(text: &str) -> std::result::Result<String, String> {
    let is_good = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if text.is_empty() || text.len() > 128 || !text.chars().all(is_good) {
        return Err("use letters, digits, `-` and `_`, at most 128".into());
    }
    Ok(text.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: SchedulerArgs,
    }

    fn access(args: &[&str], has_manifests: bool) -> Result<Option<Access>> {
        let line = Line::try_parse_from(std::iter::once("host").chain(args.iter().copied())).unwrap();
        line.args.access(Path::new("/start"), has_manifests)
    }

    #[test]
    fn without_manifests_there_is_a_scheduler_and_with_them_only_one_that_is_named() {
        assert_eq!(access(&[], false).unwrap().unwrap().url.to_string(), "nats://localhost:4222");
        assert!(access(&[], true).unwrap().is_none());
        let error = access(&["--scheduler-nats-creds", "a"], true).unwrap_err();
        assert!(error.hints()[0].contains("--scheduler-nats-url"), "{error:?}");
        for alone in ["--label=zone=a", "--host-id=a", "--host-group=a"] {
            assert!(access(&[alone], true).is_err(), "{alone} is for a scheduler");
            assert!(access(&[alone], false).is_ok());
        }
        let url = ["--scheduler-nats-url", "nats://u:p@a:1,tls://b"];
        assert_eq!(access(&url, true).unwrap().unwrap().url.to_string(), "nats://***@a:1,tls://b");
        let error = access(&["--scheduler-nats-url", "http://u:s3cret@a"], false).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn flags_say_who_we_are_and_win_over_the_url() {
        let login = |args: &[&str]| access(args, false).unwrap().unwrap().login;
        let text = |text: &str| Secret::Text(text.into());
        let file = |path: &str| Secret::File(path.into());
        let user = |password| Login::Password { user: "u".into(), password };
        assert_eq!(login(&["--scheduler-nats-url", "nats://u:p@a"]), user(text("p")));
        assert_eq!(
            login(&["--scheduler-nats-url", "nats://x:y@a", "--scheduler-nats-user=u", "--scheduler-nats-password=q"]),
            user(text("q"))
        );
        assert_eq!(login(&["--scheduler-nats-user=u", "--scheduler-nats-password-file=f"]), user(file("/start/f")));
        assert_eq!(login(&["--scheduler-nats-token=t"]), Login::Token(text("t")));
        assert_eq!(login(&["--scheduler-nats-token-file=/f"]), Login::Token(file("/f")));
        assert_eq!(login(&["--scheduler-nats-nkey=f"]), Login::Nkey("/start/f".into()));
        assert_eq!(login(&["--scheduler-nats-creds=f"]), Login::Credentials("/start/f".into()));
        assert!(access(&["--scheduler-nats-user=u"], false).is_err());
        for together in [
            &["--scheduler-nats-password=p"][..],
            &["--scheduler-nats-token=t", "--scheduler-nats-user=u", "--scheduler-nats-password=p"],
            &["--scheduler-nats-creds=c", "--scheduler-nats-nkey=n"],
            &["--scheduler-tls-cert=c"],
            &["--label=zone"],
            &["--label=hostgroup=x"],
            &["--host-id=a.b"],
        ] {
            Line::try_parse_from(std::iter::once("host").chain(together.iter().copied())).unwrap_err();
        }
    }
}
