//! All `unsafe` code: system calls that nix and socket2 do not offer in a safe form, one per
//! function.

pub(crate) mod caps;
#[cfg(feature = "sniff")]
pub(crate) mod packet;
pub(crate) mod seccomp;

use std::ffi::CString;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::unistd::{ForkResult, Gid};
use socket2::{SockAddr, SockAddrStorage};

/// Whether the process has no other thread, whose locks a child would inherit.
pub(crate) fn is_single_threaded() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    threads <= 1
}

/// fork(2), refused when more than one thread runs.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    if !is_single_threaded() {
        return Err(Errno::EBUSY);
    }
    // SAFETY: the child of a single-threaded process is a full copy; no lock is held by a thread
    // that does not exist there. Checked above; without /proc it holds because vrrpd starts no
    // threads.
    unsafe { nix::unistd::fork() }
}

// ---- memory ----

/// How far below the stack in use its pages are given back.
const STACK: usize = 128 << 10;

/// Gives pages of the stack that are no longer used back to the kernel.
#[inline(never)]
pub(crate) fn release_stack() {
    let in_use = 0_u8;
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let page = usize::try_from(page).unwrap_or(STACK);
    // This function and those that it calls use less than two pages.
    let end = (&raw const in_use).addr() / page * page - 2 * page;
    let start = (end - STACK) / page * page;
    // SAFETY: the stack grows towards lower addresses, so what is below this function is unused, and
    // other mappings are farther away than that.
    unsafe {
        libc::madvise(
            ptr::without_provenance_mut(start),
            end - start,
            libc::MADV_DONTNEED,
        )
    };
}

// ---- children ----

/// Arguments or environment for execve(2), allocated before a fork so that the child need not
/// allocate.
#[derive(Debug)]
pub(crate) struct Words {
    /// What the pointers refer to; never changed.
    _text: Vec<CString>,
    /// A pointer to each word, then null.
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

/// fork(2) for a child that runs `body` and exits with the code that it returns. Unless the process
/// [`is_single_threaded`], `body` must only make system calls: no allocation, no lock.
pub(crate) fn fork_child(body: &dyn Fn() -> u8) -> nix::Result<nix::unistd::Pid> {
    // SAFETY: locks that other threads hold at this moment stay locked in the child, which is why
    // `body` must not lock. It is borrowed, so the child does not free it.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // Even after a panic the child must not continue as a second daemon.
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
    // SAFETY: accesses no memory.
    unsafe { libc::_exit(code.into()) }
}

/// execve(2) of the program in `argv[0]`. Returns only when that fails.
pub(crate) fn execve(argv: &Words, environment: &Words) -> Errno {
    let Some(&program) = argv.pointers.first().filter(|first| !first.is_null()) else {
        return Errno::ENOENT;
    };
    // SAFETY: all pointers refer to NUL-terminated text that `argv` and `environment` own; both
    // lists end with null.
    unsafe {
        libc::execve(
            program,
            argv.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        )
    };
    Errno::last()
}

/// Sets every signal to its default: an ignored signal would stay ignored in a program that is
/// executed.
pub(crate) fn default_signals() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: sets no handler. Signals that cannot be changed are refused, among them those
        // that the C library uses.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
}

/// getdents64(2): fills `buf` with the next entries of a directory (`struct linux_dirent64`), and
/// returns their length in bytes; 0 at the end. (readdir(3) of glibc reads 32 KiB at a time.)
pub(crate) fn directory_entries(dir: BorrowedFd<'_>, buf: &mut [u8]) -> nix::Result<usize> {
    // SAFETY: the kernel writes at most `len` bytes to the buffer.
    let read = unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            dir.as_raw_fd(),
            buf.as_mut_ptr(),
            buf.len(),
        )
    };
    Errno::result(read).map(|len| usize::try_from(len).unwrap_or(0).min(buf.len()))
}

/// Reaps a child that has ended, if there is one. (nix does not accept an end by a real-time
/// signal.)
pub(crate) fn reap() -> Option<(i32, ExitStatus)> {
    let mut status = 0;
    // SAFETY: the pointer is valid for the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    (pid > 0).then(|| (pid, ExitStatus::from_raw(status)))
}

