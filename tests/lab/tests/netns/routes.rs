//! Virtual and static routes and rules: installed on the master, reinstalled when removed, removed
//! on shutdown.

use vrrpd_lab::{Conf, Inst, Lab, MS, Node, noise, now, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP, conf, pair, pair_of};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "routes_and_rules_of_both_families_follow_the_master",
        follow,
    ),
    Test::new(
        "routes_and_rules_removed_externally_are_reinstalled",
        put_back,
    )
    .keepalived_fails("leaves routes without an interface away"),
    Test::new(
        "routes_removed_with_an_interface_or_address_are_reinstalled",
        dropped,
    )
    .keepalived_fails("leaves untracked ones away"),
    Test::new(
        "route_with_an_unreachable_gateway_is_logged_once_and_retried",
        unreachable,
    )
    .keepalived_fails("refuses an interface that does not exist"),
    Test::new("interface_of_a_tracked_route_or_rule_is_tracked", interface),
    Test::new(
        "routes_and_rules_left_by_a_killed_daemon_are_removed_at_start",
        leftover,
    )
    .keepalived_fails("leaves some"),
    Test::new(
        "static_routes_and_rules_stay_while_the_daemon_runs",
        statics,
    )
    .keepalived_fails("does not reinstall them"),
    Test::new("reload_leaves_unchanged_routes_alone", reload)
        .keepalived_fails("ends no reload the test could wait for"),
];

const ROUTES: &str = "virtual_routes {
        10.1.0.0/16 via 10.0.0.254
        src 10.0.0.100 to 10.2.0.0/16 via 10.0.0.254 dev eth0 metric 7 table 300
        10.3.0.0/16 nexthop via 10.0.0.253 weight 1 nexthop via 10.0.0.254 dev eth0 weight 3
        10.4.0.0/16 dev eth0 scope link mtu lock 1400 advmss 1300
        blackhole 10.5.0.0/16
        2001:db8:1::/48 via fd00::fe
        2001:db8:2::/48 nexthop via fd00::fd weight 2 nexthop via fd00::fe dev eth0
        unreachable 2001:db8:3::/48 metric 9
        10.6.0.0/16 via 10.0.0.254 protocol static no_track
    }
    virtual_rules {
        from 10.0.0.100 table 300 priority 100
        fwmark 0x10/0xff iif eth0 table main suppress_prefixlength 0 priority 101
        to 2001:db8:4::/48 prohibit priority 102
    }";

/// The routes with keepalived's protocol number, one per line.
fn routes(node: &Node) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for family in ["-4", "-6"] {
        let text = node.ip(&format!("{family} route show table all proto keepalived"));
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let words = words.join(" ");
            match all.last_mut() {
                Some(last) if line.starts_with('\t') => *last += &format!(" {words}"),
                _ => all.push(words),
            }
        }
    }
    all
}

/// The same for rules.
fn rules(node: &Node) -> Vec<String> {
    let mut all = Vec::new();
    for family in ["-4", "-6"] {
        let text = node.ip(&format!("-d {family} rule show"));
        let ours = text.lines().filter(|l| l.contains("proto keepalived"));
        all.extend(ours.map(|l| l.replace('\t', " ").trim_end().to_string()));
    }
    all
}

fn there(node: &Node) -> bool {
    routes(node).len() == 8 && rules(node).len() == 3
}

fn nothing(node: &Node) -> bool {
    routes(node).is_empty() && rules(node).is_empty()
}

