//! Health checks: when they run, and the effect of their results.

use std::time::Duration;

use crate::support::kernel::{Kernel, at, eth0, run, start};
use crate::support::lvs::{check, misc, service, target};
use vrrpd::check::{ProbeTransport, SocketEvent};
use vrrpd::config::model::lvs::{Check, CheckKind, Lvs, Udp};
#[cfg(feature = "tls")]
use vrrpd::config::model::lvs::{Http, Url};
use vrrpd::config::model::{Config, Fifo, TrackFile, User};
use vrrpd::engine::system::{Exit, Pid};
use vrrpd::engine::{Engine, Options};

const ECONNREFUSED: i32 = 111;

/// One virtual server with these real servers.
fn config(servers: Vec<Vec<Check>>) -> Config {
    Config {
        lvs: Lvs {
            virtual_servers: vec![service("198.51.100.1:80", servers)],
            notify_fifo: Some(Fifo {
                path: "/lvs".into(),
                user: User::default(),
                script: None,
            }),
            ..Lvs::default()
        },
        ..Config::default()
    }
}

fn tcp(port: u16) -> Check {
    check(CheckKind::Tcp(target(&format!("10.0.0.1:{port}"))))
}

fn started(config: Config, kernel: &mut Kernel) -> Engine {
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, kernel, at(0));
    engine
}

/// Notified state changes of real servers, with the last byte of the address: `1 DOWN`.
fn state_changes(kernel: &mut Kernel) -> Vec<String> {
    let lines = kernel.take_log();
    let state_changes = lines.iter().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "/lvs", "RS", name, _, state] = words[..] else {
            return None;
        };
        let addr = name.split(']').next()?;
        Some(format!("{} {state}", addr.rsplit('.').next()?))
    });
    state_changes.collect()
}

/// New log lines with this prefix.
fn log_starting_with(kernel: &mut Kernel, what: &str) -> Vec<String> {
    let mut log = kernel.take_log();
    log.retain(|line| line.starts_with(what));
    log
}

