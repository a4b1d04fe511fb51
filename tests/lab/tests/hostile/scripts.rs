//! Scripts that try to get more rights than their user has, and paths to scripts that others can change.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
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
    Test::new("links_of_another_user_do_not_lead_root_to_a_script", links),
    Test::new("script_that_became_unsafe_is_not_run", became_unsafe),
    Test::new("without_a_user_secure_scripts_are_not_run_as_root", no_user),
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
echo \"niceness and policy $(cut -d' ' -f19,41 /proc/self/stat)\" >> $out.part
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
    // On a terminal, as when somebody tries a configuration, and with priority over others.
    let terminal = [
        "sh",
        "-c",
        "cd /root && exec chrt --rr 5 nice -n -5 script -qefc \"$*\" /dev/null",
        "sh",
    ];
    let report = attempts(ctx, "nobody nogroup", &terminal);
    assert_no_success(&report);
    assert_lines(&report, &NO_CAPABILITIES);
    assert_lines(&report, &["Groups: 65534", "niceness and policy 0 0", "/"]);
    let home = report.lines().any(|line| line == "/root");
    assert!(!home, "a directory that it may not enter:\n{report}");
    Outcome::Passed
}

const NOBODY: u32 = 65_534;

/// A script that appends a line to the file `NAME.ran`.
fn counting(path: &str, name: &str) {
    script(path, &format!("echo >> {DIR}/{name}.ran"));
}

/// How often a [`counting`] script has run.
fn runs(name: &str) -> usize {
    let text = fs::read_to_string(format!("{DIR}/{name}.ran"));
    text.map_or(0, |text| text.lines().count())
}

/// A configuration that tracks these scripts, by name and path, without an effect on the election.
fn tracked(global: &[&str], scripts: &[(&str, String)]) -> String {
    let lines = scripts.iter().map(|(name, _)| format!("{name} weight 1"));
    let track = format!(
        "track_script {{ {} }}",
        lines.collect::<Vec<_>>().join("\n")
    );
    let conf = global
        .iter()
        .fold(conf(200, &[&track]), |conf, line| conf.global(line));
    let conf = scripts.iter().fold(conf, |conf, (name, path)| {
        conf.top(&format!(
            "vrrp_script {name} {{\n script \"{path}\"\n interval 0.2\n timeout 20\n}}"
        ))
    });
    conf.text()
}

fn links(ctx: &Ctx) -> Outcome {
    if !has_users() {
        return one_user();
    }
    let at = |name: &str| format!("{DIR}/{name}");
    fs::create_dir(at("safe")).expect("mkdir");
    fs::create_dir(at("shared")).expect("mkdir");
    set_mode(&at("shared"), 0o1777);
    let safe = at("safe/run.sh");
    counting(&safe, "safe");
    // Each links a file that only root can change; so only the links make the paths unsafe.
    let mut scripts = vec![("safe", safe.clone())];
    for (name, link, target, path) in [
        ("directory", "user-dir", at("safe"), "user-dir/directory.sh"),
        ("file", "user-file", at("safe/file.sh"), "user-file"),
        ("sticky", "shared/link", at("safe/sticky.sh"), "shared/link"),
        (
            "behind",
            "safe/root-link",
            at("shared/next"),
            "safe/root-link",
        ),
        ("below", "shared/next", at("safe/behind.sh"), "shared/next"),
    ] {
        counting(&at(&format!("safe/{name}.sh")), name);
        symlink(target, at(link)).expect("symlink");
        if link != "safe/root-link" {
            lchown(at(link), Some(NOBODY), Some(NOBODY)).expect("lchown");
        }
        scripts.push((name, at(path)));
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let text = tracked(&["script_user root", "enable_script_security"], &scripts);
    let run = ctx.daemon.start_text(&a, &text, &[]);
    wait_until(SOON, "the safe script runs", || runs("safe") > 3);
    let log = run.log();
    for (name, path) in &scripts[1..] {
        assert_eq!(runs(name), 0, "{path} was run");
        let message = format!("`{path}` is not run: it would run as root");
        assert!(log.contains(&message), "{message}:\n{log}");
    }
    let part = format!("users other than root can change `{}`", at("shared/next"));
    assert!(log.contains(&part), "{part}:\n{log}");
    Outcome::Passed
}

fn became_unsafe(ctx: &Ctx) -> Outcome {
    if !has_users() {
        return one_user();
    }
    let dir = format!("{DIR}/scripts");
    fs::create_dir(&dir).expect("mkdir");
    let path = format!("{dir}/check.sh");
    counting(&path, "checked");
    let other = format!("{DIR}/other.sh");
    counting(&other, "other");
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let scripts = [("checked", path.clone()), ("other", other)];
    let text = tracked(&["script_user root", "enable_script_security"], &scripts);
    let run = ctx.daemon.start_text(&a, &text, &[]);
    wait_until(SOON, "the script runs", || runs("checked") > 0);
    // As if a package or an administrator gave the directory away; its new owner replaces the script.
    chown(&dir, Some(NOBODY), Some(NOBODY)).expect("chown");
    let message =
        format!("Script `checked` ({path}) did not run: users other than root can change it");
    fs::rename(&path, format!("{dir}/old.sh")).expect("rename");
    counting(&path, "swapped");
    chown(&path, Some(NOBODY), Some(NOBODY)).expect("chown");
    let until = runs("other") + 4;
    wait_until(SOON, "the other script runs on", || runs("other") >= until);
    assert_eq!(
        runs("swapped"),
        0,
        "the script of another user was run as root"
    );
    wait_until(SOON, &message, || run.log().contains(&message));
    wait_until(SOON, "it counts as failed", || {
        run.log().contains("VRRP_Script(checked) failed")
    });
    let until = runs("other") + 4;
    wait_until(SOON, "the other script runs on", || runs("other") >= until);
    assert_eq!(run.log().matches(&message).count(), 1, "logged once");
    // Repaired, it runs again.
    chown(&path, Some(0), Some(0)).expect("chown");
    chown(&dir, Some(0), Some(0)).expect("chown");
    wait_until(SOON, "it runs again", || runs("swapped") > 0);
    Outcome::Passed
}

fn no_user(ctx: &Ctx) -> Outcome {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if users.contains("keepalived_script:") {
        return Outcome::Skipped("there is a user keepalived_script".into());
    }
    for name in ["default", "root"] {
        counting(&format!("{DIR}/{name}.sh"), name);
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let notify = format!("notify_master \"{DIR}/default.sh\"");
    let any = format!("notify \"{DIR}/root.sh\" root");
    let conf = conf(200, &[&notify, &any]).global("enable_script_security");
    let run = ctx.daemon.start(&a, &conf);
    // notify_master would run before notify.
    wait_until(SOON, "the script of root runs", || runs("root") > 1);
    assert_eq!(runs("default"), 0, "it ran as root");
    let log = run.log();
    let message = "there is no `script_user`, and no user `keepalived_script`";
    assert_eq!(log.matches(message).count(), 1, "{log}");
    Outcome::Passed
}
