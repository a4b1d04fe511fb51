//! The command as a user or a service manager sees it: options, messages, exit codes, pid file,
//! signals.
//!
//! Daemons run in a network namespace of their own, and without root in a user namespace too.

#[path = "support/process.rs"]
mod process;

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use process::{KillOnDrop, Scratch, skip};

const VRRPD: &str = env!("CARGO_BIN_EXE_vrrpd");
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Runs vrrpd without input and waits for its end.
fn vrrpd(line: &str) -> Output {
    let mut command = Command::new(VRRPD);
    let command = command.args(line.split_whitespace()).stdin(Stdio::null());
    command.output().expect("the binary runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code, not a signal")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory with a configuration, for the files of one daemon.
struct Files(Scratch);

impl Files {
    fn new(test: &str) -> Self {
        let files = Files(Scratch::new(test));
        // The interface does not exist, so the instance sends nothing.
        let text = "vrrp_instance VI_1 {\n interface none0\n virtual_router_id 51\n \
                    virtual_ipaddress {\n  192.0.2.1/32\n }\n}\n";
        fs::write(files.path("conf"), text).expect("write");
        files
    }

    fn path(&self, name: &str) -> String {
        self.0.path(name)
    }

    /// The options that every daemon is started with.
    fn options(&self) -> String {
        format!("-f {} -p {} -G", self.path("conf"), self.path("pid"))
    }

    fn pid(&self) -> Option<i32> {
        let text = fs::read_to_string(self.path("pid")).ok()?;
        text.strip_suffix('\n')?.parse().ok()
    }
}

/// A command that starts vrrpd in namespaces of its own; `None` if that is not allowed.
fn isolated(test: &str, line: &str) -> Option<Command> {
    let flags = if Uid::effective().is_root() {
        "-n"
    } else {
        "-Urn"
    };
    let allowed = Command::new("unshare").args([flags, "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        skip(test, &format!("unshare {flags} is not allowed here"));
        return None;
    }
    let mut command = Command::new("unshare");
    command.arg(flags).arg(VRRPD).args(line.split_whitespace());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Some(command)
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + TIME_LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A daemon in the foreground, killed at the end of the test.
struct Running(KillOnDrop);

impl Running {
    fn start(mut command: Command, files: &Files) -> Self {
        let running = Self(KillOnDrop(command.spawn().expect("unshare runs")));
        wait_until("pid file", || files.pid().is_some());
        running
    }

    /// Sends SIGTERM and returns the exit code; 128 if a signal ended it.
    fn stop(&mut self) -> i32 {
        let pid = Pid::from_raw(i32::try_from(self.0.0.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("it runs");
        let status = self.0.0.wait().expect("our child");
        status.code().unwrap_or(128)
    }
}

// ---- options ----

#[test]
fn help_and_version_go_to_standard_output_and_succeed() {
    for (line, first) in [
        ("-h", "vrrpd: VRRP daemon for routers"),
        ("--help", "vrrpd: VRRP daemon for routers"),
        ("-v", "vrrpd 0."),
        ("--version -n", "vrrpd 0."),
    ] {
        let output = vrrpd(line);
        assert_eq!(code(&output), 0, "{line}");
        assert!(stdout(&output).starts_with(first), "{line}");
        assert_eq!(stderr(&output), "", "{line}");
    }
}

#[test]
fn version_lists_the_features_that_are_built_in() {
    let output = stdout(&vrrpd("-v"));
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("features: "));
    let names: Vec<&str> = line.expect("a line of features").split(' ').collect();
    for (name, here) in [
        ("json", cfg!(feature = "json")),
        ("lvs", cfg!(feature = "lvs")),
        ("mail", cfg!(feature = "mail")),
        ("regex", cfg!(feature = "regex")),
        ("tls", cfg!(feature = "tls")),
        ("uci", cfg!(feature = "uci")),
    ] {
        assert_eq!(names.contains(&name), here, "{output}");
    }
    for (here, words, want) in [
        (
            cfg!(feature = "json"),
            "-t --config-test-format=json",
            "--config-test-format: this vrrpd was built without JSON; install the full flavor, or build with \
             `--features json`",
        ),
        (
            cfg!(feature = "lvs"),
            "genhash",
            if cfg!(feature = "uci") {
                "genhash: not part of this build; build OpenWrt's package with VRRPD_LVS, install the full flavor, or \
                 build with `--features lvs`"
            } else {
                "genhash: not part of this build; install the full flavor, or build with `--features lvs`"
            },
        ),
        (
            cfg!(feature = "uci"),
            "uci2conf",
            "uci2conf: not part of this build; install the openwrt flavor, or build with \
             `--features uci`",
        ),
    ] {
        if !here {
            let output = vrrpd(words);
            let want = format!("vrrpd: {want}\n");
            assert_eq!((code(&output), stderr(&output)), (1, want));
        }
    }
}

#[test]
fn help_into_a_closed_pipe_is_not_a_crash() {
    let (reader, writer) = nix::unistd::pipe().expect("pipe");
    drop(reader);
    let output = Command::new(VRRPD)
        .arg("-h")
        .stdout(writer)
        .output()
        .expect("runs");
    assert_eq!(code(&output), 0);
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_wrong_command_line_gives_one_message_and_exit_code_1() {
    for (line, want) in [
        ("-q", "vrrpd: unknown option -q; -h lists the options\n"),
        ("-f", "vrrpd: -f needs a value\n"),
        ("-n extra", "vrrpd: unexpected argument 'extra'\n"),
        ("--signum=NONE", "vrrpd: --signum: no signal NONE\n"),
    ] {
        let output = vrrpd(line);
        assert_eq!(
            (code(&output), stderr(&output)),
            (1, want.to_owned()),
            "{line}"
        );
    }
}

#[test]
fn signum_prints_the_numbers_of_signals() {
    for (name, want) in [
        ("STOP", libc::SIGTERM),
        ("RELOAD", libc::SIGHUP),
        ("DATA", libc::SIGUSR1),
        ("STATS", libc::SIGUSR2),
        ("STATS_CLEAR", libc::SIGRTMAX() - 1),
        ("JSON", libc::SIGRTMIN() + 2),
        ("TDUMP", libc::SIGRTMAX()),
    ] {
        let output = vrrpd(&format!("--signum={name}"));
        assert_eq!(stdout(&output), format!("{want}\n"), "{name}");
    }
}

// ---- failed starts ----

#[test]
fn an_unreadable_configuration_gives_exit_code_6() {
    let files = Files::new("cli-conf");
    for (path, error) in [
        (files.path("none"), "no such file or directory"),
        (files.path(""), "it is a directory"),
        ("/dev/null".to_owned(), "it is not a regular file"),
    ] {
        let output = vrrpd(&format!("-n -f {path}"));
        let want = format!("vrrpd: cannot read the configuration {path}: {error}\n");
        assert_eq!(stderr(&output).replace("//", "/"), want);
        assert_eq!(code(&output), 6, "{path}");
    }
}

#[test]
fn testing_a_missing_configuration_gives_the_exit_code_of_keepalived() {
    for (options, want) in [
        ("/nowhere/vrrpd.conf", 0),
        ("/nowhere/vrrpd.conf --config-test-strict", 4),
        ("/dev/null", 4),
    ] {
        let output = vrrpd(&format!("-t -f {options}"));
        assert_eq!(code(&output), want, "{options}");
        assert!(
            stderr(&output).contains("cannot read the configuration /"),
            "{options}"
        );
    }
}

#[test]
fn a_configuration_test_has_the_exit_codes_of_keepalived_for_scripts() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new("cli-secure");
    let script = files.path("check.sh");
    fs::write(&script, "#!/bin/sh\n").expect("write");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o777)).expect("chmod");
    let instance = fs::read_to_string(files.path("conf")).expect("read");
    let tracked = "track_script {\n chk\n }";
    let shared = format!("notify_master {script}");
    // The codes of a test, and of a strict one.
    for (name, global, lines, program, want) in [
        ("no script security", "", tracked, "/bin/sh", [6, 6]),
        ("others can change it", "", tracked, &*script, [6, 6]),
        (
            "refused",
            "enable_script_security",
            tracked,
            &script,
            [5, 5],
        ),
        ("safe", "enable_script_security", tracked, "/bin/sh", [0, 0]),
        ("none", "enable_script_security", tracked, "/none", [5, 5]),
        ("refused", "enable_script_security", &shared, "", [0, 5]),
        ("none", "", "notify /none", "", [0, 5]),
        ("no user", "", "notify \"/bin/sh\" nobody9", "", [0, 5]),
        ("no group", "", "notify \"/bin/sh\" root grp9", "", [0, 5]),
        ("no FIFO user", "notify_fifo /f nobody9", "", "", [0, 5]),
        (
            "pipe",
            "enable_script_security",
            "notify \"/bin/sh|x\"",
            "",
            [0, 5],
        ),
        ("strict", "vrrp_strict", "", "", [0, 5]),
    ] {
        let script = match program {
            "" => String::new(),
            program => format!("vrrp_script chk {{\n script \"{program}\"\n}}\n"),
        };
        let instance = instance.replace("VI_1 {", &format!("VI_1 {{\n {lines}"));
        let text = format!("global_defs {{\n {global}\n script_user root\n}}\n{script}{instance}");
        fs::write(files.path("conf"), text).expect("write");
        let codes = ["", " --config-test-strict"].map(|option| {
            let output = vrrpd(&format!("-t -f {}{option}", files.path("conf")));
            code(&output)
        });
        assert_eq!(codes, want, "{name}: {global} {lines} {program}");
    }
}

/// The table was made with keepalived 2.2.7; a test of `tests/lab` compares it with the one that is
/// installed.
#[test]
fn a_configuration_test_has_the_recorded_exit_codes() {
    let files = Files::new("cli-codes");
    let table = include_str!("golden/exit_codes.txt");
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in table.split("\n== ").skip(1) {
        let (head, text) = case.split_once('\n').expect("a configuration");
        let mut columns = head.split(" | ");
        let name = columns.next().expect("a name");
        let codes: Vec<&str> = columns.by_ref().take(2).collect();
        let reason = columns.next().is_some();
        let [keepalived, want] = codes[..] else {
            panic!("{head}");
        };
        assert_eq!(
            keepalived != want,
            reason,
            "{name}: a difference has a reason"
        );
        if !cfg!(feature = "lvs") && text.contains("virtual_server") {
            continue;
        }
        fs::write(files.path("conf"), text).expect("write");
        let output = vrrpd(&format!("-t -f {}", files.path("conf")));
        if code(&output).to_string() != want {
            wrong.push(format!("{name}: {} {}", code(&output), stderr(&output)));
        }
        count += 1;
    }
    assert!(count > 100, "{count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_report_of_a_configuration_test_goes_to_stderr_or_a_file() {
    let files = Files::new("cli-report");
    let report = files.path("report");
    for (name, line, want) in [
        ("standard error", String::new(), (0, true, false)),
        (
            "a file",
            format!("--config-test={report}"),
            (0, false, true),
        ),
        (
            "a file that cannot be written",
            "-t/proc/none/report".to_owned(),
            (1, true, false),
        ),
    ] {
        let _ = fs::remove_file(&report);
        let output = vrrpd(&format!("-t -f /nowhere/vrrpd.conf {line}"));
        let got = (
            code(&output),
            !stderr(&output).is_empty(),
            fs::read_to_string(&report).is_ok_and(|text| text.contains("/nowhere/vrrpd.conf")),
        );
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn a_missing_capability_gives_exit_code_4() {
    let files = Files::new("cli-caps");
    for (bounds, want) in [
        ("-net_raw", "CAP_NET_RAW"),
        ("-net_admin", "CAP_NET_ADMIN"),
        ("-net_admin,-net_raw", "CAP_NET_ADMIN and CAP_NET_RAW"),
    ] {
        if !Uid::effective().is_root() {
            skip("cli-caps", &format!("only root can drop just {bounds}"));
            continue;
        }
        let output = Command::new("setpriv")
            .args(["--bounding-set", bounds, VRRPD, "-n"])
            .args(files.options().split_whitespace())
            .output()
            .expect("setpriv of util-linux");
        assert_eq!(code(&output), 4, "{bounds}");
        let want = format!("vrrpd: permission missing: run vrrpd as root or give it {want}\n");
        assert_eq!(stderr(&output), want, "{bounds}");
    }
}

// ---- running ----

#[test]
fn in_the_foreground_it_runs_until_sigterm_and_removes_the_pid_file() {
    let files = Files::new("cli-foreground");
    let line = format!("-n {}", files.options());
    let Some(command) = isolated("cli-foreground", &line) else {
        return;
    };
    let mut running = Running::start(command, &files);
    assert_eq!(files.pid(), i32::try_from(running.0.0.id()).ok());
    assert_eq!(running.stop(), 0);
    assert_eq!(files.pid(), None);
    let mut log = String::new();
    let mut pipe = running.0.0.stderr.take().expect("piped");
    pipe.read_to_string(&mut log).expect("UTF-8");
    assert!(
        log.contains("Starting vrrpd"),
        "-n -G logs to standard error: {log}"
    );
}

#[test]
fn a_second_copy_prints_the_pid_of_the_first_and_exits_with_0() {
    let files = Files::new("cli-second");
    let line = format!("-n {}", files.options());
    let (Some(first), Some(mut second)) =
        (isolated("cli-second", &line), isolated("cli-second", &line))
    else {
        return;
    };
    let mut running = Running::start(first, &files);
    let output = second.output().expect("unshare runs");
    let want = format!(
        "vrrpd: vrrpd is already running as process {} (it holds the lock on {})\n",
        running.0.0.id(),
        files.path("pid.lock")
    );
    assert_eq!((stderr(&output), code(&output)), (want, 0));
    assert_eq!(running.stop(), 0, "the first copy still runs");
}

#[test]
fn a_closed_log_pipe_does_not_end_the_daemon() {
    let files = Files::new("cli-reader");
    let line = format!("-n -l -D --debug {}", files.options());
    let Some(command) = isolated("cli-reader", &line) else {
        return;
    };
    let mut running = Running::start(command, &files);
    drop(running.0.0.stderr.take());
    // Stopping writes log lines to the closed pipe.
    assert_eq!(running.stop(), 0);
}

#[test]
fn in_the_background_the_command_returns_when_the_daemon_is_up() {
    let files = Files::new("cli-background");
    let Some(mut command) = isolated("cli-background", &files.options()) else {
        return;
    };
    let output = command.output().expect("unshare runs");
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    let pid = files.pid().expect("the pid file exists when it is up");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    // After the name: state, parent, group, session, terminal.
    assert_ne!(fields[3], pid.to_string(), "not a session leader");
    assert_eq!(fields[4], "0", "no controlling terminal");
    let target = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).expect("a link");
    assert_eq!(target("cwd"), PathBuf::from("/"));
    for descriptor in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(
            target(descriptor),
            PathBuf::from("/dev/null"),
            "{descriptor}"
        );
    }
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
    wait_until("the end of the daemon", || files.pid().is_none());
}

#[test]
fn a_daemon_that_cannot_start_prints_why_and_exits_with_1() {
    let files = Files::new("cli-fails");
    let conf = files.path("conf");
    for (name, line, want) in [
        (
            "before the fork",
            format!("-f {conf} -G -g/proc/none/log"),
            "vrrpd: cannot write the log file /proc/none/log: no such file or directory\n",
        ),
        (
            "after the fork",
            format!("-f {conf} -G -p /proc/none/pid"),
            "vrrpd: cannot lock /proc/none/pid.lock: no such file or directory\n",
        ),
    ] {
        let Some(mut command) = isolated("cli-fails", &line) else {
            return;
        };
        let output = command.output().expect("unshare runs");
        assert_eq!(
            (code(&output), stderr(&output).as_str()),
            (1, want),
            "{name}"
        );
    }
}

#[test]
fn a_failed_start_is_logged_too() {
    let files = Files::new("cli-log");
    let log = files.path("log");
    let output = vrrpd(&format!("-n -l -G -f /nowhere/conf -g{log}"));
    let want = "cannot read the configuration /nowhere/conf: no such file or directory\n";
    assert_eq!(code(&output), 6);
    assert_eq!(stderr(&output), format!("vrrpd: {want}"), "printed once");
    let text = fs::read_to_string(&log).expect("written");
    assert!(
        text.starts_with("ERROR [") && text.ends_with(want),
        "{text}"
    );
}

#[test]
fn relative_paths_refer_to_the_directory_of_the_caller() {
    let files = Files::new("cli-relative");
    let Some(mut command) = isolated("cli-relative", "-f conf -p pid -G -glog") else {
        return;
    };
    let output = command
        .current_dir(&files.0.0)
        .output()
        .expect("unshare runs");
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    let pid = files.pid().expect("in the scratch directory");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
    wait_until("the end of the daemon", || files.pid().is_none());
    let log = fs::read_to_string(files.path("log")).expect("in the scratch directory");
    assert!(log.contains("Stopped vrrpd"), "{log}");
}

// ---- under the name keepalived ----

/// A link to the program by this name.
fn link(files: &Files, name: &str) -> String {
    let path = files.path(name);
    std::os::unix::fs::symlink(VRRPD, &path).expect("a link");
    path
}

#[test]
fn called_keepalived_version_and_help_go_to_standard_error() {
    let files = Files::new("named-version");
    let program = link(&files, "keepalived");
    for (option, first) in [("-v", "Keepalived v2.2.8 (vrrpd/"), ("-h", "vrrpd: VRRP")] {
        let output = Command::new(&program).arg(option).output().expect("runs");
        assert_eq!(code(&output), 0, "{option}");
        assert_eq!(stdout(&output), "", "{option}");
        assert!(stderr(&output).starts_with(first), "{option}");
    }
}

#[test]
fn called_keepalived_its_configuration_is_the_default() {
    let files = Files::new("named-default");
    let program = link(&files, "keepalived");
    if std::path::Path::new("/etc/keepalived/keepalived.conf").exists() {
        skip(
            "called_keepalived_its_configuration_is_the_default",
            "there is one",
        );
        return;
    }
    let output = Command::new(&program).arg("-t").output().expect("runs");
    assert_eq!(code(&output), 0);
    let want = "cannot read the configuration /etc/keepalived/keepalived.conf: ";
    assert!(stderr(&output).contains(want), "{}", stderr(&output));
}

#[test]
fn called_genhash_it_is_that() {
    let files = Files::new("named-genhash");
    let program = link(&files, "genhash");
    let output = Command::new(&program).arg("-h").output().expect("runs");
    let both = stdout(&output) + &stderr(&output);
    assert!(both.contains("genhash"), "{both}");
    assert_eq!(output.status.success(), cfg!(feature = "lvs"), "{both}");
}

#[test]
fn further_pid_files_follow_the_configuration() {
    let files = Files::new("extra-pid-files");
    let [vrrp, checkers] = ["vrrp.pid", "checkers.pid"].map(|name| files.path(name));
    let line = format!("-n {} -r {vrrp} -c {checkers}", files.options());
    let Some(command) = isolated("further_pid_files_follow_the_configuration", &line) else {
        return;
    };
    let exists = |path: &str| std::path::Path::new(path).exists();
    let mut daemon = Running::start(command, &files);
    wait_until("the file of -r", || {
        let own = fs::read_to_string(files.path("pid")).expect("read");
        fs::read_to_string(&vrrp).is_ok_and(|text| text == own)
    });
    assert!(!exists(&checkers), "no virtual servers");
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&vrrp).expect("there"));
    assert_eq!(mode & 0o777, 0o644, "other users read it");
    assert_eq!(daemon.stop(), 0);
    assert!(!exists(&vrrp));

    let line = format!("-n {} -c {checkers} --all", files.options());
    let command = isolated("further_pid_files_follow_the_configuration", &line).expect("as before");
    let mut daemon = Running::start(command, &files);
    wait_until("the file of -c", || exists(&checkers));
    assert_eq!(daemon.stop(), 0);
    assert!(!exists(&checkers) && !exists(&vrrp));
}

#[test]
fn wrong_commands_say_how_they_are_written() {
    for (line, wanted) in [
        ("status --bogus", "'--bogus' is no option of it"),
        ("demote", "usage: vrrpd demote [options] NAME|all"),
        ("events -n x", "-n: 'x' is not a number"),
    ] {
        let output = vrrpd(line);
        assert_eq!(code(&output), 2, "{line}");
        assert!(stderr(&output).contains(wanted), "{line}: {output:?}");
    }
    let output = vrrpd("status --socket /nonexistent/vrrpd.sock");
    assert_eq!(code(&output), 3);
    assert!(stderr(&output).contains("not running"), "{output:?}");
}
