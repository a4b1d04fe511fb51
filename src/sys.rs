//! The only `unsafe`: what nix and socket2 do not offer in a safe form. One call per function, nothing clever.

use std::mem::MaybeUninit;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::unistd::ForkResult;

/// fork(2), refused when more than one thread runs.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(Errno::EBUSY);
    }
    // SAFETY: the child of a single-threaded process is a full copy, no lock is held by a thread that does
    // not exist there. Checked above; where /proc is missing it holds because vrrpd starts no threads.
    unsafe { nix::unistd::fork() }
}

/// The local time of day, by the rules of the machine's time zone.
pub(crate) fn local_time(now: TimeSpec) -> Option<libc::tm> {
    let seconds = now.tv_sec();
    let mut parts = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are valid for the call. The function reads the environment, which nobody
    // changes: there is one thread and no set_env.
    let filled = unsafe { libc::localtime_r(&raw const seconds, parts.as_mut_ptr()) };
    if filled.is_null() {
        return None;
    }
    // SAFETY: a non-null answer means that all of it was filled in.
    Some(unsafe { parts.assume_init() })
}

/// Random bytes from the kernel, without waiting for its pool: not for secrets.
pub(crate) fn random() -> Option<u32> {
    let mut bytes = [0u8; 4];
    // SAFETY: the pointer is valid for the length given.
    let got =
        unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
    (usize::try_from(got) == Ok(bytes.len())).then(|| u32::from_ne_bytes(bytes))
}
