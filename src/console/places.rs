//! The places in files that the output of a tool names.

use serde::Serialize;

/// The most places that are taken from one text.
const MOST: usize = 100;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// As the tool names it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, where the tool says it.
    pub column: Option<u32>,
    /// What is wrong there, as far as it stands in one line.
    pub message: Option<String>,
}

/// Finds the places in a text: `--> src/lib.rs:3:5` of rustc, `src/app.ts(3,5): error …` and `src/app.ts:3:5 - …` of
/// TypeScript, `main.go:3:5: …` of Go and C, `File "app.py", line 3` of Python, `world.wit:3:5` of wash.
pub fn find(text: &str) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut headline: Option<String> = None;
    for line in text.lines() {
        let line = without_colour(line);
        let trimmed = line.trim();
        if ["error", "warning"].iter().any(|word| trimmed.starts_with(word)) {
            headline = Some(trimmed.to_string());
        }
        let Some(mut place) = place(trimmed) else { continue };
        if place.message.is_none() {
            // rustc says first what is wrong, and then where.
            place.message = headline.take();
        }
        let known = |other: &Place| (&other.file, other.line, other.column) == (&place.file, place.line, place.column);
        if !places.iter().any(known) && places.len() < MOST {
            places.push(place);
        }
    }
    places
}

fn place(line: &str) -> Option<Place> {
    if let Some(rest) = line.strip_prefix("File \"") {
        let (file, rest) = rest.split_once('"')?;
        let (number, _) = digits(rest.strip_prefix(", line ")?)?;
        return Some(Place { file: file.into(), line: number, column: None, message: None });
    }
    let line = line.trim_start_matches("-->").trim_start_matches("at ").trim();
    // A path ends at the first `:` or `(` that a number follows.
    for (at, mark) in line.match_indices([':', '(']) {
        let file = &line[..at];
        let Some((number, rest)) = digits(&line[at + 1..]) else { continue };
        if !is_file(file) || number == 0 {
            continue;
        }
        let end = if mark == "(" { ',' } else { ':' };
        let column = rest.strip_prefix(end).and_then(digits);
        let rest = column.map_or(rest, |(_, rest)| rest);
        let message = rest.trim_start_matches([')', ':', ' ', '-']).trim();
        let message = (!message.is_empty()).then(|| message.to_string());
        return Some(Place { file: file.into(), line: number, column: column.map(|(column, _)| column), message });
    }
    None
}

/// The name of a source file: with an ending that begins with a letter, and nothing that stands in sentences.
fn is_file(text: &str) -> bool {
    let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
    let ending = name.rsplit_once('.').map(|(stem, ending)| (!stem.is_empty() || ending.is_empty(), ending));
    ending.is_some_and(|(stem, ending)| {
        stem && ending.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && ending.len() <= 5
            && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }) && !text.contains([' ', '`', '"', '\'', '<', '>', '|', '@'])
        && !text.contains("://")
}

fn digits(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => {
                letters.by_ref().find(char::is_ascii_alphabetic);
            }
            letter => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, u32, Option<u32>, String)> {
        let place = |place: Place| (place.file, place.line, place.column, place.message.unwrap_or_default());
        find(text).into_iter().map(place).collect()
    }

    #[test]
    fn each_tool_names_places_in_its_way() {
        let rust = "\u{1b}[1merror[E0308]\u{1b}[0m: mismatched types\n  --> src/lib.rs:12:5\n   |\n12 |     1\n";
        assert_eq!(found(rust), [("src/lib.rs".into(), 12, Some(5), "error[E0308]: mismatched types".into())]);
        let typescript = "src/app.ts(3,7): error TS2322: Type 'x'.\nsrc/b.ts:4:1 - error TS1005: ';' expected.";
        assert_eq!(
            found(typescript),
            [
                ("src/app.ts".into(), 3, Some(7), "error TS2322: Type 'x'.".into()),
                ("src/b.ts".into(), 4, Some(1), "error TS1005: ';' expected.".into()),
            ]
        );
        assert_eq!(found("./main.go:5:2: undefined: x"), [("./main.go".into(), 5, Some(2), "undefined: x".into())]);
        assert_eq!(found("  File \"app.py\", line 8, in f"), [("app.py".into(), 8, None, String::new())]);
    }

    #[test]
    fn what_is_no_place_is_none() {
        for text in
            ["http://127.0.0.1:8000/", "took 3:15 minutes", "note: 12:30", "version 1.2:3", "a.b c:3", "127.0.0.1:80"]
        {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
