//! Authentication on a live network: replayed adverts, routers with different settings, and the
//! rollout of `auth_hmac`.

use std::time::Duration;

use vrrpd_lab::forge::Injector;
use vrrpd_lab::noise;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, MS, now, sleep_ms, wait_until};

use crate::support::{SOON, VIP, pair_of};
use crate::{Ctx, Outcome, Test};

const UNSIGNED: &str = "has no auth_hmac before 2.4";

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "replayed_adverts_with_ah_do_not_prevent_a_takeover",
        replay_ah,
    ),
    Test::new(
        "replayed_signed_adverts_do_not_prevent_a_takeover",
        playback_signed,
    )
    .keepalived_fails(UNSIGNED),
    Test::new("tshark_accepts_the_authentication_header", tshark_ah),
    Test::new("backup_with_ah_takes_over_after_its_own_restart", restart),
    Test::new(
        "keepalived_with_ah_takes_over_after_its_own_restart",
        restart_other,
    ),
    Test::new(
        "long_passwords_are_truncated_as_by_keepalived",
        long_password,
    ),
    Test::new("authentication_mismatch_is_logged_once", mismatch)
        .keepalived_fails("keepalived's words are others"),
    Test::new("auth_hmac_rollout_keeps_the_master", rollout).keepalived_fails(UNSIGNED),
];

/// Replays the adverts of a dead master: the backup takes over in time.
fn replay(ctx: &Ctx, inst: impl Fn(u8) -> Inst, ms: u64) -> Outcome {
    let confs = [200, 100].map(|p| Conf::of(&[inst(p)]));
    let mut p = pair_of(&ctx.daemon, &confs[0], &ctx.daemon, &confs[1], VIP);
    sleep_ms(ms * 3);
    let attacker = p.lab.node("attacker", &["10.0.0.66/24"]);
    let injector = Injector::on(&attacker);
    let frames: Vec<Vec<u8>> = p.cap.with(|all| {
        let sent = |f: &&vrrpd_lab::Frame| *f.node == *p.a.name && f.advert().is_some();
        all.iter().filter(sent).map(|f| f.raw.clone()).collect()
    });
    assert!(frames.len() >= 3);
    let at = p.run_a.kill9();
    let took_over = || !p.cap.adverts(&p.b, 0, at).is_empty();
    let limit = now() + i64::try_from(ms).unwrap_or(0) * 6 * MS;
    while !took_over() && now() < limit {
        for frame in &frames {
            injector.send(frame);
            sleep_ms(20);
        }
    }
    let (first, _) = p.cap.advert_of(&p.b, at, Duration::from_millis(10));
    let limit = i64::try_from(ms).unwrap_or(0) * 4 * MS + 300 * MS + noise::since(at);
    assert!(first - at < limit, "after {} ms", (first - at) / MS);
    if matches!(ctx.daemon, Daemon::Vrrpd(_)) {
        let log = p.run_b.log();
        let logged = log.matches("a replayed advert").count();
        assert_eq!(logged, 1, "logged once: {log}");
    }
    Outcome::Passed
}

fn replay_ah(ctx: &Ctx) -> Outcome {
    replay(
        ctx,
        |p| Inst::new(7, p, "10.0.0.100/24").v2().ah("s3cr3t"),
        1000,
    )
}

fn playback_signed(ctx: &Ctx) -> Outcome {
    replay(ctx, |p| Inst::new(7, p, "10.0.0.100/24").signed(""), 100)
}

