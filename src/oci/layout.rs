//! What an artifact looks like: the layout that the Wasm working group of the CNCF has agreed on.
//!
//! One manifest, one config that says what the component imports and exports, one layer with the
//! bytes. Everything in them is made from the bytes (and what the user adds), so that the same bytes
//! have the same digest wherever and whenever they are pushed.

use std::collections::BTreeMap;

use oci_client::manifest::{OciDescriptor, OciImageIndex, OciImageManifest};
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::failure::{Failure, FailureKind, Result};
use crate::component::{self, Kind};

/// The type of a manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The type of the config.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// The type of the layer.
pub const LAYER_TYPE: &str = "application/wasm";
/// Types of layers that tools of earlier days have written, with the same content.
pub const OLD_LAYER_TYPES: [&str; 4] = [
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    "application/vnd.wasm.component.layer.v0+wasm",
];
pub(super) const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const DOCKER_MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Everything that can be asked for under the name of an artifact.
pub(super) const ACCEPTED_MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";
/// The name of a file, for tools that write layers to files.
const TITLE: &str = "org.opencontainers.image.title";
const CREATED: &str = "org.opencontainers.image.created";
/// When nobody says when: the same for everybody.
const NO_TIME: &str = "1970-01-01T00:00:00Z";

/// The config of a Wasm artifact.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WasmConfig {
    /// RFC 3339.
    pub created: String,
    /// The first author.
    pub author: Option<String>,
    /// `wasm`.
    pub architecture: String,
    /// `wasip2` for components, `wasip1` for core modules.
    pub os: String,
    /// Digests of the layers.
    pub layer_digests: Vec<String>,
    /// What the component imports and exports; core modules have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentConfig>,
}

/// What a component imports and exports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComponentConfig {
    /// In the component's order.
    pub exports: Vec<String>,
    /// In the component's order.
    pub imports: Vec<String>,
    /// The world that it was made for; binaries do not have it.
    pub target: Option<String>,
}

/// An artifact that is ready to be pushed.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The manifest, as it is sent.
    pub manifest: Vec<u8>,
    /// Its digest: the artifact's.
    pub digest: Digest,
    /// The config, as it is sent.
    pub config: Vec<u8>,
    /// The digest of the config.
    pub config_digest: Digest,
    /// The component.
    pub layer: bytes::Bytes,
    /// Its digest.
    pub layer_digest: Digest,
    /// What was written beside it.
    pub annotations: BTreeMap<String, String>,
    /// What the bytes are.
    pub kind: Kind,
}

/// What is added to what the bytes say.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    /// Annotations of the manifest; go before those from the component's metadata.
    pub annotations: BTreeMap<String, String>,
    /// When it was made, in seconds since 1970; `SOURCE_DATE_EPOCH` as builds know it.
    pub created: Option<i64>,
}

impl Artifact {
    /// Lays out a component, a core module or a WIT package. `name` is for errors.
    pub fn of(bytes: bytes::Bytes, name: &str, additions: &Additions) -> Result<Self> {
        let description = component::describe(&bytes).map_err(|error| {
            Failure::new(FailureKind::Unsupported, format!("`{name}` {error}"))
                .hint("give a component: wash build prints the path of yours")
        })?;
        let metadata = wasm_metadata::Payload::from_binary(&bytes).ok();
        let metadata = metadata.as_ref().map(wasm_metadata::Payload::metadata);
        let created = match additions.created {
            Some(seconds) => chrono::DateTime::from_timestamp(seconds, 0)
                .map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
                .ok_or_else(|| {
                    Failure::from(crate::error::Error::usage(format!(
                        "SOURCE_DATE_EPOCH is {seconds}, which is no time that can be written"
                    )))
                })?,
            None => NO_TIME.to_string(),
        };
        let mut annotations = BTreeMap::new();
        let mut author = None;
        if let Some(metadata) = metadata {
            let mut note = |key: &str, value: Option<String>| {
                if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
                    annotations.insert(format!("org.opencontainers.image.{key}"), value);
                }
            };
            note("title", metadata.name.clone());
            note("description", metadata.description.as_ref().map(ToString::to_string));
            note("authors", metadata.authors.as_ref().map(ToString::to_string));
            note("licenses", metadata.licenses.as_ref().map(ToString::to_string));
            note("source", metadata.source.as_ref().map(ToString::to_string));
            note("url", metadata.homepage.as_ref().map(ToString::to_string));
            note("revision", metadata.revision.as_ref().map(ToString::to_string));
            note("version", metadata.version.as_ref().map(ToString::to_string));
            author = metadata.authors.as_ref().map(ToString::to_string);
        }
        if additions.created.is_some() {
            annotations.insert(CREATED.to_string(), created.clone());
        }
        annotations.extend(additions.annotations.clone());

