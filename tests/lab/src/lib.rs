//! A laboratory: routers, a switch and clients in private network namespaces, on a live kernel.
//!
//! Nothing here touches the machine it runs on. [`private::enter`] moves the program into its own
//! user, network, mount and process namespaces first; whatever is built afterwards vanishes when the
//! program ends, even if it is killed. No root is needed.
//!
//! What a test, the demo or the bench is made of:
//! * [`Lab`] – one switch; [`Node`]s with a leg (`eth0`) on it;
//! * [`Daemon`] – vrrpd or Debian's keepalived, started on a node in the foreground;
//! * [`Capture`] – a sniffer on every leg with kernel time stamps, decoded by code of its own that
//!   shares nothing with the daemon's;
//! * [`forge`] – packets that a well-behaved router would never send;
//! * [`kernel`] – addresses as the kernel reports them; [`process`] – memory and CPU of a daemon.
//!
//! All times are nanoseconds of the wall clock ([`Ns`]), since that is what the kernel stamps packets
//! with; only differences are used. Helpers panic with a plain sentence when the world does not obey:
//! the callers are tests.

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
pub use daemon::{Daemon, Running};
pub use frame::{Advert, Frame, Kind};
pub use net::{Lab, Node};

/// Nanoseconds of the wall clock since 1970.
pub type Ns = i64;

/// One millisecond.
pub const MS: Ns = 1_000_000;

/// The wall clock, now.
#[must_use]
pub fn now() -> Ns {
    let d = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ns::try_from(d.as_nanos()).expect("before the year 2262")
}

/// Sleeps; a name shorter than the path.
pub fn sleep_ms(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Asks until `cond` gives something or `limit` has passed.
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

/// Like [`wait_for`], for a plain condition; panics with `what` when the time is over.
#[track_caller]
pub fn wait_until(limit: Duration, what: &str, mut cond: impl FnMut() -> bool) {
    if wait_for(limit, || cond().then_some(())).is_none() {
        panic!("waited {} ms in vain: {what}", limit.as_millis());
    }
}

/// `down_timer_adverts` × interval + skew, the time after which a backup must take over.
#[must_use]
pub fn down_interval(version: u8, priority: u8, interval: Ns) -> Ns {
    3 * interval + skew(version, priority, interval)
}

/// The skew time alone: what a backup waits after the master has resigned.
#[must_use]
pub fn skew(version: u8, priority: u8, interval: Ns) -> Ns {
    let unit = if version == 2 { 1000 * MS } else { interval };
    (256 - Ns::from(priority)) * unit / 256
}

/// Panics are how a check fails here: the sentence and the place, no stack.
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
