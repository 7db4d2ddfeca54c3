//! The words that a Corefile may hold, and the nearest one to a word that it may not.

use crate::config::table::{self, DIRECTIVES};

/// The largest number of edits at which a word is still taken for another: a third of its length,
/// but never more than this.
const MAX_EDITS: usize = 3;

/// The message for a word that stands where a directive belongs and is none.
pub(super) fn unknown_directive(word: &str) -> String {
    if let Some(cure) = table::gone(word) {
        return format!("'{word}' is no directive any more: {cure}");
    }
    format!("unknown directive '{word}'{}", suggestion(word, &directives()))
}

/// What may stand in a server block and does something, from A to Z.
fn directives() -> Vec<&'static str> {
    let read = DIRECTIVES.iter().filter(|known| known.fate.is_read()).map(|known| known.name);
    let mut words: Vec<&str> = read.chain(["import"]).collect();
    words.sort_unstable();
    words
}

/// The message for a word that stands where an option of `directive` belongs and is none.
pub(super) fn unknown_option(directive: &str, word: &str, known: &[&str]) -> String {
    format!("unknown option '{word}' of '{directive}'{}", suggestion(word, known))
}

/// `; did you mean 'x'?`, or which words there are where none is near.
fn suggestion(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("; did you mean '{near}'?"),
        None if known.is_empty() => "; it takes none".into(),
        None => format!("; known are {}", known.join(", ")),
    }
}

/// The known word that is fewest edits (a letter more, less, other, or swapped with its neighbour)
/// away, the first of several; nothing where all are far.
pub(in crate::config) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = word.chars().count().div_ceil(3).min(MAX_EDITS);
    let word = word.to_lowercase();
    known
        .iter()
        .map(|&other| (strsim::damerau_levenshtein(&word, &other.to_lowercase()), other))
        .min_by_key(|&(edits, _)| edits)
        .filter(|&(edits, _)| edits <= limit)
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word() {
        for (word, expected) in [
            ("kubernets", Some("kubernetes")),
            ("kuberentes", Some("kubernetes")),
            ("Kubernetes", Some("kubernetes")),
            ("fowrard", Some("forward")),
            ("foward", Some("forward")),
            ("erors", Some("errors")),
            ("helth", Some("health")),
            ("logs", Some("log")),
            ("bnd", Some("bind")),
            ("x", None),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &directives()), expected, "{word}");
        }
    }
}
