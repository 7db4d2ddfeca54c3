//! The program `resolve.c`, built with each libc that a cluster's pods have.

use std::path::Path;
use std::process::Command;

use crate::installed::installed;

/// A libc, by the compiler that builds with it.
pub(crate) struct Libc {
    pub(crate) name: &'static str,
    compiler: &'static str,
    cure: &'static str,
    arguments: &'static [&'static str],
}

pub(crate) const LIBCS: [Libc; 2] = [
    Libc { name: "glibc", compiler: "cc", cure: "it is in Debian's gcc", arguments: &[] },
    Libc {
        name: "musl",
        compiler: "musl-gcc",
        cure: "it is in Debian's musl-tools",
        arguments: &["-static"],
    },
];

impl Libc {
    /// Builds the program as this file; whether its compiler is installed.
    pub(crate) fn build(&self, file: &Path) -> bool {
        let Some(compiler) = installed(self.compiler, &[], self.cure) else { return false };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libc/resolve.c");
        let built = Command::new(compiler)
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-o"])
            .arg(file)
            .arg(source)
            .args(self.arguments)
            .output()
            .expect("a compiler");
        assert!(built.status.success(), "{}: {built:?}", self.name);
        true
    }
}
