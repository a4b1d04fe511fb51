//! Instances: the order of requests at state changes, and reactions to rejected requests, removed
//! addresses and missing interfaces.

use std::time::Duration;

use crate::support::kernel::{
    Kernel, address, advert, at, cidr, engine, engine_with, eth0, ifname, instance, receive, run,
    start,
};
use vrrpd::config::model::{Config, Track, Tracked, UpDownDelay};
use vrrpd::engine::{Engine, Options};
use vrrpd::netlink::link::LinkFlags;
use vrrpd::netlink::{Link, Message};
use vrrpd::types::{IfIndex, Mac, Priority, VrrpState};

const VIP: &str = "192.0.2.100/32";

pub(super) fn state(engine: &Engine, name: &str) -> VrrpState {
    let mut all = engine.instances();
    all.find(|(known, ..)| *known == name)
        .map(|(_, state, _)| state)
        .expect("it is configured")
}

#[test]
fn takeover_sends_advert_then_installs_vips_then_sends_garp() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP, "192.0.2.101/32"])]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
    kernel.take_log();
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(
        kernel.take_log()[..5],
        [
            "advert 7 prio 100 to 224.0.0.18",
            "add 2 192.0.2.100/32",
            "add 2 192.0.2.101/32",
            "garp 2 192.0.2.100",
            "garp 2 192.0.2.101",
        ]
    );
    assert_eq!(state(&engine, "VI_7"), VrrpState::Master);
}

#[test]
fn stop_sends_priority_0_and_removes_only_added_vips() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    kernel.take_log();
    engine.stop(at(450), &mut kernel);
    assert_eq!(
        kernel.take_log(),
        ["advert 7 prio 0 to 224.0.0.18", "del 2 192.0.2.100/32"]
    );
    assert!(kernel.has("192.0.2.1/24") && kernel.has("127.0.0.1/8") && !kernel.has(VIP));
}

#[test]
fn dont_release_vrrp_keeps_vips_on_stop() {
    let mut kernel = eth0();
    let options = Options {
        dont_release: true,
        ..Options::default()
    };
    let mut engine = engine_with(vec![instance(7, 100, &[VIP])], options);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    engine.stop(at(450), &mut kernel);
    assert!(kernel.has(VIP));
}

#[test]
fn removed_vip_is_reinstalled_and_announced_at_once() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    kernel.take_log();
    kernel.remove(2, cidr(VIP));
    kernel.deliver(&mut engine, at(410));
    assert_eq!(
        kernel.take_log(),
        ["add 2 192.0.2.100/32", "garp 2 192.0.2.100"]
    );
    assert_eq!(state(&engine, "VI_7"), VrrpState::Master);
}

#[test]
fn vip_with_a_pending_netlink_event_is_not_taken_for_removed() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    kernel.take_log();
    let due = engine.next_deadline().expect("the takeover");
    engine.expire(due, &mut kernel);
    assert!(kernel.has(VIP));
    // A changed MAC address of the interface triggers a full comparison.
    engine.netlink_event(
        due,
        &Message::NewLink(Link {
            index: IfIndex(2),
            name: "eth0",
            flags: LinkFlags(LinkFlags::UP.0 | LinkFlags::RUNNING.0),
            mtu: None,
            mac: Some(Mac([2, 0, 0, 0, 9, 9])),
            kind: None,
            master: None,
            parent: None,
            group: 0,
            vrf_table: None,
        }),
    );
    engine.refresh(due, &mut kernel);
    kernel.deliver(&mut engine, due);
    let log = kernel.take_log();
    let announced = log.iter().filter(|line| line.starts_with("garp")).count();
    assert_eq!(announced, 1, "{log:?}");
}

#[test]
fn rejected_vip_is_retried_while_others_are_installed() {
    let mut kernel = eth0();
    kernel.reject_addr = Some((cidr(VIP).addr, 22, "no such luck"));
    let mut engine = engine(vec![instance(7, 100, &[VIP, "192.0.2.101/32"])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Master, "state stands");
    assert!(!kernel.has(VIP) && kernel.has("192.0.2.101/32"));
    kernel.reject_addr = None;
    run(&mut engine, &mut kernel, at(1_800));
    assert!(kernel.has(VIP), "tried again after a second");
}

#[test]
fn leftover_vips_are_removed_and_never_used_as_source() {
    let mut kernel = Kernel::with(&[(2, "eth0", true)], &[]);
    kernel.leave(2, VIP);
    kernel.add(2, "192.0.2.1/24");
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    assert!(!kernel.has(VIP) && kernel.has("192.0.2.1/24"));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
}

#[test]
fn address_of_an_owner_is_never_removed() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 255, &["192.0.2.1/24"])]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Master);
    engine.stop(at(50), &mut kernel);
    assert!(kernel.has("192.0.2.1/24"));
    assert!(!kernel.take_log().iter().any(|line| line.starts_with("del")));
}

