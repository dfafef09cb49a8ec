//! Starts `postern serve` in a directory of its own and talks to it.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::channel::{Channel, Tls};

/// A running server; killed and its directory removed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    directory: PathBuf,
    address: SocketAddr,
    /// How [`Server::connect`] connects: over TLS from the start, or in plain text.
    tls: Option<Tls>,
}

/// What a server says of itself before tests add to it.
pub(crate) const ENGINE: &str = "[engine]\ncores = \"1\"\nhostname = \"mx.example.org\"\n";

/// A configuration with one server on a free port; `server` and `limits` are lines of TOML.
pub(crate) fn configuration(server: &str, limits: &str) -> String {
    format!(
        "{ENGINE}[[server]]\nid = \"test\"\nlisten = [\"127.0.0.1:0\"]\n{server}\n\
         [server.limits]\nconnections_per_client_max = 1000\n{limits}\n"
    )
}

/// A server that stores mail for `example.org` in `mail`.
pub(crate) const MAILDIR: &str =
    "accept_domains = [\"example.org\"]\ndestination = \"maildir:mail\"";

/// The same for a server whose descriptors the test looks at: those of a confined one are seen by root alone.
pub(crate) fn visible(configuration: String) -> String {
    if rustix::process::geteuid().is_root() {
        return configuration;
    }
    configuration.replace("[engine]", "[engine]\nconfine = \"off\"")
}

/// A fresh directory for one test.
pub(crate) fn directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("engine-{}-{number}", std::process::id());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).expect("the target directory is writable");
    directory
}

/// The command `postern serve` with this configuration, its output kept.
pub(crate) fn command(directory: &Path, configuration: &str) -> Command {
    let path = directory.join("postern.toml");
    fs::write(&path, configuration).expect("the directory is writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command
        .arg("serve")
        .arg("--config")
        .arg("postern.toml")
        .current_dir(directory);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_with(configuration, &[])
    }

    /// Starts a server in whose directory these files are, each a name and a text, and waits until it is ready.
    pub(crate) fn start_with(configuration: &str, files: &[(&str, &str)]) -> Self {
        let directory = directory();
        for (name, text) in files {
            fs::write(directory.join(name), text).expect("the directory is writable");
        }
        Self::start_in(directory, configuration)
    }

    /// Starts a server in a directory with its files, and waits until it is ready.
    pub(crate) fn start_in(directory: PathBuf, configuration: &str) -> Self {
        let log = fs::File::create(directory.join("log")).expect("the directory is writable");
        let mut child = command(&directory, configuration)
            .stderr(log)
            .spawn()
            .expect("the command was built with the tests");
        let mut ready = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut ready)
            .expect("the line is text");
        let address = ready
            .strip_prefix("ready ")
            .and_then(|rest| rest.trim().parse().ok());
        let Some(address) = address else {
            let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
            panic!("the server said {ready:?}: {log}");
        };
        Self {
            child,
            directory,
            address,
            tls: None,
        }
    }

    /// The same, its clients over TLS from the start.
    pub(crate) fn over_tls(self, tls: Tls) -> Self {
        // What is dropped would be ended.
        let mut server = self;
        server.tls = Some(tls);
        server
    }

    /// Whether its clients connect over TLS.
    pub(crate) fn is_over_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// A file of its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A client that has connected and read nothing.
    pub(crate) fn connect(&self) -> Client {
        let client = Client::connect(self.address);
        match &self.tls {
            None => client,
            Some(tls) => client.upgrade(tls).expect("they shake hands"),
        }
    }

    /// A client that has been greeted and has greeted.
    pub(crate) fn greeted(&self) -> Client {
        let mut client = self.connect();
        client.expect("220 ");
        client.say("HELO client.example");
        client.expect("250 ");
        client
    }

    /// Sends a signal by its number.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let process = i32::try_from(self.child.id()).expect("process numbers are small");
        let process = rustix::process::Pid::from_raw(process).expect("it is not 0");
        rustix::process::kill_process(process, signal).expect("it is our child");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("it is text")
    }

    /// The messages in `mail/new`, in the order of their names' counts.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        let mut messages: Vec<(u64, Vec<u8>)> = fs::read_dir(self.path("mail/new"))
            .expect("the server has made it")
            .map(|entry| entry.expect("it is readable").path())
            .map(|path| (count_of(&path), fs::read(path).expect("it is readable")))
            .collect();
        messages.sort();
        messages.into_iter().map(|(_, message)| message).collect()
    }

    /// How many files `mail/tmp` has.
    pub(crate) fn unfinished_count(&self) -> usize {
        fs::read_dir(self.path("mail/tmp"))
            .expect("the server has made it")
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The shard's count in a file name `SECONDS.PpidQshard_COUNT.host`.
fn count_of(path: &Path) -> u64 {
    let name = path.file_name().expect("it is a file").to_string_lossy();
    let count = name
        .split('.')
        .nth(1)
        .and_then(|unique| unique.split('_').nth(1));
    count
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("strange name {name}"))
}

