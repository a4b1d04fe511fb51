//! Files, locks and FIFOs that another user of the machine owns or prepared.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use vrrpd_lab::{Daemon, Lab, Node, Running, wait_until};

use crate::support::{SOON, VIP, conf};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("lock_on_the_pid_file_does_not_stop_a_restart", restart),
    Test::new("lock_on_the_pid_file_does_not_stop_a_start", start),
    Test::new("start_waits_for_a_killed_copy_that_has_not_ended", killed)
        .exclusive("it occupies a processor"),
    Test::new(
        "start_names_a_foreign_holder_of_the_lock_and_fails",
        foreign,
    ),
    Test::new("successor_that_cannot_continue_removes_the_vip", successor),
    Test::new(
        "successor_without_a_configuration_removes_the_vip",
        no_configuration,
    ),
    Test::new(
        "restart_with_an_unsafe_pid_file_is_refused",
        unsafe_pid_file,
    ),
    Test::new("fifo_of_another_user_is_not_used", fifo),
    Test::new("pid_file_of_another_user_is_refused", pid_file),
    Test::new("pid_file_in_a_directory_of_others_is_refused", directory),
    Test::new("report_of_a_test_does_not_follow_a_link", report),
    Test::new("log_file_of_another_user_is_refused", log_file),
    Test::new("key_file_that_others_can_use_is_refused", key_file),
];

/// A user without rights, `nobody`.
const OTHER: u32 = 65534;

/// Sends the signal that replaces the program.
fn request_restart(run: &Running, daemon: &Daemon) {
    let output = Command::new(daemon.path()).arg("--signum=RESTART").output();
    let number = String::from_utf8(output.expect("a number").stdout).expect("text");
    let signal = format!("-{}", number.trim());
    let pid = run.pid().to_string();
    let sent = Command::new("kill").args([&signal, &pid]).status();
    assert!(sent.expect("kill").success());
}

fn resumed(run: &Running) -> bool {
    run.log().contains("MASTER STATE: resumed")
}

/// Waits in flock(2) on a file, as anybody can who may read it, and keeps the lock.
fn wait_for_lock(path: &Path) {
    let file = File::open(path).expect("everybody can read it");
    thread::spawn(|| {
        let _locked = Flock::lock(file, FlockArg::LockExclusive);
        thread::park();
    });
}

fn lock_file(run: &Running) -> PathBuf {
    run.pid_file.with_extension("lock")
}

fn restart(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    wait_for_lock(&run.pid_file);
    request_restart(&run, &ctx.daemon);
    wait_until(SOON, "it resumes", || resumed(&run) || !run.alive());
    assert!(run.alive(), "{}", run.log());
    let mode = fs::metadata(lock_file(&run)).expect("a lock file");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    // The lock has survived: a second copy does not start.
    let mut second = ctx.daemon.start(&a, &conf(200, &[]));
    let code = second.wait_exit(SOON).expect("it ends").code();
    assert_eq!(code, Some(0), "{}", second.log());
    let holder = format!("already running as process {}", run.pid());
    assert!(second.log().contains(&holder), "{}", second.log());
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert!(!lock_file(&run).exists() && !a.has(VIP));
    Outcome::Passed
}

fn start(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    wait_for_lock(&run.pid_file);
    run.kill9();
    run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master again", || {
        run.log().contains("MASTER STATE") || !run.alive()
    });
    assert!(run.alive(), "{}", run.log());
    Outcome::Passed
}

/// A process killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn killed(ctx: &Ctx) -> Outcome {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    if processors < 2 {
        return Outcome::Skipped("it needs two processors".into());
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    let pid = run.pid().to_string();
    let on = |processor: &str| ["taskset", "-pc", processor, &pid].map(str::to_owned);
    let moved = Command::new("env")
        .args(on("0"))
        .stdout(Stdio::null())
        .status();
    assert!(moved.expect("taskset").success());
    // Nothing else runs on that processor, so the killed copy cannot end.
    let busy = [
        "-f",
        "1",
        "taskset",
        "-c",
        "0",
        "sh",
        "-c",
        "while :; do :; done",
    ];
    let mut busy = Killed(Command::new("chrt").args(busy).spawn().expect("chrt"));
    let state = || fs::read_to_string(format!("/proc/{}/comm", busy.0.id())).unwrap_or_default();
    wait_until(SOON, "it runs or is refused", || {
        state().trim() == "sh" || state().is_empty()
    });
    if !matches!(busy.0.try_wait(), Ok(None)) {
        return Outcome::Skipped("real-time priority is refused".into());
    }
    run.signal(Signal::SIGKILL);
    let mut next = ctx
        .daemon
        .start_text(&a, &conf(200, &[]).text(), &["taskset", "-c", "1"]);
    wait_until(SOON, "it takes over", || {
        next.log().contains("Starting vrrpd") || !next.alive()
    });
    assert!(next.alive(), "{}", next.log());
    drop(busy);
    wait_until(SOON, "it is master", || next.log().contains("MASTER STATE"));
    Outcome::Passed
}

