//! Runs the binary: to its end, or beside the test.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tempfile::TempDir;

/// Long enough for a busy machine: no test waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a run that has ended left behind.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A folder of its own for each test, and the binary run in it.
pub(crate) struct Room(TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, text).expect("written");
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fingerpost"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // As in an image that holds no authorities.
        command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let child = self.command(args).spawn().expect("the binary starts");
        let guard = Guard(Some(child));
        guard.ended(args)
    }

    /// Runs `serve` with these options beside the test, on a port of its own.
    pub(crate) fn serve(&self, args: &[&str]) -> Served {
        self.serve_by(&[&["serve"], args].concat())
    }

    /// Runs a command line that serves, on a port that it tells.
    pub(crate) fn serve_by(&self, line: &[&str]) -> Served {
        Served::new(self.command(line).spawn().expect("the binary starts"))
    }

    /// Runs a command line that serves on `address` and may not tell.
    pub(crate) fn run_beside(&self, line: &[&str], address: SocketAddr) -> Served {
        let child = self.command(line).spawn().expect("the binary starts");
        Served { address, ..Served::read(child) }
    }
}

/// Manifests of the examples that come with the crate.
pub(crate) fn examples() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples").display().to_string()
}

/// Ends its process, whatever becomes of the test.
struct Guard(Option<Child>);

impl Guard {
    fn ended(mut self, args: &[&str]) -> Ended {
        let limit = Instant::now() + PATIENCE;
        while self.0.as_mut().expect("running").try_wait().expect("status").is_none() {
            assert!(Instant::now() < limit, "still running: {args:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        let output = self.0.take().expect("there").wait_with_output().expect("output");
        let text = |octets| String::from_utf8(octets).expect("UTF-8");
        Ended {
            code: output.status.code().expect("a code, not a signal"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A server beside the test.
pub(crate) struct Served {
    child: Guard,
    lines: Arc<Mutex<Vec<String>>>,
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Waits until it listens.
    pub(crate) fn new(child: Child) -> Self {
        let mut served = Self::read(child);
        let line = served.told("listening");
        // As text, or in JSON.
        let rest = line.split_once("addr=").or_else(|| line.split_once("\"addr\":\""));
        let address = rest.and_then(|(_, rest)| rest.split([' ', '"']).next());
        served.address = address.expect("an address").parse().expect("an address");
        served
    }

    /// Reads what the process logs.
    fn read(mut child: Child) -> Self {
        let lines = lines_of(child.stderr.take().expect("a pipe"));
        let nowhere = SocketAddr::from(([0; 4], 0));
        Self { child: Guard(Some(child)), lines, address: nowhere }
    }

    /// Begins to read standard output, which nobody does before.
    pub(crate) fn output(&mut self) -> Output {
        let child = self.child.0.as_mut().expect("running");
        Output(lines_of(child.stdout.take().expect("a pipe that nobody reads yet")))
    }

    /// Waits for a line of the log that holds this.
    pub(crate) fn told(&self, part: &str) -> String {
        let limit = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines.lock().expect("no panic").clone();
            if let Some(line) = lines.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            assert!(Instant::now() < limit, "never told {part}: {lines:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many lines of the log hold this.
    pub(crate) fn times_told(&self, part: &str) -> usize {
        self.lines.lock().expect("no panic").iter().filter(|line| line.contains(part)).count()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.0.as_ref().expect("running").id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.pid());
        let status = Command::new("sh").args(["-c", &command]).status().expect("sh");
        assert!(status.success(), "{command}");
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let limit = Instant::now() + PATIENCE;
        let child = self.child.0.as_mut().expect("running");
        loop {
            if let Some(status) = child.try_wait().expect("status") {
                return status;
            }
            assert!(Instant::now() < limit, "still running");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn socket(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        socket.connect(self.address).expect("connect");
        socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
        socket
    }

    /// The addresses of a name, sorted, or the response code.
    pub(crate) fn a(&self, name: &str) -> Result<Vec<String>, ResponseCode> {
        let socket = self.socket();
        socket.send(&query(9, name)).expect("send");
        let mut room = [0; 4096];
        let length = socket.recv(&mut room).expect("a response");
        let message = Message::from_vec(&room[..length]).expect("a message");
        if message.metadata.response_code != ResponseCode::NoError {
            return Err(message.metadata.response_code);
        }
        let mut all: Vec<String> =
            message.answers.iter().map(|record| record.data.to_string()).collect();
        all.sort();
        Ok(all)
    }

    /// Waits until a name has this one address, and says how long that took.
    pub(crate) fn until(&self, name: &str, address: &str) -> Duration {
        let start = Instant::now();
        loop {
            let found = self.a(name);
            if found.as_ref().is_ok_and(|found| found[..] == [address]) {
                return start.elapsed();
            }
            assert!(start.elapsed() < PATIENCE, "{name} is {found:?}, not {address}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What a process writes to standard output.
pub(crate) struct Output(Arc<Mutex<Vec<String>>>);

impl Output {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }

    /// Waits until there are so many lines.
    pub(crate) fn until(&self, count: usize) -> Vec<String> {
        let limit = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines();
            if lines.len() >= count {
                return lines;
            }
            assert!(Instant::now() < limit, "{} lines, not {count}: {lines:?}", lines.len());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Lines as they come, read by a thread that ends with the pipe.
fn lines_of(pipe: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            told.lock().expect("no panic").push(line);
        }
    });
    lines
}

/// A query for the A records of a name.
pub(crate) fn query(id: u16, name: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), RecordType::A));
    message.to_vec().expect("a query")
}

/// A headless Service `db` in the namespace `shop` with one endpoint.
pub(crate) fn manifest(ip: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: db, namespace: shop}}\n\
         spec: {{clusterIP: None}}\n---\napiVersion: v1\nkind: Endpoints\n\
         metadata: {{name: db, namespace: shop}}\nsubsets:\n\
         - addresses: [{{ip: {ip}}}]\n  ports: [{{port: 5432}}]\n"
    )
}
