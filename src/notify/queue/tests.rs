//! Tests of the order, the limits and what is skipped.

use super::*;
use crate::config::model::User;

fn run(program: &str) -> ScriptRun {
    ScriptRun {
        keyword: "notify",
        command: Command {
            argv: vec![program.into()],
            user: User::default(),
            secure: false,
        },
        extra_args: Vec::new(),
    }
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn add(queue: &mut Queue, name: &str, word: NotifyEvent, programs: &[&str]) -> usize {
    add_at(queue, at(0), name, word, programs)
}

fn add_at(
    queue: &mut Queue,
    now: Instant,
    name: &str,
    word: NotifyEvent,
    programs: &[&str],
) -> usize {
    queue.superseded_limit = SUPERSEDED_LIMIT;
    let runs = programs.iter().map(|program| run(program)).collect();
    queue.add(now, ObjectKind::Instance, name, word, runs)
}

/// Starts all that may start; gives what was started.
fn start(queue: &mut Queue, now: Instant) -> Vec<(QueueId, String)> {
    let started = core::iter::from_fn(|| queue.next(now));
    started
        .map(|(id, run)| (id, run.command.argv[0].clone()))
        .collect()
}

/// Runs everything to its end, one at a time; gives the programs in order.
fn drain(queue: &mut Queue) -> Vec<String> {
    let mut order = Vec::new();
    let mut running = start(queue, at(0));
    while !running.is_empty() {
        let (id, program) = running.remove(0);
        order.push(program);
        queue.ended(id);
        running.extend(start(queue, at(0)));
    }
    order
}

#[test]
fn scripts_of_one_instance_run_one_after_another() {
    let mut queue = Queue::default();
    add(&mut queue, "a", NotifyEvent::Backup, &["a1", "a2"]);
    add(&mut queue, "a", NotifyEvent::Master, &["a3"]);
    for want in ["a1", "a2", "a3"] {
        let started = start(&mut queue, at(0));
        assert_eq!(started.len(), 1, "one at a time");
        assert_eq!(started[0].1, want);
        assert!(!queue.can_start());
        queue.ended(started[0].0);
    }
    assert!(queue.is_empty());
}

#[test]
fn different_instances_and_groups_run_side_by_side() {
    let mut queue = Queue::default();
    add(&mut queue, "a", NotifyEvent::Master, &["a1", "a2"]);
    add(&mut queue, "b", NotifyEvent::Master, &["b1"]);
    let group = ObjectKind::Group;
    queue.add(at(0), group, "a", NotifyEvent::Master, vec![run("g1")]);
    let started: Vec<String> = start(&mut queue, at(0)).into_iter().map(|s| s.1).collect();
    assert_eq!(started, ["a1", "b1", "g1"]);
}

#[test]
fn the_number_of_running_scripts_is_limited_and_all_run_in_the_end() {
    let mut queue = Queue::default();
    for nth in 0..100 {
        add(
            &mut queue,
            &format!("i{nth}"),
            NotifyEvent::Master,
            &["x", "y"],
        );
    }
    let mut running = start(&mut queue, at(0));
    assert_eq!(running.len(), MAX_RUNNING);
    let mut told = running.len();
    while let Some((id, _)) = running.pop() {
        queue.ended(id);
        let next = start(&mut queue, at(0));
        told += next.len();
        running.extend(next);
        assert!(running.len() <= MAX_RUNNING);
    }
    assert_eq!(told, 200);
    assert!(queue.is_empty());
}

#[test]
fn outdated_states_are_skipped_from_the_oldest_and_the_last_is_kept() {
    let mut queue = Queue::default();
    add(&mut queue, "a", NotifyEvent::Master, &["running"]);
    let _ = start(&mut queue, at(0));
    let mut skipped = 0;
    for nth in 0..500 {
        let (m, n) = (format!("m{nth}"), format!("n{nth}"));
        skipped += add(&mut queue, "a", NotifyEvent::Master, &[&m, &n]);
    }
    let object = &queue.objects[0];
    assert!(object.waiting.len() <= MAX_WAITING);
    let left: Vec<&str> = object
        .waiting
        .iter()
        .map(|w| &*w.run.command.argv[0])
        .collect();
    assert_eq!(
        left[..2],
        ["m492", "n492"],
        "what happened together stays together"
    );
    assert_eq!(left[14..], ["m499", "n499"]);
    assert_eq!(skipped + left.len(), 1000);
}

#[test]
fn neither_the_end_nor_the_last_state_is_ever_skipped() {
    let mut queue = Queue::default();
    add(&mut queue, "a", NotifyEvent::Deleted, &["deleted"]);
    add(&mut queue, "a", NotifyEvent::Backup, &["old"]);
    add(&mut queue, "a", NotifyEvent::Master, &["master"]);
    for _ in 0..100 {
        add(&mut queue, "a", NotifyEvent::LowerPriority, &["lower"]);
    }
    let order = drain(&mut queue);
    assert_eq!(order.len(), MAX_WAITING);
    assert_eq!(order[..2], ["deleted", "master"]);
    assert_eq!(order.last().map(String::as_str), Some("lower"));
}

#[test]
fn ends_are_bounded_too() {
    let mut queue = Queue::default();
    for nth in 0..100 {
        add(&mut queue, "a", NotifyEvent::Deleted, &[&format!("d{nth}")]);
    }
    let order = drain(&mut queue);
    assert_eq!(order.len(), MAX_WAITING);
    assert_eq!(order.last().map(String::as_str), Some("d99"));
}

#[test]
fn a_script_has_no_time_limit_until_something_waits_for_it() {
    let mut queue = Queue::default();
    add(&mut queue, "a", NotifyEvent::Master, &["slow"]);
    let (id, _) = queue.next(at(0)).expect("ready");
    assert_eq!(queue.next_deadline(), None);
    assert_eq!(queue.overdue(at(10_000)), None);
    add(&mut queue, "a", NotifyEvent::LowerPriority, &["next"]);
    assert_eq!(queue.next_deadline(), Some(at(60)));
    assert_eq!(queue.overdue(at(59)), None);
    let (late, running) = queue.overdue(at(60)).expect("overdue");
    assert_eq!((late, &*running.program), (id, "slow"));
    let why = Some("it ran for 60 seconds and others wait");
    assert_eq!(running.terminated, why);
    assert_eq!(queue.overdue(at(61)), None, "told once");
    assert_eq!(queue.next_deadline(), None);
    queue.ended(id);
    assert_eq!(start(&mut queue, at(61))[0].1, "next");
}

#[test]
fn a_script_for_a_superseded_state_has_a_few_seconds_left() {
    let mut queue = Queue::default();
    add(
        &mut queue,
        "a",
        NotifyEvent::Master,
        &["master", "any master"],
    );
    let (id, _) = queue.next(at(0)).expect("ready");
    assert_eq!(
        queue.next_deadline(),
        Some(at(60)),
        "the other of one event waits"
    );
    add_at(
        &mut queue,
        at(10),
        "a",
        NotifyEvent::LowerPriority,
        &["lower"],
    );
    assert_eq!(
        queue.next_deadline(),
        Some(at(60)),
        "a notice supersedes nothing"
    );
    add_at(&mut queue, at(20), "a", NotifyEvent::Backup, &["backup"]);
    add_at(
        &mut queue,
        at(21),
        "a",
        NotifyEvent::Fault,
        &["fault", "any fault"],
    );
    assert_eq!(queue.next_deadline(), Some(at(23)));
    assert_eq!(queue.overdue(at(22)), None);
    let (late, running) = queue.overdue(at(23)).expect("overdue");
    let why = Some("a newer state waits");
    assert_eq!((late, running.terminated), (id, why));
    let ended = queue.ended(id).expect("it ran");
    assert_eq!(ended.terminated, why, "logged already");
    assert_eq!(
        drain(&mut queue),
        ["lower", "fault", "any fault"],
        "the latest state"
    );
}

#[test]
fn a_script_that_starts_superseded_has_its_limit_from_its_start() {
    let mut queue = Queue::default();
    add(&mut queue, "a", NotifyEvent::Master, &["master"]);
    let (id, _) = queue.next(at(0)).expect("ready");
    add_at(&mut queue, at(1), "a", NotifyEvent::Backup, &["backup"]);
    add_at(&mut queue, at(1), "a", NotifyEvent::Fault, &["fault"]);
    queue.ended(id);
    assert_eq!(
        start(&mut queue, at(2))[0].1,
        "backup",
        "in order while scripts are fast"
    );
    assert_eq!(queue.next_deadline(), Some(at(5)));
    let (id, _) = queue.overdue(at(5)).expect("overdue");
    queue.ended(id);
    assert_eq!(start(&mut queue, at(5))[0].1, "fault");
    assert_eq!(queue.next_deadline(), None, "nothing waits");
}

#[test]
fn at_the_process_limit_the_oldest_script_is_terminated() {
    let mut queue = Queue::default();
    for nth in 0..MAX_RUNNING {
        add(
            &mut queue,
            &format!("i{nth}"),
            NotifyEvent::Master,
            &["forever"],
        );
        assert!(queue.next(at(nth as u64)).is_some());
    }
    assert_eq!(queue.next_deadline(), None, "nobody waits");
    add(&mut queue, "late", NotifyEvent::Master, &["late"]);
    assert_eq!(queue.next_deadline(), Some(at(60)));
    let (id, running) = queue.overdue(at(200)).expect("overdue");
    assert_eq!(running.name, "i0");
    assert_eq!(queue.overdue(at(200)), None, "one place is enough for now");
    queue.ended(id);
    assert_eq!(start(&mut queue, at(200))[0].1, "late");
}

#[test]
fn at_shutdown_outdated_runs_are_skipped_and_slow_scripts_terminated() {
    let mut queue = Queue::default();
    add(&mut queue, "a", NotifyEvent::Master, &["slow"]);
    let (id, _) = queue.next(at(0)).expect("ready");
    add(&mut queue, "a", NotifyEvent::Backup, &["history"]);
    assert_eq!(add(&mut queue, "a", NotifyEvent::Stop, &["stop"]), 0);
    queue.start_shutdown(at(10));
    let soon = at(10).after(SHUTDOWN_TIME_LIMIT);
    assert_eq!(queue.next_deadline(), Some(soon));
    assert_eq!(queue.overdue(at(10)), None);
    let (late, running) = queue.overdue(soon).expect("overdue");
    assert_eq!((late, running.terminated), (id, Some("vrrpd stops")));
    queue.ended(id);
    assert_eq!(start(&mut queue, soon)[0].1, "stop");
    assert_eq!(queue.next_deadline(), None);
}

#[test]
fn unknown_ids_and_empty_events_change_nothing() {
    let mut queue = Queue::default();
    assert_eq!(
        queue.add(
            at(0),
            ObjectKind::Group,
            "g",
            NotifyEvent::Master,
            Vec::new()
        ),
        0
    );
    assert!(queue.is_empty());
    assert_eq!(queue.ended(QueueId(7)), None);
    add(&mut queue, "a", NotifyEvent::Master, &["x"]);
    let (id, _) = queue.next(at(0)).expect("ready");
    assert!(queue.ended(id).is_some());
    assert_eq!(queue.ended(id), None, "only once");
}