#[test]
fn real_server_goes_down_after_retries_and_up_on_first_success() {
    let mut kernel = eth0();
    let mut engine = started(config(vec![vec![tcp(80)]]), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    kernel.socket_event(&mut engine, at(1), 0, SocketEvent::Connected);
    assert_eq!(kernel.probes.open, []);
    kernel.take_log();
    let refused = SocketEvent::Failed(ECONNREFUSED);
    // Every 10 s; 2 retries, one second after each failure.
    for (due, event, want) in [
        (10_000, refused, &[][..]),
        (11_005, refused, &[]),
        (12_010, SocketEvent::Connected, &[]),
        (22_010, refused, &[]),
        (23_015, SocketEvent::TimedOut, &[]),
        (29_015, refused, &["1 DOWN"]),
        (39_015, refused, &[]),
        (49_015, SocketEvent::Connected, &["1 UP"]),
        (59_015, SocketEvent::Connected, &[]),
    ] {
        run(&mut engine, &mut kernel, at(due - 1));
        // A server that does not answer fails by timeout.
        if event == SocketEvent::TimedOut {
            run(&mut engine, &mut kernel, at(due + 5_000));
        } else {
            run(&mut engine, &mut kernel, at(due));
            assert_eq!(kernel.probes.open.len(), 1, "{due}");
            kernel.socket_event(&mut engine, at(due + 5), 0, event);
        }
        assert_eq!(state_changes(&mut kernel), want, "{due}");
        assert_eq!(kernel.probes.open, [], "{due}");
    }
}

#[test]
fn first_failure_skips_retries_and_alpha_waits_for_a_success() {
    let alpha = Check {
        alpha: true,
        ..tcp(81)
    };
    let mut kernel = eth0();
    let mut engine = started(config(vec![vec![tcp(80)], vec![alpha]]), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    kernel.take_log();
    kernel.socket_event(&mut engine, at(1), 0, SocketEvent::Failed(ECONNREFUSED));
    assert_eq!(state_changes(&mut kernel), ["1 DOWN"]);
    kernel.socket_event(&mut engine, at(2), 1, SocketEvent::Connected);
    assert_eq!(state_changes(&mut kernel), ["2 UP"]);
}

#[test]
fn real_server_needs_all_checks_to_succeed() {
    let mut kernel = eth0();
    let mut engine = started(config(vec![vec![tcp(80), tcp(81)]]), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    kernel.take_log();
    kernel.socket_event(&mut engine, at(1), 1, SocketEvent::Failed(ECONNREFUSED));
    kernel.socket_event(&mut engine, at(1), 0, SocketEvent::Connected);
    assert_eq!(state_changes(&mut kernel), ["1 DOWN"]);
    run(&mut engine, &mut kernel, at(10_000));
    kernel.socket_event(&mut engine, at(10_001), 1, SocketEvent::Connected);
    assert_eq!(state_changes(&mut kernel), ["1 UP"]);
}

#[test]
fn first_checks_are_spread_over_warmup() {
    let servers = (0..100)
        .map(|port| {
            vec![Check {
                warmup: Duration::from_secs(10),
                ..tcp(port)
            }]
        })
        .collect();
    let mut kernel = eth0();
    let mut engine = started(config(servers), &mut kernel);
    let mut before = 0;
    for second in 1..=10 {
        run(&mut engine, &mut kernel, at(second * 1000));
        let count = kernel.probes.opened - before;
        // Those that do not answer for 5 s are retried meanwhile.
        assert!((8..=32).contains(&count), "second {second}: {count}");
        before = kernel.probes.opened;
    }
}

/// Milliseconds in which checks start, and the most starts in one of them and in 0.1 s, in the second
/// interval of 6 s.
fn wake_ups(checks: u16) -> (usize, usize, usize) {
    let every_6_seconds = |port| Check {
        interval: Duration::from_secs(6),
        warmup: Duration::from_secs(6),
        ..tcp(port)
    };
    let servers = (0..checks).map(|port| vec![every_6_seconds(port)]);
    let mut kernel = eth0();
    let mut engine = started(config(servers.collect()), &mut kernel);
    let (mut wake_ups, mut most) = (0, 0);
    let mut spread = [0; 60];
    for ms in 0..12_000 {
        run(&mut engine, &mut kernel, at(ms));
        let open = kernel.probes.open.clone();
        for (probe, ..) in &open {
            kernel.socket_event(&mut engine, at(ms), *probe, SocketEvent::Connected);
        }
        if let Some(tenth) = ms.checked_sub(6_000).filter(|_| !open.is_empty()) {
            spread[usize::try_from(tenth / 100).expect("small")] += open.len();
            wake_ups += 1;
            most = most.max(open.len());
        }
    }
    (wake_ups, most, spread.into_iter().max().unwrap_or(0))
}

#[test]
fn checks_that_are_due_soon_start_together() {
    let (wakes, most, in_a_tenth) = wake_ups(2_000);
    assert!(wakes <= 200, "2,000 checks in {wakes} ms");
    assert!(most <= 16, "{most} in one");
    assert!(in_a_tenth <= 2 * 2_000 / 60, "{in_a_tenth} in 0.1 s");
    assert_eq!(wake_ups(10), (10, 1, 1), "few checks keep their times");
}

#[test]
fn open_check_sockets_are_limited_and_others_wait() {
    let servers = (0..300).map(|port| vec![tcp(port)]).collect();
    let mut kernel = eth0();
    kernel.probes.limit = Some(128);
    let mut engine = started(config(servers), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    let numbers = |kernel: &Kernel| -> Vec<usize> {
        let open = kernel.probes.open.iter();
        open.map(|(probe, ..)| *probe).collect()
    };
    let first = numbers(&kernel);
    assert_eq!(first.len(), 128);
    // No server answers: after the timeout the waiting checks run.
    run(&mut engine, &mut kernel, at(5_002));
    let second = numbers(&kernel);
    assert_eq!(second.len(), 128);
    assert!(second.iter().all(|probe| !first.contains(probe)));
    let failed = state_changes(&mut kernel);
    assert_eq!(failed.len(), 128, "the first failure counts");
    for probe in second {
        kernel.socket_event(&mut engine, at(5_010), probe, SocketEvent::Connected);
    }
    run(&mut engine, &mut kernel, at(5_011));
    assert_eq!(kernel.probes.open.len(), 300 - 256);
    assert_eq!(kernel.probes.peak, 128);
    assert_eq!(state_changes(&mut kernel), [""; 0]);
}

#[test]
fn loop_iteration_opens_few_check_sockets() {
    let servers = (0..100).map(|port| vec![tcp(port)]).collect();
    let mut kernel = eth0();
    let mut engine = started(config(servers), &mut kernel);
    engine.expire(at(1), &mut kernel);
    assert!(
        (1..=16).contains(&kernel.probes.opened),
        "{}",
        kernel.probes.opened
    );
}

#[test]
fn emfile_delays_checks_without_failing_servers() {
    let servers = (0..20).map(|port| vec![tcp(port)]).collect();
    let mut kernel = eth0();
    kernel.probes.limit = Some(3);
    let mut engine = started(config(servers), &mut kernel);
    let mut turns = 0;
    for ms in 1..200 {
        run(&mut engine, &mut kernel, at(ms));
        turns = turns.max(kernel.probes.open.len());
        if let Some((probe, ..)) = kernel.probes.open.first().copied() {
            kernel.socket_event(&mut engine, at(ms), probe, SocketEvent::Connected);
        }
    }
    assert_eq!((turns, kernel.probes.opened), (3, 20));
    assert_eq!(state_changes(&mut kernel), [""; 0]);
    // Even if no descriptor is available at all.
    kernel.probes.limit = Some(0);
    run(&mut engine, &mut kernel, at(60_000));
    kernel.probes.limit = None;
    run(&mut engine, &mut kernel, at(71_000));
    assert!(kernel.probes.opened > 22, "{}", kernel.probes.opened);
    assert!(
        !state_changes(&mut kernel)
            .iter()
            .any(|line| line.is_empty())
    );
}

#[test]
fn local_errors_do_not_fail_servers_but_unreachable_does() {
    // EADDRNOTAVAIL from `bindto`, EPERM from `fwmark`, ENETUNREACH.
    for (errno, want) in [(99, &[][..]), (1, &[]), (101, &["1 DOWN"])] {
        let mut kernel = eth0();
        kernel.probes.open_errno = Some(errno);
        let mut engine = started(config(vec![vec![tcp(80)]]), &mut kernel);
        run(&mut engine, &mut kernel, at(5_000));
        assert_eq!(state_changes(&mut kernel), want, "{errno}");
        kernel.probes.open_errno = None;
        run(&mut engine, &mut kernel, at(10_000));
        assert_eq!(kernel.probes.opened, 1, "{errno}: the next turn");
    }
}

#[test]
fn slow_reply_does_not_extend_the_check_timeout() {
    let ping = check(CheckKind::Ping(target("10.0.0.1:0")));
    let mut kernel = eth0();
    let mut engine = started(config(vec![vec![ping]]), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    assert_eq!(kernel.probes.open[0].1, ProbeTransport::Icmp);
    kernel.socket_event(&mut engine, at(1), 0, SocketEvent::Connected);
    assert_eq!(kernel.probes.sent.first(), Some(&8));
    for second in 1..20 {
        run(&mut engine, &mut kernel, at(second * 1000));
        kernel.socket_event(
            &mut engine,
            at(second * 1000),
            0,
            SocketEvent::Received(b"rubbish!"),
        );
    }
    assert_eq!(state_changes(&mut kernel), [""; 0]);
    run(&mut engine, &mut kernel, at(20_001));
    assert_eq!(state_changes(&mut kernel), ["1 DOWN"]);
}

#[test]
fn udp_check_accepts_no_reply() {
    let conf = Udp {
        payload: b"hi".to_vec(),
        ..Udp::default()
    };
    let udp = check(CheckKind::Udp(target("10.0.0.1:53"), Box::new(conf)));
    let mut kernel = eth0();
    let mut engine = started(config(vec![vec![udp]]), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    kernel.socket_event(&mut engine, at(1), 0, SocketEvent::Connected);
    assert_eq!(kernel.probes.sent, b"hi");
    run(&mut engine, &mut kernel, at(9_999));
    assert_eq!(kernel.probes.open, []);
    run(&mut engine, &mut kernel, at(10_000));
    kernel.socket_event(&mut engine, at(10_000), 0, SocketEvent::Connected);
    kernel.socket_event(
        &mut engine,
        at(10_001),
        0,
        SocketEvent::Failed(ECONNREFUSED),
    );
    for ms in [11_001, 12_001] {
        run(&mut engine, &mut kernel, at(ms));
        kernel.socket_event(&mut engine, at(ms), 0, SocketEvent::Failed(ECONNREFUSED));
    }
    assert_eq!(state_changes(&mut kernel), ["1 DOWN"]);
}

// ---- MISC_CHECK ----

#[test]
fn misc_check_uses_the_exit_code() {
    let mut kernel = eth0();
    let mut engine = started(config(vec![vec![misc(false)]]), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    assert_eq!(log_starting_with(&mut kernel, "run"), ["run 1 /check -x"]);
    let end = |engine: &mut Engine, kernel: &mut Kernel, nth: i32, how| {
        let now = at(u64::try_from(nth - 1).expect("from 1") * 10_000);
        run(engine, kernel, now.after(Duration::from_millis(1)));
        engine.child_ended(now.after(Duration::from_millis(2)), Pid(nth), how, kernel);
        state_changes(kernel)
    };
    let none = [""; 0];
    assert_eq!(end(&mut engine, &mut kernel, 1, Exit::Code(0)), none);
    assert_eq!(end(&mut engine, &mut kernel, 2, Exit::Code(2)), ["1 DOWN"]);
    assert_eq!(end(&mut engine, &mut kernel, 3, Exit::Signal(9)), none);
    assert_eq!(end(&mut engine, &mut kernel, 4, Exit::Code(0)), ["1 UP"]);
    let missing = Exit::NotExecuted(2);
    assert_eq!(end(&mut engine, &mut kernel, 5, missing), ["1 DOWN"]);
}

#[test]
fn misc_dynamic_changes_only_the_weight() {
    let mut conf = config(vec![vec![misc(true)], vec![]]);
    // The quorum needs both servers, or one with a higher weight.
    conf.lvs.virtual_servers[0].quorum = 2;
    let mut kernel = eth0();
    let mut engine = started(conf, &mut kernel);
    let quorum = |kernel: &mut Kernel| {
        let mut log = kernel.take_log();
        log.retain(|line| line.starts_with("fifo"));
        log
    };
    run(&mut engine, &mut kernel, at(1));
    quorum(&mut kernel);
    let vs = "fifo /lvs VS [198.51.100.1]:tcp:80";
    let rs = "fifo /lvs RS [10.0.0.1]:tcp:80 [198.51.100.1]:tcp:80";
    // Exit code 0: the configured weight 1; 2: weight 0; 1: down.
    for (nth, code, want) in [
        (1, 0, vec![]),
        (2, 2, vec![format!("{vs} DOWN")]),
        (3, 12, vec![format!("{vs} UP")]),
        (4, 255, vec![]),
        (5, 1, vec![format!("{rs} DOWN"), format!("{vs} DOWN")]),
        (6, 3, vec![format!("{rs} UP"), format!("{vs} UP")]),
    ] {
        let now = at(u64::try_from(nth - 1).expect("from 1") * 10_000);
        run(
            &mut engine,
            &mut kernel,
            now.after(Duration::from_millis(1)),
        );
        let now = now.after(Duration::from_millis(2));
        quorum(&mut kernel);
        engine.child_ended(now, Pid(nth), Exit::Code(code), &mut kernel);
        assert_eq!(quorum(&mut kernel), want, "{nth}");
    }
}

#[test]
fn misc_check_timeout_fails_and_terminates_the_run() {
    let mut kernel = eth0();
    let mut engine = started(config(vec![vec![misc(false)]]), &mut kernel);
    run(&mut engine, &mut kernel, at(3_000));
    assert_eq!(log_starting_with(&mut kernel, "kill"), [""; 0]);
    run(&mut engine, &mut kernel, at(3_001));
    let log = kernel.take_log();
    assert!(log.contains(&"kill 1 Term".to_owned()), "{log:?}");
    assert!(log.iter().any(|line| line.ends_with("DOWN")), "{log:?}");
    run(&mut engine, &mut kernel, at(25_000));
    assert_eq!(kernel.take_log(), ["kill 1 Kill"]);
    engine.child_ended(at(25_001), Pid(1), Exit::Signal(9), &mut kernel);
    run(&mut engine, &mut kernel, at(25_010));
    // The whole process group is terminated.
    assert_eq!(kernel.take_log(), ["kill 1 Kill", "run 2 /check -x"]);
    engine.child_ended(at(25_020), Pid(2), Exit::Code(0), &mut kernel);
    assert_eq!(state_changes(&mut kernel), ["1 UP"]);
}

#[test]
fn misc_checks_are_started_one_per_loop_iteration() {
    let servers = (0..10).map(|_| vec![misc(false)]).collect();
    let mut kernel = eth0();
    let mut engine = started(config(servers), &mut kernel);
    engine.expire(at(1), &mut kernel);
    assert_eq!(kernel.spawned, 1);
    run(&mut engine, &mut kernel, at(2));
    assert_eq!(kernel.spawned, 10);
}

#[test]
fn misc_check_that_cannot_be_started_does_not_fail_servers() {
    let mut kernel = eth0();
    kernel.spawn_errno = Some(11);
    let mut engine = started(config(vec![vec![misc(false)]]), &mut kernel);
    run(&mut engine, &mut kernel, at(5_000));
    assert_eq!(state_changes(&mut kernel), [""; 0]);
    kernel.spawn_errno = None;
    run(&mut engine, &mut kernel, at(10_001));
    assert_eq!(log_starting_with(&mut kernel, "run"), ["run 1 /check -x"]);
}

// ---- exchanges in child processes ----

/// Two pages over TLS.
#[cfg(feature = "tls")]
fn tls_pages() -> Config {
    let http = Http {
        tls: true,
        urls: vec![Url::default(), Url::default()],
        ..Http::default()
    };
    let mut pages = check(CheckKind::Http(target("10.0.0.1:443"), Box::new(http)));
    pages.retry = 0;
    config(vec![vec![pages]])
}

#[cfg(feature = "tls")]
#[test]
fn costly_exchanges_run_in_a_child_for_each_page() {
    let mut kernel = eth0();
    let mut engine = started(tls_pages(), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    kernel.take_log();
    for (page, ms) in [(1, 2), (2, 12)] {
        kernel.socket_event(&mut engine, at(ms), 0, SocketEvent::Connected);
        assert_eq!(kernel.spawned, page - 1, "not while sockets are read");
        run(&mut engine, &mut kernel, at(ms + 1));
        assert_eq!(kernel.spawned, page);
        assert_eq!(kernel.probes.open, [], "the child has the socket");
        engine.child_ended(at(ms + 9), Pid(page), Exit::Code(0), &mut kernel);
    }
    assert_eq!(kernel.probes.opened, 2);
    run(&mut engine, &mut kernel, at(10_030));
    kernel.socket_event(&mut engine, at(10_031), 0, SocketEvent::Connected);
    run(&mut engine, &mut kernel, at(10_032));
    assert_eq!(state_changes(&mut kernel), [""; 0]);
    engine.child_ended(at(10_033), Pid(3), Exit::Code(1), &mut kernel);
    assert_eq!(state_changes(&mut kernel), ["1 DOWN"]);
}

#[cfg(feature = "tls")]
#[test]
fn an_exchange_in_a_child_has_a_time_limit() {
    let mut kernel = eth0();
    let mut engine = started(tls_pages(), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    kernel.socket_event(&mut engine, at(2), 0, SocketEvent::Connected);
    run(&mut engine, &mut kernel, at(20_000));
    assert_eq!(log_starting_with(&mut kernel, "kill"), [""; 0]);
    run(&mut engine, &mut kernel, at(20_003));
    let log = kernel.take_log();
    assert!(log.contains(&"kill 1 Term".to_owned()), "{log:?}");
    assert!(log.iter().any(|line| line.ends_with("DOWN")), "{log:?}");
    engine.child_ended(at(20_004), Pid(1), Exit::Signal(15), &mut kernel);
    run(&mut engine, &mut kernel, at(40_000));
    assert_eq!(kernel.probes.open.len(), 1, "checked again");
}

#[cfg(feature = "tls")]
#[test]
fn a_child_that_cannot_be_started_does_not_fail_servers() {
    let mut kernel = eth0();
    kernel.spawn_errno = Some(11);
    let mut engine = started(tls_pages(), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    kernel.socket_event(&mut engine, at(2), 0, SocketEvent::Connected);
    run(&mut engine, &mut kernel, at(3));
    assert_eq!(kernel.probes.open, []);
    kernel.spawn_errno = None;
    run(&mut engine, &mut kernel, at(10_005));
    assert_eq!(kernel.probes.open.len(), 1, "at the next interval");
    assert_eq!(state_changes(&mut kernel), [""; 0]);
    // A reload ends it; what the child says is ignored.
    kernel.socket_event(&mut engine, at(10_006), 0, SocketEvent::Connected);
    run(&mut engine, &mut kernel, at(10_007));
    engine.reload(at(10_008), tls_pages(), &mut kernel);
    engine.child_ended(at(10_009), Pid(1), Exit::Code(1), &mut kernel);
    run(&mut engine, &mut kernel, at(10_010));
    assert_eq!(state_changes(&mut kernel), [""; 0]);
    assert_eq!(kernel.probes.open.len(), 1, "checked again at once");
}

/// This many servers with TLS.
#[cfg(feature = "tls")]
fn tls_servers(count: usize) -> Config {
    let mut conf = tls_pages();
    let server = conf.lvs.virtual_servers[0].real_servers[0].checks.clone();
    let names = config(vec![server; count]);
    conf.lvs = names.lvs;
    conf
}

/// Lets all servers accept their connections.
#[cfg(feature = "tls")]
fn accept_all(engine: &mut Engine, kernel: &mut Kernel, ms: u64) {
    run(engine, kernel, at(ms));
    let open: Vec<usize> = kernel.probes.open.iter().map(|open| open.0).collect();
    for probe in open {
        kernel.socket_event(engine, at(ms), probe, SocketEvent::Connected);
    }
    run(engine, kernel, at(ms + 1));
}

#[cfg(feature = "tls")]
#[test]
fn waiting_for_a_child_does_not_fail_servers() {
    let mut kernel = eth0();
    let mut engine = started(tls_servers(97), &mut kernel);
    accept_all(&mut engine, &mut kernel, 1);
    assert_eq!(kernel.spawned, 96, "one waits");
    // Its turn comes just before it gives up; its child has the whole time.
    engine.child_ended(at(4_990), Pid(1), Exit::Code(1), &mut kernel);
    assert_eq!(state_changes(&mut kernel).len(), 1);
    run(&mut engine, &mut kernel, at(4_991));
    assert_eq!(kernel.spawned, 97);
    run(&mut engine, &mut kernel, at(24_980));
    assert_eq!(state_changes(&mut kernel).len(), 95, "all but the last");
    run(&mut engine, &mut kernel, at(24_992));
    assert_eq!(state_changes(&mut kernel).len(), 1);
    // One that waits too long has no result.
    let mut kernel = eth0();
    let mut engine = started(tls_servers(97), &mut kernel);
    accept_all(&mut engine, &mut kernel, 1);
    run(&mut engine, &mut kernel, at(5_002));
    assert_eq!((kernel.probes.open.len(), kernel.spawned), (0, 96));
    assert_eq!(state_changes(&mut kernel), [""; 0]);
}

#[cfg(feature = "tls")]
#[test]
fn servers_that_are_down_leave_children_for_others() {
    let mut kernel = eth0();
    let mut engine = started(tls_servers(50), &mut kernel);
    accept_all(&mut engine, &mut kernel, 1);
    // 40 fail; the other 10 are well, on both pages.
    for nth in 1..=50 {
        let code = if nth <= 40 { 1 } else { 0 };
        engine.child_ended(at(3), Pid(nth), Exit::Code(code), &mut kernel);
    }
    assert_eq!(state_changes(&mut kernel).len(), 40);
    accept_all(&mut engine, &mut kernel, 4);
    for nth in 51..=60 {
        engine.child_ended(at(6), Pid(nth), Exit::Code(0), &mut kernel);
    }
    assert_eq!(kernel.spawned, 60);
    accept_all(&mut engine, &mut kernel, 10_010);
    assert_eq!(kernel.spawned, 60 + 32 + 10, "8 that are down wait");
    assert_eq!(state_changes(&mut kernel), [""; 0]);
}

// ---- FILE_CHECK ----

#[test]
fn file_check_takes_a_server_down_and_up() {
    let kind = CheckKind::File {
        file: 0,
        weight: 0,
        reverse: false,
    };
    let mut conf = config(vec![vec![check(kind)]]);
    conf.track_files = vec![TrackFile {
        name: "f".into(),
        path: "/f".into(),
        init_file: None,
    }];
    let mut kernel = eth0();
    kernel.files.insert("/f".into(), b"1\n".to_vec());
    let mut engine = started(conf, &mut kernel);
    assert_eq!(state_changes(&mut kernel), ["1 DOWN"], "from the beginning");
    let mut now = 0;
    let mut write = |text: &[u8]| {
        kernel.files.insert("/f".into(), text.to_vec());
        // Files are read ten times per second at most.
        now += 100;
        engine.files_changed(at(now), &mut kernel);
        state_changes(&mut kernel)
    };
    assert_eq!(write(b"0"), ["1 UP"]);
    assert_eq!(write(b""), [""; 0]);
    assert_eq!(write(b"-3"), ["1 DOWN"]);
}

// ---- reload, ha_suspend, stop ----

#[test]
fn reload_keeps_the_state_of_unchanged_checks() {
    let two = || config(vec![vec![tcp(80)], vec![tcp(81), misc(false)]]);
    let mut kernel = eth0();
    let mut engine = started(two(), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    kernel.socket_event(&mut engine, at(2), 1, SocketEvent::Failed(ECONNREFUSED));
    assert_eq!(state_changes(&mut kernel), ["2 DOWN"]);
    // Another server is inserted first while a check is running.
    let mut other = two();
    other.lvs.virtual_servers[0].real_servers.remove(0);
    assert_eq!(kernel.probes.open.len(), 1);
    engine.reload(at(3), other, &mut kernel);
    assert_eq!(kernel.probes.open, [], "its number means another now");
    run(&mut engine, &mut kernel, at(4));
    let log = kernel.take_log();
    let kill = |line: &&String| line.starts_with("kill") || line.starts_with("run");
    assert_eq!(log.iter().find(kill), None, "its program keeps running");
    engine.child_ended(at(5), Pid(1), Exit::Code(0), &mut kernel);
    assert_eq!(
        state_changes(&mut kernel),
        [""; 0],
        "the other check still fails"
    );
    run(&mut engine, &mut kernel, at(10_000));
    kernel.socket_event(&mut engine, at(10_001), 0, SocketEvent::Connected);
    assert_eq!(state_changes(&mut kernel), ["2 UP"]);
}

#[test]
fn reload_ends_removed_checks() {
    let mut kernel = eth0();
    let mut engine = started(config(vec![vec![tcp(80), misc(false)]]), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    assert_eq!((kernel.probes.open.len(), kernel.spawned), (1, 1));
    kernel.take_log();
    engine.reload(at(2), config(vec![vec![tcp(81)]]), &mut kernel);
    assert_eq!(kernel.probes.open, []);
    assert_eq!(log_starting_with(&mut kernel, "kill"), ["kill 1 Term"]);
    engine.child_ended(at(3), Pid(1), Exit::Code(1), &mut kernel);
    assert_eq!(state_changes(&mut kernel), [""; 0]);
}

#[test]
fn ha_suspend_pauses_checks_while_not_master() {
    let mut conf = config(vec![vec![tcp(80), misc(false)]]);
    conf.lvs.virtual_servers[0].ha_suspend = true;
    let mut kernel = eth0();
    let mut engine = started(conf, &mut kernel);
    run(&mut engine, &mut kernel, at(60_000));
    assert_eq!((kernel.probes.opened, kernel.spawned), (0, 0));
    kernel.add(2, "198.51.100.1/32");
    kernel.deliver(&mut engine, at(60_000));
    run(&mut engine, &mut kernel, at(61_000));
    assert_eq!((kernel.probes.opened, kernel.spawned), (1, 1));
    kernel.take_log();
    let gone = crate::support::kernel::cidr("198.51.100.1/32");
    kernel.remove(2, gone);
    kernel.deliver(&mut engine, at(61_001));
    assert_eq!(kernel.probes.open, []);
    assert_eq!(log_starting_with(&mut kernel, "kill"), ["kill 1 Term"]);
    engine.child_ended(at(61_002), Pid(1), Exit::Signal(15), &mut kernel);
    run(&mut engine, &mut kernel, at(200_000));
    assert_eq!((kernel.probes.opened, kernel.spawned), (1, 1));
    assert_eq!(state_changes(&mut kernel), [""; 0]);
}

#[test]
fn stop_ends_all_checks() {
    let mut kernel = eth0();
    let mut engine = started(config(vec![vec![tcp(80), misc(false)]]), &mut kernel);
    run(&mut engine, &mut kernel, at(1));
    engine.stop(at(2), &mut kernel);
    assert_eq!(kernel.probes.open, []);
    assert_eq!(log_starting_with(&mut kernel, "kill"), ["kill 1 Term"]);
    engine.child_ended(at(3), Pid(1), Exit::Signal(15), &mut kernel);
    let opened = kernel.probes.opened;
    for ms in 0..100 {
        engine.expire(at(1000 * ms), &mut kernel);
    }
    assert_eq!(kernel.probes.opened, opened);
    assert_eq!(kernel.spawned, 1);
}
