//! track_script, track_file and track_process in the election.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::Signal;

use vrrpd_lab::private::DIR;
use vrrpd_lab::{
    Capture, Conf, Daemon, Inst, Lab, MS, Ns, Running, noise, now, process, sleep_ms, wait_for,
    wait_until,
};

use crate::support::{INTERVAL, SOON, VIP, conf, pair_of};
use crate::{Ctx, Outcome, Test};

/// Its log messages differ.
const WORDS: &str = "its log messages differ";

pub(crate) const TESTS: &[Test] = &[
    Test::new("script_weight_moves_mastership_and_back", weighted),
    Test::new("script_of_weight_0_is_a_fault_while_it_fails", fault).keepalived_fails(WORDS),
    Test::new("script_rise_and_fall_are_counted", rise_and_fall).keepalived_fails(WORDS),
    Test::new("script_that_hangs_is_killed_with_all_it_started", hangs).keepalived_fails(WORDS),
    Test::new("scripts_that_flood_and_fork_disturb_nothing", floods),
    Test::new("deleted_track_script_is_reported", deleted).keepalived_fails(WORDS),
    Test::new(
        "script_runs_as_its_user_with_clean_descriptors_and_signals",
        slate,
    )
    .keepalived_fails("leaves a pipe of its own open"),
    Test::new("scripts_end_with_the_daemon", die_together),
    Test::new("reload_leaves_an_unchanged_script_running", reload)
        .keepalived_fails("does not log the end of a reload"),
    Test::new("track_file_counts_within_100_ms", track_file),
    Test::new("track_process_follows_a_process", track_process)
        .keepalived_fails("gets process events in the initial namespace only"),
    Test::new(
        "track_script_of_the_sample_configuration_decides_the_election",
        seed,
    ),
    Test::new("script_priorities_match_keepalived", same_as_keepalived),
];

/// A path that no other test uses.
fn path(name: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(1);
    let n = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{DIR}/{name}.{n}")
}

/// An executable shell script.
fn script(name: &str, lines: &str) -> String {
    let path = path(name);
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).expect("writing a script");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, mode).expect("chmod");
    path
}

fn vrrp_script(command: &str, lines: &str) -> String {
    format!("vrrp_script chk {{\n    script \"{command}\"\n    {lines}\n}}")
}

/// The usual instance, tracking the script `chk`.
fn tracked(priority: u8, command: &str, lines: &str) -> Conf {
    conf(priority, &["track_script {\n        chk\n    }"])
        .global("script_user root")
        .top(&vrrp_script(command, lines))
}

/// A single router with this configuration, and a capture.
fn single(ctx: &Ctx, conf: &Conf) -> (Lab, vrrpd_lab::Node, Capture, Running) {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let run = ctx.daemon.start(&a, conf);
    (lab, a, cap, run)
}

fn touch(path: &str) -> Ns {
    let at = now();
    fs::write(path, "").expect("touch");
    at
}

fn remove(path: &str) -> Ns {
    let at = now();
    fs::remove_file(path).expect("rm");
    at
}

fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// The pids in a file.
fn pids(file: &str) -> Vec<u32> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|w| w.parse().ok())
        .collect()
}

/// Zombie children of a process.
fn zombies(parent: u32) -> usize {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let of = |entry: &fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut words = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace();
        words.next() == Some("Z") && words.next() == Some(&parent.to_string())
    };
    entries.filter(of).count()
}

// ---- scripts ----

fn weighted(ctx: &Ctx) -> Outcome {
    let down = path("down");
    let strong = tracked(
        200,
        &format!("/usr/bin/test ! -e {down}"),
        "interval 1\n    weight -150",
    );
    let p = pair_of(&ctx.daemon, &strong, &ctx.daemon, &conf(100, &[]), VIP);
    let at = touch(&down);
    let (first, _) = p.cap.advert_of(&p.b, at, SOON);
    let lowered = p.cap.adverts(&p.a, 51, at);
    assert!(
        lowered.iter().any(|(_, advert)| advert.priority == 50),
        "200 - 150"
    );
    assert!(
        first - at < 2500 * MS + noise::since(at),
        "{} ms",
        (first - at) / MS
    );
    wait_until(SOON, "the other router takes over", || {
        p.b.has(VIP) && !p.a.has(VIP)
    });
    let back = remove(&down);
    p.assert_preempted(VIP, back);
    if let Daemon::Vrrpd(_) = ctx.daemon {
        let log = p.run_a.log();
        let line = "(VI_51) Changing effective priority from 200 to 50: base 200, script chk -150";
        assert!(log.contains(line), "{log}");
    }
    Outcome::Passed
}

