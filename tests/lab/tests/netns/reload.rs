//! Reload: what has not changed in the configuration continues undisturbed.

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{Conf, Inst, MS, now, process, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP, conf, ip, pair};
use crate::{Ctx, Outcome, Test};

/// A reload restarts its processes, and its log does not say when it has finished.
const NOT_COMPARED: &str = "does not log the end of a reload";

pub(crate) const TESTS: &[Test] = &[
    Test::new("reload_of_the_same_file_changes_nothing", same_file).keepalived_fails(NOT_COMPARED),
    Test::new("reload_changes_what_has_changed_and_nothing_else", changes)
        .keepalived_fails(NOT_COMPARED),
    Test::new("reload_with_a_bad_file_changes_nothing", bad_file).keepalived_fails(NOT_COMPARED),
    Test::new(
        "reload_resigns_removed_instances_and_starts_new_ones",
        removed_and_new,
    )
    .keepalived_fails(NOT_COMPARED),
    Test::new(
        "reload_moves_an_address_from_one_instance_to_another",
        moved,
    )
    .keepalived_fails(NOT_COMPARED),
    Test::new("thousand_reloads_leak_nothing", leaks).keepalived_fails(NOT_COMPARED),
];

fn same_file(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let (watch_a, watch_b) = (Watch::start(&p.a), Watch::start(&p.b));
    let since = now();
    let (strong, weak) = (conf(200, &[]).text(), conf(100, &[]).text());
    for _ in 0..20 {
        p.run_a.reload(&strong);
        p.run_b.reload(&weak);
        sleep_ms(20);
    }
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    assert!(watch_a.since(since).is_empty(), "no address was touched");
    assert!(watch_b.since(since).is_empty(), "no address was touched");
    assert_eq!(p.run_a.log().matches("Entering MASTER").count(), 1);
    Outcome::Passed
}

fn changes(ctx: &Ctx) -> Outcome {
    let two = |priority: u8, second: &str| {
        let inst = Inst::new(51, priority, "10.0.0.100/24").vip(second);
        Conf::of(&[inst]).text()
    };
    let p = pair(ctx, &[]);
    let watch = Watch::start(&p.a);
    let since = now();
    let at = p.run_a.reload(&two(200, "10.0.0.101/24"));
    wait_until(SOON, "the new address is announced", || {
        !p.cap.announcements(&p.a, ip("10.0.0.101"), at).is_empty()
    });
    assert!(p.a.has("10.0.0.101"));
    let at = p.run_a.reload(&two(180, "10.0.0.102/24"));
    wait_until(SOON, "one address goes, another comes", || {
        p.a.has("10.0.0.102") && !p.a.has("10.0.0.101")
    });
    let (_, advert) = p.cap.advert_of(&p.a, at + 150 * MS, SOON);
    assert_eq!(advert.priority, 180);
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    assert!(!watch.removed(ip(VIP), since), "the address that stays");
    // Its priority is now too low: the other router takes over.
    let at = p.run_a.reload(&two(50, "10.0.0.102/24"));
    wait_until(SOON, "the other router takes over", || p.b.has(VIP));
    wait_until(SOON, "this one lets go", || {
        !p.a.has(VIP) && !p.a.has("10.0.0.102")
    });
    let resigned = p.cap.adverts(&p.a, 51, at);
    let resigned = resigned.iter().any(|(_, advert)| advert.priority == 0);
    assert!(!resigned, "it yields, it does not resign");
    Outcome::Passed
}

fn bad_file(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let watch = Watch::start(&p.a);
    let since = now();
    let good = conf(200, &[]).text();
    for (name, text) in [
        (
            "a slip",
            good.replace("virtual_ipaddress", "virtual_ipadress"),
        ),
        ("a bad value", good.replace("priority 200", "priority 300")),
        ("nothing at all", String::new()),
        ("no text", "\u{0}\u{1}{{{{".to_owned()),
    ] {
        let refused = p.run_a.log().matches("reload refused").count();
        p.run_a.reload(&text);
        if name == "nothing at all" {
            // An empty file is a valid configuration; the loop below restores it.
            wait_until(SOON, "everything is gone", || !p.a.has(VIP));
            p.run_a.reload(&good);
            wait_until(SOON, "and back", || p.a.has(VIP));
            continue;
        }
        assert_eq!(
            p.run_a.log().matches("reload refused").count(),
            refused + 1,
            "{name}"
        );
        assert!(p.a.has(VIP), "{name}");
    }
    std::fs::remove_file(&p.run_a.conf_file).expect("removing the file");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(p.run_a.pid()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).expect("a signal");
    wait_until(SOON, "a missing file is refused too", || {
        p.run_a.log().contains("no such file")
    });
    assert!(p.a.has(VIP));
    drop(watch);
    let _ = since;
    Outcome::Passed
}

