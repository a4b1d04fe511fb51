//! Tracked scripts, files and processes: when they run, and the effect of their results.

use std::time::Duration;

use crate::support::kernel::{Kernel, at, eth0, instance, run, start};
use vrrpd::config::model::{
    Command, Config, InitFile, Script, Track, TrackFile, TrackProcess, Tracked, User, VrrpInstance,
};
use vrrpd::engine::system::{Exit, Pid};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Instant, VrrpState};

fn state(engine: &Engine) -> VrrpState {
    let (_, state, _) = engine.instances().next().expect("one instance");
    state
}

fn tracking(tracks: &[(Tracked, i16)]) -> VrrpInstance {
    let tracks = tracks.iter().map(|(what, weight)| Track {
        object: what.clone(),
        weight: *weight,
        reverse: false,
    });
    let mut conf = instance(7, 100, &["192.0.2.100/32"]);
    conf.tracks = tracks.collect();
    conf
}

fn script(name: &str) -> Script {
    Script {
        name: name.into(),
        command: Command {
            argv: vec![format!("/{name}")],
            user: User::default(),
            secure: false,
        },
        interval: Duration::from_millis(500),
        timeout: Duration::from_millis(500),
        ..Script::default()
    }
}

fn with_script(weight: i16) -> Config {
    Config {
        instances: vec![tracking(&[(Tracked::Script(0), weight)])],
        scripts: vec![script("chk")],
        ..Config::default()
    }
}

fn started(config: Config, kernel: &mut Kernel) -> Engine {
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, kernel, at(0));
    run(&mut engine, kernel, at(1));
    engine
}

/// New log lines about child processes.
fn child_log(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    log.retain(|line| line.starts_with("run") || line.starts_with("kill"));
    log
}

fn advert_log(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    log.retain(|line| line.starts_with("advert"));
    log.dedup();
    log
}

fn child_exits(engine: &mut Engine, kernel: &mut Kernel, ms: u64, pid: i32, code: i32) {
    engine.child_ended(at(ms), Pid(pid), Exit::Code(code), kernel);
}

#[test]
fn track_script_weight_counts_from_the_first_result() {
    let mut kernel = eth0();
    let mut engine = started(with_script(-20), &mut kernel);
    assert_eq!(child_log(&mut kernel), ["run 1 /chk"]);
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(advert_log(&mut kernel), ["advert 7 prio 100 to 224.0.0.18"]);
    child_exits(&mut engine, &mut kernel, 410, 1, 1);
    run(&mut engine, &mut kernel, at(499));
    assert_eq!(advert_log(&mut kernel), ["advert 7 prio 80 to 224.0.0.18"]);
    run(&mut engine, &mut kernel, at(500));
    child_exits(&mut engine, &mut kernel, 510, 2, 0);
    run(&mut engine, &mut kernel, at(600));
    assert_eq!(advert_log(&mut kernel), ["advert 7 prio 100 to 224.0.0.18"]);
}

#[test]
fn instance_starts_after_the_first_result_of_scripts_of_weight_0() {
    for (code, want) in [(0, VrrpState::Backup), (1, VrrpState::Fault)] {
        let mut kernel = eth0();
        let mut engine = started(with_script(0), &mut kernel);
        run(&mut engine, &mut kernel, at(450));
        assert_eq!(state(&engine), VrrpState::Init);
        assert_eq!(advert_log(&mut kernel), [""; 0]);
        child_exits(&mut engine, &mut kernel, 450, 1, code);
        assert_eq!(state(&engine), want);
        // The whole down interval from here on: three intervals of 100 ms plus skew.
        run(&mut engine, &mut kernel, at(450 + 359));
        assert_eq!(state(&engine), want);
        run(&mut engine, &mut kernel, at(450 + 365));
        assert_eq!(state(&engine) == VrrpState::Master, code == 0);
    }
}

#[test]
fn track_script_of_weight_0_causes_fault_while_it_fails() {
    let mut kernel = eth0();
    let mut engine = started(with_script(0), &mut kernel);
    child_exits(&mut engine, &mut kernel, 1, 1, 0);
    run(&mut engine, &mut kernel, at(500));
    assert_eq!(state(&engine), VrrpState::Master);
    engine.child_ended(at(510), Pid(2), Exit::Signal(11), &mut kernel);
    assert_eq!(state(&engine), VrrpState::Fault);
    assert!(!kernel.has("192.0.2.100/32"));
    run(&mut engine, &mut kernel, at(1000));
    child_exits(&mut engine, &mut kernel, 1010, 3, 0);
    assert_eq!(state(&engine), VrrpState::Backup);
}

