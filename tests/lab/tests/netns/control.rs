//! The control socket: who answers, what clients cannot do to the daemon, and the commands that
//! concern the process.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vrrpd_lab::{Answer, Conf, Inst, Lab, MS, Running, now, process, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP, conf, pair};
use crate::{Ctx, Outcome, Test};

/// keepalived has no such socket.
const NONE: &str = "has no control socket";

pub(crate) const TESTS: &[Test] = &[
    test("control_answers_come_from_the_running_process", life),
    test("control_reload_reports_its_outcome", reload),
    test("control_diff_changes_nothing", diff),
    test("control_restart_continues_in_place", restart),
    test("control_stop_returns_when_the_process_has_ended", stop),
    test("control_a_frozen_daemon_is_named", frozen),
    test("control_socket_keyword", keyword),
    test("control_socket_that_was_removed_or_replaced", replaced),
    test("control_group_may_ask_and_change_nothing", group),
    test(
        "control_clients_of_a_closed_socket_are_still_served",
        closed,
    ),
    test("control_hostile_clients_cost_nothing", hostile),
    test("control_half_closed_connection_has_its_answer", half_closed),
    test("control_hundred_clients_at_once", many),
    test("control_status_requests_delay_no_advert", flood),
];

const fn test(name: &'static str, run: fn(&Ctx) -> Outcome) -> Test {
    Test::new(name, run).keepalived_fails(NONE)
}

fn done(out: &str) -> Answer {
    Answer {
        code: Some(0),
        out: out.to_owned(),
        err: String::new(),
    }
}

#[track_caller]
fn assert_not_running(answer: &Answer) {
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert!(answer.err.contains("not running"), "{answer:?}");
    assert_eq!(answer.out, "", "nothing that may be stale");
}

