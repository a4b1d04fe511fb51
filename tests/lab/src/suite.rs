//! The test runner of the lab.
//!
//! It replaces the standard one for three reasons: a test must be in its namespaces before its
//! process has a second thread, tests that measure time or load the machine must run alone, and a
//! test that cannot run here has to say so (`SKIP name: reason`; with `CI=true` a skip is a
//! failure).
//!
//! ```text
//! runner   selects tests, starts one process per test, prints one line per result
//!   test     enters namespaces of its own ([`private`]), runs, prints; its exit code is the result
//! ```
//! Tests share no namespace, no directory and no process with each other. The exclusive ones run
//! first, one after another in the order listed; then the others run side by side, `LAB_JOBS` at a
//! time. What a test prints is held back and printed together with its result. A test that fails
//! while the machine itself is late ([`noise`]) proves nothing; it runs once more at the end,
//! alone.
//!
//! `VRRPD_BIN` names the daemon under test. `LAB_DAEMON=keepalived` runs the same tests against
//! Debian's keepalived: those it passes show that the test is fair, those it is known to fail
//! ([`Test::keepalived_fails`]) that the test detects the error. Arguments select tests by part of
//! their name; `--list` prints the names.

use std::fs::File;
use std::io::{Write, stdout};
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio, exit};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::{Daemon, MS, Ns, noise, private, sleep_ms};

/// What a test gets.
#[derive(Debug)]
pub struct Ctx {
    /// The daemon under test.
    pub daemon: Daemon,
    /// Debian's keepalived, as the peer.
    pub keepalived: Daemon,
}

/// Result of a test that did not panic.
#[derive(Debug)]
pub enum Outcome {
    Passed,
    /// It cannot run here, and why.
    Skipped(String),
}

/// A test and how it may be run.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    pub name: &'static str,
    run: fn(&Ctx) -> Outcome,
    keepalived_fails: Option<&'static str>,
    exclusive: Option<&'static str>,
}

impl Test {
    /// A test that may run beside others.
    #[must_use]
    pub const fn new(name: &'static str, run: fn(&Ctx) -> Outcome) -> Self {
        Self {
            name,
            run,
            keepalived_fails: None,
            exclusive: None,
        }
    }

    /// States what keepalived 2.2.7 does wrong in this test.
    #[must_use]
    pub const fn keepalived_fails(mut self, how: &'static str) -> Self {
        self.keepalived_fails = Some(how);
        self
    }

    /// Keeps other tests from running meanwhile, for this reason.
    #[must_use]
    pub const fn exclusive(mut self, reason: &'static str) -> Self {
        self.exclusive = Some(reason);
        self
    }
}

/// Time after which a test is killed.
const LIMIT: Duration = Duration::from_secs(240);
/// Names the test that a process of the runner is to run; empty to try the namespaces only.
const TEST: &str = "LAB_TEST";
/// Exit codes of a test.
const FAILED: i32 = 1;
const SKIPPED: i32 = 78;
/// It failed, and meanwhile the machine was late by more than [`STALL`].
const FAILED_LATE: i32 = 79;
/// The reason is in the output of the test.
const SEE_ABOVE: &str = "see above";
/// The smallest allowance of a test for the reaction of a daemon.
const STALL: Ns = 20 * MS;

/// The tests selected by the arguments; none if `--list` printed their names instead.
#[must_use]
pub fn selected(tests: &[Test]) -> Vec<Test> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let is_selected =
        |t: &Test| wanted.is_empty() || wanted.iter().any(|w| t.name.contains(w.as_str()));
    let mut selected = tests.to_vec();
    selected.retain(is_selected);
    if args.iter().any(|a| a == "--list") {
        for test in &selected {
            println!("{}: test", test.name);
        }
        selected.clear();
    }
    selected
}

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Counts {
    /// Prints the closing line and ends the program with an error if a test failed or, in CI, was
    /// skipped.
    pub fn close(self) {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        let strict = std::env::var("CI").is_ok_and(|v| v == "true");
        if failed > 0 || (strict && skipped > 0) {
            exit(1);
        }
    }
}

