//! Virtual servers: `bench-lvs` measures them in an emulated machine, whose kernel has IPVS.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Bench;
use crate::report::{Goal, Row, Unit};
use crate::stats::medians;

/// Values of each kind of each daemon.
type Values = HashMap<String, [Vec<i64>; 2]>;

pub(crate) fn servers(b: &Bench) -> Vec<Row> {
    let values = run(b, "servers");
    // As much as is level.
    let no_worse = Goal::OfTheirs(105);
    vec![
        row(
            &values,
            "start to the last one in the table",
            Unit::Time,
            no_worse,
        ),
        row(&values, "SIGTERM to exit", Unit::Time, no_worse),
    ]
}

pub(crate) fn checks(b: &Bench) -> Vec<Row> {
    let values = run(b, "checks");
    let row = |what, unit, goal| row(&values, what, unit, goal);
    let machine = "CPU of the machine, servers and switch included";
    vec![
        row(
            "CPU of the daemon, each server checked every 6 s",
            Unit::Cpu,
            Goal::OfTheirs(80),
        ),
        row(machine, Unit::Cpu, Goal::None),
        row("PSS", Unit::Kb, Goal::None),
        row("most descriptors", Unit::Count, Goal::None),
        row("still in the table", Unit::Achieved, Goal::AtLeast(2000)),
        row(
            "all die together, the last one is out of the table after (one run)",
            Unit::Time,
            Goal::None,
        ),
    ]
}

fn row(values: &Values, what: &str, unit: Unit, goal: Goal) -> Row {
    let runs = values.get(what);
    let values = runs.map_or([None; 2], |runs| medians(runs, |value| *value));
    Row::new(what, unit, values, goal)
}

/// Runs one measurement in the guest, and reads its values.
fn run(b: &Bench, name: &str) -> Values {
    let beside = std::env::current_exe().expect("this program");
    let program: PathBuf = beside.with_file_name("bench-lvs");
    let mut command = Command::new(&program);
    command.args([name, b.pick("5", "1")]).stdin(Stdio::null());
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|why| panic!("{}: {why}", program.display()));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}", program.display());
    let values = parse(&text);
    assert!(!values.is_empty(), "no values: {text}");
    let failed = values.get("failed").map_or(0, |runs| runs.concat().len());
    b.failed.set(b.failed.get() + failed);
    values
}

/// Values in lines `value TAB kind TAB daemon TAB number`.
fn parse(text: &str) -> Values {
    let mut values = Values::new();
    for line in text.lines() {
        let mut words = line.split('\t');
        let (Some("value"), Some(kind), Some(daemon), Some(number)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let who = usize::from(daemon == "keepalived");
        if let Ok(number) = number.trim().parse() {
            values.entry(kind.to_owned()).or_default()[who].push(number);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_lines_of_the_guest() {
        let text = "GUEST BOOT 6.1\nvalue\tCPU\tvrrpd\t5\r\nvalue\tCPU\tkeepalived\t7\n\
                    value\tCPU\tvrrpd\t3\nvalue\tPSS\tvrrpd\tnever\nvalue\tPSS\n";
        let values = parse(text);
        assert_eq!(values.len(), 1);
        assert_eq!(values["CPU"], [vec![5, 3], vec![7]]);
    }
}