#[test]
fn track_script_timeout_fails_and_terminates_the_run() {
    let mut kernel = eth0();
    let mut config = with_script(-20);
    config.scripts[0].timeout = Duration::from_millis(700);
    let mut engine = started(config, &mut kernel);
    run(&mut engine, &mut kernel, at(699));
    assert_eq!(child_log(&mut kernel), ["run 1 /chk"]);
    run(&mut engine, &mut kernel, at(850));
    let log = kernel.take_log();
    assert!(log.contains(&"kill 1 Term".to_owned()), "{log:?}");
    assert!(
        log.last().is_some_and(|line| line.contains("prio 80")),
        "it counts at once: {log:?}"
    );
    run(&mut engine, &mut kernel, at(2699));
    assert_eq!(child_log(&mut kernel), [""; 0]);
    run(&mut engine, &mut kernel, at(2750));
    assert_eq!(child_log(&mut kernel), ["kill 1 Kill"]);
    child_exits(&mut engine, &mut kernel, 2760, 1, 0);
    run(&mut engine, &mut kernel, at(2999));
    let log = kernel.take_log();
    assert!(
        !log.iter().any(|line| line.contains("prio 100")),
        "its own result comes too late: {log:?}"
    );
    run(&mut engine, &mut kernel, at(3000));
    assert_eq!(child_log(&mut kernel), ["run 2 /chk"]);
}

#[test]
fn process_group_of_a_terminated_script_is_killed() {
    let mut kernel = eth0();
    let mut engine = started(with_script(0), &mut kernel);
    run(&mut engine, &mut kernel, at(501));
    engine.child_ended(at(510), Pid(1), Exit::Signal(15), &mut kernel);
    assert_eq!(
        child_log(&mut kernel),
        ["run 1 /chk", "kill 1 Term", "kill 1 Kill"]
    );
    // A script that exits by itself may leave other processes running.
    run(&mut engine, &mut kernel, at(1000));
    child_exits(&mut engine, &mut kernel, 1010, 2, 0);
    assert_eq!(child_log(&mut kernel), ["run 2 /chk"]);
}

#[test]
fn track_script_that_cannot_be_started_fails() {
    let mut kernel = eth0();
    kernel.spawn_errno = Some(11);
    let mut engine = started(with_script(0), &mut kernel);
    assert_eq!(state(&engine), VrrpState::Fault);
    kernel.spawn_errno = None;
    run(&mut engine, &mut kernel, at(500));
    child_exits(&mut engine, &mut kernel, 510, 1, 0);
    assert_eq!(state(&engine), VrrpState::Backup);
}

#[test]
fn track_scripts_are_started_one_per_loop_iteration() {
    let mut kernel = eth0();
    let tracks: Vec<_> = (0..50).map(|index| (Tracked::Script(index), -1)).collect();
    let config = Config {
        instances: vec![tracking(&tracks)],
        scripts: (0..50).map(|nth| script(&format!("s{nth}"))).collect(),
        ..Config::default()
    };
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    for nth in 1..=50 {
        assert_eq!(kernel.spawned, nth - 1);
        // Each loop iteration is a little later than the previous one.
        let now = u64::try_from(nth).expect("positive");
        engine.expire(Instant::from_nanos(at(0).as_nanos() + now), &mut kernel);
    }
    run(&mut engine, &mut kernel, at(499));
    assert_eq!(kernel.spawned, 50);
}

#[test]
fn stop_terminates_track_scripts() {
    let mut kernel = eth0();
    let mut engine = started(with_script(-20), &mut kernel);
    kernel.take_log();
    engine.stop(at(100), &mut kernel);
    assert_eq!(child_log(&mut kernel), ["kill 1 Kill"]);
    run(&mut engine, &mut kernel, at(5000));
    assert_eq!(child_log(&mut kernel), [""; 0]);
}

