//! The IPVS table is shared: the daemon repairs its own services and leaves others alone.

use std::fs;
use std::process::Command;

use nix::mount::{MsFlags, mount, umount};
use vrrpd_lab::{Conf, Inst, Lab, sleep_ms, wait_until};

use crate::checks::TCP;
use crate::network::{FAR, Network, SOON, ipvsadm, ping, table};
use crate::traffic::{BOTH, WEB, pair, service};
use crate::{Ctx, Outcome, Test};

/// Has to run before anything loads the kernel's IPVS module.
pub(crate) const FIRST: Test = Test::new("without_ipvs_vrrp_continues", without_ipvs)
    .keepalived_fails("ends its health checks and starts them again and again");

pub(crate) const TESTS: &[Test] = &[
    Test::new("foreign_services_are_left_alone", foreign),
    Test::new("external_ipvs_changes_are_repaired", repaired)
        .keepalived_fails("looks at the table only when it starts"),
    Test::new("restart_drops_no_connection", restart)
        .keepalived_fails("ends in good order and removes its services"),
    Test::new("services_of_a_killed_daemon_are_adopted", killed)
        .keepalived_fails("adds to what it finds, and leaves the rest"),
    Test::new("services_are_removed_on_shutdown", end),
    Test::new("reload_changes_servers_in_place", reload),
    Test::new("ipvs_timeouts_are_set_and_restored", timeouts),
    Test::new("sync_daemon_and_mixed_families_are_reported", mixed)
        .keepalived_fails("reports an invalid argument"),
];

const KNOB: &str = "/proc/sys/kernel/modprobe";

/// Prevents loading of kernel modules while it exists.
struct NoModules(String);

impl NoModules {
    fn new() -> Self {
        let knob = fs::read_to_string(KNOB).expect("a kernel with modules");
        let (fs_type, none) = (Some("tmpfs"), None::<&str>);
        fs::write(KNOB, "/nowhere").expect("root");
        mount(fs_type, "/lib/modules", fs_type, MsFlags::empty(), none).expect("root");
        Self(knob)
    }
}

impl Drop for NoModules {
    fn drop(&mut self) {
        let _ = umount("/lib/modules");
        let _ = fs::write(KNOB, self.0.trim());
    }
}

fn without_ipvs(ctx: &Ctx) -> Outcome {
    let _nothing = NoModules::new();
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let vrrp = Conf::of(&[Inst::new(51, 200, "10.0.0.100/24")]).text();
    let conf = format!("{vrrp}\n{}", pair("", TCP));
    let mut run = ctx.daemon.start_text(&node, &conf, &[]);
    wait_until(SOON, "VRRP continues", || node.has("10.0.0.100"));
    wait_until(SOON, "it logs what is missing", || {
        run.log().contains("IPVS")
    });
    sleep_ms(1500);
    assert!(run.alive() && node.has("10.0.0.100"));
    let output = run.log().matches("IPVS").count();
    assert!(
        output <= 2,
        "logged {output} times instead of once: {}",
        run.log()
    );
    Outcome::Passed
}

fn foreign(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    ipvsadm(&network.director, "-A -t 10.0.0.100:99 -s sh");
    ipvsadm(
        &network.director,
        "-a -t 10.0.0.100:99 -r 10.0.0.13:99 -m -w 5",
    );
    ipvsadm(&network.director, "-A -f 9 -s rr");
    let before = table(&network.director);
    let mut run = network.run(ctx, &pair("", TCP));
    let all = [BOTH[0], BOTH[1], "10.0.0.13:99=5"];
    network.until("own services beside foreign ones", &all);
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert_eq!(table(&network.director), before);
    Outcome::Passed
}

fn repaired(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let _run = network.run(ctx, &pair("", ""));
    network.until("both servers", &BOTH);
    let whole = table(&network.director);
    // All but the last immediately: the whole table is read every few seconds only.
    for harm in [
        "-e -t 10.0.0.100:80 -r 10.0.0.12:80 -g -w 7",
        "-d -t 10.0.0.100:80 -r 10.0.0.11:80",
        "-a -t 10.0.0.100:80 -r 10.0.0.13:80 -m -w 1",
        "-E -t 10.0.0.100:80 -s lc",
    ] {
        ipvsadm(&network.director, harm);
    }
    let mended = || table(&network.director) == whole;
    wait_until(SOON * 3, "every change is undone", mended);
    ipvsadm(&network.director, "-C");
    wait_until(SOON * 3, "what was deleted is back", mended);
    Outcome::Passed
}

fn restart(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let mut run = network.run(ctx, &pair("", TCP));
    network.until("both servers", &BOTH);
    let mut stream = network.connect(FAR, WEB).expect("a connection");
    let who = ping(&mut stream).expect("an answer");
    run.term();
    run.wait_exit(SOON).expect("it ends");
    let _run = network.run(ctx, &pair("", TCP));
    network.until("both servers", &BOTH);
    assert_eq!(ping(&mut stream), Some(who), "the connection lives on");
    Outcome::Passed
}

