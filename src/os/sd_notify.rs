//! What a service manager is told, if it asks: the messages of sd_notify(3), datagrams to the socket whose path
//! `$NOTIFY_SOCKET` is. systemd asks (`Type=notify`), and so do others who took the idea over.
//!
//! They are few in a lifetime, so no socket is kept. None is waited for, and one that cannot be sent changes nothing.

use std::path::Path;

use super::{clock, syslog};

/// Names the socket. Not for children: what they say would be taken for ours.
pub(super) const SOCKET: &str = "NOTIFY_SOCKET";

/// It runs, or runs again after having reloaded.
pub const READY: &str = "READY=1";
/// It clears up and ends.
pub const STOPPING: &str = "STOPPING=1";

/// It reads its configuration. The time tells an answer to a request from one that was on its way before.
pub fn reloading() {
    let micros = clock::now().as_nanos() / 1000;
    send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

pub fn send(news: &str) {
    if let Some(path) = std::env::var_os(SOCKET) {
        let _ = syslog::connect(Path::new(&path)).and_then(|socket| socket.send(news.as_bytes()));
    }
}
