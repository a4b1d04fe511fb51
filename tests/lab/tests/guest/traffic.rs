//! Connections through the table that the daemon has set up.

use std::collections::BTreeMap;
use std::process::Command;

use crate::network::{FAR, FAR6, NEAR, Network};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("nat_balances_connections", nat),
    Test::new("direct_routing_balances_connections", direct),
    Test::new("tunnels_balance_connections", tunnel),
    Test::new("ipv6_balances_connections", ipv6),
    Test::new("weights_are_proportional", weights),
    Test::new("persistence_keeps_a_client_with_its_server", persistence),
    Test::new("marked_packets_are_balanced", mark),
    Test::new("virtual_server_group_shares_its_real_servers", group),
    Test::new("one_packet_scheduling_balances_datagrams", one_packet),
];

/// A virtual server with these real servers (`10.0.0.11 80`), each with this check.
pub(crate) fn service(head: &str, lines: &str, servers: &[&str], check: &str) -> String {
    let server = |s: &&str| format!("    real_server {s} {{\n        {check}\n    }}\n");
    let servers: String = servers.iter().map(server).collect();
    let common = "delay_loop 1\n    lb_algo rr\n    protocol TCP";
    format!("virtual_server {head} {{\n    {common}\n    {lines}\n{servers}}}\n")
}

/// A NAT service with `rs1` and `rs2` and this check.
pub(crate) fn pair(lines: &str, check: &str) -> String {
    service(
        "10.0.0.100 80",
        &format!("lb_kind NAT\n{lines}"),
        &TWO,
        check,
    )
}

pub(crate) const TWO: [&str; 2] = ["10.0.0.11 80", "10.0.0.12 80"];
/// Both servers in the table.
pub(crate) const BOTH: [&str; 2] = ["10.0.0.11:80=1", "10.0.0.12:80=1"];
pub(crate) const WEB: &str = "10.0.0.100:80";

fn shares(first: usize, second: usize) -> BTreeMap<String, usize> {
    [("rs1".to_owned(), first), ("rs2".to_owned(), second)].into()
}

fn nat(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let _run = network.run(ctx, &pair("", ""));
    network.until("both servers", &BOTH);
    assert_eq!(network.answers(FAR, WEB, 8), shares(4, 4));
    Outcome::Passed
}

fn direct(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    network.servers_own_the_vip();
    let _run = network.run(ctx, &service("10.0.0.100 80", "lb_kind DR", &TWO, ""));
    network.until("both servers", &BOTH);
    assert_eq!(network.answers(NEAR, WEB, 8), shares(4, 4));
    Outcome::Passed
}

fn tunnel(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    network.servers_own_the_vip();
    network.servers_open_tunnels();
    let _run = network.run(ctx, &service("10.0.0.100 80", "lb_kind TUN", &TWO, ""));
    network.until("both servers", &BOTH);
    assert_eq!(network.answers(NEAR, WEB, 8), shares(4, 4));
    Outcome::Passed
}

fn ipv6(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let servers = ["fd00::11 80", "fd00::12 80"];
    let conf = service("fd00::100 80", "lb_kind NAT", &servers, "");
    let _run = network.run(ctx, &conf);
    network.until("both servers", &["[fd00::11]:80=1", "[fd00::12]:80=1"]);
    assert_eq!(network.answers(FAR6, "[fd00::100]:80", 8), shares(4, 4));
    Outcome::Passed
}

fn weights(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let conf = pair("lb_algo wrr", "weight 3").replacen("weight 3", "weight 1", 1);
    let run = network.run(ctx, &conf);
    network.until("both servers", &["10.0.0.11:80=1", "10.0.0.12:80=3"]);
    assert_eq!(network.answers(FAR, WEB, 8), shares(2, 6));
    let _ = run;
    Outcome::Passed
}

fn persistence(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let _run = network.run(ctx, &pair("persistence_timeout 60", ""));
    network.until("both servers", &BOTH);
    let first = network.ask(FAR, WEB).expect("an answer");
    let all = network.answers(FAR, WEB, 5);
    assert_eq!(all.get(&first), Some(&5), "{all:?}");
    Outcome::Passed
}

fn mark(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let rules = "add table ip m\n\
                 add chain ip m c { type filter hook prerouting priority -150; }\n\
                 add rule ip m c ip daddr 10.0.0.100 tcp dport { 80, 8080 } meta mark set 7";
    let out = network.director.output(Command::new("nft").arg(rules));
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let _run = network.run(ctx, &service("fwmark 7", "lb_kind NAT", &TWO, ""));
    network.until("both servers", &BOTH);
    for port in ["10.0.0.100:80", "10.0.0.100:8080"] {
        assert_eq!(network.answers(FAR, port, 4), shares(2, 2), "{port}");
    }
    let _ = network
        .director
        .output(Command::new("nft").args(["flush", "ruleset"]));
    Outcome::Passed
}

fn group(ctx: &Ctx) -> Outcome {
    let mut network = Network::borrow();
    let check = "TCP_CHECK {\n connect_timeout 1\n retry 0\n }";
    let conf = format!(
        "virtual_server_group G {{\n    10.0.0.100 80\n    10.0.0.100 8080\n}}\n{}",
        service("group G", "lb_kind NAT", &TWO, check)
    );
    let _run = network.run(ctx, &conf);
    network.until("both servers, twice", &[BOTH[0], BOTH[0], BOTH[1], BOTH[1]]);
    for port in ["10.0.0.100:80", "10.0.0.100:8080"] {
        assert_eq!(network.answers(FAR, port, 4), shares(2, 2), "{port}");
    }
    network.servers[1].stop();
    network.until("one server, twice", &[BOTH[0], BOTH[0]]);
    Outcome::Passed
}

fn one_packet(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    network.servers_own_the_vip();
    let conf = service("10.0.0.100 80", "lb_kind DR\nops", &TWO, "");
    let _run = network.run(ctx, &conf.replace("protocol TCP", "protocol UDP"));
    network.until("both servers", &BOTH);
    let all = network.ask_udp(NEAR, WEB, 4);
    let of = |name| all.iter().filter(|a| *a == name).count();
    assert_eq!((of("rs1"), of("rs2")), (2, 2), "{all:?}");
    Outcome::Passed
}
