//! A master that is killed and restarted, or replaced by another binary, before a backup takes
//! over.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{
    Capture, Conf, Daemon, Inst, Lab, MS, Node, Ns, Running, down_interval, noise, now, peers,
    process, sleep_ms, wait_until,
};

use crate::no_accept::answers_at;
use crate::notify::script;
use crate::support::{RESUME_LIMIT_MS, SOON, VIP, conf, ip, pair_of};
use crate::{Ctx, Outcome, Test};

/// It starts as backup.
const NOT_COMPARED: &str = "has no memory of its former process";

pub(crate) const TESTS: &[Test] = &[
    Test::new("killed_master_resumes_if_restarted_in_time", killed).keepalived_fails(NOT_COMPARED),
    Test::new(
        "master_killed_before_its_advert_and_respawned_after_a_second_resumes",
        respawned,
    )
    .keepalived_fails(NOT_COMPARED),
    Test::new("killed_master_of_twenty_instances_resumes_all", twenty)
        .keepalived_fails(NOT_COMPARED),
    Test::new("killed_master_with_a_vmac_resumes", vmac).keepalived_fails(NOT_COMPARED),
    Test::new("killed_master_restarted_late_starts_as_backup", late).keepalived_fails(NOT_COMPARED),
    Test::new(
        "vip_removed_from_the_configuration_during_a_restart_is_removed",
        shortened,
    )
    .keepalived_fails(NOT_COMPARED),
    Test::new("killed_master_does_not_resume_after_a_takeover", replaced)
        .keepalived_fails(NOT_COMPARED),
    Test::new("state_file_is_removed_on_shutdown", orderly).keepalived_fails(NOT_COMPARED),
    Test::new("corrupt_state_file_is_ignored", garbage).keepalived_fails(NOT_COMPARED),
    Test::new("unwritable_state_file_is_logged_once", unusable).keepalived_fails(NOT_COMPARED),
    Test::new("restart_into_another_binary_keeps_the_vip", restart).keepalived_fails(NOT_COMPARED),
    Test::new("restart_in_the_background_keeps_the_process", background)
        .keepalived_fails(NOT_COMPARED),
    Test::new("restart_into_a_broken_binary_is_refused", refused).keepalived_fails(NOT_COMPARED),
    Test::new("restart_with_new_insecure_scripts_is_accepted", insecure)
        .keepalived_fails(NOT_COMPARED),
    Test::new(
        "restart_with_another_namespace_or_rights_is_refused",
        elsewhere,
    )
    .keepalived_fails(NOT_COMPARED),
    Test::new("limits_of_scripts_stay_the_same_at_a_restart", limits)
        .keepalived_fails(NOT_COMPARED),
];

/// One advert per second.
fn slow(priority: u8, lines: &[&str]) -> Conf {
    let inst = Inst::new(51, priority, "10.0.0.100/24").advert("1");
    Conf::of(&[lines.iter().fold(inst, |inst, line| inst.line(line))])
}

fn state_file(run: &Running) -> PathBuf {
    run.pid_file.with_extension("state")
}

fn resumed(run: &Running) -> usize {
    run.log().matches("MASTER STATE: resumed").count()
}

/// Asserts that neither the address nor mastership has moved after `since`.
#[track_caller]
fn unnoticed(watch: &Watch, cap: &Capture, b: &Node, since: Ns) {
    assert!(!watch.removed(ip(VIP), since), "the address was never away");
    let adverts = cap.adverts(b, 0, since).len();
    assert_eq!(adverts, 0, "the backup sent adverts");
}