fn fault(ctx: &Ctx) -> Outcome {
    let down = path("down");
    touch(&down);
    let conf = tracked(200, &format!("/usr/bin/test ! -e {down}"), "interval 0.2");
    let (_lab, a, cap, run) = single(ctx, &conf);
    let says = |text: &str| wait_until(SOON, text, || run.log().contains(text));
    says("(VI_51) Entering FAULT STATE: script chk exited with status 1");
    sleep_ms(500);
    assert!(
        !a.has(VIP) && cap.adverts(&a, 51, 0).is_empty(),
        "it has never started"
    );
    remove(&down);
    wait_until(SOON, "it recovers", || a.has(VIP));
    says("VRRP_Script(chk) succeeded");
    let at = touch(&down);
    wait_until(SOON, "it removes the address", || !a.has(VIP));
    assert!(
        now() - at < 500 * MS + noise::since(at),
        "{} ms",
        (now() - at) / MS
    );
    says("Script `chk` now returning 1");
    says("VRRP_Script(chk) failed (exited with status 1)");
    remove(&down);
    wait_until(SOON, "it recovers again", || a.has(VIP));
    Outcome::Passed
}

fn rise_and_fall(ctx: &Ctx) -> Outcome {
    let (down, runs) = (path("down"), path("runs"));
    let body = format!("if test -e {down}; then echo - >> {runs}; exit 1; fi\necho + >> {runs}");
    let command = script("check", &body);
    let (_lab, a, _cap, run) = single(
        ctx,
        &tracked(200, &command, "interval 0.1\n    rise 3\n    fall 4"),
    );
    wait_until(SOON, "the first success is enough", || a.has(VIP));
    let faults = || run.log().matches("VRRP_Script(chk) failed").count();
    let successes = || run.log().matches("VRRP_Script(chk) succeeded").count();
    let count = |what: char| {
        let text = fs::read_to_string(&runs).unwrap_or_default();
        text.matches(what).count()
    };
    assert_eq!((successes(), faults()), (1, 0));
    touch(&down);
    wait_until(SOON, "three failures", || count('-') >= 3);
    assert_eq!(faults(), 0, "not yet");
    wait_until(SOON, "it fails", || faults() == 1);
    assert!(
        (4..=5).contains(&count('-')),
        "after the fourth: {}",
        count('-')
    );
    let before = count('+');
    remove(&down);
    wait_until(SOON, "it succeeds", || successes() == 2);
    assert!((3..=4).contains(&(count('+') - before)), "after the third");
    Outcome::Passed
}

fn hangs(ctx: &Ctx) -> Outcome {
    let list = path("pids");
    let body =
        format!("trap '' TERM\necho $$ >> {list}\nsleep 300 &\necho $! >> {list}\nwait\nsleep 300");
    let command = script("hang", &body);
    let (_lab, a, _cap, run) = single(
        ctx,
        &tracked(200, &command, "interval 0.5\n    timeout 0.2"),
    );
    let message = "Script `chk` exceeded its time limit of 200 ms";
    wait_until(SOON, message, || run.log().contains(message));
    wait_until(SOON, "FAULT", || {
        run.log()
            .contains("Entering FAULT STATE: script chk did not end in time")
    });
    assert!(!a.has(VIP));
    let first = pids(&list);
    assert!(
        first.len() == 2 && first.iter().all(|pid| alive(*pid)),
        "{first:?}"
    );
    wait_until(SOON, "all of them are gone", || {
        !first.iter().any(|pid| alive(*pid))
    });
    wait_until(SOON, "the next run", || pids(&list).len() > 2);
    assert_eq!(run.log().matches(message).count(), 1, "logged once");
    Outcome::Passed
}

