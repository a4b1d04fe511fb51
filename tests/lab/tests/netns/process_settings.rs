//! Scheduling, memory locking and namespace of the process; startup_script and shutdown_script.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use vrrpd_lab::{Conf, Inst, Lab, MS, Node, Running, noise, now, sleep_ms, wait_until};

use crate::support::{SOON, VIP};
use crate::{Ctx, Outcome, Test};

/// It runs as several processes, or its keywords differ.
const NOT_COMPARED: &str = "runs as several processes";

pub(crate) const TESTS: &[Test] = &[
    Test::new("process_settings_are_applied", as_configured).keepalived_fails(NOT_COMPARED),
    Test::new("late_timers_raise_the_priority", raised).keepalived_fails(NOT_COMPARED),
    Test::new("priority_of_the_start_is_kept", inherited).keepalived_fails(NOT_COMPARED),
    Test::new("missing_permissions_are_one_warning", not_permitted).keepalived_fails(NOT_COMPARED),
    Test::new("namespace_is_entered_before_anything_else", namespace),
    Test::new("missing_namespace_is_reported", no_namespace).keepalived_fails(NOT_COMPARED),
    Test::new(
        "startup_script_runs_first_and_shutdown_script_last",
        scripts,
    ),
    Test::new(
        "startup_script_does_not_delay_a_master_that_resumes",
        resumes,
    )
    .keepalived_fails("does not resume"),
    Test::new("startup_and_shutdown_scripts_time_out", too_long).keepalived_fails(NOT_COMPARED),
    Test::new(
        "sigterm_during_the_startup_script_stops_the_daemon",
        stopped_early,
    )
    .keepalived_fails(NOT_COMPARED),
    Test::new("instances_start_after_the_startup_delay", startup_delay),
];

fn conf() -> Conf {
    Conf::of(&[Inst::new(51, 200, "10.0.0.100/24")])
}

/// A field of /proc/PID/status.
fn status(run: &Running, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{}/status", run.pid())).expect("status");
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.expect(field).trim_start_matches(':').trim().to_owned()
}

/// Niceness, real-time priority and policy (`proc_pid_stat(5)`: fields 19, 40, 41).
fn scheduling(pid: u32) -> [i32; 3] {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let (_, rest) = text.rsplit_once(')').expect("a name");
    let words: Vec<&str> = rest.split_whitespace().collect();
    [19, 40, 41].map(|field| words[field - 3].parse().expect("a number"))
}

fn as_configured(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let text = conf()
        .global("process_name a-router-of-mine")
        .global("vrrp_priority 5")
        .global("vrrp_rt_priority 20")
        .global("vrrp_no_swap")
        .global("umask S_IWGRP|S_IRWXO")
        .text();
    let run = ctx.daemon.start_text(&a, &text, &[]);
    wait_until(SOON, "it is master", || a.has(VIP));
    assert_eq!(status(&run, "Name"), "a-router-of-min", "15 bytes of it");
    assert_eq!(status(&run, "Umask"), "0027");
    let [nice, priority, policy] = scheduling(run.pid());
    assert_eq!(nice, 5);
    let log = run.log();
    if log.contains("vrrp_rt_priority:") {
        assert_eq!((priority, policy), (0, 0), "it was refused: {log}");
    } else {
        // SCHED_RR is 2; SCHED_RESET_ON_FORK is not shown here.
        assert_eq!((priority, policy), (20, 2));
    }
    let locked: u32 = status(&run, "VmLck")
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    assert_eq!(
        locked > 0,
        !log.contains("may be swapped"),
        "{locked}: {log}"
    );

    // A reload reverts all of it.
    run.reload(&conf().global("max_auto_priority 0").text());
    assert_eq!(status(&run, "Umask"), "0177");
    assert_eq!(status(&run, "Name"), "vrrpd");
    assert_eq!(status(&run, "VmLck"), "0 kB");
    assert_eq!(scheduling(run.pid())[1..], [0, 0]);
    Outcome::Passed
}

/// With an advert every 10 ms, so that a short stop is a late timer.
fn fast() -> Conf {
    let inst = Inst::new(51, 200, "10.0.0.100/24").advert("0.01");
    Conf::of(&[inst]).global("vrrp_version 3")
}

/// Stops the daemon for moments until its log has this text from `offset` on.
#[track_caller]
fn make_late(run: &Running, offset: u64, text: &str) {
    wait_until(SOON, text, || {
        run.freeze();
        sleep_ms(15);
        run.thaw();
        sleep_ms(15);
        run.log_from(offset).contains(text)
    });
}

const LATE: &str = "us late";
const RAISED: &str = "real-time priority is now 1";

