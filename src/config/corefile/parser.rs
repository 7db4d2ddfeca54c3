//! The shape of a Corefile: server blocks of directives, which may have blocks of options.
//!
//! The rules are those of the Caddyfile as CoreDNS reads it: zones, separated by spaces or commas,
//! then `{` and a directive a line up to `}`; `{` ends the line of what it opens and `}` stands on a
//! line of its own; one server block may do without braces and goes on to the end of the file;
//! `(name) { … }` is a snippet, put in place by `import name`, and so are files by their names, each
//! whole in itself. Reading goes on behind a fault, so that one run names as many as there are.

use std::collections::HashMap;
use std::path::Path;

use super::lexer::{self, Kind, Token};
use super::source::{self, Found, MAX_COREFILE, MAX_IMPORT_DEPTH, MAX_IMPORTED_FILES};
use crate::config::error::{Findings, Position};

/// How deep blocks may lie in each other; CoreDNS itself knows three levels.
const MAX_DEPTH: usize = 16;
/// How many directives and options `import` may put in place, since snippets that import snippets
/// multiply.
const MAX_IMPORTED: usize = 10_000;

/// A server block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// What stands in front of `{`; commas removed.
    pub(super) keys: Vec<Token>,
    /// What stands between the braces.
    pub(super) body: Vec<Directive>,
}

/// A directive of a server block, or an option of a directive.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) name: Token,
    pub(super) args: Vec<Token>,
    /// The options in braces behind it, where it has braces.
    pub(super) body: Option<Vec<Directive>>,
}

