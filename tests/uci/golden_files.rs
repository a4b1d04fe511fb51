//! Converts `tests/golden/uci/*.uci` and compares the result (`.conf`), the diagnostics of the
//! conversion (`.diag`) and those of the result, with positions in the UCI file (`.check`).
//! `UPDATE_GOLDEN=1` rewrites them; review the diff.

use std::fs;
use std::path::{Path, PathBuf};

use vrrpd::config::render::render_text;
use vrrpd::uci::convert;

use crate::check::{check, check_converted};
use crate::golden::compare;

pub(crate) fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/uci");
    let entries = fs::read_dir(directory).expect("golden directory").flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "uci"));
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

#[test]
fn uci_golden_files_match() {
    let mut mismatches = Vec::new();
    for path in files() {
        let name = path.file_name().expect("a name").to_string_lossy();
        let done = convert(&name, fs::read(&path).expect("golden file"));
        let conf = done.text.as_deref().expect("a result");
        compare(&path.with_extension("conf"), conf, &mut mismatches);
        let diagnostics = render_text(&done.diags, &done.sources);
        compare(&path.with_extension("diag"), &diagnostics, &mut mismatches);
        // Builds with fewer features also report what they lack.
        if cfg!(all(feature = "lvs", feature = "mail", feature = "tls")) {
            compare(
                &path.with_extension("check"),
                &check_converted(done).0,
                &mut mismatches,
            );
        }
    }
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

#[test]
fn the_openwrt_example_has_no_diagnostics() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/openwrt/files/vrrpd.config");
    let text = fs::read_to_string(path).expect("the example");
    // As shipped, and with every commented-out section enabled.
    let all: Vec<&str> = text
        .lines()
        .map(
            |line| match line.strip_prefix("##").or(line.strip_prefix('#')) {
                Some(rest) if rest.starts_with("config ") || rest.starts_with('\t') => rest,
                _ => line,
            },
        )
        .collect();
    for (text, instances) in [(text.clone(), 0), (all.join("\n"), 1)] {
        let done = convert("vrrpd.config", text.into_bytes());
        assert_eq!(render_text(&done.diags, &done.sources), "");
        let conf = done.text.expect("a result");
        assert_eq!(check(&conf).0, "");
        // `enabled` alone has no effect, and the address is not the router's own.
        assert_eq!(conf.matches("vrrp_instance").count(), instances, "{conf}");
        assert!(!conf.contains("192.168.1.1/"), "{conf}");
    }
}
