//! The only `unsafe`: what nix and socket2 do not offer in a safe form. One call per function, nothing clever.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::unistd::ForkResult;
use socket2::{SockAddr, SockAddrStorage};

/// Whether no other thread runs, whose locks a child could inherit.
pub(crate) fn is_alone() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    threads <= 1
}

/// fork(2), refused when more than one thread runs.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    if !is_alone() {
        return Err(Errno::EBUSY);
    }
    // SAFETY: the child of a single-threaded process is a full copy, no lock is held by a thread that does
    // not exist there. Checked above; where /proc is missing it holds because vrrpd starts no threads.
    unsafe { nix::unistd::fork() }
}

// ---- children ----

/// Words in the form that execve(2) wants: made before a fork, so that the child need not allocate.
#[derive(Debug)]
pub(crate) struct Words {
    /// Owns what the pointers point to; never touched again.
    _text: Vec<CString>,
    /// One for each word, then null.
    pointers: Vec<*const libc::c_char>,
}

impl Words {
    pub(crate) fn new(text: Vec<CString>) -> Self {
        let each = text.iter().map(|word| word.as_ptr());
        let pointers = each.chain([ptr::null()]).collect();
        let _text = text;
        Words { _text, pointers }
    }
}

/// fork(2) for a child that does nothing but `body`; its answer is the exit code. Unless the process
/// [`is_alone`], `body` makes system calls, neither allocates nor locks, and ends with [`execve`].
pub(crate) fn fork_child(body: &dyn Fn() -> u8) -> nix::Result<nix::unistd::Pid> {
    // SAFETY: whatever other threads hold at this moment stays locked for ever in the child, which is why `body`
    // must not lock. It takes a reference and cannot free.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // Whatever happens, the child never goes on as a second daemon.
            let _end = EndOnPanic;
            exit_now(body())
        }
    }
}

struct EndOnPanic;

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        exit_now(70);
    }
}

/// Ends the process at once: no destructors, no flushing of buffers that belong to the parent.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: touches no memory of ours.
    unsafe { libc::_exit(code.into()) }
}

/// Executes the program that `argv` begins with. Comes back only when that fails.
pub(crate) fn execve(argv: &Words, environment: &Words) -> Errno {
    let Some(&program) = argv.pointers.first().filter(|first| !first.is_null()) else {
        return Errno::ENOENT;
    };
    // SAFETY: all pointers lead to NUL-terminated text that `argv` and `environment` own; both lists end with null.
    unsafe {
        libc::execve(
            program,
            argv.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        )
    };
    Errno::last()
}

/// Every signal to its default: what is ignored here would stay ignored in a program that is executed.
pub(crate) fn default_signals() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: no handler is set. Numbers that cannot be changed are refused,
        // among them those that the C library keeps for itself.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
}

/// A child that has ended, if there is one, and how. (nix refuses ends by a real-time signal.)
pub(crate) fn reap() -> Option<(i32, ExitStatus)> {
    let mut status = 0;
    // SAFETY: the pointer is valid for the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    (pid > 0).then(|| (pid, ExitStatus::from_raw(status)))
}

/// In a child that executes nothing: closes every descriptor but the three standard ones and `kept`.
#[cfg(feature = "mail")]
pub(crate) fn close_all_but(kept: RawFd) {
    let kept = libc::c_uint::try_from(kept).unwrap_or(libc::c_uint::MAX);
    for (first, last) in [
        (3, kept.saturating_sub(1)),
        (kept.saturating_add(1), libc::c_uint::MAX),
    ] {
        if first > last {
            continue;
        }
        // SAFETY: the child never uses or drops what owned them in the daemon.
        let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        if done == 0 {
            continue;
        }
        // A kernel before 5.9. The daemon has far fewer than that.
        for fd in first..=last.min(4096) {
            // SAFETY: as above.
            let _ = unsafe { libc::close(fd.cast_signed()) };
        }
    }
}

