//! Real connections through the table the daemon has made.

use std::collections::BTreeMap;

use crate::farm::{FAR, FAR6, Farm, NEAR, VIP, table};
use crate::{Ctx, End, Test};

pub(crate) const TESTS: &[Test] = &[
    ("nat_balances_connections", "", nat),
    ("direct_routing_balances_connections", "", direct),
    ("tunnels_balance_connections", "", tunnel),
    ("ipv6_balances_connections", "", ipv6),
];

/// A virtual server on port 80 for `rs1` and `rs2`, with these lines.
pub(crate) fn service(head: &str, lines: &str, servers: &[&str], check: &str) -> String {
    let servers: String = servers
        .iter()
        .map(|s| format!("    real_server {s} {{\n        {check}\n    }}\n"))
        .collect();
    format!(
        "virtual_server {head} {{\n    delay_loop 1\n    lb_algo rr\n    protocol TCP\n    {lines}\n{servers}}}\n"
    )
}

pub(crate) const TWO: [&str; 2] = ["10.0.0.11 80", "10.0.0.12 80"];

fn each(count: usize) -> BTreeMap<String, usize> {
    ["rs1", "rs2"].map(|n| (n.to_owned(), count)).into()
}

fn nat(ctx: &Ctx) -> End {
    let farm = Farm::new(2);
    let run = farm.run(ctx, &service("10.0.0.100 80", "lb_kind NAT", &TWO, ""));
    farm.until("both servers", &["10.0.0.11:80=1", "10.0.0.12:80=1"]);
    assert_eq!(farm.answers(FAR, "10.0.0.100:80", 8), each(4));
    drop(run);
    End::Ok
}

fn direct(ctx: &Ctx) -> End {
    let farm = Farm::new(2);
    farm.servers_own_the_vip();
    let run = farm.run(ctx, &service("10.0.0.100 80", "lb_kind DR", &TWO, ""));
    farm.until("both servers", &["10.0.0.11:80=1", "10.0.0.12:80=1"]);
    assert_eq!(farm.answers(NEAR, "10.0.0.100:80", 8), each(4));
    drop(run);
    End::Ok
}

fn tunnel(ctx: &Ctx) -> End {
    let farm = Farm::new(2);
    farm.servers_own_the_vip();
    farm.servers_open_tunnels();
    let run = farm.run(ctx, &service("10.0.0.100 80", "lb_kind TUN", &TWO, ""));
    farm.until("both servers", &["10.0.0.11:80=1", "10.0.0.12:80=1"]);
    assert_eq!(farm.answers(NEAR, "10.0.0.100:80", 8), each(4));
    drop(run);
    End::Ok
}

fn ipv6(ctx: &Ctx) -> End {
    let farm = Farm::new(2);
    let servers = ["fd00::11 80", "fd00::12 80"];
    let run = farm.run(ctx, &service("fd00::100 80", "lb_kind NAT", &servers, ""));
    farm.until("both servers", &["[fd00::11]:80=1", "[fd00::12]:80=1"]);
    assert_eq!(farm.answers(FAR6, "[fd00::100]:80", 8), each(4));
    drop(run);
    let _ = (VIP, table(&farm.director));
    End::Ok
}
