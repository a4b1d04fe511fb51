//! The client's side of the control socket: `vrrpd status` and the other commands.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::ctl::request::{Command, Flag, Request, Setting};
use crate::ctl::{Frame, FrameReader, Stream};
use crate::engine::system::error_text;
use crate::exit;
use crate::os::{instance_lock, lock_holder};
use crate::sys;

/// A daemon that does not answer for this long is frozen, or its machine is overloaded.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same for a reload, restart or stop, which may run scripts.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
/// Time limit of a restart in place, until the new program listens.
const RESTART: Duration = Duration::from_secs(10);
/// Time that a daemon may be without its socket.
const MOMENT: Duration = Duration::from_millis(500);
/// Between two attempts to connect, and of `--watch`.
const PAUSE: Duration = Duration::from_millis(20);
const WATCH: Duration = Duration::from_secs(1);
/// Pid files of a daemon that was started without option `-p`, by the name that it is called.
const PID_FILES: [&str; 4] = [
    "/run/vrrpd.pid",
    "/run/keepalived.pid",
    "/var/run/vrrpd.pid",
    "/var/run/keepalived.pid",
];

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No daemon runs, or none that this user can ask: a message and the exit code.
    Message(String, u8),
    /// The connection ended before the answer was complete.
    Ended,
    /// It ended before the answer began.
    NotAnswered,
}

/// Asks the daemon and prints its answer; returns the exit code.
pub fn run(request: &mut Request) -> u8 {
    let out = io::stdout();
    if out.is_terminal() {
        let width = sys::terminal_width(&out).unwrap_or(80);
        request.set(Setting::Width, width.to_string());
        if uses_color() {
            request.add(Flag::Color);
        }
    }
    if let Some(path) = request.setting(Setting::File)
        && let Ok(path) = std::path::absolute(path)
    {
        // The daemon runs in `/`.
        let path = path.to_string_lossy().into_owned();
        request.set(Setting::File, path);
    }
    #[cfg(feature = "json")]
    if request.row.command == Command::Metrics
        && let Some(code) = crate::os::metrics::run(request)
    {
        return code;
    }
    let server = Address::of(request);
    if request.has(Flag::Follow) {
        return follow(&server, request);
    }
    if !request.has(Flag::Watch) {
        return once(&server, request);
    }
    loop {
        if out.is_terminal() {
            // To the upper left corner of an empty screen.
            print(Stream::Out, b"\x1b[H\x1b[2J");
        }
        once(&server, request);
        thread::sleep(WATCH);
    }
}

fn uses_color() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}

/// Prints the events as they happen, also those of a program that was executed in place.
fn follow(server: &Address, request: &Request) -> u8 {
    loop {
        let answer = ask(server, request, &mut |stream, bytes| {
            // Standard output is closed: ends as `tail -f` does.
            if write(stream, bytes).is_err() {
                quit();
            }
        });
        match answer {
            Ok(code) => return code,
            Err(Failure::Message(why, code)) => return complain(&why, code),
            Err(Failure::Ended | Failure::NotAnswered) => {}
        }
        if !server.comes_back() {
            return complain("the daemon has ended", exit::NOT_RUNNING);
        }
        complain("the daemon was restarted: its events start again", exit::OK);
    }
}

/// Ends the program.
#[allow(clippy::exit, reason = "the answer of the daemon has no other end")]
fn quit() -> ! {
    std::process::exit(exit::OK.into())
}

fn once(server: &Address, request: &Request) -> u8 {
    match ask(server, request, &mut print) {
        Ok(code) => code,
        Err(Failure::Ended | Failure::NotAnswered) => ended(server, request.row.command),
        Err(Failure::Message(why, code)) => complain(&why, code),
    }
}

/// The meaning of a connection that ends before the answer does.
fn ended(server: &Address, command: Command) -> u8 {
    if !command.is_of_process() {
        let why = "the daemon ended before its answer was complete";
        return complain(why, exit::NOT_RUNNING);
    }
    if command != Command::Stop {
        return await_successor(server);
    }
    // The connection ends with the process.
    print(Stream::Out, b"vrrpd has stopped\n");
    exit::OK
}

