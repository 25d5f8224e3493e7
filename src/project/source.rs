//! Where a value was written: the text of a settings file, places in it, and the origin of a value.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines longer than this are shown in part.
const WIDEST_EXCERPT: usize = 100;

/// The text of one settings file.
pub struct Source {
    /// The file. Absolute.
    pub path: PathBuf,
    /// What is in it, without a byte order mark.
    pub text: String,
}

/// Only the path: the text may hold secrets, and debug output ends up in logs.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.path).finish()
    }
}

/// A place in a text, as editors count: lines and columns from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub line: usize,
    pub column: usize,
    /// How many characters of the line are meant, at least 1.
    pub width: usize,
}

/// Where a value comes from.
#[derive(Clone, Debug, Default)]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// A settings file.
    File { source: Arc<Source>, mark: Mark },
    /// A `WASH_…` variable of the environment.
    Variable(String),
    /// A flag of the command line, e.g. `--address`.
    Flag(&'static str),
}

impl Mark {
    /// Finds the place of a range of bytes. A range that reaches over the end of its line is cut there.
    pub fn of_bytes(text: &str, range: Range<usize>) -> Self {
        let start = floor(text, range.start);
        let end = floor(text, range.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let meant = text[start..end].split('\n').next().unwrap_or_default().trim_end_matches('\r');
        Mark {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: meant.chars().count().max(1),
        }
    }
}

/// The nearest character boundary at or before `at`, inside the text.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl Source {
    /// The characters of the text that are meant by `mark`.
    pub fn slice(&self, mark: Mark) -> String {
        self.line(mark.line).chars().skip(mark.column - 1).take(mark.width).collect()
    }

    fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.saturating_sub(1)).unwrap_or_default()
    }

    /// The place as `path:line:column`, and the line without its values. For what could not be read: any value
    /// may be a secret, and nobody knows where it ends. Columns mean nothing in it, so that there is no caret.
    pub fn excerpt_without_values(&self, mark: Mark) -> String {
        let masked = Source { path: self.path.clone(), text: without_values(self.line(mark.line)) };
        let shown = masked.excerpt(Mark { line: 1, ..mark });
        let line = shown.lines().nth(2).and_then(|line| line.strip_prefix("1 | ")).unwrap_or_default();
        let Mark { line: number, column, .. } = mark;
        let margin = " ".repeat(number.to_string().len());
        format!("{margin}--> {}:{number}:{column}\n{margin} |\n{number} | {line}", self.path.display())
    }

    /// The place as `path:line:column`, the line and a caret below what is meant.
    pub fn excerpt(&self, mark: Mark) -> String {
        let path = self.path.display();
        let Mark { line: number, column, width } = mark;
        let characters: Vec<char> = self.line(number).chars().collect();
        let skipped = if characters.len() > WIDEST_EXCERPT { column.saturating_sub(1 + WIDEST_EXCERPT / 3) } else { 0 };
        let cut = characters.len().saturating_sub(skipped) > WIDEST_EXCERPT;
        let shown: Vec<char> = characters.into_iter().skip(skipped).take(WIDEST_EXCERPT).map(printable).collect();
        let (before, after) = (if skipped > 0 { "…" } else { "" }, if cut { "…" } else { "" });

        let indent = (column - 1).saturating_sub(skipped);
        // Tabs are kept below tabs, so that the caret stands right whatever their width is.
        let below: String = (0..indent).map(|at| if shown.get(at) == Some(&'\t') { '\t' } else { ' ' }).collect();
        let carets = "^".repeat(width.min(shown.len().saturating_sub(indent)).max(1));
        let gap = " ".repeat(before.chars().count());

        let number = number.to_string();
        let margin = " ".repeat(number.len());
        let text: String = shown.into_iter().collect();
        format!(
            "{margin}--> {path}:{number}:{column}\n{margin} |\n{number} | {before}{text}{after}\n{margin} | {gap}{below}{carets}"
        )
    }
}

/// A line with its keys, brackets and quotes, and `***` for everything else.
fn without_values(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let mut masked = line[..indent].to_string();
    for piece in line[indent..].split_inclusive(['{', '}', '[', ']', ',']) {
        let bracket = piece.ends_with(['{', '}', '[', ']', ',']);
        let (piece, end) = piece.split_at(piece.len() - usize::from(bracket));
        // A key ends with a colon, or in TOML before the sign of equality.
        let separator = [": ", "= ", ":\t", "=\t"].iter().filter_map(|sign| Some(piece.find(sign)? + 2)).min();
        let key = separator.or_else(|| piece.trim_end().ends_with([':', '=']).then_some(piece.len())).unwrap_or(0);
        let (key, value) = piece.split_at(key);
        masked.push_str(key);
        let is_quote = |letter: &char| matches!(letter, '"' | '\'');
        let core = value.trim().trim_start_matches("- ");
        if core.trim_matches(['"', '\'', '-']).is_empty() {
            masked.push_str(value);
        } else {
            masked.push_str(&value[..value.len() - value.trim_start().len()]);
            masked.extend(value.trim().starts_with("- ").then_some("- "));
            masked.extend(core.chars().next().filter(is_quote));
            masked.push_str("***");
            masked.extend(core.chars().last().filter(is_quote));
        }
        masked.push_str(end);
    }
    masked
}

