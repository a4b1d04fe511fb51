//! Signals as events: all are blocked, and the poll loop reads them from one descriptor
//! (signalfd(2)).
//!
//! Not blocked are those that report a fault in the program, and those with which a user at a
//! terminal quits or suspends it. Rust's runtime ignores SIGPIPE before `main`. A child inherits
//! the mask (`std::process::Command` does not reset it), so `child` empties it between fork and
//! exec. A signal without a meaning here (SIGALRM, SIGIO) is read and dropped.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal as Number};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The request that a signal stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// TERM, INT.
    Stop,
    /// HUP.
    Reload,
    /// CHLD: a child has ended.
    Child,
    /// USR1: dump the state.
    Dump,
    /// USR2: dump the statistics.
    Stats,
    /// RTMAX-1: dump the statistics, then clear them.
    ClearStats,
    /// RTMIN+2 of either C library: dump the state as JSON.
    Json,
    /// RTMAX: log the state of the loop.
    Trace,
    /// RTMAX-2: execute the new version of the program.
    Restart,
    /// Any other signal; ignored.
    Other(u32),
}

/// A signal and its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// The request.
    pub signal: Signal,
    /// Pid of the sender; 0 for the kernel.
    pub sender: u32,
}

/// The sum of SIGRTMIN in glibc and in musl.
const RTMIN_OF_EITHER: i32 = 34 + 35;

/// The signals, their `--signum` names (keepalived's) and their numbers.
fn table() -> [(Signal, &'static str, i32); 11] {
    // RTMIN depends on the C library (34 or 35), RTMAX on the machine (MIPS has 127).
    let (rtmin, rtmax) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    [
        (Signal::Stop, "STOP", libc::SIGTERM),
        (Signal::Stop, "", libc::SIGINT),
        (Signal::Reload, "RELOAD", libc::SIGHUP),
        (Signal::Dump, "DATA", libc::SIGUSR1),
        (Signal::Stats, "STATS", libc::SIGUSR2),
        (Signal::ClearStats, "STATS_CLEAR", rtmax - 1),
        (Signal::Json, "JSON", rtmin + 2),
        // That of programs with the other C library.
        (Signal::Json, "", RTMIN_OF_EITHER - rtmin + 2),
        (Signal::Trace, "TDUMP", rtmax),
        // As keepalived(8) spells it.
        (Signal::Trace, "TDATA", rtmax),
        // vrrpd only. Not counted from RTMIN, because the new version may be built with the other C
        // library.
        (Signal::Restart, "RESTART", rtmax - 2),
    ]
}

/// The number of the signal with this `--signum` name.
#[must_use]
pub fn number(name: &str) -> Option<i32> {
    let found = table()
        .into_iter()
        .find(|(_, known, _)| !known.is_empty() && *known == name);
    found.map(|(_, _, number)| number)
}

/// The descriptor that the signals of this thread are read from.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals. To be called early: until then a signal ends the process.
    ///
    /// # Errors
    /// The kernel has no signalfd (CONFIG_SIGNALFD).
    pub fn block() -> nix::Result<Self> {
        let mut mask = SigSet::all();
        for fault in [
            Number::SIGSEGV,
            Number::SIGBUS,
            Number::SIGILL,
            Number::SIGFPE,
            Number::SIGABRT,
            Number::SIGTRAP,
            Number::SIGSYS,
            Number::SIGQUIT,
            Number::SIGTSTP,
            Number::SIGCONT,
        ] {
            mask.remove(fault);
        }
        mask.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        SignalFd::with_flags(&mask, flags).map(Self)
    }

    /// The next signal; `None` if none is pending.
    #[must_use]
    pub fn next(&self) -> Option<Received> {
        let info = self.0.read_signal().ok().flatten()?;
        Some(Received {
            signal: decode(info.ssi_signo),
            sender: info.ssi_pid,
        })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn decode(number: u32) -> Signal {
    let Ok(signed) = i32::try_from(number) else {
        return Signal::Other(number);
    };
    if signed == libc::SIGCHLD {
        return Signal::Child;
    }
    let found = table().into_iter().find(|(_, _, known)| *known == signed);
    found.map_or(Signal::Other(number), |(signal, _, _)| signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// raise(3) signals the calling thread only, so tests can run in parallel.
    fn send(number: Number) {
        nix::sys::signal::raise(number).expect("own thread");
    }

    #[test]
    fn signals_mean_the_same_as_for_keepalived() {
        for (number, want) in [
            (libc::SIGTERM, Signal::Stop),
            (libc::SIGINT, Signal::Stop),
            (libc::SIGHUP, Signal::Reload),
            (libc::SIGCHLD, Signal::Child),
            (libc::SIGUSR1, Signal::Dump),
            (libc::SIGUSR2, Signal::Stats),
            (libc::SIGRTMAX() - 1, Signal::ClearStats),
            (36, Signal::Json),
            (37, Signal::Json),
            (libc::SIGRTMAX(), Signal::Trace),
            (libc::SIGRTMAX() - 2, Signal::Restart),
            (libc::SIGALRM, Signal::Other(14)),
        ] {
            let number = u32::try_from(number).expect("signal numbers are positive");
            assert_eq!(decode(number), want, "signal {number}");
        }
    }

    #[test]
    fn signum_accepts_keepalived_names() {
        assert_eq!(number("STOP"), Some(libc::SIGTERM));
        assert_eq!(number("JSON"), Some(libc::SIGRTMIN() + 2));
        assert_eq!(number("TDATA"), number("TDUMP"));
        assert_eq!(number(""), None);
        assert_eq!(number("stop"), None);
    }

    #[test]
    fn blocked_signals_are_read_in_order_with_their_sender() {
        let signals = Signals::block().expect("signalfd");
        assert_eq!(signals.next(), None);
        send(Number::SIGHUP);
        send(Number::SIGTERM);
        let mut got = Vec::new();
        while let Some(received) = signals.next() {
            assert_eq!(received.sender, std::process::id());
            got.push(received.signal);
        }
        // The kernel hands out the lower number first.
        assert_eq!(got, [Signal::Reload, Signal::Stop]);
    }

    #[test]
    fn a_stray_signal_does_not_end_the_process() {
        let signals = Signals::block().expect("signalfd");
        send(Number::SIGALRM);
        let received = signals.next().map(|received| received.signal);
        assert_eq!(received, Some(Signal::Other(14)));
    }

    #[test]
    fn sigpipe_is_ignored_from_the_start() {
        let status = std::fs::read_to_string("/proc/self/status").expect("proc");
        let ignored = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
            .expect("SigIgn line");
        assert_ne!(ignored & (1 << (libc::SIGPIPE - 1)), 0);
    }
}
