//! Everything that bytes tell about a component, for people who want to know.
//!
//! Start with [`inspect`]; [`wit`] has the text of its interfaces, [`why`] the way from an export to
//! an import, [`compare`] what changed between two. Nothing is ever run. Time and memory are bounded
//! by the size of the bytes, for made-up files as well.

mod anatomy;
mod calls;
mod compare;
mod metadata;
mod names;
mod why;
mod wiring;
mod wit;

use serde::Serialize;

use super::{Description, Interfaces, Kind, Unreadable, describe, interfaces};
pub use anatomy::{Anatomy, DataSize, FunctionSize, ModuleSize, OriginSize, Part, PartSize};
pub use compare::{
    Change, ChangeKind, Comparison, FieldChange, FunctionChange, PartChange, Place, SizeChange, Verdict, compare,
};
pub use metadata::{Metadata, Package, Producer, Sbom, SbomFormat};
pub use names::readable;
pub use why::{FunctionWhy, Step, TooIntricate, Way, Why, why};
pub use wit::{Wit, WitPackage, wit};

/// What a file is, needs, offers, weighs and says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    #[serde(flatten)]
    pub description: Description,
    /// Imports and exports with their functions. Of a core module none.
    #[serde(skip)]
    pub interfaces: Interfaces,
    /// What a WIT package defines; of anything else nothing.
    #[serde(skip)]
    pub package: Option<WitPackage>,
    /// What the bytes are.
    pub anatomy: Anatomy,
    /// What the makers say.
    pub metadata: Metadata,
}

impl Inspection {
    /// The language in which the author wrote it, as far as tools leave a sign of it.
    pub fn language(&self) -> Option<&str> {
        self.metadata.language(self.anatomy.modules.iter().map(|module| module.name.as_str()))
    }
}

/// Reads a component, a core module or a binary WIT package.
///
/// Errors: the bytes are none of these, or have an error in them.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Unreadable> {
    // The first refuses what is not valid; the others rely on that.
    let description = describe(bytes)?;
    let interfaces = if description.kind == Kind::Component { interfaces(bytes)? } else { Interfaces::default() };
    Ok(Inspection {
        interfaces,
        package: if description.kind == Kind::WitPackage { wit::package(bytes) } else { None },
        anatomy: anatomy::anatomy(bytes),
        metadata: metadata::metadata(bytes),
        description,
    })
}

#[cfg(test)]
mod tests;
