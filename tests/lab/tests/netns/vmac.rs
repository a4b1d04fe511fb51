//! `use_vmac`: the virtual router MAC address moves with the virtual addresses.

use std::fs;
use std::time::Duration;

use vrrpd_lab::{
    Capture, Conf, Daemon, Frame, Inst, Lab, Node, Ns, Running, now, sleep_ms, wait_until,
};

use crate::no_accept::answers_at;
use crate::support::{RESUME_LIMIT_MS, SOON, VIP};
use crate::{Ctx, Outcome, Test};

/// Its ARP requests have the virtual IP address and the real MAC address as sender.
const ASKS: &str = "sends ARP requests with the real MAC address";

pub(crate) const TESTS: &[Test] = &[
    Test::new("vmac_sends_adverts_garp_and_arp_replies", carries).keepalived_fails(ASKS),
    Test::new("vmac_carries_ipv6", carries6),
    Test::new(
        "vmac_stays_the_same_when_another_router_takes_over",
        failover,
    )
    .keepalived_fails(ASKS),
    Test::new("vmac_is_never_a_source_on_a_backup", backup_is_silent),
    Test::new("vmac_of_two_instances_on_one_interface", two).keepalived_fails(ASKS),
    Test::new("vmac_xmit_base_sends_adverts_with_the_real_address", base).keepalived_fails(ASKS),
    Test::new("vmac_survives_a_lost_carrier", carrier).keepalived_fails(ASKS),
    Test::new("vmac_is_recreated_with_its_interface", recreated).keepalived_fails(ASKS),
    Test::new("vmac_left_by_a_killed_daemon_is_reused", leftover).keepalived_fails(ASKS),
    Test::new(
        "vmac_master_receives_adverts_from_a_second_master",
        second_master,
    ),
    Test::new("reload_creates_and_deletes_a_vmac", reloaded)
        .keepalived_fails("does not log the end of a reload"),
    Test::new("vmac_with_no_accept_does_not_answer", no_accept),
    Test::new("vmac_on_a_macvlan_works_and_is_removed", on_macvlan).keepalived_fails(ASKS),
    Test::new("link_local_neighbors_reach_vips_without_prefix", link_local),
    Test::new(
        "vmac_of_an_address_on_another_interface",
        on_other_interface,
    ),
    Test::new("vmac_forwards_with_strict_rp_filter", routes)
        .keepalived_fails("forwards as new interfaces do"),
    Test::new("keepalived_backs_up_vrrpd_with_a_vmac", keepalived_weak),
    Test::new("vrrpd_backs_up_keepalived_with_a_vmac", keepalived_strong),
    Test::new(
        "keepalived_backs_up_vrrpd_with_an_ipv6_vmac",
        keepalived_weak6,
    ),
    Test::new(
        "vrrpd_backs_up_keepalived_with_an_ipv6_vmac",
        keepalived_strong6,
    ),
];

/// The virtual router MAC address of VRID 51.
const VMAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];
const VMAC6: [u8; 6] = [0, 0, 0x5e, 0, 2, 51];
const VIP6: &str = "fd00::100";

fn conf(priority: u8) -> Conf {
    Conf::of(&[Inst::new(51, priority, "10.0.0.100/24").line("use_vmac")])
}

fn conf6(priority: u8) -> Conf {
    let inst = Inst::new(51, priority, "fe80::100/64").vip("fd00::100/64");
    Conf::of(&[inst.line("use_vmac")])
}

fn text(mac: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// Whether the node has `addr` on that interface.
pub(crate) fn has(node: &Node, dev: &str, addr: &str) -> bool {
    let all = node.ip("-o addr show");
    all.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(dev)
            && words.nth(1).and_then(|cidr| cidr.split('/').next()) == Some(addr)
    })
}

pub(crate) fn is_there(node: &Node, dev: &str) -> bool {
    node.ip("-o link show").contains(&format!(" {dev}@"))
}

/// Source MAC address of a frame.
fn sender(frame: &Frame) -> [u8; 6] {
    frame.raw[6..12].try_into().expect("a frame")
}

/// The MAC address in the client's neighbor table for `addr`, after resolving it.
fn known(client: &Node, addr: &str) -> String {
    answers_at(client, addr);
    let line = client.ip(&format!("neigh show {addr} dev eth0"));
    let mut words = line.split_whitespace().skip_while(|word| *word != "lladdr");
    words.nth(1).unwrap_or("none").to_owned()
}