/// How the lines of the trace header begin.
const TRACE_FIELDS: [&str; 5] = [
    "Return-Path:",
    "X-Original-To:",
    "Received:",
    "X-Envelope-Parameters:",
    " ",
];

/// The content of a stored message, without the trace header fields in front.
pub(crate) fn content(message: &[u8]) -> &[u8] {
    let mut rest = message;
    loop {
        let is_trace = TRACE_FIELDS
            .iter()
            .any(|start| rest.starts_with(start.as_bytes()));
        let Some(end) = rest
            .iter()
            .position(|octet| *octet == b'\n')
            .filter(|_| is_trace)
        else {
            return rest;
        };
        rest = &rest[end + 1..];
    }
}

/// One connection to a server.
#[derive(Debug)]
pub(crate) struct Client {
    received: BufReader<Channel>,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("it is a TCP socket");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it is a time");
        Self::over(Channel::Plain(stream))
    }

    fn over(channel: Channel) -> Self {
        Self {
            received: BufReader::new(channel),
        }
    }

    /// The same connection over TLS.
    pub(crate) fn upgrade(self, tls: &Tls) -> std::io::Result<Self> {
        let ahead = self.received.buffer();
        assert!(ahead.is_empty(), "{} before TLS", ahead.escape_ascii());
        let Channel::Plain(stream) = self.received.into_inner() else {
            panic!("it is over TLS already");
        };
        Channel::over_tls(stream, tls).map(Self::over)
    }

    /// What its octets travel through.
    pub(crate) fn channel(&mut self) -> &mut Channel {
        self.received.get_mut()
    }

    /// Connects to a server that may be gone or about to go.
    pub(crate) fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Self::over(Channel::Plain(stream)))
    }

    /// A second client of the same connection in plain text, for another thread to read with.
    pub(crate) fn split(&self) -> Self {
        let stream = self.received.get_ref().socket().try_clone();
        Self::over(Channel::Plain(stream.expect("descriptors are left")))
    }

    /// Sends octets.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.channel().write_all(octets).expect("the server reads");
    }

    /// Sends octets to a server that may have closed; whether they were taken.
    pub(crate) fn try_send(&mut self, octets: &[u8]) -> bool {
        self.channel().write_all(octets).is_ok()
    }

    /// Sends a line.
    pub(crate) fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes());
    }

    /// The next line with its CRLF; none when the server has closed.
    pub(crate) fn try_line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        let count = self.received.read_until(b'\n', &mut line)?;
        Ok((0 < count).then(|| String::from_utf8_lossy(&line).into_owned()))
    }

    /// Fills `octets` with what the server sends next.
    pub(crate) fn expect_octets(&mut self, octets: &mut [u8]) {
        let read = self.received.read_exact(octets);
        read.expect("the server answers in time");
    }

    /// The next line, which must begin like this.
    pub(crate) fn expect(&mut self, start: &str) -> String {
        let line = self.try_line().expect("the server answers in time");
        let line = line.unwrap_or_else(|| panic!("closed instead of {start}"));
        assert!(
            line.starts_with(start) && line.ends_with("\r\n"),
            "{line:?} instead of {start}"
        );
        line
    }

    /// A whole reply with this code.
    pub(crate) fn reply(&mut self, code: &str) -> String {
        let mut reply = self.expect(code);
        while reply
            .lines()
            .next_back()
            .is_some_and(|line| line[code.len()..].starts_with('-'))
        {
            reply.push_str(&self.expect(code));
        }
        reply
    }

    /// The server closes, having sent nothing more.
    pub(crate) fn expect_close(&mut self) {
        let mut rest = Vec::new();
        self.received
            .read_to_end(&mut rest)
            .expect("the server closes in time and cleanly");
        assert!(
            rest.is_empty(),
            "{:?} before the close",
            rest.escape_ascii().to_string()
        );
    }

    /// Whether the server closes, perhaps with a reset, having sent nothing more.
    pub(crate) fn is_left(&mut self) -> bool {
        let mut rest = Vec::new();
        let end = self.received.read_to_end(&mut rest);
        let is_over = end.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true);
        is_over && rest.is_empty()
    }

    /// Begins a transaction and gets 354.
    pub(crate) fn begin_data(&mut self) {
        self.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA");
        self.expect("250 ");
        self.expect("250 ");
        self.expect("354 ");
    }

    /// Closes this side's sending, unless the server has closed already.
    pub(crate) fn end_sending(&mut self) {
        self.channel().end_sending();
    }
}

/// How long a test waits for the server before it fails.
const PATIENCE: Duration = Duration::from_secs(20);
