//! `explain` for each state of an instance.

use super::*;

/// States that are not in the other snapshots, each with one instance.
pub(crate) fn explained(config: &Config) -> Vec<(&'static str, Instance<'_>)> {
    let conf = &config.instances[0];
    let one = |change: &dyn Fn(&mut Instance<'_>)| {
        let mut one = fresh(config, conf);
        change(&mut one);
        one
    };
    let backup_with = |change: &dyn Fn(&mut Instance<'_>)| {
        one(&|one| {
            backup(one, "192.0.2.2", 150);
            change(one);
        })
    };
    let resigned = MasterInfo {
        addr: ip("192.0.2.2"),
        priority: Priority(0),
        interval: Centis(100),
    };
    vec![
        (
            "no master heard",
            backup_with(&|one| {
                (one.master, one.heard) = (None, None);
            }),
        ),
        (
            "startup delay",
            backup_with(&|one| {
                (one.master, one.heard) = (None, None);
                one.startup_delay_end = later(5_000);
                waits(one, TimerKind::Down, 8_609);
            }),
        ),
        (
            "state MASTER",
            backup_with(&|one| {
                (one.master, one.heard) = (None, None);
                waits(one, TimerKind::OneInterval, 700);
            }),
        ),
        (
            "owner after the startup delay",
            backup_with(&|one| {
                (one.master, one.heard) = (None, None);
                waits(one, TimerKind::StartupDelay, 700);
            }),
        ),
        (
            "the master resigned",
            backup_with(&|one| {
                one.master = None;
                one.heard = Some(Heard {
                    master: resigned,
                    at: ago(100),
                });
                waits(one, TimerKind::Skew, 509);
            }),
        ),
        (
            "late timer",
            backup_with(&|one| waits(one, TimerKind::LateListen, 900)),
        ),
        (
            "equal priority",
            backup_with(&|one| backup(one, "192.0.2.2", 100)),
        ),
        (
            "preempts",
            backup_with(&|one| {
                backup(one, "192.0.2.2", 90);
                outlook(one).preempting = true;
            }),
        ),
        (
            "ready with the group",
            backup_with(&|one| waits(one, TimerKind::GroupRetry, 300)),
        ),
        (
            "maintenance",
            backup_with(&|one| {
                one.maintenance = Some(Maintenance {
                    since: ago(300_000),
                    until: Some(later(1_500_000)),
                    reason: "firmware update",
                });
            }),
        ),
        (
            "resuming",
            one(&|one| one.outlook = Outlook::Resuming { at: later(800) }),
        ),
        (
            "suspended",
            one(&|one| {
                master(one);
                one.outlook = Outlook::Master(MasterOutlook {
                    advert_at: later(1_200),
                    listening: true,
                    rival: false,
                });
            }),
        ),
        (
            "two owners",
            one(&|one| {
                master(one);
                one.yields_to_owner = true;
                one.outlook = Outlook::Master(MasterOutlook {
                    advert_at: later(200),
                    listening: false,
                    rival: true,
                });
            }),
        ),
        (
            "other master seen",
            one(&|one| {
                master(one);
                one.heard = Some(Heard {
                    master: MasterInfo {
                        priority: Priority(90),
                        ..resigned
                    },
                    at: ago(3_600_000),
                });
            }),
        ),
        (
            "repair given up",
            one(&|one| {
                fault(
                    one,
                    "removed_externally",
                    "192.0.2.10/24 was removed externally again after 8 repairs in 1300 ms; next attempt in 10 s",
                );
                one.hold_until = Some(later(7_000));
            }),
        ),
        (
            "limited priority",
            one(&|one| {
                master(one);
                one.priority = Priority(254);
                one.priority_parts[0].adds = 200;
            }),
        ),
    ]
}

#[test]
fn explain_matches_the_golden_files() {
    let config = all();
    let mut mismatches = Vec::new();
    let snapshot = troubled(&config);
    let text = whole(ctl::explain::VIEW, &snapshot, &style(80)).text;
    assert!(longest(&text) <= 80, "{text}");
    golden::compare(
        &directory("explain").join("short.80"),
        &text,
        &mut mismatches,
    );
    let mut text = String::new();
    for one in &snapshot.instances {
        let named = name(&[&one.conf.name], 100);
        text += &whole(ctl::explain::VIEW, &snapshot, &named).text;
        text.push('\n');
    }
    for object in ["EDGE", "DMZ", "chk_http", "chk_dns", "load", "nginx"] {
        text += &whole(ctl::explain::VIEW, &snapshot, &name(&[object], 100)).text;
        text.push('\n');
    }
    assert!(longest(&text) <= 100, "{text}");
    golden::compare(
        &directory("explain").join("named.100"),
        &text,
        &mut mismatches,
    );
    let mut text = String::new();
    for (title, instance) in explained(&config) {
        let mut snapshot = calm(&config);
        snapshot.instances = vec![instance];
        let explained = whole(ctl::explain::VIEW, &snapshot, &name(&["LAN"], 0)).text;
        let _ = write!(text, "# {title}\n{explained}\n");
    }
    golden::compare(&directory("explain").join("states"), &text, &mut mismatches);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}
