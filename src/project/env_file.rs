//! Files of `KEY=value` lines.
//!
//! ```text
//! # a comment
//! export NAME=plain text        # what follows a blank and a # is a comment
//! RAW='as it is, with $ and \'
//! MULTI="escapes \n \t \" \\ work, and
//! so do line breaks"
//! ```
//!
//! Nothing is expanded: `$` means itself.

use std::iter::Peekable;
use std::path::Path;
use std::str::CharIndices;
use std::sync::Arc;

use super::problem::Problem;
use super::source::{Mark, Origin, Source};
use crate::error::{Context as _, Error, Result};

/// Reads a file. The pairs are in the order of the file; a name that comes again wins.
///
/// Errors: the file cannot be read, is not UTF-8, or has a line that is no `KEY=value`; the last
/// two name the line.
pub fn read(path: &Path) -> Result<Vec<(String, String)>> {
    let bytes = std::fs::read(path).context(|| format!("cannot read the environment file `{}`", path.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        Error::usage(format!("the environment file `{}` is not UTF-8 text, see line {line}", path.display()))
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
    let source = Arc::new(Source { path: path.to_path_buf(), text });
    parse(&source).map_err(Problem::into_error)
}

fn parse(source: &Arc<Source>) -> Result<Vec<(String, String)>, Problem> {
    let text = &source.text;
    let problem = |from: usize, to: usize, message: &str, hint: &str| {
        let origin = Origin::File { source: source.clone(), mark: Mark::of_bytes(text, from..to) };
        Problem::at(&origin, message).hint(hint)
    };
    let mut pairs = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let line = rest.lines().next().unwrap_or_default();
        let end_of_line = at + rest.find('\n').map_or(rest.len(), |length| length + 1);
        let start = at + (line.len() - line.trim_start().len());
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            at = end_of_line;
            continue;
        }
        let Some((left, _)) = line.split_once('=') else {
            return Err(problem(
                start,
                at + line.trim_end().len(),
                "this line is no `KEY=value`",
                "write `NAME=value`, or begin a comment with #",
            ));
        };
        let name = left.trim();
        let name = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(name).trim();
        if !is_name(name) {
            let message = format!("`{name}` is no name for an environment variable");
            return Err(problem(start, at + left.trim_end().len(), &message, "use letters, digits and underscores"));
        }
        let value_at = at + left.len() + 1;
        let (value, end) = value(text, value_at).map_err(|fault| match fault {
            Fault::Open(at) => problem(
                at,
                at + 1,
                "this quote is never closed",
                "close it, or put the value in the other kind of quotes",
            ),
            Fault::Behind(from, to) => {
                problem(from, to, "there is text behind the closing quote", "put all of the value in quotes")
            }
        })?;
        if value.contains('\0') {
            return Err(problem(value_at, end, "the value has a NUL character in it", "remove it"));
        }
        pairs.push((name.to_string(), value));
        at = end;
    }
    Ok(pairs)
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

enum Fault {
    /// The quote at this byte is never closed.
    Open(usize),
    /// Something stands between these bytes, after the closing quote.
    Behind(usize, usize),
}

/// Reads the value that begins at byte `at`; returns it and where the next line begins.
fn value(text: &str, at: usize) -> Result<(String, usize), Fault> {
    let line_end = |from: usize| from + text[from..].find('\n').unwrap_or(text.len() - from);
    let next_line = |end: usize| (end + 1).min(text.len());
    let end = line_end(at);
    let line = &text[at..end];
    let begin = at + (line.len() - line.trim_start().len());
    let quote = text[begin..end].chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        return Ok((without_comment(line).trim().to_string(), next_line(end)));
    };
    let (value, behind) = quoted(&mut text[begin + 1..].char_indices().peekable(), quote).ok_or(Fault::Open(begin))?;
    let behind = begin + 1 + behind;
    let end = line_end(behind);
    let rest = &text[behind..end];
    if !without_comment(rest).trim().is_empty() {
        return Err(Fault::Behind(behind + (rest.len() - rest.trim_start().len()), behind + rest.trim_end().len()));
    }
    Ok((value, next_line(end)))
}

/// Reads up to the closing quote; returns the text and where it goes on behind the quote.
fn quoted(characters: &mut Peekable<CharIndices<'_>>, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            c if c == quote => return Some((value, at + 1)),
            '\\' if quote == '"' => match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$' | '`') => value.push(c),
                // An escape that we do not know is text.
                c => value.extend(['\\', c]),
            },
            // A file from Windows means line breaks.
            '\r' if characters.peek().is_some_and(|(_, next)| *next == '\n') => {}
            c => value.push(c),
        }
    }
    None
}

/// Cuts off a comment: a `#` at the beginning or behind a blank.
fn without_comment(text: &str) -> &str {
    let comment = text.char_indices().find(|(at, c)| *c == '#' && (*at == 0 || text[..*at].ends_with([' ', '\t'])));
    comment.map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Vec<(String, String)>, Problem> {
        parse(&Arc::new(Source { path: "/p/.env".into(), text: text.into() }))
    }

    #[test]
    fn lines_become_pairs() {
        for (text, name, value) in [
            ("A=b", "A", "b"),
            ("  A =  b c  \n", "A", "b c"),
            ("export A=b\r\n", "A", "b"),
            ("exported=1", "exported", "1"),
            ("A=", "A", ""),
            ("A=#x", "A", ""),
            ("A=b # comment", "A", "b"),
            ("A=b#c", "A", "b#c"),
            ("A=b=c", "A", "b=c"),
            ("A='b # \"$x\\n'  # comment", "A", "b # \"$x\\n"),
            ("A=\"b\\n\\\"c\\\" \\$ \\q\"", "A", "b\n\"c\" $ \\q"),
            ("A=\"one\r\ntwo\"\n", "A", "one\ntwo"),
            ("A='one\ntwo'", "A", "one\ntwo"),
            ("Ä=ö", "Ä", "ö"),
            ("A=it's", "A", "it's"),
            ("A=${B}", "A", "${B}"),
        ] {
            assert_eq!(parse_text(text).unwrap(), [(name.to_string(), value.to_string())], "{text:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_the_order_is_kept() {
        let pairs = parse_text("# x=y\n\nB=1\n  # z\nA=\"2\nB=3\"\nB=4").unwrap();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("B", "1"), ("A", "2\nB=3"), ("B", "4")]);
        assert!(parse_text("").unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, place, message) in [
            ("A=1\n  nonsense\n", "2:3", "this line is no `KEY=value`"),
            ("1A=x", "1:1", "`1A` is no name for an environment variable"),
            ("=x", "1:1", "`` is no name for an environment variable"),
            ("export A B=x", "1:1", "`A B` is no name for an environment variable"),
            ("A=1\nB=\"x\nC=1\n", "2:3", "this quote is never closed"),
            ("A='x' y", "1:7", "there is text behind the closing quote"),
        ] {
            let problem = parse_text(text).unwrap_err();
            assert_eq!(problem.message, message, "{text:?}");
            assert!(problem.origin.excerpt().unwrap().contains(&format!("/p/.env:{place}\n")), "{text:?}: {problem:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&folder.path().join("missing")).unwrap_err();
        assert!(error.message().starts_with("cannot read the environment file `"), "{error}");
        std::fs::write(folder.path().join("bad"), b"A=1\nB=\xff\n").unwrap();
        let error = read(&folder.path().join("bad")).unwrap_err();
        assert!(error.message().ends_with("is not UTF-8 text, see line 2"), "{error}");
    }
}
