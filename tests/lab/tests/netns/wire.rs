//! Packets that vrrpd sends, decoded by tshark: an encoder tested with its own decoder proves
//! little.

use std::process::Command;
use std::time::Duration;

use vrrpd_lab::private::DIR;
use vrrpd_lab::{Capture, Conf, Inst, Lab, wait_until};

use crate::support::{SOON, ip};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("tshark_accepts_v2_adverts_and_gratuitous_arp", v2),
    Test::new("tshark_accepts_v3_adverts_over_ipv4", v3),
    Test::new("tshark_accepts_v3_adverts_and_na_over_ipv6", v6),
    Test::new("tshark_accepts_v3_checksum_as_v2", as_v2)
        .keepalived_fails("has no v3_checksum_as_v2"),
];

/// Becomes master and resigns; returns the path of the capture.
fn record(ctx: &Ctx, conf: &Conf, vip: &str, name: &str) -> String {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    let cap = Capture::start(&lab);
    let mut run = ctx.daemon.start(&a, conf);
    wait_until(SOON, "it is master and advertises", || {
        !cap.announcements(&a, ip(vip), 0).is_empty() && cap.adverts(&a, 0, 0).len() >= 2
    });
    run.term();
    run.wait_exit(SOON).expect("it ends");
    cap.wait(0, Duration::from_secs(1), |f| {
        (f.advert()?.priority == 0).then_some(())
    })
    .expect("a resignation");
    let path = format!("{DIR}/{name}.pcap");
    cap.write_pcap(&path, "r1", 0);
    path
}

fn tshark(path: &str, more: &[&str], filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut cmd = Command::new("tshark");
    cmd.args([
        "-n",
        "-r",
        path,
        "-o",
        "ip.check_checksum:TRUE",
        "-Y",
        filter,
        "-T",
        "fields",
    ]);
    cmd.args(more);
    for f in fields {
        cmd.args(["-e", f]);
    }
    let out = cmd.env("HOME", DIR).output().expect("tshark");
    assert!(
        out.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout)
        .lines()
        .map(|l| l.split('\t').map(String::from).collect())
        .collect()
}

fn installed() -> bool {
    Command::new("tshark")
        .arg("-v")
        .output()
        .is_ok_and(|o| o.status.success())
}

/// Asserts that no frame is malformed, has a bad checksum or a warning, that the fields of all
/// adverts but the resignation are as in `want`, and that announcements match `announce`.
fn judge(path: &str, more: &[&str], fields: &[&str], want: &[&str], announce: &str) -> Outcome {
    let bad = "_ws.malformed or _ws.short or (_ws.expert.severity >= 0x600000) \
               or vrrp.checksum.status == 0 or ip.checksum.status == 0";
    let complaints = tshark(
        path,
        more,
        bad,
        &["frame.number", "_ws.expert.message", "_ws.col.Info"],
    );
    assert!(complaints.is_empty(), "tshark complains: {complaints:?}");
    let good = tshark(path, more, "vrrp.checksum.status == 1", &["frame.number"]);
    let all = tshark(path, more, "vrrp", fields);
    assert_eq!(
        good.len(),
        all.len(),
        "every advert's checksum was verified"
    );
    let (last, adverts) = all.split_last().expect("adverts");
    assert!(adverts.len() >= 2);
    for a in adverts {
        assert_eq!(a, want, "fields {fields:?}");
    }
    let priority = fields
        .iter()
        .position(|f| *f == "vrrp.prio")
        .expect("asked for");
    assert_eq!(last[priority], "0", "the last advert resigns");
    assert!(
        !tshark(path, more, announce, &["frame.number"]).is_empty(),
        "announcements: {announce}"
    );
    Outcome::Passed
}

