//! Scripts that try to get more rights than their user has, and paths to scripts that others can change.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use vrrpd_lab::private::DIR;
use vrrpd_lab::{Lab, wait_until};

use crate::support::{SOON, conf};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "ambient_capabilities_do_not_reach_scripts_of_another_user",
        ambient,
    ),
    Test::new(
        "scripts_of_the_daemons_own_user_cannot_become_another",
        own_user,
    ),
    Test::new(
        "scripts_of_another_user_are_confined_under_root",
        under_root,
    ),
];

/// A user and group without an entry in the user database.
const DAEMON: u32 = 1077;

/// Starts the daemon as user [`DAEMON`] with these ambient capabilities.
const AS_USER: [&str; 6] = [
    "setpriv",
    "--reuid=1077",
    "--regid=1077",
    "--clear-groups",
    "--inh-caps=-all,+net_admin,+net_raw,+setuid,+setgid",
    "--ambient-caps=-all,+net_admin,+net_raw,+setuid,+setgid",
];

/// What a script tries: it writes what the kernel says about it, and its luck with each attempt.
const ATTEMPTS: &str = "\
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs)' /proc/self/status > $out.part
setpriv --reuid=0 --clear-groups true 2>/dev/null && echo 'became root' >> $out.part
cat /etc/shadow >/dev/null 2>&1 && echo 'read /etc/shadow' >> $out.part
setpriv --reuid=0 --clear-groups cat /etc/shadow >/dev/null 2>&1 && echo 'read /etc/shadow as root' >> $out.part
( : < /dev/tty ) 2>/dev/null && echo 'opened the terminal' >> $out.part
pwd >> $out.part
mv $out.part $out";

/// Whether other users exist; an unprivileged user namespace has only one.
fn has_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let count = map.split_whitespace().nth(2);
    count.and_then(|count| count.parse().ok()).unwrap_or(0_u64) > 65_534
}

fn one_user() -> Outcome {
    Outcome::Skipped("this user namespace has only one user".into())
}

fn set_mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

/// An executable shell script.
fn script(path: &str, lines: &str) {
    fs::write(path, format!("#!/bin/sh\n{lines}\n")).expect("writing a script");
    set_mode(path, 0o755);
}

/// Runs [`ATTEMPTS`] as `user` under a daemon started with this prefix; returns what it wrote.
fn attempts(ctx: &Ctx, user: &str, prefix: &[&str]) -> String {
    let dir = format!("{DIR}/attempts");
    fs::create_dir(&dir).expect("mkdir");
    set_mode(&dir, 0o777);
    let (command, out) = (format!("{DIR}/attempt.sh"), format!("{dir}/out"));
    script(&command, &format!("out={out}\n{ATTEMPTS}"));
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let notify = format!("notify_master \"{command}\" {user}");
    let conf = conf(200, &[&notify]).text();
    let run = ctx.daemon.start_text(&a, &conf, prefix);
    let what = "the script has run";
    wait_until(SOON, what, || {
        let log = run.log();
        assert!(!log.contains("did not run"), "{log}");
        Path::new(&out).exists()
    });
    fs::read_to_string(out).expect("written by the script")
}

#[track_caller]
fn assert_lines(report: &str, lines: &[&str]) {
    for line in lines {
        let found = report
            .lines()
            .any(|l| l.replace('\t', " ").starts_with(line));
        assert!(found, "no line `{line}` in:\n{report}");
    }
}

#[track_caller]
fn assert_no_success(report: &str) {
    for success in ["became root", "read /etc/shadow", "opened the terminal"] {
        assert!(!report.contains(success), "{success}:\n{report}");
    }
}

const NO_CAPABILITIES: [&str; 5] = [
    "CapInh: 0000000000000000",
    "CapPrm: 0000000000000000",
    "CapEff: 0000000000000000",
    "CapAmb: 0000000000000000",
    "NoNewPrivs: 1",
];

fn ambient(ctx: &Ctx) -> Outcome {
    if !has_users() {
        return one_user();
    }
    chown(DIR, Some(DAEMON), Some(DAEMON)).expect("chown");
    let report = attempts(ctx, "nobody nogroup", &AS_USER);
    assert_no_success(&report);
    assert_lines(&report, &NO_CAPABILITIES);
    assert_lines(
        &report,
        &[
            "Uid: 65534 65534 65534 65534",
            "Gid: 65534 65534 65534 65534",
        ],
    );
    Outcome::Passed
}

fn own_user(ctx: &Ctx) -> Outcome {
    if !has_users() {
        return one_user();
    }
    chown(DIR, Some(DAEMON), Some(DAEMON)).expect("chown");
    // Without a name for its user, the default of scripts.
    let report = attempts(ctx, "", &AS_USER);
    assert_no_success(&report);
    // What `ip` needs, and nothing else.
    assert_lines(
        &report,
        &[
            "Uid: 1077 1077",
            "CapEff: 0000000000003000",
            "CapAmb: 0000000000003000",
        ],
    );
    Outcome::Passed
}

fn under_root(ctx: &Ctx) -> Outcome {
    if !has_users() {
        return one_user();
    }
    // On a terminal, as when somebody tries a configuration.
    let terminal = [
        "sh",
        "-c",
        "cd /root && exec script -qefc \"$*\" /dev/null",
        "sh",
    ];
    let report = attempts(ctx, "nobody nogroup", &terminal);
    assert_no_success(&report);
    assert_lines(&report, &NO_CAPABILITIES);
    assert_lines(&report, &["Groups: 65534", "/"]);
    let home = report.lines().any(|line| line == "/root");
    assert!(!home, "a directory that it may not enter:\n{report}");
    Outcome::Passed
}
