//! `no_accept`: when the nftables table exists, and reactions to external changes.

use crate::support::kernel::{at, engine, eth0, instance, run, start};
use vrrpd::config::model::{Config, VrrpInstance};
use vrrpd::engine::{Engine, Options};

const VIP: &str = "192.0.2.100/32";
const OTHER: &str = "192.0.2.101/32";

fn no_accept_instance(vips: &[&str]) -> VrrpInstance {
    let mut conf = instance(7, 100, vips);
    conf.accept = false;
    conf
}

#[test]
fn no_accept_table_exists_before_and_after_the_vips() {
    let mut kernel = eth0();
    let mut engine = engine(vec![no_accept_instance(&[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(kernel.ruleset, Some(1), "before the instance is master");
    kernel.take_log();
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(
        kernel.take_log()[..3],
        [
            "advert 7 prio 100 to 224.0.0.18",
            "filter of 2 additions",
            "add 2 192.0.2.100/32",
        ]
    );
    engine.stop(at(450), &mut kernel);
    let log = kernel.take_log();
    assert_eq!(log[log.len() - 2..], ["del 2 192.0.2.100/32", "no filter"]);
}

#[test]
fn without_no_accept_nftables_is_not_used() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    engine.stop(at(450), &mut kernel);
    let asked = |line: &String| line.contains("filter");
    assert!(!kernel.take_log().iter().any(asked));
}

#[test]
fn removed_no_accept_table_is_recreated_before_vips_are_installed() {
    let mut kernel = eth0();
    let mut engine = engine(vec![no_accept_instance(&[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    kernel.ruleset = None;
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(kernel.ruleset, Some(1));
    assert!(kernel.has(VIP));
}

#[test]
fn leftover_no_accept_table_is_removed_even_if_not_configured() {
    let mut kernel = eth0();
    kernel.leave(2, VIP);
    kernel.ruleset = Some(1);
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(kernel.ruleset, None);
}

#[test]
fn leftover_no_accept_table_without_addresses_is_removed() {
    for (loaded, copies, left) in [
        (true, false, false),
        (false, false, true),
        (true, true, true),
    ] {
        let mut kernel = eth0();
        kernel.ruleset = Some(1);
        if loaded {
            let path = "/sys/module/nf_tables/initstate".to_owned();
            kernel.files.insert(path, b"live\n".to_vec());
        }
        let mut config = Config {
            instances: vec![instance(7, 100, &[VIP])],
            ..Config::default()
        };
        // With several VIPs, one of them may belong to another program.
        config.global.instance = copies.then(|| "two".to_owned());
        let mut engine = Engine::new(config, Options::default());
        start(&mut engine, &mut kernel, at(0));
        assert_eq!(kernel.ruleset.is_some(), left, "{loaded} {copies}");
    }
}

/// The kernel would run modprobe when it is asked.
#[test]
fn kernel_without_netfilter_is_not_asked_for_leftover_tables() {
    let header = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n";
    let line = |protocol: &str| {
        format!(
            "0000000033831dca {protocol}   0          00000000 0        0        0     2        0        12      \n"
        )
    };
    for (protocols, asked) in [(&["0 ", "4 ", "15"][..], false), (&["0 ", "12"][..], true)] {
        let mut kernel = eth0();
        kernel.leave(2, VIP);
        kernel.ruleset = Some(1);
        let lines: String = protocols.iter().map(|one| line(one)).collect();
        let mut text = format!("{header}{lines}");
        text.truncate(4096);
        kernel
            .files
            .insert("/proc/net/netlink".into(), text.into_bytes());
        let mut engine = engine(vec![instance(7, 100, &[VIP])]);
        start(&mut engine, &mut kernel, at(0));
        assert_eq!(kernel.ruleset.is_none(), asked, "{protocols:?}");
    }
}

#[test]
fn no_accept_instance_runs_without_nftables() {
    let mut kernel = eth0();
    kernel.no_netfilter = true;
    let mut engine = engine(vec![no_accept_instance(&[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert!(kernel.has(VIP));
    engine.stop(at(450), &mut kernel);
    assert!(!kernel.has(VIP));
}

#[test]
fn reload_creates_and_removes_the_no_accept_table() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    let config = |instance| Config {
        instances: vec![instance],
        ..Config::default()
    };
    let two = no_accept_instance(&[VIP, "192.0.2.101/32"]);
    kernel.take_log();
    engine.reload(at(450), config(two), &mut kernel);
    let log = kernel.take_log();
    let position = |what: &str| log.iter().position(|line| line == what);
    let (filter, new) = (
        position("filter of 1 additions"),
        position("add 2 192.0.2.101/32"),
    );
    assert!(filter.is_some() && filter < new, "{log:?}");
    engine.reload(at(460), config(instance(7, 100, &[VIP])), &mut kernel);
    assert_eq!(kernel.ruleset, None);
}

/// Events were lost: the router's own address may have come back in the meantime.
#[test]
fn resync_creates_the_table_again() {
    let mut kernel = eth0();
    let mut engine = engine(vec![no_accept_instance(&[VIP, OTHER])]);
    start(&mut engine, &mut kernel, at(0));
    kernel.take_log();
    kernel.add(2, OTHER);
    engine.resync(at(10), &mut kernel).expect("a dump");
    let log = kernel.take_log();
    assert!(log.iter().any(|line| line.contains("filter")), "{log:?}");
}