struct Pair {
    cap: Capture,
    client: Node,
    a: Node,
    b: Node,
    run_a: Running,
    run_b: Running,
    lab: Lab,
}

/// A pair with `a` as master on its interface `dev`, and a client.
fn pair(strong: &Daemon, ca: &Conf, weak: &Daemon, cb: &Conf, dev: &str, vip: &str) -> Pair {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    let b = lab.node("r2", &["10.0.0.2/24", "fd00::2/64"]);
    let client = lab.node("client", &["10.0.0.9/24", "fd00::9/64"]);
    let cap = Capture::start(&lab);
    let run_a = strong.start(&a, ca);
    wait_until(SOON, "the stronger router becomes master", || {
        has(&a, dev, vip)
    });
    let run_b = weak.start(&b, cb);
    sleep_ms(600);
    assert!(has(&a, dev, vip) && !has(&b, dev, vip), "one master");
    assert!(
        cap.adverts(&b, 0, 0).is_empty(),
        "the weaker router sends no advert"
    );
    Pair {
        cap,
        client,
        a,
        b,
        run_a,
        run_b,
        lab,
    }
}

fn ours(ctx: &Ctx) -> Pair {
    pair(
        &ctx.daemon,
        &conf(200),
        &ctx.daemon,
        &conf(100),
        "vrrp.51",
        VIP,
    )
}

impl Pair {
    /// Asserts that frames with these properties exist and that all came from `mac`.
    #[track_caller]
    fn all_from(&self, what: &str, mac: [u8; 6], since: Ns, pick: impl Fn(&Frame) -> bool) {
        let frames = self.cap.since(since);
        let macs: Vec<_> = frames.iter().filter(|f| pick(f)).map(sender).collect();
        assert!(!macs.is_empty(), "no {what}");
        assert!(macs.iter().all(|found| *found == mac), "{what}: {macs:x?}");
    }
}

fn carries(ctx: &Ctx) -> Outcome {
    let p = ours(ctx);
    assert!(answers_at(&p.client, VIP));
    assert_eq!(known(&p.client, VIP), text(VMAC));
    assert_eq!(
        known(&p.client, "10.0.0.1"),
        text(p.a.mac()),
        "its real one"
    );
    p.all_from("advert", VMAC, 0, |f| f.advert().is_some());
    // None was dropped by an interface that was not ready.
    assert!(!p.run_a.log().contains("not sent"));
    p.all_from("announcement", VMAC, 0, |f| {
        f.announces() == Some(crate::support::ip(VIP))
    });
    let (_, advert) = p.cap.advert_of(&p.a, 0, SOON);
    assert_eq!(advert.from, crate::support::ip("10.0.0.1"));
    // The router resolves the client with the virtual address as sender.
    p.a.ip("neigh flush all");
    let send = || {
        let socket = std::net::UdpSocket::bind((VIP, 0))?;
        socket.send_to(b"?", ("10.0.0.9", 9))
    };
    p.a.inside(send).expect("a packet from the virtual address");
    sleep_ms(50);
    assert_eq!(known(&p.client, VIP), text(VMAC));
    // ARP replies for the router's own address have the real MAC address, those for the VIP the
    // virtual one.
    for _ in 0..5 {
        p.client.ip("neigh flush dev eth0");
        assert_eq!(known(&p.client, VIP), text(VMAC));
        assert_eq!(known(&p.client, "10.0.0.1"), text(p.a.mac()));
    }
    Outcome::Passed
}

fn carries6(ctx: &Ctx) -> Outcome {
    let p = pair(
        &ctx.daemon,
        &conf6(200),
        &ctx.daemon,
        &conf6(100),
        "vrrp.51",
        VIP6,
    );
    for vip in [VIP6, "fe80::100"] {
        assert!(answers_at(&p.client, vip), "{vip}");
        assert_eq!(known(&p.client, vip), text(VMAC6), "{vip}");
    }
    assert_eq!(known(&p.client, "fd00::1"), text(p.a.mac()), "its real one");
    p.all_from("advert", VMAC6, 0, |f| f.advert().is_some());
    assert!(!p.run_a.log().contains("not sent"));
    p.all_from("announcement", VMAC6, 0, |f| {
        f.announces() == Some(crate::support::ip(VIP6))
    });
    Outcome::Passed
}

