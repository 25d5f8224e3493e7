//! The server's certificates: read from files, and read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::error::{Context, Error, Result};
use crate::runtime::tls::{certificates, private_key, provider};

/// PEM files, absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those of intermediate authorities after it.
    pub cert: PathBuf,
    /// Its private key, without a password.
    pub key: PathBuf,
    /// Authorities; every client must have a certificate of one of them.
    pub ca: Option<PathBuf>,
}

/// Certificates in use. The one that a client gets is that for the name it asks for, else the first.
pub struct Certificates {
    files: Vec<TlsFiles>,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Seen>,
}

/// Digests of the files' contents.
struct Seen {
    /// When they were last read for use, with whatever success.
    tried: [u8; 32],
    /// At the last look.
    last: [u8; 32],
}

impl Certificates {
    /// Reads the files. Fails when one cannot be read, or the key is not the certificate's.
    pub fn read(files: TlsFiles) -> Result<Self> {
        Self::read_all(vec![files])
    }

    /// The same with several, for several names. The authorities of the first count for all.
    pub fn read_all(files: Vec<TlsFiles>) -> Result<Self> {
        let digest = digest(&files);
        let current = ArcSwap::from_pointee(configure(&files)?);
        Ok(Certificates { files, current, seen: Mutex::new(Seen { tried: digest, last: digest }) })
    }

    /// What new connections are accepted with.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Looks at the files: `Some` when they have changed since they were last used, and not since the
    /// last look, so that half of an exchange is not taken. Files that cannot be used change nothing.
    pub fn look(&self) -> Option<Result<()>> {
        let now = digest(&self.files);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let settled = std::mem::replace(&mut seen.last, now) == now;
            if now == seen.tried || !settled {
                return None;
            }
            seen.tried = now;
        }
        Some(configure(&self.files).map(|config| self.current.store(Arc::new(config))))
    }
}

fn digest(files: &[TlsFiles]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let paths = files.iter().flat_map(|files| [&files.cert, &files.key].into_iter().chain(&files.ca));
    for path in paths {
        match std::fs::read(path) {
            Ok(bytes) => {
                digest.update([1]);
                digest.update(bytes.len().to_le_bytes());
                digest.update(bytes);
            }
            Err(_) => digest.update([0]),
        }
    }
    digest.finalize().into()
}

