//! Addresses that equal a virtual address and were set by another program: they are used, and never
//! removed.

use std::process::Command;

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Conf, Inst, Lab, Node, Running, sleep_ms, wait_until};

use crate::restart::kernel_marks_addresses;
use crate::support::{SOON, VIP, conf, ip};
use crate::{Ctx, Outcome, Test};

const REMOVES_IT: &str = "removes an address that it has not set";

pub(crate) const TESTS: &[Test] = &[
    Test::new("lan_address_that_is_the_vip_is_never_removed", only).keepalived_fails(REMOVES_IT),
    Test::new("own_address_that_is_a_vip_is_never_removed", one_of_two)
        .keepalived_fails(REMOVES_IT),
    Test::new("address_set_by_hand_on_a_backup_stays", by_hand).keepalived_fails(REMOVES_IT),
    Test::new("address_that_is_set_again_on_a_master_stays", again).keepalived_fails(REMOVES_IT),
    Test::new(
        "lan_address_that_is_the_vip_returns_with_its_network",
        restarted,
    )
    .keepalived_fails(REMOVES_IT),
    Test::new("addresses_that_stay_at_exit_stay_recorded", kept)
        .keepalived_fails("has no state file"),
    Test::new(
        "config_test_reports_a_vip_that_is_the_lan_address",
        reported,
    )
    .keepalived_fails("does not report it"),
];

/// What `-t` reports about an address, and its exit codes, of keepalived and in a strict test.
fn tested(ctx: &Ctx, node: &Node, run: Option<&Running>) -> (String, [Option<i32>; 2]) {
    let path = format!("{DIR}/adopt.conf");
    std::fs::write(&path, conf(100, &[]).text()).expect("write");
    let pid_file = run.map_or(DIR.to_owned() + "/none.pid", |run| {
        run.pid_file.to_string_lossy().into_owned()
    });
    let outputs = [&["-t"][..], &["-t", "--config-test-strict"]].map(|options| {
        let mut test = Command::new(ctx.daemon.path());
        node.output(test.args(options).args(["-p", &pid_file, "-f", &path]))
    });
    let text = String::from_utf8_lossy(&outputs[0].stderr);
    let mut lines = text.lines();
    let line = lines.find(|line| line.contains("on this machine"));
    let line = line.unwrap_or_default().to_owned();
    (line, outputs.map(|out| out.status.code()))
}

const UCI: &str = "
config globals 'globals'
    option enabled '1'
config ipaddress
    option name 'vip'
    option address '10.0.0.100/24'
    option device 'eth0'
config vrrp_instance
    option name 'LAN'
    option interface 'eth0'
    option virtual_router_id '51'
    list virtual_ipaddress 'vip'
";

