//! What only the whole file shows: names that are used must exist, names that are given must be the
//! only ones, blocks must hold what they are for. Also for blocks whose effect is not supported yet:
//! a slip in them is a slip all the same.

use super::check::Locate;
use super::diag::{Diags, Severity};
use super::schema::nearest_word;
use super::span_map::SpanMap;
use super::tree::{Block, Node};

/// Blocks with a name, and what they are called.
const NAMED: &[(&str, &str)] = &[
    ("vrrp_instance", "an instance"),
    ("vrrp_sync_group", "a sync group"),
    ("vrrp_script", "a script"),
    ("vrrp_track_process", "a process"),
    ("track_file", "a file"),
    ("bfd_instance", "a BFD session"),
    ("virtual_server_group", "a virtual server group"),
    ("track_group", "a track group"),
];

/// Keywords whose items are names, and the blocks that define them.
const REFERENCES: &[(&str, &str)] = &[
    ("group", "vrrp_instance"),
    ("track_script", "vrrp_script"),
    ("track_process", "vrrp_track_process"),
    ("track_file", "track_file"),
    ("track_bfd", "bfd_instance"),
];

/// Keywords a block is nothing without.
const REQUIRED: &[(&str, &str)] = &[
    ("vrrp_script", "script"),
    ("vrrp_track_process", "process"),
    ("track_file", "file"),
    ("bfd_instance", "neighbor_ip"),
    ("vrrp_sync_group", "group"),
    ("virtual_server", "real_server"),
    ("MISC_CHECK", "misc_path"),
    ("HTTP_GET", "url"),
    ("SSL_GET", "url"),
    ("url", "path"),
    ("FILE_CHECK", "track_file"),
    ("BFD_CHECK", "name"),
];

/// Checks names and completeness; takes out second definitions and references to nothing.
pub(crate) fn validate(root: &mut Block, locate: Locate<'_>, diags: &mut Diags) {
    for (keyword, what) in NAMED {
        unique(root, keyword, what, locate, diags);
    }
    let defined: Vec<(&'static str, SpanMap)> = REFERENCES
        .iter()
        .map(|(_, keyword)| (*keyword, names(root, keyword)))
        .collect();
    for node in &mut root.nodes {
        if matches!(
            &*node.keyword.text,
            "vrrp_instance" | "vrrp_sync_group" | "track_group"
        ) {
            references(node, &defined, diags);
        }
    }
    groups(root, locate, diags);
    for node in &root.nodes {
        complete(node, diags);
    }
}

/// First word after the keyword.
fn name(node: &Node) -> &str {
    node.args.first().map_or("", |word| &word.text)
}

/// The names given to blocks of this kind.
fn names(root: &Block, keyword: &str) -> SpanMap {
    let mut names = SpanMap::default();
    for node in &root.nodes {
        if &*node.keyword.text == keyword {
            names.earlier_or_insert(name(node), node.keyword.span);
        }
    }
    names
}

/// The second block of a name is left out.
fn unique(root: &mut Block, keyword: &str, what: &str, locate: Locate<'_>, diags: &mut Diags) {
    let mut seen = SpanMap::default();
    root.nodes.retain(|node| {
        if &*node.keyword.text != keyword {
            return true;
        }
        let name = name(node);
        let span = node.keyword.span;
        if let Some(first) = seen.earlier_or_insert(name, span) {
            let at = locate(first, span);
            let message = format!("`{name}` is the name of {what} on {at} already; left out");
            diags.report_with_help(Severity::Error, span, message, "give it a name of its own");
            return false;
        }
        true
    });
}

/// Every name used in `node`'s value blocks must have been given to a block of its kind.
fn references(node: &mut Node, defined: &[(&'static str, SpanMap)], diags: &mut Diags) {
    let owner = format!("{} `{}`", node.keyword.text, name(node));
    let Some(block) = &mut node.block else { return };
    for list in &mut block.nodes {
        let Some((_, kind)) = REFERENCES
            .iter()
            .find(|(user, _)| *user == &*list.keyword.text)
        else {
            continue;
        };
        let Some((_, known)) = defined.iter().find(|(keyword, _)| keyword == kind) else {
            continue;
        };
        let several = &*list.keyword.text == "group";
        let Some(items) = &mut list.block else {
            continue;
        };
        items.nodes.retain_mut(|item| {
            let mut missing = |word: &super::tree::Word| {
                let missing = known.get(&word.text).is_none();
                if missing {
                    let message = format!("{owner}: there is no {kind} `{}`; ignored", word.text);
                    let help = match nearest_word(known.keys(), &word.text) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("define `{kind} {} {{ … }}`", word.text),
                    };
                    diags.report_with_help(Severity::Error, word.span, message, help);
                }
                missing
            };
            let first = missing(&item.keyword);
            if several {
                item.args.retain(|word| !missing(word));
                if first && !item.args.is_empty() {
                    item.keyword = item.args.remove(0);
                    return true;
                }
            }
            !first
        });
    }
}

/// An instance can follow one group only, and a group of one has nobody to follow.
fn groups(root: &Block, locate: Locate<'_>, diags: &mut Diags) {
    let mut seen = SpanMap::default();
    for group in root
        .nodes
        .iter()
        .filter(|node| &*node.keyword.text == "vrrp_sync_group")
    {
        if items(group, "group").count() == 1 {
            let message = format!("`{}` has one member only", name(group));
            diags.report(Severity::Note, group.keyword.span, message);
        }
        for word in items(group, "group") {
            if let Some(first) = seen.earlier_or_insert(&word.text, word.span) {
                let at = locate(first, word.span);
                let message = format!("`{}` is in a group on {at} already; ignored", word.text);
                diags.report(Severity::Warning, word.span, message);
            }
        }
    }
}

/// The words of a value block inside `node`.
fn items<'a>(node: &'a Node, keyword: &str) -> impl Iterator<Item = &'a super::tree::Word> {
    let lists = node.block.iter().flat_map(|block| &block.nodes);
    let lists = lists.filter(move |list| &*list.keyword.text == keyword);
    let lines = lists
        .filter_map(|list| list.block.as_ref())
        .flat_map(|block| &block.nodes);
    lines.flat_map(|item| core::iter::once(&item.keyword).chain(&item.args))
}

/// Says which required keyword a block lacks.
fn complete(node: &Node, diags: &mut Diags) {
    let Some(block) = &node.block else { return };
    let has = |name: &str| block.nodes.iter().any(|inner| &*inner.keyword.text == name);
    let kind = &*node.keyword.text;
    for (_, required) in REQUIRED.iter().filter(|(owner, _)| *owner == kind) {
        if !has(required) {
            let message = format!("this {kind} has no valid `{required}`; ignored");
            diags.report(Severity::Error, node.keyword.span, message);
        }
    }
    if matches!(
        kind,
        "virtual_server" | "real_server" | "HTTP_GET" | "SSL_GET"
    ) {
        for inner in &block.nodes {
            complete(inner, diags);
        }
    }
}
