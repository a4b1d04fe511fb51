//! Router distributions and service managers.

use std::fs;

use vrrpd_lab::{Lab, wait_until};

use super::{INSTANCE, Machine, PID, VRRP_PID, pid_of, wait_gone};
use crate::support::SOON;
use crate::{Ctx, Outcome};

/// VyOS: the number of the JSON signal is computed on a glibc host, SIGRTMIN + 2, and not asked for.
/// Its FIFO script reads its own configuration at its start only, and is to notice a change at a
/// reload.
pub(super) fn vyos(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let machine = Machine::new(ctx, lab.node("r1", &["10.0.0.1/24"]));
    let (own, out, fifo) = (machine.at("own"), machine.at("out"), machine.at("fifo"));
    let script = machine.write(
        "fifo.sh",
        &format!("#!/bin/sh\nown=$(cat {own})\nwhile read -r line; do echo \"$own $line\"; done <\"$1\" >>{out}\n"),
    );
    machine.ok(&["chmod", "755", &script]);
    machine.write("own", "first");
    let global = format!(
        "global_defs {{\n    script_user root\n    notify_fifo {fifo}\n    notify_fifo_script {script}\n}}\n"
    );
    let conf = machine.write("vyos.conf", &format!("{global}{INSTANCE}"));
    machine.ok(&[
        "keepalived",
        "--use-file",
        &conf,
        "--pid",
        PID,
        "--vrrp",
        "--log-detail",
        "--no-syslog",
    ]);
    machine.wait_for_vip();
    let read = || fs::read_to_string(&out).unwrap_or_default();
    wait_until(SOON, "the script has its first configuration", || {
        read().contains("first INSTANCE \"VI_1\" MASTER 100\n")
    });

    // Show commands: state as a number, names, counters.
    let dump = machine.json(PID, "36");
    let all = dump.as_array().expect("a list of instances");
    assert_eq!(all.len(), 1, "{dump}");
    let (data, stats) = (&all[0]["data"], &all[0]["stats"]);
    assert_eq!(data["iname"], "VI_1");
    assert_eq!(data["ifp_ifname"], "eth0");
    assert_eq!(data["vrid"], 51);
    assert_eq!(data["state"], 2, "2 is MASTER");
    assert!(
        data["last_transition"].as_f64().is_some_and(|at| at > 1e9),
        "{data}"
    );
    assert_eq!(stats["become_master"], 1);
    assert!(stats["advert_sent"].as_u64().is_some(), "{stats}");

    machine.write("own", "second");
    machine.write(
        "vyos.conf",
        &format!(
            "{global}{}",
            INSTANCE.replace("priority 100", "priority 99")
        ),
    );
    machine.signal(PID, "HUP");
    // The state changes until the script of the second configuration has noticed it.
    wait_until(SOON, "the script has read its configuration again", || {
        machine.node.carrier_down();
        machine.node.carrier_up();
        vrrpd_lab::sleep_ms(200);
        read().contains("second INSTANCE ")
    });
    machine.signal(PID, "TERM");
    wait_gone(&[PID, VRRP_PID]);
    Outcome::Passed
}

/// Init scripts and supervisors: `pidof`, `pgrep -x`, `killall` and `start-stop-daemon` look for the
/// name; it is the same after the program has replaced itself.
pub(super) fn supervisors(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let machine = Machine::new(ctx, lab.node("r1", &["10.0.0.1/24"]));
    let conf = machine.write("keepalived.conf", INSTANCE);
    machine.ok(&["keepalived", "-G", "-f", &conf]);
    machine.wait_for_vip();
    let pid = pid_of(PID).expect("a pid file");
    let restart = machine.ok(&["keepalived", "--signum=RESTART"]);
    let is_successor = || {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains("VRRPD_SUCCEEDS")
    };
    for replaced in [false, true] {
        if replaced {
            machine.signal(PID, &restart);
            wait_until(SOON, "it has replaced itself", is_successor);
            wait_until(SOON, "it has its name", || {
                fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| name == "keepalived\n")
            });
        }
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).expect("it lives");
        assert_eq!(name.trim(), "keepalived", "{replaced}");
        for finder in [
            &["pidof", "keepalived"][..],
            &["pgrep", "-x", "keepalived"],
            &["busybox", "pidof", "keepalived"],
        ] {
            if machine.run(&["which", finder[0]]).status.success() {
                let found = machine.ok(finder);
                let mut found = found.split_whitespace();
                assert!(
                    found.any(|one| one == pid.to_string()),
                    "{replaced} {finder:?}"
                );
            }
        }
        assert_eq!([PID, VRRP_PID].map(pid_of), [Some(pid); 2], "{replaced}");
    }
    if machine.run(&["which", "killall"]).status.success() {
        // In this process namespace there is no other.
        machine.ok(&["killall", "keepalived"]);
    } else {
        machine.signal(PID, "TERM");
    }
    wait_gone(&[PID, VRRP_PID]);
    wait_until(SOON, "the address is gone", || !machine.has_vip());
    Outcome::Passed
}