/// Waits until the program that was executed in place answers.
fn await_successor(server: &Address) -> u8 {
    let deadline = Instant::now() + RESTART;
    loop {
        match server.connect() {
            Ok(_) => {
                print(Stream::Out, b"restarted in place\n");
                return exit::OK;
            }
            Err(_) if Instant::now() < deadline => thread::sleep(PAUSE),
            Err(Failure::Message(why, code)) => return complain(&why, code),
            Err(Failure::Ended | Failure::NotAnswered) => {
                return complain("the daemon has ended", exit::NOT_RUNNING);
            }
        }
    }
}

fn complain(why: &str, code: u8) -> u8 {
    print(Stream::Err, format!("vrrpd: {why}\n").as_bytes());
    code
}

fn print(stream: Stream, bytes: &[u8]) {
    // The other end may be closed.
    let _ = write(stream, bytes);
}

fn write(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Out => io::stdout()
            .write_all(bytes)
            .and_then(|()| io::stdout().flush()),
        Stream::Err => io::stderr().write_all(bytes),
    }
}

/// Asks, hands over the parts of the answer as they arrive, and returns the exit code.
pub(crate) fn ask(
    server: &Address,
    request: &Request,
    each: &mut dyn FnMut(Stream, &[u8]),
) -> Result<u8, Failure> {
    match ask_once(server, request, each) {
        // It has just stopped, or is being replaced. What changes something may have been done.
        Err(Failure::NotAnswered) if !request.row.changes => ask_once(server, request, each),
        outcome => outcome,
    }
}

fn ask_once(
    server: &Address,
    request: &Request,
    each: &mut dyn FnMut(Stream, &[u8]),
) -> Result<u8, Failure> {
    let mut stream = server.connect()?;
    let patience = if request.row.command.is_of_process() {
        LONG_PATIENCE
    } else {
        PATIENCE
    };
    // Cannot fail: it is not zero.
    let _ = stream.set_read_timeout(Some(patience));
    let _ = stream.set_write_timeout(Some(patience));
    if let Err(error) = stream.write_all(request.line().as_bytes())
        && let Some(failure) = server.failure(&error, patience)
    {
        return Err(failure);
    }
    let mut reader = FrameReader::default();
    let mut buffer = [0; 16 * 1024];
    let mut has_answered = false;
    loop {
        let mut bytes = match stream.read(&mut buffer) {
            Ok(0) if has_answered => return Err(Failure::Ended),
            Ok(0) => return Err(Failure::NotAnswered),
            Ok(count) => buffer.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Nothing happens.
            Err(error)
                if has_answered
                    && request.has(Flag::Follow)
                    && error.kind() == io::ErrorKind::WouldBlock =>
            {
                continue;
            }
            Err(error) => {
                let failure = server.failure(&error, patience);
                return Err(failure.unwrap_or(Failure::NotAnswered));
            }
        };
        has_answered = true;
        loop {
            match reader.next(&mut bytes) {
                Ok(Some(Frame::Text(stream, text))) => each(stream, text),
                Ok(Some(Frame::End(code))) => return Ok(code),
                Ok(None) => break,
                Err(_) => {
                    let path = server.socket.display();
                    let why = format!("what listens at {path} is not vrrpd");
                    return Err(Failure::Message(why, exit::NOT_RUNNING));
                }
            }
        }
    }
}

/// The daemon that is asked.
#[derive(Debug)]
pub(crate) struct Address {
    socket: PathBuf,
    /// Its pid file, if that is known.
    pid_file: Option<PathBuf>,
}

impl Address {
    /// `--socket`, or beside the pid file of `-p`, or of the daemon that runs.
    pub(crate) fn of(request: &Request) -> Self {
        if let Some(path) = request.setting(Setting::Socket) {
            let (socket, pid_file) = (path.into(), None);
            return Address { socket, pid_file };
        }
        let beside = |path: &str| Address {
            socket: instance_lock::beside(Path::new(path), "sock"),
            pid_file: Some(path.into()),
        };
        if let Some(path) = request.setting(Setting::PidFile) {
            return beside(path);
        }
        let mut all = PID_FILES.iter().map(|path| beside(path));
        let exists = |one: &Address| fs::symlink_metadata(&one.socket).is_ok();
        all.find(exists).unwrap_or_else(|| beside(PID_FILES[0]))
    }

