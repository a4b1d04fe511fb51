//! Notifications: scripts, FIFOs and mails, their order, and slow or absent receivers.

use std::time::Duration;

use crate::support::kernel::{Kernel, advert, at, eth0, instance, receive, run, start};
#[cfg(feature = "mail")]
use vrrpd::config::model::SmtpSettings;
use vrrpd::config::model::{Command, Config, Fifo, Notify, User, VrrpInstance};
use vrrpd::engine::system::{Exit, Pid};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Centis, Rare};
#[cfg(feature = "mail")]
use vrrpd::types::{GroupId, InstanceId};

const VIP: &str = "192.0.2.100/32";

fn command(words: &[&str]) -> Command {
    Command {
        argv: words.iter().map(|word| (*word).to_owned()).collect(),
        user: User::default(),
        secure: false,
    }
}

/// An instance with every notify script, each named like its keyword.
fn notifying_instance(vrid: u8) -> VrrpInstance {
    let mut conf = instance(vrid, 100, &[VIP]);
    let script = |word: &str| Some(command(&[&format!("/{word}"), "x"]));
    conf.notify = Rare::new(Notify {
        master: script("master"),
        backup: script("backup"),
        fault: script("fault"),
        stop: script("stop"),
        deleted: script("deleted"),
        any: script("any"),
        master_rx_lower_pri: script("lower"),
        report_deleted: true,
        ..Notify::default()
    });
    conf
}

fn fifo(path: &str, script: Option<&str>) -> Fifo {
    Fifo {
        path: path.into(),
        user: User::default(),
        script: script.map(|script| command(&[script, "arg"])),
    }
}

#[cfg(feature = "mail")]
fn mail() -> SmtpSettings {
    SmtpSettings {
        to: vec!["a@x".into()],
        from: "me@z".into(),
        server: "127.0.0.1".into(),
        helo_name: "r1".into(),
        ..SmtpSettings::default()
    }
}

fn started(config: &Config) -> (Engine, Kernel) {
    let mut kernel = eth0();
    let mut engine = Engine::new(config.clone(), Options::default());
    start(&mut engine, &mut kernel, at(0));
    (engine, kernel)
}

/// New log lines about child processes, FIFOs and mails.
fn notifications(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    let words = ["run ", "kill ", "fifo ", "post "];
    log.retain(|line| words.iter().any(|word| line.starts_with(word)));
    log
}

fn child_exited(engine: &mut Engine, kernel: &mut Kernel, ms: u64, pid: i32) {
    engine.child_ended(at(ms), Pid(pid), Exit::Code(0), kernel);
    run(engine, kernel, at(ms + 5));
}

#[test]
fn notify_scripts_of_an_instance_run_in_order() {
    let (mut engine, mut kernel) = started(&Config {
        instances: vec![notifying_instance(7)],
        ..Config::default()
    });
    run(&mut engine, &mut kernel, at(550));
    assert_eq!(
        notifications(&mut kernel),
        ["run 1 /backup x"],
        "the next ones wait"
    );
    for (ms, pid, want) in [
        (600, 1, &["run 2 /any x INSTANCE VI_7 BACKUP 100"][..]),
        (700, 2, &["run 3 /master x"]),
        (800, 3, &["run 4 /any x INSTANCE VI_7 MASTER 100"]),
        (900, 4, &[]),
    ] {
        child_exited(&mut engine, &mut kernel, ms, pid);
        assert_eq!(notifications(&mut kernel), want);
    }
}

