//! The daemon as a service: BusyBox init, the init script, readiness notification, and a read-only
//! file system.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vrrpd_lab::{Daemon, Lab, Node, Running, process, sleep_ms, wait_for, wait_until};

use crate::support::{SOON, VIP, conf};
use crate::{Ctx, Outcome, Test};

const OURS: &str = "the scripts belong to vrrpd";

pub(crate) const TESTS: &[Test] = &[
    Test::new("init_script_starts_stops_and_reloads", script).keepalived_fails(OURS),
    Test::new("init_script_ignores_foreign_processes", foreign).keepalived_fails(OURS),
    Test::new("init_respawn_is_delayed", respawn).keepalived_fails(OURS),
    Test::new("service_manager_is_notified", notified).keepalived_fails(OURS),
    Test::new("systemd_reload_reports_the_outcome", systemd_reload).keepalived_fails(OURS),
    Test::new("unreachable_service_manager_is_ignored", unreachable).keepalived_fails(OURS),
    Test::new("read_only_root_suffices", read_only).keepalived_fails(OURS),
];

const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");

fn ours(ctx: &Ctx) -> PathBuf {
    match &ctx.daemon {
        Daemon::Vrrpd(path) => path.clone(),
        Daemon::Keepalived => panic!("{OURS}"),
    }
}

/// A directory with all BusyBox applets, the only one in the search path.
fn busybox() -> Result<PathBuf, Outcome> {
    let dir = PathBuf::from("/run/lab/busybox");
    if dir.exists() {
        return Ok(dir);
    }
    let list = Command::new("busybox").arg("--list").output();
    let Ok(list) = list else {
        return Err(Outcome::Skipped("there is no busybox".into()));
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|dir| dir.join("busybox"));
    let program = places.find(|path_of| path_of.exists()).expect("it was run");
    fs::create_dir_all(&dir).expect("a directory");
    for applet in String::from_utf8_lossy(&list.stdout).split_whitespace() {
        std::os::unix::fs::symlink(&program, dir.join(applet)).expect("a link");
    }
    Ok(dir)
}

// ---- systemd ----

/// Runs `ExecReload=` of the unit as systemd does, for this daemon; returns its exit code and output.
fn exec_reload(run: &Running, program: &str, main_pid: u32) -> (Option<i32>, String) {
    let unit = fs::read_to_string(format!("{CONFIGS}/systemd/vrrpd.service")).expect("read");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecReload="));
    let script = line.and_then(|line| line.split('\'').nth(1));
    let pid_file = run.pid_file.display();
    let script = script
        .expect("a quoted script")
        .replace("vrrpd reload", &format!("vrrpd reload -p {pid_file}"))
        .replace("/usr/sbin/vrrpd", program)
        .replace("/etc/vrrpd.conf", &run.conf_file.display().to_string());
    let output = Command::new("sh")
        .args(["-c", &script, "vrrpd"])
        .env("MAINPID", main_pid.to_string())
        .output()
        .expect("sh");
    let both = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&both).into_owned(),
    )
}

fn systemd_reload(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let program = ctx.daemon.path();
    let run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    let reload = |text: &str, main_pid: u32| {
        fs::write(&run.conf_file, text).expect("write");
        exec_reload(&run, &program, main_pid)
    };
    let other = conf(200, &[]).text().replace(VIP, "10.0.0.101");
    let (code, text) = reload(&other, run.pid());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("reload complete"), "{text}");
    assert!(a.has("10.0.0.101") && !a.has(VIP), "it is done");
    let (code, text) = reload(BROKEN, run.pid());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("virtual_router_id"), "{text}");
    assert!(a.has("10.0.0.101"));

    // Without a control socket: by signal.
    let off = conf(200, &[]).global("control_socket off").text();
    assert_eq!(reload(&off, run.pid()).0, Some(0));
    wait_until(SOON, "the socket is gone", || !run.socket().exists());
    wait_until(SOON, "it has the first address", || a.has(VIP));
    let (code, text) = reload(&other, run.pid());
    assert_eq!(code, Some(0), "{text}");
    wait_until(SOON, "it has the other address", || a.has("10.0.0.101"));

    // The process of another service that has the default pid file gets no request.
    wait_until(SOON, "there is a socket again", || run.socket().exists());
    let sleep = Command::new("sleep").arg("1000").spawn().expect("sleep");
    let sleep = Killed(sleep);
    let (_, text) = reload(&conf(200, &[]).text(), sleep.0.id());
    assert!(text.contains("(MAINPID) does not listen"), "{text}");
    assert!(!a.has(VIP));
    Outcome::Passed
}

// ---- the init script ----