#[test]
fn reload_keeps_the_state_of_an_unchanged_script() {
    let mut kernel = eth0();
    let mut engine = started(with_script(-20), &mut kernel);
    child_exits(&mut engine, &mut kernel, 10, 1, 1);
    run(&mut engine, &mut kernel, at(500));
    kernel.take_log();
    let mut config = with_script(-30);
    config.scripts.insert(0, script("other"));
    config.instances = vec![tracking(&[
        (Tracked::Script(0), -1),
        (Tracked::Script(1), -30),
    ])];
    engine.reload(at(600), config, &mut kernel);
    run(&mut engine, &mut kernel, at(900));
    let log = kernel.take_log();
    let has = |text: &str| log.iter().any(|line| line.contains(text));
    assert!(
        has("run 3 /other") && !has("kill") && has("prio 70"),
        "{log:?}"
    );
    // The run in progress at the reload counts.
    child_exits(&mut engine, &mut kernel, 910, 2, 0);
    run(&mut engine, &mut kernel, at(999));
    assert_eq!(advert_log(&mut kernel), ["advert 7 prio 100 to 224.0.0.18"]);
}

#[test]
fn reload_terminates_a_changed_or_removed_script() {
    let mut kernel = eth0();
    let mut engine = started(with_script(-20), &mut kernel);
    kernel.take_log();
    let mut config = with_script(-20);
    config.scripts[0].command.argv.push("now".into());
    engine.reload(at(100), config, &mut kernel);
    run(&mut engine, &mut kernel, at(101));
    assert_eq!(child_log(&mut kernel), ["kill 1 Term", "run 2 /chk now"]);
    child_exits(&mut engine, &mut kernel, 110, 1, 1);
    run(&mut engine, &mut kernel, at(450));
    assert_eq!(
        advert_log(&mut kernel),
        ["advert 7 prio 100 to 224.0.0.18"],
        "the old one's result means nothing"
    );
    let config = Config {
        instances: vec![tracking(&[])],
        ..Config::default()
    };
    engine.reload(at(460), config, &mut kernel);
    assert_eq!(child_log(&mut kernel), ["kill 2 Term"]);
}

#[test]
fn reload_changing_the_command_or_name_of_a_script_keeps_the_priority() {
    for (weight, code, prio) in [(20, 0, 120), (-20, 1, 80)] {
        let mut kernel = eth0();
        let mut engine = started(with_script(weight), &mut kernel);
        child_exits(&mut engine, &mut kernel, 10, 1, code);
        run(&mut engine, &mut kernel, at(499));
        let same = format!("advert 7 prio {prio} to 224.0.0.18");
        kernel.take_log();
        // A new name: the same script.
        let mut config = with_script(weight);
        config.scripts[0].name = "renamed".into();
        engine.reload(at(499), config.clone(), &mut kernel);
        run(&mut engine, &mut kernel, at(700));
        let log = kernel.take_log();
        let (sent, child_log): (Vec<_>, Vec<_>) = log
            .iter()
            .filter(|line| !line.starts_with("listen"))
            .partition(|line| line.starts_with("advert"));
        assert!(sent.iter().all(|line| **line == same), "{sent:?}");
        assert_eq!(child_log, ["run 2 /chk"]);
        child_exits(&mut engine, &mut kernel, 710, 2, code);
        // A new command: the old result counts until it has run.
        config.scripts[0].command.argv.push("now".into());
        (config.scripts[0].rise, config.scripts[0].fall) = (3, 3);
        engine.reload(at(720), config, &mut kernel);
        run(&mut engine, &mut kernel, at(900));
        assert_eq!(advert_log(&mut kernel), [same]);
        child_exits(&mut engine, &mut kernel, 910, 3, 1 - code);
        run(&mut engine, &mut kernel, at(1100));
        assert_eq!(
            advert_log(&mut kernel),
            ["advert 7 prio 100 to 224.0.0.18"],
            "its first result decides alone"
        );
    }
}

#[test]
fn reload_changing_the_command_of_a_failing_script_keeps_the_fault() {
    let mut kernel = eth0();
    let mut engine = started(with_script(0), &mut kernel);
    child_exits(&mut engine, &mut kernel, 10, 1, 1);
    assert_eq!(state(&engine), VrrpState::Fault);
    let mut config = with_script(0);
    config.scripts[0].command.argv.push("now".into());
    engine.reload(at(100), config, &mut kernel);
    run(&mut engine, &mut kernel, at(110));
    assert_eq!(state(&engine), VrrpState::Fault);
    child_exits(&mut engine, &mut kernel, 120, 2, 0);
    assert_eq!(state(&engine), VrrpState::Backup);
}

