//! Starts programs in child processes, and reaps them.
//!
//! ```text
//! fork ── daemon: continues at once ───────────── SIGCHLD ── waitpid until no child is left
//!    └─── child: own process group, default signals, none blocked, /dev/null, user,
//!         capabilities (`child_privileges`) ── execve
//! ```
//! `std::process::Command` would wait until the program is executed, which takes long on slow
//! flash. Here the child makes system calls only, with arguments that were allocated before the
//! fork. If it cannot execute the program, it writes why to a pipe that all children share, so that
//! this is not mistaken for the program's own exit code 126 or 127. The pipe is read when a child
//! exits with one of these codes.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, dup2_stderr, dup2_stdin, dup2_stdout, getppid, setpgid};

use super::child_privileges::{self, Refusal};
use super::host::own_user;
use super::path_check::{self, PathError};
use super::{executable, sched, sd_notify};
use crate::config::model::{Command, User};
use crate::engine::system::{Exit, Kill, Pid};
use crate::sys::{self, Words};

/// Exit codes of a child that could not execute the program, as in a shell.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// Size of a report in bytes: pid, step, error number.
const REPORT_LEN: usize = 12;

/// What can fail in a child before the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    User = 1,
    Execute = 2,
    Privileges = 3,
    Path = 4,
}

/// Limits that the daemon raises for itself: for health checks, to lock its memory, and to run in
/// time.
const RAISED: [Resource; 3] = [
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_RTPRIO,
];

/// Soft and hard value of each limit in [`RAISED`].
type Limits = [Option<(rlim_t, rlim_t)>; RAISED.len()];

/// The limits that the daemon was started with, which are those of children. To be called before
/// it raises one.
pub fn limits_at_start() -> Limits {
    static AT_START: OnceLock<Limits> = OnceLock::new();
    *AT_START.get_or_init(|| RAISED.map(|limit| getrlimit(limit).ok()))
}

/// Sets the limits that the daemon was started with.
pub(super) fn restore_limits() {
    for (limit, at_start) in RAISED.into_iter().zip(limits_at_start()) {
        if let Some((soft, hard)) = at_start {
            let _ = setrlimit(limit, soft, hard);
        }
    }
}

/// Starts children and reaps them.
#[derive(Debug)]
pub(super) struct Children {
    environment: Words,
    /// Reading end of the pipe that children report failures to.
    reports: File,
    report_pipe: File,
    /// Reports that have been read, and whose child has not been reaped yet.
    unclaimed: Vec<Report>,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    pid: i32,
    step: i32,
    errno: i32,
}

impl Children {
    /// To be called when the environment is final. Descriptors that the daemon inherited are made
    /// close-on-exec.
    pub(super) fn new() -> io::Result<Self> {
        let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
        for entry in open.flatten() {
            let name = entry.file_name();
            let fd = name.to_str().and_then(|name| name.parse().ok());
            if let Some(fd) = fd.filter(|fd| *fd > 2) {
                let _ = sys::close_on_exec(fd);
            }
        }
        let (reports, report_pipe) = unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok(Children {
            environment: environment(),
            reports: File::from(reports),
            report_pipe: File::from(report_pipe),
            unclaimed: Vec::new(),
        })
    }

    /// See [`crate::engine::system::System::spawn`].
    pub(super) fn spawn(&self, command: &Command, more: &[&str]) -> io::Result<Pid> {
        let words = command.argv.iter().map(String::as_str);
        let words: Result<Vec<CString>, _> = words
            .chain(more.iter().copied())
            .map(CString::new)
            .collect();
        let argv = Words::new(words.map_err(|_| io::ErrorKind::InvalidInput)?);
        let checked = command.argv.first().filter(|_| command.secure);
        let trusted = executable::trusted_owner(command.user);
        self.start(command.user, &|| {
            // Here, because the path may have changed since the last run, and because reading
            // directories may block.
            if let Some(path) = checked
                && let Err(error) = path_check::check(path.as_bytes(), trusted)
            {
                return match error {
                    PathError::System(errno) => self.report(Step::Execute, errno),
                    PathError::Exposed(_) => self.report(Step::Path, Errno::EACCES),
                };
            }
            let errno = sys::execve(&argv, &self.environment);
            self.report(Step::Execute, errno)
        })
    }

