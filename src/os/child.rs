//! Children: programs started without ever waiting for them.
//!
//! ```text
//! fork ── daemon: goes on at once ─────────────── SIGCHLD ── waitpid until nobody is left
//!    └─── child: own process group, default signals, none blocked, /dev/null, user ── execve
//! ```
//! `std::process::Command` waits until the program is executed, on a slow flash for long; here the child makes
//! system calls only, from words that were made before the fork. What it could not do it says in a pipe that all
//! children share, so that "cannot be executed" is not taken for a program's own exit code 126 or 127. The
//! pipe is read when a child ends that way; it needs no place in the poll loop.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::prctl::set_pdeathsig;
#[cfg(feature = "lvs")]
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{
    self, Gid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, getegid, geteuid, getppid, setgid,
    setgroups, setpgid, setuid,
};

use super::sd_notify;
use crate::config::model::{Command, User};
use crate::engine::system::{Exit, Kill, Pid};
use crate::sys::{self, Words};

/// Exit codes of a child that could not become the program, as in a shell.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// Size of a report: pid, step, error number.
const REPORT: usize = 12;

/// What a child does before it is the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    User = 1,
    Execute = 2,
}

/// Starts children and takes note of their ends.
#[derive(Debug)]
pub(super) struct Children {
    environment: Words,
    /// Open files programs may have: as many as we were given; health checks may have asked for more.
    #[cfg(feature = "lvs")]
    files: Option<(rlim_t, rlim_t)>,
    /// Where children say what they could not do.
    reports: File,
    to_reports: File,
    /// Reports read so far whose child has not been reaped.
    failed: Vec<Report>,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    pid: i32,
    step: i32,
    errno: i32,
}

