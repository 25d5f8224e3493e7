//! Says what bytes seem to be that are not WebAssembly, for errors.

/// The beginnings by which formats are known. The first that fits wins.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"\xfe\xed\xfa\xce", "a Mach-O program"),
    (b"\xfe\xed\xfa\xcf", "a Mach-O program"),
    (b"\xce\xfa\xed\xfe", "a Mach-O program"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O program"),
    (b"\xca\xfe\xba\xbe", "a Mach-O program or a Java class"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"!<arch>\n", "a static library"),
    (b"BC\xc0\xde", "LLVM bitcode"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer"),
];

/// How far we look into a file.
const WINDOW: usize = 4096;

/// What bytes that do not begin as WebAssembly seem to be, as the end of "is not WebAssembly but …".
pub fn looks_like(bytes: &[u8]) -> &'static str {
    for (beginning, name) in BEGINNINGS {
        if bytes.starts_with(beginning) {
            return name;
        }
    }
    // ustar archives have their mark behind the first file's name.
    if bytes.get(257..262) == Some(b"ustar") {
        return "a tar archive";
    }
    let window = &bytes[..bytes.len().min(WINDOW)];
    let Some(text) = as_text(window) else { return "unknown bytes" };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.get(..16).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        "HTML"
    } else if lower.starts_with('<') {
        "XML"
    } else if lower.starts_with("#!") {
        "a script"
    } else if lower.starts_with('{') || lower.starts_with('[') {
        "JSON"
    } else if text.is_empty() {
        "white space"
    } else {
        "text"
    }
}

/// Whether the bytes are WebAssembly in its text form.
pub(super) fn is_wat(bytes: &[u8]) -> bool {
    let Some(mut text) = as_text(&bytes[..bytes.len().min(WINDOW)]) else { return false };
    loop {
        text = text.trim_start_matches('\u{feff}').trim_start();
        if let Some(comment) = text.strip_prefix(";;") {
            text = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = text.strip_prefix("(;") {
            text = comment.split_once(";)").map_or("", |(_, rest)| rest);
        } else {
            break;
        }
    }
    let Some(inside) = text.strip_prefix('(') else { return false };
    let word = inside.trim_start().split(|c: char| !c.is_ascii_alphanumeric()).next();
    matches!(word, Some("module" | "component"))
}

/// The bytes as text, if they are; a character cut by the window's end is forgiven.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c' | '\x1b');
    (!text.contains(control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_mistakes_are_named() {
        let tar = [vec![b'a'; 257], b"ustar\x0000".to_vec()].concat();
        for (bytes, name) in [
            (&b"\x7fELF\x02\x01\x01"[..], "an ELF program"),
            (b"PK\x03\x04rest", "a zip archive"),
            (b"\x1f\x8b\x08", "a gzip archive"),
            (b"\xcf\xfa\xed\xfe", "a Mach-O program"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
            (b"\n <!DOCTYPE html><html>", "HTML"),
            (b"<HTML lang=en>", "HTML"),
            (b"{\"a\": 1}", "JSON"),
            (b"console.log('hello')", "text"),
            ("gr\u{fc}\u{df} dich".as_bytes(), "text"),
            (b"\x00\x01\x02\x03", "unknown bytes"),
            (b"\xff\xfe\xfd", "unknown bytes"),
            (&tar, "a tar archive"),
        ] {
            assert_eq!(looks_like(bytes), name, "{bytes:?}");
        }
    }

    #[test]
    fn text_that_ends_inside_a_character_is_text() {
        let mut text = "\u{fc}".repeat(WINDOW);
        text.insert(0, 'a');
        assert_eq!(looks_like(text.as_bytes()), "text");
    }

    #[test]
    fn webassembly_text_is_known_behind_comments() {
        assert!(is_wat(b"(module)"));
        assert!(is_wat(b";; a comment\n(; another ;)\n  ( component $c)"));
        assert!(!is_wat(b"(modulex)"));
        assert!(!is_wat(b"hello (module)"));
        assert!(!is_wat(b"(; never closed"));
    }
}