#[test]
fn interface_may_appear_late_disappear_and_return() {
    let mut kernel = Kernel::with(&[(1, "lo", true)], &[]);
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Fault);
    for (index, start_ms) in [(5, 100), (9, 2_000)] {
        kernel.set_link(index, "eth0", true);
        kernel.deliver(&mut engine, at(start_ms));
        assert_eq!(
            state(&engine, "VI_7"),
            VrrpState::Fault,
            "no address to send from yet"
        );
        kernel.add(index, "192.0.2.1/24");
        kernel.deliver(&mut engine, at(start_ms + 10));
        assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
        run(&mut engine, &mut kernel, at(start_ms + 500));
        assert_eq!(state(&engine, "VI_7"), VrrpState::Master);
        assert!(
            kernel
                .addrs
                .iter()
                .any(|a| (a.index, a.cidr) == (index, cidr(VIP)))
        );
        kernel.drop_link(index);
        kernel.deliver(&mut engine, at(start_ms + 600));
        assert_eq!(state(&engine, "VI_7"), VrrpState::Fault);
    }
    let log = kernel.take_log();
    let sockets: Vec<&String> = log.iter().filter(|line| line.contains("listen")).collect();
    assert_eq!(
        sockets,
        [
            "listen 5 Some(\"eth0\") [224.0.0.18]",
            "unlisten 5",
            "listen 9 Some(\"eth0\") [224.0.0.18]",
            "unlisten 9"
        ]
    );
}

#[test]
fn link_down_and_lost_source_address_cause_a_temporary_fault() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(500));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Fault);
    assert!(!kernel.has(VIP));
    kernel.set_link(2, "eth0", true);
    kernel.deliver(&mut engine, at(600));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
    kernel.remove(2, cidr("192.0.2.1/24"));
    kernel.deliver(&mut engine, at(700));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Fault);
}

#[test]
fn track_interface_causes_fault_or_changes_priority() {
    for (name, weight, want_state, want_priority) in [
        ("weight 0", 0, VrrpState::Fault, None),
        (
            "lowers while down",
            -30,
            VrrpState::Master,
            Some("advert 7 prio 70 to 224.0.0.18"),
        ),
        (
            "raises while up",
            30,
            VrrpState::Master,
            Some("advert 7 prio 100 to 224.0.0.18"),
        ),
    ] {
        let mut kernel = eth0();
        kernel.set_link(3, "eth1", true);
        let mut conf = instance(7, 100, &[VIP]);
        conf.tracks = vec![Track {
            object: Tracked::Interface(ifname("eth1")),
            weight,
            reverse: false,
        }];
        let mut engine = engine(vec![conf]);
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(400));
        kernel.set_link(3, "eth1", false);
        kernel.deliver(&mut engine, at(500));
        kernel.take_log();
        assert_eq!(state(&engine, "VI_7"), want_state, "{name}");
        run(&mut engine, &mut kernel, at(650));
        let log = kernel.take_log();
        assert_eq!(
            log.iter()
                .find(|l| l.starts_with("advert"))
                .map(String::as_str),
            want_priority
        );
    }
}

#[test]
fn adverts_are_dispatched_by_vrid_and_interface() {
    let mut kernel = eth0();
    kernel.set_link(3, "eth1", true);
    kernel.add(3, "198.51.100.1/24");
    let mut other = instance(7, 100, &["198.51.100.100/32"]);
    other.name = "OTHER".into();
    other.interface = ifname("eth1");
    other.vips = vec![address("198.51.100.100/32", "eth1")];
    let mut engine = engine(vec![instance(7, 100, &[VIP]), instance(8, 100, &[]), other]);
    start(&mut engine, &mut kernel, at(0));
    for ms in (0..1_000).step_by(50) {
        let packet = advert(7, 200, "192.0.2.2", "224.0.0.18", &[VIP]);
        receive(&mut engine, &mut kernel, at(ms), 2, &packet);
        run(&mut engine, &mut kernel, at(ms + 49));
    }
    assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
    assert_eq!(state(&engine, "VI_8"), VrrpState::Master);
    assert_eq!(state(&engine, "OTHER"), VrrpState::Master);
}

