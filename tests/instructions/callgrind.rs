//! Runs the scenarios under callgrind and compares their counts with the limits.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::SCENARIOS;
use crate::process::{Scratch, has_program, skip};

const TEST: &str = "no_scenario_needs_more_instructions_than_its_limit";
/// The function whose instructions count, and those of the fake kernel that do not: entering one of
/// them inside the other ends the count, leaving it continues it.
const TOGGLES: [&str; 3] = [
    "instructions::counted*",
    "*support::kernel::Kernel as vrrpd::engine::system::System*",
    "*support::kernel::Kernel as vrrpd::engine::system::lvs::LvsSystem*",
];
/// Room above the measured count, in percent.
const HEADROOM: u64 = 10;

fn limits_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions/limits")
}

/// Runs one scenario; the output of callgrind.
fn run(scenario: &str, out: &str) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--collect-atstart=no", "--dump-line=no"]);
    valgrind.args(["--compress-strings=no", "--compress-pos=no"]);
    valgrind.args(TOGGLES.map(|function| format!("--toggle-collect={function}")));
    valgrind.arg(format!("--callgrind-out-file={out}"));
    valgrind
        .arg(program)
        .args(["--exact", scenario, "--test-threads=1"]);
    let done = valgrind.output().expect("valgrind starts");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{scenario}: {errors}");
    fs::read_to_string(out).unwrap_or_else(|error| panic!("{out}: {error}"))
}

/// Instructions of this program in callgrind's output: lines `POSITION COUNT`, in the object that
/// `ob=` has named last. The line after `calls=` has the count of the callee, which has lines of its
/// own.
fn count(output: &str) -> u64 {
    let program = std::env::current_exe().expect("this program");
    let program = program.display().to_string();
    let mut ours = false;
    let mut sum = 0;
    let mut lines = output.lines();
    while let Some(line) = lines.next() {
        if let Some(object) = line.strip_prefix("ob=") {
            ours = object == program;
        } else if line.starts_with("calls=") {
            lines.next();
        } else if let Some((position, count)) = line.split_once(' ')
            && ours
            && position.bytes().all(|byte| byte.is_ascii_digit())
        {
            sum += count.parse::<u64>().expect("a number of instructions");
        }
    }
    sum
}

fn measured() -> Vec<(&'static str, u64)> {
    let scratch = Scratch::new("instructions");
    let measure = |(scenario, times): (&'static str, u64)| {
        let output = run(scenario, &scratch.path(scenario));
        let each = count(&output) / times;
        assert!(
            each > 100,
            "{scenario}: callgrind has counted {each} instructions"
        );
        (scenario, each)
    };
    thread::scope(|scope| {
        let threads = SCENARIOS.map(|one| scope.spawn(move || measure(one)));
        let each = threads
            .into_iter()
            .map(|thread| thread.join().expect("measured"));
        each.collect()
    })
}

/// The limit of a scenario in the file: `NAME COUNT`.
fn limit(limits: &str, scenario: &str) -> Option<u64> {
    let rows = limits.lines().map(|line| line.split_whitespace());
    let mut values = rows.filter_map(|mut words| {
        let name = words.next().filter(|name| *name == scenario);
        name.and(words.next()?.parse().ok())
    });
    values.next()
}

#[test]
fn no_scenario_needs_more_instructions_than_its_limit() {
    if !cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
        return skip(TEST, "the limits are those of x86_64 with glibc");
    }
    if !has_program(TEST, "valgrind") {
        return;
    }
    let file = limits_file();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let limits = fs::read_to_string(&file).unwrap_or_default();
    let mut new: String = limits
        .lines()
        .filter(|line| line.starts_with('#'))
        .fold(String::new(), |text, line| text + line + "\n");
    let mut over = Vec::new();
    for (scenario, count) in measured() {
        let limit = limit(&limits, scenario).unwrap_or(0);
        println!("{scenario}: {count} instructions, limit {limit}");
        // A limit that fits stays: it is not to grow by a little each time.
        let fits = count <= limit && count * (100 + HEADROOM + 2) / 100 >= limit;
        let new_limit = match fits {
            true => limit,
            false => count + count * HEADROOM / 100,
        };
        let _ = writeln!(new, "{scenario:<12} {new_limit}");
        if count > limit {
            over.push(format!("{scenario}: {count} instructions, limit {limit}"));
        }
    }
    if update {
        fs::write(&file, new).expect("write the limits");
        return;
    }
    assert!(
        over.is_empty(),
        "{over:#?}\nif that is the price of something worth it (or of another compiler): UPDATE_GOLDEN=1"
    );
}