#[test]
fn notify_script_of_a_superseded_state_is_terminated_after_a_few_seconds() {
    for (timeout, term) in [(None, 3_000), (Some(Duration::from_millis(500)), 500)] {
        let mut config = Config {
            instances: vec![notifying_instance(7)],
            ..Config::default()
        };
        config.global.notify_supersede_timeout = timeout;
        let (mut engine, mut kernel) = started(&config);
        // It becomes master before this.
        run(&mut engine, &mut kernel, at(550));
        assert_eq!(notifications(&mut kernel), ["run 1 /backup x"]);
        run(&mut engine, &mut kernel, at(term + 100));
        assert_eq!(notifications(&mut kernel), [""; 0]);
        run(&mut engine, &mut kernel, at(term + 550));
        assert_eq!(notifications(&mut kernel), ["kill 1 Term"]);
        run(&mut engine, &mut kernel, at(term + 2_550));
        assert_eq!(notifications(&mut kernel), ["kill 1 Kill"]);
        child_exited(&mut engine, &mut kernel, term + 2_600, 1);
        let want = ["kill 1 Kill", "run 2 /master x"];
        assert_eq!(notifications(&mut kernel), want, "the latest state");
    }
}

#[test]
fn blocking_notify_script_is_terminated_after_a_minute() {
    let mut conf = notifying_instance(7);
    // It stays backup.
    conf.advert_int = Centis(4_000);
    let (mut engine, mut kernel) = started(&Config {
        instances: vec![conf],
        ..Config::default()
    });
    run(&mut engine, &mut kernel, at(59_900));
    assert_eq!(notifications(&mut kernel), ["run 1 /backup x"]);
    run(&mut engine, &mut kernel, at(61_000));
    assert_eq!(notifications(&mut kernel), ["kill 1 Term"]);
    run(&mut engine, &mut kernel, at(63_000));
    assert_eq!(notifications(&mut kernel), ["kill 1 Kill"]);
    child_exited(&mut engine, &mut kernel, 63_100, 1);
    let want = ["kill 1 Kill", "run 2 /any x INSTANCE VI_7 BACKUP 100"];
    assert_eq!(notifications(&mut kernel), want);
}

#[test]
fn notify_script_that_cannot_be_started_does_not_block_the_next() {
    let (mut engine, mut kernel) = started(&Config {
        instances: vec![notifying_instance(7)],
        ..Config::default()
    });
    kernel.spawn_errno = Some(11);
    run(&mut engine, &mut kernel, at(200));
    assert_eq!(notifications(&mut kernel), [""; 0]);
    kernel.spawn_errno = None;
    run(&mut engine, &mut kernel, at(550));
    assert_eq!(notifications(&mut kernel), ["run 1 /master x"]);
}

#[test]
fn notify_scripts_of_hundreds_of_instances_run_a_few_at_a_time() {
    let (mut engine, mut kernel) = started(&Config {
        instances: (1..=200).map(notifying_instance).collect(),
        ..Config::default()
    });
    let mut most = 0;
    let mut running = Vec::new();
    for ms in 0..600 {
        run(&mut engine, &mut kernel, at(ms));
        let started = notifications(&mut kernel);
        assert!(
            started.len() <= 8,
            "{} processes within a millisecond",
            started.len()
        );
        running.extend(
            (0..started.len()).map(|nth| kernel.spawned - i32::try_from(nth).expect("few")),
        );
        most = most.max(running.len());
        if ms > 50 && !running.is_empty() {
            let pid = running.remove(0);
            engine.child_ended(at(ms), Pid(pid), Exit::Code(0), &mut kernel);
        }
    }
    assert_eq!(most, 64, "most scripts run at once");
}

#[test]
fn notify_fifo_gets_every_change_and_its_script_the_path() {
    let mut conf = notifying_instance(7);
    conf.notify = Rare::default();
    let mut config = Config {
        instances: vec![conf],
        ..Config::default()
    };
    config.global.notify_fifo = Some(fifo("/run/all", None));
    config.global.vrrp_notify_fifo = Some(fifo("/run/vrrp", Some("/reader")));
    let (mut engine, mut kernel) = started(&config);
    run(&mut engine, &mut kernel, at(550));
    assert_eq!(
        notifications(&mut kernel),
        [
            "fifo open /run/all",
            "fifo open /run/vrrp",
            "run 1 /reader arg /run/vrrp",
            "fifo /run/all INSTANCE \"VI_7\" BACKUP 100",
            "fifo /run/vrrp INSTANCE \"VI_7\" BACKUP 100",
            "fifo /run/all INSTANCE \"VI_7\" MASTER 100",
            "fifo /run/vrrp INSTANCE \"VI_7\" MASTER 100",
        ]
    );
    engine.stop(at(600), &mut kernel);
    assert_eq!(
        engine.drain_notifications(at(600), &mut kernel),
        Some(at(700))
    );
    assert_eq!(
        notifications(&mut kernel),
        [
            "fifo /run/all INSTANCE \"VI_7\" STOP 100",
            "fifo /run/vrrp INSTANCE \"VI_7\" STOP 100",
            "fifo close /run/all",
            "fifo close /run/vrrp",
        ]
    );
    assert_eq!(engine.drain_notifications(at(700), &mut kernel), None);
    assert_eq!(notifications(&mut kernel), ["kill 1 Term"]);
}