#[test]
fn instance_without_a_receive_socket_does_not_take_over() {
    let mut kernel = eth0();
    kernel.listen_errno = Some(1);
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(3_000));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Fault);
    kernel.listen_errno = None;
    run(&mut engine, &mut kernel, at(5_000));
    assert_eq!(
        state(&engine, "VI_7"),
        VrrpState::Master,
        "tried again every second"
    );
}

#[test]
fn static_ipaddress_is_kept_while_the_daemon_runs() {
    let mut kernel = eth0();
    let static_addresses = vec![
        address("10.9.9.9/24", "eth0"),
        address("10.8.8.8/24", "eth7"),
    ];
    let config = Config {
        static_addresses,
        ..Config::default()
    };
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    assert!(kernel.has("10.9.9.9/24") && !kernel.has("10.8.8.8/24"));
    let mut log = kernel.take_log();
    log.retain(|line| line.starts_with("add"));
    assert_eq!(log, ["add 2 10.9.9.9/24"], "once");
    kernel.set_link(7, "eth7", true);
    kernel.deliver(&mut engine, at(10));
    assert!(kernel.has("10.8.8.8/24"), "its interface has appeared");
    kernel.remove(2, cidr("10.9.9.9/24"));
    kernel.deliver(&mut engine, at(20));
    assert!(kernel.has("10.9.9.9/24"), "reinstalled");
    engine.stop(at(30), &mut kernel);
    assert!(!kernel.has("10.9.9.9/24") && !kernel.has("10.8.8.8/24") && kernel.has("192.0.2.1/24"));
}

#[test]
fn link_down_counts_after_its_configured_delay() {
    let mut kernel = eth0();
    let mut config = Config {
        instances: vec![instance(7, 100, &[VIP])],
        ..Config::default()
    };
    let delay = Duration::from_secs(1);
    config.global.up_down_delays = vec![UpDownDelay {
        interface: ifname("eth0"),
        down: delay,
        up: Duration::ZERO,
    }];
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(500));
    kernel.set_link(2, "eth0", true);
    kernel.deliver(&mut engine, at(900));
    run(&mut engine, &mut kernel, at(3_000));
    assert_eq!(
        state(&engine, "VI_7"),
        VrrpState::Master,
        "a flicker is not believed"
    );
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(3_000));
    run(&mut engine, &mut kernel, at(3_990));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Master);
    run(&mut engine, &mut kernel, at(4_010));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Fault);
}

#[test]
fn garp_interval_applies_across_instances_of_an_interface() {
    let mut kernel = eth0();
    let mut confs = vec![
        instance(7, 100, &[VIP, "192.0.2.101/32"]),
        instance(8, 100, &["192.0.2.102/32"]),
    ];
    for conf in &mut confs {
        conf.garp.interval = Duration::from_millis(30);
    }
    let mut engine = engine(confs);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(362));
    let sent = |kernel: &mut Kernel| {
        let log = kernel.take_log();
        log.iter().filter(|line| line.starts_with("garp")).count()
    };
    assert_eq!(sent(&mut kernel), 1, "the takeover is at 361 ms");
    run(&mut engine, &mut kernel, at(395));
    assert_eq!(sent(&mut kernel), 1);
    run(&mut engine, &mut kernel, at(600));
    assert_eq!(sent(&mut kernel), 1);
}

#[test]
fn simultaneous_takeovers_send_all_adverts_before_installing_vips() {
    let mut kernel = eth0();
    let confs = (1..=20).map(|vrid| instance(vrid, 100, &[&format!("192.0.2.{}/32", 100 + vrid)]));
    let mut engine = engine(confs.collect());
    start(&mut engine, &mut kernel, at(0));
    kernel.take_log();
    run(&mut engine, &mut kernel, at(365));
    let order: Vec<String> = kernel
        .take_log()
        .iter()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    let (adverts, rest) = order.split_at(20);
    let (adds, garps) = rest.split_at(20);
    assert!(adverts.iter().all(|word| word == "advert"), "{adverts:?}");
    assert!(adds.iter().all(|word| word == "add"), "{adds:?}");
    assert!(garps[..20].iter().all(|word| word == "garp"), "{garps:?}");
}

