//! Servers that die, hang, answer incorrectly, and return.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use vrrpd_lab::private::DIR;
use vrrpd_lab::{sleep_ms, wait_until};

use crate::network::{FAR, Network, SOON};
use crate::server::Mode;
use crate::traffic::{BOTH, WEB, pair, service};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("tcp_check_removes_and_restores_a_stopped_server", stopped),
    Test::new("tcp_check_removes_and_restores_a_dead_host", dead),
    Test::new("http_get_checks_the_status_code", status),
    Test::new("http_get_checks_the_digest_of_the_page", digest),
    Test::new("http_get_times_out_on_a_silent_server", silent),
    Test::new("http_get_times_out_on_a_trickling_server", trickling)
        .keepalived_fails("waits as long as bytes come"),
    Test::new("misc_check_uses_the_exit_code", misc),
    Test::new("misc_check_sets_the_weight", dynamic),
    Test::new("sorry_server_serves_without_real_servers", sorry),
    Test::new("sorry_server_serves_below_the_quorum", quorum),
    Test::new("hysteresis_delays_quorum_changes", hysteresis),
    Test::new("inhibited_server_stays_with_weight_0", inhibit),
    Test::new("alpha_server_is_down_until_its_first_success", alpha),
    Test::new("notify_scripts_of_servers_and_quorum_run", scripts),
];

pub(crate) const TCP: &str = "TCP_CHECK {\n connect_timeout 1\n retry 0\n }";

/// `rs1` and `rs2` with HTTP_GET of `/` and these further lines of the url.
fn http(lines: &str) -> String {
    pair(
        "",
        &format!(
            "HTTP_GET {{\n url {{\n path /\n {lines}\n }}\n connect_timeout 1\n retry 0\n delay_before_retry 1\n }}"
        ),
    )
}

fn stopped(ctx: &Ctx) -> Outcome {
    let mut network = Network::borrow();
    let run = network.run(ctx, &pair("", TCP));
    network.until("both servers", &BOTH);
    network.servers[0].stop();
    network.until("the other one only", &BOTH[1..]);
    let answers = network.answers(FAR, WEB, 4);
    assert_eq!(answers.get("rs2"), Some(&4), "{answers:?}");
    network.servers[0].resume();
    network.until("both again", &BOTH);
    let log = run.log();
    assert!(log.contains("Removing service [10.0.0.11]:tcp:80"), "{log}");
    assert!(log.contains("Adding service [10.0.0.11]:tcp:80"), "{log}");
    Outcome::Passed
}

fn dead(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let _run = network.run(ctx, &pair("", TCP));
    network.until("both servers", &BOTH);
    network.servers[1].node.carrier_down();
    network.until("the other one only", &BOTH[..1]);
    network.servers[1].node.carrier_up();
    network.until("both again", &BOTH);
    Outcome::Passed
}

fn status(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let _run = network.run(ctx, &http("status_code 200"));
    network.until("both servers", &BOTH);
    network.servers[0].set(Mode::Status(503));
    network.until("the other one only", &BOTH[1..]);
    network.servers[0].set(Mode::Good);
    network.until("both again", &BOTH);
    Outcome::Passed
}

fn digest(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    for server in &network.servers {
        server.set(Mode::Page("page\n"));
    }
    let _run = network.run(ctx, &http("digest 2adf521149526dde524f030851c7f903"));
    wait_until(SOON, "both have been asked", || {
        network.servers[..2].iter().all(|s| s.served() > 0)
    });
    network.until("both servers", &BOTH);
    network.servers[1].set(Mode::Page("other page\n"));
    network.until("the other one only", &BOTH[..1]);
    network.servers[1].set(Mode::Page("page\n"));
    network.until("both again", &BOTH);
    Outcome::Passed
}

fn silent(ctx: &Ctx) -> Outcome {
    hangs(ctx, Mode::Silent)
}

fn trickling(ctx: &Ctx) -> Outcome {
    hangs(ctx, Mode::Trickle)
}