/// The init script on a node, run by BusyBox's shell with BusyBox applets only.
struct Script<'a> {
    node: &'a Node,
    busybox: PathBuf,
    daemon: PathBuf,
    conf: PathBuf,
    pid_file: PathBuf,
}

impl<'a> Script<'a> {
    fn new(ctx: &Ctx, node: &'a Node) -> Result<Self, Outcome> {
        let path_of = |what: &str| PathBuf::from(format!("/run/lab/{}.{what}", node.id()));
        let script = Script {
            node,
            busybox: busybox()?,
            daemon: ours(ctx),
            conf: path_of("conf"),
            pid_file: path_of("pid"),
        };
        script.configure(&conf(200, &[]).text());
        Ok(script)
    }

    fn configure(&self, text: &str) {
        fs::write(&self.conf, text).expect("write");
    }

    /// Exit code and output.
    fn run(&self, verb: &str) -> (i32, String) {
        // To a file: the daemon would keep a pipe open.
        let out = format!("/run/lab/{}.output", self.node.id());
        let file = fs::File::create(&out).expect("a file");
        let mut command = Command::new(self.busybox.join("sh"));
        let command = command
            .arg(format!("{CONFIGS}/busybox/S50vrrpd"))
            .arg(verb)
            .env_clear()
            .env("PATH", &self.busybox)
            .env("DAEMON", &self.daemon)
            .env("CONF", &self.conf)
            .env("PIDFILE", &self.pid_file)
            .env("OPTIONS", format!("-G -g{out}.log"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a descriptor"))
            .stderr(file);
        let mut child = self.node.spawn(command);
        let status = wait_for(SOON * 3, || child.try_wait().expect("a child"));
        let code = status.expect("the script comes to an end").code();
        let output = fs::read_to_string(&out).expect("UTF-8");
        (code.expect("no signal"), output)
    }

    #[track_caller]
    fn expect(&self, verb: &str, code: i32, words: &str) {
        let (got, output) = self.run(verb);
        assert_eq!(got, code, "{verb}: {output}");
        assert!(output.contains(words), "{verb}: {output}");
    }

    fn pid(&self) -> i32 {
        let text = fs::read_to_string(&self.pid_file).expect("a pid file");
        text.trim().parse().expect("a number")
    }

    fn kill9(&self) {
        kill(Pid::from_raw(self.pid()), Signal::SIGKILL).expect("it runs");
    }
}

impl Drop for Script<'_> {
    fn drop(&mut self) {
        if self.pid_file.exists() {
            let _ = kill(Pid::from_raw(self.pid()), Signal::SIGKILL);
        }
    }
}

const BROKEN: &str = "vrrp_instance VI_51 {\n    interface eth0\n}\n";

fn script(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let script = match Script::new(ctx, &a) {
        Ok(script) => script,
        Err(skip) => return skip,
    };
    script.expect("status", 3, "not running");
    script.expect("stop", 0, "not running");
    script.expect("reload", 7, "not running");
    script.expect("dance", 2, "usage: ");

    script.expect("start", 0, "started (pid ");
    let first = script.pid();
    wait_until(SOON, "it is master", || a.has(VIP));
    script.expect("status", 0, &format!("running (pid {first})"));
    script.expect("start", 0, &format!("already running (pid {first})"));

    script.configure(&conf(200, &[]).text().replace(VIP, "10.0.0.101"));
    script.expect("reload", 0, "reload complete");
    wait_until(SOON, "it has the other address", || {
        a.has("10.0.0.101") && !a.has(VIP)
    });

    // The running daemon continues, and the caller gets the reason.
    script.configure(BROKEN);
    script.expect("reload", 1, "virtual_router_id");
    script.expect("restart", 6, "virtual_router_id");
    assert!(a.has("10.0.0.101"));
    assert_eq!(script.pid(), first);

    script.configure(&conf(200, &[]).text());
    script.expect("restart", 0, "started (pid ");
    assert_ne!(script.pid(), first);
    wait_until(SOON, "it is master again", || a.has(VIP));

    script.expect("stop", 0, "stopped");
    assert!(!a.has(VIP));
    script.expect("status", 3, "not running");

    script.configure(
        &"block {
"
        .repeat(40),
    );
    script.expect("start", 2, "nothing can run from ");
    fs::remove_file(&script.conf).expect("remove");
    script.expect("start", 6, "not found or not readable");
    script.expect("stop", 0, "not running");
    let none = Script {
        daemon: "/nowhere/vrrpd".into(),
        conf: script.conf.clone(),
        pid_file: script.pid_file.clone(),
        busybox: script.busybox.clone(),
        node: &a,
    };
    none.expect("start", 5, "/nowhere/vrrpd not found");
    Outcome::Passed
}

fn foreign(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut script = match Script::new(ctx, &a) {
        Ok(script) => script,
        Err(skip) => return skip,
    };
    // A copy of the program, so that it can be replaced.
    let copy = PathBuf::from(format!("/run/lab/{}-vrrpd", a.id()));
    fs::copy(&script.daemon, &copy).expect("copy");
    script.daemon.clone_from(&copy);

    script.expect("start", 0, "started");
    let first = script.pid();
    script.kill9();
    // A zombie holds no lock.
    wait_until(SOON, "it is dead", || {
        let stat = fs::read_to_string(format!("/proc/{first}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    });
    script.expect("status", 1, "dead, but ");
    script.expect("stop", 0, "not running");
    script.expect("start", 0, "started");
    let second = script.pid();
    assert_ne!(first, second);

    // An upgrade replaces the file of the running program.
    let new = copy.with_extension("new");
    fs::copy(ours(ctx), &new).expect("copy");
    fs::rename(&new, &copy).expect("rename");
    script.expect("status", 0, &format!("running (pid {second})"));
    script.expect("stop", 0, "stopped");

    // Another process has the pid by now.
    let sleep = Command::new("sleep").arg("1000").spawn().expect("sleep");
    let mut sleep = Killed(sleep);
    fs::write(&script.pid_file, format!("{}\n", sleep.0.id())).expect("write");
    script.expect("status", 1, "dead, but ");
    script.expect("stop", 0, "not running");
    assert!(matches!(sleep.0.try_wait(), Ok(None)), "it was left alone");
    script.expect("start", 0, "started");
    for text in ["", "\n", "x\n", "-1\n", "1 2\n"] {
        let third = script.pid();
        fs::write(&script.pid_file, text).expect("write");
        script.expect("status", 1, "dead, but ");
        fs::write(&script.pid_file, format!("{third}\n")).expect("write");
    }
    script.expect("stop", 0, "stopped");
    Outcome::Passed
}

// ---- init itself ----

/// A background process; dropping it kills it and all processes it has started.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn respawn(ctx: &Ctx) -> Outcome {
    if let Err(skip) = busybox() {
        return skip;
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let path_of = |what: &str| format!("/run/lab/{}.{what}", a.id());
    let (conf_file, console, pid_file) = (path_of("conf"), path_of("console"), path_of("pid"));
    fs::write(&console, "").expect("write");
    // The line of the shipped inittab, with the paths of this test.
    let etc = path_of("etc");
    fs::create_dir_all(&etc).expect("a directory");
    let inittab = fs::read_to_string(format!("{CONFIGS}/busybox/inittab")).expect("read");
    let here = format!(
        "{} -f {conf_file} -n -l -G -p {pid_file}",
        ours(ctx).display()
    );
    let line = "/usr/sbin/vrrpd -f /etc/vrrpd.conf -n";
    assert!(inittab.contains(line), "the test's premise");
    fs::write(format!("{etc}/inittab"), inittab.replace(line, &here)).expect("write");

    let world = format!("mount --bind {etc} /etc && exec busybox init");
    let mut command = Command::new("unshare");
    command
        .args(["--kill-child", "-fpm", "--mount-proc", "sh", "-c", &world])
        .env("CONSOLE", &console)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut init = Killed(a.spawn(&mut command));
    let log = || fs::read_to_string(&console).unwrap_or_default();
    let attempts = || log().matches("cannot read the configuration ").count();
    wait_until(SOON, "it logs the error and waits", || {
        assert!(matches!(init.0.try_wait(), Ok(None)), "init ended");
        log().contains("delaying exit 30 s")
    });
    // Without a delay BusyBox would have respawned it after a second.
    sleep_ms(3500);
    assert_eq!(attempts(), 1, "{}", log());

    // With a corrected configuration it runs immediately.
    fs::write(&conf_file, conf(200, &[]).text()).expect("write");
    wait_until(SOON, "it is master", || a.has(VIP));
    assert_eq!(attempts(), 1, "{}", log());

    // A killed daemon is respawned without delay.
    let started = || log().matches("Starting vrrpd").count();
    assert_eq!(started(), 1);
    let daemon = fs::canonicalize(ours(ctx)).expect("a path");
    let runs = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == daemon);
    let pid = process::tree(init.0.id()).into_iter().find(runs);
    let pid = i32::try_from(pid.expect("it runs below init")).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    wait_until(SOON, "it is started again", || started() == 2);
    wait_until(SOON, "it is master again", || a.has(VIP));
    Outcome::Passed
}

// ---- readiness ----

fn next(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let len = socket.recv(&mut buffer).expect("a message in time");
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

fn notified(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let path = format!("/run/lab/{}.notify", a.id());
    let socket = UnixDatagram::bind(&path).expect("bind");
    socket.set_read_timeout(Some(SOON)).expect("a time-out");
    // Scripts do not inherit NOTIFY_SOCKET.
    let seen = format!("/run/lab/{}.env", a.id());
    let program = format!("/run/lab/{}.sh", a.id());
    fs::write(
        &program,
        format!("#!/bin/sh\nenv > {seen}.new\nmv {seen}.new {seen}\n"),
    )
    .expect("write");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmod");
    let _ = fs::remove_file(&seen);
    let text = conf(200, &[&format!("notify_master {program}")]);
    let text = text.global("script_user root").text();
    let variable = format!("NOTIFY_SOCKET={path}");
    let mut run = ctx
        .daemon
        .start_text(&a, &text, &["env", &variable, "OTHER=1"]);
    assert_eq!(next(&socket), "READY=1");
    wait_until(SOON, "the script has run", || Path::new(&seen).exists());
    let environment = fs::read_to_string(&seen).expect("read");
    assert!(environment.contains("OTHER=1"), "{environment}");
    assert!(!environment.contains("NOTIFY_SOCKET"), "{environment}");

    let now = || nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a clock");
    let micros = |at: nix::sys::time::TimeSpec| at.tv_sec() * 1_000_000 + at.tv_nsec() / 1000;
    for text in [text.as_str(), BROKEN] {
        let before = now();
        run.reload(text);
        let reloading = next(&socket);
        let at = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let at: i64 = at.expect(&reloading).parse().expect("a number");
        assert!(
            (micros(before)..=micros(now())).contains(&at),
            "{reloading}"
        );
        assert_eq!(next(&socket), "READY=1", "whatever came of it");
    }
    run.term();
    assert_eq!(next(&socket), "STOPPING=1");
    assert!(run.wait_exit(SOON).expect("it ends").success());
    Outcome::Passed
}

fn unreachable(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let path = format!("/run/lab/{}.notify", a.id());
    let socket = UnixDatagram::bind(&path).expect("bind");
    // A full socket buffer: a blocking send would never return.
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.set_nonblocking(true).expect("fcntl");
    while sender.send_to(b"x", &path).is_ok() {}
    for value in [path.as_str(), "/nowhere/notify", "", "@", "relative"] {
        let variable = format!("NOTIFY_SOCKET={value}");
        let text = conf(200, &[]).text();
        let mut run = ctx.daemon.start_text(&a, &text, &["env", &variable]);
        wait_until(SOON, "it is master", || a.has(VIP));
        run.reload(&text);
        run.term();
        assert!(run.wait_exit(SOON).expect("it ends").success(), "{value}");
        assert!(!a.has(VIP));
    }
    drop(socket);
    Outcome::Passed
}

// ---- read-only file systems ----

fn read_only(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    // All file systems but /run, a tmpfs as on a router.
    let world = "for dir in $(sed -n 's/^[^ ]* \\([^ ]*\\) .*/\\1/p' /proc/self/mounts); do
        case $dir in /run | /proc | /proc/* | /sys | /sys/*) continue ;; esac
        mount -o remount,bind,ro \"$dir\" 2>/dev/null
    done
    mount -t tmpfs -o ro none /tmp
    if touch /x /tmp/x /etc/x /var/x 2>/dev/null; then echo the root is not read-only; exit 99; fi
    exec \"$@\"";
    let prefix = ["unshare", "-m", "sh", "-c", world, "sh"];
    let text = conf(200, &[]).text();
    // The program itself may be below /tmp, which is hidden.
    let program = PathBuf::from(format!("/run/lab/{}-vrrpd", a.id()));
    fs::copy(ctx.daemon.path(), &program).expect("copy");
    let mut run = Daemon::Vrrpd(program).start_text(&a, &text, &prefix);
    wait_until(SOON, "it is master", || a.has(VIP));
    assert!(run.pid_file.exists());
    let output = || run.log().matches("cannot write /tmp/keepalived.").count();
    run.signal(Signal::SIGUSR1);
    wait_until(SOON, "it logs that it cannot write", || output() > 0);
    for _ in 0..3 {
        run.signal(Signal::SIGUSR1);
        sleep_ms(200);
    }
    let log = run.log();
    assert_eq!(output(), 1, "once: {log}");
    assert!(log.contains("ead-only file system"), "{log}");
    let warnings = log.lines().filter(|line| line.contains("ead-only"));
    assert_eq!(warnings.count(), 1, "nothing else is written: {log}");
    run.reload(&text);
    assert!(a.has(VIP));
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert!(!a.has(VIP) && !run.pid_file.exists());
    Outcome::Passed
}
