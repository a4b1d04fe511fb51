//! Private namespaces: the program executes itself again in new ones.
//!
//! ```text
//! stage 0  as started           waits, returns the exit code
//!   stage 1  unshares user (unless root), mount, network, process namespaces; writes the id maps
//!     stage 2  process 1 of the new namespaces: own /proc, empty /run, lo up; runs the program proper
//! ```
//! Every stage asks the kernel to be killed when its parent dies, and stage 2 is process 1 of its
//! process namespace: when it ends for any reason, the kernel kills all its descendants and removes
//! the network namespaces.
//!
//! Where mounting /proc is not permitted (some containers), stage 0 tries again without a process
//! namespace; then daemons are stopped only if the program ends normally.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio, exit};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, getgid, getuid, setresgid, setresuid};

/// Exit code of a program whose namespaces were refused.
pub const SKIP: i32 = 77;
/// Exit code of stage 2: /proc could not be mounted.
const NO_PROC: i32 = 76;
const STAGE: &str = "VRRPD_LAB_STAGE";
/// Directory for configurations, logs and captures: private and in memory.
pub const DIR: &str = "/run/lab";

/// Whether [`enter`] first tries a user namespace with other ids.
static MAPPED: AtomicBool = AtomicBool::new(false);

/// Namespaces were refused; the reason has been printed.
#[derive(Debug)]
pub struct Refused;

/// Returns in the new namespaces. To be called first in `main`, before any thread is started.
///
/// # Errors
/// [`Refused`] in stage 0 if the kernel does not allow it; the explanation is on stderr.
pub fn enter() -> Result<(), Refused> {
    match std::env::var(STAGE).as_deref() {
        Err(_) => {
            let mapped: &[&str] = match MAPPED.load(Ordering::Relaxed) {
                true => &["mapped:pid"],
                false => &[],
            };
            for mode in mapped.iter().chain(&["pid", "nopid"]) {
                match code(reexec(&format!("1:{mode}"))) {
                    NO_PROC => {}
                    SKIP if mode.starts_with("mapped") => {}
                    SKIP => return Err(Refused),
                    c => exit(c),
                }
            }
            Err(Refused)
        }
        Ok(stage) => {
            let with_pid = stage.ends_with(":pid");
            if stage.starts_with('1') {
                isolate(with_pid, stage.contains("mapped"));
                exit(code(reexec(&format!(
                    "2:{}",
                    if with_pid { "pid" } else { "nopid" }
                ))));
            }
            set_up(with_pid);
            Ok(())
        }
    }
}

/// Starts this program again with the same arguments and a search path that has `/usr/sbin`.
fn reexec(stage: &str) -> ExitStatus {
    let exe = std::env::current_exe().unwrap_or_else(|e| refuse("reading /proc/self/exe", &e));
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new(exe)
        .args(std::env::args_os().skip(1))
        .env(STAGE, stage)
        .env(
            "PATH",
            format!("{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"),
        )
        .status()
        .unwrap_or_else(|e| refuse("starting a process in the new namespaces", &e))
}

fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// As [`enter`], but root takes 65,536 other user ids in a user namespace if they can run this
/// program and `VRRPD_BIN`: the kernel exempts root from limits of processes.
///
/// # Errors
/// As [`enter`].
pub fn enter_without_root() -> Result<(), Refused> {
    if std::env::var_os(STAGE).is_none() {
        let programs = [std::env::current_exe().ok(), vrrpd()];
        let can_run = programs.iter().flatten().all(|path| others_can_run(path));
        // No thread has been started.
        MAPPED.store(getuid().is_root() && can_run, Ordering::Relaxed);
    }
    enter()
}

fn vrrpd() -> Option<PathBuf> {
    std::env::var_os("VRRPD_BIN").map(PathBuf::from)
}

/// Whether any user may execute this file.
fn others_can_run(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    let open = |part: &Path| fs::metadata(part).is_ok_and(|data| data.mode() & 1 != 0);
    path.ancestors().all(open)
}

