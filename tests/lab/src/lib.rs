//! Routers, a switch and clients in private network namespaces, on a live kernel.
//!
//! Nothing here touches the machine it runs on. [`private::enter`] moves the program into its own
//! user, network, mount and process namespaces first; the kernel removes everything in them when
//! the program ends, even if it is killed. No root is needed.
//!
//! The parts of a test, the demo or the bench:
//! * [`Lab`] – one switch; [`Node`]s with an interface (`eth0`) on it;
//! * [`Daemon`] – vrrpd or Debian's keepalived, started on a node in the foreground;
//! * [`Capture`] – a packet capture on the switch with kernel time stamps; its decoder
//!   shares no code with the daemon's;
//! * [`forge`] – packets that no correct router sends;
//! * [`kernel`] – addresses as the kernel reports them; [`process`] – memory and CPU of a daemon.
//!
//! All times are nanoseconds of the wall clock ([`Ns`]), because the kernel's time stamps of
//! packets are; only differences are used. Helpers panic with a one-line message, because their
//! callers are tests.

pub mod capture;
pub mod client;
pub mod conf;
pub mod daemon;
pub mod forge;
pub mod frame;
pub mod guest;
pub mod kernel;
pub mod net;
pub mod noise;
pub mod peers;
pub mod private;
pub mod process;
pub mod suite;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use capture::Capture;
pub use conf::{Conf, Inst};
pub use daemon::{Answer, Daemon, Running};
pub use frame::{Advert, Frame, Kind};
pub use net::{Lab, Node};

/// Nanoseconds of the wall clock since 1970.
pub type Ns = i64;

/// One millisecond.
pub const MS: Ns = 1_000_000;

/// Current time of the wall clock.
#[must_use]
pub fn now() -> Ns {
    let d = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ns::try_from(d.as_nanos()).expect("before the year 2262")
}

/// Sleeps for so many milliseconds.
pub fn sleep_ms(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Calls `cond` until it returns a value or `limit` has passed.
pub fn wait_for<T>(limit: Duration, mut cond: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = cond() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep_ms(3);
    }
}

/// Waits for a condition; panics with `what` after `limit`.
#[track_caller]
pub fn wait_until(limit: Duration, what: &str, mut cond: impl FnMut() -> bool) {
    if wait_for(limit, || cond().then_some(())).is_none() {
        panic!("not within {} ms: {what}", limit.as_millis());
    }
}

/// Master_Down_Interval (RFC 9568, section 6.1): the time after which a backup takes over.
#[must_use]
pub fn down_interval(version: u8, priority: u8, interval: Ns) -> Ns {
    3 * interval + skew(version, priority, interval)
}

/// Skew_Time: the delay of a backup after the master has resigned.
#[must_use]
pub fn skew(version: u8, priority: u8, interval: Ns) -> Ns {
    let unit = if version == 2 { 1000 * MS } else { interval };
    (256 - Ns::from(priority)) * unit / 256
}

/// Prints panics, which report failed assertions, as message and location without a backtrace.
pub fn plain_panics() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("panic");
        match info.location() {
            Some(at) => eprintln!("    {text}  ({}:{})", at.file(), at.line()),
            None => eprintln!("    {text}"),
        }
    }));
}
