//! Two directors with one virtual address: connections survive a failover.

use std::process::Command;

use vrrpd_lab::{Conf, Inst, Node, sleep_ms, wait_until};

use crate::checks::TCP;
use crate::network::{FAR, Network, SOON, director, ping};
use crate::traffic::{WEB, pair};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new("connections_survive_a_director_failover", dies)];

fn conf(priority: u8) -> String {
    let instance = Inst::new(51, priority, "10.0.0.100/32")
        .vip("10.0.0.254/24")
        .advert("0.2");
    let vrrp = Conf::of(&[instance]).global("lvs_sync_daemon eth0 VI_51 id 7");
    format!("{}\n{}", vrrp.text(), pair("", TCP))
}

fn sync_daemon(node: &Node) -> String {
    let out = node.output(Command::new("ipvsadm").args(["-l", "--daemon"]));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn dies(ctx: &Ctx) -> Outcome {
    // Not the shared network: the address has to be removed from the first director.
    let network = Network::new(2);
    network
        .director
        .ip_batch("addr del 10.0.0.100/32 dev eth0\naddr del fd00::100/128 dev eth0");
    let second = director(&network.lab, "second", 2, &[]);
    for server in &network.servers {
        server.node.ip("route replace default via 10.0.0.254");
    }
    let strong = ctx.daemon.start_text(&network.director, &conf(200), &[]);
    let weak = ctx.daemon.start_text(&second, &conf(100), &[]);
    wait_until(SOON, "the first director has the address", || {
        network.director.has("10.0.0.100")
    });
    wait_until(SOON, "the sync daemons run on both", || {
        sync_daemon(&network.director).contains("master sync daemon")
            && sync_daemon(&second).contains("backup sync daemon")
    });
    assert!(sync_daemon(&second).contains("syncid=7"));
    assert!(!sync_daemon(&second).contains("master"));
    let mut stream = network.connect(FAR, WEB).expect("a connection");
    let who = ping(&mut stream);
    assert!(who.is_some(), "an answer");
    for _ in 0..5 {
        ping(&mut stream);
    }
    // The kernel synchronizes connections periodically.
    wait_until(SOON, "the second director knows the connection", || {
        let out = second.output(Command::new("ipvsadm").arg("-Lnc"));
        String::from_utf8_lossy(&out.stdout).contains("ESTABLISHED")
    });
    network.director.carrier_down();
    wait_until(SOON, "the second director has the address", || {
        second.has("10.0.0.100")
    });
    wait_until(SOON, "it runs the master sync daemon", || {
        sync_daemon(&second).contains("master sync daemon")
    });
    assert!(!sync_daemon(&second).contains("backup"));
    let mut again = None;
    for _ in 0..5 {
        again = ping(&mut stream);
        if again.is_some() {
            break;
        }
        sleep_ms(200);
    }
    assert_eq!(again, who, "the connection survives");
    assert!(network.ask(FAR, WEB).is_some(), "so do new ones");
    network.director.carrier_up();
    wait_until(SOON, "the address goes home", || !second.has("10.0.0.100"));
    drop((strong, weak));
    Outcome::Passed
}
