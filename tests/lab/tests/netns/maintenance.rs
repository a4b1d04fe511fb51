//! Maintenance with keepalived as the other router, or with vrrpd if that is not installed.

use std::fs;

use vrrpd_lab::{Answer, Daemon, now, skew, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP, conf, pair_of};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new(
    "demoted_master_hands_over_to_keepalived_within_skew",
    demote,
)
.keepalived_fails("has no control socket")];

#[track_caller]
fn assert_done(answer: &Answer, text: &str) {
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.out.contains(text), "{text}: {answer:?}");
}

fn demote(ctx: &Ctx) -> Outcome {
    let peer = match Daemon::Keepalived.available() {
        true => &Daemon::Keepalived,
        false => &ctx.daemon,
    };
    let mut p = pair_of(&ctx.daemon, &conf(200, &[]), peer, &conf(100, &[]), VIP);
    let since = now();
    let refused = p.run_a.ask(&["demote", "VI_51"]);
    assert_eq!(refused.code, Some(1), "the backup is silent: {refused:?}");
    assert!(refused.err.contains("--force demotes"), "{refused:?}");
    sleep_ms(500);
    assert!(
        p.cap.adverts(&p.b, 51, since).is_empty(),
        "nothing was changed"
    );

    let at = now();
    let words = [
        "demote", "VI_51", "--for", "10m", "--reason", "new disk", "--force",
    ];
    assert_done(&p.run_a.ask(&words), "in maintenance for 10 min");
    p.assert_takeover(VIP, skew(3, 100, INTERVAL), at);
    wait_until(SOON, "the address is removed", || !p.a.has(VIP));
    let log = p.run_a.log();
    assert!(
        log.contains("(VI_51) Maintenance: started for 10 min: new disk"),
        "{log}"
    );

    // A reload, a restart in place and a crash change nothing.
    let since = now();
    p.run_a.reload(&conf(210, &[]).text());
    assert_done(&p.run_a.ask(&["restart"]), "restarted in place");
    p.run_a.kill9();
    p.run_a = ctx.daemon.start(&p.a, &conf(200, &[]));
    let continues = "(VI_51) Maintenance: continues for 9 min";
    wait_until(SOON, "it continues", || p.run_a.log().contains(continues));
    sleep_ms(1000);
    assert!(p.cap.adverts(&p.a, 51, since).is_empty());
    assert!(p.b.has(VIP) && !p.a.has(VIP));

    let at = now();
    assert_done(&p.run_a.ask(&["promote", "all"]), "election again: 1");
    p.assert_preempted(VIP, at);

    // Now it knows of the other router. An orderly stop ends maintenance.
    let at = now();
    assert_done(&p.run_a.ask(&["demote", "all"]), "10.0.0.2, priority 100");
    p.assert_takeover(VIP, skew(3, 100, INTERVAL), at);
    assert_done(&p.run_a.ask(&["stop"]), "stopped");
    let at = now();
    assert!(!fs::exists(p.run_a.conf_file.with_extension("state")).unwrap_or(true));
    p.run_a = ctx.daemon.start(&p.a, &conf(200, &[]));
    p.assert_preempted(VIP, at);
    Outcome::Passed
}
