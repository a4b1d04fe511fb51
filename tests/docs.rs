//! The documents of the project: files they name exist, and figures they share agree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Documents whose paths are checked.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "tests/lab/BENCH.md",
];

/// First parts of a path that make a word in backticks the name of a file of the project.
const TOP: &[&str] = &["src", "tests", "configs", "cross", ".ci"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The targets of links and the paths in backticks, relative to the top of the project. A path may
/// end in `::name`, an item that the file defines.
fn paths(document: &str, text: &str) -> BTreeSet<String> {
    let directory = Path::new(document).parent().unwrap_or(Path::new(""));
    let mut found = BTreeSet::new();
    for part in text.split("](").skip(1) {
        let target = part.split([')', '#']).next().unwrap_or_default();
        if !target.is_empty() && !target.contains("://") {
            found.insert(directory.join(target).display().to_string());
        }
    }
    for word in text.split('`').skip(1).step_by(2) {
        let first = word.split('/').next().unwrap_or_default();
        // Not commands, patterns and placeholders.
        if word.contains('/') && TOP.contains(&first) && !word.contains([' ', '*', '{', '<']) {
            found.insert(word.to_owned());
        }
    }
    found
}

/// Whether a source file defines a function, type or constant of this name, or a lab test.
fn defines(file: &str, item: &str) -> bool {
    let text = read(file);
    if file.starts_with("tests/lab/tests/") && text.contains(&format!("\"{item}\"")) {
        return true;
    }
    [
        "fn",
        "struct",
        "enum",
        "trait",
        "type",
        "const",
        "static",
        "macro_rules!",
    ]
    .iter()
    .any(|kind| {
        let wanted = format!("{kind} {item}");
        let found = text.match_indices(&wanted);
        let mut ends = found.filter_map(|(at, _)| text[at + wanted.len()..].chars().next());
        ends.any(|next| !next.is_alphanumeric() && next != '_')
    })
}

#[test]
fn files_and_items_that_documents_name_exist() {
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        for path in paths(document, &read(document)) {
            let (file, item) = path.split_once("::").unwrap_or((&path, ""));
            if !root().join(file).exists() || !(item.is_empty() || defines(file, item)) {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert_eq!(missing, [""; 0]);
}

#[test]
fn paths_are_found_in_links_and_in_backticks() {
    let text =
        "a [b](c.md#d) `src/e.rs` `src/f/` `make test` `src/*.rs` `tests/g.rs::h` [i](https://j)";
    let want = ["dir/c.md", "src/e.rs", "src/f/", "tests/g.rs::h"];
    assert_eq!(
        paths("dir/x.md", text),
        BTreeSet::from(want.map(str::to_owned))
    );
}

#[test]
fn the_readme_has_at_most_190_lines_and_runs_demo_and_test() {
    let text = read("README.md");
    assert!(text.lines().count() <= 190);
    for command in ["\nmake demo ", "\nmake test "] {
        assert!(text.contains(command), "{command}");
    }
}

#[test]
fn the_changelog_has_an_entry_for_this_version() {
    let heading = format!("\n## [{}] - ", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").contains(&heading), "{heading}");
}

#[test]
fn the_test_map_names_modules_of_the_namespace_tests() {
    let text = read("CONTRIBUTING.md");
    let table = text.split("\n| Behavior |").nth(1).expect("the table");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut modules = 0;
    for row in rows {
        let cell = row.split('|').nth(3).expect("three columns");
        let words = cell.split('`').skip(1).step_by(2);
        for module in words.filter(|word| !word.contains(['/', ' '])) {
            let path = format!("tests/lab/tests/netns/{module}.rs");
            assert!(root().join(&path).exists(), "{path}");
            modules += 1;
        }
    }
    assert!(modules > 20);
}

/// The cells of the table of `SECURITY.md` that starts with this heading.
fn security_table(heading: &str) -> Vec<Vec<String>> {
    let text = read("SECURITY.md");
    let table = text.split(heading).nth(1).expect("the table");
    let rows = table.lines().skip(2);
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect()
}

#[test]
fn each_promise_of_security_md_has_one_attacker_and_one_test() {
    let text = read("SECURITY.md");
    let headings = text.lines().filter_map(|line| line.strip_prefix("### "));
    let headings = headings.collect::<Vec<_>>().join("\n").to_lowercase();
    let rows = security_table("\n| Attacker | Promise | Test |");
    assert!(rows.len() > 20);
    let mut tests = BTreeSet::new();
    for row in rows {
        let [_, attacker, _, test, _] = row.as_slice() else {
            panic!("three columns: {row:?}")
        };
        assert!(headings.contains(attacker.as_str()), "{attacker}");
        let path = test.trim_matches('`');
        assert_eq!(format!("`{path}`"), *test, "one test");
        assert!(path.contains(".rs::"), "a file and its test: {path}");
        assert!(tests.insert(path.to_owned()), "{path}: once");
    }
}

#[test]
fn the_openwrt_package_has_this_version() {
    let line = format!("PKG_VERSION:={}\n", env!("CARGO_PKG_VERSION"));
    assert!(read("configs/openwrt/Makefile").contains(&line));
}

/// Names of the files below, relative to `directory`.
fn files(directory: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path: PathBuf = entry.path();
        if path.is_dir() {
            files(&path, &format!("{name}/"), found);
        } else {
            found.insert(name);
        }
    }
}

#[test]
fn the_manual_shows_every_example() {
    let page = read("tests/man/vrrpd.conf.5.roff");
    let shown: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".\\\" @example "))
        .map(|name| name.trim_end_matches('@').to_owned())
        .collect();
    let mut there = BTreeSet::new();
    files(&root().join("tests/man/examples"), "", &mut there);
    assert_eq!(shown, there);
}