#[test]
fn reload_keeps_equal_notify_fifos_open_and_starts_their_scripts_again() {
    let mut config = Config {
        instances: vec![instance(7, 100, &[VIP])],
        ..Config::default()
    };
    config.global.notify_fifo = Some(fifo("/run/all", Some("/reader")));
    config.global.vrrp_notify_fifo = Some(fifo("/run/vrrp", Some("/reader")));
    let (mut engine, mut kernel) = started(&config);
    run(&mut engine, &mut kernel, at(550));
    notifications(&mut kernel);
    engine.reload(at(560), config.clone(), &mut kernel);
    assert_eq!(
        notifications(&mut kernel),
        [
            "kill 1 Term",
            "run 3 /reader arg /run/all",
            "kill 2 Term",
            "run 4 /reader arg /run/vrrp",
        ]
    );

    config.global.notify_fifo = Some(fifo("/run/all", Some("/other")));
    config.global.vrrp_notify_fifo = Some(fifo("/run/moved", Some("/reader")));
    config.global.fifo_states_on_reload = true;
    engine.reload(at(570), config.clone(), &mut kernel);
    assert_eq!(
        notifications(&mut kernel),
        [
            "kill 3 Term",
            "run 5 /other arg /run/all",
            "kill 4 Term",
            "fifo close /run/vrrp",
            "fifo open /run/moved",
            "run 6 /reader arg /run/moved",
            "fifo /run/all INSTANCE \"VI_7\" MASTER 100",
            "fifo /run/moved INSTANCE \"VI_7\" MASTER 100",
        ]
    );
    config.global = vrrpd::config::model::Global::default();
    engine.reload(at(580), config, &mut kernel);
    assert_eq!(
        notifications(&mut kernel),
        [
            "kill 5 Term",
            "fifo close /run/all",
            "kill 6 Term",
            "fifo close /run/moved"
        ]
    );
}

#[test]
fn reload_keeps_a_fifo_open_that_moves_to_another_keyword() {
    let mut config = Config {
        instances: vec![instance(7, 100, &[VIP])],
        ..Config::default()
    };
    config.global.notify_fifo = Some(fifo("/run/a", Some("/reader")));
    config.global.vrrp_notify_fifo = Some(fifo("/run/b", None));
    config.global.fifo_states_on_reload = true;
    let (mut engine, mut kernel) = started(&config);
    run(&mut engine, &mut kernel, at(550));
    notifications(&mut kernel);
    // They are exchanged.
    let global = &mut config.global;
    core::mem::swap(&mut global.notify_fifo, &mut global.vrrp_notify_fifo);
    engine.reload(at(560), config.clone(), &mut kernel);
    assert_eq!(
        notifications(&mut kernel),
        [
            "kill 1 Term",
            "run 2 /reader arg /run/a",
            "fifo /run/b INSTANCE \"VI_7\" MASTER 100",
            "fifo /run/a INSTANCE \"VI_7\" MASTER 100",
        ]
    );
    // One is removed, the other moves to its keyword.
    config.global.notify_fifo = config.global.vrrp_notify_fifo.take();
    engine.reload(at(570), config.clone(), &mut kernel);
    assert_eq!(
        notifications(&mut kernel),
        [
            "kill 2 Term",
            "run 3 /reader arg /run/a",
            "fifo close /run/b",
            "fifo /run/a INSTANCE \"VI_7\" MASTER 100",
        ]
    );
    // It still has its own script.
    config.global.notify_fifo = None;
    engine.reload(at(580), config, &mut kernel);
    assert_eq!(
        notifications(&mut kernel),
        ["kill 3 Term", "fifo close /run/a"]
    );
}

