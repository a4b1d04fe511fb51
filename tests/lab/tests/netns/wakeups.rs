//! How often the daemon wakes up.

use std::net::IpAddr;

use vrrpd_lab::forge::{Injector, Packet, Stream};
use vrrpd_lab::{Conf, Inst, Lab, process, sleep_ms, wait_until};

use crate::support::SOON;
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new(
    "backup_of_many_masters_reads_their_adverts_together",
    together,
)];

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