/// Reads the text of the file at `path`, and what it imports, into server blocks.
pub(super) fn parse(
    path: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Vec<Block> {
    let mut state = State {
        env,
        snippets: HashMap::new(),
        imported: 0,
        files: 0,
        octets: MAX_COREFILE.saturating_sub(text.len() as u64),
        depth: 0,
    };
    let tokens = words(text, 0, env, findings);
    let folder = path.parent().unwrap_or(Path::new(""));
    Parser { tokens: &tokens, folder, findings, state: &mut state }.blocks()
}

fn words(
    text: &str,
    file: u16,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Vec<Token> {
    let mut tokens = lexer::lex(text, file, findings);
    for token in &mut tokens {
        lexer::substitute(token, env, findings);
    }
    tokens
}

/// What all files that are read together share.
struct State<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    snippets: HashMap<String, Vec<Directive>>,
    /// Directives put in place by snippets so far.
    imported: usize,
    /// Files imported so far.
    files: usize,
    /// How many octets may still be read.
    octets: u64,
    /// How many files lie around what is being read.
    depth: usize,
}

/// Reads one file.
struct Parser<'a, 'e> {
    /// What is still to be read.
    tokens: &'a [Token],
    /// Where imports of this file are looked for.
    folder: &'a Path,
    findings: &'a mut Findings,
    state: &'a mut State<'e>,
}

impl<'a> Parser<'a, '_> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.first()
    }

    fn advance(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    /// The next token if it stands on this line.
    fn peek_on(&self, line: u32) -> Option<&'a Token> {
        self.peek().filter(|token| token.at.line == line)
    }

    fn blocks(&mut self) -> Vec<Block> {
        let mut blocks = Vec::new();
        while let Some(token) = self.peek() {
            match token.kind {
                Kind::Close => {
                    self.findings.error(token.at, "this '}' closes nothing; remove it");
                    self.advance();
                }
                Kind::Open => {
                    self.findings
                        .error(token.at, "zones belong in front of this '{', such as '.:53 {'");
                    self.advance();
                    self.body(Some(token.at), 1);
                }
                Kind::Word if token.text == "import" => {
                    let directive = self.directive(token, 1);
                    match self.import_name(&directive) {
                        Some(name) if self.state.snippets.contains_key(&name.text) => {
                            self.findings.error(
                                name.at,
                                format!(
                                    "the snippet '{}' is imported outside a server block; do that \
                                     inside one",
                                    name.text
                                ),
                            );
                        }
                        Some(name) => blocks.extend(self.files(name, blocks_of)),
                        None => {}
                    }
                }
                Kind::Word => blocks.extend(self.block()),
            }
        }
        blocks
    }

    fn block(&mut self) -> Option<Block> {
        let mut keys: Vec<Token> = Vec::new();
        let mut line = None;
        let mut comma: Option<Position> = None;
        while let Some(token) = self.peek() {
            let same_line = line.is_none_or(|line| token.at.line == line);
            if token.kind != Kind::Word || !(same_line || comma.is_some()) {
                break;
            }
            comma = token.text.ends_with(',').then_some(token.at);
            let pieces = token.text.split(',').filter(|piece| !piece.is_empty());
            keys.extend(pieces.map(|piece| Token { text: piece.into(), ..token.clone() }));
            line = Some(token.last_line);
            self.advance();
        }
        if let Some(at) = comma {
            self.findings.error(at, "a zone must follow the comma at the end of this word");
        }
        let snippet = match keys.as_slice() {
            [only] => only
                .text
                .strip_prefix('(')
                .and_then(|text| text.strip_suffix(')'))
                .map(|name| (name.to_owned(), only.at)),
            _ => None,
        };
        let opening = self.peek().filter(|token| token.kind == Kind::Open);
        if opening.is_some() {
            self.advance();
        }
        if let Some((name, at)) = snippet {
            if opening.is_none() {
                self.findings.error(at, "'{' must follow the name of a snippet");
            }
            let body = self.body(opening.map(|token| token.at).or(Some(at)), 1);
            if self.state.snippets.insert(name.clone(), body).is_some() {
                self.findings.error(at, format!("the snippet '{name}' is there twice"));
            }
            return None;
        }
        let body = self.body(opening.map(|token| token.at), 1);
        (!keys.is_empty()).then_some(Block { keys, body })
    }

    /// The lines up to the `}` that fits the `{` at `opened`, or up to the end of the file.
    fn body(&mut self, opened: Option<Position>, depth: usize) -> Vec<Directive> {
        let mut body = Vec::new();
        while let Some(token) = self.peek() {
            match token.kind {
                Kind::Close if opened.is_some() => {
                    self.advance();
                    return body;
                }
                Kind::Close => {
                    self.findings.error(
                        token.at,
                        "this '}' closes nothing; put a '{' behind the zones of the server block",
                    );
                    self.advance();
                }
                Kind::Open => {
                    self.findings
                        .error(token.at, "'{' must stand at the end of the line of what it opens");
                    self.advance();
                    self.nested(token.at, depth);
                }
                Kind::Word => {
                    let directive = self.directive(token, depth);
                    if directive.name.text == "import" {
                        self.import(&directive, depth, &mut body);
                    } else {
                        body.push(directive);
                    }
                }
            }
        }
        if let Some(at) = opened {
            self.findings.error(at, "this '{' is never closed; end the block with '}'");
        }
        body
    }

    fn directive(&mut self, name: &Token, depth: usize) -> Directive {
        self.advance();
        let mut line = name.last_line;
        let mut args = Vec::new();
        let mut body = None;
        while let Some(token) = self.peek_on(line) {
            match token.kind {
                Kind::Word => {
                    args.push(token.clone());
                    line = token.last_line;
                    self.advance();
                }
                Kind::Open => {
                    self.advance();
                    if let Some(next) = self.peek_on(token.at.line)
                        && next.kind != Kind::Close
                    {
                        self.findings.error(
                            next.at,
                            "a new line must follow '{', and each option has its own line",
                        );
                    }
                    body = Some(self.nested(token.at, depth));
                    break;
                }
                Kind::Close => {
                    self.findings.error(token.at, "'}' must stand on a line of its own");
                    break;
                }
            }
        }
        Directive { name: name.clone(), args, body }
    }

    fn nested(&mut self, opened: Position, depth: usize) -> Vec<Directive> {
        if depth >= MAX_DEPTH {
            self.findings.error(opened, format!("blocks lie more than {MAX_DEPTH} deep here"));
            self.tokens = &[];
            return Vec::new();
        }
        self.body(Some(opened), depth + 1)
    }

    /// The one argument of `import`.
    fn import_name<'d>(&mut self, directive: &'d Directive) -> Option<&'d Token> {
        match directive.args.as_slice() {
            [name] if !name.text.is_empty() && directive.body.is_none() => Some(name),
            _ => {
                let usage = "'import' takes one argument; write 'import SNIPPET' or 'import FILE'";
                self.findings.error(directive.name.at, usage);
                None
            }
        }
    }

    /// Puts the lines of a snippet or of files in the place of `import NAME`.
    fn import(&mut self, directive: &Directive, depth: usize, body: &mut Vec<Directive>) {
        let Some(name) = self.import_name(directive) else { return };
        let Some(snippet) = self.state.snippets.get(&name.text) else {
            body.extend(self.files(name, |file| file.body(None, depth)));
            return;
        };
        self.state.imported = self.state.imported.saturating_add(count(snippet));
        if self.state.imported > MAX_IMPORTED {
            self.findings.error(
                directive.name.at,
                format!("imports put more than {MAX_IMPORTED} lines in place"),
            );
            return;
        }
        body.extend(snippet.iter().cloned());
    }

    /// What `read` makes of the files that `name` stands for, one after the other.
    fn files<T>(&mut self, name: &Token, read: impl Fn(&mut Parser<'_, '_>) -> Vec<T>) -> Vec<T> {
        let found = match source::find(&name.text, self.folder) {
            Ok(Found::Files(files)) => files,
            Ok(Found::Nothing) => {
                self.findings.warn(name.at, format_args!("no file fits '{}'", name.text));
                return Vec::new();
            }
            // Somebody who writes a bare word means a snippet.
            Err(_) if !name.text.contains(['/', '*', '.', '?']) => {
                let message = format!(
                    "no snippet '{0}' stands above; define it as '({0}) {{ … }}'",
                    name.text
                );
                self.findings.error(name.at, message);
                return Vec::new();
            }
            Err(message) => {
                self.findings.error(name.at, message);
                return Vec::new();
            }
        };
        if self.state.depth >= MAX_IMPORT_DEPTH {
            self.findings.error(
                name.at,
                format!("files import each other more than {MAX_IMPORT_DEPTH} deep here"),
            );
            return Vec::new();
        }
        self.state.depth += 1;
        let whole = found.iter().flat_map(|path| self.file(name, path, &read)).collect();
        self.state.depth -= 1;
        whole
    }

    fn file<T>(
        &mut self,
        name: &Token,
        path: &Path,
        read: impl Fn(&mut Parser<'_, '_>) -> Vec<T>,
    ) -> Vec<T> {
        self.state.files += 1;
        if self.state.files > MAX_IMPORTED_FILES {
            self.findings
                .error(name.at, format!("more than {MAX_IMPORTED_FILES} files are imported"));
            return Vec::new();
        }
        let bytes = match source::octets(path, self.state.octets) {
            Ok(bytes) => bytes,
            Err(message) => {
                self.findings.error(name.at, format!("'{}' {message}", path.display()));
                return Vec::new();
            }
        };
        self.state.octets = self.state.octets.saturating_sub(bytes.len() as u64);
        let file = self.findings.add_file(path.display().to_string());
        let Some(text) = source::text(&bytes, file, self.findings) else { return Vec::new() };
        let tokens = words(text, file, self.state.env, self.findings);
        let folder = path.parent().unwrap_or(Path::new(""));
        read(&mut Parser { tokens: &tokens, folder, findings: self.findings, state: self.state })
    }
}

