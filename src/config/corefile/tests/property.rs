//! No input makes the reader panic, and each fault has a place that exists.

use crate::config::corefile::{Surroundings, read_bytes};

proptest::proptest! {
    #[test]
    fn no_octets_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let around = Surroundings { env: &|_| None, interfaces: &Vec::new };
        let _ = read_bytes("Corefile", &bytes, 53, &around);
    }

    #[test]
    fn no_soup_of_words_makes_it_panic(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                ".", ".:53", "a.b", "10.0.0.0/9", "fd00::/7", "tls://.", "{", "}", "\n", "\n", "\n",
                "kubernetes", "pods", "insecure", "ttl", "30", "fallthrough", "namespaces",
                "namespace_labels", "labels", "a in (b,", "manifests", "endpoint", "tls",
                "forward", "192.0.2.1", "except", "max_concurrent", "health_check", "5s", "bind",
                "lo", "health", "lameduck", "errors", "consolidate", "\"", "#", "{$A}", "(s)",
                "acl", "block", "type", "net", "*", "rewrite", "name", "regex", "(a)", "{1}", "answer",
                "auto", "template", "IN", "A", "match", "[", "\"{{ .Name }}\"", "rcode", "NXDOMAIN",
                "hosts", "log", "class", "denial", "transfer", "to", "loadbalance", "weighted",
                "reload", "serve_stale", "verify", "1h", "chaos", "nsid", "debug", "minimal", "file",
                "import", "s", "bufsize", "512", "workers", "cache", "prometheus", ":9153", ",",
            ]),
            0..60,
        )
    ) {
        let around = Surroundings { env: &|name| Some(name.to_owned()), interfaces: &Vec::new };
        let text = words.join(" ");
        // In a folder that is not there, so that no import finds anything.
        let file = "/nonexistent/Corefile";
        if let Err(errors) = read_bytes(file, text.as_bytes(), 53, &around) {
            proptest::prop_assert!(!errors.is_empty());
            let lines = u32::try_from(text.split('\n').count()).unwrap();
            for error in errors {
                if let Some(at) = error.position {
                    proptest::prop_assert!(at.line >= 1 && at.line <= lines && at.column >= 1);
                }
            }
        }
    }
}
