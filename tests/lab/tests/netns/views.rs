//! `status` and `explain` of running daemons, and whether what they predict happens.

use std::process::Command;

use serde_json::Value;
use vrrpd_lab::noise;
use vrrpd_lab::{MS, Node, Ns, Running, now, wait_until};

use crate::support::{INTERVAL, SOON, VIP, pair};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("explain_predicts_when_a_backup_takes_over", predicts)
        .keepalived_fails("has no control socket"),
    Test::new("status_and_explain_name_what_is_missing", names_the_fault)
        .keepalived_fails("has no control socket"),
];

/// What a command printed, and its exit code.
struct Said {
    text: String,
    code: Option<i32>,
}

/// Asks the daemon that runs on `node`.
fn ask(ctx: &Ctx, node: &Node, run: &Running, words: &[&str]) -> Said {
    let mut command = Command::new(ctx.daemon.path());
    command.args(words).arg("-p").arg(&run.pid_file);
    let output = node.output(&mut command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.is_empty(), "{words:?}: {error}");
    Said {
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
        code: output.status.code(),
    }
}

/// The first instance of `status --json`.
fn instance(ctx: &Ctx, node: &Node, run: &Running) -> Value {
    let said = ask(ctx, node, run, &["status", "--json"]);
    let all: Value = serde_json::from_str(&said.text).expect("JSON");
    all["instances"][0].clone()
}

fn seconds(value: &Value) -> Ns {
    let seconds = value.as_f64().expect("a number of seconds");
    #[allow(clippy::cast_possible_truncation, reason = "a few seconds")]
    let nanos = (seconds * 1e9) as Ns;
    nanos
}

/// The master is frozen, so that the timer of the backup runs. What is left of it is asked for, and
/// compared with the time of the advert that follows.
fn predicts(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let name = instance(ctx, &p.b, &p.run_b)["name"].clone();
    let name = name.as_str().expect("a name").to_owned();
    let frozen = p.run_a.freeze();
    let asked = now();
    let one = instance(ctx, &p.b, &p.run_b);
    let answered = now();
    assert_eq!(one["state"], "BACKUP", "{one}");
    assert_eq!(one["master"]["address"], "10.0.0.1", "{one}");
    assert_eq!(one["master"]["priority"], 200, "{one}");
    let explained = ask(ctx, &p.b, &p.run_b, &["explain", &name]).text;
    let sentence = "If 10.0.0.1 falls silent now, this router becomes MASTER in";
    assert!(explained.contains(sentence), "{explained}");
    let (first, _) = p.cap.advert_of(&p.b, frozen, SOON);
    let left = seconds(&one["takeover_in"]);
    let early = asked + left - first;
    assert!(
        early < 5 * MS,
        "{} ms before the predicted time",
        early / MS
    );
    let late = first - (answered + left);
    let allowed = INTERVAL + noise::since(frozen);
    assert!(late < allowed, "{} ms after the predicted time", late / MS);
    wait_until(SOON, "it is master", || p.b.has(VIP));
    let one = instance(ctx, &p.b, &p.run_b);
    assert_eq!(one["state"], "MASTER", "{one}");
    assert_eq!(one["reason"], "master_down", "{one}");
    let explained = ask(ctx, &p.b, &p.run_b, &["explain", &name]).text;
    for part in [
        "no advert from master 10.0.0.1",
        "The last other master heard: 10.0.0.1, priority 200",
    ] {
        assert!(explained.contains(part), "{explained}");
    }
    let check = ask(ctx, &p.b, &p.run_b, &["status", "--check"]);
    assert!(
        check.text.starts_with("VRRP OK - 1 MASTER |"),
        "{}",
        check.text
    );
    assert_eq!(check.code, Some(0));
    Outcome::Passed
}

fn names_the_fault(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    p.b.carrier_down();
    let state = || instance(ctx, &p.b, &p.run_b)["state"].clone();
    wait_until(SOON, "its interface is down", || state() == "FAULT");
    let one = instance(ctx, &p.b, &p.run_b);
    assert_eq!(one["missing"]["kind"], "interface_down", "{one}");
    let name = one["name"].as_str().expect("a name").to_owned();
    let status = ask(ctx, &p.b, &p.run_b, &["status"]).text;
    let problems = status.split("Problems").nth(1).expect("a problem");
    assert!(problems.contains("is down; check the cable"), "{status}");
    let check = ask(ctx, &p.b, &p.run_b, &["status", "--check"]);
    assert!(
        check.text.starts_with("VRRP CRITICAL - 1 FAULT: "),
        "{}",
        check.text
    );
    assert_eq!(check.code, Some(2));
    let explained = ask(ctx, &p.b, &p.run_b, &["explain", &name]).text;
    for part in [
        "is FAULT for",
        "is down",
        "To do:",
        "Once that is over it is BACKUP",
    ] {
        assert!(explained.contains(part), "{explained}");
    }
    p.b.carrier_up();
    wait_until(SOON, "it is backup again", || state() == "BACKUP");
    let check = ask(ctx, &p.b, &p.run_b, &["status", "--check"]);
    assert_eq!(check.code, Some(0), "{}", check.text);
    Outcome::Passed
}