    /// Starts a child as `user`, which runs `body` and exits with the code that it returns.
    pub(super) fn start(&self, user: User, body: &dyn Fn() -> u8) -> io::Result<Pid> {
        let daemon = unistd::getpid();
        let daemon_user = own_user();
        let child = sys::fork_child(&|| {
            let me = unistd::Pid::from_raw(0);
            let _ = setpgid(me, me);
            sys::default_signals();
            let _ = SigSet::empty().thread_set_mask();
            let _ = umask(sched::child_umask());
            redirect_to_null();
            restore_limits();
            // Each is opened with it; whatever was missed must not reach a script.
            let _ = sys::close_on_exec_all();
            match child_privileges::settle(user, daemon_user) {
                Ok(()) => {}
                Err(Refusal::User(errno)) => return self.report(Step::User, errno),
                Err(Refusal::Privileges(errno)) => return self.report(Step::Privileges, errno),
            }
            // After the change of user, which resets it.
            let _ = set_pdeathsig(Signal::SIGTERM);
            if getppid() != daemon {
                // The daemon died before the signal was set.
                return NOT_EXECUTABLE;
            }
            body()
        })?;
        // Parent and child both do it, so that the group exists as soon as either needs it.
        let _ = setpgid(child, child);
        Ok(Pid(child.as_raw()))
    }

    /// In the child: reports a failure to the daemon and returns the exit code.
    fn report(&self, step: Step, errno: Errno) -> u8 {
        let mut bytes = [0; REPORT_LEN];
        let fields = [unistd::getpid().as_raw(), step as i32, errno as i32];
        for (to, from) in bytes.chunks_exact_mut(4).zip(fields) {
            to.copy_from_slice(&from.to_ne_bytes());
        }
        // A pipe takes up to PIPE_BUF bytes in one piece or not at all.
        let _ = unistd::write(&self.report_pipe, &bytes);
        if errno == Errno::ENOENT {
            NOT_FOUND
        } else {
            NOT_EXECUTABLE
        }
    }

    /// Reaps the next child that has ended, if there is one.
    pub(super) fn reap(&mut self) -> Option<(Pid, Exit)> {
        let (pid, status) = sys::reap()?;
        Some((Pid(pid), self.exit(pid, status)))
    }

    fn exit(&mut self, pid: i32, status: ExitStatus) -> Exit {
        let Some(code) = status.code() else {
            return Exit::Signal(status.signal().unwrap_or(0));
        };
        if ![NOT_EXECUTABLE, NOT_FOUND].map(i32::from).contains(&code) {
            return Exit::Code(code);
        }
        self.read_reports();
        let Some(index) = self.unclaimed.iter().position(|report| report.pid == pid) else {
            return Exit::Code(code);
        };
        let Report { step, errno, .. } = self.unclaimed.swap_remove(index);
        match step {
            _ if step == Step::User as i32 => Exit::NotUser(errno),
            _ if step == Step::Privileges as i32 => Exit::NotConfined(errno),
            _ if step == Step::Path as i32 => Exit::Exposed,
            _ => Exit::NotExecuted(errno),
        }
    }

    fn read_reports(&mut self) {
        let mut bytes = [0; REPORT_LEN];
        while let Ok(REPORT_LEN) = self.reports.read(&mut bytes) {
            let mut fields = bytes
                .chunks_exact(4)
                .map(|field| field.try_into().map_or(0, i32::from_ne_bytes));
            let mut next = || fields.next().unwrap_or(0);
            self.unclaimed.push(Report {
                pid: next(),
                step: next(),
                errno: next(),
            });
        }
    }
}

/// Signals the whole process group of a child.
pub(super) fn kill(child: Pid, how: Kill) {
    let signal = match how {
        Kill::Term => Signal::SIGTERM,
        Kill::Kill => Signal::SIGKILL,
    };
    // killpg(2) would signal our own group for 0, and every process for 1 (as kill(2) does for -1).
    if child.0 > 1 {
        // ESRCH: all of the group has ended already.
        let _ = killpg(unistd::Pid::from_raw(child.0), signal);
    }
}