fn foreign(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let pid_file = format!("/run/lab/{}-vrrpd.pid", a.id());
    let lock = File::create(pid_file.replace(".pid", ".lock")).expect("create");
    lock.set_permissions(fs::Permissions::from_mode(0o600))
        .expect("chmod");
    let whole = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&lock, FcntlArg::F_SETLK(&whole)).expect("free");
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    let status = run.wait_exit(SOON).expect("it ends");
    assert_eq!(status.code(), Some(1), "{}", run.log());
    let holder = format!("is held by process {} (", std::process::id());
    assert!(run.log().contains(&holder), "{}", run.log());
    assert!(!a.has(VIP));
    Outcome::Passed
}

/// Asserts that a successor ends with an error and leaves no address.
#[track_caller]
fn assert_cleaned_up(a: &Node, run: &mut Running) {
    let status = run.wait_exit(SOON).expect("it ends");
    assert_ne!(status.code(), Some(0), "{}", run.log());
    assert!(!a.has(VIP), "{}", run.log());
}

fn routes(a: &Node) -> String {
    let output = a.output(Command::new("ip").args(["route", "show", "10.9.0.0/16"]));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A master with a route.
fn master(a: &Node, daemon: &Daemon) -> Running {
    let route = ["virtual_routes {\n 10.9.0.0/16 via 10.0.0.7 dev eth0\n }"];
    let run = daemon.start(a, &conf(200, &route));
    wait_until(SOON, "it is master", || a.has(VIP));
    run
}

/// Replaces the program by one that runs this command between its test and its start.
fn request_restart_after(command: &str, program: &str, run: &Running, daemon: &Daemon) {
    let path = daemon.path();
    let script = format!("#!/bin/sh\n[ \"$1\" = -t ] || {{ {command}; }}\nexec {path} \"$@\"\n");
    let new = format!("{program}.new");
    fs::write(&new, script).expect("write");
    chmod(&new, 0o755);
    fs::rename(&new, program).expect("rename");
    request_restart(run, daemon);
}

/// The pid file becomes one that must not be used.
fn successor(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let program = copy(&a, &ctx.daemon);
    let mut run = master(&a, &Daemon::Vrrpd(program.clone().into()));
    assert!(routes(&a).contains("10.9.0.0/16"), "the test's premise");
    let command = format!("ln -sf /run/lab/elsewhere {}", run.pid_file.display());
    request_restart_after(&command, &program, &run, &ctx.daemon);
    assert_cleaned_up(&a, &mut run);
    assert_eq!(routes(&a), "");
    assert!(!Path::new("/run/lab/elsewhere").exists());
    Outcome::Passed
}

fn no_configuration(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let program = copy(&a, &ctx.daemon);
    let mut run = master(&a, &Daemon::Vrrpd(program.clone().into()));
    let command = format!("rm {}", run.conf_file.display());
    request_restart_after(&command, &program, &run, &ctx.daemon);
    assert_cleaned_up(&a, &mut run);
    Outcome::Passed
}

/// If the test of the configuration shows it, nothing is replaced.
fn unsafe_pid_file(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = master(&a, &ctx.daemon);
    chmod(&run.pid_file, 0o666);
    request_restart(&run, &ctx.daemon);
    wait_until(SOON, "it is refused", || {
        run.log()
            .contains("restart refused, this version continues")
            || !run.alive()
    });
    assert!(run.alive() && a.has(VIP), "{}", run.log());
    Outcome::Passed
}

/// A copy of the daemon that can be replaced.
fn copy(a: &Node, daemon: &Daemon) -> String {
    let program = format!("/run/lab/{}-program", a.id());
    fs::copy(daemon.path(), &program).expect("copy");
    program
}

// ---- files ----

/// Skips a test that needs a second user where the namespace has only one.
fn only_one_user() -> Option<Outcome> {
    let map = fs::read_to_string("/proc/self/uid_map").expect("proc");
    let ids = map.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().map(str::parse::<u64>);
        let first = fields.next()?.ok()?;
        Some(first + fields.nth(1)?.ok()?)
    });
    let enough = ids.max() > Some(OTHER.into());
    (!enough).then(|| Outcome::Skipped("it needs a second user: run it as root".into()))
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