// ---- files ----

fn with_file(weight: i16, init_file: Option<InitFile>) -> Config {
    Config {
        instances: vec![tracking(&[(Tracked::File(0), weight)])],
        track_files: vec![TrackFile {
            name: "load".into(),
            path: "/run/load".into(),
            init_file,
        }],
        ..Config::default()
    }
}

fn write(engine: &mut Engine, kernel: &mut Kernel, ms: u64, contents: &str) {
    kernel.files.insert("/run/load".into(), contents.into());
    engine.files_changed(at(ms), kernel);
}

#[test]
fn track_file_adds_its_value_times_weight() {
    let mut kernel = eth0();
    let mut engine = started(with_file(-2, None), &mut kernel);
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(advert_log(&mut kernel), ["advert 7 prio 100 to 224.0.0.18"]);
    for (ms, contents, want) in [
        (500, "5\n", "advert 7 prio 90 to 224.0.0.18"),
        (700, "-30", "advert 7 prio 160 to 224.0.0.18"),
        (900, "many", "advert 7 prio 100 to 224.0.0.18"),
        (1100, "1", "advert 7 prio 98 to 224.0.0.18"),
        (1300, "", "advert 7 prio 100 to 224.0.0.18"),
    ] {
        write(&mut engine, &mut kernel, ms, contents);
        kernel.take_log();
        run(&mut engine, &mut kernel, at(ms + 150));
        assert_eq!(advert_log(&mut kernel), [want], "{contents}");
    }
    write(&mut engine, &mut kernel, 1500, "127");
    assert_eq!(state(&engine), VrrpState::Fault, "below -253");
}

#[test]
fn track_file_of_weight_0_causes_fault_unless_its_value_is_0() {
    let mut kernel = eth0();
    kernel.files.insert("/run/load".into(), b"1".to_vec());
    let mut engine = started(with_file(0, None), &mut kernel);
    assert_eq!(state(&engine), VrrpState::Fault);
    write(&mut engine, &mut kernel, 100, "0\n");
    assert_eq!(state(&engine), VrrpState::Backup);
}

#[test]
fn track_file_that_changes_all_the_time_is_read_ten_times_per_second() {
    let mut kernel = eth0();
    kernel.files.insert("/run/load".into(), b"0".to_vec());
    let mut engine = started(with_file(1, None), &mut kernel);
    kernel.take_log();
    for ms in 1..=1000 {
        write(&mut engine, &mut kernel, ms, &format!("{}\n", ms % 50));
        engine.expire(at(ms), &mut kernel);
    }
    let lines = kernel.take_log();
    let reads = lines.iter().filter(|line| line.contains("watch")).count();
    assert!((9..=11).contains(&reads), "{lines:?}");
    write(&mut engine, &mut kernel, 1001, "49\n");
    run(&mut engine, &mut kernel, at(1200));
    let lines = kernel.take_log();
    assert!(
        lines.iter().any(|line| line.contains("watch")),
        "the last change is not forgotten: {lines:?}"
    );
}

#[test]
fn init_file_creates_or_overwrites_the_file() {
    for (there, overwrite, want) in [
        (None, false, "7\n"),
        (Some("1\n"), false, "1\n"),
        (Some("1\n"), true, "7\n"),
    ] {
        let mut kernel = eth0();
        if let Some(there) = there {
            kernel.files.insert("/run/load".into(), there.into());
        }
        let config = with_file(
            1,
            Some(InitFile {
                value: 7,
                overwrite,
            }),
        );
        let mut engine = started(config.clone(), &mut kernel);
        assert_eq!(kernel.files["/run/load"], want.as_bytes());
        // At start only, not on reload.
        write(&mut engine, &mut kernel, 10, "3\n");
        engine.reload(at(20), config, &mut kernel);
        assert_eq!(kernel.files["/run/load"], b"3\n");
    }
}

