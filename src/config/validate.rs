//! Checks that need the whole configuration: references to names exist, names are unique, and
//! blocks have the keywords they need. Blocks that are not supported yet are checked too.

use super::diag::{DiagId, Diags, Recurring, Severity};
use super::schema::nearest_word;
use super::source::Sources;
use super::span_map::SpanMap;
use super::tree::{Block, Node, Word};

/// Blocks with a name, and how a message calls them.
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

/// Keywords whose items are names, and the blocks that define these names.
const REFERENCES: &[(&str, &str)] = &[
    ("group", "vrrp_instance"),
    ("track_script", "vrrp_script"),
    ("track_process", "vrrp_track_process"),
    ("track_file", "track_file"),
    ("track_bfd", "bfd_instance"),
];

/// Blocks, and the keyword that each of them needs.
const REQUIRED: &[(&str, &str)] = &[
    ("vrrp_script", "script"),
    ("vrrp_track_process", "process"),
    ("track_file", "file"),
    ("bfd_instance", "neighbor_ip"),
    ("virtual_server", "real_server"),
    ("MISC_CHECK", "misc_path"),
    ("HTTP_GET", "url"),
    ("SSL_GET", "url"),
    ("url", "path"),
    ("FILE_CHECK", "track_file"),
    ("BFD_CHECK", "name"),
];

