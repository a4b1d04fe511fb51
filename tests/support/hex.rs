//! Reads golden bytes; `tests/golden/README` describes the format.

use std::path::Path;

/// The bytes of `tests/golden/NAME.hex`.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.hex"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .map(|byte| {
            assert_eq!(byte.len(), 2, "{name}: {byte}");
            u8::from_str_radix(byte, 16).unwrap_or_else(|e| panic!("{name}: {byte}: {e}"))
        })
        .collect()
}

/// Name and bytes of every golden file in `tests/golden/FOLDER`, sorted by name.
pub(crate) fn goldens(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{folder}"));
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".hex").map(str::to_owned))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| (name.clone(), golden(&format!("{folder}/{name}"))))
        .collect()
}
