//! What the daemon itself may do after its start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::Signal;
use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{Conf, Daemon, Inst, Lab, Node, Running, wait_until};

use crate::support::{SOON, VIP, ip};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "daemon_keeps_the_capabilities_that_its_configuration_needs",
        kept,
    ),
    Test::new(
        "reload_that_needs_more_capabilities_restarts_in_place",
        reload,
    ),
    Test::new("script_of_root_has_all_rights", root_script),
    Test::new(
        "restart_and_stop_work_with_few_capabilities",
        restart_and_stop,
    ),
    Test::new(
        "daemon_of_another_user_gives_up_what_it_was_given_in_vain",
        other_user,
    ),
    Test::new(
        "seccomp_filter_survives_restarts_and_refuses_programs",
        seccomp,
    ),
];

const KILL: u64 = 1 << 5;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const NETWORK: u64 = 1 << 12 | 1 << 13;
const READ_SEARCH: u64 = 1 << 2;
const IPC_LOCK: u64 = 1 << 14;
const SYS_NICE: u64 = 1 << 23;
const SYS_RESOURCE: u64 = 1 << 24;

/// What a daemon of root keeps in any case. Where RLIMIT_RTPRIO cannot be raised, in containers,
/// that includes what it takes to get real-time priority.
fn always() -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_RTPRIO).expect("a limit");
    let own = set(std::process::id(), "CapEff");
    match hard > 0 || own & SYS_RESOURCE != 0 {
        true => NETWORK | READ_SEARCH,
        false => NETWORK | READ_SEARCH | SYS_NICE,
    }
}

fn conf() -> Conf {
    Conf::of(&[Inst::new(51, 200, "10.0.0.100/24").advert("1").master()])
}

/// The same with a tracked script.
fn with_script(user: &str) -> String {
    let inst = Inst::new(51, 200, "10.0.0.100/24").advert("1").master();
    let script = format!("vrrp_script chk {{\n script /bin/true\n interval 1\n user {user}\n}}");
    let inst = inst.line("track_script { chk weight 1 }");
    Conf::of(&[inst]).top(&script).text()
}

/// A set of capabilities of a process (`proc_pid_status(5)`).
fn set(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    u64::from_str_radix(line.expect(field).trim_start_matches(':').trim(), 16).expect("hexadecimal")
}

/// Asserts that these capabilities are effective, and no others permitted.
#[track_caller]
fn assert_sets(run: &Running, want: u64) {
    assert_effective(run, want);
    assert_eq!(set(run.pid(), "CapPrm"), want);
}

#[track_caller]
fn assert_effective(run: &Running, want: u64) {
    wait_until(SOON, "what is not needed is given up", || {
        set(run.pid(), "CapEff") == want
    });
    for empty in ["CapInh", "CapAmb"] {
        assert_eq!(set(run.pid(), empty), 0, "{empty}");
    }
    // What a restart gets back.
    assert_eq!(set(run.pid(), "CapBnd"), set(std::process::id(), "CapBnd"));
}

fn start(daemon: &Daemon, node: &Node, text: &str) -> Running {
    let run = daemon.start_text(node, text, &[]);
    // The address may be on a macvlan.
    wait_until(SOON, "it is master", || {
        run.log().contains("Entering MASTER STATE")
    });
    run
}

fn kept(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let quick = |text: String| text.replace("advert_int 1\n", "advert_int 0.1\n");
    let global = |line: &str| conf().global(line).text();
    for (name, text, more) in [
        ("addresses only", conf().text(), 0),
        ("a script of root", with_script("root"), KILL),
        (
            "a script of another user",
            with_script("nobody"),
            KILL | SETGID | SETUID,
        ),
        ("vrrp_no_swap", global("vrrp_no_swap"), IPC_LOCK),
        ("vrrp_priority", global("vrrp_priority -5"), 0),
        ("max_auto_priority", global("max_auto_priority 3"), SYS_NICE),
    ] {
        println!("{name}");
        let mut run = start(&ctx.daemon, &a, &quick(text));
        if name == "a script of root" {
            // Permitted for the script; see `script_of_root_has_all_rights`.
            assert_effective(&run, always() | more);
        } else {
            assert_sets(&run, always() | more);
        }
        let log = run.log();
        let line = log.lines().find(|line| line.contains("Capabilities kept:"));
        let line = line.expect("what is kept is logged");
        assert_eq!(
            line.matches("CAP_").count(),
            (always() | more).count_ones() as usize,
            "{line}"
        );
        run.term();
        assert!(run.wait_exit(SOON).expect("it ends").success());
        assert!(!a.has(VIP), "{name}");
    }
    Outcome::Passed
}