/// Checks names and completeness; removes duplicate definitions and references to undefined names.
pub(crate) fn validate(root: &mut Block, sources: &Sources, diags: &mut Diags) {
    for (keyword, what) in NAMED {
        remove_duplicates(root, keyword, what, sources, diags);
    }
    let is_group = |node: &Node| matches!(&*node.keyword.text, "vrrp_sync_group" | "track_group");
    let has_groups = root.nodes.iter().any(is_group);
    let defined: Vec<(&'static str, SpanMap)> = REFERENCES
        .iter()
        .filter(|(user, _)| *user != "group" || has_groups)
        .map(|(_, keyword)| (*keyword, names(root, keyword)))
        .collect();
    for node in &mut root.nodes {
        if matches!(
            &*node.keyword.text,
            "vrrp_instance" | "vrrp_sync_group" | "track_group"
        ) {
            remove_undefined(node, &defined, diags);
        }
    }
    check_membership(root, sources, diags);
    for node in &root.nodes {
        check_complete(node, diags);
    }
}

/// The name of a block: the first argument of its keyword.
fn name(node: &Node) -> &str {
    first_word(&node.args)
}

fn first_word(args: &[Word]) -> &str {
    args.first().map_or("", |word| &word.text)
}

/// The names of all blocks of a keyword.
fn names(root: &Block, keyword: &str) -> SpanMap {
    let mut names = SpanMap::default();
    for node in &root.nodes {
        if &*node.keyword.text == keyword {
            names.earlier_or_insert(name(node), node.keyword.span);
        }
    }
    names
}

/// Removes further blocks with the same name.
fn remove_duplicates(
    root: &mut Block,
    keyword: &str,
    what: &str,
    sources: &Sources,
    diags: &mut Diags,
) {
    let mut known = SpanMap::default();
    root.nodes.retain(|node| {
        if &*node.keyword.text != keyword {
            return true;
        }
        let name = name(node);
        let span = node.keyword.span;
        if let Some(first) = known.earlier_or_insert(name, span) {
            let at = sources.locate(first, span);
            let message = format!("`{name}` is already the name of {what} on {at}; ignored");
            diags.report_with_help(Severity::Error, span, message, "choose another name");
            return false;
        }
        true
    });
}

/// Removes names in the value blocks of `node` that no block defines.
fn remove_undefined(node: &mut Node, defined: &[(&'static str, SpanMap)], diags: &mut Diags) {
    let (keyword, args) = (&node.keyword, &node.args);
    let owner = || format!("{} `{}`", keyword.text, first_word(args));
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
        let many_per_line = &*list.keyword.text == "group";
        let Some(items) = &mut list.block else {
            continue;
        };
        let mut first_missing: Option<DiagId> = None;
        let removed = &mut items.removed;
        items.nodes.retain_mut(|item| {
            let mut missing = |word: &Word| {
                if known.get(&word.text).is_some() {
                    return false;
                }
                removed.push(word.clone());
                let near = nearest_word(known.keys(), &word.text);
                let near = near.filter(|near| !differ_in_number(near, &word.text));
                if let (None, Some(cause)) = (near, diags.recurring(Recurring::MissingFile)) {
                    let object = format!("{kind} `{}`", word.text);
                    diags.add_consequence(cause, Severity::Error, "not defined", object);
                    return true;
                }
                if let (None, Some(first)) = (near, first_missing) {
                    diags.again(first, word.span);
                    return true;
                }
                let (owner, text) = (owner(), &word.text);
                let message = format!("{owner}: {kind} `{text}` is not defined; ignored");
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("define `{kind} {} {{ … }}`", word.text),
                };
                diags.report_with_help(Severity::Error, word.span, message, help);
                if near.is_none() {
                    first_missing = Some(diags.last_id());
                }
                true
            };
            let first = missing(&item.keyword);
            if many_per_line {
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

/// Whether names differ only in their digits, as `VI_1` and `VI_2`: neither is a misspelt other.
fn differ_in_number(one: &str, two: &str) -> bool {
    let letters = |text: &'_ str| text.replace(|c: char| c.is_ascii_digit(), "0");
    letters(one) == letters(two)
}

/// Reports instances that are members of several groups, and groups with a single member.
fn check_membership(root: &Block, sources: &Sources, diags: &mut Diags) {
    let mut known = SpanMap::default();
    for group in root
        .nodes
        .iter()
        .filter(|node| &*node.keyword.text == "vrrp_sync_group")
    {
        let lists = group.block.iter().flat_map(|block| &block.nodes);
        let mut lists = lists.filter_map(|list| list.block.as_ref());
        let complete = lists.all(|list| list.removed.is_empty());
        if complete && items(group, "group").count() == 1 {
            let message = format!("`{}` has only one member", name(group));
            diags.report(Severity::Note, group.keyword.span, message);
        }
        for word in items(group, "group") {
            if let Some(first) = known.earlier_or_insert(&word.text, word.span) {
                let at = sources.locate(first, word.span);
                let message = format!(
                    "`{}` is already a member of a group on {at}; ignored",
                    word.text
                );
                diags.report(Severity::Warning, word.span, message);
            }
        }
    }
}

/// The words of the value blocks of this keyword in `node`.
fn items<'a>(node: &'a Node, keyword: &str) -> impl Iterator<Item = &'a Word> {
    let lists = node.block.iter().flat_map(|block| &block.nodes);
    let lists = lists.filter(move |list| &*list.keyword.text == keyword);
    let lines = lists
        .filter_map(|list| list.block.as_ref())
        .flat_map(|block| &block.nodes);
    lines.flat_map(|item| core::iter::once(&item.keyword).chain(&item.args))
}

/// Reports required keywords that a block lacks.
fn check_complete(node: &Node, diags: &mut Diags) {
    let Some(block) = &node.block else { return };
    let has = |name: &str| block.nodes.iter().any(|inner| &*inner.keyword.text == name);
    let kind = &*node.keyword.text;
    for (_, required) in REQUIRED.iter().filter(|(owner, _)| *owner == kind) {
        if has(required) {
            continue;
        }
        let removed = block.removed.iter().find(|word| &*word.text == *required);
        match removed.and_then(|word| diags.cause_in(word.span)) {
            Some(cause) => {
                let object = match name(node) {
                    "" => kind.to_owned(),
                    name => format!("{kind} `{name}`"),
                };
                diags.add_consequence(cause, Severity::Error, "left out", object);
            }
            None => {
                let message = format!("{kind} without a valid `{required}`; ignored");
                diags.report(Severity::Error, node.keyword.span, message);
            }
        }
    }
    if matches!(
        kind,
        "virtual_server" | "real_server" | "HTTP_GET" | "SSL_GET"
    ) {
        for inner in &block.nodes {
            check_complete(inner, diags);
        }
    }
}
