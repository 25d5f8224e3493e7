//! Names of containers and objects as names of files.
//!
//! Any text becomes a name that every file system takes, and no two texts become the same: lowercase
//! letters, digits, `-`, `_` and `.` stay as they are, uppercase letters are written `=a` (there are
//! file systems to which `A` and `a` are the same), everything else as `%2F` for each byte. Nothing
//! begins with a dot: those names are ours.

use sha2::{Digest, Sha256};

/// Names that would be longer, in bytes, are replaced by a digest. File systems take 255.
const MAX_BYTES: usize = 200;
/// What the names of such files begin with.
pub const LONG: &str = ".long-";
/// What the system takes for devices, whatever follows after a dot.
const DEVICES: &[&str] = &["aux", "com", "con", "lpt", "nul", "prn"];

/// A text as the name of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum FileName {
    /// The text can be read from it, with [`decode`].
    Whole(String),
    /// It begins with [`LONG`], and the text must be kept somewhere else.
    Digest(String),
}

/// Returns the name of the file for a text.
pub fn encode(text: &str) -> FileName {
    let mut name = String::with_capacity(text.len());
    let first_is_special = text.starts_with('.') || DEVICES.iter().any(|device| starts_as(text, device));
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if at == 0 && first_is_special => percent(&mut name, byte),
            // Windows drops a dot at the end.
            b'.' if at == last => percent(&mut name, byte),
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(byte.into()),
            b'A'..=b'Z' => {
                name.push('=');
                name.push(byte.to_ascii_lowercase().into());
            }
            _ => percent(&mut name, byte),
        }
    }
    if name.len() <= MAX_BYTES { FileName::Whole(name) } else { FileName::Digest(digest(text)) }
}

/// Returns the text of a [`FileName::Whole`]; `None` for what is none.
pub fn decode(name: &str) -> Option<String> {
    let mut text = Vec::with_capacity(name.len());
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'=' => bytes.next().filter(u8::is_ascii_lowercase)?.to_ascii_uppercase(),
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(text).ok()?;
    // Only what we would write ourselves: other files are not ours.
    (encode(&text) == FileName::Whole(name.into())).then_some(text)
}

fn starts_as(text: &str, device: &str) -> bool {
    text.get(..device.len()).is_some_and(|start| start.eq_ignore_ascii_case(device))
}

fn percent(name: &mut String, byte: u8) {
    name.push_str(&format!("%{byte:02X}"));
}

fn digest(text: &str) -> String {
    let hexadecimal: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{LONG}{hexadecimal}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> String {
        match encode(text) {
            FileName::Whole(name) => name,
            FileName::Digest(name) => panic!("{name}"),
        }
    }

    #[test]
    fn ordinary_names_stay_readable() {
        assert_eq!(whole("report-2024_1.pdf"), "report-2024_1.pdf");
        assert_eq!(whole("item:1"), "item%3A1");
        assert_eq!(whole("README.md"), "=r=e=a=d=m=e.md");
    }

    #[test]
    fn no_name_leads_out_of_its_folder() {
        for text in ["..", ".", "../../etc/passwd", "/etc/passwd", "a\\..\\b", "c:\\x", "\0"] {
            let name = whole(text);
            assert!(!name.starts_with('.') && !name.contains(['/', '\\', ':', '\0']), "{name}");
        }
    }

    #[test]
    fn every_name_comes_back_and_no_two_are_the_same() {
        let texts = [
            "a",
            "A",
            "=a",
            "%41",
            "a.",
            "a..",
            ".a",
            "..",
            "con",
            "CON",
            "con.txt",
            "console",
            "nul",
            "lpt1",
            " ",
            "a b",
            "größe",
            "日本",
            "a/b",
            "a%2Fb",
            "\u{10ffff}",
            "\n",
        ];
        let mut seen = std::collections::BTreeSet::new();
        for text in texts {
            let name = whole(text);
            assert_eq!(decode(&name).as_deref(), Some(text), "{name}");
            assert!(seen.insert(name.to_lowercase()), "{name}");
            assert!(!DEVICES.iter().any(|device| starts_as(&name, device)), "{name}");
            assert!(!name.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn long_names_become_digests() {
        assert!(matches!(encode(&"x".repeat(200)), FileName::Whole(_)));
        let FileName::Digest(name) = encode(&"x".repeat(201)) else { panic!("not a digest") };
        assert!(name.starts_with(LONG) && name.len() < 100);
        assert_ne!(encode(&"y".repeat(201)), FileName::Digest(name));
    }

    #[test]
    fn files_that_are_not_ours_have_no_name() {
        for name in ["README", "a%", "a%2", "a%zz", "a=", "=1", "%61", "a%2f", ".DS_Store", "a b", "%FF"] {
            assert_eq!(decode(name), None, "{name}");
        }
    }
}
