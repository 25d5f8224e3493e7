//! Names of streams in NATS.

use sha2::{Digest, Sha256};

/// The longest name that is written out, in bytes: NATS makes folders of these names.
const LONGEST: usize = 150;

/// Returns a name of letters, digits, `-` and `_` for several parts of any text. Different parts give
/// different names: letters and digits stay, and `-`; any other byte is `_` with two hexadecimal
/// digits, and between parts stands `__`. A long name ends in a digest instead.
pub fn stream_name(parts: &[&str]) -> String {
    let name = parts.iter().map(|part| escaped(part)).collect::<Vec<_>>().join("__");
    if name.len() <= LONGEST {
        return name;
    }
    let digest = Sha256::digest(name.as_bytes());
    let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // No escaped name has `_x` in it: those two digits are hexadecimal.
    format!("{}_x{digits}", &name[..LONGEST - 34])
}

/// The part that follows these in a name of [`stream_name`]; `None` where the name has other parts, or
/// is a long one.
pub fn last_part(name: &str, before: &[&str]) -> Option<String> {
    let rest = name.strip_prefix(&stream_name(before))?.strip_prefix("__")?;
    let mut bytes = Vec::with_capacity(rest.len());
    let mut rest = rest.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'_' {
            bytes.push(first);
            rest = after;
            continue;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

fn escaped(part: &str) -> String {
    let mut escaped = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => escaped.push(byte as char),
            other => escaped.push_str(&format!("_{other:02x}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_keep_parts_apart() {
        assert_eq!(stream_name(&["wash", "dev/hello", "default"]), "wash__dev_2fhello__default");
        let names = [["a", "b_"], ["a_", "b"], ["a__b", ""], ["", "a__b"], ["a", "_b"], ["a-", "b"]];
        let all: std::collections::BTreeSet<_> = names.iter().map(|parts| stream_name(parts)).collect();
        assert_eq!(all.len(), names.len(), "{all:?}");
    }

    #[test]
    fn the_last_part_is_read_from_a_name() {
        let before = ["wash", "dev/hello"];
        for part in ["default", "a_b", "", "größe/1", "__"] {
            assert_eq!(last_part(&stream_name(&[before[0], before[1], part]), &before).as_deref(), Some(part));
        }
        for other in [stream_name(&["wash", "dev/hello2", "x"]), stream_name(&["wash", "dev/hello", &"x".repeat(500)])]
        {
            assert_eq!(last_part(&other, &before), None, "{other}");
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, two) = (stream_name(&["w", &"x".repeat(500)]), stream_name(&["w", &"x".repeat(501)]));
        assert_ne!(one, two);
        assert!(one.len() <= LONGEST && one.starts_with("w__xxx"), "{one}");
    }
}
