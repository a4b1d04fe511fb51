//! keepalived and vrrpd set up the same table for each file of tests/lab/lvs.
//!
//! The output of ipvsadm is compared: services, destinations, timeouts, sync daemons.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vrrpd_lab::{Daemon, Lab, Node, sleep_ms, wait_for};

use crate::network::{SOON, ipvsadm, table};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new("ipvs_table_matches_keepalived", same)];

fn same(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let legs = [
        "10.0.0.1/24",
        "10.0.0.100/32",
        "fd00::1/64",
        "fd00::100/128",
    ];
    let node = lab.node("director", &legs);
    let mut files: Vec<PathBuf> = fs::read_dir("lvs")
        .expect("the files beside the program")
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "conf"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = 0;
    for file in &files {
        if let Err(why) = compare(ctx, &node, file) {
            eprintln!("    {}: {why}", file.display());
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0, "of {} files differ", files.len());
    Outcome::Passed
}

fn compare(ctx: &Ctx, node: &Node, file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|e| e.to_string())?;
    let want = run(&ctx.keepalived, node, &text, settled)?;
    if want.starts_with('\n') {
        return Err("keepalived makes no table of it".into());
    }
    let got = run(&ctx.daemon, node, &text, |node| {
        // The table first: reading it takes only one process.
        wait_for(SOON, || want.starts_with(&table(node)).then_some(()));
        wait_for(SOON, || (all(node) == want).then_some(()));
        all(node)
    })?;
    if got == want {
        return Ok(());
    }
    let only = |a: &str, b: &str, sign: char| -> String {
        let missing = a.lines().filter(|l| !b.lines().any(|m| m == *l));
        missing.map(|l| format!("\n      {sign} {l}")).collect()
    };
    Err(format!(
        "keepalived -, {} +{}{}",
        ctx.daemon.name(),
        only(&want, &got, '-'),
        only(&got, &want, '+')
    ))
}

/// The table that a daemon sets up for a file; it must be empty after shutdown.
fn run(
    daemon: &Daemon,
    node: &Node,
    text: &str,
    wait: impl Fn(&Node) -> String,
) -> Result<String, String> {
    let mut run = daemon.start_text(node, text, &[]);
    let found = wait(node);
    run.term();
    let ended = run.wait_exit(SOON).is_some();
    let rest = table(node);
    ipvsadm(node, "-C");
    if !ended {
        return Err(format!("{} does not end", daemon.name()));
    }
    if !rest.is_empty() {
        return Err(format!("{} leaves behind: {rest}", daemon.name()));
    }
    Ok(found)
}

/// The table, once it has not changed for a while.
fn settled(node: &Node) -> String {
    let mut last = String::new();
    for _ in 0..20 {
        sleep_ms(300);
        let now = table(node);
        if now == last && !now.is_empty() {
            break;
        }
        last = now;
    }
    all(node)
}

/// The table, timeouts and daemons.
fn all(node: &Node) -> String {
    let ask = |what: &str| {
        let out = node.output(Command::new("ipvsadm").args(["-l", what]));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    format!("{}\n{}{}", table(node), ask("--timeout"), ask("--daemon"))
}