fn killed(ctx: &Ctx) -> Outcome {
    let (strong, weak) = (slow(200, &[]), slow(100, &[]));
    let mut p = pair_of(&ctx.daemon, &strong, &ctx.daemon, &weak, VIP);
    let watch = Watch::start(&p.a);
    for _ in 0..2 {
        let at = p.run_a.kill9();
        sleep_ms(400);
        p.run_a = ctx.daemon.start(&p.a, &strong);
        let (first, advert) = p.cap.advert_of(&p.a, at, SOON);
        assert_eq!(advert.priority, 200);
        wait_until(SOON, "it logs that it resumed", || resumed(&p.run_a) == 1);
        unnoticed(&watch, &p.cap, &p.b, at);
        sleep_ms(500);
        let announced = p.cap.announcements(&p.a, ip(VIP), at);
        assert_eq!(announced.len(), 1, "one announcement is enough");
        assert!(announced[0] >= first, "after the advert");
        let log = p.run_a.log();
        assert!(
            !log.contains("BACKUP STATE") && !log.contains("left over"),
            "{log}"
        );
    }
    assert_eq!(p.run_b.log().matches("STATE").count(), 1, "BACKUP, once");
    // A resumed master behaves as any other.
    let at = p.run_a.term();
    p.run_a.wait_exit(SOON).expect("it ends");
    assert!(!p.a.has(VIP));
    assert_eq!(p.cap.advert_of(&p.a, at, SOON).1.priority, 0, "it resigns");
    wait_until(SOON, "the other follows", || p.b.has(VIP));
    Outcome::Passed
}

/// The worst moment for procd and BusyBox init, which wait for a second: three times in a row, with
/// either daemon as the peer. On a machine that is too busy for that the peer may take over: then once
/// more, five times at most.
fn respawned(ctx: &Ctx) -> Outcome {
    let mut peers = vec![ctx.daemon.clone()];
    if peers::find("keepalived").is_some() {
        peers.push(Daemon::Keepalived);
    }
    for peer in peers {
        if !(0..5).any(|_| resumes_three_times(ctx, &peer)) {
            return Outcome::Skipped("the machine is too busy".into());
        }
    }
    Outcome::Passed
}

/// `false`: the machine was too busy.
fn resumes_three_times(ctx: &Ctx, peer: &Daemon) -> bool {
    let (strong, weak) = (slow(200, &[]), slow(100, &[]));
    let mut p = pair_of(&ctx.daemon, &strong, peer, &weak, VIP);
    let watch = Watch::start(&p.a);
    for _ in 0..3 {
        let (last, _) = p.cap.advert_of(&p.a, now(), SOON);
        sleep_ms(until(last + 950 * MS));
        let at = p.run_a.kill9();
        sleep_ms(until(at + 1000 * MS));
        p.run_a = ctx.daemon.start(&p.a, &strong);
        let (first, advert) = p.cap.advert_of(&p.a, at, SOON);
        let last = p.cap.adverts(&p.a, 0, 0).into_iter().map(|(at, _)| at);
        let last = last.filter(|sent| *sent < at).max().expect("it was master");
        println!("    silent for {} ms", (first - last) / MS);
        // With an allowance for the reception by the peer.
        if first - last + 50 * MS >= down_interval(2, 200, 1000 * MS) {
            return false;
        }
        assert_eq!(advert.priority, 200);
        wait_until(SOON, "it resumes", || resumed(&p.run_a) == 1);
        unnoticed(&watch, &p.cap, &p.b, at);
    }
    true
}

/// Milliseconds until then.
fn until(at: Ns) -> u64 {
    u64::try_from((at - now()) / MS).unwrap_or(0)
}

fn twenty(ctx: &Ctx) -> Outcome {
    let confs = [200, 100].map(|priority| {
        let inst = |n: u8| Inst::new(n, priority, &format!("10.0.0.{}/24", 100 + n)).advert("1");
        Conf::of(&(1..=20).map(inst).collect::<Vec<Inst>>())
    });
    let last = "10.0.0.120";
    let mut p = pair_of(&ctx.daemon, &confs[0], &ctx.daemon, &confs[1], last);
    wait_until(SOON, "all of them", || {
        p.run_a.log().matches("Entering MASTER").count() == 20
    });
    let watch = Watch::start(&p.a);
    let at = p.run_a.kill9();
    sleep_ms(100);
    p.run_a = ctx.daemon.start(&p.a, &confs[0]);
    wait_until(SOON, "all of them again", || resumed(&p.run_a) == 20);
    let removed = watch.since(at).iter().filter(|event| !event.added).count();
    assert_eq!(removed, 0, "not one address was away");
    sleep_ms(1200);
    assert!(
        p.cap.adverts(&p.b, 0, at).is_empty(),
        "not one was taken over"
    );
    Outcome::Passed
}

