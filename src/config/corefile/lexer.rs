//! The words of a Corefile, with their places.
//!
//! The rules are those of the lexer that CoreDNS uses: words end at white space; `#` outside quotes
//! begins a comment wherever it stands, and the comment ends with its line; a word that begins with
//! `"` goes on to the next `"`, over lines too, and `\"` is the only escape in it; carriage returns
//! outside quotes count for nothing; a byte order mark at the beginning is skipped. There is no
//! continuation of lines. Other than there, a quote that is never closed is a fault.

use crate::config::error::{Findings, Position};

/// One word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Token {
    /// What it says: without quotes, environment variables put in.
    pub(super) text: String,
    /// Whether it opens or closes a block.
    pub(super) kind: Kind,
    /// Where it begins.
    pub(super) at: Position,
    /// The line that it ends in; quoted words can span lines.
    pub(super) last_line: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Word,
    /// `{`, unquoted.
    Open,
    /// `}`, unquoted.
    Close,
}

/// Cuts `text` into words; `file` is the number that `findings` have for where it comes from.
pub(super) fn lex(text: &str, file: u16, findings: &mut Findings) -> Vec<Token> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tokens = Vec::new();
    let mut word: Option<Token> = None;
    let mut comment = false;
    let mut line = 1_u32;
    let mut column = 0_u32;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        column = column.saturating_add(1);
        let at = Position { file, line, column };
        if c == '\n' {
            line = line.saturating_add(1);
            column = 0;
            comment = false;
        }
        if c.is_whitespace() || comment || c == '#' {
            comment |= c == '#';
            // A carriage return within a word is dropped, not a gap.
            if c.is_whitespace() && c != '\r' {
                tokens.extend(word.take().map(classify));
            }
        } else if let Some(word) = &mut word {
            word.text.push(c);
        } else if c == '"' {
            let mut text = String::new();
            let mut escaped = false;
            let closed = loop {
                let Some(c) = chars.next() else { break false };
                column = column.saturating_add(1);
                if c == '\n' {
                    line = line.saturating_add(1);
                    column = 0;
                }
                match c {
                    '"' if !escaped => break true,
                    '\\' if !escaped => {
                        escaped = true;
                        continue;
                    }
                    '"' => {}
                    _ if escaped => text.push('\\'),
                    _ => {}
                }
                escaped = false;
                text.push(c);
            };
            if !closed {
                findings.error(at, "this quote is never closed; end it with '\"'");
            }
            tokens.push(Token { text, kind: Kind::Word, at, last_line: line });
        } else {
            word = Some(Token { text: c.into(), kind: Kind::Word, at, last_line: line });
        }
    }
    tokens.extend(word.map(classify));
    tokens
}

fn classify(mut word: Token) -> Token {
    word.kind = match word.text.as_str() {
        "{" => Kind::Open,
        "}" => Kind::Close,
        _ => Kind::Word,
    };
    word
}

