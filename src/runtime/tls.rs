//! TLS for both directions: the one implementation of the cryptography, whom we trust, reading PEM.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Context, Error, Result};

/// The cryptography of every TLS connection of the process.
pub fn provider() -> Arc<CryptoProvider> {
    match CryptoProvider::get_default() {
        Some(chosen) => chosen.clone(),
        None => Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
    }
}

/// Makes ours the process's choice, unless an embedder has made another one. Libraries that ask for
/// the process's choice (there are two implementations in our dependencies) would panic without one.
pub fn choose_provider() {
    if CryptoProvider::get_default().is_none() {
        // Fails only when somebody was faster, whose choice is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

/// Which authorities are trusted when components connect to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustRoots {
    /// Mozilla's, which are in the binary.
    Webpki,
    /// The machine's.
    Native,
    /// Both.
    #[default]
    WebpkiAndNative,
    /// None but those of files.
    ExtraOnly,
}

/// Whom components' outgoing connections trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Those that are known without files.
    pub roots: TrustRoots,
    /// PEM files with more authorities, absolute.
    pub ca_paths: Vec<PathBuf>,
}

/// Authorities of files, read; the rest is read when the first connection needs it.
#[derive(Clone)]
pub struct Trusted {
    roots: TrustRoots,
    extra: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Reads the files.
    pub(crate) fn read(&self) -> Result<Trusted> {
        let mut extra = Vec::new();
        for path in &self.ca_paths {
            let bytes =
                std::fs::read(path).context(|| format!("cannot read the authorities in `{}`", path.display()))?;
            extra.extend(certificates(path, &bytes)?);
        }
        if self.roots == TrustRoots::ExtraOnly && extra.is_empty() {
            return Err(Error::usage("no authority is trusted: `extra-only` trusts those of files, and none is named")
                .hint("name a PEM file in `http_client_ca_paths`, or choose `webpki-and-native`"));
        }
        Ok(Trusted { roots: self.roots, extra })
    }
}

impl Trusted {
    /// All authorities. Reads the machine's, so that it may block for some milliseconds.
    pub fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        if matches!(self.roots, TrustRoots::Webpki | TrustRoots::WebpkiAndNative) {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if matches!(self.roots, TrustRoots::Native | TrustRoots::WebpkiAndNative) {
            let native = rustls_native_certs::load_native_certs();
            for error in &native.errors {
                tracing::debug!("an authority of the machine cannot be read: {error}");
            }
            // What the machine has and rustls does not understand is not trusted, as if it were not there.
            roots.add_parsable_certificates(native.certs);
            if roots.is_empty() {
                tracing::warn!("the machine has no authorities that could be trusted; HTTPS of components will fail");
            }
        }
        for certificate in &self.extra {
            roots
                .add(certificate.clone())
                .map_err(|error| Error::caused_by("a certificate of a file of authorities is none", &error))?;
        }
        Ok(roots)
    }

    /// Makes the configuration of outgoing connections, as [`Self::roots`].
    pub fn client(&self) -> Result<ClientConfig> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::bug("the TLS versions do not fit the cryptography").cause(error.to_string()))?
            .with_root_certificates(self.roots()?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The certificates of a PEM file; at least one.
pub fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(bytes)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| bad_pem(path, "certificates", &error))?;
    if found.is_empty() {
        return Err(Error::failed(format!("there is no certificate in `{}`", path.display()))
            .hint("it must be a PEM file with `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(found)
}

/// The private key of a PEM file.
pub fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            Error::failed(format!("there is no private key in `{}`", path.display()))
                .hint("it must be a PEM file with `-----BEGIN PRIVATE KEY-----`, not encrypted with a password")
        }
        error => bad_pem(path, "the private key", &error),
    })
}

fn bad_pem(path: &Path, what: &str, error: &rustls::pki_types::pem::Error) -> Error {
    // The error's own debug form may have bytes of the file in it, and the file may be a key.
    let why = match error {
        rustls::pki_types::pem::Error::MissingSectionEnd { .. } => "a section has no end",
        rustls::pki_types::pem::Error::IllegalSectionStart { .. } => "a section does not begin as it must",
        rustls::pki_types::pem::Error::Base64Decode(_) => "it is not base64 inside",
        _ => "it is no PEM",
    };
    Error::failed(format!("cannot read {what} of `{}`: {why}", path.display()))
}