fn vmac(ctx: &Ctx) -> Outcome {
    let own = ["use_vmac vrrp.51"];
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let client = lab.node("client", &["10.0.0.9/24"]);
    let cap = Capture::start(&lab);
    let mut run = ctx.daemon.start(&a, &slow(200, &own));
    wait_until(SOON, "it is master", || run.log().contains("MASTER STATE"));
    let _other = ctx.daemon.start(&b, &slow(100, &own));
    let answers = || answers_at(&client, VIP);
    wait_until(SOON, "it answers", answers);
    let watch = Watch::start(&a);
    let at = run.kill9();
    assert!(answers(), "the kernel continues without the daemon");
    run = ctx.daemon.start(&a, &slow(200, &own));
    wait_until(SOON, "it has looked around", || {
        run.log().contains("will resume as MASTER")
    });
    assert!(answers(), "also while it listens");
    wait_until(SOON, "it resumes", || resumed(&run) == 1);
    assert!(answers());
    unnoticed(&watch, &cap, &b, at);
    Outcome::Passed
}

/// The kernel's `IFA_PROTO` distinguishes the daemon's addresses from those of other programs.
fn shortened(ctx: &Ctx) -> Outcome {
    if !kernel_marks_addresses() {
        return Outcome::Skipped("the kernel is older than 5.18".into());
    }
    const FORMER: &str = "10.0.0.101";
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let inst = || Inst::new(51, 200, "10.0.0.100/24");
    let both = Conf::of(&[inst().vip("10.0.0.101/24").vip("10.0.0.102/24")]);
    let mut run = ctx.daemon.start(&a, &both);
    wait_until(SOON, "it is master", || a.has(FORMER) && a.has(VIP));
    run.kill9();
    a.ip("addr del 10.0.0.102/24 dev eth0");
    a.ip("addr add 10.0.0.102/24 dev eth0");
    run = ctx.daemon.start(&a, &Conf::of(&[inst()]));
    wait_until(SOON, "it is master again", || {
        run.log().contains("MASTER STATE") && a.has(VIP)
    });
    assert!(!a.has(FORMER) && a.has("10.0.0.102") && a.has("10.0.0.1"));
    Outcome::Passed
}

pub(crate) fn kernel_marks_addresses() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0_u32);
    (next(), next()) >= (5, 18)
}

fn late(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    run.kill9();
    sleep_ms(RESUME_LIMIT_MS);
    run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "master in the ordinary way", || {
        run.log().contains("Entering MASTER STATE")
    });
    let log = run.log();
    for words in ["does not resume", "left over", "BACKUP STATE (init)"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert_eq!(resumed(&run), 0);
    Outcome::Passed
}

/// With a forged state file whose grace period has not ended.
fn replaced(ctx: &Ctx) -> Outcome {
    let lines = ["nopreempt"];
    let (strong, weak) = (slow(200, &lines), slow(100, &lines));
    let mut p = pair_of(&ctx.daemon, &strong, &ctx.daemon, &weak, VIP);
    let state = fs::read(state_file(&p.run_a)).expect("a state file");
    p.run_a.kill9();
    wait_until(SOON, "the other takes over", || p.b.has(VIP));
    fs::write(state_file(&p.run_a), with_long_grace(state)).expect("write");
    p.run_a = ctx.daemon.start(&p.a, &strong);
    let at = p.run_a.started;
    wait_until(SOON, "it is about to resume", || {
        p.run_a.log().contains("will resume as MASTER")
    });
    wait_until(SOON, "the leftover is removed", || !p.a.has(VIP));
    sleep_ms(1500);
    let adverts = p.cap.adverts(&p.a, 0, at).len();
    assert_eq!(adverts, 0, "it sent no advert");
    assert!(p.b.has(VIP) && !p.a.has(VIP));
    assert_eq!(
        p.run_b.log().matches("STATE").count(),
        2,
        "BACKUP and MASTER"
    );
    Outcome::Passed
}

