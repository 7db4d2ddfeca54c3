//! What a Corefile says in the words of CoreDNS's libraries: the placeholders of log lines.

use crate::config::Log;

/// The first word in braces of a log line that is no placeholder.
pub(super) fn unknown_placeholder(format: &str) -> Option<&str> {
    let mut rest = format;
    while let Some(open) = rest.find('{') {
        let from = rest.get(open..)?;
        let close = from.find('}')?;
        let found = from.get(..=close)?;
        // As CoreDNS has it: of '{ {name} }', only the inner one counts.
        let inner = found.get(found.rfind('{')?..)?;
        if !Log::PLACEHOLDERS.contains(&inner) && !inner.starts_with("{/") {
            return Some(inner);
        }
        rest = from.get(close + 1..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders() {
        for text in ["", "{remote}:{port} {>id} { {name} } {/kubernetes/service} {", "}"] {
            assert_eq!(unknown_placeholder(text), None, "{text}");
        }
        assert_eq!(unknown_placeholder("{remote} {nmae}"), Some("{nmae}"));
        assert_eq!(unknown_placeholder("{>nothing}"), Some("{>nothing}"));
        assert_eq!(unknown_placeholder("{cause} {>flags}"), Some("{>flags}"));
    }

    proptest::proptest! {
        #[test]
        fn no_soup_makes_them_panic(text in "[{}.\"`\\\\\\-/a ü]{0,40}") {
            let _ = unknown_placeholder(&text);
        }
    }
}