        let layer_digest = Digest::of(&bytes);
        let is_module = description.kind == Kind::Module;
        let config = WasmConfig {
            created,
            author,
            architecture: "wasm".into(),
            os: if is_module { "wasip1" } else { "wasip2" }.into(),
            layer_digests: vec![layer_digest.to_string()],
            component: (!is_module).then(|| ComponentConfig {
                exports: description.exports.clone(),
                imports: description.imports.clone(),
                target: None,
            }),
        };
        let config = to_json(&config)?;
        let config_digest = Digest::of(&config);
        let file_name = file_name(metadata.and_then(|metadata| metadata.name.as_deref()));
        let manifest = OciImageManifest {
            schema_version: 2,
            media_type: Some(MANIFEST_TYPE.into()),
            config: descriptor(CONFIG_TYPE, &config_digest, config.len()),
            layers: vec![OciDescriptor {
                annotations: Some(BTreeMap::from([(TITLE.to_string(), file_name)])),
                ..descriptor(LAYER_TYPE, &layer_digest, bytes.len())
            }],
            subject: None,
            artifact_type: None,
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
        };
        let manifest = to_json(&manifest)?;
        let digest = Digest::of(&manifest);
        let kind = description.kind;
        Ok(Artifact { manifest, digest, config, config_digest, layer: bytes, layer_digest, annotations, kind })
    }
}

pub(super) fn descriptor(media_type: &str, digest: &Digest, size: usize) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.into(),
        digest: digest.to_string(),
        size: i64::try_from(size).unwrap_or(i64::MAX),
        urls: None,
        annotations: None,
        artifact_type: None,
    }
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Failure::local("cannot write JSON", &error))
}

/// What tools that write layers to files call this one. From the name in the bytes, not from the
/// name of the file that was pushed: the same bytes have the same digest.
fn file_name(name: Option<&str>) -> String {
    let safe: String = name
        .unwrap_or_default()
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "-_".contains(letter) { letter } else { '-' })
        .take(100)
        .collect();
    let stem = safe.trim_matches('-').trim_end_matches("-wasm");
    format!("{}.wasm", if stem.is_empty() { "component" } else { stem })
}

/// What a registry has under a name.
#[derive(Clone, Debug)]
pub(super) enum Manifest {
    Image(Box<OciImageManifest>),
    Index(OciImageIndex),
}