#[test]
fn reload_notifies_a_new_priority() {
    let mut config = Config {
        instances: vec![instance(7, 100, &[VIP])],
        ..Config::default()
    };
    config.instances[0].notify.priority_changes = true;
    config.global.notify_fifo = Some(fifo("/f", None));
    let (mut engine, mut kernel) = started(&config);
    run(&mut engine, &mut kernel, at(550));
    notifications(&mut kernel);
    config.instances[0].priority = vrrpd::types::Priority(150);
    engine.reload(at(560), config.clone(), &mut kernel);
    let line = "fifo /f INSTANCE \"VI_7\" MASTER_PRIORITY 150";
    assert_eq!(notifications(&mut kernel), [line]);
    engine.reload(at(570), config, &mut kernel);
    assert_eq!(notifications(&mut kernel), [""; 0]);
}

#[cfg(feature = "mail")]
#[test]
fn sync_group_is_notified_after_its_members() {
    let group = vrrpd::config::model::SyncGroup {
        name: "G1".into(),
        members: vec![InstanceId(0), InstanceId(1)],
        notify: Notify {
            any: Some(command(&["/group"])),
            smtp_alert: true,
            ..Notify::default()
        },
        tracking_weight: false,
    };
    let member = |vrid, vip: &str| {
        let mut conf = instance(vrid, 100, &[vip]);
        conf.sync_group = Some(GroupId(0));
        conf
    };
    let mut config = Config {
        instances: vec![member(7, VIP), member(8, "192.0.2.101/32")],
        sync_groups: vec![group],
        ..Config::default()
    };
    config.global.notify_fifo = Some(fifo("/f", None));
    config.global.smtp = Some(mail());
    config.global.fifo_states_on_reload = true;
    let (mut engine, mut kernel) = started(&config);
    run(&mut engine, &mut kernel, at(550));
    child_exited(&mut engine, &mut kernel, 560, 1);
    assert_eq!(
        notifications(&mut kernel),
        [
            "fifo open /f",
            "fifo /f INSTANCE \"VI_7\" BACKUP 100",
            "fifo /f INSTANCE \"VI_8\" BACKUP 100",
            "fifo /f GROUP \"G1\" BACKUP 0",
            "run 1 /group GROUP G1 BACKUP 0",
            "post 2 [] VRRP Group G1 - Entering BACKUP state",
            "fifo /f INSTANCE \"VI_7\" MASTER 100",
            "fifo /f INSTANCE \"VI_8\" MASTER 100",
            "fifo /f GROUP \"G1\" MASTER 0",
            "run 3 /group GROUP G1 MASTER 0",
        ]
    );
    engine.reload(at(600), config, &mut kernel);
    assert_eq!(
        notifications(&mut kernel),
        [
            "fifo /f INSTANCE \"VI_7\" MASTER 100",
            "fifo /f INSTANCE \"VI_8\" MASTER 100",
            "fifo /f GROUP \"G1\" MASTER 0",
        ],
        "repeated as fifo_write_vrrp_states_on_reload asks"
    );
    engine.stop(at(650), &mut kernel);
    assert_eq!(
        notifications(&mut kernel),
        [
            "fifo /f INSTANCE \"VI_7\" STOP 100",
            "fifo /f INSTANCE \"VI_8\" STOP 100",
            "fifo /f GROUP \"G1\" STOP 0",
        ]
    );
}

