//! Parses `tests/golden/lang/*.conf` and compares `.tree` and `.diag`. `UPDATE_GOLDEN=1` rewrites
//! them; review the diff.

use std::path::{Path, PathBuf};

use vrrpd::config::render;

use crate::golden::compare;
use crate::support::{FakeHost, dump};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lang")
}

/// Adds all files of a directory, with names relative to the golden directory.
fn read_all(directory: &Path, prefix: &str, host: &mut FakeHost) {
    for entry in std::fs::read_dir(directory)
        .expect("golden directory")
        .flatten()
    {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read_all(&entry.path(), &format!("{name}/"), host);
        } else {
            host.files
                .insert(name, std::fs::read(entry.path()).expect("golden file"));
        }
    }
}

#[test]
fn lang_golden_files_match() {
    let mut host = FakeHost::default();
    read_all(&directory(), "", &mut host);
    let mut mismatches = Vec::new();
    let mut count = 0;
    let names: Vec<String> = host.files.keys().cloned().collect();
    for name in names
        .iter()
        .filter(|name| name.ends_with(".conf") && !name.contains('/'))
    {
        let (parsed, diags) = host.parse(name);
        let path = directory().join(name);
        compare(
            &path.with_extension("tree"),
            &dump(&parsed),
            &mut mismatches,
        );
        let text = render::render_text(&diags, &parsed.sources);
        compare(&path.with_extension("diag"), &text, &mut mismatches);
        count += 1;
    }
    assert!(count > 15, "only {count} golden files");
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}
