//! Sync groups: two routers, each with an interface inside (eth0) and one outside (eth1).

use std::fs;

use vrrpd_lab::private::DIR;
use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, Node, Running, sleep_ms, wait_until};

use crate::notify::{Reader, script};
use crate::support::SOON;
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("sync_group_fails_over_with_either_link", link),
    Test::new("sync_group_stays_together_in_a_partition", cut),
    Test::new("sync_group_resigns_once_per_member", end),
    Test::new("sync_group_of_keepalived_backs_up_vrrpd", strong),
    Test::new("sync_group_of_vrrpd_backs_up_keepalived", weak),
    Test::new(
        "notify_priority_changes_of_a_sync_group_matches_keepalived",
        priority_changes,
    ),
    Test::new("sync_group_of_the_sample_configuration_fails_over", seed),
];

const INSIDE: &str = "10.0.0.100";
const OUTSIDE: &str = "10.1.0.100";

/// The second network: another bridge in the switch's namespace.
fn outside(lab: &Lab, nodes: &[&Node], dev: &str, net: &str) {
    let (sw, bridge) = (lab.switch(), format!("br-{dev}"));
    sw.ip(&format!(
        "link add {bridge} type bridge mcast_snooping 0 forward_delay 0"
    ));
    sw.ip(&format!("link set {bridge} up"));
    for (n, node) in nodes.iter().enumerate() {
        let port = port(node, dev);
        node.ip(&format!(
            "link add name {dev} type veth peer name {port} netns {}",
            sw.id()
        ));
        sw.ip(&format!("link set dev {port} master {bridge} up"));
        node.ip(&format!("link set {dev} up"));
        node.ip(&format!("addr add {net}.{}/24 dev {dev}", n + 1));
    }
}

/// The switch's end of a node's interface.
fn port(node: &Node, dev: &str) -> String {
    format!("{}-{dev}", node.name)
}

fn holds(node: &Node, dev: &str, addr: &str) -> bool {
    let text = node.ip(&format!("-o addr show dev {dev}"));
    text.contains(&format!(" {addr}/"))
}

/// A sync group of an instance inside and one outside.
fn conf(priority: u8) -> Conf {
    let instance = |name: &str, dev: &str, vrid: u8, vip: &str| {
        format!(
            "vrrp_instance {name} {{\n state BACKUP\n interface {dev}\n virtual_router_id {vrid}\n \
             priority {priority}\n advert_int 0.1\n version 3\n virtual_ipaddress {{\n {vip}/24\n }}\n}}"
        )
    };
    Conf::default()
        .top("vrrp_sync_group VG {\n group {\n IN\n OUT\n }\n}")
        .top(&instance("IN", "eth0", 51, INSIDE))
        .top(&instance("OUT", "eth1", 52, OUTSIDE))
}

/// Two routers; `a` has the higher priority.
struct Two {
    a: Node,
    b: Node,
    run_a: Running,
    run_b: Running,
    // Last, so that it is dropped after what runs in it.
    lab: Lab,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holder {
    A,
    B,
    Nobody,
    Mixed,
}

impl Two {
    fn new(strong: &Daemon, weak: &Daemon) -> Self {
        let lab = Lab::new();
        let a = lab.node("r1", &["10.0.0.1/24"]);
        let b = lab.node("r2", &["10.0.0.2/24"]);
        outside(&lab, &[&a, &b], "eth1", "10.1.0");
        let run_a = strong.start(&a, &conf(200));
        let two = Two {
            run_b: {
                wait_until(SOON, "the stronger router takes both", || {
                    holds(&a, "eth0", INSIDE) && holds(&a, "eth1", OUTSIDE)
                });
                weak.start(&b, &conf(100))
            },
            a,
            b,
            run_a,
            lab,
        };
        sleep_ms(500);
        two.stays(Holder::A, 1);
        two
    }

    fn holder(&self) -> Holder {
        let a = [
            holds(&self.a, "eth0", INSIDE),
            holds(&self.a, "eth1", OUTSIDE),
        ];
        let b = [
            holds(&self.b, "eth0", INSIDE),
            holds(&self.b, "eth1", OUTSIDE),
        ];
        match (a, b) {
            ([true, true], [false, false]) => Holder::A,
            ([false, false], [true, true]) => Holder::B,
            ([false, false], [false, false]) => Holder::Nobody,
            _ => Holder::Mixed,
        }
    }

