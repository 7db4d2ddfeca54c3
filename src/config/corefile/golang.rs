//! What a Corefile says in Go's words: the templates of records, and the placeholders of log lines.

use crate::config::Log;

/// What a template of a record may take from the query, behind a dot.
const FIELDS: &[&str] = &[
    "Zone", "Name", "Regex", "Match", "Group", "Class", "Type", "Message", "Question", "Remote",
    "Meta", "Var",
];

/// Checks the shape of a template: each `{{` is closed and holds something, quotes end, and what is
/// taken from the query is there to be taken.
pub(super) fn check_template(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        if before.contains("}}") {
            return Err(format!("'{text}' has a '}}}}' that closes nothing"));
        }
        let (action, after) = action(behind)
            .ok_or_else(|| format!("'{text}' has a '{{{{' that is never closed by '}}}}'"))?;
        check_action(action).map_err(|message| format!("'{text}': {message}"))?;
        rest = after;
    }
    if rest.contains("}}") {
        return Err(format!("'{text}' has a '}}}}' that closes nothing"));
    }
    Ok(())
}

/// Splits what stands up to the `}}` that is not in quotes from what stands behind it.
fn action(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) => {
                if !escaped && c == open {
                    quote = None;
                }
                escaped = !escaped && c == '\\' && open == '"';
            }
            None if matches!(c, '"' | '`') => quote = Some(c),
            None => {
                if let Some(after) = text.get(at..).and_then(|rest| rest.strip_prefix("}}")) {
                    return Some((text.get(..at)?, after));
                }
            }
        }
    }
    None
}

fn check_action(action: &str) -> Result<(), String> {
    let inner = action.trim_matches(|c: char| c.is_whitespace() || c == '-');
    if inner.is_empty() {
        return Err("an action is empty; write one such as {{ .Name }}".into());
    }
    if inner.starts_with("/*") {
        return Ok(());
    }
    let words = inner.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|' | ','));
    for field in words.filter_map(|word| word.strip_prefix('.')).filter(|field| !field.is_empty()) {
        let first = field.split('.').next().unwrap_or_default();
        if !FIELDS.contains(&first) {
            let known = super::words::nearest(first, FIELDS).map_or_else(
                || format!("known are {}", FIELDS.join(", ")),
                |near| format!("did you mean '.{near}'?"),
            );
            return Err(format!("a query has no '.{first}'; {known}"));
        }
    }
    Ok(())
}

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
    fn templates() {
        for text in [
            "",
            "{{ .Name }} 60 IN A 192.0.2.1",
            "{{.Name}} 60 IN A {{ .Group.a }}.{{ index .Match 1 }}",
            "{{ .Name }} 60 IN TXT \"{{ .Meta \"kubernetes/client-pod-name\" }}\"",
            "{{ .Zone }} 60 IN SOA ns.{{ .Zone }} h.{{ .Zone }} (1 60 60 60 60)",
            "{{- range .Match }}{{ . }}{{ end -}}",
            "{{ (index .Question 0).Name | printf \"%s}}\" }}",
            "{{/* nothing */}}",
        ] {
            assert_eq!(check_template(text), Ok(()), "{text}");
        }
        for (text, expected) in [
            ("{{ .Name", "'{{ .Name' has a '{{' that is never closed by '}}'"),
            ("{{ \"}}", "'{{ \"}}' has a '{{' that is never closed by '}}'"),
            (".Name }}", "'.Name }}' has a '}}' that closes nothing"),
            ("{{ }}", "'{{ }}': an action is empty; write one such as {{ .Name }}"),
            ("{{ .Nmae }}", "'{{ .Nmae }}': a query has no '.Nmae'; did you mean '.Name'?"),
        ] {
            assert_eq!(check_template(text), Err(expected.into()), "{text}");
        }
    }

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
            let _ = check_template(&text);
            let _ = unknown_placeholder(&text);
        }
    }
}