fn life(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    assert_eq!(p.run_a.ask(&["status", "-q", "VI_51"]), done("MASTER\n"));
    assert_eq!(p.run_b.ask(&["status", "-q", "VI_51"]), done("BACKUP\n"));
    let mode = fs::metadata(p.run_a.socket())
        .expect("a socket")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let unknown = p.run_a.ask(&["status", "-q", "VI_52"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("'VI_52'"), "{unknown:?}");
    let usage = p.run_a.ask(&["demote"]);
    assert!(usage.err.contains("usage: vrrpd demote"), "{usage:?}");

    p.run_a.kill9();
    assert!(p.run_a.socket().exists(), "nobody has removed it");
    assert_not_running(&p.run_a.ask(&["status", "-q", "VI_51"]));
    // Another one replaces the socket.
    let again = ctx.daemon.start(&p.a, &conf(200, &[]));
    wait_until(SOON, "it answers", || {
        again.ask(&["status", "-q", "VI_51"]) == done("MASTER\n")
    });
    again.term();
    wait_until(SOON, "the socket is removed", || !again.socket().exists());
    assert_not_running(&again.ask(&["status", "-q", "VI_51"]));
    Outcome::Passed
}

fn reload(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let write = |text: &str| fs::write(&p.run_a.conf_file, text).expect("writing");
    write(&conf(210, &[]).text());
    assert_eq!(p.run_a.ask(&["reload"]), done("reload complete\n"));
    write(&conf(210, &["advert_imt 5"]).text());
    let refused = p.run_a.ask(&["reload"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("unknown keyword `advert_imt`"),
        "{refused:?}"
    );
    assert!(refused.err.contains("reload refused"), "{refused:?}");
    assert_eq!(p.run_a.ask(&["status", "-q", "VI_51"]), done("MASTER\n"));
    Outcome::Passed
}

fn diff(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let since = now();
    let same = p.run_a.ask(&["diff"]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(same.out.contains("VI_51 is kept\n"), "{same:?}");
    let file = p.run_a.conf_file.with_extension("other");
    let name = file.to_str().expect("a name");
    let other = conf(150, &["advert_int 2"]).text().replace("51", "53");
    for (text, code, wanted) in [
        (
            conf(150, &[]).text(),
            0,
            "VI_51 changes: priority 200 → 150\n",
        ),
        (other, 0, "VI_53 is added\n"),
        (
            conf(200, &["advert_imt 5"]).text(),
            1,
            "a reload would be refused",
        ),
    ] {
        fs::write(&file, text).expect("writing");
        let answer = p.run_a.ask(&["diff", "-f", name]);
        assert_eq!(answer.code, Some(code), "{answer:?}");
        assert!(answer.out.contains(wanted), "{wanted}: {answer:?}");
    }
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    assert_eq!(p.run_a.ask(&["status", "-q", "VI_51"]), done("MASTER\n"));
    Outcome::Passed
}

fn restart(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let since = now();
    let answer = p.run_a.ask(&["restart"]);
    assert_eq!(answer, done("restarted in place\n"));
    wait_until(SOON, "it is master again", || {
        p.run_a.ask(&["status", "-q", "VI_51"]) == done("MASTER\n")
    });
    assert!(
        p.cap.adverts(&p.b, 51, since).is_empty(),
        "no other router took over"
    );
    assert!(p.run_a.alive());
    // The new program does not accept the file.
    fs::write(&p.run_a.conf_file, conf(210, &["advert_imt 5"]).text()).expect("writing");
    let refused = p.run_a.ask(&["restart"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("restart refused"), "{refused:?}");
    assert_eq!(p.run_a.ask(&["status", "-q", "VI_51"]), done("MASTER\n"));
    Outcome::Passed
}

fn stop(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    assert_eq!(p.run_a.ask(&["stop"]), done("vrrpd has stopped\n"));
    // Another one may start at once.
    assert!(p.run_a.wait_exit(SOON).expect("it has ended").success());
    assert_not_running(&p.run_a.ask(&["stop"]));
    wait_until(SOON, "the backup takes over", || p.b.has(VIP));
    Outcome::Passed
}

fn frozen(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    p.run_b.freeze();
    let begin = Instant::now();
    let answer = p.run_b.ask(&["status", "-q", "VI_51"]);
    let took = begin.elapsed();
    p.run_b.thaw();
    assert_eq!(answer.code, Some(3), "{answer:?}");
    let pid = format!("process {}", p.run_b.pid());
    assert!(answer.err.contains(&pid), "{answer:?}");
    assert!(
        answer.err.contains("has not answered for 5 s"),
        "{answer:?}"
    );
    assert!(took < Duration::from_secs(15), "{took:?}");
    wait_until(SOON, "it answers again", || {
        p.run_b.ask(&["status", "-q", "VI_51"]) == done("BACKUP\n")
    });
    Outcome::Passed
}

fn keyword(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let other = p.run_b.socket().with_extension("other");
    let other = other.to_str().expect("a path");
    p.run_b.reload(
        &conf(100, &[])
            .global(&format!("control_socket {other}"))
            .text(),
    );
    assert!(!p.run_b.socket().exists(), "it is elsewhere");
    let missing = p.run_b.ask(&["status", "-q"]);
    assert_eq!(missing.code, Some(3));
    assert!(missing.err.contains("--socket"), "{missing:?}");
    let there = p.run_b.ask(&["status", "-q", "VI_51", "--socket", other]);
    assert_eq!(there, done("BACKUP\n"));
    p.run_b
        .reload(&conf(100, &[]).global("control_socket off").text());
    assert!(!p.run_b.socket().exists() && fs::metadata(other).is_err());
    p.run_b.reload(&conf(100, &[]).text());
    assert_eq!(p.run_b.ask(&["status", "-q"]), done("BACKUP\n"));
    Outcome::Passed
}

fn group(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let other = format!("/run/lab/{}.group", a.id());
    let global = format!("control_socket {other} root nogroup");
    let mut run = ctx.daemon.start(&a, &conf(200, &[]).global(&global));
    wait_until(SOON, "it is master", || a.has(VIP));
    // Others may not be able to reach the binary where it was built.
    let program = run.socket().with_extension("client");
    fs::copy(ctx.daemon.path(), &program).expect("copied");
    let ask = |group: &str, words: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--clear-groups", group]);
        command.arg(&program).args(words).args(["--socket", &other]);
        let output = command.output().expect("setpriv");
        let both = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&both).into_owned(),
        )
    };
    let member = "--regid=65534";
    let (code, text) = ask(member, &["status", "-q"]);
    assert_eq!((code, text.as_str()), (Some(0), "MASTER\n"));
    for words in [&["stop"][..], &["reload"], &["diff"], &["demote", "all"]] {
        let (code, text) = ask(member, words);
        assert_eq!(code, Some(1), "{words:?}: {text}");
        assert!(text.contains("only root"), "{words:?}: {text}");
    }
    let (code, text) = ask("--regid=1", &["status", "-q"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("permission denied"), "{text}");
    assert!(run.alive());
    Outcome::Passed
}

/// A client that closes its direction after the request, as socat does, has the whole answer.
fn half_closed(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let many: Vec<Inst> = (1..=200)
        .map(|vrid| Inst::new(vrid, 200, &format!("10.0.1.{vrid}/32")))
        .collect();
    let run = ctx.daemon.start(&a, &Conf::of(&many));
    wait_until(SOON, "it answers", || {
        run.ask(&["status", "-q"]).code == Some(0)
    });
    for line in [&b"vrrpd/1\tstatus\t-q\n"[..], b"vrrpd/1\tdump\tdata\n"] {
        for _ in 0..20 {
            let stream = sent(&run, line);
            stream.shutdown(Shutdown::Write).expect("half closed");
            let reply = rest(stream);
            assert!(reply.ends_with("end 0\n"), "{reply}");
        }
    }
    Outcome::Passed
}

fn replaced(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let run = &p.run_b;
    fs::remove_file(run.socket()).expect("there is one");
    let missing = run.ask(&["status", "-q"]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
    let reload = format!("kill -HUP {}", run.pid());
    assert!(missing.err.contains(&reload), "{missing:?}");
    run.reload(&conf(100, &[]).text());
    assert_eq!(run.ask(&["status", "-q"]), done("BACKUP\n"));

    fs::remove_file(run.socket()).expect("there is one");
    fs::write(run.socket(), "another file").expect("writing");
    let begin = Instant::now();
    let other = run.ask(&["status", "-q"]);
    assert!(begin.elapsed() < Duration::from_secs(5), "at once");
    assert_eq!(other.code, Some(3), "{other:?}");
    assert!(
        other.err.contains("is not the socket of process"),
        "{other:?}"
    );
    Outcome::Passed
}

/// Clients that are connected when a reload closes the socket.
fn closed(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let run = &p.run_b;
    let silent = sent(run, b"");
    let mut follower = sent(run, b"vrrpd/1\tevents\t--follow\n");
    // Both are accepted by now.
    follower.read_exact(&mut [0; 4]).expect("the first event");
    run.reload(&conf(100, &[]).global("control_socket off").text());
    assert!(!run.socket().exists());
    assert_eq!(rest(silent), "", "dropped after its time");
    let before = process::cpu(&run.pids());
    sleep_ms(2000);
    let used = process::cpu(&run.pids()) - before;
    assert!(
        used < 500_000_000,
        "{} ms of CPU while nothing happens",
        used / 1_000_000
    );
    run.reload(&conf(90, &[]).global("control_socket off").text());
    let mut text = String::new();
    wait_until(SOON, "the follower sees what happens", || {
        let mut bytes = [0; 4096];
        let count = follower.read(&mut bytes).expect("a connection");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        text.contains("to 90")
    });
    Outcome::Passed
}

/// A connection that has sent these bytes.
fn sent(run: &Running, bytes: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(run.socket()).expect("a connection");
    stream.write_all(bytes).expect("it is read");
    stream
}

/// What the daemon sends until it closes the connection.
fn rest(mut stream: UnixStream) -> String {
    stream.set_read_timeout(Some(SOON)).expect("a time limit");
    let mut text = String::new();
    // A connection with unread data is reset.
    let _ = stream.read_to_string(&mut text);
    text
}

fn hostile(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let run = &p.run_a;
    let state = || {
        (
            process::descriptors(&run.pids()),
            process::memory(&run.pids()).anonymous,
        )
    };
    let (descriptors, memory) = state();
    let since = now();
    for (bytes, wanted) in [
        (&b"vrrpd/9\tstatus\n"[..], "'vrrpd/9'"),
        (b"GET / HTTP/1.1\r\n", "'GET / HTTP/1.1\\x0d'"),
        (b"\n", "''"),
        (b"vrrpd/1\n", "there is no command ''"),
        (b"vrrpd/1\tformat\n", "there is no command 'format'"),
        (b"vrrpd/1\tstatus\t-q\t\x07\n", "control character"),
        (b"\xff\xfe\n", "not UTF-8"),
        (&[b'x'; 5000], "too long"),
    ] {
        let reply = rest(sent(run, bytes));
        assert!(reply.contains(wanted), "{wanted}: {reply}");
        assert!(reply.starts_with("err "), "{reply}");
    }
    let half = sent(run, b"vrrpd/1\tstat");
    // Clients that have asked and never read, and some that say nothing.
    let idle: Vec<_> = (0..60)
        .map(|_| sent(run, b"vrrpd/1\tevents\t--follow\n"))
        .chain((0..60).map(|_| sent(run, b"")))
        .collect();
    // There is still room for this one.
    wait_until(SOON, "it answers others", || {
        run.ask(&["status", "-q", "VI_51"]) == done("MASTER\n")
    });
    assert_eq!(rest(half), "", "dropped without an answer");
    drop(idle);
    wait_until(SOON, "connections are closed", || state().0 == descriptors);
    let grown = state().1.saturating_sub(memory);
    assert!(grown < 600, "memory has grown by {grown} KB");
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    Outcome::Passed
}

fn many(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let run = &p.run_a;
    let answers = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let reply = rest(sent(run, b"vrrpd/1\tstatus\t-q\tVI_51\n"));
                assert_eq!(reply, "out 7\nMASTER\nend 0\n");
                answers.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(answers.into_inner(), 100);
    Outcome::Passed
}

fn flood(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let run = &p.run_a;
    rest(sent(run, b"vrrpd/1\tstatus\n"));
    let memory = || process::memory(&run.pids()).anonymous;
    let (before, since) = (memory(), now());
    let (stop, count) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let reply = rest(sent(run, b"vrrpd/1\tstatus\t--width=120\n"));
                    assert!(reply.ends_with("end 0\n"), "{reply}");
                    count.fetch_add(1, Ordering::Relaxed);
                    sleep_ms(3);
                }
            });
        }
        sleep_ms(3000);
        stop.store(true, Ordering::Relaxed);
    });
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    let grown = memory().saturating_sub(before);
    assert!(grown < 200, "memory has grown by {grown} KB");
    let count = count.into_inner();
    assert!(count > 100, "{count} answers");
    Outcome::Passed
}