    #[track_caller]
    fn becomes(&self, wanted: Holder, why: &str) {
        wait_until(SOON, why, || self.holder() == wanted);
    }

    #[track_caller]
    fn stays(&self, wanted: Holder, tenths: u32) {
        for _ in 0..tenths {
            assert_eq!(self.holder(), wanted);
            sleep_ms(100);
        }
    }

    /// In both directions, on either side.
    fn links(&self) {
        for (dev, side) in [("eth1", "outside"), ("eth0", "inside")] {
            let sw = self.lab.switch();
            let port = match dev {
                "eth0" => self.a.name.clone(),
                _ => port(&self.a, dev),
            };
            sw.ip(&format!("link set dev {port} down"));
            self.becomes(Holder::B, &format!("both move when the link {side} breaks"));
            sw.ip(&format!("link set dev {port} up"));
            self.becomes(Holder::A, &format!("and back when {side} is repaired"));
        }
    }
}

fn link(ctx: &Ctx) -> Outcome {
    let two = Two::new(&ctx.daemon, &ctx.daemon);
    two.links();
    let message = "VRRP_Group(VG) Syncing instances to MASTER state";
    for log in [two.run_a.log(), two.run_b.log()] {
        assert!(log.contains(message), "{log}");
    }
    Outcome::Passed
}

/// The routers receive no adverts from each other outside; the links are up.
fn cut(ctx: &Ctx) -> Outcome {
    let two = Two::new(&ctx.daemon, &ctx.daemon);
    let sw = two.lab.switch();
    let port = port(&two.b, "eth1");
    sw.ip(&format!("link set dev {port} nomaster"));
    two.stays(Holder::A, 15);
    sw.ip(&format!("link set dev {port} master br-eth1"));
    two.stays(Holder::A, 5);
    assert_eq!(two.run_b.log().matches("Entering MASTER").count(), 0);
    Outcome::Passed
}

fn end(ctx: &Ctx) -> Outcome {
    let mut two = Two::new(&ctx.daemon, &ctx.daemon);
    let cap = Capture::start(&two.lab);
    let at = two.run_a.term();
    two.becomes(Holder::B, "the end of one is the beginning of the other");
    two.run_a.wait_exit(SOON).expect("it ends");
    let adverts = cap.adverts(&two.a, 51, at);
    let resignations = adverts.iter().filter(|(_, advert)| advert.priority == 0);
    assert_eq!(resignations.count(), 1, "{adverts:?}");
    two.run_a = ctx.daemon.start(&two.a, &conf(200));
    two.becomes(Holder::A, "it comes back on both sides");
    two.run_a.kill9();
    let both = || holds(&two.b, "eth0", INSIDE) && holds(&two.b, "eth1", OUTSIDE);
    wait_until(SOON, "a killed one is replaced on both sides", both);
    Outcome::Passed
}

// ---- with keepalived on one side ----

fn strong(ctx: &Ctx) -> Outcome {
    with_keepalived(ctx, &ctx.daemon, &ctx.keepalived)
}

fn weak(ctx: &Ctx) -> Outcome {
    with_keepalived(ctx, &ctx.keepalived, &ctx.daemon)
}

fn with_keepalived(ctx: &Ctx, strong: &Daemon, weak: &Daemon) -> Outcome {
    if !ctx.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    Two::new(strong, weak).links();
    Outcome::Passed
}

// ---- notifications ----

/// Lines of the FIFO of a group with `notify_priority_changes` and three members, one of which says
/// `off` itself: all of them when they become master, and what each change of priority adds.
fn priority_lines(daemon: &Daemon) -> [Vec<String>; 3] {
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    node.ip("link add d0 type veth peer name d1");
    node.ip("link set d1 up");
    let fifo = format!("{DIR}/group-priority-{}.fifo", daemon.name());
    let member = |vrid: u8| Inst::new(vrid, 100, &format!("10.0.0.{}/24", 100 + vrid));
    let conf = Conf::of(&[
        member(51),
        member(52),
        member(53).line("notify_priority_changes off"),
    ])
    .global(&format!("notify_fifo {fifo}"))
    .top(
        "vrrp_sync_group VG {\n group {\n VI_51\n VI_52\n VI_53\n }\n sync_group_tracking_weight\n \
         notify_priority_changes\n track_interface {\n d0 weight 10\n }\n}",
    );
    let _run = daemon.start(&node, &conf);
    let mut reader = Reader::open(&fifo);
    let mut step = |last: &str| {
        let mut text = String::new();
        wait_until(SOON, &format!("{last} of {}", daemon.name()), || {
            text += &reader.take();
            text.contains(last)
        });
        sleep_ms(300);
        text += &reader.take();
        // The order within a group is not defined.
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let master = step("GROUP \"VG\" MASTER");
    node.ip("link set d0 up");
    let up = step("MASTER_PRIORITY 110");
    node.ip("link set d0 down");
    [master, up, step("MASTER_PRIORITY 100")]
}

fn priority_changes(ctx: &Ctx) -> Outcome {
    let ours = priority_lines(&ctx.daemon);
    let told =
        |vrid: u8, priority: u8| format!("INSTANCE \"VI_{vrid}\" MASTER_PRIORITY {priority}");
    assert_eq!(ours[1], [told(51, 110), told(52, 110)]);
    assert_eq!(ours[2], [told(51, 100), told(52, 100)]);
    if !ctx.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    assert_eq!(ours, priority_lines(&ctx.keepalived));
    Outcome::Passed
}

// ---- the sample configuration ----

fn seed(ctx: &Ctx) -> Outcome {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../golden/seeds/s3_sync_group_repaired.conf"
    );
    let text = fs::read_to_string(file).expect("the seed");
    let lab = Lab::new();
    let a = lab.node("r1", &["192.168.200.1/24"]);
    let b = lab.node("r2", &["192.168.200.2/24"]);
    // Its routes use gateways behind its own addresses, and one behind an address that must exist.
    outside(&lab, &[&a, &b], "eth1", "192.168.100");
    outside(&lab, &[&a, &b], "eth2", "192.168.101");
    let calls = |node: &Node| format!("{DIR}/group-{}.calls", node.id());
    let text_for = |node: &Node, source: &str| {
        let notify = script(
            &format!("group-{}", node.id()),
            &format!("echo \"$@\" >> {}", calls(node)),
        );
        text.replace("/path/to/notify.sh", &notify).replace(
            "mcast_src_ip 192.168.200.1",
            &format!("mcast_src_ip {source}"),
        )
    };
    let mut run_a = ctx
        .daemon
        .start_text(&a, &text_for(&a, "192.168.200.1"), &[]);
    let vips = [
        ("eth1", "192.168.200.17"),
        ("eth2", "192.168.200.18"),
        ("eth1", "192.168.200.27"),
        ("eth2", "192.168.200.28"),
    ];
    let all = |node: &Node| vips.iter().all(|(dev, vip)| holds(node, dev, vip));
    let none = |node: &Node| !vips.iter().any(|(dev, vip)| holds(node, dev, vip));
    wait_until(SOON, "the first takes all addresses", || all(&a));
    let run_b = ctx
        .daemon
        .start_text(&b, &text_for(&b, "192.168.200.2"), &[]);
    // Both instances track it; a sync group is in FAULT if a member is.
    lab.switch()
        .ip(&format!("link set dev {} down", port(&a, "eth1")));
    wait_until(SOON, "the second takes all of them", || all(&b) && none(&a));
    lab.switch()
        .ip(&format!("link set dev {} up", port(&a, "eth1")));
    sleep_ms(1500);
    assert!(all(&b) && none(&a), "nopreempt");
    let lines = || fs::read_to_string(calls(&b)).unwrap_or_default();
    wait_until(SOON, "the script of the sync group has run", || {
        lines().contains("GROUP VG_1 MASTER 0")
    });
    assert!(
        run_b
            .log()
            .contains("VRRP_Group(VG_1) Syncing instances to MASTER state")
    );
    run_a.term();
    run_a.wait_exit(SOON).expect("it ends");
    Outcome::Passed
}
