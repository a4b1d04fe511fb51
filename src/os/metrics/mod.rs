//! `vrrpd metrics -o FILE` and `--listen ADDRESS:PORT`.
//!
//! ```text
//!                    one byte                 request
//! scraper ── HTTP ──────────── a helper with ───────── control socket
//!            user nobody ◁──── the user's rights ◁────
//!                     text                     frames
//! ```
//! The process that scrapers talk to has no rights: it cannot even ask the daemon, because a
//! connection of root could stop it. Its helper asks, for metrics and nothing else, each time that it
//! receives a byte; it reads nothing that came from the network.

mod helper;
mod http;
mod server;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use nix::unistd::{self, ForkResult, geteuid};

use super::atomic_file;
use super::child_privileges::{self, Refusal};
use super::control::client::{Address, Failure, ask};
use crate::config::model::User;
use crate::ctl::metrics::DOWN;
use crate::ctl::request::{Request, Setting};
use crate::ctl::{Escaped, Stream};
use crate::engine::system::{errno_text, error_text};
use crate::exit;
use crate::sys;
use helper::Helper;

/// Number of further attempts when the configuration was reloaded in between.
const ATTEMPTS: u32 = 3;
/// More than the metrics of any configuration.
const MAX_TEXT: usize = 64 << 20;
/// The user of the HTTP server without `--user`, if that is started by root.
const NOBODY: &str = "nobody";
/// Where there is no such user.
const OVERFLOW: User = User {
    uid: 65_534,
    gid: 65_534,
};

/// The outcome of a request for metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Scrape {
    /// The metrics.
    Text(Vec<u8>),
    /// No daemon answers, for this reason.
    Down(String),
    /// It refuses, for this reason.
    Refused(String),
}

/// Writes a file or serves HTTP, if an option asks for that; returns the exit code.
pub(super) fn run(request: &Request) -> Option<u8> {
    let file = request.setting(Setting::Output);
    let listen = request.setting(Setting::Listen);
    Some(match (file, listen) {
        (None, None) => return None,
        (Some(path), None) => write_file(request, Path::new(path)),
        (None, Some(address)) => match listen_at(address) {
            Ok(listener) => serve(request, listener),
            Err((why, code)) => complain(&why, code),
        },
        (Some(_), Some(_)) => complain("-o and --listen exclude each other", exit::USAGE),
    })
}

fn complain(why: &str, code: u8) -> u8 {
    // Standard error may be closed.
    let _ = writeln!(io::stderr(), "vrrpd metrics: {}", why.trim_end());
    code
}

/// Asks the daemon.
fn scrape(server: &Address, request: &Request) -> Scrape {
    let mut refusal = Vec::new();
    for _ in 0..ATTEMPTS {
        let mut text = Vec::new();
        refusal.clear();
        let mut each = |stream, bytes: &[u8]| match stream {
            Stream::Out if text.len() + bytes.len() <= MAX_TEXT => text.extend_from_slice(bytes),
            Stream::Out => {}
            Stream::Err => refusal.extend_from_slice(bytes),
        };
        match ask(server, request, &mut each) {
            Ok(exit::OK) => return Scrape::Text(text),
            // Reloaded in between.
            Ok(_) => {}
            Err(Failure::Message(why, _)) => return Scrape::Down(why),
            Err(Failure::Ended | Failure::NotAnswered) => {
                return Scrape::Down("the daemon ended before its answer was complete".into());
            }
        }
    }
    Scrape::Refused(String::from_utf8_lossy(&refusal).into_owned())
}

// ---- file ----

/// Writes the metrics to a file, for the textfile collector of node_exporter. If no daemon runs, the
/// file says so instead of keeping what was true before.
fn write_file(request: &Request, path: &Path) -> u8 {
    let (text, outcome) = match scrape(&Address::of(request), request) {
        Scrape::Text(text) => (text, exit::OK),
        Scrape::Down(why) => (DOWN.into(), complain(&why, exit::NOT_RUNNING)),
        Scrape::Refused(why) => return complain(&why, exit::REFUSED),
    };
    match atomic_file::replace_for_all(path, &text) {
        Ok(()) => outcome,
        Err(error) => {
            let why = format!("cannot write {}: {}", path.display(), error_text(&error));
            complain(&why, exit::REFUSED)
        }
    }
}

