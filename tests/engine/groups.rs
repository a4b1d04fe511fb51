//! Sync groups: the order in which members act, and notifications of the group.

use crate::support::kernel::{Kernel, advert, at, ifname, instance, receive, run, start};
use vrrpd::config::model::{Config, Fifo, SyncGroup, User, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{GroupId, InstanceId, VrrpState};

const IN: &str = "192.0.2.100/32";
const OUT: &str = "198.51.100.100/32";

fn two_networks() -> Kernel {
    Kernel::with(
        &[(1, "lo", true), (2, "eth0", true), (3, "eth1", true)],
        &[
            (1, "127.0.0.1/8"),
            (2, "192.0.2.1/24"),
            (3, "198.51.100.1/24"),
        ],
    )
}

/// VI_7 on eth0 and VI_8 on eth1, with an advert interval of 100 ms.
fn members() -> Vec<VrrpInstance> {
    let mut inside = instance(7, 100, &[IN]);
    let mut outside = instance(8, 100, &[OUT]);
    outside.interface = ifname("eth1");
    for address in &mut outside.vips {
        address.dev = ifname("eth1");
    }
    inside.sync_group = Some(GroupId(0));
    outside.sync_group = Some(GroupId(0));
    vec![inside, outside]
}

fn config(instances: Vec<VrrpInstance>) -> Config {
    let grouped = |index: &usize| instances[*index].sync_group == Some(GroupId(0));
    let members = (0..instances.len())
        .filter(grouped)
        .map(InstanceId)
        .collect();
    let group = SyncGroup {
        name: "VG".into(),
        members,
        ..SyncGroup::default()
    };
    let mut config = Config {
        sync_groups: vec![group],
        instances,
        ..Config::default()
    };
    config.global.notify_fifo = Some(Fifo {
        path: "/run/fifo".into(),
        user: User { uid: 0, gid: 0 },
        script: None,
    });
    config
}

fn engine(config: Config) -> Engine {
    Engine::new(config, Options::default())
}

fn states(engine: &Engine) -> Vec<VrrpState> {
    engine.instances().map(|(_, state, _)| state).collect()
}

const MASTERS: [VrrpState; 2] = [VrrpState::Master; 2];
const BACKUPS: [VrrpState; 2] = [VrrpState::Backup; 2];
const FAULTS: [VrrpState; 2] = [VrrpState::Fault; 2];

/// A group that is master at 500 ms.
fn masters() -> (Engine, Kernel) {
    let mut kernel = two_networks();
    let mut engine = engine(config(members()));
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    assert_eq!(states(&engine), MASTERS);
    kernel.take_log();
    (engine, kernel)
}

#[test]
fn sync_group_takes_over_together_adverts_first_notifications_last() {
    let mut kernel = two_networks();
    let mut instances = members();
    // One down timer expires a little before the other.
    instances[1].priority = vrrpd::types::Priority(90);
    let mut engine = engine(config(instances));
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(states(&engine), BACKUPS);
    kernel.take_log();
    run(&mut engine, &mut kernel, at(363));
    assert_eq!(states(&engine), BACKUPS, "VI_7 is willing, VI_8 is not");
    run(&mut engine, &mut kernel, at(370));
    assert_eq!(states(&engine), MASTERS);
    assert_eq!(
        kernel.take_log(),
        [
            "advert 7 prio 100 to 224.0.0.18",
            "advert 8 prio 90 to 224.0.0.18",
            "add 2 192.0.2.100/32",
            "add 3 198.51.100.100/32",
            "garp 2 192.0.2.100",
            "garp 3 198.51.100.100",
            "fifo /run/fifo INSTANCE \"VI_7\" MASTER 100",
            "fifo /run/fifo INSTANCE \"VI_8\" MASTER 90",
            "fifo /run/fifo GROUP \"VG\" MASTER 0",
        ]
    );
}

#[test]
fn sync_group_follows_link_down_and_up() {
    let (mut engine, mut kernel) = masters();
    kernel.set_link(3, "eth1", false);
    kernel.deliver(&mut engine, at(510));
    assert_eq!(states(&engine), FAULTS);
    assert_eq!(
        kernel.take_log(),
        [
            "advert 7 prio 0 to 224.0.0.18",
            "del 2 192.0.2.100/32",
            "del 3 198.51.100.100/32",
            "fifo /run/fifo INSTANCE \"VI_7\" FAULT 100",
            "fifo /run/fifo INSTANCE \"VI_8\" FAULT 100",
            "fifo /run/fifo GROUP \"VG\" FAULT 0",
        ]
    );
    kernel.set_link(3, "eth1", true);
    kernel.deliver(&mut engine, at(600));
    assert_eq!(states(&engine), BACKUPS);
    run(&mut engine, &mut kernel, at(1_000));
    assert_eq!(states(&engine), MASTERS);
}

#[test]
fn sync_group_yields_to_a_higher_priority_master_without_priority_0() {
    let (mut engine, mut kernel) = masters();
    let higher_priority = advert(8, 150, "198.51.100.2", "224.0.0.18", &[OUT]);
    receive(&mut engine, &mut kernel, at(510), 3, &higher_priority);
    assert_eq!(states(&engine), BACKUPS);
    assert_eq!(
        kernel.take_log(),
        [
            "del 3 198.51.100.100/32",
            "del 2 192.0.2.100/32",
            "fifo /run/fifo INSTANCE \"VI_8\" BACKUP 100",
            "fifo /run/fifo INSTANCE \"VI_7\" BACKUP 100",
            "fifo /run/fifo GROUP \"VG\" BACKUP 0",
        ]
    );
    // Adverts of the higher-priority master on one network keep the group backup, even without
    // adverts on the other.
    for n in 1..40 {
        let now = at(510 + n * 50);
        receive(&mut engine, &mut kernel, now, 3, &higher_priority);
        run(&mut engine, &mut kernel, now);
        assert_eq!(states(&engine), BACKUPS);
    }
    assert_eq!(
        kernel.take_log(),
        Vec::<String>::new(),
        "no change, no requests"
    );
}

#[test]
fn sync_group_answers_a_lower_priority_master_with_garp_on_all_members() {
    let (mut engine, mut kernel) = masters();
    let lower_priority = advert(8, 50, "198.51.100.2", "224.0.0.18", &[OUT]);
    receive(&mut engine, &mut kernel, at(510), 3, &lower_priority);
    let log = kernel.take_log();
    for line in ["garp 2 192.0.2.100", "garp 3 198.51.100.100"] {
        assert!(log.iter().any(|one| one == line), "{line} in {log:?}");
    }
}

#[test]
fn stop_notifies_members_then_the_sync_group() {
    let (mut engine, mut kernel) = masters();
    engine.stop(at(510), &mut kernel);
    let log = kernel.take_log();
    let lines: Vec<&String> = log.iter().filter(|one| one.starts_with("fifo")).collect();
    assert_eq!(
        lines,
        [
            "fifo /run/fifo INSTANCE \"VI_7\" STOP 100",
            "fifo /run/fifo INSTANCE \"VI_8\" STOP 100",
            "fifo /run/fifo GROUP \"VG\" STOP 0",
        ]
    );
    assert!(!kernel.has(IN) && !kernel.has(OUT));
}

#[test]
fn reload_new_member_of_a_master_sync_group_becomes_master_at_once() {
    let (mut engine, mut kernel) = masters();
    let mut instances = members();
    let mut third = instance(9, 100, &["192.0.2.109/32"]);
    third.sync_group = Some(GroupId(0));
    instances.push(third);
    engine.reload(at(510), config(instances), &mut kernel);
    kernel.deliver(&mut engine, at(510));
    assert_eq!(states(&engine), [VrrpState::Master; 3]);
    assert!(kernel.has(IN) && kernel.has(OUT) && kernel.has("192.0.2.109/32"));
}

#[test]
fn reload_sync_group_of_a_master_and_a_backup_becomes_backup() {
    let mut kernel = two_networks();
    let mut ungrouped = members();
    for instance in &mut ungrouped {
        instance.sync_group = None;
    }
    let mut plain = config(ungrouped);
    plain.sync_groups.clear();
    let mut engine = engine(plain);
    start(&mut engine, &mut kernel, at(0));
    let higher_priority = advert(8, 150, "198.51.100.2", "224.0.0.18", &[OUT]);
    for n in 0..10 {
        receive(&mut engine, &mut kernel, at(n * 50), 3, &higher_priority);
        run(&mut engine, &mut kernel, at(n * 50));
    }
    assert_eq!(states(&engine), [VrrpState::Master, VrrpState::Backup]);
    engine.reload(at(510), config(members()), &mut kernel);
    assert_eq!(states(&engine), BACKUPS);
    engine.reload(at(520), config(members()), &mut kernel);
    assert_eq!(states(&engine), BACKUPS);
    run(&mut engine, &mut kernel, at(1_500));
    assert_eq!(states(&engine), MASTERS, "the other master is gone");
}

#[test]
fn reload_removing_a_member_does_not_disturb_the_sync_group() {
    let (mut engine, mut kernel) = masters();
    let only = members().into_iter().take(1).collect();
    engine.reload(at(510), config(only), &mut kernel);
    kernel.deliver(&mut engine, at(510));
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert!(kernel.has(IN) && !kernel.has(OUT));
}
