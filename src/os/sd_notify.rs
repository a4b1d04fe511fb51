//! Reports readiness to a service manager: the messages of sd_notify(3), datagrams to the socket
//! named by `$NOTIFY_SOCKET`. systemd sets it for `Type=notify`, and some other service managers do
//! too.
//!
//! There are few in the life of a process, so no socket is kept. Sending never blocks, and a
//! failure is ignored.

use std::path::Path;

use super::{clock, syslog};

/// Environment variable with the path of the socket. Children do not inherit it: the service
/// manager would take their messages for the daemon's.
pub(super) const SOCKET: &str = "NOTIFY_SOCKET";

/// The daemon has started, or has finished a reload.
pub const READY: &str = "READY=1";
/// The daemon is stopping.
pub const STOPPING: &str = "STOPPING=1";

/// The daemon starts to reload. The time lets the service manager tell which request this answers.
pub fn reloading() {
    let micros = clock::now().as_nanos() / 1000;
    send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

pub fn send(message: &str) {
    if let Some(path) = std::env::var_os(SOCKET) {
        let _ =
            syslog::connect(Path::new(&path)).and_then(|socket| socket.send(message.as_bytes()));
    }
}