fn tshark_ah(ctx: &Ctx) -> Outcome {
    let tshark = || std::process::Command::new("tshark");
    if !tshark()
        .arg("-v")
        .output()
        .is_ok_and(|o| o.status.success())
    {
        return Outcome::Skipped("tshark is not installed".into());
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let inst = Inst::new(51, 200, "10.0.0.100/24").v2().ah("s3cr3t");
    let _run = ctx.daemon.start(&a, &Conf::of(&[inst]));
    wait_until(SOON, "three adverts", || cap.adverts(&a, 0, 0).len() >= 3);
    let path = format!("{DIR}/ah.pcap");
    cap.write_pcap(&path, "r1", 0);
    let fields = [
        "ip.proto",
        "ip.ttl",
        "ah.next_header",
        "ah.length",
        "ah.reserved",
        "ah.spi",
        "vrrp.auth_type",
        "vrrp.checksum.status",
        "vrrp.ip_addr",
        "_ws.expert.message",
        "ah.sequence",
    ];
    let mut cmd = tshark();
    cmd.args(["-n", "-r", &path, "-o", "ip.check_checksum:TRUE"]);
    cmd.args(["-Y", "vrrp", "-T", "fields"]);
    for f in fields {
        cmd.args(["-e", f]);
    }
    let out = cmd.env("HOME", DIR).output().expect("tshark");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let want = "51\t255\t112\t4\t0000\t0x0a000001\t2\t1\t10.0.0.100\t\t";
    let mut last = 0;
    for line in text.lines() {
        let number = line.strip_prefix(want).unwrap_or_else(|| panic!("{line}"));
        let number: u64 = number.parse().expect("a number");
        assert!(number > last, "{number} after {last}");
        last = number;
    }
    assert!(text.lines().count() >= 3, "{text}");
    Outcome::Passed
}

/// The backup is killed and restarted, then the master dies. The new process may not know the
/// sequence numbers: it sends nothing until the master is dead, then takes over.
fn restart_of(strong: &Daemon, weak: &Daemon) -> Outcome {
    let confs = [200, 100].map(|p| {
        let inst = Inst::new(7, p, "10.0.0.100/24").v2().ah("s3cr3t");
        Conf::of(&[if p == 100 { inst.master() } else { inst }])
    });
    let mut p = pair_of(strong, &confs[0], weak, &confs[1], VIP);
    p.run_b.kill9();
    let since = now();
    p.run_b = weak.start(&p.b, &confs[1]);
    sleep_ms(4500);
    assert!(
        p.cap.adverts(&p.b, 0, since).is_empty(),
        "it sends no advert"
    );
    let at = p.run_a.kill9();
    p.a.carrier_down();
    p.assert_takeover(VIP, vrrpd_lab::down_interval(2, 100, 1000 * MS), at);
    p.a.delete_interface();
    p.a.add_interface();
    p.a.addr_add("10.0.0.1/24");
    p.run_a = strong.start(&p.a, &confs[0]);
    p.assert_preempted(VIP, p.run_a.started);
    Outcome::Passed
}

fn restart(ctx: &Ctx) -> Outcome {
    restart_of(&ctx.daemon, &ctx.daemon)
}

fn restart_other(ctx: &Ctx) -> Outcome {
    if !ctx.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    restart_of(&ctx.daemon, &ctx.keepalived)
}

/// Both use the first 8 bytes: the weaker router, whose password ends differently, stays backup.
fn long_password(ctx: &Ctx) -> Outcome {
    if !ctx.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    let conf = |p, password: &str| {
        let inst = Inst::new(7, p, "10.0.0.100/24").v2();
        Conf::of(&[inst.pass(password)])
    };
    let (ours, theirs) = (conf(200, "12345678abc"), conf(100, "12345678xyz"));
    for (strong, weak) in [
        (&ctx.daemon, &ctx.keepalived),
        (&ctx.keepalived, &ctx.daemon),
    ] {
        let p = pair_of(strong, &ours, weak, &theirs, VIP);
        sleep_ms(3800);
        assert!(
            p.cap.adverts(&p.b, 0, 0).is_empty(),
            "it accepts vrrpd's adverts"
        );
    }
    Outcome::Passed
}

/// Two routers with different authentication are both master, and each logs the reason once.
fn mismatch(ctx: &Ctx) -> Outcome {
    let inst = |p| Inst::new(7, p, "10.0.0.100/24").v2();
    let cases = [
        (
            inst(200).pass("one"),
            inst(100).pass("two"),
            ["wrong password", "wrong password"],
        ),
        (
            inst(200).ah("one"),
            inst(100).ah("two"),
            ["wrong authentication header"; 2],
        ),
        (
            inst(200).pass("one"),
            inst(100).ah("one"),
            ["", "no authentication header"],
        ),
        (
            inst(200).signed(""),
            inst(100),
            ["not signed", "auth_hmac is not configured here"],
        ),
    ];
    let lab = Lab::new();
    let mut runs = Vec::new();
    for (nth, (strong, weak, words)) in (1_u8..).zip(cases) {
        // All cases at the same time, each on its own network.
        let net = Lab::new();
        let a = net.node(&format!("a{nth}"), &["10.0.0.1/24"]);
        let b = net.node(&format!("b{nth}"), &["10.0.0.2/24"]);
        let one = ctx.daemon.start(&a, &Conf::of(&[strong]));
        let two = ctx.daemon.start(&b, &Conf::of(&[weak]));
        runs.push((one, two, words, a, b, net));
    }
    drop(lab);
    for (one, two, ..) in &runs {
        for run in [one, two] {
            wait_until(SOON, "both are master", || {
                run.log().contains("Entering MASTER STATE")
            });
        }
    }
    sleep_ms(2500);
    for (one, two, words, ..) in &runs {
        for (run, words) in [one, two].into_iter().zip(words) {
            let log = run.log();
            let ignored = log.matches("ignoring adverts from").count();
            let want = usize::from(!words.is_empty());
            assert_eq!(ignored, want, "logged once: {log}");
            assert!(log.contains(words), "{words:?}: {log}");
        }
    }
    Outcome::Passed
}

/// `receive` on all routers, then `permissive`, then `enforce`, one router after the other: no
/// router misses an advert.
fn rollout(ctx: &Ctx) -> Outcome {
    let conf = |p, lines: Option<&str>| {
        let inst = Inst::new(7, p, "10.0.0.100/24");
        Conf::of(&[match lines {
            Some(lines) => inst.signed(lines),
            None => inst,
        }])
    };
    let p = pair_of(
        &ctx.daemon,
        &conf(200, None),
        &ctx.daemon,
        &conf(100, None),
        VIP,
    );
    for lines in ["mode receive-only", "mode permissive", "mode enforce"] {
        p.run_a.reload(&conf(200, Some(lines)).text());
        sleep_ms(450);
        p.run_b.reload(&conf(100, Some(lines)).text());
        sleep_ms(450);
        assert!(p.cap.adverts(&p.b, 0, 0).is_empty(), "{lines}");
    }
    let adverts = p.cap.adverts(&p.a, 0, 0);
    let (_, last) = adverts.last().expect("adverts");
    assert_eq!((last.key, last.checksum_ok), (Some(1), true));
    assert_eq!(adverts[0].1.key, None);
    let log = p.run_b.log();
    assert!(
        log.contains("not signed, but auth_hmac is configured here"),
        "{log}"
    );
    Outcome::Passed
}