impl Manifest {
    /// Reads a manifest. `what` names it in errors.
    pub fn read(bytes: &[u8], content_type: Option<&str>, what: &str) -> Result<Self> {
        let unreadable = |why: String| {
            Failure::new(FailureKind::Unsupported, format!("the manifest of `{what}` cannot be read")).cause(why)
        };
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| unreadable(format!("it is not JSON: {error}")))?;
        // What the manifest says of itself goes before what the registry says of it.
        let media_type = value.get("mediaType").and_then(|value| value.as_str()).or(content_type).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let is_index =
            INDEX_TYPES.contains(&media_type) || (value.get("manifests").is_some() && value.get("layers").is_none());
        if is_index {
            return serde_json::from_value(value).map(Manifest::Index).map_err(|error| unreadable(error.to_string()));
        }
        if media_type.contains("manifest.v1+prettyjws") || value.get("fsLayers").is_some() {
            return Err(unreadable("it has the form of Docker's first registry, which nobody pushes any more".into()));
        }
        if !matches!(media_type, MANIFEST_TYPE | DOCKER_MANIFEST_TYPE | "application/json" | "") {
            return Err(unreadable(format!("it is of the type `{media_type}`"))
                .hint(format!("known are `{MANIFEST_TYPE}`, an index of such, and docker's forms of them")));
        }
        serde_json::from_value(value)
            .map(|image| Manifest::Image(Box::new(image)))
            .map_err(|error| unreadable(error.to_string()))
    }
}

/// The layer with the component.
pub(super) fn wasm_layer<'a>(manifest: &'a OciImageManifest, what: &str) -> Result<&'a OciDescriptor> {
    let is_wasm = |layer: &&OciDescriptor| {
        let media_type = layer.media_type.split(';').next().unwrap_or_default().trim();
        media_type == LAYER_TYPE || OLD_LAYER_TYPES.contains(&media_type)
    };
    let mut layers = manifest.layers.iter().filter(is_wasm);
    match (layers.next(), layers.next()) {
        (Some(layer), None) => Ok(layer),
        (Some(_), Some(_)) => Err(Failure::new(
            FailureKind::Unsupported,
            format!("`{what}` has several WebAssembly layers; an artifact has one"),
        )),
        (None, _) => {
            let mut types: Vec<String> =
                manifest.layers.iter().map(|layer| format!("`{}`", layer.media_type)).collect();
            types.dedup();
            let found = match types.is_empty() {
                true => "it has no layers".to_string(),
                false => format!("its layers are of the type {}", types.join(", ")),
            };
            let config = manifest.artifact_type.as_deref().unwrap_or(&manifest.config.media_type);
            Err(Failure::new(FailureKind::Unsupported, format!("`{what}` is no WebAssembly artifact but `{config}`"))
                .cause(found)
                .hint(format!("a layer of the type `{LAYER_TYPE}` is what can be pulled")))
        }
    }
}

/// The entry of an index that is for WebAssembly.
pub(super) fn wasm_entry(index: &OciImageIndex, what: &str) -> Result<(Digest, u64)> {
    let platform_of = |entry: &oci_client::manifest::ImageIndexEntry| {
        entry.platform.as_ref().map(|platform| format!("{}/{}", platform.os, platform.architecture))
    };
    let is_wasm = |entry: &&oci_client::manifest::ImageIndexEntry| {
        platform_of(entry).is_some_and(|platform| platform.ends_with("/wasm") || platform.starts_with("wasi"))
    };
    let entry = match index.manifests.as_slice() {
        [only] => Some(only),
        several => several.iter().find(is_wasm),
    };
    let entry = entry.ok_or_else(|| {
        let platforms: Vec<String> = index.manifests.iter().filter_map(platform_of).collect();
        Failure::new(FailureKind::Unsupported, format!("`{what}` has nothing for WebAssembly"))
            .cause(format!("it is for {}", platforms.join(", ")))
    })?;
    Ok((digest_of(&entry.digest, what)?, size_of(entry.size, what)?))
}

/// The digest of a descriptor.
pub(super) fn digest_of(text: &str, what: &str) -> Result<Digest> {
    Digest::parse(text).map_err(|why| {
        Failure::new(FailureKind::Unsupported, format!("the manifest of `{what}` cannot be read")).cause(why)
    })
}

/// The size of a descriptor.
pub(super) fn size_of(size: i64, what: &str) -> Result<u64> {
    u64::try_from(size).map_err(|_| {
        Failure::new(FailureKind::Unsupported, format!("the manifest of `{what}` cannot be read"))
            .cause(format!("it has a layer of {size} bytes"))
    })
}
