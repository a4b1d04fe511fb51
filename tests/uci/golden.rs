//! `tests/golden/uci/*.uci` → `.conf`, `.diag` (of the conversion) and `.check` (what vrrpd says about the result).
//! `UPDATE_GOLDEN=1` rewrites them; review the diff.

use std::fs;
use std::path::{Path, PathBuf};

use vrrpd::config::render::render_text;
use vrrpd::uci::convert;

use crate::check::check;

fn compare(path: &Path, got: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, got).expect("golden file written");
    } else if fs::read_to_string(path).unwrap_or_default() != got {
        wrong.push(format!("{} should now be:\n{got}", path.display()));
    }
}

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
fn results_and_messages_are_as_recorded() {
    let mut wrong = Vec::new();
    for path in files() {
        let name = path.file_name().expect("a name").to_string_lossy();
        let done = convert(&name, fs::read(&path).expect("golden file"));
        let conf = done.text.expect("a result");
        compare(&path.with_extension("conf"), &conf, &mut wrong);
        let said = render_text(&done.diags, &done.sources);
        compare(&path.with_extension("diag"), &said, &mut wrong);
        // Other builds have more to say: what they lack.
        if cfg!(all(feature = "lvs", feature = "mail", feature = "tls")) {
            compare(&path.with_extension("check"), &check(&conf).0, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_of_the_package_is_flawless() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/openwrt/files/vrrpd.config");
    let text = fs::read_to_string(path).expect("the example");
    // As it is, and with everything that is commented out.
    let all: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with("config ") || rest.starts_with('\t') => rest,
            _ => line,
        })
        .collect();
    for text in [text.clone(), all.join("\n")] {
        let done = convert("vrrpd.config", text.into_bytes());
        assert_eq!(render_text(&done.diags, &done.sources), "");
        assert_eq!(check(&done.text.expect("a result")).0, "");
    }
}
