//! Names of networks where a device belongs.

use vrrpd::config::render::render_text;
use vrrpd::uci::{Networks, convert_on};

const NETWORK: &str = "
config interface 'loopback'
	option device 'lo'
	option proto 'static'
config device
	option name 'br-lan'
	option type 'bridge'
	list ports 'lan1'
config interface 'lan'
	option device 'br-lan'
	option proto 'static'
config interface 'wan'
	option device 'eth1'
	option proto 'dhcp'
config interface 'wan6'
	option device '@wan'
	option proto 'dhcpv6'
config interface 'office'
	option ifname 'eth0.3 eth0.4'
	option type 'bridge'
config interface 'old'
	option ifname 'eth0.5'
	option proto 'static'
config interface 'dsl'
	option device 'eth2'
	option proto 'pppoe'
config interface 'wg'
	option proto 'wireguard'
config interface 'port'
	option device 'port'
	option proto 'static'
config interface 'dsa'
	option device 'br-dsa'
config interface 'guests'
	option proto 'static'
config interface 'loop1'
	option device '@loop2'
config interface 'loop2'
	option device '@loop1'
";

fn report(uci: &str) -> String {
    let present = ["lo", "br-lan", "eth1", "dsa"].map(str::to_owned);
    let networks = Networks::read("network", NETWORK.into(), present.into());
    let done = convert_on(&networks, "x", uci.into());
    render_text(&done.diags, &done.sources)
}

#[test]
fn the_device_of_a_network_is_named() {
    for (network, help) in [
        ("lan", "write 'br-lan', the device of that network"),
        ("wan", "write 'eth1'"),
        ("wan6", "write 'eth1'"),
        ("office", "write 'br-office'"),
        ("old", "write 'eth0.5'"),
        ("dsl", "write 'pppoe-dsl'"),
        ("loopback", "write 'lo'"),
        ("guests", "the l3_device in `ifstatus guests`"),
        ("loop1", "the l3_device in `ifstatus loop1`"),
    ] {
        let uci = format!("config vrrp_instance 'v'\n\toption interface '{network}'\n");
        let found = report(&uci);
        let start = format!("x:2:19: error: `{network}` is a network of network, not a device");
        assert!(found.starts_with(&start), "{found}");
        assert!(found.contains(help), "{found}");
    }
}

#[test]
fn a_device_with_the_name_of_a_network_is_no_mistake() {
    // Another network's device, a tunnel, a device that has the name, one that exists, no network.
    for device in ["br-lan", "eth1", "wg", "port", "dsa", "eth9", ""] {
        let uci = format!("config vrrp_instance 'v'\n\toption interface '{device}'\n");
        assert_eq!(report(&uci), "", "{device}");
    }
}

#[test]
fn every_option_that_names_a_device_is_looked_at() {
    for (uci, line) in [
        (
            "config ipaddress 'a'\n\toption address '192.0.2.1'\n\toption device 'lan'",
            3,
        ),
        ("config track_interface 't'\n\toption value 'lan'", 2),
        (
            "config route 'r'\n\toption address '192.0.2.0/24'\n\toption device 'lan'",
            3,
        ),
        (
            "config interface_up_down_delays\n\toption device 'lan'\n\toption down_delay 3",
            2,
        ),
        (
            "config vrrp_instance 'v'\n\toption lvs_sync_daemon_interface 'lan'",
            2,
        ),
    ] {
        let found = report(uci);
        assert!(found.starts_with(&format!("x:{line}:")), "{found}");
        assert!(found.contains("write 'br-lan'"), "{found}");
    }
    let both = "config ipaddress 'a'\n\toption address '192.0.2.1'\n\toption device 'lan'\n\
                config vrrp_instance 'v'\n\toption interface 'lan'\n";
    let found = report(both);
    assert_eq!(found.matches("error").count(), 1, "{found}");
    assert!(found.contains("also on line 5"), "{found}");
}

#[test]
fn a_network_file_that_is_missing_or_broken_is_no_reason_for_a_message() {
    for bytes in [&b""[..], b"\0", b"config\nconfig interface\n'"] {
        let networks = Networks::read("network", bytes.to_vec(), Vec::new());
        let uci = "config vrrp_instance 'v'\n\toption interface 'lan'\n";
        let done = convert_on(&networks, "x", uci.into());
        assert_eq!(render_text(&done.diags, &done.sources), "");
    }
}