/// The base interface is a macvlan itself, as OpenWrt's "MAC VLAN" devices are.
fn on_macvlan(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &[]);
    let client = lab.node("client", &["10.0.0.9/24"]);
    a.ip("link add link eth0 name wan0 type macvlan mode bridge");
    a.ip("link set wan0 up");
    a.ip("addr add 10.0.0.1/24 dev wan0");
    let conf = conf(200).text().replace("interface eth0", "interface wan0");
    let mut run = ctx.daemon.start_text(&a, &conf, &[]);
    wait_until(SOON, "master", || has(&a, "vrrp.51", VIP));
    let index = || {
        a.ip("-o link show vrrp.51")
            .split(':')
            .next()
            .map(str::to_owned)
    };
    let first = index();
    wait_until(SOON, VIP, || answers_at(&client, VIP));
    assert_eq!(known(&client, VIP), text(VMAC));
    assert_eq!(index(), first, "the same interface");
    run.term();
    assert!(run.wait_exit(SOON).is_some());
    assert!(!is_there(&a, "vrrp.51"));
    Outcome::Passed
}

/// Neighbors with link-local addresses only: replies need fe80::/64 on the macvlan.
fn link_local(ctx: &Ctx) -> Outcome {
    for vips in [&["fe80::1", VIP6][..], &[VIP6]] {
        let mut inst = Inst::new(51, 200, vips[0]);
        for vip in &vips[1..] {
            inst = inst.vip(vip);
        }
        let lab = Lab::new();
        let a = lab.node("r1", &["fd00::1/64"]);
        let client = lab.node("client", &[]);
        client.ip("route add fd00::/64 dev eth0");
        let _run = ctx.daemon.start(&a, &Conf::of(&[inst.line("use_vmac")]));
        for vip in vips {
            wait_until(SOON, vip, || has(&a, "vrrp.51", vip));
            wait_until(SOON, vip, || answers_at(&client, vip));
            assert_eq!(known(&client, vip), text(VMAC6), "{vip}");
        }
    }
    Outcome::Passed
}

fn on_other_interface(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let client = lab.node("client", &["10.0.0.9/24"]);
    a.ip("link add link eth0 name lan0 type macvlan mode bridge");
    a.ip("link set lan0 up");
    a.ip("addr add 10.0.0.3/24 dev lan0");
    // Both are in one network: otherwise eth0 would answer as well.
    a.sysctl("net.ipv4.conf.all.arp_ignore", "1");
    let inst = Inst::new(51, 200, "10.0.0.100/24").vip("10.0.0.101/24 dev lan0 use_vmac");
    let conf = Conf::of(&[inst]).global("vmac_addr_prefix vip");
    let mut run = ctx.daemon.start(&a, &conf);
    wait_until(SOON, "master", || has(&a, "vip.51", "10.0.0.101"));
    assert!(has(&a, "eth0", VIP));
    wait_until(SOON, VIP, || answers_at(&client, "10.0.0.101"));
    assert_eq!(known(&client, "10.0.0.101"), text(VMAC));
    run.term();
    assert!(run.wait_exit(SOON).is_some());
    assert!(!is_there(&a, "vip.51"));
    Outcome::Passed
}

fn failover(ctx: &Ctx) -> Outcome {
    let mut p = ours(ctx);
    assert_eq!(known(&p.client, VIP), text(VMAC));
    let at = p.run_a.kill9();
    // The interface that a dead router leaves would answer as well.
    p.a.delete_interface();
    p.cap.advert_of(&p.b, at, SOON);
    wait_until(SOON, "the other has the address", || {
        has(&p.b, "vrrp.51", VIP)
    });
    assert_eq!(known(&p.client, VIP), text(VMAC), "nothing to learn");
    assert!(answers_at(&p.client, VIP), "and it answers");
    p.all_from("advert of the new master", VMAC, at, |f| {
        f.advert().is_some() && *f.node == *p.b.name
    });
    Outcome::Passed
}

fn backup_is_silent(ctx: &Ctx) -> Outcome {
    let mut p = ours(ctx);
    p.b.sysctl("net.ipv6.conf.all.forwarding", "1");
    assert!(answers_at(&p.client, VIP) && answers_at(&p.client, "10.0.0.2"));
    p.run_a.term();
    assert!(p.run_a.wait_exit(SOON).is_some(), "it ends");
    wait_until(SOON, "it takes over", || has(&p.b, "vrrp.51", VIP));
    let _again = ctx.daemon.start(&p.a, &conf(200));
    wait_until(SOON, "and gives back", || !has(&p.b, "vrrp.51", VIP));
    let since = now() + 100_000_000;
    sleep_ms(1500);
    let frames = p.cap.since(since);
    let wrong = |f: &&Frame| *f.node == *p.b.name && sender(f) == VMAC;
    assert_eq!(frames.iter().filter(wrong).count(), 0);
    Outcome::Passed
}

