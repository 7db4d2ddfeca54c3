//! What is said of a panic. Threads and tasks that serve survive theirs; what is lost with one, whoever
//! catches it says.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::thread;

use crate::config::Config;

/// From now on a panic is one line of the log, with its stack where an `errors` wants that by
/// `stacktrace`.
pub(super) fn log(config: &Config) {
    let wants_stack = |block: &crate::config::ServerBlock| {
        block.errors.as_ref().is_some_and(|errors| errors.stacktrace)
    };
    let stack = config.servers.iter().any(wants_stack);
    panic::set_hook(Box::new(move |info| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        let told = sentence(name, info.payload_as_str(), &place(info));
        if stack {
            tracing::error!("{told}\n{}", Backtrace::force_capture());
        } else {
            tracing::error!("{told}; 'errors' with 'stacktrace' would tell the stack");
        }
    }));
}

fn place(info: &PanicHookInfo<'_>) -> String {
    info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string)
}

fn sentence(thread: &str, said: Option<&str>, place: &str) -> String {
    let said = said.unwrap_or("nothing that is text");
    format!("the thread {thread} panicked at {place}: {said}; please report this")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_sentence() {
        let told = sentence("udp-0", Some("no such slot"), "src/a.rs:1:2");
        let expected =
            "the thread udp-0 panicked at src/a.rs:1:2: no such slot; please report this";
        assert_eq!(told, expected);
        assert!(sentence("log", None, "src/a.rs:1:2").contains(": nothing that is text;"));
    }
}