fn hangs(ctx: &Ctx, how: Mode) -> Outcome {
    let network = Network::borrow();
    let _run = network.run(ctx, &http("status_code 200"));
    network.until("both servers", &BOTH);
    network.servers[0].set(how);
    network.until("the other one only", &BOTH[1..]);
    network.servers[0].set(Mode::Good);
    network.until("both again", &BOTH);
    Outcome::Passed
}

/// A script that exits with the number in the file `NAME.code`.
fn script(name: &str) -> String {
    let path = format!("{DIR}/{name}");
    fs::write(&path, format!("#!/bin/sh\nexit $(cat {path}.code)\n")).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file");
    path
}

/// A script that records its arguments.
pub(crate) struct Notified {
    pub(crate) path: String,
    notes: String,
}

impl Notified {
    pub(crate) fn new() -> Self {
        let (path, notes) = (format!("{DIR}/notify"), format!("{DIR}/notified"));
        fs::write(&path, format!("#!/bin/sh\necho \"$*\" >>{notes}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file");
        let _ = fs::remove_file(&notes);
        Self { path, notes }
    }

    /// Arguments of its calls, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.notes).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn until(&self, want: &[&str]) {
        wait_until(SOON, &format!("notified of {}", want.join(", ")), || {
            self.lines() == want
        });
    }
}

/// Sets the exit code of the script.
fn says(path: &str, code: u8) {
    fs::write(format!("{path}.code"), code.to_string()).expect("a file");
}

fn misc(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let path = script("misc");
    says(&path, 0);
    let check = format!("MISC_CHECK {{\n misc_path {path}\n misc_timeout 5\n user root\n }}");
    let conf = pair("", TCP).replacen(TCP, &check, 1);
    let _run = network.run(ctx, &conf);
    network.until("both servers", &BOTH);
    says(&path, 1);
    network.until("the other one only", &BOTH[1..]);
    says(&path, 0);
    network.until("both again", &BOTH);
    Outcome::Passed
}

fn dynamic(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let path = script("dynamic");
    says(&path, 12);
    let check = format!("MISC_CHECK {{\n misc_path {path}\n misc_dynamic\n user root\n }}");
    let conf = pair("", TCP).replacen(TCP, &check, 1);
    let _run = network.run(ctx, &conf);
    network.until("weight 10", &["10.0.0.11:80=10", BOTH[1]]);
    says(&path, 2);
    network.until("weight 0", &["10.0.0.11:80=0", BOTH[1]]);
    says(&path, 255);
    network.until("weight 253", &["10.0.0.11:80=253", BOTH[1]]);
    says(&path, 1);
    network.until("the other one only", &BOTH[1..]);
    says(&path, 0);
    network.until("its own weight", &BOTH);
    Outcome::Passed
}

fn sorry(ctx: &Ctx) -> Outcome {
    let mut network = Network::borrow();
    let _run = network.run(ctx, &pair("sorry_server 10.0.0.13 80", TCP));
    network.until("both servers", &BOTH);
    network.servers[0].stop();
    network.until("the other one only", &BOTH[1..]);
    network.servers[1].stop();
    network.until("the sorry server", &["10.0.0.13:80=1"]);
    assert_eq!(network.ask(FAR, WEB).as_deref(), Some("rs3"));
    network.servers[1].resume();
    network.until(
        "the first that is back, without the sorry server",
        &BOTH[1..],
    );
    network.servers[0].resume();
    network.until("both again", &BOTH);
    Outcome::Passed
}

fn quorum(ctx: &Ctx) -> Outcome {
    let mut network = Network::borrow();
    let conf = pair("quorum 2\nsorry_server 10.0.0.13 80", TCP);
    let _run = network.run(ctx, &conf);
    network.until("both servers", &BOTH);
    network.servers[0].stop();
    network.until("the sorry server instead of too few", &["10.0.0.13:80=1"]);
    network.servers[0].resume();
    network.until("both again", &BOTH);
    Outcome::Passed
}