fn floods(ctx: &Ctx) -> Outcome {
    let command = script(
        "flood",
        "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2",
    );
    let mut text = String::new();
    let mut list = String::from("track_script {\n");
    for n in 0..5 {
        text += &format!(
            "vrrp_script s{n} {{\n    script \"{command}\"\n    interval 0.1\n    timeout 5\n    weight 1\n}}\n"
        );
        list += &format!("        s{n}\n");
    }
    list += "    }";
    let strong = conf(200, &[&list]).global("script_user root").top(&text);
    let p = pair_of(&ctx.daemon, &strong, &ctx.daemon, &conf(100, &[]), VIP);
    let open = || process::descriptors(&[p.run_a.pid()]);
    let since = now();
    let (before, message) = (open(), p.run_a.log_len());
    for _ in 0..20 {
        sleep_ms(100);
        assert!(zombies(p.run_a.pid()) < 5, "zombies are reaped");
    }
    // They load both processors, so the limit is generous.
    p.assert_undisturbed(VIP, INTERVAL, 120 * MS, since);
    assert_eq!(open(), before, "descriptors");
    assert_eq!(p.run_a.log_len(), message, "nothing is logged");
    Outcome::Passed
}

fn deleted(ctx: &Ctx) -> Outcome {
    let command = script("gone", "exit 0");
    let (_lab, a, _cap, run) = single(ctx, &tracked(200, &command, "interval 0.2\n    timeout 10"));
    wait_until(SOON, "it is master", || a.has(VIP));
    remove(&command);
    let message = format!("Script `chk` ({command}) cannot be executed: it, or the interpreter");
    wait_until(SOON, &message, || run.log().contains(&message));
    wait_until(SOON, "FAULT", || {
        run.log()
            .contains("Entering FAULT STATE: script chk cannot be executed")
    });
    sleep_ms(600);
    assert_eq!(run.log().matches(&message).count(), 1, "logged once");
    Outcome::Passed
}

/// Whether other users exist; an unprivileged user namespace has only one.
fn has_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let count = map.split_whitespace().nth(2);
    count.and_then(|count| count.parse().ok()).unwrap_or(0_u64) > 65_534
}

fn slate(ctx: &Ctx) -> Outcome {
    if !has_users() {
        return Outcome::Skipped("this user namespace has only one user".into());
    }
    let dir = path("slate");
    fs::create_dir(&dir).expect("mkdir");
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(&dir, open).expect("chmod");
    let body = format!(
        "cat /proc/self/status > {dir}/inner\ncat /proc/$$/status > {dir}/status\nls -l /proc/$$/fd > {dir}/fds\n\
         env > {dir}/env\nid -G > {dir}/groups\ncut -d' ' -f5 /proc/$$/stat > {dir}/group\nmv {dir}/group {dir}/done"
    );
    let command = script("slate", &body);
    let lines = "interval 60\n    timeout 50\n    weight 1\n    user nobody nogroup";
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let inherit = ["env", "IFS=x", "LD_LIBRARY_PATH=/nowhere", "KEPT=yes"];
    let run = ctx
        .daemon
        .start_text(&a, &tracked(200, &command, lines).text(), &inherit);
    let done = format!("{dir}/done");
    wait_until(SOON, "the script has run", || Path::new(&done).exists());
    let read = |name: &str| fs::read_to_string(format!("{dir}/{name}")).expect("written");
    // The shell blocks signals while it starts a program; so the outer mask is the one inherited by
    // the shell.
    let (status, inner) = (read("status"), read("inner"));
    let field_of = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.expect(name)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let field = |name: &str| field_of(&status, name);
    assert_eq!(field("Uid:"), "65534 65534 65534 65534");
    assert_eq!(field("Gid:"), "65534 65534 65534 65534");
    assert_eq!(read("groups").trim(), "65534", "no group of the daemon's");
    assert_eq!(field_of(&inner, "SigBlk:"), "0000000000000000");
    let ignored = u64::from_str_radix(&field_of(&inner, "SigIgn:"), 16).expect("hexadecimal");
    assert_eq!(ignored & !(7 << 31), 0, "{ignored:x}");
    assert_eq!(field("CapEff:"), "0000000000000000");
    let parent = field("PPid:").parse().expect("a number");
    assert!(run.pids().contains(&parent), "a child of the daemon");
    assert_eq!(read("done").trim(), field("Pid:"), "leads its own group");
    let fds = read("fds");
    let mut others = fds
        .lines()
        .filter_map(|line| line.split(" -> ").nth(1))
        .filter(|target| *target != "/dev/null" && !target.starts_with(DIR));
    assert_eq!(others.next(), None, "{fds}");
    let env = read("env");
    assert!(env.contains("KEPT=yes"), "{env}");
    assert!(!env.contains("IFS=x") && !env.contains("LD_"), "{env}");
    Outcome::Passed
}

