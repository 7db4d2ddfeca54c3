//! What valgrind's callgrind counts of a program, and which of the instructions that were executed are
//! locked, after what objdump says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

/// Has the C library copy and compare in the way that every x86-64 knows, so that counts from machines
/// with different processors are the same.
const PLAIN: &str = "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX2_Usable,-AVX_Usable,-ERMS,-FSRM,-SSSE3,-SSE4_1,\
                     -AVX_Fast_Unaligned_Load,-Fast_Copy_Backward,-Fast_Unaligned_Copy";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Octets of the longest instruction of any machine.
const INSTRUCTION_MOST: u64 = 15;
/// What atomic read-modify-writes of aarch64 begin with: exclusive pairs, and what LSE has for them.
const AARCH64: [&str; 13] = [
    "ldxr", "ldaxr", "stxr", "stlxr", "cas", "swp", "ldadd", "ldclr", "ldeor", "ldset", "ldsm",
    "ldum", "stadd",
];

/// One run.
pub struct Counted {
    /// Instructions that were executed.
    pub instructions: u64,
    /// Where they stand: by file, their addresses in it.
    executed: BTreeMap<String, BTreeSet<u64>>,
}

/// Whether a program is here.
pub fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs this program once more with these arguments, and counts within the functions whose names hold
/// `within`.
pub fn run(within: &str, arguments: &[&str]) -> Result<Counted> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("out");
    let told = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-instr=yes", "--compress-pos=no"])
        .args(["--compress-strings=no", &format!("--toggle-collect=*{within}*")])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe()?)
        .args(arguments)
        .env("GLIBC_TUNABLES", PLAIN)
        .output()?;
    if !told.status.success() {
        return Err(String::from_utf8_lossy(&told.stderr).into());
    }
    Counted::read(&std::fs::read_to_string(&file)?)
}

impl Counted {
    /// Reads callgrind's format, version 1, with instruction addresses.
    fn read(text: &str) -> Result<Self> {
        let mut counted = Self { instructions: 0, executed: BTreeMap::new() };
        let mut object = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("ob=") {
                object = name;
            } else if let Some(total) = line.strip_prefix("totals: ") {
                counted.instructions = total.trim().parse()?;
            } else if let Some(position) = line.strip_prefix("0x") {
                let address = position.split(' ').next().unwrap_or_default();
                let address = u64::from_str_radix(address, 16)?;
                match counted.executed.get_mut(object) {
                    Some(addresses) => addresses.insert(address),
                    None => counted.executed.insert(object.into(), [address].into()).is_none(),
                };
            }
        }
        if counted.instructions == 0 || counted.executed.is_empty() {
            return Err("callgrind has counted nothing; is the function inlined?".into());
        }
        Ok(counted)
    }

    /// The locked ones of the instructions that were executed. An error where an instruction is not to
    /// be found: then nothing can be said.
    pub fn locked(&self) -> Result<Vec<String>> {
        let mut locked = Vec::new();
        for (object, executed) in &self.executed {
            let instructions = disassembled(Path::new(object), executed)?;
            for address in executed {
                let text = instructions.get(address).ok_or_else(|| {
                    format!("objdump shows no instruction at {address:#x} of {object}")
                })?;
                if is_locked(text) {
                    locked.push(format!("{object}: {address:#x}: {text}"));
                }
            }
        }
        Ok(locked)
    }
}

/// The instructions of an object by their addresses, from the first to the last of these.
fn disassembled(object: &Path, addresses: &BTreeSet<u64>) -> Result<BTreeMap<u64, String>> {
    let (first, last) = (addresses.first().unwrap_or(&0), addresses.last().unwrap_or(&0));
    let told = Command::new("objdump")
        .args(["--disassemble", "--no-show-raw-insn"])
        .arg(format!("--start-address={first:#x}"))
        .arg(format!("--stop-address={:#x}", last + INSTRUCTION_MOST))
        .arg(object)
        .output()?;
    if !told.status.success() {
        return Err(String::from_utf8_lossy(&told.stderr).into());
    }
    let text = String::from_utf8_lossy(&told.stdout);
    let instruction = |line: &str| {
        let (address, text) = line.split_once(":\t")?;
        let address = u64::from_str_radix(address.trim(), 16).ok()?;
        addresses.contains(&address).then(|| (address, text.trim().to_owned()))
    };
    Ok(text.lines().filter_map(instruction).collect())
}

/// Whether an instruction, as objdump writes it, is an atomic read-modify-write.
fn is_locked(text: &str) -> bool {
    if cfg!(target_arch = "aarch64") {
        return AARCH64.iter().any(|prefix| text.starts_with(prefix));
    }
    // An exchange with memory locks without being told to.
    text.starts_with("lock") || text.starts_with("xchg") && text.contains('(')
}
