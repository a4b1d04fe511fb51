//! `vip_lease`: addresses of a killed or frozen daemon expire.

use std::time::Duration;

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{
    Capture, Conf, Inst, Lab, MS, Node, Ns, noise, now, sleep_ms, wait_for, wait_until,
};

use crate::support::{SOON, VIP, ip, pair_of};
use crate::{Ctx, Outcome, Test};

const KNOWN: &str = "has no vip_lease";

pub(crate) const TESTS: &[Test] = &[
    Test::new("vip_leases_of_a_killed_daemon_expire", killed).keepalived_fails(KNOWN),
    Test::new("vip_leases_of_a_frozen_daemon_expire", frozen).keepalived_fails(KNOWN),
    Test::new("vip_leases_are_renewed", steady).keepalived_fails(KNOWN),
    Test::new("reload_turns_vip_leases_on_and_off", reload).keepalived_fails(KNOWN),
];

const VIP6: &str = "fd00::100";

fn conf(priority: u8, lease: &str) -> Conf {
    let inst = Inst::new(51, priority, "10.0.0.100/24").line(lease);
    let six = Inst::new(52, priority, "fd00::100/128").line(lease);
    Conf::of(&[inst, six])
}

/// Remaining valid lifetime of `addr` in seconds; `None`: forever.
fn left(node: &Node, addr: &str) -> Option<u32> {
    let text = node.ip("-o addr show dev eth0");
    let line = text
        .lines()
        .find(|line| line.contains(&format!(" {addr}/")));
    let line = line.unwrap_or_else(|| panic!("{addr}: {text}"));
    let (_, rest) = line.split_once("valid_lft ").expect("a lifetime");
    rest.split("sec")
        .next()
        .and_then(|number| number.trim().parse().ok())
}

/// The time from `since` until both addresses have expired.
fn gone(node: &Node, since: Ns, limit: Duration) -> Ns {
    wait_for(limit, || {
        (!node.has(VIP) && !node.has(VIP6)).then(|| now() - since)
    })
    .unwrap_or_else(|| panic!("addresses are still there after {} ms", limit.as_millis()))
}

fn killed(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    let mut run = ctx.daemon.start(&a, &conf(200, "vip_lease 2"));
    wait_until(SOON, "it is master", || a.has(VIP) && a.has(VIP6));
    sleep_ms(1200);
    assert!(left(&a, VIP).is_some() && left(&a, VIP6).is_some());
    let at = run.kill9();
    sleep_ms(u64::try_from((at + 1200 * MS - now()) / MS).unwrap_or(0));
    let both = a.has(VIP) && a.has(VIP6);
    // Renewed every half second, so that at least 1.5 s are left of 2.
    assert!(both || now() - at > 1500 * MS, "three quarters remain");
    let took = gone(&a, at, Duration::from_secs(3));
    assert!(took < 3000 * MS + noise::since(at), "{} ms", took / MS);
    Outcome::Passed
}

fn frozen(ctx: &Ctx) -> Outcome {
    let (ca, cb) = (conf(200, "vip_lease 2"), conf(100, "vip_lease 2"));
    let p = pair_of(&ctx.daemon, &ca, &ctx.daemon, &cb, VIP);
    // First the frozen router has the higher priority and takes the addresses back, then the lower
    // and must not.
    for weaker in [false, true] {
        if weaker {
            p.run_b.reload(&conf(250, "vip_lease 2").text());
            wait_until(SOON, "the other router has the higher priority", || {
                p.b.has(VIP) && p.b.has(VIP6) && !p.a.has(VIP) && !p.a.has(VIP6)
            });
        }
        let (run, other, node, peer) = match weaker {
            false => (&p.run_a, &p.run_b, &p.a, &p.b),
            true => (&p.run_b, &p.run_a, &p.b, &p.a),
        };
        sleep_ms(600);
        let at = run.freeze();
        wait_until(SOON, "the other one takes over", || {
            peer.has(VIP) && peer.has(VIP6)
        });
        gone(node, at, Duration::from_secs(3));
        if weaker {
            // While it is frozen the other gets the higher priority.
            other.reload(&conf(254, "vip_lease 2").text());
            sleep_ms(300);
        }
        let thawed = run.thaw();
        let owner = if weaker { peer } else { node };
        let loser = if weaker { node } else { peer };
        for vip in [VIP, VIP6] {
            wait_until(SOON, "exactly one has the address", || {
                owner.has(vip) && !loser.has(vip)
            });
        }
        sleep_ms(500);
        assert!(owner.has(VIP) && !loser.has(VIP), "and keeps it");
        let announced = p.cap.announcements(owner, ip(VIP), thawed).len();
        assert_eq!(announced > 0, !weaker, "a reinstalled address is announced");
    }
    Outcome::Passed
}

fn steady(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    let cap = Capture::start(&lab);
    let watch = Watch::start(&a);
    let inst = |vrid, vip| {
        let inst = Inst::new(vrid, 200, vip).line("garp_master_delay 0");
        inst.line("vip_lease 2")
    };
    let both = [inst(51, "10.0.0.100/24"), inst(52, "fd00::100/128")];
    let run = ctx.daemon.start(&a, &Conf::of(&both));
    wait_until(SOON, "it is master", || a.has(VIP) && a.has(VIP6));
    sleep_ms(700);
    let (since, logged) = (now(), run.log_len());
    // Deprecated, so that the host does not choose it as a source address.
    assert!(a.ip("-o addr show dev eth0").contains("deprecated"));
    sleep_ms(6200);
    for vip in [VIP, VIP6] {
        assert!(
            a.has(vip) && !watch.removed(ip(vip), since),
            "{vip} was never away"
        );
        let renewed = watch
            .since(since)
            .iter()
            .filter(|e| e.addr == ip(vip))
            .count();
        assert!(
            (11..=14).contains(&renewed),
            "{vip} was renewed {renewed} times"
        );
        assert!(
            cap.announcements(&a, ip(vip), since).is_empty(),
            "{vip} is not announced"
        );
    }
    assert!(a.ip("-o addr show dev eth0").contains("deprecated"));
    assert_eq!(run.log_len(), logged, "nothing is logged: {}", run.log());
    Outcome::Passed
}

fn reload(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    let cap = Capture::start(&lab);
    let watch = Watch::start(&a);
    let mut run = ctx.daemon.start(&a, &conf(200, "vip_lease off"));
    wait_until(SOON, "it is master", || a.has(VIP) && a.has(VIP6));
    assert_eq!((left(&a, VIP), left(&a, VIP6)), (None, None));
    sleep_ms(300);
    let since = now();
    for (line, leased) in [
        ("vip_lease 5", true),
        ("vip_lease", true),
        ("vip_lease 0", false),
    ] {
        run.reload(&conf(200, line).text());
        for vip in [VIP, VIP6] {
            wait_until(SOON, line, || left(&a, vip).is_some() == leased);
        }
    }
    for vip in [VIP, VIP6] {
        assert!(!watch.removed(ip(vip), since), "{vip} was never away");
        assert!(
            cap.announcements(&a, ip(vip), since).is_empty(),
            "{vip} is not announced"
        );
    }
    run.kill9();
    sleep_ms(2700);
    assert!(a.has(VIP) && a.has(VIP6), "without a lease they stay");
    Outcome::Passed
}
