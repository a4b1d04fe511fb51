//! VMACs in VRFs, and ipvlans, which the kernels of development machines often lack.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use vrrpd_lab::{Capture, Conf, Inst, Lab, Node, wait_until};

use crate::network::SOON;
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "vmac_in_a_vrf_forwards_and_follows_its_interface",
        follows_vrf,
    ),
    Test::new("ipvlan_has_the_addresses", ipvlan),
];

const VIP: &str = "10.0.0.100";
const BEHIND: &str = "10.9.0.9";

/// Whether a host answers at `to` by refusing the connection.
fn answers(client: &Node, to: &str) -> bool {
    let socket: SocketAddr = format!("{to}:9").parse().expect("an address");
    let result = client.inside(|| TcpStream::connect_timeout(&socket, Duration::from_millis(400)));
    result.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// The VRF of `dev`; nothing while the interface does not exist.
fn vrf_of(node: &Node, dev: &str) -> Option<String> {
    let links = node.ip("-o link show");
    let name = format!(": {dev}@");
    let line = links.lines().find(|line| line.contains(&name))?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "master");
    words.nth(1).map(str::to_owned)
}

fn follows_vrf(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let client = lab.node("client", &["10.0.0.9/24"]);
    let server = lab.node("server", &[]);
    server.ip("link del eth0");
    let ns = server.id();
    a.ip(&format!("link add out0 type veth peer name in0 netns {ns}"));
    server.ip("link set in0 up");
    server.ip("addr add 10.9.0.9/24 dev in0");
    server.ip("route add default via 10.9.0.1");
    client.ip(&format!("route add 10.9.0.0/24 via {VIP}"));
    a.sysctl("net.ipv4.ip_forward", "1");
    a.ip("link set out0 up");
    a.ip("link add blue type vrf table 1001");
    a.ip("link set blue up");
    let set = |how: &str| {
        for dev in ["eth0", "out0"] {
            a.ip(&format!("link set {dev} {how}"));
        }
        // IPv4 addresses stay.
        a.ip("addr replace 10.9.0.1/24 dev out0");
    };
    set("master blue");
    let inst = Inst::new(51, 200, "10.0.0.100/32").line("use_vmac");
    let mut run = ctx.daemon.start(&a, &Conf::of(&[inst]));
    for (how, wanted) in [
        ("master blue", Some("blue")),
        ("nomaster", None),
        ("master blue", Some("blue")),
    ] {
        set(how);
        let vrf = || vrf_of(&a, "vrrp.51");
        wait_until(SOON, how, || vrf().as_deref() == wanted);
        wait_until(SOON, how, || answers(&client, BEHIND));
    }
    run.term();
    assert!(run.wait_exit(SOON).is_some());
    assert!(!a.ip("-o link show").contains("vrrp.51"));
    Outcome::Passed
}

fn ipvlan(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let client = lab.node("client", &["10.0.0.9/24"]);
    let cap = Capture::start(&lab);
    let inst = Inst::new(51, 200, "10.0.0.100/32").line("use_ipvlan ipvl51 10.0.0.5/32 group 7");
    let mut run = ctx.daemon.start(&a, &Conf::of(&[inst]));
    let on_ipvlan = |addr: &str| a.ip("-o addr show ipvl51").contains(addr);
    wait_until(SOON, "master", || {
        a.ip("-o link show").contains("ipvl51") && on_ipvlan("10.0.0.100")
    });
    assert!(on_ipvlan("10.0.0.5"));
    let link = a.ip("-d link show ipvl51");
    assert!(
        link.contains("ipvlan") && link.contains("mode l2 bridge"),
        "{link}"
    );
    assert!(link.contains("group 7"), "{link}");
    let (_, advert) = cap.advert_of(&a, 0, SOON);
    assert_eq!(advert.from.to_string(), "10.0.0.5");
    wait_until(SOON, VIP, || answers(&client, VIP));
    run.term();
    assert!(run.wait_exit(SOON).is_some());
    assert!(!a.ip("-o link show").contains("ipvl51"));
    Outcome::Passed
}