#[test]
fn track_files_are_polled_every_second_without_inotify() {
    let mut kernel = eth0();
    kernel.no_inotify = true;
    let mut engine = started(with_file(0, None), &mut kernel);
    kernel.files.insert("/run/load".into(), b"1".to_vec());
    run(&mut engine, &mut kernel, at(999));
    assert_eq!(state(&engine), VrrpState::Master);
    run(&mut engine, &mut kernel, at(1000));
    assert_eq!(state(&engine), VrrpState::Fault);
    kernel.no_inotify = false;
    kernel.files.insert("/run/load".into(), b"0".to_vec());
    run(&mut engine, &mut kernel, at(2000));
    assert_eq!(state(&engine), VrrpState::Backup);
    kernel.files.insert("/run/load".into(), b"1".to_vec());
    run(&mut engine, &mut kernel, at(9000));
    assert_eq!(state(&engine), VrrpState::Master, "watched again");
}

// ---- processes ----

#[test]
fn track_process_counts_processes_every_second() {
    let mut kernel = eth0();
    let process = |name: &str| (name.to_owned(), format!("/usr/sbin/{name}\0"));
    kernel.processes = vec![process("init")];
    let config = Config {
        instances: vec![tracking(&[(Tracked::Process(0), 0)])],
        track_processes: vec![TrackProcess {
            name: "proxy".into(),
            process: "haproxy".into(),
            quorum_max: Some(2),
            terminate_delay: Duration::from_millis(1500),
            ..TrackProcess::default()
        }],
        ..Config::default()
    };
    let mut engine = started(config, &mut kernel);
    assert_eq!(state(&engine), VrrpState::Fault, "known from the start");
    kernel.processes.push(process("haproxy"));
    run(&mut engine, &mut kernel, at(999));
    assert_eq!(state(&engine), VrrpState::Fault);
    run(&mut engine, &mut kernel, at(1000));
    assert_eq!(state(&engine), VrrpState::Backup);
    run(&mut engine, &mut kernel, at(1990));
    assert_eq!(state(&engine), VrrpState::Master);
    kernel.processes.pop();
    run(&mut engine, &mut kernel, at(3499));
    assert_eq!(state(&engine), VrrpState::Master, "terminate_delay");
    run(&mut engine, &mut kernel, at(3500));
    assert_eq!(state(&engine), VrrpState::Fault);
    kernel
        .processes
        .extend([process("haproxy"), process("haproxy")]);
    run(&mut engine, &mut kernel, at(4500));
    assert_eq!(state(&engine), VrrpState::Backup);
    kernel.processes.push(process("haproxy"));
    run(&mut engine, &mut kernel, at(5500));
    assert_eq!(state(&engine), VrrpState::Fault, "too many");
}

#[test]
fn adverts_are_on_time_while_many_processes_are_counted() {
    let mut kernel = eth0();
    let process = |name: &str| (name.to_owned(), String::new());
    kernel.processes = vec![process("idle"); 5000];
    kernel.processes.push(process("haproxy"));
    let config = Config {
        instances: vec![tracking(&[(Tracked::Process(0), 0)])],
        track_processes: vec![TrackProcess {
            name: "proxy".into(),
            process: "haproxy".into(),
            ..TrackProcess::default()
        }],
        ..Config::default()
    };
    // A pass takes half a second.
    kernel.process_delay = Duration::from_micros(100);
    let mut engine = started(config, &mut kernel);
    assert_eq!(state(&engine), VrrpState::Init, "not counted yet");
    run(&mut engine, &mut kernel, at(600));
    assert_eq!(state(&engine), VrrpState::Backup, "counted");
    run(&mut engine, &mut kernel, at(3000));
    assert_eq!(state(&engine), VrrpState::Master);
    kernel.take_log();
    kernel.longest_silence = Duration::ZERO;
    run(&mut engine, &mut kernel, at(20_000));
    let late = kernel
        .longest_silence
        .saturating_sub(Duration::from_millis(100));
    assert!(late <= Duration::from_micros(1200), "{late:?} late");
    let log = kernel.take_log();
    let count = |line: &str| log.iter().filter(|one| *one == line).count();
    assert!((16..=17).contains(&count("scan")), "{}", count("scan"));
    kernel.processes.pop();
    run(&mut engine, &mut kernel, at(22_000));
    assert_eq!(state(&engine), VrrpState::Fault, "counted to the end");
}
