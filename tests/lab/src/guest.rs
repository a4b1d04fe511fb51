//! Tests in an emulated machine (the guest), whose kernel has what the host's may lack: IPVS.
//!
//! ```text
//! host    the test program starts tests/lab/guest/boot with itself and the daemon as files
//!   guest   Debian's kernel; its init runs the test program again, which finds GUEST_TESTS set
//!             the same runner, in namespaces; its output goes to the serial console
//! host    prints the lines and counts results; a test without a result has failed
//! ```
//! One boot serves all tests. `tests/lab/guest/prepare` fetches the kernel; without it every test
//! is skipped by name.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::suite::{self, Counts, Test};

/// Set in the guest.
const INSIDE: &str = "GUEST_TESTS";
/// The guest has failed if it prints nothing for so long, which is more than a test may take.
const SILENCE: Duration = Duration::from_secs(300);

/// Runs the tests in a guest and ends the program with an error if one fails. `files` are copied
/// there, beside the program.
pub fn main(tests: &[Test], files: &[String]) {
    run(tests, files, "");
}

/// Runs the tests on a kernel with hardly any modules.
pub fn main_thin(tests: &[Test]) {
    run(tests, &[], "thin ipv6.disable=1");
}

fn run(tests: &[Test], files: &[String], append: &str) {
    if inside() {
        return suite::main_sequential(tests);
    }
    let chosen = suite::selected(tests);
    if chosen.is_empty() {
        return;
    }
    let counts = match boot(files, append) {
        Ok(guest) => follow(guest, &chosen),
        Err(why) => {
            for Test { name, .. } in &chosen {
                println!("SKIP {name}: {why}");
            }
            Counts {
                skipped: chosen.len(),
                ..Counts::default()
            }
        }
    };
    counts.close();
}

/// Whether this process runs in the guest.
#[must_use]
pub fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program in a guest and prints its output; returns whether it succeeded.
///
/// # Errors
/// Names what a guest needs and is missing.
pub fn run_again() -> Result<bool, String> {
    let guest = boot(&[], "")?;
    while let Ok(line) = guest.lines.recv_timeout(SILENCE) {
        if let Some(code) = line.strip_prefix("GUEST EXIT ") {
            return Ok(code == "0");
        }
        println!("{line}");
    }
    Ok(false)
}

/// Starts the guest, or returns what is missing.
fn boot(files: &[String], append: &str) -> Result<Guest, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let prepared = here.join("../../target/guest/stamp");
    if !prepared.exists() {
        return Err("no kernel to boot; `make deps` says why".into());
    }
    let exe = std::env::current_exe().map_err(|e| e.to_string())?;
    let name = exe.file_name().ok_or("a program without a name")?;
    let daemon = std::env::var_os("VRRPD_BIN").map(PathBuf::from);
    let daemon_name = daemon.as_deref().and_then(Path::file_name);
    let daemon_name = daemon_name.unwrap_or_default().display();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let job = prepared.with_file_name("job");
    let text = format!(
        "{INSIDE}=1 VRRPD_BIN=/job/{daemon_name} PATH=/job:$PATH exec ./{} {}\n",
        name.display(),
        words.join(" ")
    );
    fs::write(&job, text).map_err(|e| format!("{}: {e}", job.display()))?;
    let mut child = Command::new(here.join("guest/boot"))
        .arg(&job)
        .arg(&exe)
        .args(daemon)
        .args(files.iter().map(|f| here.join(f)))
        .env("GUEST_ENV", "LAB_DAEMON LAB_KNOWN")
        .env("GUEST_APPEND", append)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("guest/boot: {e}"))?;
    let out = child.stdout.take().ok_or("no output")?;
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut line = Vec::new();
        while out.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    Ok(Guest { child, lines })
}

/// A running guest, killed when dropped.
struct Guest {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints the output of the guest and counts results.
fn follow(guest: Guest, chosen: &[Test]) -> Counts {
    let start = Instant::now();
    let mut missing: Vec<&str> = chosen.iter().map(|t| t.name).collect();
    let mut counts = Counts::default();
    let mut end = "the guest printed nothing more";
    while let Ok(line) = guest.lines.recv_timeout(SILENCE) {
        let name = |line: &str, prefix: &str, end: &str| {
            let rest = line.strip_prefix(prefix)?;
            Some(rest.split_once(end)?.0.to_owned())
        };
        if line.starts_with("GUEST BOOT ") {
            println!("{line} (after {} s)", start.elapsed().as_secs());
            continue;
        }
        if line.starts_with("GUEST EXIT ") {
            end = "the guest ended before";
            break;
        }
        let (test_name, count) = if let Some(name) = name(&line, "SKIP ", ": ") {
            (name, &mut counts.skipped)
        } else if let Some(name) = name(&line, "test ", " ... ok") {
            (name, &mut counts.passed)
        } else if let Some(name) = name(&line, "test ", " ... FAILED") {
            (name, &mut counts.failed)
        } else {
            // The guest's closing line would be mistaken for the host's.
            if !(line.contains(" passed, ") && line.ends_with(" skipped")) {
                println!("{line}");
            }
            continue;
        };
        println!("{line}");
        *count += 1;
        missing.retain(|m| *m != test_name);
    }
    for name in missing {
        println!("test {name} ... FAILED: {end}");
        counts.failed += 1;
    }
    counts
}
