//! A host with files in memory, and a dump of the tree.

use std::collections::BTreeMap;
use std::fmt::Write;

use vrrpd::config::model::User;
use vrrpd::config::tree::Block;
use vrrpd::config::{Access, Diags, Host, Parsed, Program, Sources, parse, render};

/// A [`Host`] with files in memory.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl FakeHost {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let files = files
            .iter()
            .map(|(name, bytes)| ((*name).into(), bytes.to_vec()));
        Self {
            files: files.collect(),
        }
    }

    pub(crate) fn parse(&self, path: &str) -> (Parsed, Diags) {
        let mut diags = Diags::default();
        let parsed = parse(path, self, opens, &mut diags);
        (parsed, diags)
    }
}

impl Host for FakeHost {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| "no such file or directory".into())
    }

    fn read_protected(&self, path: &str, _: Access) -> Result<Vec<u8>, String> {
        self.read(path)
    }

    fn is_writable_by_everyone(&self, _: &str) -> bool {
        false
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let (front, back) = pattern.split_once('*').unwrap_or((pattern, ""));
        let matches = |name: &&String| match pattern.contains('*') {
            true => name.starts_with(front) && name.ends_with(back),
            false => *name == pattern,
        };
        self.files.keys().filter(matches).cloned().collect()
    }

    fn env(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/root".into())
    }

    fn config_id(&self) -> String {
        "low".into()
    }

    fn random(&self) -> u32 {
        7
    }

    fn user(&self, _: &str) -> Option<User> {
        None
    }

    fn group(&self, _: &str) -> Option<u32> {
        None
    }

    fn own_user(&self) -> User {
        User::default()
    }

    fn program(&self, _: &str, _: User) -> Result<Program, String> {
        Err("no such file or directory".to_owned())
    }
}

/// A small substitute for the keyword table: whether `keyword` opens a block in `parent`.
pub(crate) fn opens(parent: &str, keyword: &str) -> bool {
    let keywords: &[&str] = match parent {
        "" => &[
            "global_defs",
            "vrrp_instance",
            "vrrp_script",
            "virtual_server",
            "virtual_server_group",
        ],
        "global_defs" => &["notification_email"],
        "vrrp_instance" => &[
            "authentication",
            "virtual_ipaddress",
            "track_interface",
            "track_script",
        ],
        "virtual_server" => &["real_server"],
        "real_server" => &["TCP_CHECK", "SMTP_CHECK", "HTTP_GET"],
        "SMTP_CHECK" => &["host"],
        "HTTP_GET" => &["url"],
        _ => &[],
    };
    keywords.contains(&keyword)
}

/// The statements, one per line, with the positions of keywords and braces.
pub(crate) fn dump(parsed: &Parsed) -> String {
    let mut out = String::new();
    block(&parsed.root, &parsed.sources, 0, &mut out);
    out
}

fn block(block: &Block, sources: &Sources, depth: usize, out: &mut String) {
    let position = |span| {
        sources
            .position(span)
            .map_or((0, 0), |p| (p.line, p.column))
    };
    for node in &block.nodes {
        let (line, column) = position(node.keyword.span);
        let _ = write!(
            out,
            "{line}:{column} {:1$}{2:?}",
            "",
            depth * 4,
            node.keyword.text
        );
        for word in &node.args {
            let (word_line, word_column) = position(word.span);
            if word_line == line {
                let _ = write!(out, " {:?}@{word_column}", word.text);
            } else {
                let _ = write!(out, " {:?}@{word_line}:{word_column}", word.text);
            }
        }
        if let Some(raw) = &node.raw {
            let _ = write!(out, " raw={raw:?}");
        }
        if let Some(inner) = &node.block {
            let (line, column) = position(inner.open);
            let _ = write!(out, " {{ @{line}:{column}");
            match inner.close.map(position) {
                Some((line, column)) => {
                    let _ = writeln!(out, " to {line}:{column}");
                }
                None => out.push_str(" not closed\n"),
            }
            self::block(inner, sources, depth + 1, out);
        } else {
            out.push('\n');
        }
    }
}

/// The statements without positions: `a b { c d; }`.
pub(crate) fn flat(block: &Block) -> String {
    let mut out = String::new();
    for node in &block.nodes {
        out.push_str(&node.keyword.text);
        for word in &node.args {
            let _ = write!(out, " {}", word.text);
        }
        match &node.block {
            Some(inner) => {
                let _ = write!(out, " {{ {}}} ", flat(inner));
            }
            None => out.push_str("; "),
        }
    }
    out
}

/// The first line of each diagnostic.
pub(crate) fn brief(parsed: &Parsed, diags: &Diags) -> Vec<String> {
    let text = render::render_text(diags, &parsed.sources);
    let headline = |line: &&str| !line.starts_with(' ');
    text.lines().filter(headline).map(String::from).collect()
}