fn give_away(path: &str) {
    chown(path, Some(OTHER), Some(OTHER)).expect("chown");
}

/// A new directory that everybody can write to, as /tmp.
fn shared_directory(a: &Node) -> String {
    let dir = format!("/run/lab/{}-tmp", a.id());
    fs::create_dir(&dir).expect("mkdir");
    chmod(&dir, 0o1777);
    dir
}

fn fifo(ctx: &Ctx) -> Outcome {
    if let Some(skipped) = only_one_user() {
        return skipped;
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let dir = shared_directory(&a);
    let (fifo, script, output) = (
        format!("{dir}/fifo"),
        format!("/run/lab/{}-reader", a.id()),
        format!("/run/lab/{}-lines", a.id()),
    );
    mkfifo(fifo.as_str(), Mode::from_bits_truncate(0o666)).expect("mkfifo");
    chmod(&fifo, 0o666);
    give_away(&fifo);
    let mut attacker = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(&fifo)
        .expect("open");
    attacker
        .write_all(b"INSTANCE \"$(id)\" MASTER 255\n")
        .expect("write");
    let text = format!(
        "#!/bin/sh\necho started >{output}\nwhile read line <$1; do echo \"$line\" >>{output}; done\n"
    );
    fs::write(&script, text).expect("write");
    chmod(&script, 0o755);
    let text = conf(200, &[])
        .global("script_user root")
        .global(&format!("vrrp_notify_fifo {fifo}"))
        .global(&format!("vrrp_notify_fifo_script {script}"));
    let mut run = ctx.daemon.start(&a, &text);
    wait_until(SOON, "it is master", || a.has(VIP));
    run.term();
    run.wait_exit(SOON).expect("it ends");
    let log = run.log();
    assert!(log.contains("belongs to user 65534; remove it"), "{log}");
    assert!(!Path::new(&output).exists(), "the script reads the lines");
    let mut line = [0; 4096];
    let read = attacker.read(&mut line).expect("what it wrote itself");
    let line = String::from_utf8_lossy(&line[..read]);
    assert!(
        line.starts_with("INSTANCE \"$(id)") && line.lines().count() == 1,
        "{line}"
    );
    Outcome::Passed
}

/// Asserts that the daemon ends with code 1 and names the reason.
#[track_caller]
fn assert_refused(a: &Node, mut run: Running, why: &str) {
    let code = run.wait_exit(SOON).expect("it ends").code();
    assert_eq!(code, Some(1), "{why}: {}", run.log());
    assert!(run.log().contains(why), "{why}: {}", run.log());
    assert!(!a.has(VIP));
}

fn pid_file(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let path = format!("/run/lab/{}-vrrpd.pid", a.id());
    let precious = format!("/run/lab/{}-precious", a.id());
    fs::write(&precious, "precious").expect("write");
    let start = |why: &str| {
        assert_refused(&a, ctx.daemon.start(&a, &conf(200, &[])), why);
        fs::remove_file(&path).expect("still there");
    };
    fs::write(&path, "1\n").expect("write");
    chmod(&path, 0o666);
    start("other users have access to it; remove it");
    fs::hard_link(&precious, &path).expect("link");
    start("other users have access to it; remove it");
    symlink(&precious, &path).expect("symlink");
    start("it is a symbolic link");
    if only_one_user().is_none() {
        fs::write(&path, "1\n").expect("write");
        give_away(&path);
        start("it belongs to user 65534; remove it");
    }
    let kept = fs::read_to_string(&precious).expect("read");
    assert_eq!(kept, "precious");
    Outcome::Passed
}

fn directory(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let dir = format!("/run/lab/{}-dir", a.id());
    let conf_file = format!("/run/lab/{}-dir.conf", a.id());
    fs::write(&conf_file, conf(200, &[]).text()).expect("write");
    fs::create_dir(&dir).expect("mkdir");
    let pid_file = format!("{dir}/vrrpd.pid");
    let start = || {
        let args = ["-n", "-l", "-G", "-f", &conf_file, "-p", &pid_file];
        ctx.daemon.start_args(&a, &args)
    };
    chmod(&dir, 0o777);
    assert_refused(&a, start(), "other users can write to the directory");
    chmod(&dir, 0o755);
    let runs = || {
        let mut run = start();
        wait_until(SOON, "it is master", || a.has(VIP));
        run.term();
        assert!(run.wait_exit(SOON).expect("it ends").success());
    };
    if only_one_user().is_none() {
        give_away(&dir);
        assert_refused(&a, start(), "belongs to user 65534");
        // The owner of the configuration controls the daemon anyway: OpenStack Neutron has both in
        // a directory of its own user.
        give_away(&conf_file);
        runs();
        chown(dir.as_str(), Some(0), Some(0)).expect("chown");
    }
    runs();
    Outcome::Passed
}

fn report(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let dir = shared_directory(&a);
    let (precious, report) = (
        format!("/run/lab/{}-precious", a.id()),
        format!("{dir}/report"),
    );
    fs::write(&precious, "precious").expect("write");
    symlink(&precious, &report).expect("symlink");
    let conf_file = format!("/run/lab/{}-bad.conf", a.id());
    fs::write(&conf_file, "no_such_keyword\n").expect("write");
    let test = |to: &str| {
        let option = format!("--config-test={to}");
        let status = Command::new(ctx.daemon.path())
            .args(["-f", &conf_file, &option])
            .output();
        let output = status.expect("it runs");
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    test(&report);
    assert_eq!(fs::read_to_string(&precious).expect("read"), "precious");
    let text = fs::read_to_string(&report).expect("written");
    assert!(text.contains("no_such_keyword"), "{text}");
    // Where only we can write, as a shell does.
    assert!(test("/dev/stdout").contains("no_such_keyword"));
    Outcome::Passed
}

fn log_file(ctx: &Ctx) -> Outcome {
    if let Some(skipped) = only_one_user() {
        return skipped;
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let log = format!("{}/log", shared_directory(&a));
    let option = format!("-g{log}");
    let conf_file = format!("/run/lab/{}-log.conf", a.id());
    fs::write(&conf_file, conf(200, &[]).text()).expect("write");
    fs::write(&log, "").expect("write");
    give_away(&log);
    let run = ctx
        .daemon
        .start_args(&a, &["-n", "-G", "-f", &conf_file, &option]);
    assert_refused(&a, run, "it belongs to user 65534");
    assert_eq!(fs::read_to_string(&log).expect("read"), "");
    Outcome::Passed
}

fn key_file(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let key = format!("/run/lab/{}-key", a.id());
    fs::write(&key, format!("hex:{}\n", "a5".repeat(32))).expect("write");
    let hmac = format!("auth_hmac {{\n key 1 file:{key}\n active_key 1\n }}");
    let text = conf(200, &[&hmac]);
    let refused = |why: &str| {
        let mut run = ctx.daemon.start(&a, &text);
        wait_until(SOON, "it is up", || {
            run.log().contains("nothing to run") || a.has(VIP) || !run.alive()
        });
        assert!(run.log().contains(why), "{why}: {}", run.log());
        assert!(!a.has(VIP), "without its key the instance does not run");
    };
    for (mode, why) in [
        (0o666, "other users can write to it; use `chmod go-w"),
        (0o644, "every user can read it; use `chmod o="),
    ] {
        chmod(&key, mode);
        refused(why);
    }
    chmod(&key, 0o600);
    if only_one_user().is_none() {
        give_away(&key);
        refused("it belongs to user 65534; use `chown 0");
        chown(key.as_str(), Some(0), Some(0)).expect("chown");
    }
    let _run = ctx.daemon.start(&a, &text);
    wait_until(SOON, "it is master with a key of its own", || a.has(VIP));
    Outcome::Passed
}
