//! The daemon as a process: single instance, few capabilities, error messages, and keepalived's
//! exit codes.

use std::process::Command;

use vrrpd_lab::{Lab, Running, now, sleep_ms, wait_until};

use crate::support::{SOON, VIP, conf, ip, pair};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "second_daemon_is_refused_and_the_first_undisturbed",
        second_copy,
    ),
    Test::new("two_capabilities_suffice", capabilities),
    Test::new("missing_capabilities_are_reported", no_capabilities),
    Test::new("missing_configuration_is_one_message", no_configuration),
    Test::new("killed_daemon_leaves_no_lock", stale_pid_file),
    Test::new("configuration_tests_end_as_recorded", exit_codes)
        .keepalived_fails("it has the codes of its own column"),
];

/// Exit code and output.
fn end_of(mut run: Running) -> (Option<i32>, String) {
    let status = run.wait_exit(SOON).expect("it ends by itself");
    (status.code(), run.log())
}

fn second_copy(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let since = now();
    let (code, output) = end_of(ctx.daemon.start(&p.a, &conf(200, &[])));
    assert!(output.contains("already running"), "it says why: {output}");
    assert_eq!(code, Some(0), "the exit code of keepalived");
    sleep_ms(500);
    assert!(p.run_a.alive());
    p.assert_undisturbed(VIP, crate::support::INTERVAL, 30 * vrrpd_lab::MS, since);
    let pid: u32 = std::fs::read_to_string(&p.run_a.pid_file)
        .expect("the pid file is still there")
        .trim()
        .parse()
        .expect("a number");
    assert_eq!(pid, p.run_a.pid(), "and still names the first copy");
    Outcome::Passed
}

const TWO: [&str; 3] = [
    "setpriv",
    "--bounding-set=-all,+net_admin,+net_raw",
    "--inh-caps=-all,+net_admin,+net_raw",
];

fn capabilities(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = vrrpd_lab::Capture::start(&lab);
    let mut run = ctx.daemon.start_text(&a, &conf(200, &[]).text(), &TWO);
    wait_until(SOON, "it is master and advertises", || {
        a.has(VIP)
            && !cap.adverts(&a, 51, 0).is_empty()
            && !cap.announcements(&a, ip(VIP), 0).is_empty()
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", run.pid())).expect("status");
    let effective = status
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .map(str::trim);
    assert_eq!(
        effective,
        Some("0000000000003000"),
        "the test's premise: two capabilities"
    );
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert!(!a.has(VIP));
    Outcome::Passed
}

fn no_capabilities(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let none = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let (code, output) = end_of(ctx.daemon.start_text(&a, &conf(200, &[]).text(), &none));
    assert!(!a.has(VIP));
    let reason = ["CAP_NET_ADMIN", "ermission", "ermitted"]
        .iter()
        .any(|w| output.contains(w));
    assert!(reason, "it prints the reason: {output}");
    assert_eq!(code, Some(4));
    Outcome::Passed
}

/// Runs `-t` of both daemons on each configuration of the table, and compares the exit codes with
/// its columns.
fn exit_codes(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["192.0.2.11/24"]);
    let path = format!("/run/lab/{}-codes.conf", a.id());
    let table = include_str!("../../../golden/exit_codes.txt");
    let mut wrong = Vec::new();
    for case in table.split("\n== ").skip(1) {
        let (head, text) = case.split_once('\n').expect("a configuration");
        std::fs::write(&path, text).expect("a file");
        let mut columns = head.split(" | ");
        let name = columns.next().expect("a name");
        for daemon in [&ctx.keepalived, &ctx.daemon] {
            let test = a.output(Command::new(daemon.path()).args(["-t", "-f", &path]));
            let code = test.status.code().map(|code| code.to_string());
            if columns.next() != code.as_deref() {
                wrong.push(format!("{name}: {} {code:?}", daemon.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Outcome::Passed
}

fn no_configuration(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let (code, output) = end_of(
        ctx.daemon
            .start_args(&a, &["-n", "-l", "-f", "/nonexistent.conf"]),
    );
    assert!(
        output.contains("/nonexistent.conf"),
        "it prints the file: {output}"
    );
    assert_eq!(code, Some(6));
    Outcome::Passed
}

fn stale_pid_file(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    run.kill9();
    assert!(run.pid_file.exists(), "the test's premise");
    let mut again = ctx.daemon.start(&a, &conf(200, &[]));
    sleep_ms(800);
    assert!(again.alive(), "it starts over the dead copy's file");
    wait_until(SOON, "it is master again", || a.has(VIP));
    again.term();
    assert!(again.wait_exit(SOON).expect("it ends").success());
    assert!(
        !again.pid_file.exists(),
        "the pid file goes with the daemon"
    );
    Outcome::Passed
}