/// The environment of children: ours without the variables that change how programs are loaded or
/// how shells split words, and without those that only the daemon may use.
fn environment() -> Words {
    let kept = std::env::vars_os().filter(|(name, _)| {
        let name = name.as_encoded_bytes();
        let ours = [sd_notify::SOCKET]
            .into_iter()
            .chain(super::restart::VARIABLES);
        let ours = ours.into_iter().any(|one| name == one.as_bytes());
        name != b"IFS" && !ours && !name.starts_with(b"LD_")
    });
    let texts = kept.filter_map(|(name, value)| {
        let mut text = name.into_vec();
        text.push(b'=');
        text.extend(value.into_vec());
        CString::new(text).ok()
    });
    Words::new(texts.collect())
}

/// In the child: standard input, output and error become /dev/null.
fn redirect_to_null() {
    if let Ok(null) = open(c"/dev/null", OFlag::O_RDWR, Mode::empty()) {
        let _ = dup2_stdin(&null);
        let _ = dup2_stdout(&null);
        let _ = dup2_stderr(&null);
        // If it got one of these numbers itself, it must stay open.
        if null.as_raw_fd() <= 2 {
            std::mem::forget(null);
        }
    } else {
        // The terminal or the log of the daemon is not for a script.
        for standard in 0..=2 {
            let _ = unistd::close(standard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use std::fs;
    use std::path::Path;
    use std::sync::{Mutex, MutexGuard};
    use std::time::{Duration, Instant};

    /// Tests run in one process, so each reaps the children of all of them.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn command(argv: &[&str]) -> Command {
        Command {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            user: own_user(),
            secure: false,
        }
    }

    /// Waits for the child to end, for 30 s at most.
    fn wait_for(children: &mut Children, child: Pid) -> Exit {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            match children.reap() {
                Some((pid, how)) if pid == child => return how,
                Some(_) => {}
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        panic!("the child does not end");
    }

    fn run(argv: &[&str], more: &[&str]) -> Exit {
        let mut children = Children::new().expect("children");
        let child = children.spawn(&command(argv), more).expect("fork");
        wait_for(&mut children, child)
    }

    fn field(status: &str, name: &str) -> String {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.expect(name).trim().to_owned()
    }

    #[test]
    fn a_script_inherits_no_signals_descriptors_or_process_group() {
        let _alone = alone();
        let scratch = Scratch::new("child-slate");
        let (status, fds) = (scratch.path("status"), scratch.path("fds"));
        // Without close-on-exec, as the program that starts vrrpd may leave it.
        let inherited = unistd::pipe().expect("pipe");
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGUSR1);
        mask.thread_block().expect("mask");
        // The shell blocks signals while it starts a program, and gives it the mask that it had
        // itself.
        let script = "cat /proc/self/status > $1.inner; cat /proc/$$/status > $1; ls -l /proc/$$/fd > $2; cut -d' ' -f5 /proc/$$/stat > $1.group; umask >> $1.group";
        let paths = [&status, &fds].map(|path| path.to_str().expect("UTF-8"));
        let how = run(&["/bin/sh", "-c", script, "sh"], &paths);
        mask.thread_unblock().expect("mask");
        drop(inherited);
        assert_eq!(how, Exit::Code(0));

        let read = |path: &Path| fs::read_to_string(path).expect("written by the script");
        let text = read(&status);
        assert_eq!(field(&text, "PPid:"), std::process::id().to_string());
        let inner = read(&scratch.path("status.inner"));
        assert_eq!(field(&inner, "SigBlk:"), "0000000000000000");
        let ignored = u64::from_str_radix(&field(&inner, "SigIgn:"), 16).expect("hexadecimal");
        // 32 to 34 are used by the C library and cannot be changed.
        assert_eq!(ignored & !(7 << 31), 0, "{ignored:x}");
        assert_eq!(
            read(&scratch.path("status.group")),
            format!("{}\n0022\n", field(&text, "Pid:")),
            "leader of its own group, usual umask"
        );
        // The shell has the file itself open, and a copy of the standard output that it replaced.
        let listing = read(&fds);
        let targets = listing.lines().filter_map(|line| line.split(" -> ").nth(1));
        let mut others = targets.filter(|target| !["/dev/null", paths[1]].contains(target));
        assert_eq!(others.next(), None, "{listing}");
    }

    #[test]
    fn exit_code_signal_and_failed_exec_are_told_apart() {
        let _alone = alone();
        let scratch = Scratch::new("child-ends");
        let plain = scratch.path("plain");
        fs::write(&plain, "#!/bin/sh\n").expect("write");
        let lost = scratch.path("lost");
        fs::write(&lost, "#!/no/such/interpreter\n").expect("write");
        let garbage = scratch.path("garbage");
        fs::write(&garbage, "\0\0").expect("write");
        for path in [&lost, &garbage] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(path, mode).expect("chmod");
        }
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        for (name, argv, want) in [
            ("success", &["/bin/true"][..], "exited with status 0"),
            (
                "failure",
                &["/bin/sh", "-c", "exit 7"],
                "exited with status 7",
            ),
            (
                "the program's own 127",
                &["/bin/sh", "-c", "exit 127"],
                "exited with status 127",
            ),
            (
                "killed",
                &["/bin/sh", "-c", "kill -9 $$"],
                "was killed by signal 9 (KILL)",
            ),
            (
                "killed by a real-time signal",
                &["/bin/sh", "-c", "kill -40 $$"],
                "was killed by signal 40",
            ),
            (
                "missing",
                &["/no/such/program"],
                "cannot be executed: it, or the interpreter in its first line, does not exist",
            ),
            (
                "no interpreter",
                &[&text(&lost)],
                "cannot be executed: it, or the interpreter in its first line, does not exist",
            ),
            (
                "not executable",
                &[&text(&plain)],
                "cannot be executed: permission denied; is it executable for its user?",
            ),
            (
                "no program",
                &[&text(&garbage)],
                "cannot be executed: it is neither a program nor a script with a #! line",
            ),
        ] {
            assert_eq!(run(argv, &[]).to_string(), want, "{name}");
        }
    }

    #[test]
    fn a_script_of_another_user_has_no_capability_and_cannot_get_one() {
        let _alone = alone();
        let scratch = Scratch::new("child-user");
        let status = scratch.path("status");
        let other = User {
            uid: 54_321,
            gid: 54_321,
        };
        let mut command = command(&["/bin/cp", "/proc/self/status"]);
        command.user = other;
        let mut children = Children::new().expect("children");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(scratch.path(""), open).expect("chmod");
        let more = [status.to_str().expect("UTF-8")];
        let child = children.spawn(&command, &more).expect("fork");
        let how = wait_for(&mut children, child);
        if !nix::unistd::geteuid().is_root() {
            let refused = "did not run, cannot change to its user: operation not permitted";
            assert_eq!(how.to_string(), refused);
            return;
        }
        if how == Exit::NotUser(Errno::EINVAL as i32) {
            // A user namespace with one user.
            return;
        }
        assert_eq!(how, Exit::Code(0));
        let text = fs::read_to_string(&status).expect("written");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(&text, set), "0000000000000000", "{set}");
        }
        assert_eq!(field(&text, "NoNewPrivs:"), "1");
        assert_eq!(field(&text, "Groups:"), "54321");
    }

    #[test]
    fn what_a_child_could_not_give_up_is_reported() {
        let _alone = alone();
        let mut children = Children::new().expect("children");
        let refuse = || children.report(Step::Privileges, Errno::EPERM);
        let child = children.start(own_user(), &refuse).expect("fork");
        let how = wait_for(&mut children, child).to_string();
        let want = "did not run, cannot give up the daemon's rights: operation not permitted";
        assert_eq!(how, want);
    }

    #[test]
    fn kill_ends_the_whole_process_group() {
        let _alone = alone();
        let scratch = Scratch::new("child-group");
        let file = scratch.path("pid");
        let script = "trap '' TERM; sleep 60 & echo $! > $1; wait";
        let argv = ["/bin/sh", "-c", script, "sh", file.to_str().expect("UTF-8")];
        let mut children = Children::new().expect("children");
        let child = children.spawn(&command(&argv), &[]).expect("fork");
        let start = Instant::now();
        let grandchild: i32 = loop {
            assert!(start.elapsed() < Duration::from_secs(30), "no pid written");
            let text = fs::read_to_string(&file).unwrap_or_default();
            match text.trim().parse() {
                Ok(pid) => break pid,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        kill(child, Kill::Term);
        kill(child, Kill::Kill);
        assert_eq!(wait_for(&mut children, child), Exit::Signal(9));
        // Its new parent reaps it later.
        let gone = |pid: i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        while !gone(grandchild) {
            assert!(start.elapsed() < Duration::from_secs(30), "still runs");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn pids_that_mean_more_than_one_child_are_not_signaled() {
        for pid in [1, 0, -1] {
            kill(Pid(pid), Kill::Kill);
        }
    }
}
