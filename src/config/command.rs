//! A command line, read into the one [`Command`] that it asks for.
//!
//! What is wrong with it is one line that names the option or the file and place, and the cure; so
//! clap's own reports, which span lines, are boiled down here.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;

use super::flags::{
    Cli, DEFAULT_PORT, ExplainOptions, LogLevel, LogOptions, Output, Pod, RunOptions, Sub,
};
use super::{Config, ConfigError, coredns, corefile, quick, unbuilt};

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Answer DNS.
    Serve(Run),
    /// Print the zone.
    Dump {
        /// Where it is had from in place of the sources of the run: a server, a snapshot or the like.
        from: Option<String>,
        /// Sources and zones.
        run: Run,
    },
    /// Compare zones.
    Diff(Comparison),
    /// Say what a name answers, and why.
    Explain(Explain, Run),
    /// Report faults of files; at least one is named.
    Check {
        /// The Corefile.
        corefile: Option<PathBuf>,
        /// Files and folders of manifests.
        manifests: Vec<PathBuf>,
    },
}

/// What is to be explained, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explain {
    /// The name in lower case, with or without its last dot.
    pub name: String,
    /// The mnemonic of a record type; all where absent.
    pub record_type: Option<String>,
    /// The pod that asks.
    pub from: Option<Pod>,
    /// Its resolv.conf, where that is not kubelet's.
    pub resolv_conf: Option<PathBuf>,
    /// The server to ask, in place of the sources.
    pub server: Option<SocketAddr>,
    /// Whether a last known good state is the source, and no API server.
    pub of_snapshot: bool,
    /// The form.
    pub output: Output,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Two servers, snapshots, manifests or dumps.
    pub sides: [String; 2],
    /// The zones, and how objects become answers in them.
    pub config: Config,
    /// Another serial is a difference too.
    pub serial: bool,
    /// Everything about logs.
    pub log: LogOptions,
}

/// What a run is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Everything about answers.
    pub config: Config,
    /// Everything about logs.
    pub log: LogOptions,
    /// Where the number of the process is written while it serves.
    pub pid_file: Option<PathBuf>,
    /// The Corefile that the configuration was read from, to be read again.
    pub corefile: Option<Corefile>,
    /// Where sockets are taken over from an earlier process and offered to a later one.
    pub hand_over: Option<PathBuf>,
}

/// Where a configuration is read from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Corefile {
    /// The file.
    pub path: PathBuf,
    /// The port of zones that name none.
    pub default_port: u16,
}

/// Reads a Corefile once more, as [`read`] did. The error is one line that names the first fault.
pub fn read_again(corefile: &Corefile) -> Result<Config, String> {
    let mut config = corefile::read(&corefile.path, corefile.default_port)
        .map_err(|errors| first_of(&errors, &corefile.path))?;
    unbuilt::judge_snapshots(&mut config)?;
    Ok(config)
}

/// Why there is nothing to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Print this text on standard output and exit with 0: help, or the version.
    Print(String),
    /// Print this one line on standard error and exit with 2.
    Fault(String),
}

impl Exit {
    /// The exit status.
    pub fn code(&self) -> u8 {
        match self {
            Self::Print(_) => 0,
            Self::Fault(_) => 2,
        }
    }
}