fn die_together(ctx: &Ctx) -> Outcome {
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let list = path("pids");
        let command = script("long", &format!("echo $$ >> {list}\nexec sleep 300"));
        let (_lab, _a, _cap, mut run) =
            single(ctx, &tracked(200, &command, "interval 60\n    weight 1"));
        wait_until(SOON, "the script runs", || !pids(&list).is_empty());
        let script = pids(&list)[0];
        assert!(alive(script));
        match signal {
            // All of its own processes, but not its scripts.
            Signal::SIGKILL => run
                .pids()
                .iter()
                .filter(|pid| **pid != script)
                .for_each(|pid| {
                    let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
                }),
            _ => {
                run.term();
            }
        }
        run.wait_exit(SOON).expect("the daemon ends");
        let gone = wait_for(SOON, || (!alive(script)).then_some(()));
        assert!(
            gone.is_some(),
            "the script outlives the daemon after {signal}"
        );
    }
    Outcome::Passed
}

fn reload(ctx: &Ctx) -> Outcome {
    let list = path("pids");
    let command = script("long", &format!("echo $$ >> {list}\nexec sleep 300"));
    let lines = "interval 60\n    weight -50\n    init_fail";
    let before = tracked(200, &command, lines).text();
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let run = ctx.daemon.start_text(&a, &before, &[]);
    wait_until(SOON, "it is master", || {
        a.has(VIP) && !pids(&list).is_empty()
    });
    let since = now();
    for _ in 0..20 {
        run.reload(&before);
    }
    assert_eq!(pids(&list).len(), 1, "started once");
    assert!(alive(pids(&list)[0]), "and not ended");
    let priorities = cap.adverts(&a, 51, since);
    assert!(
        priorities.iter().all(|(_, one)| one.priority == 150),
        "the verdict stays"
    );
    run.reload(&tracked(200, &format!("{command} again"), lines).text());
    wait_until(SOON, "another command is another script", || {
        let all = pids(&list);
        all.len() == 2 && !alive(all[0]) && alive(all[1])
    });
    Outcome::Passed
}

// ---- files and processes ----

fn track_file(ctx: &Ctx) -> Outcome {
    let file = path("load");
    let tracked = conf(200, &["track_file {\n        load weight -2\n    }"])
        .top(&format!("track_file load {{\n    file {file}\n}}"));
    let (_lab, a, cap, run) = single(ctx, &tracked);
    wait_until(SOON, "it is master", || a.has(VIP));
    for (contents, want) in [("10\n", 180), ("-5", 210), ("0", 200), ("100", 1)] {
        let at = now();
        fs::write(&file, contents).expect("write");
        let first = wait_for(SOON, || {
            let adverts = cap.adverts(&a, 51, at);
            adverts
                .iter()
                .find(|(_, one)| one.priority == want)
                .map(|one| one.0)
        });
        let first = first.unwrap_or_else(|| panic!("{contents:?}: no advert with {want}"));
        // The next advert is at most one interval away.
        let took = first - at;
        assert!(
            took < INTERVAL + 100 * MS + noise::since(at),
            "{contents:?}: {} ms",
            took / MS
        );
    }
    fs::write(&file, "200").expect("write");
    wait_until(SOON, "below -253 is a fault", || !a.has(VIP));
    remove(&file);
    wait_until(SOON, "a file that is not there counts as 0", || a.has(VIP));
    // Replaced by rename, as careful programs do.
    let new = format!("{file}.new");
    fs::write(&new, "20").expect("write");
    let at = now();
    fs::rename(&new, &file).expect("rename");
    wait_until(SOON, "replaced", || {
        cap.adverts(&a, 51, at)
            .iter()
            .any(|(_, one)| one.priority == 160)
    });
    drop(run);
    Outcome::Passed
}