/// Sets the grace period of the first record to a minute instead of three seconds, and corrects its
/// checksum.
fn with_long_grace(mut file: Vec<u8>) -> Vec<u8> {
    let record = &mut file[128..192];
    record[32..40].copy_from_slice(&60_000_000_000_u64.to_be_bytes());
    let words = record[..60].chunks_exact(4);
    let sum = words.fold(1_u32, |sum, word| {
        let word = u32::from_be_bytes(word.try_into().expect("4 bytes"));
        sum.rotate_left(5).wrapping_add(word)
    });
    record[60..].copy_from_slice(&sum.to_be_bytes());
    file
}

fn orderly(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    let file = state_file(&run);
    let data = fs::metadata(&file).expect("a state file");
    assert_eq!(data.permissions().mode() & 0o777, 0o600);
    assert_eq!(data.len(), 128 + 64 + 64, "header, instance, address");
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert!(!file.exists() && !run.pid_file.exists());
    Outcome::Passed
}

fn garbage(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    let file = state_file(&run);
    let good = fs::read(&file).expect("a state file");
    let mut other_boot = good.clone();
    other_boot[20] ^= 1;
    for bytes in [
        vec![0xff; 10_000],
        Vec::new(),
        good[..150].to_vec(),
        other_boot,
        [&good[..128], &[0xa5; 64][..]].concat(),
    ] {
        run.kill9();
        fs::write(&file, &bytes).expect("write");
        run = ctx.daemon.start(&a, &conf(200, &[]));
        wait_until(SOON, "master in the ordinary way", || {
            run.log().contains("Entering MASTER STATE")
        });
        assert_eq!(resumed(&run), 0, "{} bytes", bytes.len());
    }
    // The same while it runs.
    fs::write(&file, b"").expect("truncate");
    sleep_ms(300);
    assert!(run.alive());
    Outcome::Passed
}

fn unusable(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let run = ctx.daemon.start(&a, &conf(200, &[]));
    let file = state_file(&run);
    drop(run);
    let precious = file.with_extension("precious");
    fs::write(&precious, "precious").expect("write");
    let prepare: [(&str, &dyn Fn()); 3] = [
        ("directory", &|| fs::create_dir(&file).expect("mkdir")),
        ("symbolic link", &|| {
            std::os::unix::fs::symlink(&precious, &file).expect("symlink");
        }),
        ("others have access", &|| {
            fs::write(&file, "").expect("write");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("chmod");
        }),
    ];
    for (what, prepare) in prepare {
        let _ = fs::remove_file(&file);
        prepare();
        let run = ctx.daemon.start(&a, &conf(200, &[]));
        wait_until(SOON, "it is master all the same", || {
            run.log().contains("Entering MASTER STATE")
        });
        let logged = run.log().matches("no hot restart").count();
        assert_eq!(logged, 1, "{what}: {}", run.log());
        drop(run);
        let _ = fs::remove_dir(&file);
    }
    assert_eq!(fs::read_to_string(&precious).expect("read"), "precious");
    full(ctx, &a);
    Outcome::Passed
}

/// A run directory with one page of space, which the pid file takes.
fn full(ctx: &Ctx, a: &Node) {
    let dir = format!("/run/lab/{}-full", a.id());
    fs::create_dir(&dir).expect("mkdir");
    let options = ["-t", "tmpfs", "-o", "size=4k", "none", &dir];
    let mounted = Command::new("mount").args(options).status();
    assert!(mounted.expect("mount").success());
    let conf_file = format!("/run/lab/{}-full.conf", a.id());
    fs::write(&conf_file, conf(200, &[]).text()).expect("write");
    let pid_file = format!("{dir}/vrrpd.pid");
    let args = ["-n", "-l", "-f", &conf_file, "-p", &pid_file];
    let run = ctx.daemon.start_args(a, &args);
    wait_until(SOON, "it is master all the same", || {
        run.log().contains("Entering MASTER STATE")
    });
    sleep_ms(300);
    let log = run.log();
    assert_eq!(log.matches("no hot restart").count(), 1, "{log}");
    assert!(!Path::new(&format!("{dir}/vrrpd.state")).exists());
}