impl Children {
    /// To be made when the environment is final. What descriptors there are already, from whoever started us, are
    /// kept from programs from now on.
    pub(super) fn new() -> io::Result<Self> {
        let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
        for entry in open.flatten() {
            let name = entry.file_name();
            let fd = name.to_str().and_then(|name| name.parse().ok());
            if let Some(fd) = fd.filter(|fd| *fd > 2) {
                let _ = sys::close_on_exec(fd);
            }
        }
        let (reports, to_reports) = unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok(Children {
            environment: environment(),
            #[cfg(feature = "lvs")]
            files: getrlimit(Resource::RLIMIT_NOFILE).ok(),
            reports: File::from(reports),
            to_reports: File::from(to_reports),
            failed: Vec::new(),
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
        self.start(command.user, &|| {
            let errno = sys::execve(&argv, &self.environment);
            self.report(Step::Execute, errno)
        })
    }

    /// Starts a child as `user` that does `last` when all else is prepared.
    pub(super) fn start(&self, user: User, last: &dyn Fn() -> u8) -> io::Result<Pid> {
        let daemon = unistd::getpid();
        let own = user.uid == geteuid().as_raw() && user.gid == getegid().as_raw();
        let child = sys::fork_child(&|| {
            let me = unistd::Pid::from_raw(0);
            let _ = setpgid(me, me);
            sys::default_signals();
            let _ = SigSet::empty().thread_set_mask();
            let _ = umask(Mode::from_bits_truncate(0o022));
            silence();
            #[cfg(feature = "lvs")]
            if let Some((soft, hard)) = self.files {
                let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
            }
            if !own && let Err(errno) = become_user(user) {
                return self.report(Step::User, errno);
            }
            // After the change of user, which would undo it.
            let _ = set_pdeathsig(Signal::SIGTERM);
            if getppid() != daemon {
                // The daemon died in between.
                return NOT_EXECUTABLE;
            }
            last()
        })?;
        // Both do it: whoever comes first, the group is there when it is needed.
        let _ = setpgid(child, child);
        Ok(Pid(child.as_raw()))
    }

    /// In the child: tells the daemon what went wrong.
    fn report(&self, step: Step, errno: Errno) -> u8 {
        let mut bytes = [0; REPORT];
        let fields = [unistd::getpid().as_raw(), step as i32, errno as i32];
        for (to, from) in bytes.chunks_exact_mut(4).zip(fields) {
            to.copy_from_slice(&from.to_ne_bytes());
        }
        // So few bytes are written in one piece or not at all.
        let _ = unistd::write(&self.to_reports, &bytes);
        if errno == Errno::ENOENT {
            NOT_FOUND
        } else {
            NOT_EXECUTABLE
        }
    }

    /// The next child that has ended; `None` when there is none now.
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
        let Some(place) = self.failed.iter().position(|report| report.pid == pid) else {
            return Exit::Code(code);
        };
        let Report { step, errno, .. } = self.failed.swap_remove(place);
        if step == Step::User as i32 {
            Exit::NotUser(errno)
        } else {
            Exit::NotExecuted(errno)
        }
    }

    fn read_reports(&mut self) {
        let mut bytes = [0; REPORT];
        while let Ok(REPORT) = self.reports.read(&mut bytes) {
            let mut fields = bytes
                .chunks_exact(4)
                .map(|field| field.try_into().map_or(0, i32::from_ne_bytes));
            let mut next = || fields.next().unwrap_or(0);
            self.failed.push(Report {
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
    // 0 and 1 would mean ourselves and everybody.
    if child.0 > 1 {
        // ESRCH: all of it is gone already.
        let _ = killpg(unistd::Pid::from_raw(child.0), signal);
    }
}

/// What children get of our environment: nothing that changes how programs are loaded or shells take words
/// apart, and no way to speak for the daemon.
fn environment() -> Words {
    let kept = std::env::vars_os().filter(|(name, _)| {
        let name = name.as_encoded_bytes();
        let ours = [sd_notify::SOCKET, super::restart::VARIABLE];
        let ours = ours.iter().any(|one| name == one.as_bytes());
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

/// In the child: nothing to read, and nobody reads what it prints.
fn silence() {
    if let Ok(null) = open(c"/dev/null", OFlag::O_RDWR, Mode::empty()) {
        let _ = dup2_stdin(&null);
        let _ = dup2_stdout(&null);
        let _ = dup2_stderr(&null);
        // Should it have got one of these numbers itself, it must stay open.
        if null.as_raw_fd() <= 2 {
            std::mem::forget(null);
        }
    }
}

/// In the child: gives up our identity for good, supplementary groups first.
fn become_user(user: User) -> nix::Result<()> {
    let group = Gid::from_raw(user.gid);
    setgroups(&[group])?;
    setgid(group)?;
    setuid(Uid::from_raw(user.uid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use std::fs;
    use std::path::Path;
    use std::sync::{Mutex, MutexGuard};
    use std::time::{Duration, Instant};

    /// Whoever reaps, reaps the children of all tests.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn own() -> User {
        User {
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
        }
    }

    fn command(argv: &[&str]) -> Command {
        Command {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            user: own(),
        }
    }

    /// How the child ends, within half a minute.
    fn end(children: &mut Children, child: Pid) -> Exit {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) {
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
        end(&mut children, child)
    }

    fn field(status: &str, name: &str) -> String {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.expect(name).trim().to_owned()
    }

    #[test]
    fn a_script_starts_with_a_clean_slate() {
        let _alone = alone();
        let scratch = Scratch::new("child-slate");
        let (status, fds) = (scratch.path("status"), scratch.path("fds"));
        // Without close-on-exec, as whoever starts us may leave it.
        let inherited = unistd::pipe().expect("pipe");
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGUSR1);
        mask.thread_block().expect("mask");
        // The shell blocks signals while it starts a program; what that one inherits was the shell's own.
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
        // 32 to 34 are the C library's own and cannot be changed.
        assert_eq!(ignored & !(7 << 31), 0, "{ignored:x}");
        assert_eq!(
            read(&scratch.path("status.group")),
            format!("{}\n0022\n", field(&text, "Pid:")),
            "leader of its own group, usual umask"
        );
        // The shell itself opens the file and keeps a copy of what it puts in its place.
        let listing = read(&fds);
        let targets = listing.lines().filter_map(|line| line.split(" -> ").nth(1));
        let mut others = targets.filter(|target| !["/dev/null", paths[1]].contains(target));
        assert_eq!(others.next(), None, "{listing}");
    }

    #[test]
    fn how_a_child_ended_is_told_apart() {
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
                "not there",
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
    fn a_group_is_killed_to_the_last_process() {
        let _alone = alone();
        let scratch = Scratch::new("child-group");
        let file = scratch.path("pid");
        let script = "trap '' TERM; sleep 60 & echo $! > $1; wait";
        let argv = ["/bin/sh", "-c", script, "sh", file.to_str().expect("UTF-8")];
        let mut children = Children::new().expect("children");
        let child = children.spawn(&command(&argv), &[]).expect("fork");
        let begin = Instant::now();
        let grandchild: i32 = loop {
            assert!(begin.elapsed() < Duration::from_secs(30), "no pid written");
            let text = fs::read_to_string(&file).unwrap_or_default();
            match text.trim().parse() {
                Ok(pid) => break pid,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        kill(child, Kill::Term);
        kill(child, Kill::Kill);
        assert_eq!(end(&mut children, child), Exit::Signal(9));
        // Its new parent reaps it in its own time.
        let gone = |pid: i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        while !gone(grandchild) {
            assert!(begin.elapsed() < Duration::from_secs(30), "still runs");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn dangerous_pids_are_not_signaled() {
        for pid in [1, 0, -1] {
            kill(Pid(pid), Kill::Kill);
        }
    }
}
