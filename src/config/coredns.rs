//! CoreDNS's own command line, turned into ours, so that the arguments of a Deployment stay as they
//! are.
//!
//! Its options are those of Go's `flag`: one dash or two, a value behind `=` or as the next word, and
//! `=false` to unsay a switch.

use std::ffi::OsString;
use std::path::Path;

use super::command::Exit;
use super::table::DIRECTIVES;

/// What CoreDNS reads where `-conf` is absent, in the working directory.
const DEFAULT_COREFILE: &str = "Corefile";

/// What an option means here.
#[derive(Clone, Copy)]
enum Means {
    /// This option of `serve`, which takes a value.
    Value(&'static str),
    /// This option of `serve`, which takes none.
    Switch(&'static str),
    /// Print the version.
    Version,
    /// Print the directives.
    Plugins,
}

const OPTIONS: &[(&str, Means)] = &[
    ("conf", Means::Value("--conf")),
    ("dns.port", Means::Value("--dns-port")),
    ("p", Means::Value("--dns-port")),
    ("pidfile", Means::Value("--pidfile")),
    ("log-format", Means::Value("--log-format")),
    ("quiet", Means::Switch("--quiet")),
    ("version", Means::Version),
    ("plugins", Means::Plugins),
];

/// Turns CoreDNS's command line into ours; any other one comes back as it is.
pub(super) fn as_ours(args: Vec<OsString>) -> Result<Vec<OsString>, Exit> {
    let first = args.get(1).and_then(|arg| option(arg));
    // `--version` says the same in both, and a command in front makes the line ours.
    if first.is_none() {
        return Ok(args);
    }
    let mut ours: Vec<OsString> = args.iter().take(1).cloned().collect();
    ours.push("serve".into());
    let mut has_conf = false;
    for arg in args.into_iter().skip(1) {
        let Some((name, means, value)) = option(&arg) else {
            ours.push(arg);
            continue;
        };
        match means {
            Means::Value(option) => {
                has_conf |= option == "--conf";
                ours.push(option.into());
                ours.extend(value.map(OsString::from));
            }
            Means::Switch(option) => {
                ours.extend(is_on(name, value.as_deref())?.then(|| option.into()));
            }
            Means::Version => {
                if is_on(name, value.as_deref())? {
                    return Err(Exit::Print(version()));
                }
            }
            Means::Plugins => {
                if is_on(name, value.as_deref())? {
                    return Err(Exit::Print(plugins()));
                }
            }
        }
    }
    if !has_conf {
        if !Path::new(DEFAULT_COREFILE).exists() {
            return Err(Exit::Fault(
                "there is no file 'Corefile' here; add -conf FILE, or write 'fingerpost serve' \
                 with --listen ADDR:PORT"
                    .into(),
            ));
        }
        ours.extend(["--conf", DEFAULT_COREFILE].map(OsString::from));
    }
    Ok(ours)
}

/// An option of CoreDNS's, what it means, and its value where that stands behind `=`.
fn option(arg: &OsString) -> Option<(&'static str, Means, Option<String>)> {
    let word = arg.to_str()?.strip_prefix('-')?;
    let word = word.strip_prefix('-').unwrap_or(word);
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (word, None),
    };
    let (name, means) = OPTIONS.iter().find(|(known, _)| *known == name)?;
    Some((name, *means, value))
}

/// Whether a switch is on, as Go reads its value.
fn is_on(name: &str, value: Option<&str>) -> Result<bool, Exit> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(Exit::Fault(format!(
            "'{other}' is no value of -{name}; write -{name}, -{name}=true or -{name}=false"
        ))),
    }
}

fn version() -> String {
    format!("fingerpost {}\n", env!("CARGO_PKG_VERSION"))
}

/// The directives that are read, in the order in which they act, one a line.
fn plugins() -> String {
    let read = DIRECTIVES.iter().filter(|known| known.fate.is_read());
    read.map(|known| format!("{}\n", known.name)).collect::<Vec<_>>().concat()
}
