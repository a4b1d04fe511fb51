//! Exporters, agents and dashboards.

use std::fs;
use std::time::SystemTime;

use vrrpd_lab::{Lab, wait_until};

use super::{CHECKERS_PID, INSTANCE, Machine, PID, VIRTUAL_SERVER, VRRP_PID, pid_of, wait_gone};
use crate::support::SOON;
use crate::{Ctx, Outcome};

/// mehdy/keepalived-exporter: looks for `--enable-json` in the output of `-v`, asks for the numbers of
/// the signals, and reads JSON, or else both texts.
pub(super) fn exporter(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let machine = Machine::new(ctx, lab.node("r1", &["10.0.0.1/24"]));
    let version = machine.version();
    let options = version
        .lines()
        .find_map(|line| line.strip_prefix("configure options: "));
    assert!(
        options.expect("options").contains("--enable-json"),
        "{version}"
    );

    let conf = machine.write("keepalived.conf", INSTANCE);
    machine.ok(&["keepalived", "-D", "-G", "-f", &conf]);
    machine.wait_for_vip();
    let number = |name: &str| machine.ok(&["keepalived", &format!("--signum={name}")]);
    for json in [number("JSON"), "36".to_owned()] {
        let dump = machine.json(PID, &json);
        let (data, stats) = (&dump[0]["data"], &dump[0]["stats"]);
        assert_eq!(data["iname"], "VI_1");
        assert_eq!(data["ifp_ifname"], "eth0");
        assert_eq!(data["vrid"], 51);
        assert!(
            data["vips"].as_array().is_some_and(|vips| vips.len() == 1),
            "{data}"
        );
        for counter in [
            "advert_rcvd",
            "advert_sent",
            "become_master",
            "release_master",
            "packet_len_err",
            "advert_interval_err",
            "ip_ttl_err",
            "invalid_type_rcvd",
            "addr_list_err",
            "invalid_authtype",
            "authtype_mismatch",
            "auth_failure",
            "pri_zero_rcvd",
            "pri_zero_sent",
        ] {
            assert!(stats[counter].is_u64(), "{counter}: {stats}");
        }
    }

    let [data, stats] = ["keepalived.data", "keepalived.stats"].map(|name| machine.at(name));
    machine.signal(PID, &number("DATA"));
    machine.signal(PID, &number("STATS"));
    let value = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut lines = text.lines().map(str::trim).filter_map(|line| {
            let (name, value) = line.split_once(['=', ':'])?;
            (name.trim() == key).then(|| value.trim().to_owned())
        });
        lines.next()
    };
    for (file, key, want) in [
        (&data, "VRRP Instance", "VI_1"),
        (&data, "State", "MASTER"),
        (&data, "Interface", "eth0"),
        (&data, "Virtual Router ID", "51"),
        (&stats, "VRRP Instance", "VI_1"),
        (&stats, "Became master", "1"),
        (&stats, "Released master", "0"),
        (&stats, "TTL", "0"),
    ] {
        wait_until(SOON, &format!("{key} in {file}"), || {
            value(file, key).as_deref() == Some(want)
        });
    }
    // Two counters of one name: those of their block.
    let text = fs::read_to_string(&stats).expect("read");
    let block = text.split("Advertisements:").nth(1).expect("a block");
    let counters: Vec<&str> = block.lines().skip(1).take(2).map(str::trim).collect();
    assert!(
        counters[0].starts_with("Received: ") && counters[1].starts_with("Sent: "),
        "{text}"
    );
    machine.signal(PID, &number("STOP"));
    wait_gone(&[PID]);
    Outcome::Passed
}

/// Zabbix, Checkmk, roxy-wi and collectors look for keepalived's pid files at their default paths, in
/// the same places after a reload, and for no files when it has ended.
pub(super) fn pid_files(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let machine = Machine::new(ctx, lab.node("r1", &["10.0.0.1/24"]));
    let conf = machine.write("keepalived.conf", &format!("{INSTANCE}{VIRTUAL_SERVER}"));
    machine.ok(&["keepalived", "-D", "-G", "-f", &conf]);
    let all = [PID, VRRP_PID, CHECKERS_PID];
    wait_until(SOON, "all files are there", || {
        all.iter().all(|file| pid_of(file).is_some())
    });
    machine.wait_for_vip();
    // Other users read them.
    for file in all {
        let mode = machine.ok(&["stat", "-c", "%a", file]);
        assert_eq!(mode, "644", "{file}");
    }
    // roxy-wi: who is master, from the dump of the state.
    machine.signal(VRRP_PID, "USR1");
    let dump = machine.at("keepalived.data");
    wait_until(SOON, "the dump has the state", || {
        let text = fs::read_to_string(&dump).unwrap_or_default();
        text.lines().any(|line| line.trim() == "State = MASTER")
    });
    machine.write("keepalived.conf", INSTANCE);
    machine.signal(PID, "HUP");
    wait_until(SOON, "no checks run", || pid_of(CHECKERS_PID).is_none());
    assert!(pid_of(PID).is_some() && pid_of(VRRP_PID).is_some());
    machine.signal(PID, "TERM");
    wait_gone(&[PID, VRRP_PID]);
    Outcome::Passed
}

/// Dashboards show the time of the last transition: that of an instance which waits for the first
/// result of its script is when it was started, not 1970.
pub(super) fn waiting_instance(ctx: &Ctx) -> Outcome {
    const FAULT: u64 = 3;
    const MASTER: u64 = 2;
    let lab = Lab::new();
    let machine = Machine::new(ctx, lab.node("r1", &["10.0.0.1/24"]));
    let go = machine.at("go");
    let script = machine.write(
        "check.sh",
        &format!("#!/bin/sh\nwhile [ ! -e {go} ]; do sleep 0.1; done\n"),
    );
    machine.ok(&["chmod", "755", &script]);
    let check =
        format!("vrrp_script check {{\n    script {script}\n    interval 60\n    user root\n}}\n");
    let tracked = "    track_script {\n        check\n    }\n    virtual_ipaddress";
    let text = check + &INSTANCE.replace("    virtual_ipaddress", tracked);
    let conf = machine.write("keepalived.conf", &text);
    let seconds = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.expect("after 1970").as_secs_f64()
    };
    let before = seconds();
    machine.ok(&["keepalived", "-D", "-G", "-f", &conf]);
    wait_until(SOON, "it runs", || pid_of(VRRP_PID).is_some());
    let read = || {
        let data = &machine.json(PID, "36")[0]["data"];
        let last = data["last_transition"].as_f64().expect("a time");
        (data["state"].as_u64(), last)
    };
    let (state, waiting_since) = read();
    assert_eq!(state, Some(FAULT));
    assert!(
        (before - 1.0..=seconds()).contains(&waiting_since),
        "{waiting_since}"
    );
    fs::write(&go, "").expect("write");
    machine.wait_for_vip();
    let (state, since) = read();
    assert_eq!(state, Some(MASTER));
    assert!(since > waiting_since, "{since}");
    machine.signal(PID, "TERM");
    wait_gone(&[PID]);
    Outcome::Passed
}
