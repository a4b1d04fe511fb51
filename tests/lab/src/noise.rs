//! How late the machine itself was.
//!
//! A test that allows a daemon so many milliseconds must not fail because the machine was busy with
//! something else. Two threads measure that: one how late it is woken, the other how long the
//! kernel keeps it waiting for the lock that all changes of addresses, routes and interfaces share
//! (RTNL). Other namespaces take that lock too, for longest while they are removed.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use crate::{MS, Ns, now};

/// What one thread has measured.
#[derive(Debug)]
struct Delays {
    /// When a delay of more than 1 ms ended, and how long it was.
    past: Vec<(Ns, Ns)>,
    /// When the current measurement started; 0 if none is running.
    started: Ns,
}

impl Delays {
    const fn new() -> Self {
        Self {
            past: Vec::new(),
            started: 0,
        }
    }
}

static WAKING: Mutex<Delays> = Mutex::new(Delays::new());
static LOCKING: Mutex<Delays> = Mutex::new(Delays::new());
const NAP: Duration = Duration::from_millis(3);
const NAP_NS: Ns = 3 * MS;
const PAUSE: Duration = Duration::from_millis(10);

/// Starts measuring; to be called once, after the namespaces have been entered.
pub fn watch() {
    thread::spawn(|| {
        loop {
            measure(&WAKING, NAP_NS, || thread::sleep(NAP));
        }
    });
    let Ok(netlink) = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    ) else {
        return;
    };
    thread::spawn(move || {
        loop {
            measure(&LOCKING, 0, || change_nothing(&netlink));
            thread::sleep(PAUSE);
        }
    });
}

/// Records by how much `action` takes longer than `expected`.
fn measure(delays: &Mutex<Delays>, expected: Ns, action: impl FnOnce()) {
    let set_started = |at| {
        if let Ok(mut delays) = delays.lock() {
            delays.started = at;
        }
    };
    let start = now();
    set_started(start + expected);
    action();
    let end = now();
    let late = end - start - expected;
    if let Ok(mut delays) = delays.lock() {
        delays.started = 0;
        if late > MS {
            delays.past.push((end, late));
        }
    }
}

/// A change of the loopback interface that changes nothing but takes the lock.
fn change_nothing(netlink: &OwnedFd) {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_ACK: u16 = 1 | 4;
    let mut message = [0; 32];
    message[..4].copy_from_slice(&32_u32.to_ne_bytes());
    message[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&REQUEST_ACK.to_ne_bytes());
    // ifi_index
    message[20..24].copy_from_slice(&1_u32.to_ne_bytes());
    let kernel = NetlinkAddr::new(0, 0);
    let fd = netlink.as_raw_fd();
    if sendto(fd, &message, &kernel, MsgFlags::empty()).is_ok() {
        let _ = recv(fd, &mut [0; 256], MsgFlags::empty());
    }
}

/// The allowance for what has happened since `begin`: all delays within the worst half second,
/// because a daemon and its peer may be late one after the other, plus those that last.
#[must_use]
pub fn since(begin: Ns) -> Ns {
    let mut recent = Vec::new();
    let mut lasting = 0;
    for delays in [&WAKING, &LOCKING] {
        let Ok(delays) = delays.lock() else { continue };
        recent.extend(delays.past.iter().filter(|(at, _)| *at >= begin));
        if delays.started > 0 {
            lasting += (now() - delays.started).max(0);
        }
    }
    let within = |from: Ns| {
        let window = recent
            .iter()
            .filter(|(at, _)| (0..500 * MS).contains(&(at - from)));
        window.map(|(_, late)| late).sum::<Ns>()
    };
    let worst = recent.iter().map(|(from, _)| within(*from)).max();
    worst.unwrap_or(0) + lasting
}