fn killed(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let mut run = network.run(ctx, &pair("", TCP));
    network.until("both servers", &BOTH);
    let mut stream = network.connect(FAR, WEB).expect("a connection");
    let who = ping(&mut stream);
    assert!(who.is_some(), "an answer");
    run.kill9();
    assert_eq!(
        ping(&mut stream),
        who,
        "the kernel continues without the daemon"
    );
    // While the daemon was dead, one server was removed from the configuration and another added.
    let conf = pair("", TCP).replace("10.0.0.12", "10.0.0.13");
    let mut run = network.run(ctx, &conf.replace("lb_algo rr", "lb_algo wrr"));
    network.until("what is configured now", &[BOTH[0], "10.0.0.13:80=1"]);
    assert!(table(&network.director).contains("-s wrr"));
    if who.as_deref() == Some("rs1") {
        assert_eq!(ping(&mut stream), who, "the connection lives on");
    }
    assert!(run.alive());
    Outcome::Passed
}

fn end(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let mut run = network.run(ctx, &pair("", TCP));
    network.until("both servers", &BOTH);
    run.term();
    let status = run.wait_exit(SOON).expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(table(&network.director), "");
    Outcome::Passed
}

fn reload(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let first = pair("", TCP);
    let run = network.run(ctx, &first);
    network.until("both servers", &BOTH);
    let mut streams: Vec<_> = (0..2)
        .map(|_| network.connect(FAR, WEB).expect("a connection"))
        .collect();
    let who: Vec<_> = streams.iter_mut().map(ping).collect();
    let change = |conf: &str| {
        let conf = format!("global_defs {{\n    router_id lab\n}}\n{conf}");
        fs::write(&run.conf_file, conf).expect("a file");
        run.signal(nix::sys::signal::Signal::SIGHUP);
    };
    // One more server, and another weight.
    let third = format!("    real_server 10.0.0.13 80 {{\n weight 4\n {TCP}\n }}\n}}");
    let text = first.trim_end().strip_suffix('}').expect("a block");
    change(&format!("{text}{third}"));
    network.until("three servers", &[BOTH[0], BOTH[1], "10.0.0.13:80=4"]);
    change(&format!("{text}{third}").replace("weight 4", "weight 2"));
    network.until("the weight", &[BOTH[0], BOTH[1], "10.0.0.13:80=2"]);
    // Another scheduler.
    change(&first.replace("lb_algo rr", "lb_algo wlc"));
    network.until("two servers", &BOTH);
    wait_until(SOON, "the scheduler", || {
        table(&network.director).contains("-s wlc")
    });
    let still: Vec<_> = streams.iter_mut().map(ping).collect();
    assert_eq!(still, who, "connections live on");
    // A different service.
    change(&first.replace("10.0.0.100 80", "10.0.0.100 8080"));
    wait_until(SOON, "another service", || {
        let table = table(&network.director);
        table.contains("10.0.0.100:8080") && !table.contains("10.0.0.100:80 ")
    });
    Outcome::Passed
}

fn mixed(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let sync = "lvs_sync_daemon eth0";
    let tunnel = |server: &str| {
        let servers = ["10.0.0.11 80", server];
        service("10.0.0.100 80", "lb_kind TUN", &servers, "")
    };
    let conf = |global: &str, server: &str| {
        format!("global_defs {{\n    {global}\n}}\n{}", tunnel(server))
    };
    let why = "the kernel does not support lvs_sync_daemon together with real servers of another address family than \
               their service";
    // Whichever exists first conflicts with the other.
    let run = ctx
        .daemon
        .start_text(&network.director, &conf(sync, "fd00::12 80"), &[]);
    network.until("the server of its own family", &BOTH[..1]);
    let subject = "[fd00::12]:80 of [10.0.0.100]:tcp:80: invalid argument";
    wait_until(SOON, "the server is refused", || {
        run.log().contains(&format!("{subject}: {why}"))
    });
    drop(run);
    ipvsadm(&network.director, "--stop-daemon master");
    ipvsadm(&network.director, "--stop-daemon backup");
    ipvsadm(&network.director, "-C");
    let run = ctx
        .daemon
        .start_text(&network.director, &conf("", "fd00::12 80"), &[]);
    network.until("both servers", &[BOTH[0], "[fd00::12]:80=1"]);
    run.reload(&conf(sync, "fd00::12 80"));
    wait_until(SOON, "the sync daemon is refused", || {
        run.log()
            .contains(&format!("sync daemon: invalid argument: {why}"))
    });
    network.until("both servers still", &[BOTH[0], "[fd00::12]:80=1"]);
    run.reload(&conf(sync, "10.0.0.12 80"));
    let daemons = || {
        let out = network
            .director
            .output(Command::new("ipvsadm").args(["-l", "--daemon"]));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    wait_until(SOON, "the conflict is resolved", || {
        daemons().contains("master sync daemon")
    });
    network.until("both servers", &BOTH);
    Outcome::Passed
}

fn timeouts(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let read = || {
        let mut cmd = Command::new("ipvsadm");
        let out = network.director.output(cmd.args(["-l", "--timeout"]));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    };
    let before = read();
    let lines = "lvs_timeouts tcp 1800 tcpfin 60 udp 200";
    let conf = format!("global_defs {{\n    {lines}\n}}\n{}", pair("", ""));
    let mut run = ctx.daemon.start_text(&network.director, &conf, &[]);
    network.until("both servers", &BOTH);
    wait_until(SOON, "timeouts are set", || read().ends_with("1800 60 200"));
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert_eq!(read(), before);
    Outcome::Passed
}
