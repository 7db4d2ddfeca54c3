//! A Corefile, read with CoreDNS's meaning into a [`Config`].
//!
//! What is unknown is a fault with its place and the nearest known word. What is known and has no
//! effect here is a warning; what is known, not built yet, and would change answers or protection is
//! a fault, so that nobody runs without a guard that the file asks for. Files that a Corefile names
//! count from the working directory, as CoreDNS has it; those that it imports from its own folder.

mod address;
mod block;
mod forward;
mod kubernetes;
mod lexer;
mod parser;
mod plain;
mod source;
#[cfg(test)]
mod tests;
mod words;

use std::path::Path;

use super::error::{ConfigError, Findings};
use super::{Config, Interface, interfaces, no_upstream};
use parser::Directive;

/// What a Corefile can ask of the machine that it is read on; tests have their own.
struct Surroundings<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    interfaces: &'a dyn Fn() -> Vec<Interface>,
}

/// Reads the Corefile at `path`; zones that name no port are served on `default_port`.
///
/// Every fault that can be told from the others is reported, in the order of the file.
pub fn read(path: &Path, default_port: u16) -> Result<Config, Vec<ConfigError>> {
    let around = Surroundings { env: &|name| std::env::var(name).ok(), interfaces: &interfaces };
    let file = path.display().to_string();
    let whole = |message| vec![ConfigError { file: file.clone(), position: None, message }];
    let bytes = source::octets(path, source::MAX_COREFILE).map_err(whole)?;
    read_bytes(&file, &bytes, default_port, &around)
}

fn read_bytes(
    file: &str,
    bytes: &[u8],
    default_port: u16,
    around: &Surroundings<'_>,
) -> Result<Config, Vec<ConfigError>> {
    let mut findings = Findings::new(file);
    let Some(text) = source::text(bytes, 0, &mut findings) else { return Err(findings.errors) };
    let blocks = parser::parse(Path::new(file), text, around.env, &mut findings);
    if blocks.is_empty() && findings.errors.is_empty() {
        findings.error(None, "there is no server block; write one such as '.:53 { … }'");
    }
    let mut config = Config::default();
    let mut drafts = Vec::new();
    for block in &blocks {
        drafts.push(block::read(block, default_port, around, &mut config, &mut findings));
    }
    address::check_overlaps(&drafts, &mut findings);
    for (number, draft) in drafts.into_iter().enumerate() {
        config.servers.extend(draft.into_servers(number));
    }
    if config.servers.iter().all(|server| server.forward.is_none()) {
        findings.warnings.push(no_upstream("add 'forward . ADDR' to a server block"));
    }
    if findings.errors.is_empty() {
        config.warnings.append(&mut findings.warnings);
        return Ok(config);
    }
    findings.errors.sort_by_key(|error| error.position);
    findings.errors.dedup();
    Err(findings.errors)
}

impl Directive {
    /// Whether there are neither too few nor too many arguments; `usage` is how it is written.
    fn has_args(&self, least: usize, most: usize, usage: &str, findings: &mut Findings) -> bool {
        let name = &self.name.text;
        if self.args.len() < least {
            findings.error(self.name.at, format!("'{name}' lacks an argument; write '{usage}'"));
            return false;
        }
        if let Some(extra) = self.args.get(most) {
            findings.error(
                extra.at,
                format!("'{}' is one argument too many for '{name}'; write '{usage}'", extra.text),
            );
            return false;
        }
        true
    }

    /// The one argument that must be there, and no block.
    fn single(&self, usage: &str, findings: &mut Findings) -> Option<&lexer::Token> {
        self.has_no_block(findings);
        if self.has_args(1, 1, usage, findings) { self.args.first() } else { None }
    }

    fn has_no_block(&self, findings: &mut Findings) {
        if self.body.is_some() {
            findings.error(self.name.at, format!("'{}' takes no block", self.name.text));
        }
    }

    fn options(&self) -> &[Self] {
        self.body.as_deref().unwrap_or_default()
    }

    fn text_args(&self) -> impl Iterator<Item = &str> {
        self.args.iter().map(|arg| arg.text.as_str())
    }
}

/// Reads `token` with `parse`; what is wrong with it is reported at its place.
fn value<T>(
    token: &lexer::Token,
    findings: &mut Findings,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    parse(&token.text).map_err(|message| findings.error(token.at, message)).ok()
}

/// Reads a whole number from `least` to `most`.
fn number(token: &lexer::Token, least: u64, most: u64, findings: &mut Findings) -> Option<u64> {
    value(token, findings, |text| {
        text.parse().ok().filter(|n| (least..=most).contains(n)).ok_or_else(|| match most {
            u64::MAX => format!("'{text}' is not a whole number of at least {least}"),
            _ => format!("'{text}' is not a whole number from {least} to {most}"),
        })
    })
}