fn follow(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[ROUTES]);
    wait_until(SOON, "routes and rules are set", || there(&p.a));
    assert_eq!(
        routes(&p.a),
        [
            "10.2.0.0/16 via 10.0.0.254 dev eth0 table 300 src 10.0.0.100 metric 7",
            "10.1.0.0/16 via 10.0.0.254 dev eth0",
            "10.3.0.0/16 nexthop via 10.0.0.253 dev eth0 weight 1 nexthop via 10.0.0.254 dev eth0 weight 3",
            "10.4.0.0/16 dev eth0 scope link mtu lock 1400 advmss 1300",
            "blackhole 10.5.0.0/16",
            "2001:db8:1::/48 via fd00::fe dev eth0 metric 1024 pref medium",
            "2001:db8:2::/48 metric 1024 pref medium nexthop via fd00::fd dev eth0 weight 2 nexthop via fd00::fe dev eth0 weight 1",
            "unreachable 2001:db8:3::/48 dev lo metric 9 pref medium",
        ]
    );
    assert_eq!(
        rules(&p.a),
        [
            "100: from 10.0.0.100 lookup 300 proto keepalived",
            "101: from all fwmark 0x10/0xff iif eth0 lookup main suppress_prefixlength 0 proto keepalived",
            "102: from all to 2001:db8:4::/48 prohibit proto keepalived",
        ]
    );
    let own = |node: &Node| node.ip("route show proto static");
    assert!(own(&p.a).contains("10.6.0.0/16 via 10.0.0.254"));
    assert!(nothing(&p.b) && own(&p.b).is_empty(), "the backup has none");
    p.run_a.term();
    p.run_a.wait_exit(SOON).expect("it ends");
    assert!(nothing(&p.a) && own(&p.a).is_empty(), "and none at the end");
    wait_until(SOON, "the other router has them", || there(&p.b));
    let log = p.run_b.log();
    assert!(!log.contains("refused"), "{log}");
    Outcome::Passed
}

fn put_back(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[ROUTES]);
    wait_until(SOON, "routes and rules are set", || there(&p.a));
    // Routes of other programs: equal but for the protocol, or unrelated.
    p.a.ip("route add 10.1.0.0/16 via 10.0.0.254 metric 5");
    p.a.ip("rule add from 10.0.0.100 table 300 priority 99");
    let since = now();
    for gone in [
        "route del 10.1.0.0/16 metric 0",
        "route del 10.2.0.0/16 table 300",
        "route del 10.3.0.0/16",
        "route del blackhole 10.5.0.0/16",
        "-6 route del 2001:db8:1::/48",
        "-6 route del 2001:db8:2::/48 via fd00::fd",
        "rule del priority 100",
        "-6 rule del priority 102",
    ] {
        let before = (routes(&p.a), rules(&p.a));
        p.a.ip(gone);
        wait_until(SOON, &format!("it is back after `{gone}`"), || {
            let (mut routes, mut wanted) = (routes(&p.a), before.0.clone());
            // A reinstalled nexthop is the last one.
            let order = |l: &mut String| {
                let mut words: Vec<&str> = l.split_whitespace().collect();
                words.sort_unstable();
                *l = words.join(" ");
            };
            routes.iter_mut().for_each(order);
            wanted.iter_mut().for_each(order);
            (routes, rules(&p.a)) == (wanted, before.1.clone())
        });
    }
    p.a.ip("route del 10.6.0.0/16");
    p.a.ip("route del 10.1.0.0/16 metric 5");
    p.a.ip("rule del priority 99");
    sleep_ms(100);
    assert!(
        p.a.ip("route show proto static").is_empty(),
        "no_track: not in FAULT"
    );
    assert!(there(&p.a), "routes of other programs stay");
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    let log = p.run_a.log();
    assert!(log.contains("reinstalled"), "{log}");
    Outcome::Passed
}

/// The kernel removes IPv4 routes without an event when their interface goes down or their source
/// address is removed.
fn dropped(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    a.ip("link add wan0 type veth peer name far0");
    a.ip("link set far0 up");
    a.ip("link set wan0 up");
    a.ip("addr add 10.7.0.1/24 dev wan0");
    a.ip("addr add fd07::1/64 dev wan0 nodad");
    let lines = "virtual_routes {
        10.1.0.0/16 via 10.7.0.254 no_track
        10.2.0.0/16 dev wan0 no_track
        src 10.0.0.100 to 10.3.0.0/16 via 10.0.0.254
        2001:db8:1::/48 dev wan0 no_track
        10.4.0.0/16 nexthop via 10.7.0.254 dev wan0 nexthop via 10.0.0.254 dev eth0
    }";
    let top = "static_routes {\n    10.5.0.0/16 dev wan0\n    2001:db8:5::/48 dev wan0\n}";
    let run = ctx.daemon.start(&a, &conf(200, &[lines]).top(top));
    wait_until(SOON, "all routes are set", || routes(&a).len() == 7);
    let all = routes(&a);
    let since = now();
    a.ip("link set wan0 down");
    wait_until(SOON, "the kernel drops them", || routes(&a).len() <= 2);
    a.ip("link set wan0 up");
    wait_until(SOON, "the routes through it are back", || {
        let routes = routes(&a);
        all.iter()
            .filter(|r| !r.contains("10.1.0.0"))
            .all(|r| routes.contains(r))
    });
    // An interface that goes down loses its IPv6 addresses but keeps the IPv4 ones.
    wait_until(SOON, "and the one through its gateway", || {
        routes(&a) == all
    });
    a.addr_del("10.0.0.100/24");
    wait_until(SOON, "address and route are back", || {
        a.has(VIP) && routes(&a) == all
    });
    let log = run.log();
    assert!(
        !log[log.find("MASTER").unwrap_or(0)..].contains("BACKUP"),
        "{log}"
    );
    assert!(
        now() - since < 5000 * MS + noise::since(since),
        "without waiting for a timer"
    );
    Outcome::Passed
}