fn reported(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.100/24"]);
    let (line, codes) = tested(ctx, &a, None);
    assert!(
        line.contains("adopt.conf:")
            && line.contains("warning: 10.0.0.100 is the only address of eth0"),
        "{line}"
    );
    assert_eq!(codes, [Some(0), Some(5)]);
    let uci = format!("{DIR}/adopt.uci");
    std::fs::write(&uci, UCI).expect("write");
    let mut check = Command::new(ctx.daemon.path());
    let out = a.output(check.args(["uci2conf", &uci, "--check"]));
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(
        text.contains("10.0.0.100 is the only address of eth0"),
        "{text}"
    );
    a.addr_add("10.0.0.1/24");
    let (line, codes) = tested(ctx, &a, None);
    assert!(
        line.contains("note: 10.0.0.100 is an address of eth0"),
        "{line}"
    );
    assert_eq!(codes, [Some(0); 2]);
    // One that the daemon has set.
    a.addr_del("10.0.0.100/24");
    let quiet = (String::new(), [Some(0); 2]);
    assert_eq!(tested(ctx, &a, None), quiet);
    set(&a, "10.0.0.1/24");
    let run = ctx.daemon.start(&a, &conf(100, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    assert_eq!(tested(ctx, &a, Some(&run)), quiet);
    Outcome::Passed
}

const WARNING: &str = "from another program";

fn warnings(run: &Running) -> usize {
    run.log().matches(WARNING).count()
}

/// Sets an address as netifd does: an existing one becomes its own.
fn set(node: &Node, address: &str) {
    node.ip(&format!("addr replace {address} dev eth0"));
}

fn life(ctx: &Ctx, a: &Node, b: &Node) {
    let watch = Watch::start(a);
    let mut run = ctx.daemon.start(a, &conf(100, &[]));
    wait_until(SOON, "it is master", || run.log().contains("MASTER STATE"));
    assert!(a.has(VIP));
    let mut other = ctx.daemon.start(b, &conf(200, &[]));
    wait_until(SOON, "it is backup", || {
        run.log().matches("BACKUP STATE").count() == 2
    });
    let _ = run.reload(&conf(101, &[]).text());
    wait_until(SOON, "it has another priority", || {
        run.log().contains("101")
    });
    other.term();
    other.wait_exit(SOON).expect("it ends");
    wait_until(SOON, "it is master again", || {
        run.log().matches("MASTER STATE").count() == 2
    });
    assert_eq!(warnings(&run), 1, "{}", run.log());
    run.kill9();
    sleep_ms(1_000);
    run = ctx.daemon.start(a, &conf(100, &[]));
    wait_until(SOON, "it is master", || run.log().contains("MASTER STATE"));
    assert_eq!(warnings(&run), 1, "{}", run.log());
    // Of another instance, the address is no longer a virtual one.
    let new = Conf::of(&[Inst::new(52, 100, "10.0.0.77/24")]);
    run.reload(&new.text());
    wait_until(SOON, "it has another address", || a.has("10.0.0.77"));
    run.reload(&conf(100, &[]).text());
    wait_until(SOON, "that is gone", || !a.has("10.0.0.77"));
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert!(a.has(VIP));
    assert!(!watch.removed(ip(VIP), 0), "it was never away");
}

fn only(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.100/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    life(ctx, &a, &b);
    Outcome::Passed
}

fn one_of_two(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "10.0.0.100/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    life(ctx, &a, &b);
    assert!(a.has("10.0.0.1"));
    Outcome::Passed
}

fn by_hand(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let mut master = ctx.daemon.start(&b, &conf(200, &[]));
    wait_until(SOON, "it is master", || b.has(VIP));
    let mut run = ctx.daemon.start(&a, &conf(100, &[]));
    wait_until(SOON, "it is backup", || run.log().contains("BACKUP STATE"));
    set(&a, "10.0.0.100/24");
    wait_until(SOON, "it says so", || warnings(&run) == 1);
    master.term();
    master.wait_exit(SOON).expect("it ends");
    wait_until(SOON, "it is master", || run.log().contains("MASTER STATE"));
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert!(a.has(VIP));
    Outcome::Passed
}

fn again(ctx: &Ctx) -> Outcome {
    if !kernel_marks_addresses() {
        return Outcome::Skipped("the kernel is older than 5.18".into());
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "it is master", || a.has(VIP));
    set(&a, "10.0.0.100/24");
    wait_until(SOON, "it says so", || warnings(&run) == 1);
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert!(a.has(VIP));
    Outcome::Passed
}

fn restarted(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.100/24"]);
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    for nth in 1..=2 {
        wait_until(SOON, "it is master", || {
            run.log().matches("MASTER STATE").count() == nth
        });
        a.addr_del("10.0.0.100/24");
        wait_until(SOON, "it has no source", || {
            run.log().matches("FAULT STATE").count() == nth
        });
        assert!(!a.has(VIP), "it is not ours");
        set(&a, "10.0.0.100/24");
    }
    wait_until(SOON, "it is master", || {
        run.log().matches("MASTER STATE").count() == 3
    });
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert!(a.has(VIP));
    Outcome::Passed
}

/// Before Linux 5.18 nothing else tells the next process that they are ours.
fn kept(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let conf_file = format!("{DIR}/{}-kept.conf", a.id());
    std::fs::write(&conf_file, conf(200, &[]).text()).expect("write");
    let pid_file = format!("{DIR}/{}-kept.pid", a.id());
    let state_file = format!("{DIR}/{}-kept.state", a.id());
    for (option, stays) in [("--dont-release-vrrp", true), ("--log-console", false)] {
        let args = ["-n", "-l", "-f", &conf_file, "-p", &pid_file, option];
        let mut run = ctx.daemon.start_args(&a, &args);
        wait_until(SOON, "it is master", || {
            run.log().contains("Entering MASTER STATE") && a.has(VIP)
        });
        run.term();
        run.wait_exit(SOON).expect("it exits");
        assert_eq!(a.has(VIP), stays, "{option}");
        assert_eq!(
            std::path::Path::new(&state_file).exists(),
            stays,
            "{option}"
        );
    }
    Outcome::Passed
}
