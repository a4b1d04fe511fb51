//! A test runner of its own instead of the standard one, for three reasons: the program must enter its
//! namespaces before any thread exists, tests that measure milliseconds must not share two cores, and
//! what cannot run here must say so (`SKIP name: reason`; with `CI=true` a skip is a failure).
//!
//! `VRRPD_BIN` names the daemon. `LAB_DAEMON=keepalived` runs the same tests against Debian's keepalived
//! instead: those it passes prove that the test is fair, those it fails (listed as `known`) that it bites.
//! Arguments select tests by part of their name; `--list` prints the names.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::{Daemon, noise, private};

/// What a test is given.
#[derive(Debug)]
pub struct Ctx {
    /// The daemon under test.
    pub daemon: Daemon,
    /// Debian's keepalived, to talk to.
    pub other: Daemon,
}

/// How a test that does not panic ends.
#[derive(Debug)]
pub enum End {
    /// As it should.
    Ok,
    /// It could not be run, and why.
    Skip(String),
}

/// Name, what keepalived 2.2.7 is known to do instead (empty: passes), and the test.
pub type Test = (&'static str, &'static str, fn(&Ctx) -> End);

const LIMIT: Duration = Duration::from_secs(240);

/// The tests chosen by the arguments; none if only their names were asked for.
#[must_use]
pub fn chosen(tests: &[Test]) -> Vec<Test> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let mut chosen = tests.to_vec();
    chosen
        .retain(|(name, ..)| wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str())));
    if args.iter().any(|a| a == "--list") {
        for (name, ..) in &chosen {
            println!("{name}: test");
        }
        chosen.clear();
    }
    chosen
}

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Counts {
    /// The last line; ends the program with failure if it was one.
    pub fn close(self) {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        let strict = std::env::var("CI").is_ok_and(|v| v == "true");
        if failed > 0 || (strict && skipped > 0) {
            std::process::exit(1);
        }
    }
}

/// Whether a test of this daemon can be run at all; asked before each.
pub type Ready = fn(&Daemon) -> Result<End, String>;

/// Runs the chosen tests one after another, in private namespaces, and ends the program if one fails.
pub fn main(tests: &[Test]) {
    main_if(tests, |daemon| {
        if daemon.available() {
            Ok(End::Ok)
        } else {
            Err(format!("{daemon:?} cannot be run"))
        }
    });
}

/// The same, if `ready` finds all it takes.
pub fn main_if(tests: &[Test], ready: Ready) {
    let chosen = chosen(tests);
    if chosen.is_empty() {
        return;
    }
    let refused = private::enter().is_err();
    crate::plain_panics();
    let mut counts = Counts::default();
    noise::watch();
    for test in &chosen {
        let begin = Instant::now();
        let end = if refused {
            Ok(End::Skip(
                "no private network namespaces here (reason above)".into(),
            ))
        } else {
            run(*test, ready)
        };
        let took = begin.elapsed().as_millis();
        match end {
            Ok(End::Ok) => {
                counts.passed += 1;
                println!(
                    "test {} ... ok ({}.{:03} s)",
                    test.0,
                    took / 1000,
                    took % 1000
                );
            }
            Ok(End::Skip(why)) => {
                counts.skipped += 1;
                println!("SKIP {}: {why}", test.0);
            }
            Err(why) => {
                counts.failed += 1;
                println!("test {} ... FAILED: {why}", test.0);
            }
        }
    }
    counts.close();
}

/// One test in a thread of its own, so that one that hangs can be named.
fn run((name, known, test): Test, ready: Ready) -> Result<End, String> {
    let Some(daemon) = Daemon::subject() else {
        return Err("VRRPD_BIN is not set; `make test` sets it".into());
    };
    if daemon == Daemon::Keepalived && !known.is_empty() && std::env::var("LAB_KNOWN").is_err() {
        return Ok(End::Skip(format!(
            "keepalived 2.2.7 is known to fail: {known}"
        )));
    }
    match ready(&daemon) {
        Ok(End::Ok) => {}
        other => return other,
    }
    let (tell, told) = mpsc::channel();
    let worker = std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            let ctx = Ctx {
                daemon,
                other: Daemon::Keepalived,
            };
            let result = catch_unwind(AssertUnwindSafe(|| test(&ctx)));
            let _ = tell.send(result.map_err(|_| String::from("see above")));
        });
    match (worker, told.recv_timeout(LIMIT)) {
        (Ok(_), Ok(result)) => result,
        (Ok(_), Err(_)) => {
            println!(
                "test {name} ... FAILED: still not done after {} s",
                LIMIT.as_secs()
            );
            std::process::exit(1);
        }
        (Err(e), _) => Err(e.to_string()),
    }
}