/// Checks before each test whether this daemon can be tested at all.
pub type Precondition = fn(&Daemon) -> Result<Outcome, String>;

/// Runs the selected tests and ends the program with an error if one fails.
pub fn main(tests: &[Test]) {
    main_if(tests, can_run);
}

fn can_run(daemon: &Daemon) -> Result<Outcome, String> {
    if daemon.available() {
        Ok(Outcome::Passed)
    } else {
        Err(format!("{daemon:?} cannot be run"))
    }
}

/// Like [`main`], but one test after another in one process: on an emulated processor starting a
/// process takes longer than most tests.
pub fn main_sequential(tests: &[Test]) {
    let selected = selected(tests);
    if selected.is_empty() {
        return;
    }
    if private::enter().is_err() {
        exit(private::SKIP);
    }
    crate::plain_panics();
    noise::watch();
    let mut counts = Counts::default();
    for test in &selected {
        let start = Instant::now();
        let (line, count) = match outcome(test, can_run) {
            Ok(Outcome::Passed) => (passed(test.name, start), &mut counts.passed),
            Ok(Outcome::Skipped(why)) => (skipped(test.name, &why), &mut counts.skipped),
            Err(why) => (failed(test.name, &why), &mut counts.failed),
        };
        *count += 1;
        println!("{line}");
    }
    counts.close();
}

/// Like [`main`], with a precondition of the caller's.
pub fn main_if(tests: &[Test], precondition: Precondition) {
    if let Ok(name) = std::env::var(TEST) {
        exit(test_process(tests, &name, precondition));
    }
    let selected = selected(tests);
    if selected.is_empty() {
        return;
    }
    run_all(&selected).close();
}

// ---- the runner ----

fn run_all(tests: &[Test]) -> Counts {
    if namespaces_refused() {
        for test in tests {
            let why = "no private network namespaces here (reason above)";
            println!("{}", skipped(test.name, why));
        }
        return Counts {
            skipped: tests.len(),
            ..Counts::default()
        };
    }
    let results = Mutex::new(Results::default());
    let (exclusive, shared): (Vec<Test>, Vec<Test>) =
        tests.iter().partition(|t| t.exclusive.is_some());
    for test in &exclusive {
        run(test, Attempt::First, &results);
    }
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs().min(shared.len()) {
            scope.spawn(|| {
                while let Some(test) = shared.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(test, Attempt::First, &results);
                }
            });
        }
    });
    let late = std::mem::take(&mut lock(&results).late);
    for test in &late {
        run(test, Attempt::Second, &results);
    }
    lock(&results).counts
}

/// What the tests have come to so far.
#[derive(Default)]
struct Results {
    counts: Counts,
    /// Failed while the machine was late; to be run again.
    late: Vec<Test>,
}

fn lock(results: &Mutex<Results>) -> MutexGuard<'_, Results> {
    results.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    Second,
}

/// Tests that run side by side: they mostly sleep, so several per processor.
fn jobs() -> usize {
    let given = std::env::var("LAB_JOBS").ok().and_then(|n| n.parse().ok());
    given.unwrap_or_else(|| 4 * thread::available_parallelism().map_or(1, NonZero::get))
}

/// Whether the kernel refuses the namespaces; the reason is printed.
fn namespaces_refused() -> bool {
    let status = Command::new("/proc/self/exe").env(TEST, "").status();
    !status.is_ok_and(|s| s.success())
}

/// Runs one test in a process of its own and prints its result.
fn run(test: &Test, attempt: Attempt, results: &Mutex<Results>) {
    let name = test.name;
    let start = Instant::now();
    let (code, output) = match start_process(name) {
        Ok((child, output)) => (wait(child, start + LIMIT), read(&output)),
        Err(why) => (Err(why.to_string()), String::new()),
    };
    let mut results = lock(results);
    let result = match code {
        Ok(0) => {
            results.counts.passed += 1;
            passed(name, start) + "\n"
        }
        Ok(SKIPPED) => {
            results.counts.skipped += 1;
            // It has printed its SKIP line.
            String::new()
        }
        Ok(FAILED_LATE) if attempt == Attempt::First => {
            results.late.push(*test);
            format!("test {name} ... runs again alone: the machine was late\n")
        }
        code => {
            results.counts.failed += 1;
            let why = match code {
                Ok(FAILED | FAILED_LATE) => SEE_ABOVE.into(),
                Ok(code) => format!("exit code {code}"),
                Err(why) => why,
            };
            failed(name, &why) + "\n"
        }
    };
    let mut out = stdout().lock();
    let _ = out.write_all(output.as_bytes());
    let _ = out.write_all(result.as_bytes());
    let _ = out.flush();
}