fn unreachable(ctx: &Ctx) -> Outcome {
    let routes_of = "virtual_routes {
        10.1.0.0/16 via 10.9.9.254
        10.2.0.0/16 via 10.0.0.254
        10.3.0.0/16 dev nowhere0 no_track
    }";
    let p = pair(ctx, &[routes_of]);
    let since = now();
    wait_until(SOON, "the other route is set", || routes(&p.a).len() == 1);
    // Long enough for a second attempt.
    sleep_ms(1300);
    let log = p.run_a.log();
    let logged = log
        .lines()
        .filter(|l| l.contains("10.1.0.0/16 via 10.9.9.254"));
    let logged: Vec<&str> = logged.collect();
    assert_eq!(logged.len(), 1, "{log}");
    assert!(
        logged[0].contains("invalid gateway"),
        "in the kernel's words: {log}"
    );
    p.a.addr_add("10.9.9.1/24");
    wait_until(
        SOON,
        "it is set as soon as the gateway can be reached",
        || routes(&p.a).len() == 2,
    );
    wait_until(SOON, "which is logged", || {
        p.run_a
            .log()
            .contains("all routes and rules are installed now")
    });
    p.a.ip("link add nowhere0 type veth peer name far0");
    p.a.ip("link set nowhere0 up");
    wait_until(SOON, "an interface that appears late is used", || {
        routes(&p.a).len() == 3
    });
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    Outcome::Passed
}

fn interface(ctx: &Ctx) -> Outcome {
    for lines in [
        "virtual_routes {\n        10.1.0.0/16 dev wan0\n    }",
        "virtual_rules {\n        iif wan0 table 100 priority 100\n    }",
    ] {
        let lab = Lab::new();
        let a = lab.node("r1", &["10.0.0.1/24"]);
        a.ip("link add wan0 type veth peer name far0");
        a.ip("link set far0 up");
        a.ip("link set wan0 up");
        let run = ctx.daemon.start(&a, &conf(200, &[lines]));
        wait_until(SOON, "it is master", || a.has(VIP));
        a.ip("link set wan0 down");
        wait_until(SOON, "it is not, while the interface is down", || {
            !a.has(VIP)
        });
        assert!(run.log().contains("FAULT"));
        assert!(nothing(&a));
        a.ip("link set wan0 up");
        wait_until(SOON, "and is again", || a.has(VIP) && !nothing(&a));
    }
    Outcome::Passed
}

fn leftover(ctx: &Ctx) -> Outcome {
    let lines = ["nopreempt", ROUTES];
    let mut p = pair(ctx, &lines);
    wait_until(SOON, "routes and rules are set", || there(&p.a));
    p.a.ip("route add 10.1.0.0/16 via 10.0.0.254 metric 5");
    p.a.ip("rule add from 10.0.0.100 table 300 priority 99");
    p.run_a.kill9();
    wait_until(SOON, "the other takes over", || p.b.has(VIP) && there(&p.b));
    assert!(there(&p.a), "they are still there: the test's premise");
    p.run_a = ctx.daemon.start(&p.a, &conf(200, &lines));
    wait_until(SOON, "the leftovers are removed", || nothing(&p.a));
    assert!(p.a.ip("route show metric 5").contains("10.1.0.0/16"));
    assert!(p.a.ip("rule show priority 99").contains("lookup 300"));
    assert!(there(&p.b), "and the master is left alone");
    Outcome::Passed
}