fn hysteresis(ctx: &Ctx) -> Outcome {
    let mut network = Network::borrow();
    let notified = Notified::new();
    let server = |n: u8, weight: u8| {
        format!("    real_server 10.0.0.1{n} 80 {{\n weight {weight}\n {TCP}\n }}\n")
    };
    let servers = [server(1, 1), server(2, 2), server(3, 1)].concat();
    // Lost below 2, gained from 4 on.
    let lines = format!(
        "lb_kind NAT\nquorum 3\nhysteresis 1\nsorry_server 10.0.0.13 81\n\
         quorum_up \"{path} enough\" root\nquorum_down \"{path} few\" root\n{servers}",
        path = notified.path
    );
    let _run = network.run(ctx, &service("10.0.0.100 80", &lines, &[], ""));
    let (first, second, third) = ("10.0.0.11:80=1", "10.0.0.12:80=2", "10.0.0.13:80=1");
    network.until("all three", &[first, second, third]);
    notified.until(&["enough"]);
    network.servers[0].stop();
    network.until("two are 3", &[second, third]);
    network.servers[2].stop();
    network.until("one is 2, and still enough", &[second]);
    assert_eq!(network.answers(FAR, WEB, 2).get("rs2"), Some(&2));
    network.servers[0].resume();
    network.until("two are 3", &[first, second]);
    network.servers[1].stop();
    network.until("one is 1, and too few", &["10.0.0.13:81=1"]);
    notified.until(&["enough", "few"]);
    network.servers[1].resume();
    sleep_ms(1500);
    network.until("two are 3, and not enough yet", &["10.0.0.13:81=1"]);
    network.servers[2].resume();
    network.until("all three are 4", &[first, second, third]);
    notified.until(&["enough", "few", "enough"]);
    assert_eq!(network.answers(FAR, WEB, 6).len(), 3);
    Outcome::Passed
}

fn inhibit(ctx: &Ctx) -> Outcome {
    let mut network = Network::borrow();
    let check = format!("inhibit_on_failure\n{TCP}");
    let _run = network.run(ctx, &pair("", &check));
    network.until("both servers", &BOTH);
    network.servers[0].stop();
    network.until("one without new connections", &["10.0.0.11:80=0", BOTH[1]]);
    assert_eq!(network.answers(FAR, WEB, 4).get("rs2"), Some(&4));
    network.servers[0].resume();
    network.until("both again", &BOTH);
    Outcome::Passed
}

fn alpha(ctx: &Ctx) -> Outcome {
    let mut network = Network::borrow();
    network.servers[0].stop();
    let _run = network.run(ctx, &pair("alpha", TCP));
    network.until("the one that answers", &BOTH[1..]);
    sleep_ms(500);
    network.until("and no other", &BOTH[1..]);
    network.servers[0].resume();
    network.until("both", &BOTH);
    Outcome::Passed
}

fn scripts(ctx: &Ctx) -> Outcome {
    let mut network = Network::borrow();
    let notified = Notified::new();
    let path = &notified.path;
    let lines = format!("quorum_up \"{path} enough\" root\nquorum_down \"{path} few\" root");
    let check = format!("notify_up \"{path} up\" root\nnotify_down \"{path} down\" root\n{TCP}");
    let _run = network.run(ctx, &pair(&lines, &check));
    network.until("both servers", &BOTH);
    network.servers[0].stop();
    network.until("the other one only", &BOTH[1..]);
    network.servers[1].stop();
    network.until("none", &[]);
    network.servers[0].resume();
    network.until("the first again", &BOTH[..1]);
    let counts = || {
        let lines = notified.lines();
        ["down", "up", "enough", "few"].map(|what| lines.iter().filter(|l| *l == what).count())
    };
    wait_until(
        SOON,
        "two went down and one came up, quorum lost and gained",
        || {
            let [down, up, enough, few] = counts();
            down == 2 && up >= 1 && enough >= 1 && few == 1
        },
    );
    Outcome::Passed
}