fn reload(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = start(&ctx.daemon, &a, &conf().text());
    assert_sets(&run, always());
    let watch = Watch::start(&a);
    let at = run.reload(&with_script("nobody"));
    wait_until(SOON, "it continues as master", || {
        run.log().contains("MASTER STATE: resumed")
    });
    assert_sets(&run, always() | KILL | SETGID | SETUID);
    let log = run.log();
    assert!(
        log.contains("needs CAP_KILL (vrrp_script chk), which was given up"),
        "{log}"
    );
    wait_until(SOON, "the script ran", || {
        run.log().contains("VRRP_Script(chk)")
    });
    assert!(
        !watch.removed(ip(VIP), at),
        "the address was there all the time"
    );
    // Scripts of the configuration before may still run; after another reload they do not.
    run.reload(&conf().text());
    assert_sets(&run, always() | KILL | SETGID | SETUID);
    run.reload(&conf().text());
    assert_sets(&run, always());
    assert!(run.alive() && !watch.removed(ip(VIP), at));
    Outcome::Passed
}

fn root_script(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let script = format!("/run/lab/{}-rights", a.id());
    let out = format!("{script}.out");
    let text =
        format!("#!/bin/sh\ngrep CapEff /proc/self/status >{out}.new && mv {out}.new {out}\n");
    fs::write(&script, text).expect("write");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    let text = with_script("root").replace("/bin/true", &script);
    let mut run = start(&ctx.daemon, &a, &conf().text());
    assert_sets(&run, always());
    let watch = Watch::start(&a);
    let at = run.reload(&text);
    assert_effective(&run, always() | KILL);
    fs::remove_file(&out).unwrap_or_default();
    wait_until(SOON, "the script runs again", || {
        fs::exists(&out).unwrap_or(false)
    });
    let line = fs::read_to_string(&out).expect("read");
    let hex = line.trim_start_matches("CapEff:").trim();
    let rights = u64::from_str_radix(hex, 16).expect("hexadecimal");
    assert_eq!(rights, set(std::process::id(), "CapBnd"));
    assert!(run.alive() && !watch.removed(ip(VIP), at));
    Outcome::Passed
}

fn restart_and_stop(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let inst = Inst::new(51, 200, "10.0.0.100/24").advert("1").master();
    let inst = inst.line("use_vmac vrrp.51").line("no_accept");
    let inst = inst.line("virtual_routes { 10.77.0.0/16 via 10.0.0.9 }");
    let mut run = start(&ctx.daemon, &a, &Conf::of(&[inst]).text());
    assert_sets(&run, always());
    let before = run.log().matches("Capabilities kept:").count();
    send(&run, &signal_number(&ctx.daemon, "RESTART"));
    wait_until(SOON, "the next one is up", || {
        run.log().matches("Capabilities kept:").count() > before
    });
    assert_sets(&run, always());
    wait_until(SOON, "it continues", || {
        run.log().contains("MASTER STATE: resumed")
    });
    run.signal(Signal::SIGTERM);
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert!(!a.has(VIP), "the address is removed");
    let left = a.ip("-o link show type macvlan");
    assert_eq!(left.trim(), "", "the macvlan is removed");
    Outcome::Passed
}

/// Files of the test must be readable for this user, and it must be able to write its pid file.
const USER: u32 = 4321;

