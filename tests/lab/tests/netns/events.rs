//! `vrrpd events`: a takeover as several clients see it, one of which never reads.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;

use vrrpd_lab::{Running, sleep_ms, wait_until};

use crate::support::{SOON, VIP, pair};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("events_follow_a_takeover_live", takeover).keepalived_fails("has no events"),
    Test::new("events_continue_after_a_restart_in_place", restart)
        .keepalived_fails("has no events"),
];

/// What a follower has received so far, and whether the connection has ended.
#[derive(Clone, Default)]
struct Follower(Arc<Mutex<(String, bool)>>);

impl Follower {
    fn start(run: &Running, request: &str) -> Self {
        let follower = Follower::default();
        let mut stream = connected(run, request);
        let shared = follower.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let count = stream.read(&mut bytes).unwrap_or(0);
                let mut shared = shared.0.lock().expect("not poisoned");
                let text = String::from_utf8_lossy(&bytes[..count]);
                shared.0.push_str(&text);
                if count == 0 {
                    shared.1 = true;
                    return;
                }
            }
        });
        follower
    }

    fn count(&self, text: &str) -> usize {
        self.0.lock().expect("not poisoned").0.matches(text).count()
    }

    fn has_ended(&self) -> bool {
        self.0.lock().expect("not poisoned").1
    }
}

fn connected(run: &Running, request: &str) -> UnixStream {
    let mut stream = UnixStream::connect(run.socket()).expect("a connection");
    stream.write_all(request.as_bytes()).expect("it is read");
    stream
}

fn takeover(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let all = "vrrpd/1\tevents\t--follow\n";
    let followers: Vec<Follower> = [all, all, "vrrpd/1\tevents\t--follow\t--json\tVI_51\n"]
        .iter()
        .map(|request| Follower::start(&p.run_b, request))
        .collect();
    let silent = connected(&p.run_b, all);
    let start = "VI_51 INIT → BACKUP: start with priority 100\n";
    wait_until(SOON, "the history arrives", || {
        followers[0].count(start) == 1
    });

    p.run_a.kill9();
    let change = "VI_51 BACKUP → MASTER: no advert from master 10.0.0.1 (priority 200)\n";
    let json =
        r#""from":"BACKUP","to":"MASTER","priority":100,"peer":"10.0.0.1","peer_priority":200}"#;
    wait_until(SOON, "followers see the takeover", || {
        [(0, change), (1, change), (2, json)]
            .iter()
            .all(|(nth, text)| followers[*nth].count(text) == 1)
    });
    assert!(p.b.has(VIP));
    let listed = p.run_b.ask(&["events", "-n", "1", "VI_51"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.out.ends_with(change), "{listed:?}");
    let unknown = p.run_b.ask(&["events", "VI"]);
    assert_eq!(unknown.code, Some(2), "part of a name: {unknown:?}");

    // A reload ends nothing.
    assert_eq!(p.run_b.ask(&["reload"]).code, Some(0));
    wait_until(SOON, "followers see the reload", || {
        followers[0].count("Reload complete\n") == 1
    });
    sleep_ms(200);
    let used = vrrpd_lab::process::cpu(&p.run_b.pids());
    sleep_ms(500);
    let more = vrrpd_lab::process::cpu(&p.run_b.pids()) - used;
    assert!(
        more < 250_000_000,
        "followers with nothing to read use {more} ns of 0.5 s"
    );

    p.run_b.term();
    wait_until(SOON, "the end", || {
        followers.iter().all(Follower::has_ended)
    });
    let stopped = "VI_51 MASTER → INIT: shutdown\n";
    assert_eq!(followers[0].count(stopped), 1, "the last event arrives");
    drop(silent);
    Outcome::Passed
}

fn restart(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let (run, other) = (&p.run_a, &p.run_b);
    thread::scope(|scope| {
        let follower = scope.spawn(|| run.ask(&["events", "--follow"]));
        // Its connection, before the restart.
        sleep_ms(500);
        let answer = run.ask(&["restart"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        wait_until(SOON, "it is master again", || {
            run.ask(&["status", "-q", "VI_51"]).out == "MASTER\n"
        });
        sleep_ms(500);
        let stop = run.ask(&["stop"]);
        assert_eq!(stop.code, Some(0), "{stop:?}");
        let seen = follower.join().expect("it ends");
        assert_eq!(seen.code, Some(3), "{seen:?}");
        assert!(seen.err.contains("was restarted"), "{seen:?}");
        assert!(seen.err.contains("the daemon has ended"), "{seen:?}");
        let begin = seen.out.find("continues after a restart in place");
        let resumed = seen.out.find("INIT → MASTER: resumed after a restart");
        assert!(begin.is_some() && begin < resumed, "{seen:?}");
    });
    drop(other.pids());
    Outcome::Passed
}