/// Makes this process root of a new user namespace with 65,536 ids. `false`: refused; nothing has
/// changed, or only the namespace.
fn take_other_ids(flags: CloneFlags) -> bool {
    // The maps are written by a process outside of the namespace.
    let script = "read go && echo '0 1000000 65536' >/proc/$PPID/uid_map && \
                  echo '0 1000000 65536' >/proc/$PPID/gid_map";
    let shell = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut shell) = shell else { return false };
    if unshare(flags | CloneFlags::CLONE_NEWUSER).is_err() {
        return false;
    }
    let go = shell.stdin.take().map(|mut to| to.write_all(b"go\n"));
    let mapped = go.is_some_and(|sent| sent.is_ok()) && shell.wait().is_ok_and(|end| end.success());
    let zero = (Uid::from_raw(0), Gid::from_raw(0));
    mapped && setresgid(zero.1, zero.1, zero.1).is_ok() && setresuid(zero.0, zero.0, zero.0).is_ok()
}

/// Stage 1.
fn isolate(with_pid: bool, mapped: bool) {
    let (uid, gid) = (getuid(), getgid());
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS;
    if with_pid {
        flags |= CloneFlags::CLONE_NEWPID;
    }
    if mapped {
        if !take_other_ids(flags) {
            refuse("a user namespace with other ids", &Errno::last().into());
        }
        let _ = set_pdeathsig(Signal::SIGKILL);
        return;
    }
    let as_root = uid.is_root() && unshare(flags) == Ok(());
    if !as_root {
        let all = flags | CloneFlags::CLONE_NEWUSER;
        unshare(all).unwrap_or_else(|e| refuse("unshare(2), creating the namespaces", &e.into()));
        // The kernel requires this order: groups may be mapped only after setgroups is denied.
        for (file, text) in [
            ("setgroups", "deny".to_string()),
            ("gid_map", format!("0 {gid} 1")),
            ("uid_map", format!("0 {uid} 1")),
        ] {
            let file = format!("/proc/self/{file}");
            fs::write(&file, text).unwrap_or_else(|e| refuse(&format!("writing {file}"), &e));
        }
    }
    // After unshare: a change of credentials clears it.
    let _ = set_pdeathsig(Signal::SIGKILL);
}

/// Stage 2.
fn set_up(with_pid: bool) {
    let _ = set_pdeathsig(Signal::SIGKILL);
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .unwrap_or_else(|e| refuse("making the mounts private", &e.into()));
    if with_pid {
        match mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none) {
            Ok(()) => {}
            Err(Errno::EPERM | Errno::EACCES) => exit(NO_PROC),
            Err(e) => refuse("mounting /proc", &e.into()),
        }
    }
    mount(
        Some("tmpfs"),
        "/run",
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )
    .unwrap_or_else(|e| refuse("mounting a tmpfs on /run", &e.into()));
    for dir in [DIR, "/run/netns", "/run/lock"] {
        fs::create_dir_all(dir).unwrap_or_else(|e| refuse(dir, &e));
    }
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    match up {
        Ok(s) if s.success() => {}
        Ok(_) => refuse(
            "setting lo up in the new network namespace",
            &Errno::EPERM.into(),
        ),
        Err(e) => refuse("running `ip` (package iproute2)", &e),
    }
}

/// Prints what was refused and the setting that would allow it, and exits.
fn refuse(what: &str, why: &std::io::Error) -> ! {
    eprintln!("private network namespaces are not available: {what}: {why}");
    for (knob, want, advice) in [
        (
            "kernel/unprivileged_userns_clone",
            "1",
            "sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "0",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ] {
        if let Ok(now) = fs::read_to_string(Path::new("/proc/sys").join(knob))
            && now.trim() != want
        {
            eprintln!("  remedy (as root): {advice}    (it is {} now)", now.trim());
        }
    }
    for kind in ["user", "net", "mnt", "pid", "uts"] {
        let knob = format!("user.max_{kind}_namespaces");
        let path = format!("/proc/sys/{}", knob.replace('.', "/"));
        if fs::read_to_string(path).is_ok_and(|n| n.trim() == "0") {
            eprintln!("  remedy (as root): sysctl -w {knob}=10000    (it is 0 now)");
        }
    }
    eprintln!("  or run it as root; in a container: docker run --privileged …");
    exit(SKIP)
}
