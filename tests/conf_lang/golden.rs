//! `tests/golden/lang/*.conf` → `.tree` and `.diag`. `UPDATE_GOLDEN=1` rewrites them; review the diff.

use std::path::{Path, PathBuf};

use vrrpd::config::render;

use crate::support::{Machine, dump};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lang")
}

/// All files of a directory by their names relative to the golden one.
fn read_all(directory: &Path, prefix: &str, machine: &mut Machine) {
    for entry in std::fs::read_dir(directory)
        .expect("golden directory")
        .flatten()
    {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read_all(&entry.path(), &format!("{name}/"), machine);
        } else {
            machine
                .files
                .insert(name, std::fs::read(entry.path()).expect("golden file"));
        }
    }
}

fn compare(path: &Path, got: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, got).expect("golden file written");
    } else if std::fs::read_to_string(path).unwrap_or_default() != got {
        wrong.push(format!("{} should now be:\n{got}", path.display()));
    }
}

#[test]
fn trees_and_messages_are_as_recorded() {
    let mut machine = Machine::default();
    read_all(&directory(), "", &mut machine);
    let mut wrong = Vec::new();
    let mut count = 0;
    let names: Vec<String> = machine.files.keys().cloned().collect();
    for name in names
        .iter()
        .filter(|name| name.ends_with(".conf") && !name.contains('/'))
    {
        let (parsed, diags) = machine.parse(name);
        let path = directory().join(name);
        compare(&path.with_extension("tree"), &dump(&parsed), &mut wrong);
        let text = render::render_text(&diags, &parsed.sources);
        compare(&path.with_extension("diag"), &text, &mut wrong);
        count += 1;
    }
    assert!(count > 15, "only {count} golden files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
