//! How often the daemon wakes up.

use std::net::IpAddr;

use vrrpd_lab::forge::{Injector, Packet, Stream};
use vrrpd_lab::{Capture, Conf, Inst, Lab, MS, Ns, now, process, sleep_ms, wait_until};

use crate::support::SOON;
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "backup_of_many_masters_reads_their_adverts_together",
        together,
    ),
    Test::new(
        "backup_of_many_masters_takes_over_soon_after_one_resigns",
        resignations,
    ),
];

fn vip(vrid: u8) -> String {
    format!("10.1.0.{vrid}")
}

/// A master of 50 virtual routers at 100 ms that sends one of their adverts every 2 ms.
fn together(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let master = lab.node("r1", &["10.0.0.1/24"]);
    let node = lab.node("r2", &["10.0.0.2/24"]);
    let from: IpAddr = "10.0.0.1".parse().expect("an address");
    let mac = Injector::on(&master).mac;
    let advert = |vrid: u8| {
        let vip = vip(vrid).parse().expect("an address");
        Packet::v3(from, vrid, 200, &[vip]).frame(mac)
    };
    let stream = Stream::start(&master, (1..=50).map(advert).collect(), 500);
    let instance = |vrid: u8| Inst::new(vrid, 100, &format!("{}/32", vip(vrid)));
    let conf = Conf::of(&(1..=50).map(instance).collect::<Vec<_>>());
    let backup = ctx.daemon.start(&node, &conf);
    sleep_ms(1000);
    let pids = backup.pids();
    let (sent, waited) = (stream.sent(), process::waits(&pids));
    wait_until(SOON, "a thousand adverts", || stream.sent() >= sent + 1000);
    let (adverts, waits) = (stream.sent() - sent, process::waits(&pids) - waited);
    assert!(waits < adverts / 2, "{waits} waits for {adverts} adverts");
    assert!(node.addrs().len() < 50, "it stayed backup");
    Outcome::Passed
}

/// A backup that reads the adverts of many masters together takes over Skew_Time (8 ms) after one of
/// them resigns, which is less than it pauses otherwise.
fn resignations(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let master = lab.node("r1", &["10.0.0.1/24"]);
    let node = lab.node("r2", &["10.0.0.2/24"]);
    let capture = Capture::start(&lab);
    let from: IpAddr = "10.0.0.1".parse().expect("an address");
    let injector = Injector::on(&master);
    let advert = |vrid: u8, priority: u8| {
        let vip = vip(vrid).parse().expect("an address");
        let mut packet = Packet::v3(from, vrid, priority, &[vip]);
        packet.word = 100; // 1 s
        packet.frame(injector.mac)
    };
    let others = (2..=50).map(|vrid| advert(vrid, 255)).collect();
    let stream = Stream::start(&master, others, 200);
    let instance = |vrid: u8| Inst::new(vrid, 254, &format!("{}/32", vip(vrid))).advert("1");
    let conf = Conf::of(&(1..=50).map(instance).collect::<Vec<_>>());
    let _backup = ctx.daemon.start(&node, &conf);
    let mut times: Vec<Ns> = (0..5)
        .map(|nth| {
            let sent = stream.sent();
            wait_until(SOON, "it has heard all, and is backup again", || {
                injector.send(&advert(1, 255));
                sleep_ms(100 + 37 * nth);
                stream.sent() > sent + 200 && !node.has(&vip(1))
            });
            let start = now();
            injector.send(&advert(1, 0));
            capture.advert_of(&node, start, SOON).0 - start
        })
        .collect();
    times.sort_unstable();
    assert!(times[2] < 50 * MS, "{times:?}");
    Outcome::Passed
}