/// Control characters of a file from elsewhere must not reach the terminal.
fn printable(character: char) -> char {
    if character.is_control() && character != '\t' { char::REPLACEMENT_CHARACTER } else { character }
}

impl Origin {
    /// The place for the end of an error message: an excerpt of a file, or the name of what set
    /// the value. `None` for defaults.
    pub fn excerpt(&self) -> Option<String> {
        match self {
            Origin::Default => None,
            Origin::File { source, mark } => Some(source.excerpt(*mark)),
            Origin::Variable(name) => Some(format!(" --> the variable `{name}` of the environment")),
            Origin::Flag(flag) => Some(format!(" --> the flag `{flag}`")),
        }
    }

    /// The same for what could not be read: without the values of the line.
    pub fn excerpt_without_values(&self) -> Option<String> {
        match self {
            Origin::File { source, mark } => Some(source.excerpt_without_values(*mark)),
            other => other.excerpt(),
        }
    }

    /// Sorts places: files by path and line, then variables, then flags.
    pub fn position(&self) -> impl Ord + '_ {
        match self {
            Origin::Default => (0, None, 0, 0),
            Origin::File { source, mark } => (1, Some(&source.path), mark.line, mark.column),
            Origin::Variable(_) => (2, None, 0, 0),
            Origin::Flag(_) => (3, None, 0, 0),
        }
    }

    /// As the `Display` text, with the path made shorter by `shorten`.
    pub fn describe(&self, shorten: impl Fn(&Path) -> String) -> String {
        match self {
            Origin::Default => "default".into(),
            Origin::File { source, mark } => format!("{}:{}", shorten(&source.path), mark.line),
            Origin::Variable(name) => name.clone(),
            Origin::Flag(flag) => (*flag).into(),
        }
    }
}

/// `default`, `/path/config.yaml:3`, `WASH_DEV__ADDRESS`, `--address`
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe(|path| path.display().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { path: "/p/config.yaml".into(), text: text.into() }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_shown_without_its_values() {
        for (line, shown) in [
            ("password: \"s3cret", "password: \"***"),
            ("  - password: s3cret: x", "  - password: ***"),
            ("  s3cret s3cret", "  ***"),
            ("  - s3cret", "  - ***"),
            ("stringData: { user: s3cret, 'pass': 's3cret' ", "stringData: { user: ***, 'pass': '***'"),
            ("hosts: [s3cret.example, \"s3cret\"", "hosts: [***, \"***\""),
            ("\"key\": \"s3cret", "\"key\": \"***"),
            ("key = \"s3cret", "key = \"***"),
            ("spec: [", "spec: ["),
            ("spec:", "spec:"),
        ] {
            let text = source(line).excerpt_without_values(Mark { line: 1, column: 3, width: 1 });
            assert_eq!(text.lines().last().unwrap().trim_end(), format!("1 | {shown}"), "{line}");
            assert!(text.contains(":1:3\n"), "{text}");
        }
    }

    #[test]
    fn columns_are_counted_in_characters() {
        let text = "eins: ä\nzwei: öö x\r\n";
        let at = text.find('x').unwrap();
        assert_eq!(Mark::of_bytes(text, at..at + 1), Mark { line: 2, column: 10, width: 1 });
    }

    #[test]
    fn a_range_over_several_lines_is_cut_at_its_first() {
        assert_eq!(Mark::of_bytes("ab\ncd\n", 1..6), Mark { line: 1, column: 2, width: 1 });
        assert_eq!(Mark::of_bytes("ab", 9..12), Mark { line: 1, column: 3, width: 1 });
    }

    #[test]
    fn the_caret_stands_below_what_is_meant() {
        let shown = source("a: 1\nüber: {b: 2}\n").excerpt(Mark { line: 2, column: 8, width: 1 });
        assert_eq!(shown, " --> /p/config.yaml:2:8\n  |\n2 | über: {b: 2}\n  |        ^");
    }

    #[test]
    fn tabs_stay_tabs_above_the_caret() {
        let shown = source("\tx = 1").excerpt(Mark { line: 1, column: 2, width: 1 });
        assert!(shown.ends_with("\n  | \t^"), "{shown}");
    }

    #[test]
    fn long_lines_are_shown_around_the_place() {
        let text = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        let shown = source(&text).excerpt(Mark { line: 1, column: 5001, width: 4 });
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[2].chars().count() < 120, "{shown}");
        let at = lines[2].chars().position(|c| c == 'H').unwrap();
        assert_eq!(lines[3].chars().position(|c| c == '^'), Some(at), "{shown}");
        assert!(lines[3].ends_with("^^^^"));
    }

    #[test]
    fn control_characters_are_not_shown() {
        let shown = source("a: \x1b[31m").excerpt(Mark { line: 1, column: 1, width: 1 });
        assert!(!shown.contains('\x1b'));
    }

    #[test]
    fn a_place_behind_the_end_of_the_text_is_survived() {
        let shown = source("a:\n").excerpt(Mark { line: 7, column: 3, width: 2 });
        assert!(shown.contains("config.yaml:7:3"), "{shown}");
    }
}
