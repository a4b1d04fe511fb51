//! `--seccomp`: restricts the daemon to the system calls it uses (seccomp(2)).
//!
//! A filter cannot be removed, and is inherited by children and by programs that are executed. So
//! there is none if the configuration runs programs: they may need anything. A reload that adds one
//! is refused, which is why the filter has to be asked for. A restart in place executes this program,
//! which is allowed; it and its children are restricted as before.
//!
//! Any other system call fails with ENOSYS and is reported to the audit log of the kernel. The daemon
//! is not killed for it: that would be an outage.

use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::geteuid;

use super::restart;
use crate::engine::system::errno_text;
use crate::log;
use crate::sys::caps::{self, Cap};
use crate::sys::seccomp;

/// Whether this build has it, and a list for this machine.
const AVAILABLE: bool = cfg!(feature = "seccomp") && !ALLOWED.is_empty();

/// The filter of this process.
#[derive(Debug)]
pub struct Seccomp {
    /// Another filter, of a service manager for example, does not count.
    is_active: bool,
}

impl Seccomp {
    /// A filter that the program in this process had before a restart is still active.
    #[must_use]
    pub fn at_start() -> Self {
        let is_active = AVAILABLE && restart::is_filtered();
        Seccomp { is_active }
    }

    /// Whether a filter of ours is active.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// Installs the filter, unless the configuration runs programs, such as `program`. To be called once the daemon is
    /// up, with the capabilities that it was started with.
    pub fn install(&mut self, program: Option<&str>) {
        if self.is_active {
            return;
        }
        let outcome = match program {
            _ if !AVAILABLE => Err("it is not part of this build".to_owned()),
            Some(program) => Err(format!(
                "the configuration runs programs ({program}), which would inherit it"
            )),
            None => install(),
        };
        match outcome {
            Ok(()) => {
                self.is_active = true;
                let count = ALLOWED.len();
                log::info!("Seccomp filter active: {count} system calls are allowed");
            }
            Err(why) => log::warn!("--seccomp: no filter: {why}"),
        }
    }

    /// Refuses a configuration that runs `program`: the filter cannot be removed.
    ///
    /// # Errors
    /// A message for the log.
    pub fn check(&self, program: Option<&str>) -> Result<(), String> {
        match program.filter(|_| self.is_active) {
            None => Ok(()),
            Some(program) => Err(format!(
                "it runs a program ({program}), which the seccomp filter of this process does not allow; stop and start vrrpd to apply it"
            )),
        }
    }
}

/// Without CAP_SYS_ADMIN the kernel demands `no_new_privs`.
fn install() -> Result<(), String> {
    let text = |errno: Errno| {
        if [Errno::EINVAL, Errno::ENOSYS].contains(&errno) {
            return "the kernel has none (CONFIG_SECCOMP_FILTER)".to_owned();
        }
        errno_text(errno as i32)
    };
    let caps = caps::get().map_err(text)?;
    if !caps.effective.has(Cap::SYS_ADMIN) {
        // Those of root come back after an execve, ambient ones stay.
        if !geteuid().is_root() && !caps::ambient().has(Cap::NET_ADMIN) {
            return Err(
                "it needs no_new_privs, and a restart would lose the capabilities of the program file"
                    .to_owned(),
            );
        }
        prctl::set_no_new_privs().map_err(text)?;
    }
    seccomp::install(&program()).map_err(text)
}

// ---- the filter ----

/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD: u16 = 0x20;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const IF_EQUAL: u16 = 0x15;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
#[allow(clippy::cast_sign_loss, reason = "error numbers are positive")]
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

const fn statement(code: u16, k: u32) -> libc::sock_filter {
    let (jt, jf) = (0, 0);
    libc::sock_filter { code, jt, jf, k }
}

/// Returns `ALLOW` or `REFUSE` for the architecture and number of a system call.
fn program() -> Vec<libc::sock_filter> {
    let if_not = |k, skip| libc::sock_filter {
        code: IF_EQUAL,
        jt: 0,
        jf: skip,
        k,
    };
    let start = [
        statement(LOAD, ARCH),
        // Another one, such as 32 bits on x86_64, has other numbers.
        libc::sock_filter {
            jt: 1,
            jf: 0,
            ..if_not(MACHINE, 0)
        },
        statement(RETURN, REFUSE),
        statement(LOAD, NUMBER),
    ];
    let allowed = ALLOWED.iter().flat_map(|number| {
        // Numbers fit into 32 bits: that is the size in `struct seccomp_data`.
        let number = u32::try_from(*number).unwrap_or(u32::MAX);
        [if_not(number, 1), statement(RETURN, ALLOW)]
    });
    let end = [statement(RETURN, REFUSE)];
    start.into_iter().chain(allowed).chain(end).collect()
}

/// `AUDIT_ARCH_*` of `linux/audit.h`.
#[cfg(target_arch = "x86_64")]
const MACHINE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const MACHINE: u32 = 0xc000_00b7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const MACHINE: u32 = 0;

/// No list for this machine yet.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ALLOWED: &[libc::c_long] = &[];