fn removed_and_new(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let other = Inst::new(52, 100, "10.0.0.110/24");
    let kept = Inst::new(51, 200, "10.0.0.100/24");
    let since = now();
    p.run_a
        .reload(&Conf::of(&[other.clone(), kept.clone()]).text());
    wait_until(SOON, "the new instance takes its address", || {
        p.a.has("10.0.0.110")
    });
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    let kept = Conf::of(&[kept]);
    let at = p.run_a.reload(&kept.text());
    wait_until(SOON, "the address of the removed one goes", || {
        !p.a.has("10.0.0.110")
    });
    let last = p.cap.adverts(&p.a, 52, at);
    let (_, last) = last.last().expect("a resignation");
    assert_eq!(last.priority, 0, "the removed instance resigns");
    assert!(p.a.has(VIP));
    assert!(p.run_a.log().contains("no longer configured"));
    p.a.ip("link add d0 type veth peer name d1");
    p.a.ip("link set d0 up");
    let other = kept.text().replace("interface eth0", "interface d0");
    let gone = p.run_a.log_len();
    p.run_a.reload(&other);
    p.run_a
        .reload(&other.replace("virtual_router_id 51", "virtual_router_id 53"));
    let says = |text: &str| p.run_a.log_from(gone).contains(text);
    for what in ["interface", "virtual_router_id"] {
        let line = format!("(VI_51) Stopped: starts again because its {what} changed");
        wait_until(SOON, &line, || says(&line));
    }
    assert!(!says("no longer configured"));
    Outcome::Passed
}

fn moved(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let inst = |vrid, vips: &[&str]| {
        let first = Inst::new(vrid, 200, vips[0]);
        vips[1..].iter().fold(first, |inst, vip| inst.vip(vip))
    };
    let both = |a: &[&str], b: &[&str]| Conf::of(&[inst(51, a), inst(52, b)]).text();
    let (kept, moving, other) = ("10.0.0.100/24", "10.0.0.101/24", "10.0.0.110/24");
    p.run_a.reload(&both(&[kept, moving], &[other]));
    wait_until(SOON, "all three are there", || {
        p.a.has("10.0.0.110") && p.a.has("10.0.0.101")
    });
    for (a, b) in [
        (&[kept][..], &[other, moving][..]),
        (&[kept, moving][..], &[other][..]),
    ] {
        p.run_a.reload(&both(a, b));
        sleep_ms(100);
        for vip in [VIP, "10.0.0.101", "10.0.0.110"] {
            assert!(p.a.has(vip), "{vip}");
        }
    }
    Outcome::Passed
}

fn leaks(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let many = |shift: u8| {
        let vips = (0..20).map(|n| format!("10.0.1.{}/24", n + shift));
        let first = Inst::new(51, 200, "10.0.0.100/24");
        let inst = vips.fold(first, |inst, vip| inst.vip(&vip));
        Conf::of(&[inst, Inst::new(60 + shift, 100, "10.0.0.120/24")]).text()
    };
    let state = || {
        let pids = p.run_a.pids();
        let text = p.a.ip("-o addr") + &p.a.ip("maddr show dev eth0");
        (
            process::memory(&pids).anonymous,
            process::descriptors(&pids),
            text,
        )
    };
    let round = |times| {
        for turn in 0..times {
            p.run_a.reload(&many(turn % 2));
        }
        p.run_a.reload(&conf(200, &[]).text());
        wait_until(SOON, "the other addresses go", || {
            !p.a.addrs().iter().any(|addr| addr.starts_with("10.0.1."))
        });
        sleep_ms(300);
    };
    round(50);
    let before = state();
    let mut memory = vec![before.0];
    for _ in 0..5 {
        round(190);
        memory.push(state().0);
    }
    let after = state();
    assert_eq!((after.1, after.2), (before.1, before.2));
    // An allocator may take and keep some more pages at any time; a leak takes some in every round:
    // 40 bytes per reload are 8 KB.
    let grown = memory.windows(2).map(|two| two[1].saturating_sub(two[0]));
    assert!(grown.min() <= Some(4), "grows all the time: {memory:?} KB");
    assert!(after.0 <= before.0 + 512, "has grown: {memory:?} KB");
    p.assert_undisturbed(VIP, INTERVAL, 60 * MS, now() - 200 * MS);
    Outcome::Passed
}