/// Puts environment variables in the place of `{%NAME%}` and `{$NAME}`; one that is not set counts
/// as empty, with a warning. What they hold is not looked at again.
pub(super) fn substitute(
    token: &mut Token,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) {
    for (open, close) in [("{%", "%}"), ("{$", "}")] {
        if !token.text.contains(open) {
            continue;
        }
        let mut out = String::with_capacity(token.text.len());
        let mut rest = token.text.as_str();
        while let Some((before, behind)) = rest.split_once(open) {
            let Some((name, after)) = behind.split_once(close).filter(|(name, _)| !name.is_empty())
            else {
                break;
            };
            out.push_str(before);
            match env(name) {
                Some(value) => out.push_str(&value),
                None => findings.warn(
                    token.at,
                    format_args!(
                        "the environment variable '{name}' is not set and counts as empty"
                    ),
                ),
            }
            rest = after;
        }
        out.push_str(rest);
        token.text = out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, u32, u32)> {
        let mut findings = Findings::new("Corefile");
        let tokens = lex(text, 0, &mut findings);
        assert!(findings.errors.is_empty(), "{:?}", findings.errors);
        tokens.into_iter().map(|t| (t.text, t.at.line, t.at.column)).collect()
    }

    #[test]
    fn words_and_places() {
        for (text, expected) in [
            ("", vec![]),
            (" \t\r\n", vec![]),
            ("a  b\nc", vec![("a", 1, 1), ("b", 1, 4), ("c", 2, 1)]),
            (
                "\u{feff}.:53 {\r\n  errors\r\n}\r\n",
                vec![(".:53", 1, 1), ("{", 1, 6), ("errors", 2, 3), ("}", 3, 1)],
            ),
            ("a # b\n# c\n  d", vec![("a", 1, 1), ("d", 3, 3)]),
            ("a#b c\nd", vec![("a", 1, 1), ("d", 2, 1)]),
            ("\"a # b\" c", vec![("a # b", 1, 1), ("c", 1, 9)]),
            (r#""say \"hi\" \n" x"#, vec![(r#"say "hi" \n"#, 1, 1), ("x", 1, 17)]),
            (r#""a\\" b"#, vec![(r"a\\", 1, 1), ("b", 1, 7)]),
            ("\"a\"b", vec![("a", 1, 1), ("b", 1, 4)]),
            ("a\"b c\"", vec![("a\"b", 1, 1), ("c\"", 1, 5)]),
            ("\"\" x", vec![("", 1, 1), ("x", 1, 4)]),
            ("\"a\nb\" c", vec![("a\nb", 1, 1), ("c", 2, 4)]),
            ("a \\\nb", vec![("a", 1, 1), ("\\", 1, 3), ("b", 2, 1)]),
            ("ü ö", vec![("ü", 1, 1), ("ö", 1, 3)]),
            ("a\rb", vec![("ab", 1, 1)]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(t, l, c): (&str, u32, u32)| (t.into(), l, c)).collect();
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[test]
    fn braces_in_quotes_are_words() {
        let mut findings = Findings::new("Corefile");
        let kinds: Vec<_> =
            lex("{ } \"{\" {a}", 0, &mut findings).into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds, [Kind::Open, Kind::Close, Kind::Word, Kind::Word]);
    }

    #[test]
    fn an_open_quote_is_a_fault() {
        let mut findings = Findings::new("Corefile");
        lex("a\n  \"b c\n", 0, &mut findings);
        assert_eq!(
            findings.errors.first().unwrap().to_string(),
            "Corefile:2:3: this quote is never closed; end it with '\"'"
        );
    }

    #[test]
    fn environment() {
        let env = |name: &str| match name {
            "ZONE" => Some("cluster.local".into()),
            "PORT" => Some("1053".into()),
            "SELF" => Some("{$SELF}".into()),
            _ => None,
        };
        for (text, expected, warnings) in [
            ("{$ZONE}", "cluster.local", 0),
            ("{%ZONE%}:{$PORT}", "cluster.local:1053", 0),
            ("a{$ZONE}b{$ZONE}", "acluster.localbcluster.local", 0),
            ("{$NONE}", "", 1),
            // CoreDNS has no default values: this asks for a variable of that whole name.
            ("{$PORT:53}", "", 1),
            ("{$}", "{$}", 0),
            ("{%ZONE}", "{%ZONE}", 0),
            ("{$ZONE", "{$ZONE", 0),
            ("{$SELF}", "{$SELF}", 0),
            ("{{ .Name }} {$PORT}", "{{ .Name }} 1053", 0),
        ] {
            let mut findings = Findings::new("Corefile");
            let mut token = Token {
                text: text.into(),
                kind: Kind::Word,
                at: Position { file: 0, line: 1, column: 1 },
                last_line: 1,
            };
            substitute(&mut token, &env, &mut findings);
            assert_eq!(token.text, expected, "{text}");
            assert_eq!(findings.warnings.len(), warnings, "{text}");
        }
    }

    proptest::proptest! {
        /// Every word that is not quoted stands in the text where its place says.
        #[test]
        fn places_are_right(text in "[a\\\\\"#{}\\r\\n \u{fc}]{0,60}") {
            let mut findings = Findings::new("Corefile");
            let lines: Vec<Vec<char>> = text.split('\n').map(|l| l.chars().collect()).collect();
            for token in lex(&text, 0, &mut findings) {
                let line = &lines[token.at.line as usize - 1];
                let rest = &line[token.at.column as usize - 1..];
                let first = token.text.chars().next();
                proptest::prop_assert!(
                    rest.first() == Some(&'"') || rest.first().copied() == first,
                    "{token:?} in {text:?}"
                );
                proptest::prop_assert!(token.last_line >= token.at.line);
            }
        }
    }
}