#[test]
fn ipv6_vips_skip_dad_and_static_addresses_do_not() {
    let mut kernel = eth0();
    let mut conf = instance(7, 100, &[VIP]);
    conf.excluded_vips = vec![address("2001:db8::1/64", "eth0")];
    let config = Config {
        instances: vec![conf],
        static_addresses: vec![address("2001:db8::2/64", "eth0")],
        ..Config::default()
    };
    let mut engine = Engine::new(config, Options::default());
    kernel.quiet = true;
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    for (text, want) in [("2001:db8::1/64", true), ("2001:db8::2/64", false)] {
        let found = kernel.addrs.iter().find(|addr| addr.cidr == cidr(text));
        assert_eq!(found.map(|addr| addr.nodad), Some(want), "{text}");
    }
}

/// A backup (VRID 7) and a master (VRID 8), whose receive socket is under a flood.
fn under_flood() -> (Kernel, Engine) {
    let mut kernel = eth0();
    let master = instance(8, 255, &["192.0.2.101/32"]);
    let mut engine = engine(vec![instance(7, 100, &[VIP]), master]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(state(&engine, "VI_8"), VrrpState::Master);
    (kernel, engine)
}

#[test]
fn down_timer_waits_for_packets_that_arrived_before_its_deadline_and_a_master_does_not() {
    let (mut kernel, mut engine) = under_flood();
    // Due after 361 ms.
    kernel.reception.read_until = Some(at(360));
    run(&mut engine, &mut kernel, at(500));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
    kernel.take_log();
    run(&mut engine, &mut kernel, at(700));
    let log = kernel.take_log();
    let adverts = log
        .iter()
        .filter(|line| line.starts_with("advert 8"))
        .count();
    assert_eq!(adverts, 2, "the master's are on time: {log:?}");
    // The advert was among the unread packets.
    let alive = advert(7, 200, "192.0.2.2", "224.0.0.18", &[VIP]);
    receive(&mut engine, &mut kernel, at(701), 2, &alive);
    kernel.reception.read_until = None;
    run(&mut engine, &mut kernel, at(900));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
    kernel.reception.read_until = Some(at(1_062));
    run(&mut engine, &mut kernel, at(1_063));
    assert_eq!(
        state(&engine, "VI_7"),
        VrrpState::Master,
        "all older ones are read"
    );
}

/// Serves every deadline 300 µs late, as a real machine does.
fn run_with_late_wakeups(engine: &mut Engine, kernel: &mut Kernel, until: u64) {
    while let Some(due) = engine.next_deadline() {
        let now = due.after(Duration::from_micros(300));
        if now > at(until) {
            break;
        }
        engine.expire(now, kernel);
    }
}

#[test]
fn flood_that_cannot_be_read_does_not_keep_a_backup_from_taking_over() {
    let mut cautious = instance(7, 100, &[VIP]);
    cautious.nopreempt = true;
    cautious.timer_expired_backup = Some(Priority(254));
    for conf in [instance(7, 100, &[VIP]), cautious] {
        let mut kernel = eth0();
        let mut engine = engine(vec![conf]);
        start(&mut engine, &mut kernel, at(0));
        kernel.reception.read_until = Some(at(0));
        // Twice the down interval, each with one interval for unread packets.
        run_with_late_wakeups(&mut engine, &mut kernel, 915);
        assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
        run_with_late_wakeups(&mut engine, &mut kernel, 930);
        assert_eq!(state(&engine, "VI_7"), VrrpState::Master);
    }
}

#[test]
fn backup_listens_once_more_when_the_receive_buffer_has_overflowed() {
    let (mut kernel, mut engine) = under_flood();
    kernel.reception.lost_at = Some(at(200));
    run(&mut engine, &mut kernel, at(700));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
    kernel.reception.lost_at = Some(at(600));
    run(&mut engine, &mut kernel, at(730));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Master);
}

#[test]
fn flood_of_adverts_of_lower_priority_causes_one_garp_per_address_and_second() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 255, &[VIP, "192.0.2.101/32"])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(20_000));
    kernel.quiet = true;
    let before = kernel.frames;
    let weak = advert(7, 50, "192.0.2.2", "224.0.0.18", &[VIP]);
    for ms in (20_000..50_000).step_by(31) {
        run(&mut engine, &mut kernel, at(ms));
        receive(&mut engine, &mut kernel, at(ms), 2, &weak);
    }
    let frames = kernel.frames - before;
    assert!(
        (58..=80).contains(&frames),
        "{frames}: two bursts, then 29 rounds"
    );
}