fn blocks_of(file: &mut Parser<'_, '_>) -> Vec<Block> {
    file.blocks()
}

fn count(body: &[Directive]) -> usize {
    body.iter().map(|one| 1 + one.body.as_deref().map_or(0, count)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> (String, Vec<String>) {
        let mut findings = Findings::new("Corefile");
        let blocks = parse(Path::new("Corefile"), text, &|_| None, &mut findings);
        let mut out = String::new();
        for block in &blocks {
            let keys: Vec<_> = block.keys.iter().map(|key| key.text.as_str()).collect();
            out.push_str(&keys.join(" "));
            out.push_str(&body(&block.body));
        }
        (out, findings.errors.iter().map(ToString::to_string).collect())
    }

    fn body(directives: &[Directive]) -> String {
        let mut out = String::from("{");
        for directive in directives {
            let words = std::iter::once(&directive.name).chain(&directive.args);
            let words: Vec<_> = words.map(|word| word.text.as_str()).collect();
            out.push_str(&words.join(" "));
            out.push_str(&directive.body.as_deref().map_or(String::new(), body));
            out.push(';');
        }
        out.push('}');
        out
    }

    #[test]
    fn shapes() {
        for (text, expected) in [
            ("", ""),
            (".:53", ".:53{}"),
            (".:53\nerrors\nlog a b\n", ".:53{errors;log a b;}"),
            ("a b {\n errors\n}\n", "a b{errors;}"),
            ("a, b,\nc {\n}\nd,e {\n}", "a b c{}d e{}"),
            ("a,b , c {\n}", "a b c{}"),
            ("a\n{\nerrors\n}", "a{errors;}"),
            ("a {\n x 1 {\n y 2\n z {\n }\n }\n w\n}", "a{x 1{y 2;z{};};w;}"),
            ("a {\n x { }\n}", "a{x{};}"),
            ("a {\n x \"{\"\n} b {\n}", "a{x {;}b{}"),
            ("\"\" {\n errors\n}\na {\n}", "a{}"),
            ("(s) {\n x 1\n y {\n z\n }\n}\na {\n import s\n w\n}", "a{x 1;y{z;};w;}"),
            ("(s) {\n x\n}\n(t) {\n import s\n import s\n}\na\nimport t\n", "a{x;x;}"),
            ("a {\n x \"1\n2\" 3\n}", "a{x 1\n2 3;}"),
        ] {
            assert_eq!(shape(text), (expected.to_owned(), Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn faults() {
        for (text, expected) in [
            ("}", "1:1: this '}' closes nothing; remove it"),
            ("a {\n}\n}", "3:1: this '}' closes nothing; remove it"),
            (
                "a\nerrors\n}",
                "3:1: this '}' closes nothing; put a '{' behind the zones of the server block",
            ),
            ("{\nerrors\n}", "1:1: zones belong in front of this '{', such as '.:53 {'"),
            ("a, {\n}", "1:1: a zone must follow the comma at the end of this word"),
            ("a {\n errors\n", "1:3: this '{' is never closed; end the block with '}'"),
            ("a {\n x {\n", "2:4: this '{' is never closed; end the block with '}'"),
            ("a {\n x\n {\n }\n}", "3:2: '{' must stand at the end of the line of what it opens"),
            (
                "a {\n x { y\n }\n}",
                "2:6: a new line must follow '{', and each option has its own line",
            ),
            ("a {\n x }\n", "2:4: '}' must stand on a line of its own"),
            ("(s)\nerrors\n", "1:1: '{' must follow the name of a snippet"),
            ("(s) {\n}\n(s) {\n}", "3:1: the snippet 's' is there twice"),
            (
                "a {\n import\n}",
                "2:2: 'import' takes one argument; write 'import SNIPPET' or 'import FILE'",
            ),
            (
                "(s) {\n}\nimport s",
                "3:8: the snippet 's' is imported outside a server block; do that inside one",
            ),
            ("(s) {\n import s\n}", "2:9: no snippet 's' stands above; define it as '(s) { … }'"),
        ] {
            let (_, errors) = shape(text);
            assert_eq!(errors.first().unwrap(), &format!("Corefile:{expected}"), "{text:?}");
        }
    }

    #[test]
    fn depth_and_imports_have_limits() {
        let (_, errors) = shape(&format!("a {{\n{}", "x {\n".repeat(1_000)));
        assert_eq!(errors.first().unwrap(), "Corefile:17:3: blocks lie more than 16 deep here");
        let mut lines = vec!["(s0) {\n x\n}".to_owned()];
        for n in 1..60 {
            lines.push(format!("(s{n}) {{\n import s{0}\n import s{0}\n}}", n - 1));
        }
        let text = lines.join("\n");
        let (_, errors) = shape(&text);
        assert!(errors.first().unwrap().ends_with("imports put more than 10000 lines in place"));
    }

    proptest::proptest! {
        #[test]
        fn no_soup_makes_it_panic(words in proptest::collection::vec("[a-c]|\\{|\\}|,|\\(s\\)|import|s|\"|#|\\n|\\n", 0..80)) {
            shape(&words.join(" "));
        }
    }
}