fn raised(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let run = ctx.daemon.start(&a, &fast());
    wait_until(SOON, "it is master", || a.has(VIP));
    make_late(&run, 0, LATE);
    if !run.log().contains(RAISED) {
        return Outcome::Skipped("real-time priority is not permitted".into());
    }
    assert_eq!(scheduling(run.pid())[1..], [1, 2]);
    run.reload(&fast().global("max_auto_priority 0").text());
    assert_eq!(scheduling(run.pid())[1..], [0, 0], "turned off");
    run.reload(&fast().text());
    make_late(&run, run.log_len(), RAISED);
    // The next program is not started with it.
    let before = run.log_len();
    let answer = run.ask(&["restart"]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    make_late(&run, before, RAISED);
    Outcome::Passed
}

fn inherited(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let chrt = ["chrt", "--rr", "7"];
    if !a
        .output(Command::new(chrt[0]).args(&chrt[1..]).arg("true"))
        .status
        .success()
    {
        return Outcome::Skipped("real-time priority is not permitted".into());
    }
    let run = ctx.daemon.start_text(&a, &fast().text(), &chrt);
    wait_until(SOON, "it is master", || a.has(VIP));
    make_late(&run, 0, LATE);
    sleep_ms(100);
    make_late(&run, 0, LATE);
    assert_eq!(scheduling(run.pid())[1..], [7, 2], "{}", run.log());
    Outcome::Passed
}

const TWO: [&str; 3] = [
    "setpriv",
    "--bounding-set=-all,+net_admin,+net_raw",
    "--inh-caps=-all,+net_admin,+net_raw",
];

fn not_permitted(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let text = conf()
        .global("vrrp_priority -5")
        .global("vrrp_rt_priority 20")
        .global("vrrp_no_swap")
        .text();
    let prefix = [&["prlimit", "--memlock=65536", "--rtprio=0"][..], &TWO].concat();
    let run = ctx.daemon.start_text(&a, &text, &prefix);
    wait_until(SOON, "it is master all the same", || a.has(VIP));
    let log = run.log();
    for what in ["vrrp_priority:", "vrrp_rt_priority:", "vrrp_no_swap:"] {
        let lines = log.lines().filter(|line| line.contains(what));
        let lines: Vec<&str> = lines.collect();
        assert!(!lines.is_empty() && lines.len() <= 2, "{what} {lines:?}");
    }
    Outcome::Passed
}

fn namespace(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let (outside, inside) = (
        lab.node("r1", &["10.0.0.1/24"]),
        lab.node("r2", &["10.0.0.2/24"]),
    );
    let text = conf().top(&format!("net_namespace {}", inside.id())).text();
    let file = format!("/run/lab/{}.conf", outside.id());
    fs::write(&file, &text).expect("write");
    let mut run = ctx.daemon.start_args(&outside, &["-n", "-l", "-f", &file]);
    wait_until(SOON, "it is master in there", || inside.has(VIP));
    assert!(!outside.has(VIP));
    let name = ctx.daemon.name();
    let pid_file = PathBuf::from(format!("/run/{name}/{}/{name}.pid", inside.id()));
    assert!(pid_file.exists(), "a pid file for each namespace");
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert!(!inside.has(VIP));

    // The command line takes precedence.
    let other = ["-n", "-l", "-f", &file, "-s", outside.id()];
    let _run = ctx.daemon.start_args(&inside, &other);
    wait_until(SOON, "it is master out there", || outside.has(VIP));
    assert!(!inside.has(VIP));
    Outcome::Passed
}

fn no_namespace(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let text = conf().top("net_namespace nowhere").text();
    let mut run = ctx.daemon.start_text(&a, &text, &[]);
    let status = run.wait_exit(SOON).expect("it ends by itself");
    assert_eq!(status.code(), Some(1));
    let output = run.log();
    assert!(output.contains("no network namespace nowhere"), "{output}");
    assert!(!a.has(VIP), "it does not run in another one instead");
    Outcome::Passed
}

/// A script in a directory of its own; its output goes to a file beside it.
struct Script {
    path: PathBuf,
    out: PathBuf,
}

impl Script {
    fn new(node: &Node, name: &str, body: &str) -> Self {
        let path = PathBuf::from(format!("/run/lab/{}-{name}", node.id()));
        let out = path.with_extension("out");
        let _ = fs::remove_file(&out);
        let text = format!("#!/bin/sh\nexec >> {} 2>&1\n{body}\n", out.display());
        fs::write(&path, text).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        Script { path, out }
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }
}

fn with(startup: &Path, shutdown: &Path) -> Conf {
    conf()
        .global("script_user root")
        .global(&format!("startup_script {}", startup.display()))
        .global(&format!("shutdown_script {}", shutdown.display()))
}

/// Prints the user and whether the address is installed.
const LOOK: &str = "echo $0 $(ip addr show | grep -c 10.0.0.100)";

fn scripts(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let startup = Script::new(&a, "startup", &format!("{LOOK}; sleep 0.5; {LOOK}"));
    let shutdown = Script::new(&a, "end", LOOK);
    let mut run = ctx
        .daemon
        .start_text(&a, &with(&startup.path, &shutdown.path).text(), &[]);
    wait_until(SOON, "it is master", || a.has(VIP));
    let line = format!("{} 0\n", startup.path.display());
    assert_eq!(
        startup.output(),
        line.repeat(2),
        "waited for, and before the address"
    );
    assert_eq!(shutdown.output(), "");
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert_eq!(
        shutdown.output(),
        format!("{} 0\n", shutdown.path.display()),
        "after the address"
    );
    assert_eq!(startup.output(), line.repeat(2), "once");
    Outcome::Passed
}

fn resumes(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let startup = Script::new(&a, "startup", "echo started");
    let shutdown = Script::new(&a, "end", LOOK);
    let text = with(&startup.path, &shutdown.path).text();
    let mut run = ctx.daemon.start_text(&a, &text, &[]);
    wait_until(SOON, "it is master", || a.has(VIP));
    // The first advert of a master precedes its addresses.
    run.kill9();
    let mut run = ctx.daemon.start_text(&a, &text, &[]);
    wait_until(SOON, "it has decided whether to resume", || {
        run.log().contains("Entering ")
    });
    let log = run.log();
    // Otherwise this machine was too slow.
    if log.contains("will resume as MASTER") {
        assert_eq!(startup.output(), "started\n", "{log}");
        assert!(log.contains("startup_script is not run again"), "{log}");
    }
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    let before = startup.output();
    let _run = ctx.daemon.start_text(&a, &text, &[]);
    wait_until(SOON, "after an orderly stop it runs again", || {
        startup.output() == format!("{before}started\n")
    });
    Outcome::Passed
}

fn too_long(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let startup = Script::new(&a, "startup", "echo $$; sleep 60");
    let shutdown = Script::new(&a, "end", "trap '' TERM; echo $$; sleep 60; sleep 60");
    let text = with(&startup.path, &shutdown.path)
        .global("startup_script_timeout 1")
        .global("shutdown_script_timeout 1")
        .text();
    let mut run = ctx.daemon.start_text(&a, &text, &[]);
    wait_until(SOON, "it continues without the script", || a.has(VIP));
    assert!(run.log().contains("startup_script takes too long"));
    assert!(gone(&startup), "the script was ended");
    let at = run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    let took = (now() - at) / MS;
    let longest = 4500 + noise::since(at) / MS;
    assert!(
        (2900..longest).contains(&took),
        "one second and two of grace: {took} ms"
    );
    assert!(gone(&shutdown), "killed, for it did not listen");
    Outcome::Passed
}

/// Whether the process whose pid the script printed has ended, and its process group with it.
fn gone(script: &Script) -> bool {
    let output = script.output();
    let group = output.trim();
    let runs = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let words = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut words = words.split_whitespace();
        let (state, same) = (words.next(), words.nth(1) == Some(group));
        same && !matches!(state, Some("Z" | "X"))
    };
    !fs::read_dir("/proc").expect("proc").flatten().any(runs)
}

fn stopped_early(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let startup = Script::new(&a, "startup", "echo $$; sleep 60");
    let shutdown = Script::new(&a, "end", "echo end");
    let mut run = ctx
        .daemon
        .start_text(&a, &with(&startup.path, &shutdown.path).text(), &[]);
    wait_until(SOON, "the script runs", || !startup.output().is_empty());
    let at = run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert!(now() - at < 1500 * MS + noise::since(at), "at once");
    assert!(gone(&startup));
    assert_eq!(shutdown.output(), "end\n", "shutdown_script runs as well");
    assert!(!a.has(VIP));
    Outcome::Passed
}

fn startup_delay(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = vrrpd_lab::Capture::start(&lab);
    let text = conf().global("vrrp_startup_delay 1.5").text();
    let run = ctx.daemon.start_text(&a, &text, &[]);
    let (first, _) = cap.advert_of(&a, 0, SOON);
    let took = (first - run.started) / MS;
    // The delay and the down interval, which is a little more than 0.3 s.
    assert!((1750..2600).contains(&took), "{took} ms");
    Outcome::Passed
}
