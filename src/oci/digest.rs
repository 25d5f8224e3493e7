//! Digests: what bytes are called, and the check that they are what they are called.

use std::fmt;
use std::fmt::Write as _;

use sha2::Digest as _;

/// `sha256:` or `sha512:` and the hexadecimal digest of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    text: String,
    algorithm: Algorithm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Algorithm {
    Sha256,
    Sha512,
}

impl Digest {
    /// Reads a digest; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (algorithm, hex) = text
            .split_once(':')
            .ok_or_else(|| format!("`{text}` is not a digest; a digest is `sha256:` and 64 hexadecimal digits"))?;
        let (algorithm, length) = match algorithm {
            "sha256" => (Algorithm::Sha256, 64),
            "sha512" => (Algorithm::Sha512, 128),
            other => return Err(format!("digests are `sha256` or `sha512`, not `{other}`")),
        };
        let digit = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
        if hex.len() != length || !hex.chars().all(digit) {
            return Err(format!("the digest `{text}` does not have {length} hexadecimal digits in lowercase"));
        }
        Ok(Digest { text: text.to_string(), algorithm })
    }

    /// The SHA-256 of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher(Hash::Sha256(sha2::Sha256::new()));
        hasher.update(bytes);
        hasher.finish()
    }

    /// With its algorithm: `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Name of the algorithm and hexadecimal digits, for paths.
    pub fn parts(&self) -> (&str, &str) {
        self.text.split_once(':').expect("checked when it was read")
    }

    /// Twelve digits, for people.
    pub fn short(&self) -> &str {
        let (algorithm, _) = self.parts();
        &self.text[..algorithm.len() + 13]
    }

    /// What makes a digest of the same algorithm.
    pub fn hasher(&self) -> Hasher {
        Hasher(match self.algorithm {
            Algorithm::Sha256 => Hash::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => Hash::Sha512(sha2::Sha512::new()),
        })
    }

    /// Whether these are the bytes that it names.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish() == *self
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Makes a digest of bytes as they come.
#[derive(Clone)]
pub struct Hasher(Hash);

#[derive(Clone)]
enum Hash {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Hash::Sha256(hash) => hash.update(bytes),
            Hash::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of everything that was taken.
    pub fn finish(self) -> Digest {
        let hex = |name: &str, bytes: &[u8]| {
            let mut text = format!("{name}:");
            for byte in bytes {
                let _ = write!(text, "{byte:02x}");
            }
            text
        };
        match self.0 {
            Hash::Sha256(hash) => Digest { text: hex("sha256", &hash.finalize()), algorithm: Algorithm::Sha256 },
            Hash::Sha512(hash) => Digest { text: hex("sha512", &hash.finalize()), algorithm: Algorithm::Sha512 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_of_the_algorithm_that_they_name() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert_eq!(Digest::of(b"").short(), "sha256:e3b0c44298fc");
        assert!(Digest::parse(empty).unwrap().matches(b""));
        assert!(!Digest::parse(empty).unwrap().matches(b"x"));
        let long = Digest::parse(&format!("sha512:{}", "a".repeat(128))).unwrap();
        assert!(long.hasher().finish().as_str().starts_with("sha512:cf83e1357eefb8bd"));
        for wrong in ["", "sha256", "sha256:", "sha1:aa", &empty[..70], &empty.to_uppercase(), "sha256:../../x"] {
            assert!(Digest::parse(wrong).is_err(), "{wrong}");
        }
    }
}
