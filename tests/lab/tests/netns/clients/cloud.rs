//! OpenStack, Kubernetes, and the tools that write configurations.

use vrrpd_lab::{Lab, wait_until};

use super::{INSTANCE, Machine, VIRTUAL_SERVER, command_line, pid_of, wait_gone};
use crate::support::SOON;
use crate::{Ctx, Outcome};

fn machine(ctx: &Ctx) -> (Machine, Lab) {
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    (Machine::new(ctx, node), lab)
}

/// OpenStack Neutron: reads the version from standard error, starts a background process for each
/// router with `-p` and `-r`, and looks whether both processes live and are those of the router.
pub(super) fn neutron(ctx: &Ctx) -> Outcome {
    let (machine, _lab) = machine(ctx);
    let text = machine.version();
    let first = text.lines().next().expect("a line");
    let (_, rest) = first.split_once("Keepalived v").expect("the version");
    let number = rest.split_once(' ').expect("a blank after it").0;
    let parts: Vec<u32> = number.split('.').flat_map(str::parse).collect();
    assert!(parts.len() == 3 && parts >= vec![2, 0, 0], "{first}");
    // Greedy: from the first to the last bracket.
    let inner = first
        .rsplit_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    assert!(inner.is_some_and(|inner| !inner.contains(' ')), "{first}");

    let router = "5f7e0b9c-router";
    let conf = machine.write(&format!("{router}.conf"), INSTANCE);
    let (pid, vrrp) = (machine.at("router.pid"), machine.at("router.pid-vrrp"));
    let start = [
        "keepalived",
        "-P",
        "-f",
        &conf,
        "-p",
        &pid,
        "-r",
        &vrrp,
        "-D",
    ];
    let active = |file: &str| {
        let words = pid_of(file).map(command_line).unwrap_or_default();
        words.iter().any(|word| word.contains(router))
    };
    for _ in 0..2 {
        machine.ok(&start);
        wait_until(SOON, "both processes are active", || {
            active(&pid) && active(&vrrp)
        });
        machine.wait_for_vip();
        // A process that died is seen by its pid file, and started again with the same files.
        for file in [&vrrp, &pid] {
            if pid_of(file).is_some() {
                machine.signal(file, "KILL");
                wait_until(SOON, "it is dead", || !active(file));
            }
        }
    }
    machine.ok(&start);
    wait_until(SOON, "it is active again", || active(&pid) && active(&vrrp));
    machine.signal(&pid, "TERM");
    wait_gone(&[&pid, &vrrp]);
    assert!(!machine.has_vip());
    Outcome::Passed
}

/// OpenStack Octavia: a heartbeat counts if the process of each pid file lives; a listener that is
/// deleted takes its virtual servers out of the file.
pub(super) fn octavia(ctx: &Ctx) -> Outcome {
    let (machine, _lab) = machine(ctx);
    let both = format!("{INSTANCE}{VIRTUAL_SERVER}");
    let conf = machine.write("lvs.conf", &both);
    let files = ["main.pid", "vrrp.pid", "check.pid"].map(|name| machine.at(name));
    let [pid, vrrp, check] = &files;
    machine.ok(&[
        "keepalived",
        "-D",
        "-d",
        "-f",
        &conf,
        "-p",
        pid,
        "-r",
        vrrp,
        "-c",
        check,
    ]);
    wait_until(SOON, "the heartbeat is good", || {
        files.iter().all(|file| pid_of(file).is_some())
    });
    machine.write("lvs.conf", INSTANCE);
    machine.signal(pid, "HUP");
    wait_until(SOON, "no checks run", || pid_of(check).is_none());
    assert!(pid_of(vrrp).is_some() && pid_of(pid).is_some());
    machine.write("lvs.conf", &both);
    machine.signal(pid, "HUP");
    wait_until(SOON, "checks run again", || pid_of(check).is_some());
    machine.signal(pid, "TERM");
    wait_gone(&[pid, vrrp, check]);
    Outcome::Passed
}

