//! Addresses of object stores, and the stores they stand for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a server may be silent in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a request that failed for no lasting reason is tried again.
const RETRY: Duration = Duration::from_secs(8);

/// The address of a bucket and a folder in it, and how to get there. What is secret is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectPlace {
    url: Url,
    options: BTreeMap<String, String>,
}

impl ObjectPlace {
    /// Reads an address: `s3://bucket/folder`, `gs://…`, `az://…`, or an `https://` address of one of
    /// these. `options` are those of the store, e.g. `region`, `endpoint`, `access_key_id`.
    pub fn new(url: &str, options: BTreeMap<String, String>) -> Result<Self, String> {
        let like = "write it like `s3://bucket/folder`, `gs://bucket` or `az://container`";
        let url = Url::parse(url).map_err(|error| format!("it is no URL ({error}); {like}"))?;
        match ObjectStoreScheme::parse(&url) {
            Ok((
                ObjectStoreScheme::AmazonS3 | ObjectStoreScheme::GoogleCloudStorage | ObjectStoreScheme::MicrosoftAzure,
                _,
            )) => Ok(ObjectPlace { url, options }),
            _ => Err(format!("it begins with `{}:`, or is no address of an object store; {like}", url.scheme())),
        }
    }

    /// Makes the store, without asking the server for anything. Variables of `environment` such as
    /// `AWS_ACCESS_KEY_ID` count where no option says otherwise. Returns the folder in it, too.
    pub(crate) fn open(&self, environment: &BTreeMap<String, String>) -> Result<(Arc<dyn ObjectStore>, Path), String> {
        let (scheme, folder) = ObjectStoreScheme::parse(&self.url).map_err(|error| error.to_string())?;
        let url = self.url.as_str();
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 3,
            retry_timeout: RETRY,
        };
        let mut client = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_read_timeout(SILENCE)
            // A large object may take its time, as long as it goes on.
            .with_timeout_disabled();
        let named = self.options.iter().chain(environment);
        if named
            .into_iter()
            .any(|(key, value)| key.to_ascii_lowercase().contains("endpoint") && value.starts_with("http://"))
        {
            // Said in so many words.
            client = client.with_allow_http(true);
        }
        macro_rules! store {
            ($builder:ty, $key:ty, $variables:literal) => {{
                let mut builder = <$builder>::new().with_client_options(client).with_retry(retry);
                for (name, value) in environment.iter().filter(|(name, _)| name.starts_with($variables)) {
                    if let Ok(key) = <$key>::from_str(&name.to_ascii_lowercase()) {
                        builder = builder.with_config(key, value.clone());
                    }
                }
                for (name, value) in &self.options {
                    let key = <$key>::from_str(&name.to_ascii_lowercase())
                        .map_err(|_| format!("`{}:` has no option `{name}`", self.url.scheme()))?;
                    builder = builder.with_config(key, value.clone());
                }
                Arc::new(builder.with_url(url).build().map_err(|error| without_queries(&error.to_string()))?)
            }};
        }
        let store: Arc<dyn ObjectStore> = match scheme {
            ObjectStoreScheme::AmazonS3 => store!(AmazonS3Builder, AmazonS3ConfigKey, "AWS_"),
            ObjectStoreScheme::GoogleCloudStorage => store!(GoogleCloudStorageBuilder, GoogleConfigKey, "GOOGLE_"),
            _ => store!(MicrosoftAzureBuilder, AzureConfigKey, "AZURE_"),
        };
        Ok((store, folder))
    }
}

impl fmt::Display for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.url.scheme(), self.url.host_str().unwrap_or_default());
        write!(f, "{scheme}://{host}{}", self.url.path().trim_end_matches('/'))
    }
}

impl fmt::Debug for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A message without the queries of URLs: they can be signatures that open doors.
pub fn without_queries(message: &str) -> String {
    let cut = |word: &str| match (word.contains("://"), word.split_once('?')) {
        (true, Some((before, query))) => {
            let after = query.trim_start_matches(|c: char| !matches!(c, ')' | '"' | '`' | '>'));
            format!("{before}{after}")
        }
        _ => word.to_string(),
    };
    message.split(' ').map(cut).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str, options: &[(&str, &str)]) -> Result<ObjectPlace, String> {
        ObjectPlace::new(url, options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect())
    }

    #[test]
    fn every_kind_of_store_can_be_addressed() {
        for (url, folder, options) in [
            ("s3://bucket/some/folder", "some/folder", &[("region", "eu-central-1")][..]),
            (
                "s3://bucket",
                "",
                &[("aws_endpoint", "http://127.0.0.1:1"), ("access_key_id", "a"), ("secret_access_key", "b")],
            ),
            ("gs://bucket/x", "x", &[("skip_signature", "true")]),
            ("az://container/x", "x", &[("account_name", "a"), ("access_key", "c2VjcmV0")]),
        ] {
            let (_, found) = place(url, options).unwrap().open(&BTreeMap::new()).unwrap();
            assert_eq!(found.as_ref(), folder, "{url}");
        }
    }

    #[test]
    fn what_is_no_such_address_is_refused() {
        for url in ["http://example.com/a", "file:///tmp", "memory:///", "s3", "redis://host"] {
            assert!(place(url, &[]).unwrap_err().contains("write it like `s3://bucket/folder`"), "{url}");
        }
        let unknown = place("s3://bucket", &[("acess_key_id", "a")]).unwrap().open(&BTreeMap::new());
        assert_eq!(unknown.err().unwrap(), "`s3:` has no option `acess_key_id`");
    }

    #[test]
    fn nothing_secret_is_shown() {
        let place = place("az://user:pw@container/x?sig=pw", &[("access_key", "pw")]).unwrap();
        assert_eq!(format!("{place} {place:?}"), "az://container/x az://container/x");
        assert_eq!(
            without_queries("error (https://a.b/c?sig=pw): 403 and https://d?sig=pw why?"),
            "error (https://a.b/c): 403 and https://d why?"
        );
    }
}