fn two(ctx: &Ctx) -> Outcome {
    let inst = |vrid, vip| Inst::new(vrid, 200, vip).line("use_vmac");
    let six = Inst::new(51, 200, "fe80::100/64").vip("fd00::100/64");
    let conf = Conf::of(&[
        inst(51, "10.0.0.100/24"),
        inst(52, "10.0.0.101/24"),
        // `Conf` names an instance after its VRID, which these two share.
        six.line("use_vmac"),
    ]);
    let conf = conf
        .text()
        .replacen("vrrp_instance VI_51 {", "vrrp_instance VI_4 {", 1);
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    let client = lab.node("client", &["10.0.0.9/24", "fd00::9/64"]);
    let mut run = ctx.daemon.start_text(&a, &conf, &[]);
    let all = [
        ("vrrp.51", VIP, VMAC),
        ("vrrp.52", "10.0.0.101", [0, 0, 0x5e, 0, 1, 52]),
        ("vrrp6.51", VIP6, VMAC6),
    ];
    for (dev, vip, mac) in all {
        wait_until(SOON, dev, || has(&a, dev, vip));
        wait_until(SOON, vip, || answers_at(&client, vip));
        assert_eq!(known(&client, vip), text(mac), "{vip}");
    }
    let arp_ignore = || {
        let read = || fs::read_to_string("/proc/sys/net/ipv4/conf/eth0/arp_ignore");
        a.inside(read).expect("arp_ignore").trim().to_owned()
    };
    assert_eq!(arp_ignore(), "1");
    run.term();
    assert!(run.wait_exit(SOON).is_some());
    for (dev, ..) in all {
        assert!(!is_there(&a, dev), "{dev} is gone");
    }
    assert_eq!(arp_ignore(), "0", "as before");
    Outcome::Passed
}

fn base(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let client = lab.node("client", &["10.0.0.9/24"]);
    let cap = Capture::start(&lab);
    let inst = Inst::new(51, 200, "10.0.0.100/24");
    let conf = Conf::of(&[inst.line("use_vmac vr51 2:0:0:0:7").line("vmac_xmit_base")]);
    let _run = ctx.daemon.start(&a, &conf);
    wait_until(SOON, "master", || has(&a, "vr51", VIP));
    assert_eq!(
        known(&client, VIP),
        "02:00:00:00:07:33",
        "completed by the VRID"
    );
    cap.advert_of(&a, 0, SOON);
    let frames = cap.since(0);
    let adverts = frames.iter().filter(|f| f.advert().is_some());
    assert!(adverts.map(sender).all(|mac| mac == a.mac()));
    Outcome::Passed
}

fn carrier(ctx: &Ctx) -> Outcome {
    let p = ours(ctx);
    for _ in 0..2 {
        let at = now();
        p.a.carrier_down();
        p.cap.advert_of(&p.b, at, SOON);
        wait_until(SOON, "the address moves", || {
            has(&p.b, "vrrp.51", VIP) && !has(&p.a, "vrrp.51", VIP)
        });
        let back = now();
        p.a.carrier_up();
        p.cap.advert_of(&p.a, back, SOON);
        wait_until(SOON, "the address comes back", || {
            has(&p.a, "vrrp.51", VIP) && !has(&p.b, "vrrp.51", VIP)
        });
        assert!(answers_at(&p.client, VIP));
        assert_eq!(known(&p.client, VIP), text(VMAC));
    }
    Outcome::Passed
}

fn recreated(ctx: &Ctx) -> Outcome {
    let p = ours(ctx);
    let at = now();
    p.a.delete_interface();
    assert!(
        !is_there(&p.a, "vrrp.51"),
        "removed with its base interface"
    );
    p.cap.advert_of(&p.b, at, SOON);
    let back = now();
    p.a.add_interface();
    p.a.addr_add("10.0.0.1/24");
    p.cap.advert_of(&p.a, back, SOON);
    wait_until(SOON, "the address comes back", || {
        has(&p.a, "vrrp.51", VIP) && !has(&p.b, "vrrp.51", VIP)
    });
    assert!(answers_at(&p.client, VIP));
    assert_eq!(known(&p.client, VIP), text(VMAC));
    // Only the macvlan is removed externally.
    let at = now();
    p.a.ip("link del vrrp.51");
    wait_until(SOON, "it is made again", || has(&p.a, "vrrp.51", VIP));
    p.cap.advert_of(&p.a, at, SOON);
    p.a.ip("link set vrrp.51 down");
    wait_until(SOON, "it is switched on again", || {
        answers_at(&p.client, VIP)
    });
    Outcome::Passed
}