fn statics(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let top = "$SRC_IP=192.168.1.1
$DST_IP=10.0.0.0/8
$GW=192.168.1.254
$SRC_DEVICE=eth0
static_ipaddress {
    192.168.1.1/24 brd + dev eth0 scope global
}
static_routes {
    src $SRC_IP to $DST_IP dev $SRC_DEVICE
    src $SRC_IP to $DST_IP via $GW dev $SRC_DEVICE metric 1
    2001:db8:1::/48 via fd00::fe
}
static_rules {
    from 192.168.1.0/24 table 100 priority 100
}";
    let _strong = ctx.daemon.start(&b, &conf(200, &[]));
    let mut run = ctx.daemon.start(&a, &conf(100, &[]).top(top));
    wait_until(SOON, "a backup has them too", || {
        routes(&a).len() == 3 && rules(&a).len() == 1
    });
    assert_eq!(
        routes(&a)[..2],
        [
            "10.0.0.0/8 dev eth0 src 192.168.1.1",
            "10.0.0.0/8 via 192.168.1.254 dev eth0 src 192.168.1.1 metric 1",
        ]
    );
    a.ip("route del 10.0.0.0/8 metric 1");
    a.ip("rule del priority 100");
    wait_until(SOON, "what is removed is reinstalled", || {
        routes(&a).len() == 3 && rules(&a).len() == 1
    });
    // With the address of the network the kernel removes all routes through it.
    a.addr_del("192.168.1.1/24");
    wait_until(SOON, "with its address, too", || {
        routes(&a).len() == 3 && a.has("192.168.1.1")
    });
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert!(nothing(&a) && !a.has("192.168.1.1"));
    Outcome::Passed
}

fn reload(ctx: &Ctx) -> Outcome {
    let routes_of = |second: &str| {
        format!(
            "virtual_routes {{
        10.1.0.0/16 via 10.0.0.254
        {second} via 10.0.0.254
        10.3.0.0/16 via 10.0.0.254
    }}
    virtual_rules {{
        from 10.0.0.100 table 300 priority 100
        to {second} table 300 priority 101
    }}"
        )
    };
    let text = |second: &str| {
        let inst = Inst::new(51, 200, "10.0.0.100/24").line(&routes_of(second));
        Conf::of(&[inst]).top("static_routes {\n    10.9.0.0/16 via 10.0.0.254\n}")
    };
    let p = pair_of(
        &ctx.daemon,
        &text("10.2.0.0/16"),
        &ctx.daemon,
        &conf(100, &[]),
        VIP,
    );
    wait_until(SOON, "routes and rules are set", || {
        routes(&p.a).len() == 4 && rules(&p.a).len() == 2
    });
    let since = now();
    let monitor = std::process::Command::new("ip")
        .args(["monitor", "route", "rule"])
        .stdout(std::process::Stdio::piped())
        .stdin(std::process::Stdio::null())
        .spawn_in(&p.a);
    p.run_a.reload(&text("10.8.0.0/16").text());
    wait_until(SOON, "the new route is there, the old one gone", || {
        let routes = routes(&p.a);
        let has = |net: &str| routes.iter().any(|r| r.starts_with(net));
        has("10.8.0.0/16") && !has("10.2.0.0/16") && routes.len() == 4 && rules(&p.a).len() == 2
    });
    let logged = monitor.end();
    for kept in ["10.1.0.0", "10.3.0.0", "10.9.0.0", "100:"] {
        assert!(!logged.contains(kept), "{kept} was touched: {logged}");
    }
    assert!(
        logged.contains("10.8.0.0"),
        "the test sees changes: {logged}"
    );
    p.assert_undisturbed(VIP, INTERVAL, 60 * MS, since);
    Outcome::Passed
}

/// A command that runs in a node until it is stopped.
struct Monitor(std::process::Child);

trait SpawnIn {
    fn spawn_in(&mut self, node: &Node) -> Monitor;
}

impl SpawnIn for std::process::Command {
    fn spawn_in(&mut self, node: &Node) -> Monitor {
        let monitor = Monitor(node.spawn(self));
        sleep_ms(100);
        monitor
    }
}

impl Monitor {
    /// Stops it and returns its output.
    fn end(mut self) -> String {
        use std::io::Read;
        sleep_ms(50);
        let _ = self.0.kill();
        let mut text = String::new();
        if let Some(mut out) = self.0.stdout.take() {
            let _ = out.read_to_string(&mut text);
        }
        let _ = self.0.wait();
        text
    }
}
