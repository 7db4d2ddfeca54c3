//! Files that a Corefile imports: found from the folder that they are named in, each with places of
//! its own, bounded in depth, number and size.

use std::path::Path;

use crate::config::corefile::read;
use crate::config::{Config, ConfigError};
use crate::name::Name;

/// Reads the first of these files; each is a name and a text.
fn read_files(files: &[(&str, &str)]) -> (Result<Config, Vec<ConfigError>>, String) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    (read(&dir.path().join(files[0].0), 53), format!("{}/", dir.path().display()))
}

/// What is said about the files, without the folder that they are in.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let (result, folder) = read_files(files);
    let lines: Vec<String> = match result {
        Ok(config) => config.warnings.iter().map(ToString::to_string).collect(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    lines.iter().map(|line| line.replace(&folder, "")).collect()
}

#[test]
fn files_stand_in_their_place() {
    let (config, _) = read_files(&[
        (
            "Corefile",
            "import shared/*.conf\n. {\n import inner.conf\n import block.*\n}\nimport z*\n",
        ),
        ("shared/a.conf", "(common) {\n bufsize 600\n}\n"),
        ("shared/b.conf", "b.example {\n import common\n import ../inner.conf\n}\n"),
        ("inner.conf", "forward . 192.0.2.1 {\n import except.conf\n}\n"),
        ("except.conf", "except a.example\n"),
        ("block.conf", "errors\nimport common\n"),
        ("z1", "z1.example\nerrors\nforward . 192.0.2.2\n"),
        ("z2", "z2.example {\n}\n"),
    ]);
    let config = config.unwrap();
    let zones: Vec<String> = config.servers.iter().map(|one| one.zones[0].to_string()).collect();
    assert_eq!(zones, ["b.example.", ".", "z1.example.", "z2.example."]);
    assert_eq!(
        config.servers.iter().map(|one| one.bufsize).collect::<Vec<_>>(),
        [600, 600, 1_232, 1_232]
    );
    let excepted = Name::parse("a.example").unwrap();
    for server in &config.servers[..2] {
        assert_eq!(server.forward[0].except, std::slice::from_ref(&excepted));
    }
    assert_eq!(config.warnings, []);
}

#[test]
fn findings_name_the_file_that_they_are_in() {
    let forward = "forward . 192.0.2.1";
    let corefile = |import: &str| format!(". {{\n {forward}\n import {import}\n}}\n");
    for (import, other, expected) in [
        (
            "a.conf",
            "errors\nerorrs\n",
            "a.conf:2:1: unknown directive 'erorrs'; did you mean 'errors'?",
        ),
        ("a.conf", "bufsize 1\n", "a.conf:1:9: '1' is not a whole number from 512 to 4096"),
        ("a.conf", "errors {\n", "a.conf:1:8: this '{' is never closed; end the block with '}'"),
        (
            "a.conf",
            "bufsize {$NOBODY_SETS_THIS}",
            "a.conf:1:9: '' is not a whole number from 512 to 4096",
        ),
        (
            "a.conf",
            "import nowhere.conf",
            "a.conf:1:8: 'nowhere.conf' cannot be imported: No such file or directory (os error 2)",
        ),
        (
            "b.conf",
            "",
            "Corefile:3:9: 'b.conf' cannot be imported: No such file or directory (os error 2)",
        ),
        ("b*.conf", "", "Corefile:3:9: no file fits 'b*.conf'"),
        (
            "*/*.conf",
            "",
            "Corefile:3:9: '*/*.conf' has more wildcards than one '*' and one '?'; import fewer at \
             once",
        ),
        (
            ".",
            "",
            "Corefile:3:9: '.' cannot be read: Is a directory (os error 21); mend its path or who may \
             read it",
        ),
        (
            "snippet",
            "",
            "Corefile:3:9: no snippet 'snippet' stands above; define it as '(snippet) { … }'",
        ),
    ] {
        let found = findings(&[("Corefile", &corefile(import)), ("a.conf", other)]);
        assert_eq!(found, [expected], "{import} {other}");
    }
    // Two files that say the same are two faults.
    let found = findings(&[
        ("Corefile", "import a.server\nimport b.server\n"),
        ("a.server", "a {\n x\n}\n"),
        ("b.server", "b {\n x\n}\n"),
    ]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("a.server:2:2: ") && found[1].starts_with("b.server:2:2: "));
    // A zone that an imported file serves too.
    let found = findings(&[("Corefile", "a {\n}\nimport b\n"), ("b", "\na {\n}\n")]);
    assert_eq!(found, ["b:2:1: the zone a. on port 53 is served by Corefile:1:1 already"]);
}

#[test]
fn imports_have_limits() {
    let found = findings(&[("Corefile", ".\nerrors\nimport Corefile\n")]);
    assert!(
        found.iter().any(|line| line.contains("files import each other more than 8 deep here")),
        "{found:?}"
    );
    let big = "#".repeat(600 * 1_024);
    let found = findings(&[("Corefile", "import a\nimport b\n"), ("a", &big), ("b", &big)]);
    assert_eq!(
        found[0],
        "Corefile:2:8: 'b' is larger than what is left of 1048576 octets for all files"
    );
    let many: Vec<(String, &str)> = (0..1_002).map(|n| (format!("d/{n}"), "")).collect();
    let mut files = vec![("Corefile", "import d/*\n")];
    files.extend(many.iter().map(|(name, text)| (name.as_str(), *text)));
    assert_eq!(findings(&files)[0], "Corefile:1:8: more than 1000 files are imported");
    let (result, _) = read_files(&[("Corefile", ".\nimport a"), ("a", "errors")]);
    assert!(result.is_ok());
    assert!(read(Path::new("/nowhere/Corefile"), 53).is_err());
}