// ---- HTTP ----

fn listen_at(address: &str) -> Result<TcpListener, (String, u8)> {
    let any = address.strip_prefix(':').map(|port| {
        // IPv6 sockets take IPv4 too. Some kernels have no IPv6.
        [format!("[::]:{port}"), format!("0.0.0.0:{port}")]
    });
    let texts = any.unwrap_or_else(|| [address.to_owned(), String::new()]);
    let texts = texts.iter().filter(|text| !text.is_empty());
    let parsed: Result<Vec<SocketAddr>, _> = texts.map(|text| text.parse()).collect();
    let Ok(addresses) = parsed else {
        let why = format!(
            "--listen: '{}' is not ADDRESS:PORT, such as 127.0.0.1:9650, [::1]:9650, or :9650 for all addresses",
            Escaped(address)
        );
        return Err((why, exit::USAGE));
    };
    TcpListener::bind(&*addresses).map_err(|error| {
        let why = error_text(&error);
        (format!("cannot listen at {address}: {why}"), exit::FATAL)
    })
}

/// Divides into the HTTP server and its helper.
fn serve(request: &Request, listener: TcpListener) -> u8 {
    let user = match server_user(request) {
        Ok(user) => user,
        Err(why) => return complain(&why, exit::USAGE),
    };
    match start(request, listener, user) {
        Ok(code) => code,
        Err(error) => complain(
            &format!("cannot start: {}", error_text(&error)),
            exit::FATAL,
        ),
    }
}

/// The user that the HTTP server becomes; `None`: it was not started by root and stays as it is.
fn server_user(request: &Request) -> Result<Option<User>, String> {
    let name = request.setting(Setting::User);
    if !geteuid().is_root() {
        return match name {
            None => Ok(None),
            Some(_) => Err("--user: only root can become another user".into()),
        };
    }
    let found = unistd::User::from_name(name.unwrap_or(NOBODY))
        .ok()
        .flatten();
    match (found, name) {
        (Some(user), _) => Ok(Some(User {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        })),
        (None, None) => Ok(Some(OVERFLOW)),
        (None, Some(name)) => Err(format!("--user: there is no user {}", Escaped(name))),
    }
}

fn start(request: &Request, listener: TcpListener, user: Option<User>) -> io::Result<u8> {
    let address = Address::of(request);
    listener.set_nonblocking(true)?;
    let (helper, served) = Helper::pair()?;
    match sys::fork()? {
        ForkResult::Parent { child } => {
            drop((listener, helper));
            let ended = helper::run(served, || scrape(&address, request));
            // It ends with its helper, and the helper with it.
            let _ = nix::sys::wait::waitpid(child, None);
            Ok(complain(&ended, exit::FATAL))
        }
        ForkResult::Child => {
            drop(served);
            if let Err(why) = give_up_rights(user) {
                return Ok(complain(&why, exit::FATAL));
            }
            Ok(server::run(&listener, helper))
        }
    }
}

/// Becomes the user for good, without any capability.
fn give_up_rights(user: Option<User>) -> Result<(), String> {
    let own = User {
        uid: geteuid().as_raw(),
        gid: unistd::getegid().as_raw(),
    };
    let user = user.unwrap_or(own);
    let errno = match child_privileges::settle(user, own) {
        Ok(()) if user.uid == 0 => return Ok(()),
        Ok(()) => match child_privileges::drop_all() {
            Ok(()) => return Ok(()),
            Err(errno) => errno,
        },
        Err(Refusal::User(errno) | Refusal::Privileges(errno)) => errno,
    };
    let why = errno_text(errno as i32);
    Err(format!("cannot give up the rights of root: {why}"))
}
