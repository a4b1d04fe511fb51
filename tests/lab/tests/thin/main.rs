//! A kernel without macvlans, nftables, IPVS and IPv6, as on small routers: missing features are
//! reported once, and the rest works. It is the guest's kernel without its modules.

use std::fs;
use std::path::Path;
use std::time::Duration;

use vrrpd_lab::suite::{Ctx, Outcome, Test};
use vrrpd_lab::{Capture, Conf, Inst, Lab, guest, sleep_ms, wait_until};

const TESTS: &[Test] = &[Test::new(
    "missing_kernel_features_are_reported_once_and_the_rest_runs",
    missing_features,
)
.keepalived_fails("needs the modules it was built with")];

/// Booting an emulated machine is slow.
const SOON: Duration = Duration::from_secs(60);

fn main() {
    guest::main_thin(TESTS);
}

/// Everything that needs a module: VMACs, `no_accept`, IPv6 and a virtual server.
fn conf() -> String {
    let v4 = |vrid, vip| {
        Inst::new(vrid, 200, vip)
            .line("use_vmac")
            .line("no_accept")
            .line("track_file {\n        flag weight 1\n    }")
    };
    let instances = [
        v4(51, "10.0.0.100/24"),
        v4(52, "10.0.0.101/24"),
        Inst::new(53, 200, "fe80::100/64").vip("fd00::100/64"),
        Inst::new(54, 200, "fe80::101/64").vip("fd00::101/64"),
    ];
    let files = "track_file flag {\n    file /run/lab/flag\n}";
    let server = "virtual_server 10.0.0.100 80 {\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    \
                  real_server 10.0.0.1 8080 {\n        weight 1\n    }\n}\n";
    Conf::of(&instances).top(files).top(server).text()
}

fn missing_features(ctx: &Ctx) -> Outcome {
    assert!(
        !Path::new("/proc/sys/net/ipv6").exists(),
        "the test's premise"
    );
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let mut run = ctx.daemon.start_text(&a, &conf(), &[]);
    wait_until(SOON, "what can run does", || {
        a.has("10.0.0.100") && a.has("10.0.0.101")
    });
    let address = "10.0.0.100".parse().expect("an address");
    wait_until(SOON, "the address is announced", || {
        !cap.announcements(&a, address, 0).is_empty()
    });
    wait_until(SOON, "IPVS is given up", || run.log().contains("IPVS: "));
    // Long enough for several retries.
    sleep_ms(4000);
    let log = run.log();
    for words in [
        "use_vmac is not possible, all instances use the Ethernet addresses of their interfaces: this kernel has no macvlans",
        "no_accept is not enforced, the addresses of VI_51, VI_52 accept packets: nftables: ",
        "cannot receive IPv6 adverts on eth0: ",
        "(no IPv6: CONFIG_IPV6, ipv6.disable=1)",
        "IPVS: not available in this kernel; virtual servers are not set up, VRRP continues (install the module ip_vs",
    ] {
        assert_eq!(log.matches(words).count(), 1, "{words}: {log}");
    }
    let complaints = |log: &str| {
        let severe = |line: &&str| line.starts_with("WARN ") || line.starts_with("ERROR");
        log.lines().filter(severe).count()
    };
    // The messages above, and two instances without an IPv6 address.
    assert_eq!(complaints(&log), 6, "{log}");
    fs::write("/run/lab/flag", "1\n").expect("write");
    wait_until(SOON, "files are tracked", || {
        run.log().contains("track_file flag is 1")
    });
    run.reload(&conf());
    sleep_ms(1500);
    assert!(complaints(&run.log()) <= 7, "{}", run.log());
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    assert!(!a.has("10.0.0.100"));
    Outcome::Passed
}
