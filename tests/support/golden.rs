//! Compares results with golden files. `UPDATE_GOLDEN=1` rewrites them; review the diff.
#![allow(
    dead_code,
    reason = "shared by several test programs, each of which uses part of it"
)]

use std::fs;
use std::path::Path;

/// Whether golden files are to be rewritten.
pub(crate) fn update() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// Adds a message to `mismatches` if `path` does not contain `got`, or writes the file.
pub(crate) fn compare(path: &Path, got: &str, mismatches: &mut Vec<String>) {
    if update() {
        fs::write(path, got).expect("write the golden file");
        return;
    }
    let want = fs::read_to_string(path).unwrap_or_default();
    if want != got {
        mismatches.push(format!(
            "{}\n--- want\n{want}--- got\n{got}",
            path.display()
        ));
    }
}