// ---- another binary ----

/// A copy of the daemon under test.
fn copy(ctx: &Ctx, node: &Node) -> PathBuf {
    let Daemon::Vrrpd(from) = &ctx.daemon else {
        panic!("for vrrpd only");
    };
    let to = PathBuf::from(format!("/run/lab/{}-bin", node.id()));
    fs::copy(from, &to).expect("copy");
    to
}

/// Replaces the file, as an update does.
fn update(program: &Path, contents: &[u8]) {
    let new = program.with_extension("new");
    fs::write(&new, contents).expect("write");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::rename(&new, program).expect("rename");
}

/// Sends the restart signal, by the number the program prints for it.
fn ask(program: &Path, pid: u32) {
    let output = Command::new(program).arg("--signum=RESTART").output();
    let number = String::from_utf8(output.expect("a number").stdout).expect("text");
    let signal = format!("-{}", number.trim());
    let sent = Command::new("kill")
        .args([&signal, &pid.to_string()])
        .status();
    assert!(sent.expect("kill").success());
}

fn inode(path: impl AsRef<Path>) -> u64 {
    fs::metadata(path).map_or(0, |data| data.ino())
}

/// Open descriptors of a daemon, once their number is stable: it opens files for a moment.
fn settled_descriptors(pid: u32) -> usize {
    let mut last = 0;
    let mut unchanged = 0;
    wait_until(SOON, "the number of descriptors settles", || {
        let open = process::descriptors(&[pid]);
        unchanged = if open == last { unchanged + 1 } else { 0 };
        last = open;
        unchanged > 20
    });
    last
}

fn restart(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let cap = Capture::start(&lab);
    let program = copy(ctx, &a);
    let bytes = fs::read(&program).expect("read");
    let started = format!("/run/lab/{}-started", a.id());
    let script = format!("/run/lab/{}-startup", a.id());
    fs::write(&script, format!("#!/bin/sh\necho started >>{started}\n")).expect("write");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    // An error that the running configuration has as well does not prevent the restart.
    let text = slow(200, &["no_such_thing"])
        .global("script_user root")
        .global(&format!("startup_script {script}"))
        .text();
    let mut run = Daemon::Vrrpd(program.clone()).start_text(&a, &text, &[]);
    wait_until(SOON, "it is master", || a.has(VIP));
    let run_b = ctx.daemon.start(&b, &slow(100, &[]));
    wait_until(SOON, "a backup", || run_b.log().contains("BACKUP STATE"));
    let watch = Watch::start(&a);
    let (since, pid) = (now(), run.pid());
    let mut descriptors = 0;
    for nth in 1..=3 {
        update(&program, &bytes);
        ask(&program, pid);
        let exe = format!("/proc/{pid}/exe");
        wait_until(SOON, "the new program runs", || {
            inode(&exe) == inode(&program)
        });
        wait_until(SOON, "and resumes", || resumed(&run) == nth);
        let open = settled_descriptors(pid);
        assert!(nth == 1 || open == descriptors, "{open} descriptors");
        descriptors = open;
    }
    unnoticed(&watch, &cap, &b, since);
    let adverts = cap.adverts(&a, 51, since);
    let worst = adverts.windows(2).map(|two| two[1].0 - two[0].0).max();
    assert!(worst < Some(2_500 * MS + noise::since(since)), "{worst:?}");
    assert_eq!(
        fs::read_to_string(&started).expect("read"),
        "started\n",
        "once"
    );
    assert!(run.alive(), "still the same process");
    // A new error does.
    fs::write(&run.conf_file, text.replace("no_such", "nor_such_a")).expect("write");
    ask(&program, pid);
    wait_until(SOON, "it is refused", || {
        run.log().contains("restart refused")
    });
    // What is no longer configured is removed.
    fs::write(
        &run.conf_file,
        text.replace("10.0.0.100/24", "10.0.0.101/24"),
    )
    .expect("write");
    ask(&program, pid);
    wait_until(SOON, "the other address alone", || {
        a.has("10.0.0.101") && !a.has(VIP)
    });
    wait_until(SOON, "and it resumes", || resumed(&run) == 4);
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert!(!a.has("10.0.0.101") && !state_file(&run).exists());
    Outcome::Passed
}