fn v2(ctx: &Ctx) -> Outcome {
    if !installed() {
        return Outcome::Skipped("tshark is not installed".into());
    }
    let inst = Inst::new(51, 200, "10.0.0.100/24")
        .vip("10.0.0.101/24")
        .v2()
        .master()
        .pass("s3cr3t");
    let path = record(ctx, &Conf::of(&[inst]), "10.0.0.100", "v2");
    let fields = [
        "eth.dst",
        "ip.src",
        "ip.dst",
        "ip.ttl",
        "ip.dsfield",
        "ip.proto",
        "vrrp.version",
        "vrrp.type",
        "vrrp.virt_rtr_id",
        "vrrp.prio",
        "vrrp.addr_count",
        "vrrp.adver_int",
        "vrrp.auth_type",
        "vrrp.auth_string",
        "vrrp.ip_addr",
    ];
    let want = [
        "01:00:5e:00:00:12",
        "10.0.0.1",
        "224.0.0.18",
        "255",
        "0xc0",
        "112",
        "2",
        "1",
        "51",
        "200",
        "2",
        "1",
        "1",
        "s3cr3t",
        "10.0.0.100,10.0.0.101",
    ];
    let arp = "arp.isgratuitous and eth.dst == ff:ff:ff:ff:ff:ff and arp.opcode == 1 \
               and arp.src.proto_ipv4 == 10.0.0.100 and arp.src.hw_mac == eth.src";
    judge(&path, &[], &fields, &want, arp)
}

const V3_FIELDS: [&str; 8] = [
    "ip.dst",
    "ip.ttl",
    "vrrp.version",
    "vrrp.virt_rtr_id",
    "vrrp.prio",
    "vrrp.addr_count",
    "vrrp.short_adver_int",
    "vrrp.ip_addr",
];
const V3_WANT: [&str; 8] = [
    "224.0.0.18",
    "255",
    "3",
    "51",
    "200",
    "1",
    "10",
    "10.0.0.100",
];

fn v3(ctx: &Ctx) -> Outcome {
    if !installed() {
        return Outcome::Skipped("tshark is not installed".into());
    }
    let conf = Conf::of(&[Inst::new(51, 200, "10.0.0.100/24")]);
    let path = record(ctx, &conf, "10.0.0.100", "v3");
    judge(&path, &[], &V3_FIELDS, &V3_WANT, "arp.isgratuitous")
}

fn as_v2(ctx: &Ctx) -> Outcome {
    if !installed() {
        return Outcome::Skipped("tshark is not installed".into());
    }
    let conf = Conf::of(&[Inst::new(51, 200, "10.0.0.100/24").line("v3_checksum_as_v2")]);
    let path = record(ctx, &conf, "10.0.0.100", "as_v2");
    let option = ["-o", "vrrp.v3_checksum_as_in_v2:TRUE"];
    judge(&path, &option, &V3_FIELDS, &V3_WANT, "arp.isgratuitous")
}

fn v6(ctx: &Ctx) -> Outcome {
    if !installed() {
        return Outcome::Skipped("tshark is not installed".into());
    }
    let conf = Conf::of(&[Inst::new(51, 200, "fe80::100/64").vip("fd00::100/64")]);
    let path = record(ctx, &conf, "fd00::100", "v6");
    let fields = [
        "eth.dst",
        "ipv6.dst",
        "ipv6.hlim",
        "ipv6.nxt",
        "vrrp.version",
        "vrrp.virt_rtr_id",
        "vrrp.prio",
        "vrrp.addr_count",
        "vrrp.short_adver_int",
        "vrrp.ipv6_addr",
    ];
    let want = [
        "33:33:00:00:00:12",
        "ff02::12",
        "255",
        "112",
        "3",
        "51",
        "200",
        "2",
        "10",
        "fe80::100,fd00::100",
    ];
    let na = "icmpv6.type == 136 and icmpv6.checksum.status == 1 and ipv6.hlim == 255 and \
              ipv6.dst == ff02::1 and icmpv6.nd.na.target_address == fd00::100 and \
              icmpv6.nd.na.flag.o == 1 and icmpv6.nd.na.flag.s == 0 and icmpv6.opt.linkaddr == eth.src";
    judge(&path, &[], &fields, &want, na)
}