/// Reads a command line, its first word the program's name, and the Corefile that it names.
pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Command, Exit> {
    let args = coredns::as_ours(args.into_iter().collect())?;
    let cli = Cli::try_parse_from(args).map_err(|error| boil_down(&error))?;
    let run = |options: RunOptions| {
        let (mut log, pid_file) = (options.log, options.pid_file.clone());
        let hand_over = options.hand_over.clone();
        let default_port = options.dns_port.unwrap_or(DEFAULT_PORT);
        let corefile = options.conf.clone().map(|path| Corefile { path, default_port });
        let mut config = configure(options)?;
        if config.servers.iter().any(|server| server.debug) && log.level != LogLevel::Trace {
            log.level = LogLevel::Debug;
        }
        unbuilt::judge_snapshots(&mut config).map_err(Exit::Fault)?;
        Ok(Run { config, log, pid_file, corefile, hand_over })
    };
    match cli.command {
        Sub::Serve(options) => Ok(Command::Serve(run(options)?)),
        Sub::Dump { from, run: options } => {
            let beside = options.conf.is_some() || !options.quick.manifests.is_empty();
            if let (Some(from), true) = (&from, beside) {
                return Err(Exit::Fault(format!(
                    "dump: '{from}' and a source of the options cannot stand together; drop one"
                )));
            }
            Ok(Command::Dump { from, run: run(options)? })
        }
        Sub::Diff { first, second, options } => {
            let (serial, log) = (options.serial, options.log);
            let config = quick::configure(options.quick()).map_err(Exit::Fault)?;
            Ok(Command::Diff(Comparison { sides: [first, second], config, serial, log }))
        }
        Sub::Explain { explain, run: options } => {
            let ExplainOptions { name, record_type, from, resolv_conf, server, output } = explain;
            // ANY is every type there is.
            let record_type = record_type.filter(|rtype| rtype != "ANY");
            let quick = &options.quick;
            if name.is_empty() {
                return Err(Exit::Fault("explain: the name is empty; write one".into()));
            }
            let beside = options.conf.is_some()
                || !quick.manifests.is_empty()
                || quick.snapshot.is_some()
                || quick.kubeconfig.is_some()
                || quick.context.is_some();
            if server.is_some() && beside {
                return Err(Exit::Fault(
                    "explain: --server and another source cannot stand together; drop one".into(),
                ));
            }
            let of_snapshot =
                quick.snapshot.is_some() && quick.kubeconfig.is_none() && quick.context.is_none();
            let explain =
                Explain { name, record_type, from, resolv_conf, server, of_snapshot, output };
            Ok(Command::Explain(explain, run(options)?))
        }
        Sub::Check { conf: None, manifests } if manifests.is_empty() => Err(Exit::Fault(
            "check: nothing is named; add -c FILE for a Corefile or --manifests PATH".into(),
        )),
        Sub::Check { conf: corefile, manifests } => Ok(Command::Check { corefile, manifests }),
    }
}

fn configure(options: RunOptions) -> Result<Config, Exit> {
    let RunOptions { conf, quick, dns_port, .. } = options;
    let Some(path) = conf else {
        if dns_port.is_some() {
            return Err(Exit::Fault(
                "-dns.port is for a Corefile; add -c FILE, or write --listen ADDR:PORT".into(),
            ));
        }
        let config = quick::configure(quick).map_err(Exit::Fault)?;
        return Ok(config);
    };
    if let Some(option) = quick.first_given() {
        return Err(Exit::Fault(format!(
            "-c/--conf and {option} cannot stand together; drop {option} and write it into {}",
            path.display()
        )));
    }
    corefile::read(&path, dns_port.unwrap_or(DEFAULT_PORT))
        .map_err(|errors| Exit::Fault(first_of(&errors, &path)))
}

/// The first fault, and where the others are to be seen.
fn first_of(errors: &[ConfigError], path: &Path) -> String {
    let first = errors.first().map(ToString::to_string).unwrap_or_default();
    match errors.len() {
        0 | 1 => first,
        n => format!(
            "{first} (and {} more; 'fingerpost check -c {}' lists them)",
            n - 1,
            path.display()
        ),
    }
}

fn boil_down(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Exit::Print(text),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            return Exit::Fault(
                "no command is given; write serve, explain, check, dump or diff ('fingerpost --help' says more)"
                    .into(),
            );
        }
        _ => {}
    }
    // What follows is a reminder of the usage; the fault itself stands in front of it.
    let fault = ["\nUsage:", "\nFor more information"]
        .into_iter()
        .fold(text.as_str(), |text, end| text.split(end).next().unwrap_or(text));
    let paragraphs: Vec<String> = fault
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    let line = paragraphs.join("; ");
    Exit::Fault(line.strip_prefix("error: ").unwrap_or(&line).to_owned())
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