fn configure(files: &[TlsFiles]) -> Result<ServerConfig> {
    let keys: Vec<Named> = files.iter().map(Named::read).collect::<Result<_>>()?;
    let ca = files.iter().find_map(|files| files.ca.as_ref());
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::bug("the TLS versions do not fit the cryptography").cause(error.to_string()))?;
    let builder = match ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path, &read(path, "authorities")?)? {
                roots
                    .add(certificate)
                    .context(|| format!("a certificate in `{}` cannot be an authority", path.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .context(|| format!("the authorities in `{}` cannot be used", path.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName(keys)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A certificate with its key.
#[derive(Debug)]
struct Named {
    leaf: CertificateDer<'static>,
    certified: Arc<CertifiedKey>,
}

impl Named {
    fn read(files: &TlsFiles) -> Result<Self> {
        let chain = certificates(&files.cert, &read(&files.cert, "certificate")?)?;
        let key = private_key(&files.key, &read(&files.key, "private key")?)?;
        // There is at least one.
        let leaf = chain[0].clone();
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
            let (cert, key) = (files.cert.display(), files.key.display());
            let error =
                Error::caused_by(format!("the certificate in `{cert}` cannot be used with the key in `{key}`"), &error);
            error.hint(format!("compare them: openssl x509 -noout -pubkey -in {cert}; openssl pkey -pubout -in {key}"))
        })?;
        Ok(Named { leaf, certified: Arc::new(certified) })
    }

    fn is_for(&self, name: &ServerName<'_>) -> bool {
        ParsedCertificate::try_from(&self.leaf).is_ok_and(|leaf| verify_server_name(&leaf, name).is_ok())
    }
}

/// Gives each client the certificate for the name that it asks for.
#[derive(Debug)]
struct ByName(Vec<Named>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let several = self.0.len() > 1;
        let found = asked.filter(|_| several).and_then(|name| self.0.iter().find(|named| named.is_for(&name)));
        found.or(self.0.first()).map(|named| named.certified.clone())
    }
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    std::fs::read(path).context(|| format!("cannot read the {what} in `{}`", path.display()))
}

/// What to tell of a handshake that failed; `None` for a client that only went away.
pub fn handshake_failure(error: &std::io::Error) -> Option<String> {
    let Some(inner) = error.get_ref() else {
        return (error.kind() != std::io::ErrorKind::UnexpectedEof).then(|| error.to_string());
    };
    Some(match inner.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::NoCertificatesPresented) => "it sent no certificate, and one is required".into(),
        Some(rustls::Error::InvalidCertificate(why)) => format!("its certificate is not accepted: {why}"),
        Some(rustls::Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown),
        )) => format!("it does not accept our certificate ({alert:?})"),
        Some(rustls::Error::AlertReceived(alert)) => format!("it gave up with the alert {alert:?}"),
        Some(other) => other.to_string(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => return None,
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(name: &str, to: &Path) {
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs").join(name), to).unwrap();
    }

    fn files(folder: &Path) -> TlsFiles {
        let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem"), ca: None };
        copy("server.pem", &files.cert);
        copy("server-key.pem", &files.key);
        files
    }

    #[test]
    fn a_change_is_taken_when_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let certificates = Certificates::read(files.clone()).unwrap();
        let first = certificates.current.load_full();
        assert!(certificates.look().is_none(), "nothing has changed");
        copy("renewed.pem", &files.cert);
        assert!(certificates.look().is_none(), "the key may follow");
        copy("renewed-key.pem", &files.key);
        assert!(certificates.look().is_none());
        certificates.look().unwrap().unwrap();
        assert!(!Arc::ptr_eq(&first, &certificates.current.load_full()));
        assert!(certificates.look().is_none());
    }

    #[test]
    fn bad_files_are_told_once_and_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let certificates = Certificates::read(files.clone()).unwrap();
        let first = certificates.current.load_full();
        copy("renewed.pem", &files.cert);
        assert!(certificates.look().is_none());
        let error = certificates.look().unwrap().unwrap_err();
        assert!(error.to_string().contains("cannot be used with the key"), "{error}");
        assert!(certificates.look().is_none(), "told once");
        std::fs::remove_file(&files.key).unwrap();
        assert!(certificates.look().is_none());
        assert!(certificates.look().unwrap().unwrap_err().to_string().contains("cannot read the private key"));
        assert!(Arc::ptr_eq(&first, &certificates.current.load_full()));
        copy("server.pem", &files.cert);
        copy("server-key.pem", &files.key);
        assert!(certificates.look().is_none());
        assert!(certificates.look().unwrap().is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let good = files(folder.path());
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing\n").unwrap();
        let broken = folder.path().join("broken.pem");
        std::fs::write(&broken, "-----BEGIN PRIVATE KEY-----\nsecret!\n-----END PRIVATE KEY-----\n").unwrap();
        for (files, words) in [
            (TlsFiles { cert: empty.clone(), ..good.clone() }, "there is no certificate in"),
            (TlsFiles { key: empty.clone(), ..good.clone() }, "there is no private key in"),
            (TlsFiles { key: broken, ..good.clone() }, "not base64"),
            (TlsFiles { ca: Some(empty), ..good.clone() }, "there is no certificate in"),
            (TlsFiles { cert: folder.path().join("none"), ..good }, "cannot read the certificate"),
        ] {
            let error = Certificates::read(files).map(drop).unwrap_err();
            assert!(error.to_string().contains(words), "{words}: {error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