fn track_process(ctx: &Ctx) -> Outcome {
    let program = PathBuf::from(path("trackee"));
    let sleep = ["/usr/bin/sleep", "/bin/sleep"]
        .iter()
        .find(|path| Path::new(path).exists());
    fs::copy(sleep.expect("sleep"), &program).expect("copy");
    let name = program
        .file_name()
        .and_then(|name| name.to_str())
        .expect("UTF-8");
    let tracked = conf(200, &["track_process {\n        other\n    }"]).top(&format!(
        "vrrp_track_process other {{\n    process {name}\n    weight -50\n}}"
    ));
    let (_lab, a, cap, _run) = single(ctx, &tracked);
    let sends = |want: u8, since: Ns| {
        wait_until(SOON, &format!("priority {want}"), || {
            cap.adverts(&a, 51, since)
                .iter()
                .any(|(_, one)| one.priority == want)
        });
    };
    sends(150, 0);
    let mut other = Command::new(&program).arg("300").spawn().expect("runs");
    sends(200, now());
    other.kill().expect("kill");
    other.wait().expect("wait");
    sends(150, now());
    Outcome::Passed
}

// ---- the sample configuration ----

/// The track_script of the sample configuration on two routers: the router whose service runs is
/// master.
fn seed(ctx: &Ctx) -> Outcome {
    let text = include_str!("../../../golden/seeds/s3_script_repaired.conf");
    let (down, check) = (path("down"), path("check_running"));
    let node = |priority: &str, command: &str| {
        text.replace("/usr/local/bin/check_running", command)
            .replace("priority 90", priority)
            // Shorter than in the sample, with which the test would take half a minute.
            .replace("interval 10", "interval 1")
            .replace("advert_int 3", "advert_int 1")
    };
    fs::write(&check, format!("#!/bin/sh\ntest ! -e {down}\n")).expect("write");
    fs::set_permissions(&check, fs::Permissions::from_mode(0o755)).expect("chmod");
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let cap = Capture::start(&lab);
    let _run_a = ctx.daemon.start_text(&a, &node("priority 90", &check), &[]);
    let _run_b = ctx
        .daemon
        .start_text(&b, &node("priority 100", "/bin/false"), &[]);
    let vip = "1.1.1.1";
    let limit = 2 * SOON;
    wait_until(limit, "90 + 20 beats 100", || {
        a.has(vip)
            && !b.has(vip)
            && cap
                .adverts(&a, 101, 0)
                .iter()
                .any(|(_, one)| one.priority == 110)
    });
    touch(&down);
    wait_until(limit, "100 beats 90", || b.has(vip) && !a.has(vip));
    remove(&down);
    wait_until(limit, "and back", || a.has(vip) && !b.has(vip));
    Outcome::Passed
}

/// The priorities that a single router advertises while its script fails and succeeds.
fn priorities(daemon: &Daemon) -> Vec<u8> {
    let (down, lab) = (path("down"), Lab::new());
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let text = format!(
        "vrrp_script minus {{\n    script \"/usr/bin/test ! -e {down}\"\n    interval 1\n    weight -30\n}}\n\
         vrrp_script plus {{\n    script \"/usr/bin/test ! -e {down}\"\n    interval 1\n    weight 20\n    rise 2\n}}\n\
         vrrp_script turned {{\n    script \"/usr/bin/test ! -e {down}\"\n    interval 1\n    weight 7 reverse\n}}\n\
         vrrp_script both {{\n    script \"/usr/bin/test ! -e {down}\"\n    interval 1\n    weight -9\n}}"
    );
    let inst = Inst::new(51, 100, "10.0.0.100/24")
        .line("track_script {\n        minus\n        plus\n        turned\n        both weight -9 reverse\n    }");
    let conf = Conf::of(&[inst]).global("script_user root").top(&text);
    let _run = daemon.start(&a, &conf);
    let list = || {
        let all = cap.adverts(&a, 51, 0);
        let mut all: Vec<u8> = all.iter().map(|(_, one)| one.priority).collect();
        all.dedup();
        all
    };
    let settles = |want: u8| {
        wait_until(SOON, &format!("priority {want}"), || {
            list().last() == Some(&want)
        });
    };
    // 100 + 20 - 7
    settles(113);
    touch(&down);
    // 100 - 30 + 9
    settles(79);
    remove(&down);
    settles(113);
    // The values in between depend on which of the scripts ran first.
    let mut ends = list();
    ends.retain(|one| [113, 79].contains(one));
    ends
}

fn same_as_keepalived(ctx: &Ctx) -> Outcome {
    if !ctx.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    if !has_users() {
        return Outcome::Skipped("keepalived runs no scripts where setgroups is denied".into());
    }
    assert_eq!(priorities(&ctx.daemon), priorities(&ctx.keepalived));
    Outcome::Passed
}
