//! A Corefile, read with CoreDNS's meaning into a [`Config`].
//!
//! What is unknown is a fault with its place and the nearest known word. What is known and has no
//! effect here is a warning; what is known, not built yet, and would change answers or protection is
//! a fault, so that nobody runs without a guard that the file asks for. Files that a Corefile names
//! count from the working directory, as CoreDNS has it; those that it imports from its own folder.

mod address;
mod args;
mod bind;
mod block;
mod cache;
mod forward;
mod golang;
mod guard;
mod kubernetes;
mod lexer;
mod mnemonics;
mod operate;
mod parser;
mod records;
mod reply;
mod rewrite;
mod source;
#[cfg(test)]
mod tests;
mod words;

pub use mnemonics::{class_mnemonic, class_number, type_mnemonic, type_number};
pub(in crate::config) use words::nearest;

use std::path::Path;

pub use mnemonics::{class_name, type_name};

use super::error::{ConfigError, Findings};
use super::{Config, Interface, interfaces, no_upstream};

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
    if config.servers.iter().all(|server| server.forward.is_empty()) {
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
