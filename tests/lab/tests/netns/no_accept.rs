//! `no_accept`: addresses that do not answer; alone and with `vrrp_strict`.
//!
//! The probe is a TCP connection to a port without a listener: a host that answers refuses it, a
//! packet filter lets it time out.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, TcpStream};
use std::process::Command;
use std::time::Duration;

use vrrpd_lab::{Conf, Inst, Lab, Node, Running, wait_until};

use crate::support::{SOON, VIP, conf, ip};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("no_accept_drops_packets_to_the_vip", dropped),
    Test::new("no_accept_lets_routed_packets_pass", routed),
    Test::new("no_accept_lets_ipv6_neighbor_discovery_pass", neighbors),
    Test::new("accept_and_address_owners_answer", answers),
    Test::new("vrrp_strict_answers_only_with_accept", strict),
    Test::new("no_accept_rules_are_removed_on_shutdown", gone),
    Test::new("no_accept_rules_of_a_killed_daemon_are_removed", killed)
        .keepalived_fails("keeps the table when it is no longer needed"),
    Test::new(
        "no_accept_rules_flushed_externally_return_at_the_next_takeover",
        flushed,
    )
    .keepalived_fails("adds to a table that is gone"),
    Test::new("no_accept_leaves_the_routers_own_address_reachable", own)
        .keepalived_fails("drops packets to it, and removes it"),
    Test::new("reload_switches_no_accept_without_a_gap", reloaded)
        .keepalived_fails("does not log the end of a reload"),
];

/// Whether a host answers at `to` by refusing the connection.
pub(crate) fn answers_at(client: &Node, to: &str) -> bool {
    let addr = ip(to);
    let scope = match addr {
        IpAddr::V6(six) if six.is_unicast_link_local() => client
            .inside(|| nix::net::if_::if_nametoindex("eth0"))
            .expect("the client's leg"),
        _ => 0,
    };
    let socket = match addr {
        IpAddr::V4(_) => SocketAddr::new(addr, 9),
        IpAddr::V6(six) => SocketAddrV6::new(six, 9, 0, scope).into(),
    };
    let result = client.inside(|| TcpStream::connect_timeout(&socket, Duration::from_millis(400)));
    match result {
        Err(e) => e.kind() == ErrorKind::ConnectionRefused,
        Ok(_) => true,
    }
}