/// In a child that does not execute a program: closes all descriptors but the three standard ones
/// and `kept`.
#[cfg(any(feature = "lvs", feature = "mail"))]
pub(crate) fn close_all_but(kept: RawFd) {
    let kept = libc::c_uint::try_from(kept).unwrap_or(libc::c_uint::MAX);
    for (first, last) in [
        (3, kept.saturating_sub(1)),
        (kept.saturating_add(1), libc::c_uint::MAX),
    ] {
        if first > last {
            continue;
        }
        // SAFETY: the child neither uses nor drops their owners, which are the daemon's.
        let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        if done == 0 {
            continue;
        }
        // Kernels before 5.9 do not have close_range(2). The daemon has far fewer descriptors than
        // this.
        for fd in first..=last.min(4096) {
            // SAFETY: as above.
            let _ = unsafe { libc::close(fd.cast_signed()) };
        }
    }
}

/// Sets the close-on-exec flag of a descriptor.
pub(crate) fn close_on_exec(fd: RawFd) -> nix::Result<()> {
    // SAFETY: sets a flag of the descriptor; a number that is not open is refused.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Sets the close-on-exec flag of all descriptors but the three standard ones. Kernels before 5.11
/// refuse it.
pub(crate) fn close_on_exec_all() -> nix::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    let (first, last) = (3, libc::c_uint::MAX);
    // SAFETY: sets a flag of descriptors, and takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, CLOSE_RANGE_CLOEXEC) };
    Errno::result(result).map(drop)
}

/// readlinkat(2) of an opened link; returns the length of the target. One that fills the buffer
/// may have been cut off and is refused.
pub(crate) fn read_link(link: BorrowedFd<'_>, into: &mut [u8]) -> nix::Result<usize> {
    let at = into.as_mut_ptr().cast();
    // SAFETY: the path is a valid empty string, and the kernel writes at most the length given.
    let len = unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), at, into.len()) };
    let len = usize::try_from(len).map_err(|_| Errno::last())?;
    (len < into.len()).then_some(len).ok_or(Errno::ENAMETOOLONG)
}

/// Whether this is the only supplementary group, or there is none.
pub(crate) fn has_only_group(gid: Gid) -> bool {
    let mut groups = [0; 2];
    // SAFETY: the array has room for two groups; more are refused.
    match unsafe { libc::getgroups(2, groups.as_mut_ptr()) } {
        0 => true,
        1 => groups.first() == Some(&gid.as_raw()),
        _ => false,
    }
}

/// Makes the process one without a controlling terminal; `terminal` is that terminal.
pub(crate) fn detach_from_terminal(terminal: &impl AsRawFd) -> nix::Result<()> {
    // SAFETY: this request takes no argument.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY) }).map(drop)
}

/// F_SETLK: locks a whole file exclusively for this process. The lock is not inherited by children
/// and survives execve(2); closing *any* descriptor of the file releases it. If another process has
/// a lock, its pid is returned, or 0 if it is not visible in this pid namespace.
pub(crate) fn lock_record(file: BorrowedFd<'_>) -> nix::Result<Option<libc::pid_t>> {
    // SAFETY: all fields are integers. Zero: from SEEK_SET 0 to the end of the file.
    let mut lock = unsafe { MaybeUninit::<libc::flock>::zeroed().assume_init() };
    lock.l_type = i16::try_from(libc::F_WRLCK).unwrap_or_default();
    let mut call = |request| {
        // SAFETY: the pointer is valid for the call.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), request, &raw mut lock) };
        Errno::result(result).map(drop)
    };
    match call(libc::F_SETLK) {
        Err(Errno::EAGAIN | Errno::EACCES) => {}
        outcome => return outcome.map(|()| None),
    }
    call(libc::F_GETLK)?;
    // Released in the meantime: the next attempt succeeds.
    let free = i32::from(lock.l_type) == libc::F_UNLCK;
    Ok(Some(if free { 0 } else { lock.l_pid.max(0) }))
}

/// Takes over a descriptor that the process has inherited; `None` if it is not open. To be called
/// once per descriptor, before others are opened that could have its number.
pub(crate) fn inherited_file(fd: RawFd) -> Option<File> {
    close_on_exec(fd).ok()?;
    // SAFETY: the descriptor is open, and nothing in this program has opened it.
    Some(unsafe { File::from_raw_fd(fd) })
}

/// Local time in the machine's time zone.
pub(crate) fn local_time(now: TimeSpec) -> Option<libc::tm> {
    let seconds = now.tv_sec();
    let mut parts = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are valid for the call. The function reads the environment, which never
    // changes: there is one thread and no call of set_var.
    let filled = unsafe { libc::localtime_r(&raw const seconds, parts.as_mut_ptr()) };
    if filled.is_null() {
        return None;
    }
    // SAFETY: a non-null result means that all fields have been set.
    Some(unsafe { parts.assume_init() })
}