/// kube-keepalived-vip: in the foreground in a container, long options, HUP for each change of its
/// services; `keepalived` without virtual servers at first.
pub(super) fn kube_keepalived_vip(ctx: &Ctx) -> Outcome {
    let (machine, _lab) = machine(ctx);
    let conf = machine.write("keepalived.conf", INSTANCE);
    let file = format!("--use-file={conf}");
    let pid = machine.at("keepalived.pid");
    let mut command = machine.command(&[
        "keepalived",
        "--dont-fork",
        "--log-console",
        "--log-detail",
        "--no-syslog",
        "--release-vips",
        "--vrrp",
        "--pid",
        &pid,
        &file,
    ]);
    let mut child = machine.node.spawn(&mut command);
    wait_until(SOON, "it runs", || pid_of(&pid) == Some(child.id()));
    machine.wait_for_vip();
    machine.write("keepalived.conf", &INSTANCE.replace(".100/", ".101/"));
    machine.signal(&pid, "HUP");
    wait_until(SOON, "the other address is there", || {
        machine.node.has("10.0.0.101")
    });
    machine.signal(&pid, "TERM");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status:?}");
    assert!(!machine.node.has("10.0.0.101"));
    Outcome::Passed
}

/// Ansible and Puppet: check a new file at a temporary path (`validate: keepalived -t -f %s`) and go
/// by the exit code.
pub(super) fn provisioning(ctx: &Ctx) -> Outcome {
    let (machine, _lab) = machine(ctx);
    let conf = machine.write(".ansible_tmp-keepalived.conf", INSTANCE);
    for words in [
        &["keepalived", "-t", "-f", &conf][..],
        &["keepalived", "--config-test", "--use-file", &conf],
        &["keepalived", "--config-t", "--use-f", &conf],
    ] {
        machine.ok(words);
    }
    let broken = machine.write("broken.conf", &INSTANCE.replace("virtual_router_id 51", ""));
    let output = machine.run(&["keepalived", "-t", "-f", &broken]);
    assert!(!output.status.success(), "{output:?}");
    Outcome::Passed
}

/// Templates are deployed before or after the scripts, users and files that they name. Only a tracked
/// script, and the user of all scripts, must be there when the file is tested.
pub(super) fn provisioning_in_any_order(ctx: &Ctx) -> Outcome {
    let (machine, _lab) = machine(ctx);
    let later = machine.at("later");
    let secure = "script_user root\n    enable_script_security";
    let conf = |global: &str, top: &str, lines: &str| {
        let lines = format!("{lines}    virtual_ipaddress");
        let instance = INSTANCE.replace("    virtual_ipaddress", &lines);
        format!("global_defs {{\n    {global}\n}}\n{top}{instance}")
    };
    let notify = format!("    notify_master \"{later}/check.sh master\"\n");
    let fifo =
        format!("{secure}\n    notify_fifo {later}/fifo\n    notify_fifo_script {later}/check.sh");
    let script = format!(
        "vrrp_script check {{\n    script \"{later}/check.sh\"\n    interval 2\n    weight -20\n}}\n"
    );
    let file = format!("track_file flag {{\n    file {later}/flag\n    weight 1\n}}\n");
    let track = |kind: &str, name: &str| format!("    {kind} {{\n        {name}\n    }}\n");
    for (code, text) in [
        (0, conf(secure, "", &notify)),
        (
            0,
            conf(secure, "", &notify.replace("\"\n", "\" later_user\n")),
        ),
        (5, conf("script_user later_user", "", &notify)),
        (0, conf(&fifo, "", "")),
        (0, conf(secure, &format!("include {later}/*.conf\n"), "")),
        (0, conf(secure, &file, &track("track_file", "flag"))),
        (5, conf(secure, &script, &track("track_script", "check"))),
    ] {
        let new = machine.write(".ansible_tmp-keepalived.conf", &text);
        let output = machine.run(&["keepalived", "-t", "-f", &new]);
        assert_eq!(output.status.code(), Some(code), "{text}{output:?}");
    }
    Outcome::Passed
}