fn ruleset(node: &Node) -> String {
    let output = node.output(Command::new("nft").args(["list", "ruleset"]));
    assert!(output.status.success(), "nft: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A router and a client on a segment; the router is master of all instances of `conf`.
struct Stage {
    run: Running,
    router: Node,
    client: Node,
    lab: Lab,
}

fn stage(ctx: &Ctx, conf: &Conf, vip: &str) -> Stage {
    let lab = Lab::new();
    let router = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    let client = lab.node("client", &["10.0.0.9/24", "fd00::9/64"]);
    let run = ctx.daemon.start(&router, conf);
    wait_until(SOON, "the router becomes master", || router.has(vip));
    Stage {
        run,
        router,
        client,
        lab,
    }
}

fn dropped(ctx: &Ctx) -> Outcome {
    let inst = Inst::new(51, 200, "10.0.0.100/24").line("no_accept");
    let other = Inst::new(52, 200, "10.0.0.200/24");
    let s = stage(ctx, &Conf::of(&[inst, other]), VIP);
    wait_until(SOON, "the other address", || s.router.has("10.0.0.200"));
    assert!(!answers_at(&s.client, VIP), "no_accept");
    assert!(answers_at(&s.client, "10.0.0.200"), "the other instance");
    assert!(answers_at(&s.client, "10.0.0.1"), "the router's own");
    Outcome::Passed
}

fn routed(ctx: &Ctx) -> Outcome {
    let s = stage(ctx, &conf(200, &["no_accept"]), VIP);
    let far = s.lab.node("far", &[]);
    s.router.sysctl("net.ipv4.ip_forward", "1");
    s.router.ip(&format!(
        "link add name wan type veth peer name lan netns {}",
        far.id()
    ));
    s.router.ip("addr add 192.0.2.1/24 dev wan");
    s.router.ip("link set wan up");
    far.ip("addr add 192.0.2.2/24 dev lan");
    far.ip("link set lan up");
    far.ip("route add 10.0.0.0/24 via 192.0.2.1");
    s.client.ip(&format!("route add 192.0.2.0/24 via {VIP}"));
    wait_until(SOON, "the host behind the router answers", || {
        answers_at(&s.client, "192.0.2.2")
    });
    assert!(!answers_at(&s.client, VIP));
    Outcome::Passed
}

fn neighbors(ctx: &Ctx) -> Outcome {
    let inst = Inst::new(51, 200, "fe80::100/64").vip("fd00::100/64");
    let s = stage(ctx, &Conf::of(&[inst.line("no_accept")]), "fd00::100");
    for vip in ["fd00::100", "fe80::100"] {
        assert!(!answers_at(&s.client, vip), "{vip}");
        let entry = s.client.ip(&format!("-6 neigh show {vip} dev eth0"));
        assert!(entry.contains("lladdr"), "{vip}: {entry}");
    }
    assert!(answers_at(&s.client, "fd00::1"), "the router's own");
    Outcome::Passed
}

fn answers(ctx: &Ctx) -> Outcome {
    let plain = Inst::new(51, 200, "10.0.0.100/24").line("accept");
    let owner = Inst::new(52, 255, "10.0.0.200/24");
    let six = Inst::new(53, 200, "fe80::100/64").vip("fd00::100/64");
    let s = stage(ctx, &Conf::of(&[plain, owner, six]), VIP);
    for vip in [VIP, "10.0.0.200", "fd00::100", "fe80::100"] {
        wait_until(SOON, "the address is set", || s.router.has(vip));
        assert!(answers_at(&s.client, vip), "{vip}");
    }
    assert_eq!(ruleset(&s.router), "", "nothing to filter");
    Outcome::Passed
}

fn strict(ctx: &Ctx) -> Outcome {
    let plain = Inst::new(51, 200, "10.0.0.100/24");
    let accept = Inst::new(52, 200, "10.0.0.101/24").line("accept");
    let two = Inst::new(53, 200, "10.0.0.102/24").v2().line("accept");
    let owner = Inst::new(54, 255, "10.0.0.103/24").master();
    let lax = Inst::new(55, 200, "10.0.0.104/24").line("strict_mode off");
    let conf = Conf::of(&[plain, accept, two, owner, lax]).global("vrrp_strict");
    let s = stage(ctx, &conf, VIP);
    for (vip, wanted) in [
        (VIP, false),
        ("10.0.0.101", true),
        ("10.0.0.102", false),
        ("10.0.0.103", true),
        ("10.0.0.104", true),
    ] {
        wait_until(SOON, "the address is set", || s.router.has(vip));
        assert_eq!(answers_at(&s.client, vip), wanted, "{vip}");
    }
    Outcome::Passed
}

fn gone(ctx: &Ctx) -> Outcome {
    let inst = Inst::new(51, 200, "10.0.0.100/24").line("no_accept");
    let inst = inst.line("virtual_ipaddress_excluded { fd00::100/64\n }");
    let conf = Conf::of(&[inst]).global("nftables vrrp_test");
    let mut s = stage(ctx, &conf.global("nftables_counters"), VIP);
    // A table of another program in the ruleset.
    let add = s
        .router
        .output(Command::new("nft").args(["add", "table", "ip", "other"]));
    assert!(add.status.success(), "{add:?}");
    assert!(!answers_at(&s.client, VIP));
    let rules = ruleset(&s.router);
    for part in [
        "table ip vrrp_test",
        "table ip6 vrrp_test",
        "counter packets",
    ] {
        assert!(rules.contains(part), "{part}: {rules}");
    }
    s.run.term();
    assert!(s.run.wait_exit(SOON).is_some(), "it ends");
    assert_eq!(ruleset(&s.router), "table ip other {\n}\n");
    Outcome::Passed
}

fn killed(ctx: &Ctx) -> Outcome {
    let mut s = stage(ctx, &conf(200, &["no_accept"]), VIP);
    s.run.kill9();
    assert!(ruleset(&s.router).contains(VIP), "what was left behind");
    // Another address, then the first one again.
    let inst = Inst::new(51, 200, "10.0.0.101/24").vip("10.0.0.100/24");
    let run = ctx
        .daemon
        .start(&s.router, &Conf::of(&[inst.line("no_accept")]));
    wait_until(SOON, "the new address", || s.router.has("10.0.0.101"));
    assert!(!answers_at(&s.client, VIP) && !answers_at(&s.client, "10.0.0.101"));
    assert_eq!(ruleset(&s.router).matches("table ").count(), 1);
    s.run = run;
    s.run.kill9();
    // The rules are no longer needed.
    let _run = ctx.daemon.start(&s.router, &conf(200, &[]));
    wait_until(SOON, "master again", || answers_at(&s.client, VIP));
    assert_eq!(ruleset(&s.router), "");
    Outcome::Passed
}

fn flushed(ctx: &Ctx) -> Outcome {
    let s = stage(ctx, &conf(200, &["no_accept"]), VIP);
    let flush = s
        .router
        .output(Command::new("nft").args(["flush", "ruleset"]));
    assert!(flush.status.success(), "{flush:?}");
    assert!(answers_at(&s.client, VIP), "the rules were removed");
    s.router.ip("link set eth0 down");
    wait_until(SOON, "the address goes", || !s.router.has(VIP));
    s.router.ip("link set eth0 up");
    wait_until(SOON, "the address returns", || s.router.has(VIP));
    assert!(!answers_at(&s.client, VIP));
    Outcome::Passed
}

fn reloaded(ctx: &Ctx) -> Outcome {
    let s = stage(ctx, &conf(200, &["no_accept"]), VIP);
    assert!(!answers_at(&s.client, VIP));
    s.run.reload(&conf(200, &[]).text());
    assert!(answers_at(&s.client, VIP), "no_accept was removed");
    assert_eq!(ruleset(&s.router), "");
    s.run.reload(&conf(200, &["no_accept"]).text());
    assert!(!answers_at(&s.client, VIP), "and is back");
    let two = Inst::new(51, 200, "10.0.0.100/24").vip("10.0.0.101/24");
    s.run.reload(&Conf::of(&[two.line("no_accept")]).text());
    wait_until(SOON, "the new address", || s.router.has("10.0.0.101"));
    assert!(!answers_at(&s.client, "10.0.0.101"), "a new address");
    assert_eq!(s.run.log().matches("Entering MASTER").count(), 1);
    Outcome::Passed
}

/// The owner reaches the router by an address that is also a virtual one.
fn own(ctx: &Ctx) -> Outcome {
    const OWN: &str = "10.0.0.1";
    let conf = Conf::of(&[Inst::new(51, 200, "10.0.0.100/24")
        .vip("10.0.0.1/24")
        .line("no_accept")]);
    let Stage { router, client, .. } = &stage(ctx, &conf, VIP);
    let filtered = |address: &str| {
        let rules = ruleset(router);
        let mut words = rules.split(|c: char| !c.is_ascii_digit() && c != '.');
        words.any(|word| word == address)
    };
    router.ip("address add 10.0.0.7/24 dev eth0");
    assert!(answers_at(client, OWN) && !answers_at(client, VIP));
    // Its program removes it: from then on it would be a virtual address like others.
    router.ip("address del 10.0.0.1/24 dev eth0");
    wait_until(SOON, "it is filtered before it is set", || filtered(OWN));
    router.ip("address add 10.0.0.1/24 dev eth0");
    wait_until(SOON, "it answers again", || answers_at(client, OWN));
    assert!(!answers_at(client, VIP));
    Outcome::Passed
}