fn other_user(ctx: &Ctx) -> Outcome {
    let ids = fs::read_to_string("/proc/self/uid_map").expect("uid_map");
    let count: u64 = ids
        .split_whitespace()
        .nth(2)
        .expect("three numbers")
        .parse()
        .expect("a number");
    if count <= u64::from(USER) {
        return Outcome::Skipped("the namespace has only one user".into());
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let directory = vrrpd_lab::private::DIR;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o1777)).expect("chmod");
    let given = "-all,+net_admin,+net_raw,+setuid,+setgid";
    let prefix = [
        "setpriv",
        &format!("--reuid={USER}"),
        &format!("--regid={USER}"),
        "--clear-groups",
        &format!("--inh-caps={given}"),
        &format!("--ambient-caps={given}"),
    ];
    let run = ctx.daemon.start_text(&a, &conf().text(), &prefix);
    wait_until(SOON, "it is master", || a.has(VIP));
    for field in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        wait_until(SOON, field, || set(run.pid(), field) == NETWORK);
    }
    // What is gone is gone: the reload is refused, and says why.
    run.reload(&with_script("nobody"));
    let log = run.log();
    let why = "it needs CAP_SETGID (vrrp_script chk), which was given up at the start; stop and start vrrpd";
    assert!(log.contains(why), "{log}");
    assert!(a.has(VIP));
    Outcome::Passed
}

/// Whether a process has a seccomp filter; `None` on a kernel without.
fn has_filter(pid: u32) -> Option<bool> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let mode = text
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp:"))?;
    Some(mode.trim() == "2")
}

fn signal_number(daemon: &Daemon, name: &str) -> String {
    let output = Command::new(daemon.path())
        .arg(format!("--signum={name}"))
        .output();
    let text = String::from_utf8(output.expect("it runs").stdout).expect("a number");
    text.trim().to_owned()
}

fn send(run: &Running, number: &str) {
    let status = Command::new("kill")
        .args([format!("-{number}"), run.pid().to_string()])
        .status();
    assert!(status.expect("kill").success());
}

fn seccomp(ctx: &Ctx) -> Outcome {
    if has_filter(std::process::id()).is_none() {
        return Outcome::Skipped("the kernel has no seccomp".into());
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let dump = format!("/run/lab/{}.data", a.id());
    let text = conf().global(&format!("state_dump_file {dump}")).text();
    let option = ["sh", "-c", "exec \"$@\" --seccomp", "sh"];
    let mut run = ctx.daemon.start_text(&a, &text, &option);
    wait_until(SOON, "it is master", || a.has(VIP));
    wait_until(SOON, "the filter", || has_filter(run.pid()) == Some(true));
    let watch = Watch::start(&a);
    let since = vrrpd_lab::now();

    // It does what it did.
    send(&run, &signal_number(&ctx.daemon, "DATA"));
    wait_until(SOON, "a dump", || fs::exists(&dump).unwrap_or(false));
    run.reload(&text.replace("priority 200", "priority 201"));
    assert!(run.log().contains("Reload complete"));
    let number = signal_number(&ctx.daemon, "RESTART");
    let restarts = |run: &Running| run.log().matches("MASTER STATE: resumed").count();
    for count in 1..=2 {
        send(&run, &number);
        wait_until(SOON, "it continues", || restarts(&run) == count);
        assert_eq!(has_filter(run.pid()), Some(true));
    }
    let filters = run.log().matches("Seccomp filter active").count();
    assert_eq!(filters, 1, "the filter is inherited and not added again");

    // A program would inherit it.
    run.reload(&with_script("root"));
    let why = "it runs a program (vrrp_script chk), which the seccomp filter of this process does not allow; stop and start vrrpd";
    assert!(run.log().contains(why), "{}", run.log());
    assert!(!watch.removed(ip(VIP), since));
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert!(!a.has(VIP));

    // So there is none where programs are run.
    let run = ctx.daemon.start_text(&a, &with_script("root"), &option);
    wait_until(SOON, "it is master", || a.has(VIP));
    let log = run.log();
    assert!(
        log.contains("--seccomp: no filter: the configuration runs programs (vrrp_script chk)"),
        "{log}"
    );
    assert_eq!(has_filter(run.pid()), Some(false));
    Outcome::Passed
}