/// Keeps a descriptor, by its number, from programs that are executed.
pub(crate) fn close_on_exec(fd: RawFd) -> nix::Result<()> {
    // SAFETY: changes a flag of a descriptor, whoever owns it; unknown ones are refused.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
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

// ---- how the process runs ----

/// setpriority(2) for this process.
pub(crate) fn set_nice(nice: i8) -> nix::Result<()> {
    // SAFETY: takes numbers only.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice.into()) };
    Errno::result(result).map(drop)
}

/// sched_setscheduler(2) for this process: `priority` 1 to 99 is real time (round robin), 0 is not. Children start
/// without it, nor with less than usual niceness. Called by number, because musl's function of that name always fails.
pub(crate) fn set_scheduler(priority: u8) -> nix::Result<()> {
    let policy = match priority {
        0 => libc::SCHED_OTHER,
        _ => libc::SCHED_RR,
    };
    let parameters = libc::c_int::from(priority);
    // The policy has 32 bits, whatever the width of a register.
    let policy = libc::c_long::from(policy | libc::SCHED_RESET_ON_FORK);
    let at = ptr::from_ref(&parameters);
    // SAFETY: the kernel reads one integer, its struct sched_param, which lives through the call.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, at) };
    Errno::result(result).map(drop)
}

/// ppoll(2) without a signal mask. `None` waits for ever. Interrupted or not, the answer is in `fds`.
pub(crate) fn ppoll(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> nix::Result<()> {
    let timeout = timeout.map(nix::sys::time::TimeSpec::from_duration);
    let timeout = timeout
        .as_ref()
        .map_or(ptr::null(), |time| ptr::from_ref(time.as_ref()));
    let count = libc::nfds_t::try_from(fds.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `fds` and `timeout` are valid for the call, `count` is the length of `fds`.
    let ready = unsafe { libc::ppoll(fds.as_mut_ptr(), count, timeout, ptr::null()) };
    match Errno::result(ready) {
        Ok(_) => Ok(()),
        Err(Errno::EINTR) => {
            fds.iter_mut().for_each(|entry| entry.revents = 0);
            Ok(())
        }
        Err(errno) => Err(errno),
    }
}

/// setsockopt(2) with an integer.
pub(crate) fn set_int_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> nix::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(|_| Errno::EINVAL)?;
    let at = ptr::from_ref(&value).cast();
    // SAFETY: `at` points to an integer that lives through the call, `len` is its size.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, at, len) };
    Errno::result(result).map(drop)
}

const AF_PACKET: libc::sa_family_t = 17;
const SOCKADDR_LL_LEN: libc::socklen_t = 20;
const _: () = assert!(size_of::<libc::sockaddr_ll>() == 20 && libc::AF_PACKET == 17);

/// The address of an interface for packet sockets: frames sent there leave as they are.
pub(crate) fn packet_address(interface: u32) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is one of the address types the storage is made for; all its bytes are zero, which
    // is a valid value.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = AF_PACKET;
    link.sll_ifindex = interface.cast_signed();
    let len = SOCKADDR_LL_LEN;
    // SAFETY: the storage holds a sockaddr_ll and `len` is its size.
    unsafe { SockAddr::new(storage, len) }
}

/// The unwinder, left out. A stripped static program that aborts on panic has no use for backtraces, yet
/// the standard library would bring 280 KB to print them: unwinder, DWARF reader, demangler. Panic messages
/// with file and line are not affected.
#[cfg(all(target_env = "musl", target_feature = "crt-static", panic = "abort"))]
mod no_unwinder {
    /// `_URC_END_OF_STACK`.
    const END_OF_STACK: usize = 5;

    /// Defines functions of the unwinder (Itanium C++ ABI, Level I) that do nothing. All their arguments and
    /// results are words, and a caller's arguments that the callee does not take are harmless in C.
    macro_rules! nothing {
        ($($name:ident -> $answer:expr;)*) => { $(
            // SAFETY: the name is the unwinder's, whose place this takes: nothing else defines it.
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> usize {
                $answer
            }
        )* };
    }

    nothing! {
        _Unwind_Backtrace -> END_OF_STACK;
        _Unwind_RaiseException -> END_OF_STACK;
        _Unwind_Resume -> std::process::abort();
        _Unwind_DeleteException -> 0;
        _Unwind_FindEnclosingFunction -> 0;
        _Unwind_GetCFA -> 0;
        _Unwind_GetDataRelBase -> 0;
        _Unwind_GetIP -> 0;
        _Unwind_GetIPInfo -> 0;
        _Unwind_GetLanguageSpecificData -> 0;
        _Unwind_GetRegionStart -> 0;
        _Unwind_GetTextRelBase -> 0;
        _Unwind_SetGR -> 0;
        _Unwind_SetIP -> 0;
        // ARM's own.
        _Unwind_VRS_Get -> 1;
        _Unwind_VRS_Set -> 1;
        __gnu_unwind_frame -> END_OF_STACK;
    }
}