#[test]
fn notify_master_rx_lower_pri_runs_for_each_answer() {
    let mut conf = notifying_instance(7);
    (conf.notify.master, conf.notify.backup, conf.notify.any) = (None, None, None);
    let mut config = Config {
        instances: vec![conf],
        ..Config::default()
    };
    config.global.notify_fifo = Some(fifo("/f", None));
    let (mut engine, mut kernel) = started(&config);
    run(&mut engine, &mut kernel, at(550));
    notifications(&mut kernel);
    let lower_priority = advert(7, 50, "192.0.2.9", "224.0.0.18", &[VIP]);
    for ms in [560, 561, 700] {
        run(&mut engine, &mut kernel, at(ms));
        receive(&mut engine, &mut kernel, at(ms), 2, &lower_priority);
    }
    run(&mut engine, &mut kernel, at(710));
    child_exited(&mut engine, &mut kernel, 720, 1);
    let line = "fifo /f INSTANCE \"VI_7\" MASTER_RX_LOWER_PRI 100";
    assert_eq!(
        notifications(&mut kernel),
        [line, "run 1 /lower x", line, "run 2 /lower x"]
    );
}

#[test]
fn flood_of_adverts_of_lower_priority_is_notified_ten_times_in_ten_seconds() {
    let mut conf = notifying_instance(7);
    (conf.notify.master, conf.notify.backup, conf.notify.any) = (None, None, None);
    let mut config = Config {
        instances: vec![conf],
        ..Config::default()
    };
    config.global.notify_fifo = Some(fifo("/f", None));
    let (mut engine, mut kernel) = started(&config);
    run(&mut engine, &mut kernel, at(550));
    notifications(&mut kernel);
    let lower_priority = advert(7, 50, "192.0.2.9", "224.0.0.18", &[VIP]);
    for ms in (1_000..21_000).step_by(10) {
        run(&mut engine, &mut kernel, at(ms));
        receive(&mut engine, &mut kernel, at(ms), 2, &lower_priority);
    }
    let lines = notifications(&mut kernel);
    let written = lines.iter().filter(|line| line.starts_with("fifo"));
    assert_eq!(written.count(), 20, "{lines:?}");
}

#[test]
fn notify_deleted_decides_between_deleted_and_fault() {
    for (name, change, want) in [
        (
            "asked",
            None,
            &["run 1 /deleted x", "run 2 /any x INSTANCE VI_7 DELETED 100"][..],
        ),
        (
            "any only",
            Some((true, false)),
            &["run 1 /any x INSTANCE VI_7 DELETED 100"],
        ),
        (
            "not asked",
            Some((false, true)),
            &["run 1 /fault x", "run 2 /any x INSTANCE VI_7 FAULT 100"],
        ),
    ] {
        let mut conf = notifying_instance(7);
        (conf.notify.master, conf.notify.backup) = (None, None);
        if let Some((by_any, keep_fault)) = change {
            conf.notify.deleted = None;
            conf.notify.report_deleted = by_any;
            conf.notify.fault = conf.notify.fault.take().filter(|_| keep_fault);
        }
        let any = conf.notify.any.take();
        let mut config = Config {
            instances: vec![conf],
            ..Config::default()
        };
        let (mut engine, mut kernel) = started(&config);
        run(&mut engine, &mut kernel, at(550));
        config.instances[0].notify.any = any;
        engine.reload(at(560), config, &mut kernel);
        assert_eq!(notifications(&mut kernel), [""; 0], "{name}");
        engine.reload(at(570), Config::default(), &mut kernel);
        run(&mut engine, &mut kernel, at(580));
        child_exited(&mut engine, &mut kernel, 600, 1);
        assert_eq!(notifications(&mut kernel), want, "{name}");
    }
}

