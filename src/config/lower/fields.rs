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
    removed: &'a [Word],
}

impl<'a> Fields<'a> {
    /// The statements of a block.
    pub(super) fn of(block: &'a Block) -> Self {
        Fields {
            nodes: block.nodes.iter().collect(),
            removed: &block.removed,
        }
    }

    /// The statements in the block of `node`; empty if it has no block.
    pub(super) fn inside(node: &'a Node) -> Self {
        node.block.as_ref().map_or(Fields::none(), Fields::of)
    }

    fn none() -> Self {
        Fields {
            nodes: Vec::new(),
            removed: &[],
        }
    }

    /// The statements in the blocks of all these statements.
    pub(super) fn merged(nodes: impl Iterator<Item = &'a Node>) -> Self {
        let blocks = nodes.filter_map(|node| node.block.as_ref());
        Fields {
            nodes: blocks.flat_map(|block| &block.nodes).collect(),
            ..Fields::none()
        }
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
        self.nodes
            .iter()
            .copied()
            .filter(move |node| &*node.keyword.text == name)
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
        Fields {
            nodes: settings,
            ..Fields::none()
        }
    }

    /// These statements and those of an enclosing block, over which these take precedence.
    #[cfg(feature = "lvs")]
    pub(super) fn over(self, outer: &Self) -> Self {
        let mut both = outer.nodes.clone();
        both.extend(self.nodes);
        Fields {
            nodes: both,
            ..Fields::none()
        }
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
        for node in self.nodes.iter().copied().rev() {
            let keyword = &*node.keyword.text;
            // Most differ in their length.
            if keyword.len() == name.len() && keyword == name {
                return Some(node);
            }
        }
        None
    }

    /// The last statement with one of these keywords.
    pub(super) fn last_of(&self, names: &[&str]) -> Option<&'a Node> {
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
