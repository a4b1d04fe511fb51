//! Access to a checked block by keyword, and to the words of a statement.

use core::net::IpAddr;
use core::time::Duration;

use crate::config::check::ELLIPSIS;
use crate::config::diag::Span;
use crate::config::schema::value;
use crate::config::tree::{Block, Node, Word};
use crate::types::IfName;

/// The statements of a block, or of several blocks of the same kind together.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    nodes: Vec<&'a Node>,
    /// The [`bit`]s of their keywords: most keywords that are looked up do not occur.
    bits: u64,
    removed: &'a [Word],
}

impl<'a> Fields<'a> {
    /// The statements of a block.
    pub(super) fn of(block: &'a Block) -> Self {
        Fields {
            removed: &block.removed,
            ..Fields::from(block.nodes.iter().collect())
        }
    }

    fn from(nodes: Vec<&'a Node>) -> Self {
        let mut bits = 0;
        for node in &nodes {
            bits |= bit(&node.keyword.text);
        }
        let removed = &[];
        Fields {
            nodes,
            bits,
            removed,
        }
    }

    /// The statements, unless none of them can have this keyword.
    fn candidates(&self, name: &str) -> &[&'a Node] {
        match self.bits & bit(name) {
            0 => &[],
            _ => &self.nodes,
        }
    }

    /// The statements in the block of `node`; empty if it has no block.
    pub(super) fn inside(node: &'a Node) -> Self {
        match &node.block {
            Some(block) => Fields::of(block),
            None => Fields::from(Vec::new()),
        }
    }

    /// The statements in the blocks of all these statements.
    pub(super) fn merged(nodes: impl Iterator<Item = &'a Node>) -> Self {
        let blocks = nodes.filter_map(|node| node.block.as_ref());
        Fields::from(blocks.flat_map(|block| &block.nodes).collect())
    }

    /// Whether a statement that starts with this word was removed.
    pub(super) fn is_removed(&self, word: &str) -> bool {
        self.removed.iter().any(|removed| &*removed.text == word)
    }

    /// Where a statement with this keyword, or an item of its value block, may have been removed
    /// because it is invalid.
    pub(super) fn removed(&self, name: &str) -> Option<Span> {
        let named = |name: &str| {
            let word = self.removed.iter().find(|word| &*word.text == name);
            word.map(|word| word.span)
        };
        named(name)
            .or_else(|| self.last(name).map(Node::whole))
            .or_else(|| named(ELLIPSIS))
    }

    /// All statements with this keyword.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a Node> {
        let nodes = self.candidates(name).iter().copied();
        nodes.filter(move |node| &*node.keyword.text == name)
    }

    /// The last statement of each keyword that takes no block. Their number is limited by the
    /// schema, not by the file.
    #[cfg(feature = "lvs")]
    pub(super) fn settings(&self) -> Self {
        let mut settings: Vec<&'a Node> = Vec::new();
        for node in self.nodes.iter().copied().rev() {
            let known = |other: &&Node| other.keyword.text == node.keyword.text;
            if node.block.is_none() && !settings.iter().any(known) {
                settings.push(node);
            }
        }
        Fields::from(settings)
    }

    /// These statements and those of an enclosing block, over which these take precedence.
    #[cfg(feature = "lvs")]
    pub(super) fn over(self, outer: &Self) -> Self {
        let mut both = outer.nodes.clone();
        both.extend(self.nodes);
        Fields::from(both)
    }

    /// All statements that have a block.
    #[cfg(feature = "lvs")]
    pub(super) fn blocks(&self) -> impl Iterator<Item = &'a Node> {
        let nodes = self.nodes.iter().copied();
        nodes.filter(|node| node.block.is_some())
    }

    /// The lines in all list blocks with this keyword, such as `virtual_ipaddress`.
    pub(super) fn items(&self, name: &str) -> impl Iterator<Item = &'a Node> {
        let blocks = self.all(name).filter_map(|node| node.block.as_ref());
        blocks.flat_map(|block| &block.nodes)
    }

    /// The last statement with this keyword, which overrides earlier ones.
    pub(super) fn last(&self, name: &str) -> Option<&'a Node> {
        for node in self.candidates(name).iter().copied().rev() {
            let keyword = &*node.keyword.text;
            // Most keywords differ in their length.
            if keyword.len() == name.len() && keyword == name {
                return Some(node);
            }
        }
        None
    }

    /// The last statement with one of these keywords.
    pub(super) fn last_of(&self, names: &[&str]) -> Option<&'a Node> {
        let mut bits = 0;
        for name in names {
            bits |= bit(name);
        }
        if self.bits & bits == 0 {
            return None;
        }
        self.nodes
            .iter()
            .copied()
            .rfind(|node| names.contains(&&*node.keyword.text))
    }

    /// Whether the keyword occurs.
    pub(super) fn has(&self, name: &str) -> bool {
        self.last(name).is_some()
    }

    /// The argument of the keyword.
    pub(super) fn word(&self, name: &str) -> Option<&'a str> {
        self.last(name).and_then(first)
    }

    /// The argument as a number; `None` if it does not fit in `T`.
    pub(super) fn int<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        self.word(name).and_then(number)
    }

    /// The argument as a time in seconds.
    pub(super) fn seconds(&self, name: &str) -> Option<Duration> {
        self.last(name).and_then(seconds)
    }

    /// The argument as a boolean; the keyword alone is true.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        let node = self.last(name)?;
        first(node).map_or(Some(true), value::boolean)
    }

    /// The argument as an IP address.
    pub(super) fn ip(&self, name: &str) -> Option<IpAddr> {
        self.word(name).and_then(value::ip)
    }
}

/// One of 64 bits for a keyword.
fn bit(keyword: &str) -> u64 {
    let (first, last) = match keyword.as_bytes() {
        [first, .., last] => (*first, *last),
        _ => (0, 0),
    };
    let middle = keyword
        .as_bytes()
        .get(keyword.len() / 2)
        .copied()
        .unwrap_or(0);
    let hash = first ^ last.rotate_left(3) ^ middle.rotate_left(1);
    1 << ((usize::from(hash) ^ keyword.len()) & 63)
}

/// The first argument of a statement.
pub(super) fn first(node: &Node) -> Option<&str> {
    node.args.first().map(|word| &*word.text)
}

/// The first argument as an interface name.
pub(super) fn interface(node: &Node) -> Option<IfName> {
    first(node).and_then(IfName::new)
}

/// The first argument as a time in seconds.
pub(super) fn seconds(node: &Node) -> Option<Duration> {
    first(node).and_then(value::duration)
}

/// A number that fits in `T`; also in hexadecimal, where the keyword accepts that.
pub(super) fn number<T: TryFrom<i64>>(text: &str) -> Option<T> {
    let value = value::int(text).or_else(|| value::number(text).map(i64::from));
    value.and_then(|value| T::try_from(value).ok())
}
