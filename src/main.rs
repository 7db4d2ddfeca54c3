//! The `fingerpost` binary: reads the command line and hands it to the room that it is for.
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use fingerpost::config::{self, Command, Exit};
use fingerpost::ops;

/// A wrong command line or configuration, or a fault of starting.
const WRONG: u8 = 2;
/// A fault while running, one that `check` has found, or a difference that `diff` has.
const FAULT: u8 = 1;

fn main() -> ExitCode {
    let command = match config::read(std::env::args_os()) {
        Ok(command) => command,
        Err(exit) => {
            match &exit {
                Exit::Print(text) => print!("{text}"),
                Exit::Fault(line) => eprintln!("fingerpost: {line}"),
            }
            return exit.code().into();
        }
    };
    match command {
        Command::Serve(run) => {
            ops::start_logs(&run.log);
            ended(ops::serve(&run), WRONG)
        }
        Command::Dump { from, run } => {
            ops::start_logs(&run.log);
            ended(ops::dump(&run, from.as_deref(), io::stdout().lock()), WRONG)
        }
        Command::Diff(comparison) => {
            ops::start_logs(&comparison.log);
            match ops::diff(&comparison, io::stdout().lock()) {
                Ok(false) => ExitCode::SUCCESS,
                Ok(true) => FAULT.into(),
                Err(error) => ended(Err(error), WRONG),
            }
        }
        Command::Check { corefile, manifests } => {
            match ops::check(corefile.as_deref(), &manifests, io::stdout().lock()) {
                Ok(false) => ExitCode::SUCCESS,
                Ok(true) => FAULT.into(),
                Err(error) => ended(Err(error.into()), FAULT),
            }
        }
        Command::Explain(explain, run) => {
            ops::start_logs(&run.log);
            match ops::explain(&run, &explain, io::stdout().lock()) {
                Ok(code) => code.into(),
                Err(error) => ended(Err(error), WRONG),
            }
        }
    }
}

fn ended(result: anyhow::Result<()>, code: u8) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fingerpost: {error:#}");
            code.into()
        }
    }
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