/// A random number from the kernel; `None` if its pool is not initialized yet. Not for secrets.
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
    // SAFETY: takes no pointers.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice.into()) };
    Errno::result(result).map(drop)
}

/// sched_setscheduler(2) for this process: SCHED_RR with `priority` 1 to 99, SCHED_OTHER with 0.
/// Children start with SCHED_OTHER and do not inherit a negative niceness (SCHED_RESET_ON_FORK).
/// Called by number, because musl's function always fails.
pub(crate) fn set_scheduler(priority: u8) -> nix::Result<()> {
    let policy = match priority {
        0 => libc::SCHED_OTHER,
        _ => libc::SCHED_RR,
    };
    let parameters = libc::c_int::from(priority);
    // The policy is an int; the system call takes a register.
    let policy = libc::c_long::from(policy | libc::SCHED_RESET_ON_FORK);
    let at = ptr::from_ref(&parameters);
    // SAFETY: the kernel reads one int (struct sched_param), which is valid for the call.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, at) };
    Errno::result(result).map(drop)
}

/// Whether the process has real-time priority.
pub(crate) fn has_real_time() -> bool {
    // SAFETY: takes numbers only; called by number because musl's function always fails.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
    let policy = policy & !libc::c_long::from(libc::SCHED_RESET_ON_FORK);
    [libc::SCHED_FIFO, libc::SCHED_RR]
        .map(libc::c_long::from)
        .contains(&policy)
}

/// Gives up real-time priority and a negative niceness that the process has inherited.
pub(crate) fn drop_priority() -> nix::Result<()> {
    const PRIO_PROCESS: libc::c_long = 0;
    /// What the system call returns for niceness 0; more for a negative one.
    const ORDINARY: libc::c_long = 20;
    // SAFETY: takes numbers only.
    let priority = unsafe { libc::syscall(libc::SYS_getpriority, PRIO_PROCESS, 0) };
    if has_real_time() {
        set_scheduler(0)?;
    }
    if priority > ORDINARY {
        set_nice(0)?;
    }
    Ok(())
}

/// ppoll(2) without a signal mask; no timeout means for ever. The result is in `fds`; EINTR counts
/// as nothing ready.
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
    // SAFETY: `at` points to an int that is valid for the call, `len` is its size.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, at, len) };
    Errno::result(result).map(drop)
}

/// Number of columns of a terminal.
pub(crate) fn terminal_width(terminal: &impl AsRawFd) -> Option<u16> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request writes a winsize to `size`, which is valid for the call.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_col > 0).then_some(size.ws_col)
}

const AF_PACKET: libc::sa_family_t = 17;
const SOCKADDR_LL_LEN: libc::socklen_t = 20;
const _: () = assert!(size_of::<libc::sockaddr_ll>() == 20 && libc::AF_PACKET == 17);

/// The address of an interface for a packet socket, to send complete frames (`protocol` is 0 then) or
/// to receive those of a protocol, in network order.
pub(crate) fn packet_address(interface: u32, protocol: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is one of the address types that the storage is for; all bytes are zero,
    // which is a valid value.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = AF_PACKET;
    link.sll_protocol = protocol;
    link.sll_ifindex = interface.cast_signed();
    let len = SOCKADDR_LL_LEN;
    // SAFETY: the storage holds a sockaddr_ll and `len` is its size.
    unsafe { SockAddr::new(storage, len) }
}

/// Replaces the unwinder by stubs. A stripped static program that aborts on panic cannot print
/// useful backtraces, but the standard library would link 280 KB for them: unwinder, DWARF reader,
/// demangler. Panic messages with file and line are not affected.
#[cfg(all(target_env = "musl", target_feature = "crt-static", panic = "abort"))]
mod no_unwinder {
    /// `_URC_END_OF_STACK`.
    const END_OF_STACK: usize = 5;

    /// Defines functions of the unwinder (Itanium C++ ABI, Level I) that return a constant. All
    /// arguments and results are words, and in C a callee may ignore arguments.
    macro_rules! stubs {
        ($($name:ident -> $result:expr;)*) => { $(
            // SAFETY: no other object defines this name, because this module replaces the unwinder.
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> usize {
                $result
            }
        )* };
    }

    stubs! {
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
        // ARM only.
        _Unwind_VRS_Get -> 1;
        _Unwind_VRS_Set -> 1;
        __gnu_unwind_frame -> END_OF_STACK;
    }
}