fn leftover(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let client = lab.node("client", &["10.0.0.9/24"]);
    let mut run = ctx.daemon.start(&a, &conf(200));
    wait_until(SOON, "master", || has(&a, "vrrp.51", VIP));
    run.kill9();
    sleep_ms(RESUME_LIMIT_MS);
    let before = a.ip("-o link show vrrp.51");
    let mut run = ctx.daemon.start(&a, &conf(100));
    sleep_ms(100);
    assert!(!has(&a, "vrrp.51", VIP), "no master yet");
    wait_until(SOON, "master again", || has(&a, "vrrp.51", VIP));
    let number = |line: &str| line.split(':').next().map(str::to_owned);
    assert_eq!(number(&a.ip("-o link show vrrp.51")), number(&before));
    assert_eq!(known(&client, VIP), text(VMAC));
    run.kill9();
    // Same name, other address: it is recreated.
    let inst = Inst::new(51, 200, "10.0.0.100/24").line("use_vmac vrrp.51 2:0:0:0:7");
    let mut run = ctx.daemon.start(&a, &Conf::of(&[inst]));
    wait_until(SOON, "master with another", || {
        has(&a, "vrrp.51", VIP) && known(&client, VIP) == "02:00:00:00:07:33"
    });
    run.term();
    assert!(run.wait_exit(SOON).is_some());
    assert!(!is_there(&a, "vrrp.51"));
    Outcome::Passed
}

/// Both are master, then receive each other's adverts: the source MAC address of a frame is the
/// receiver's own.
fn second_master(ctx: &Ctx) -> Outcome {
    let p = ours(ctx);
    p.b.carrier_down();
    sleep_ms(200);
    p.b.carrier_up();
    p.a.carrier_down();
    let at = now();
    p.cap.advert_of(&p.b, at, SOON);
    // b is master. a, alone on its segment, would become master too, but its carrier returns
    // before.
    p.a.carrier_up();
    wait_until(SOON, "only the stronger router has it", || {
        has(&p.a, "vrrp.51", VIP) && !has(&p.b, "vrrp.51", VIP)
    });
    // A partition: frames of a are lost for a while.
    p.lab.switch().ip("link set dev r1 nomaster");
    let at = now();
    p.cap.advert_of(&p.b, at, SOON);
    assert!(has(&p.a, "vrrp.51", VIP), "two masters now");
    p.lab.switch().ip("link set dev r1 master br0");
    wait_until(
        SOON,
        "the weaker router receives adverts of the stronger",
        || !has(&p.b, "vrrp.51", VIP),
    );
    // The other direction: the master receives an advert with higher priority.
    p.lab.switch().ip("link set dev r1 nomaster");
    wait_until(SOON, "two masters again", || has(&p.b, "vrrp.51", VIP));
    if ctx.daemon != Daemon::Keepalived {
        p.run_b.reload(&conf(250).text());
        p.lab.switch().ip("link set dev r1 master br0");
        wait_until(
            SOON,
            "the master receives adverts of the stronger router",
            || !has(&p.a, "vrrp.51", VIP),
        );
        assert!(has(&p.b, "vrrp.51", VIP));
    }
    Outcome::Passed
}

fn reloaded(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let client = lab.node("client", &["10.0.0.9/24"]);
    let run = ctx.daemon.start(&a, &conf(200));
    wait_until(SOON, "master", || has(&a, "vrrp.51", VIP));
    let two = Inst::new(51, 200, "10.0.0.100/24").vip("10.0.0.101/24");
    run.reload(&Conf::of(&[two.line("use_vmac")]).text());
    wait_until(SOON, "one more", || has(&a, "vrrp.51", "10.0.0.101"));
    assert_eq!(
        run.log().matches("Entering MASTER").count(),
        1,
        "still master"
    );
    let plain = Conf::of(&[Inst::new(51, 200, "10.0.0.100/24")]);
    run.reload(&plain.text());
    wait_until(SOON, "the real interface", || a.has(VIP));
    assert!(!is_there(&a, "vrrp.51"));
    assert_eq!(known(&client, VIP), text(a.mac()));
    run.reload(&conf(200).text());
    wait_until(SOON, "its own again", || has(&a, "vrrp.51", VIP));
    wait_until(SOON, "the client learns it", || {
        known(&client, VIP) == text(VMAC)
    });
    Outcome::Passed
}

