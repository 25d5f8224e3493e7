//! What people type for a package or an interface: `wasi:keyvalue`, `wasi:keyvalue/store@0.2.0-draft`.

use std::fmt;

use semver::Version;
use wit_parser::PackageName;

use crate::error::{Error, Result};

/// A package of a namespace, whatever its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    pub namespace: String,
    pub package: String,
}

/// A package, perhaps one of its interfaces, perhaps a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: Name,
    pub interface: Option<String>,
    pub version: Option<Version>,
}

impl Name {
    /// The package of this name in a version; none: the package says none.
    pub fn at(&self, version: Option<&Version>) -> PackageName {
        PackageName { namespace: self.namespace.clone(), name: self.package.clone(), version: version.cloned() }
    }

    /// Takes `namespace:package`, as keys of settings have it.
    pub fn parse(typed: &str) -> Result<Self> {
        let wanted = Wanted::parse(typed)?;
        if wanted.interface.is_some() || wanted.version.is_some() {
            return Err(Error::usage(format!("`{typed}` is more than the name of a package"))
                .hint(format!("write `{}`", wanted.name)));
        }
        Ok(wanted.name)
    }
}

impl From<&PackageName> for Name {
    fn from(name: &PackageName) -> Self {
        Name { namespace: name.namespace.clone(), package: name.name.clone() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.package)
    }
}

impl Wanted {
    /// Takes `namespace:package`, with `/interface` and `@version` or without.
    ///
    /// Errors: it is nothing of the kind; the error says which part is wrong.
    pub fn parse(typed: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::usage(format!("`{}` is not the name of a WIT package: {why}", typed.escape_default()))
                .hint("write NAMESPACE:PACKAGE[/INTERFACE][@VERSION], for example wasi:keyvalue/store@0.2.0-draft")
        };
        let (path, version) = match typed.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (typed, None),
        };
        let (package, interface) = match path.split_once('/') {
            Some((package, interface)) => (package, Some(interface)),
            None => (path, None),
        };
        let (namespace, package) =
            package.split_once(':').ok_or_else(|| wrong("there is no `:` between namespace and package".into()))?;
        for part in [Some(namespace), Some(package), interface].into_iter().flatten() {
            // The words of WIT are lowercase (or all uppercase), with `-` between them.
            wit_parser::validate_id(part)
                .map_err(|_| wrong(format!("`{}` is no name in WIT", part.escape_default())))?;
        }
        let version = version
            .map(|version| Version::parse(version).map_err(|error| wrong(format!("the version `{version}`: {error}"))))
            .transpose()?;
        Ok(Wanted {
            name: Name { namespace: namespace.into(), package: package.into() },
            interface: interface.map(ToString::to_string),
            version,
        })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(interface) = &self.interface {
            write!(f, "/{interface}")?;
        }
        if let Some(version) = &self.version {
            write!(f, "@{version}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_parts() {
        for typed in ["wasi:keyvalue", "wasi:keyvalue/store", "wasi:keyvalue@0.2.0-draft", "wasi:io/streams@0.2.12"] {
            assert_eq!(Wanted::parse(typed).unwrap().to_string(), typed);
        }
        assert_eq!(Wanted::parse("a:b/c@1.0.0").unwrap().interface.as_deref(), Some("c"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (typed, why) in [
            ("keyvalue", "there is no `:` between namespace and package"),
            ("", "there is no `:` between namespace and package"),
            ("wasi:", "`` is no name in WIT"),
            ("wasi:key value", "`key value` is no name in WIT"),
            ("wasi:http/../x", "`../x` is no name in WIT"),
            ("wasi:http@2", "the version `2`: unexpected end of input while parsing major version number"),
        ] {
            let error = Wanted::parse(typed).unwrap_err();
            assert_eq!(error.message(), format!("`{typed}` is not the name of a WIT package: {why}"));
            assert_eq!(error.exit_code(), 2);
        }
    }
}
