//! Places in WIT source that the parser does not tell: where statements begin and end, and where
//! packages are named.
//!
//! The parser knows the place of a world's name, and no more of its text. From there a scan over
//! words and punctuation is enough, because WIT has no text in which braces could hide but comments
//! and the strings of attributes. What is edited by this is parsed again before it is written.

use std::ops::Range;

/// A word, or one character of punctuation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    range: Range<usize>,
    is_word: bool,
}

/// A mention of an interface or world of another package: `wasi:http/types@0.2.12`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// All of it.
    pub range: Range<usize>,
    pub namespace: Range<usize>,
    pub package: Range<usize>,
    pub interface: Range<usize>,
    pub version: Option<Range<usize>>,
}

/// A statement in the body of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// From its first attribute to its last character; documentation is not in it.
    pub range: Range<usize>,
    /// `import`, `export`, `include`, `use`, `type`, …
    pub keyword: String,
}

/// Finds the mentions of other packages' interfaces and worlds.
pub fn mentions(text: &str) -> Vec<Mention> {
    let tokens = tokens(text);
    let is = |index: usize, what: &str| tokens.get(index).is_some_and(|token| &text[token.range.clone()] == what);
    let word = |index: usize| tokens.get(index).filter(|token| token.is_word).map(|token| token.range.clone());
    let mut found = Vec::new();
    for slash in 3..tokens.len() {
        if !is(slash, "/") || !is(slash - 2, ":") {
            continue;
        }
        let (Some(namespace), Some(package), Some(interface)) = (word(slash - 3), word(slash - 1), word(slash + 1))
        else {
            continue;
        };
        let version = if is(slash + 2, "@") { word(slash + 3) } else { None };
        let end = version.as_ref().map_or(interface.end, |version| version.end);
        found.push(Mention { range: namespace.start..end, namespace, package, interface, version });
    }
    found
}

/// Finds the body of the world whose name is at `name`: what is between its braces.
pub fn body(text: &str, name: &Range<usize>) -> Option<Range<usize>> {
    let tokens = tokens(text);
    let open = tokens.iter().position(|token| token.range.start >= name.end && &text[token.range.clone()] == "{")?;
    let mut depth = 0_usize;
    for token in &tokens[open..] {
        match &text[token.range.clone()] {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(tokens[open].range.end..token.range.start);
        }
    }
    None
}

/// Finds the statements of a body, in order.
pub fn statements(text: &str, body: &Range<usize>) -> Vec<Statement> {
    let inside: Vec<Token> = tokens(text)
        .into_iter()
        .filter(|token| token.range.start >= body.start && token.range.end <= body.end)
        .collect();
    let shown = |token: &Token| &text[token.range.clone()];
    let mut found = Vec::new();
    let mut first = 0;
    let mut depth = 0_usize;
    for (index, token) in inside.iter().enumerate() {
        match shown(token) {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = match shown(token) {
            ";" => depth == 0,
            // `use a.{b};` goes on, `import a: interface { … }` does not.
            "}" => depth == 0 && inside.get(index + 1).is_none_or(|next| shown(next) != ";"),
            _ => false,
        };
        if ends {
            let words = &inside[first..=index];
            let range = words[0].range.start..token.range.end;
            found.push(Statement { range, keyword: keyword(text, words) });
            first = index + 1;
        }
    }
    found
}

/// The first word that belongs to no attribute.
fn keyword(text: &str, tokens: &[Token]) -> String {
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        match &text[token.range.clone()] {
            "@" => {
                index += 2;
                if tokens.get(index).is_some_and(|token| &text[token.range.clone()] == "(") {
                    while tokens.get(index).is_some_and(|token| &text[token.range.clone()] != ")") {
                        index += 1;
                    }
                    index += 1;
                }
            }
            word => return word.to_string(),
        }
    }
    String::new()
}

/// The words and punctuation of WIT, without comments.
fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'_');
    let mut found = Vec::new();
    let mut index = 0;
    while index < bytes.len() {
        let start = index;
        match at(index) {
            b'/' if at(index + 1) == b'/' => {
                index = text[index..].find('\n').map_or(bytes.len(), |end| index + end);
            }
            b'/' if at(index + 1) == b'*' => index = after_comment(bytes, index),
            b'"' => {
                index += 1;
                while index < bytes.len() && at(index) != b'"' {
                    index += if at(index) == b'\\' { 2 } else { 1 };
                }
                index = (index + 1).min(bytes.len());
            }
            byte if byte.is_ascii_whitespace() => index += 1,
            byte if is_word(byte) => {
                while is_word(at(index))
                    // `a->b` and `@1.0.0.{c}` end before these.
                    || (matches!(at(index), b'-' | b'.' | b'+') && is_word(at(index + 1)))
                {
                    index += 1;
                }
                found.push(Token { range: start..index, is_word: true });
            }
            _ => {
                index += text[index..].chars().next().map_or(1, char::len_utf8);
                found.push(Token { range: start..index, is_word: false });
            }
        }
    }
    found
}

/// Comments with two ends may be within each other.
fn after_comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut index = start;
    while index < bytes.len() {
        match (bytes[index], bytes.get(index + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                index += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                index += 2;
                if depth == 0 {
                    return index;
                }
            }
            _ => index += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "package a:b;\n\
        // import wasi:no/no@1.0.0;\n\
        /* { /* { */ wasi:no/no */\n\
        world first {\n\
        \x20 @since(version = 1.0.0)\n\
        \x20 import wasi:http/types@0.2.12;\n\
        \x20 import named: wasi:io/poll@0.2.1-rc.1+x; // }\n\
        \x20 use wasi:clocks/wall-clock@0.2.0.{datetime};\n\
        \x20 export run: func(a: string) -> result<u8,string>;\n\
        \x20 import inline: interface { f: func(); }\n\
        \x20 include a:c/d with { x as y }\n\
        }\n\
        world second {}\n";

    #[test]
    fn mentions_are_found_with_their_parts_and_not_in_comments() {
        let found: Vec<&str> = mentions(TEXT).iter().map(|mention| &TEXT[mention.range.clone()]).collect();
        assert_eq!(
            found,
            ["wasi:http/types@0.2.12", "wasi:io/poll@0.2.1-rc.1+x", "wasi:clocks/wall-clock@0.2.0", "a:c/d"]
        );
        let versions: Vec<_> = mentions(TEXT).into_iter().map(|mention| mention.version.map(|v| &TEXT[v])).collect();
        assert_eq!(versions, [Some("0.2.12"), Some("0.2.1-rc.1+x"), Some("0.2.0"), None]);
    }

    #[test]
    fn statements_of_a_body_are_found_whole() {
        let name = TEXT.find("first").unwrap();
        let body = body(TEXT, &(name..name + 5)).unwrap();
        let keywords: Vec<String> = statements(TEXT, &body).into_iter().map(|statement| statement.keyword).collect();
        assert_eq!(keywords, ["import", "import", "use", "export", "import", "include"]);
        let first = &statements(TEXT, &body)[0];
        assert_eq!(&TEXT[first.range.clone()], "@since(version = 1.0.0)\n  import wasi:http/types@0.2.12;");
        let name = TEXT.find("second").unwrap();
        assert_eq!(super::body(TEXT, &(name..name + 6)).map(|body| body.len()), Some(0));
    }
}