fn passed(name: &str, start: Instant) -> String {
    let took = start.elapsed().as_millis();
    format!("test {name} ... ok ({}.{:03} s)", took / 1000, took % 1000)
}

fn failed(name: &str, why: &str) -> String {
    format!("test {name} ... FAILED: {why}")
}

fn skipped(name: &str, why: &str) -> String {
    format!("SKIP {name}: {why}")
}

/// Starts the process of a test; its output goes to the file. A file and not a pipe: nothing waits
/// for the last holder of a descriptor.
fn start_process(name: &str) -> std::io::Result<(Child, File)> {
    let output = File::from(memfd_create(c"output", MFdFlags::MFD_CLOEXEC)?);
    let child = Command::new("/proc/self/exe")
        .env(TEST, name)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .spawn()?;
    Ok((child, output))
}

/// The exit code of a test; one that is still running at `limit` is killed.
fn wait(mut child: Child, limit: Instant) -> Result<i32, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.code().ok_or_else(|| status.to_string()),
            Ok(None) => {}
            Err(e) => return Err(e.to_string()),
        }
        if Instant::now() >= limit {
            // Its namespaces end with it.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("still running after {} s", LIMIT.as_secs()));
        }
        sleep_ms(10);
    }
}

fn read(file: &File) -> String {
    let mut bytes = vec![
        0;
        file.metadata()
            .map_or(0, |m| m.len())
            .try_into()
            .unwrap_or(0)
    ];
    let read = file.read_at(&mut bytes, 0).unwrap_or(0);
    bytes.truncate(read);
    String::from_utf8_lossy(&bytes).into_owned()
}

// ---- the process of one test ----

/// Runs the named test inside new namespaces and returns the exit code.
fn test_process(tests: &[Test], name: &str, precondition: Precondition) -> i32 {
    let _ = set_pdeathsig(Signal::SIGKILL);
    if private::enter().is_err() {
        return private::SKIP;
    }
    let Some(test) = tests.iter().find(|t| t.name == name) else {
        return 0;
    };
    crate::plain_panics();
    noise::watch();
    match outcome(test, precondition) {
        Ok(Outcome::Passed) => 0,
        Ok(Outcome::Skipped(why)) => {
            println!("{}", skipped(name, &why));
            SKIPPED
        }
        Err(why) => {
            if why != SEE_ABOVE {
                println!("    {why}");
            }
            let late = noise::since(0);
            if late <= STALL {
                return FAILED;
            }
            println!("    the machine was late by {} ms", late / MS);
            FAILED_LATE
        }
    }
}

fn outcome(test: &Test, precondition: Precondition) -> Result<Outcome, String> {
    let Some(daemon) = Daemon::subject() else {
        return Err("VRRPD_BIN is not set; `make test` sets it".into());
    };
    if let Some(how) = test.keepalived_fails
        && daemon == Daemon::Keepalived
        && std::env::var("LAB_KNOWN").is_err()
    {
        let why = format!("keepalived 2.2.7 is known to fail: {how}");
        return Ok(Outcome::Skipped(why));
    }
    match precondition(&daemon)? {
        Outcome::Passed => {}
        skipped @ Outcome::Skipped(_) => return Ok(skipped),
    }
    let ctx = Ctx {
        daemon,
        keepalived: Daemon::Keepalived,
    };
    // The message of a panic has been printed.
    catch_unwind(AssertUnwindSafe(|| (test.run)(&ctx))).map_err(|_| SEE_ABOVE.into())
}