#[test]
fn stop_waits_a_second_for_notify_scripts() {
    let (mut engine, mut kernel) = started(&Config {
        instances: vec![notifying_instance(7)],
        ..Config::default()
    });
    run(&mut engine, &mut kernel, at(550));
    notifications(&mut kernel);
    engine.stop(at(1_000), &mut kernel);
    // notify_backup still runs; later changes are outdated.
    assert_eq!(
        engine.drain_notifications(at(1_000), &mut kernel),
        Some(at(1_400))
    );
    assert_eq!(notifications(&mut kernel), [""; 0]);
    assert!(engine.drain_notifications(at(1_400), &mut kernel).is_some());
    assert_eq!(notifications(&mut kernel), ["kill 1 Term"]);
    assert!(engine.drain_notifications(at(1_650), &mut kernel).is_some());
    assert_eq!(
        notifications(&mut kernel),
        ["kill 1 Kill"],
        "it did not listen"
    );
    engine.child_ended(at(1_660), Pid(1), Exit::Signal(9), &mut kernel);
    assert!(engine.drain_notifications(at(1_660), &mut kernel).is_some());
    assert_eq!(notifications(&mut kernel), ["kill 1 Kill", "run 2 /stop x"]);
    engine.child_ended(at(1_670), Pid(2), Exit::Code(0), &mut kernel);
    assert_eq!(
        engine.drain_notifications(at(1_670), &mut kernel),
        Some(at(2_000))
    );
    assert_eq!(
        notifications(&mut kernel),
        ["run 3 /any x INSTANCE VI_7 STOP 100"]
    );
    assert_eq!(engine.drain_notifications(at(2_000), &mut kernel), None);
    assert_eq!(notifications(&mut kernel), ["kill 3 Term"]);
}

#[test]
fn stop_without_notifications_exits_at_once() {
    let (mut engine, mut kernel) = started(&Config {
        instances: vec![instance(7, 100, &[VIP])],
        ..Config::default()
    });
    engine.stop(at(100), &mut kernel);
    assert_eq!(engine.drain_notifications(at(100), &mut kernel), None);
}

#[cfg(feature = "mail")]
#[test]
fn mails_are_sent_one_at_a_time() {
    let mut conf = instance(7, 100, &[VIP]);
    conf.notify.smtp_alert = true;
    let mut config = Config {
        instances: vec![conf, instance(8, 100, &["192.0.2.101/32"])],
        ..Config::default()
    };
    config.global.smtp = Some(mail());
    config.global.router_id = "r1".into();
    let (mut engine, mut kernel) = started(&config);
    run(&mut engine, &mut kernel, at(550));
    assert_eq!(
        notifications(&mut kernel),
        ["post 1 [r1] VRRP Instance VI_7 - Entering BACKUP state"]
    );
    child_exited(&mut engine, &mut kernel, 600, 1);
    assert_eq!(
        notifications(&mut kernel),
        ["post 2 [r1] VRRP Instance VI_7 - Entering MASTER state"]
    );
    child_exited(&mut engine, &mut kernel, 700, 2);
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(800));
    run(&mut engine, &mut kernel, at(810));
    assert_eq!(
        notifications(&mut kernel),
        ["post 3 [r1] VRRP Instance VI_7 - Entering FAULT state"]
    );
    child_exited(&mut engine, &mut kernel, 850, 3);
    engine.stop(at(900), &mut kernel);
    assert!(engine.drain_notifications(at(900), &mut kernel).is_some());
    assert_eq!(
        notifications(&mut kernel),
        ["post 4 [r1] VRRP Instance VI_7 - Stopping"],
        "the daemon waits for it"
    );
    engine.child_ended(at(950), Pid(4), Exit::Code(0), &mut kernel);
    assert_eq!(engine.drain_notifications(at(950), &mut kernel), None);
}

#[cfg(feature = "mail")]
#[test]
fn no_email_faults_suppresses_fault_mails_only() {
    let mut conf = instance(7, 100, &[VIP]);
    conf.notify.smtp_alert = true;
    let mut config = Config {
        instances: vec![conf],
        ..Config::default()
    };
    config.global.smtp = Some(SmtpSettings {
        no_email_faults: true,
        ..mail()
    });
    let (mut engine, mut kernel) = started(&config);
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(10));
    run(&mut engine, &mut kernel, at(20));
    child_exited(&mut engine, &mut kernel, 30, 1);
    let notifications = notifications(&mut kernel);
    assert_eq!(
        notifications,
        ["post 1 [] VRRP Instance VI_7 - Entering BACKUP state"]
    );
}
