//! What the engine tells operators about its instances: the reason of a state, the master last heard,
//! and when an instance takes over.

use std::time::Duration;

use crate::support::kernel::{
    Kernel, advert, at, cidr, engine, eth0, instance, receive, run, start,
};
use vrrpd::ctl::{self, Clock, Finding, InstallStatus, Objects, Snapshot, Style};
use vrrpd::engine::Engine;
use vrrpd::types::{Instant, Outlook, Priority, TimerKind, VrrpState};

const VIP: &str = "192.0.2.100/32";

fn clock(now: Instant) -> Clock {
    Clock {
        now,
        wall: Duration::from_secs(1_000_000),
        utc_offset: 0,
    }
}

fn page(engine: &Engine, now: Instant) -> Snapshot<'_> {
    engine.page(clock(now), Objects::Instances, 0..8)
}

fn explain(engine: &Engine, now: Instant) -> String {
    let style = Style {
        names: vec!["VI_7".into()],
        ..Style::default()
    };
    let whole = engine.snapshot(clock(now), None);
    ctl::render(ctl::explain::VIEW, &whole, &style).text
}

/// A backup of priority 100 that has heard a master of priority 200 at 50 ms.
fn backup(kernel: &mut Kernel) -> Engine {
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, kernel, at(0));
    run(&mut engine, kernel, at(50));
    let packet = advert(7, 200, "192.0.2.2", "224.0.0.18", &[VIP]);
    receive(&mut engine, kernel, at(50), 2, &packet);
    engine
}

#[test]
fn the_predicted_takeover_is_the_one_that_happens() {
    let mut kernel = eth0();
    let mut engine = backup(&mut kernel);
    let now = at(120);
    let shown = page(&engine, now);
    let one = &shown.instances[0];
    let heard = one.heard.expect("an advert");
    assert_eq!((heard.at, heard.master.priority), (at(50), Priority(200)));
    let Outlook::Backup(outlook) = one.outlook else {
        panic!("{:?}", one.outlook);
    };
    assert_eq!(outlook.timer, TimerKind::Down);
    assert_eq!(outlook.armed_at, at(50));
    assert_eq!(one.deadline, Some(outlook.down_at));
    let skew = one.down_interval - Duration::from_millis(300);
    assert_eq!(one.skew, skew);
    assert_eq!(outlook.down_at, at(50).after(one.down_interval));
    let text = explain(&engine, now);
    // 300 ms, and 156/256 of 100 ms for priority 100.
    let becomes = "If 192.0.2.2 falls silent now, this router becomes MASTER in 0.29 s, \
                   0.36 s (3 x 0.1 s + 0.06 s skew) after the last advert";
    assert!(text.contains(becomes), "{text}");
    let down_at = outlook.down_at;
    let just_before = Instant::from_nanos(down_at.as_nanos() - 1);
    run(&mut engine, &mut kernel, just_before);
    assert_eq!(page(&engine, now).instances[0].state, VrrpState::Backup);
    run(&mut engine, &mut kernel, down_at);
    let shown = page(&engine, down_at);
    let one = &shown.instances[0];
    assert_eq!(one.state, VrrpState::Master);
    assert_eq!(one.last_transition.expect("one").at, down_at);
    assert_eq!(one.why, "no advert from master 192.0.2.2 (priority 200)");
    assert_eq!(one.heard, Some(heard), "it is still known");
    assert_eq!(shown.totals.states, [0, 0, 1, 0]);
}

#[test]
fn rejected_senders_are_shown_with_the_reason_until_they_are_quiet() {
    let mut kernel = eth0();
    let mut engine = backup(&mut kernel);
    let packet = advert(7, 200, "192.0.2.3", "192.0.2.1", &[VIP]);
    receive(&mut engine, &mut kernel, at(60), 2, &packet);
    let shown = page(&engine, at(70));
    let senders = &shown.instances[0].senders;
    assert_eq!(senders.len(), 1, "{senders:?}");
    assert_eq!(
        (senders[0].at, senders[0].kind),
        (at(60), Finding::Rejected)
    );
    let text =
        "ignoring adverts from 192.0.2.3: multicast where unicast is configured, or the reverse";
    assert_eq!(senders[0].text, text);
    assert!(explain(&engine, at(70)).contains(text));
    let heard = shown.instances[0].heard.expect("the other one");
    assert_eq!(
        heard.master.addr.to_string(),
        "192.0.2.2",
        "not the rejected one"
    );
    assert_eq!(page(&engine, at(61_000)).instances[0].senders, []);
}

#[test]
fn refused_addresses_are_shown_with_the_next_attempt() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    kernel.reject_addr = Some((cidr(VIP).addr, 105, ""));
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    let shown = page(&engine, at(400));
    let one = &shown.instances[0];
    assert_eq!(one.state, VrrpState::Master);
    assert!(matches!(one.vips[0].status, InstallStatus::Refused(_)));
    let retry = one.retry_at.expect("another attempt");
    assert!(retry > at(400) && retry < at(2_000), "{retry:?}");
    let text = explain(&engine, at(400));
    assert!(text.contains("1 of its 1 addresses"), "{text}");
    assert!(
        text.contains("the kernel refuses 192.0.2.100/32 on eth0"),
        "{text}"
    );
}

#[test]
fn a_master_that_yielded_names_the_router_it_yielded_to() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    for (priority, why) in [
        (100, "192.0.2.2 has the same priority and a higher address"),
        (200, "192.0.2.2 has the higher priority 200"),
    ] {
        run(&mut engine, &mut kernel, at(priority * 10));
        assert_eq!(page(&engine, at(0)).instances[0].state, VrrpState::Master);
        let byte = u8::try_from(priority).expect("a priority");
        let packet = advert(7, byte, "192.0.2.2", "224.0.0.18", &[VIP]);
        receive(&mut engine, &mut kernel, at(priority * 10), 2, &packet);
        let shown = page(&engine, at(priority * 10));
        assert_eq!(shown.instances[0].state, VrrpState::Backup);
        assert_eq!(shown.instances[0].why, why);
    }
}