fn no_accept(ctx: &Ctx) -> Outcome {
    let inst = |vip| Inst::new(51, 200, vip).line("use_vmac").line("no_accept");
    let lab = Lab::new();
    let client = lab.node("client", &["10.0.0.9/24", "fd00::9/64"]);
    for (name, vip, mac) in [("r1", "10.0.0.100", VMAC), ("r2", "fe80::100", VMAC6)] {
        let node = lab.node(name, &["10.0.0.1/24"]);
        let conf = Conf::of(&[inst(vip)]);
        let mut run = ctx.daemon.start(&node, &conf);
        wait_until(SOON, "master", || has(&node, "vrrp.51", vip));
        assert!(!answers_at(&client, vip), "{vip}");
        assert_eq!(known(&client, vip), text(mac), "{vip}");
        run.kill9();
        node.delete_interface();
    }
    Outcome::Passed
}

/// A router that forwards on these two interfaces only, with strict reverse path filtering.
fn routes(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let far = lab.node("far", &[]);
    let client = lab.node("client", &["10.0.0.9/24"]);
    let far_ns = far.id();
    a.ip(&format!(
        "link add name wan type veth peer name lan netns {far_ns}"
    ));
    a.ip("addr add 192.0.2.1/24 dev wan");
    a.ip("link set wan up");
    for name in ["all.rp_filter", "eth0.forwarding", "wan.forwarding"] {
        a.sysctl(&format!("net.ipv4.conf.{name}"), "1");
    }
    far.ip("addr add 192.0.2.2/24 dev lan");
    far.ip("link set lan up");
    far.ip("route add 10.0.0.0/24 via 192.0.2.1");
    client.ip(&format!("route add 192.0.2.0/24 via {VIP}"));
    let _run = ctx.daemon.start(&a, &conf(200));
    wait_until(SOON, "master", || has(&a, "vrrp.51", VIP));
    assert!(
        answers_at(&client, "192.0.2.2"),
        "the host behind the router"
    );
    assert_eq!(known(&client, VIP), text(VMAC));
    Outcome::Passed
}

// ---- with keepalived ----

fn interop(
    strong: &Daemon,
    weak: &Daemon,
    conf: fn(u8) -> Conf,
    vip: &str,
    mac: [u8; 6],
) -> Outcome {
    let mut p = pair(strong, &conf(200), weak, &conf(100), "vrrp.51", vip);
    for node in [&p.a, &p.b] {
        // Without it keepalived sends ARP requests with the virtual IP address and the real MAC
        // address.
        node.sysctl("net.ipv4.conf.all.arp_announce", "2");
    }
    wait_until(SOON, "it answers", || answers_at(&p.client, vip));
    assert_eq!(known(&p.client, vip), text(mac));
    let at = p.run_a.term();
    assert!(p.run_a.wait_exit(SOON).is_some());
    p.cap.advert_of(&p.b, at, SOON);
    wait_until(SOON, "the other has the address", || {
        has(&p.b, "vrrp.51", vip)
    });
    assert_eq!(known(&p.client, vip), text(mac));
    assert!(answers_at(&p.client, vip));
    let back = now();
    p.run_a = strong.start(&p.a, &conf(200));
    p.cap.advert_of(&p.a, back, Duration::from_secs(10));
    wait_until(SOON, "it gives the address back", || {
        !has(&p.b, "vrrp.51", vip)
    });
    wait_until(SOON, "it answers", || answers_at(&p.client, vip));
    assert_eq!(known(&p.client, vip), text(mac));
    assert!(p.run_b.alive());
    Outcome::Passed
}

fn keepalived_weak(ctx: &Ctx) -> Outcome {
    interop(&ctx.daemon, &ctx.keepalived, conf, VIP, VMAC)
}

fn keepalived_strong(ctx: &Ctx) -> Outcome {
    interop(&ctx.keepalived, &ctx.daemon, conf, VIP, VMAC)
}

fn keepalived_weak6(ctx: &Ctx) -> Outcome {
    interop(&ctx.daemon, &ctx.keepalived, conf6, VIP6, VMAC6)
}

fn keepalived_strong6(ctx: &Ctx) -> Outcome {
    interop(&ctx.keepalived, &ctx.daemon, conf6, VIP6, VMAC6)
}