/// In the background, with relative paths.
fn background(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let program = copy(ctx, &a);
    let name = |what: &str| format!("{}-bg.{what}", a.id());
    fs::write(format!("/run/lab/{}", name("conf")), slow(200, &[]).text()).expect("write");
    let command = format!(
        "cd /run/lab && exec {} -D -G -g{} -f {} -p {}",
        program.display(),
        name("log"),
        name("conf"),
        name("pid")
    );
    let started = a.output(Command::new("sh").args(["-c", &command]));
    assert!(started.status.success(), "{started:?}");
    let log = || fs::read_to_string(format!("/run/lab/{}", name("log"))).unwrap_or_default();
    let pid_file = format!("/run/lab/{}", name("pid"));
    let pid = || -> u32 {
        let text = fs::read_to_string(&pid_file).expect("a pid file");
        text.trim().parse().expect("a number")
    };
    wait_until(SOON, "it is master", || a.has(VIP));
    let (first, watch, since) = (pid(), Watch::start(&a), now());
    for nth in 1..=2 {
        update(&program, &fs::read(&program).expect("read"));
        ask(&program, first);
        wait_until(SOON, "it resumes", || {
            log().matches("MASTER STATE: resumed").count() == nth
        });
        assert_eq!(inode(format!("/proc/{first}/exe")), inode(&program));
        assert_eq!(pid(), first);
        let home = fs::read_link(format!("/proc/{first}/cwd")).expect("cwd");
        assert_eq!(home, Path::new("/"));
        assert_eq!(process::tree(first), [first], "it has no children");
    }
    assert!(!watch.removed(ip(VIP), since));
    let kill = |signal: &str| {
        Command::new("kill")
            .args([signal, &first.to_string()])
            .status()
    };
    assert!(kill("-TERM").expect("kill").success());
    wait_until(SOON, "it clears up", || {
        !a.has(VIP) && !Path::new(&pid_file).exists()
    });
    assert!(!Path::new(&format!("/run/lab/{}", name("state"))).exists());
    Outcome::Passed
}

fn refused(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let program = copy(ctx, &a);
    let bytes = fs::read(&program).expect("read");
    let run = Daemon::Vrrpd(program.clone()).start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    let cap = Capture::start(&lab);
    let since = now();
    let good = fs::read_to_string(&run.conf_file).expect("read");
    let refusals = || run.log().matches("restart refused").count();
    let from = copy(ctx, &lab.node("other", &[]));
    for (nth, (what, program_text, conf_text)) in [
        ("half a program", &bytes[..1000], good.as_str()),
        ("a program that fails", &b"#!/bin/sh\nexit 7\n"[..], &good),
        ("a broken configuration", &bytes[..], "vrrp_instance {"),
    ]
    .into_iter()
    .enumerate()
    {
        update(&program, program_text);
        fs::write(&run.conf_file, conf_text).expect("write");
        ask(&from, run.pid());
        wait_until(SOON, what, || refusals() == nth + 1);
    }
    // `-t` alone says nothing against a file that does not exist.
    fs::remove_file(&run.conf_file).expect("remove");
    ask(&from, run.pid());
    wait_until(SOON, "no configuration", || refusals() == 4);
    sleep_ms(300);
    assert!(a.has(VIP));
    let adverts = cap.adverts(&a, 51, since);
    assert!(adverts.iter().all(|(_, advert)| advert.priority == 200));
    let worst = adverts.windows(2).map(|two| two[1].0 - two[0].0).max();
    assert!(worst < Some(300 * MS + noise::since(since)), "{worst:?}");
    assert_eq!(run.log().matches("Entering MASTER").count(), 1);
    Outcome::Passed
}