/// System calls that the daemon, its children and a restart in place use, with those that a C library
/// may use instead (another version, musl or glibc). Not in it: other processes' memory, mounts,
/// namespaces, modules, keys, BPF, user and group ids, the clock, and much more.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[rustfmt::skip]
const ALLOWED: &[libc::c_long] = &[
    // Most frequent first.
    libc::SYS_ppoll, libc::SYS_recvmsg, libc::SYS_sendmsg, libc::SYS_sendto, libc::SYS_recvfrom,
    libc::SYS_read, libc::SYS_write, libc::SYS_clock_gettime,
    // Files.
    libc::SYS_openat, libc::SYS_close, libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64,
    libc::SYS_pwrite64, libc::SYS_lseek, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx,
    libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_fcntl, libc::SYS_ioctl, libc::SYS_flock,
    libc::SYS_dup, libc::SYS_dup3, libc::SYS_pipe2, libc::SYS_getdents64, libc::SYS_getcwd,
    libc::SYS_chdir, libc::SYS_readlinkat, libc::SYS_unlinkat, libc::SYS_renameat,
    libc::SYS_renameat2, libc::SYS_mkdirat, libc::SYS_mknodat, libc::SYS_linkat, libc::SYS_fchmod,
    libc::SYS_fchmodat, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_ftruncate, libc::SYS_fsync,
    libc::SYS_fdatasync, libc::SYS_umask, libc::SYS_faccessat, libc::SYS_faccessat2,
    libc::SYS_utimensat, libc::SYS_close_range, libc::SYS_copy_file_range, libc::SYS_sendfile,
    libc::SYS_fadvise64, libc::SYS_inotify_init1, libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Memory.
    libc::SYS_brk, libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mprotect, libc::SYS_mremap,
    libc::SYS_madvise, libc::SYS_mlockall, libc::SYS_munlockall, libc::SYS_membarrier,
    // Sockets and waiting.
    libc::SYS_socket, libc::SYS_socketpair, libc::SYS_bind, libc::SYS_connect, libc::SYS_listen,
    libc::SYS_accept, libc::SYS_accept4, libc::SYS_getsockname, libc::SYS_getpeername,
    libc::SYS_setsockopt, libc::SYS_getsockopt, libc::SYS_shutdown, libc::SYS_sendmmsg,
    libc::SYS_recvmmsg, libc::SYS_pselect6, libc::SYS_signalfd4, libc::SYS_eventfd2,
    libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait,
    // Time.
    libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_nanosleep, libc::SYS_gettimeofday,
    libc::SYS_setitimer, libc::SYS_timerfd_create, libc::SYS_timerfd_settime,
    // Processes and signals.
    libc::SYS_clone, libc::SYS_clone3, libc::SYS_execve, libc::SYS_exit, libc::SYS_exit_group,
    libc::SYS_wait4, libc::SYS_waitid, libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill,
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait, libc::SYS_sigaltstack, libc::SYS_restart_syscall,
    libc::SYS_getpid, libc::SYS_getppid, libc::SYS_gettid, libc::SYS_getpgid, libc::SYS_setpgid,
    libc::SYS_getsid, libc::SYS_setsid, libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid,
    libc::SYS_getegid, libc::SYS_getgroups, libc::SYS_getresuid, libc::SYS_getresgid,
    libc::SYS_capget, libc::SYS_capset, libc::SYS_prctl, libc::SYS_prlimit64, libc::SYS_getrusage,
    libc::SYS_getpriority, libc::SYS_setpriority, libc::SYS_sched_setscheduler,
    libc::SYS_sched_getscheduler, libc::SYS_sched_getparam, libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield, libc::SYS_set_tid_address, libc::SYS_set_robust_list, libc::SYS_futex,
    libc::SYS_rseq, libc::SYS_getrandom, libc::SYS_uname, libc::SYS_sysinfo,
    // `net_namespace`, entered again after a restart in place. Takes CAP_SYS_ADMIN.
    libc::SYS_setns,
    // The older forms.
    #[cfg(target_arch = "x86_64")] libc::SYS_open,
    #[cfg(target_arch = "x86_64")] libc::SYS_stat,
    #[cfg(target_arch = "x86_64")] libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")] libc::SYS_access,
    #[cfg(target_arch = "x86_64")] libc::SYS_poll,
    #[cfg(target_arch = "x86_64")] libc::SYS_select,
    #[cfg(target_arch = "x86_64")] libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")] libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")] libc::SYS_fork,
    #[cfg(target_arch = "x86_64")] libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")] libc::SYS_alarm,
    #[cfg(target_arch = "x86_64")] libc::SYS_getpgrp,
    #[cfg(target_arch = "x86_64")] libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")] libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")] libc::SYS_rename,
    #[cfg(target_arch = "x86_64")] libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")] libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")] libc::SYS_link,
    #[cfg(target_arch = "x86_64")] libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")] libc::SYS_chown,
    #[cfg(target_arch = "x86_64")] libc::SYS_time,
    #[cfg(target_arch = "x86_64")] libc::SYS_getrlimit,
    #[cfg(target_arch = "x86_64")] libc::SYS_setrlimit,
    #[cfg(target_arch = "x86_64")] libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")] libc::SYS_arch_prctl,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_listed_twice_and_the_kernel_takes_the_program() {
        let mut numbers = ALLOWED.to_vec();
        numbers.sort_unstable();
        let count = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        assert!(program().len() < 4096, "BPF_MAXINSNS");
    }

    #[test]
    fn a_process_with_the_filter_works_and_cannot_do_anything_else() {
        if !AVAILABLE {
            return;
        }
        // A filter belongs to a thread, so other tests are not affected.
        std::thread::spawn(|| {
            prctl::set_no_new_privs().expect("anybody may");
            let fs_alone = nix::sched::CloneFlags::CLONE_FS;
            nix::sched::unshare(fs_alone).expect("anybody may");
            match seccomp::install(&program()) {
                Err(Errno::EINVAL | Errno::ENOSYS) => return,
                outcome => outcome.expect("installed"),
            }
            let refused = nix::sched::unshare(fs_alone);
            assert_eq!(refused, Err(Errno::ENOSYS));
            std::fs::read("/proc/self/status").expect("files can be read");
            std::net::UdpSocket::bind("127.0.0.1:0").expect("sockets work");
        })
        .join()
        .expect("passed");
    }
}
