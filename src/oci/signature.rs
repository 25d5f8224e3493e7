//! Signatures as `cosign sign --key` makes them: whether somebody with a key has vouched for an
//! artifact.
//!
//! They lie beside the artifact, under the tag `sha256-<digest>.sig`. Each layer of that manifest is
//! a small document that names the digest which it is about; an annotation of the layer has the
//! signature of its bytes. Nothing but the given key is trusted: certificates, transparency logs and
//! time stamps are not looked at.

use std::path::Path;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use super::auth::Action;
use super::client::Client;
use super::digest::Digest;
use super::download::{Blob, fetch_blob};
use super::failure::{Failure, FailureKind, Result, usage};
use super::layout::{self, Manifest};
use super::pull::fetch_manifest;
use super::reference::Reference;
use super::transport::{Scope, Transport};
use crate::progress::{Progress, Transfer};

const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// A payload names a digest and little else, in bytes.
const LARGEST_PAYLOAD: u64 = 1 << 20;
/// Signatures are added, never replaced; more than this nobody has.
const MOST_SIGNATURES: usize = 100;

/// A public key, as `cosign generate-key-pair` writes it to `cosign.pub`.
#[derive(Clone)]
pub struct PublicKey {
    der: Vec<u8>,
}

impl PublicKey {
    /// Reads a key in PEM: ECDSA on P-256 or P-384, Ed25519, or RSA.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path)
            .map_err(|error| Failure::local(format!("cannot read the key `{}`", path.display()), &error))?;
        let key = SubjectPublicKeyInfoDer::from_pem_slice(&text).map_err(|_| {
            usage(format!("there is no public key in `{}`", path.display()))
                .hint("give a PEM file that begins with -----BEGIN PUBLIC KEY-----, e.g. cosign.pub")
        })?;
        Ok(PublicKey { der: key.to_vec() })
    }

    /// Whether this key has made this signature, with any of the algorithms that it can be for.
    fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        let algorithms: [&'static dyn VerificationAlgorithm; 5] = [
            &signature::ECDSA_P256_SHA256_ASN1,
            &signature::ECDSA_P384_SHA384_ASN1,
            &signature::ED25519,
            &signature::RSA_PKCS1_2048_8192_SHA256,
            &signature::RSA_PSS_2048_8192_SHA256,
        ];
        algorithms
            .iter()
            .any(|algorithm| UnparsedPublicKey::new(*algorithm, &self.der).verify(bytes, signature).is_ok())
    }
}

impl Client {
    /// Succeeds if an artifact has a signature of this key. `digest` is that of the manifest.
    pub async fn verify(
        &self,
        reference: &Reference,
        digest: &Digest,
        key: &PublicKey,
        progress: &dyn Progress,
    ) -> Result<()> {
        let verified = self.verify_any(reference, digest, key).await;
        self.tell_notes(progress);
        verified.map_err(|failure| failure.wrap(format!("cannot verify the signature of `{reference}`")))
    }

    async fn verify_any(&self, reference: &Reference, digest: &Digest, key: &PublicKey) -> Result<()> {
        let transport = self.transport("verifying")?;
        let scope = Scope::of(reference, Action::Pull);
        let (algorithm, hex) = digest.parts();
        let signatures = reference.with_tag(&format!("{algorithm}-{hex}.sig"))?;
        let fetched = match fetch_manifest(transport, &signatures, &scope).await {
            Ok(fetched) => fetched,
            Err(failure) if failure.kind() == FailureKind::NotFound => {
                return Err(Failure::new(FailureKind::Denied, format!("{} is not signed", digest.short())).hint(
                    format!("who publishes it can: cosign sign --key cosign.key {}", reference.with_digest(digest)),
                ));
            }
            Err(failure) => return Err(failure),
        };
        let what = signatures.to_string();
        let Manifest::Image(manifest) = Manifest::read(&fetched.bytes, fetched.content_type.as_deref(), &what)? else {
            return Err(Failure::new(FailureKind::Unsupported, format!("`{what}` is an index, not signatures")));
        };
        if self.any_valid(transport, &scope, &manifest, digest, key).await? {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Denied, format!("no signature of {} is by this key", digest.short()))
            .hint("use the key of who published it, or do not use the artifact"))
    }

    async fn any_valid(
        &self,
        transport: &Transport,
        scope: &Scope,
        manifest: &OciImageManifest,
        digest: &Digest,
        key: &PublicKey,
    ) -> Result<bool> {
        let is_payload = |layer: &&OciDescriptor| layer.media_type == PAYLOAD_TYPE;
        for layer in manifest.layers.iter().filter(is_payload).take(MOST_SIGNATURES) {
            let Some(signature) = layer.annotations.as_ref().and_then(|all| all.get(SIGNATURE)) else { continue };
            let Ok(signature) = STANDARD.decode(signature.trim()) else { continue };
            let size = layout::size_of(layer.size, "the signature")?;
            if size > LARGEST_PAYLOAD {
                continue;
            }
            let payload = layout::digest_of(&layer.digest, "the signature")?;
            let blob = Blob { scope, digest: &payload, size };
            let file = fetch_blob(self, transport, &blob, &Transfer::hidden()).await?;
            let bytes = std::fs::read(file.path())
                .map_err(|error| Failure::local(format!("cannot read `{}`", file.path().display()), &error))?;
            // The signature is for the document, and the document must be about this artifact.
            if key.has_signed(&bytes, &signature) && names(&bytes, digest) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a signed document is about this digest.
fn names(payload: &[u8], digest: &Digest) -> bool {
    let json: Option<serde_json::Value> = serde_json::from_slice(payload).ok();
    let named = json.as_ref().and_then(|json| json.pointer("/critical/image/docker-manifest-digest")?.as_str());
    let kind = json.as_ref().and_then(|json| json.pointer("/critical/type")?.as_str());
    named == Some(digest.as_str()) && kind == Some("cosign container image signature")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_must_be_about_the_artifact() {
        let digest = Digest::of(b"x");
        let payload = |digest: &str, kind: &str| {
            format!(r#"{{"critical":{{"image":{{"docker-manifest-digest":"{digest}"}},"type":"{kind}"}}}}"#)
                .into_bytes()
        };
        let kind = "cosign container image signature";
        assert!(names(&payload(digest.as_str(), kind), &digest));
        assert!(!names(&payload(Digest::of(b"y").as_str(), kind), &digest));
        assert!(!names(&payload(digest.as_str(), "something else"), &digest));
        assert!(!names(b"{}", &digest) && !names(b"", &digest));
    }
}