/// Scripts that run as root without `enable_script_security`, in a configuration that was not
/// reloaded: `-t` says so by its exit code, and a reload would accept it.
fn insecure(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let run = ctx.daemon.start(&a, &slow(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    let scripts = slow(200, &["notify /bin/true"]).global("script_user root");
    fs::write(&run.conf_file, scripts.text()).expect("write");
    let program = ctx.daemon.path();
    let test = Command::new(&program)
        .args(["-t", "-f"])
        .arg(&run.conf_file)
        .output();
    assert_eq!(test.expect("-t").status.code(), Some(6));
    ask(Path::new(&program), run.pid());
    wait_until(SOON, "it is accepted", || {
        resumed(&run) == 1 || run.log().contains("restart refused")
    });
    assert_eq!(resumed(&run), 1, "{}", run.log());
    Outcome::Passed
}

/// A restart would leave everything in the old network namespace behind.
fn elsewhere(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let outside = lab.node("outside", &[]);
    let here = lab.node("r1", &["10.0.0.1/24"]);
    let there = lab.node("r2", &["10.0.0.2/24"]);
    let text = |node: &Node| {
        let place = format!("net_namespace {}", node.id());
        slow(200, &[]).top(&place).text()
    };
    let mut run = ctx.daemon.start_text(&outside, &text(&here), &[]);
    wait_until(SOON, "it is master", || here.has(VIP));
    fs::write(&run.conf_file, text(&there)).expect("write");
    let refusals = || run.log().matches("restart refused").count();
    for nth in 1..=2 {
        ask(Path::new(&ctx.daemon.path()), run.pid());
        wait_until(SOON, "it is refused, also when asked again", || {
            refusals() == nth
        });
    }
    assert!(here.has(VIP) && !there.has(VIP));
    fs::write(&run.conf_file, text(&here)).expect("write");
    ask(Path::new(&ctx.daemon.path()), run.pid());
    wait_until(SOON, "here it may", || resumed(&run) == 1);
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert!(!here.has(VIP) && !there.has(VIP));
    Outcome::Passed
}

/// The daemon raises its limit of open files for checks, which is not that of its children.
fn limits(ctx: &Ctx) -> Outcome {
    const START: &str = "72";
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let script = script(
        "limit",
        "ulimit -Sn > \"$0.new\"\nmv \"$0.new\" \"$0.found\"",
    );
    let found = PathBuf::from(format!("{script}.found"));
    let script = format!("vrrp_script limit {{\n script {script}\n interval 1\n}}");
    let mut text = slow(200, &["track_script { limit }"])
        .global("script_user root")
        .top(&script)
        .text();
    text.push_str("virtual_server 10.9.9.1 80 {\n delay_loop 1\n protocol TCP\n");
    for nth in 100..130 {
        // None of them answers.
        text.push_str(&format!(
            " real_server 10.0.0.{nth} 80 {{\n TCP_CHECK {{ }}\n }}\n"
        ));
    }
    text.push_str("}\n");
    let lowered = format!("ulimit -Sn {START}; exec \"$0\" \"$@\"");
    let run = ctx.daemon.start_text(&a, &text, &["sh", "-c", &lowered]);
    let own = || fs::read_to_string(format!("/proc/{}/limits", run.pid())).expect("limits");
    let is_raised = || {
        let own = own();
        let files = own.lines().find(|line| line.starts_with("Max open files"));
        files.is_some_and(|line| line.split_whitespace().nth(3) != Some(START))
    };
    let limit = || {
        let _ = fs::remove_file(&found);
        wait_until(SOON, "the script runs", || found.exists());
        fs::read_to_string(&found).expect("a limit")
    };
    wait_until(SOON, "it is master", || a.has(VIP));
    wait_until(SOON, "the daemon needs more", is_raised);
    assert_eq!(limit().trim(), START);
    ask(Path::new(&ctx.daemon.path()), run.pid());
    wait_until(SOON, "it continues", || resumed(&run) == 1);
    wait_until(SOON, "the new one needs more, too", is_raised);
    assert_eq!(limit().trim(), START);
    Outcome::Passed
}