    fn connect(&self) -> Result<UnixStream, Failure> {
        let begin = Instant::now();
        loop {
            let error = match UnixStream::connect(&self.socket) {
                Ok(stream) => return self.require_main_pid(stream),
                Err(error) => error,
            };
            // During a restart in place, nobody listens for a moment. There is no socket for a moment
            // after the start and before the end.
            let patience = if error.kind() == io::ErrorKind::ConnectionRefused && self.is_socket() {
                RESTART
            } else if error.kind() == io::ErrorKind::NotFound {
                MOMENT
            } else {
                Duration::ZERO
            };
            if begin.elapsed() < patience && self.daemon().is_some() {
                thread::sleep(PAUSE);
                continue;
            }
            return Err(self.cannot_connect(&error));
        }
    }

    /// Waits for a program that was executed in place of the one that has ended. One that stops
    /// removes its socket.
    fn comes_back(&self) -> bool {
        let deadline = Instant::now() + RESTART;
        while self.socket.exists() && Instant::now() < deadline {
            if UnixStream::connect(&self.socket).is_ok() {
                return true;
            }
            thread::sleep(PAUSE);
        }
        false
    }

    /// Refuses a daemon that is not process `$MAINPID`: that of the service whose `ExecReload=` or init
    /// script this is.
    fn require_main_pid(&self, stream: UnixStream) -> Result<UnixStream, Failure> {
        let wanted = std::env::var("MAINPID").ok();
        let Some(wanted) = wanted.and_then(|text| text.parse::<i32>().ok()) else {
            return Ok(stream);
        };
        match getsockopt(&stream, PeerCredentials) {
            Ok(peer) if peer.pid() != wanted => {
                let path = self.socket.display();
                let why = format!("process {wanted} (MAINPID) does not listen at {path}");
                Err(Failure::Message(why, exit::NOT_RUNNING))
            }
            _ => Ok(stream),
        }
    }

    fn is_socket(&self) -> bool {
        let data = fs::symlink_metadata(&self.socket);
        data.is_ok_and(|data| data.file_type().is_socket())
    }

    fn cannot_connect(&self, error: &io::Error) -> Failure {
        let path = self.socket.display();
        let why = match (error.kind(), self.daemon()) {
            (io::ErrorKind::PermissionDenied, _) => format!(
                "permission denied for {path}: run this as root, or give a group access with `control_socket PATH USER GROUP`"
            ),
            (io::ErrorKind::NotFound, Some(pid)) => format!(
                "process {pid} has no socket {path}; if `control_socket` names another, write --socket PATH; if it was removed, reload: kill -HUP {pid}"
            ),
            (io::ErrorKind::NotFound, None) => {
                format!("not running (there is no {path}; --socket PATH asks another copy)")
            }
            (io::ErrorKind::ConnectionRefused, Some(pid)) => format!(
                "{path} is not the socket of process {pid}, which runs; remove it and reload: kill -HUP {pid}"
            ),
            (io::ErrorKind::ConnectionRefused, None) => {
                format!("not running (nobody listens at {path})")
            }
            _ => format!("cannot ask {path}: {}", error_text(error)),
        };
        Failure::Message(why, exit::NOT_RUNNING)
    }

    /// The pid of the daemon, if it runs and this user may know.
    fn daemon(&self) -> Option<u32> {
        let pid_file = self.pid_file.as_deref()?;
        let pid = lock_holder::named_in(pid_file)?;
        let lock = instance_lock::beside(pid_file, "lock");
        lock_holder::has_open(pid, &lock).then_some(pid)
    }

    /// The meaning of an error while the daemon is to answer; `None`: the connection has ended.
    fn failure(&self, error: &io::Error, patience: Duration) -> Option<Failure> {
        if error.kind() != io::ErrorKind::WouldBlock {
            return None;
        }
        let who = match self.daemon() {
            Some(pid) => format!("process {pid}"),
            None => format!("the daemon at {}", self.socket.display()),
        };
        let seconds = patience.as_secs();
        let why = format!(
            "{who} has not answered for {seconds} s: it is stopped, or the machine is overloaded"
        );
        Some(Failure::Message(why, exit::NOT_RUNNING))
    }
}
