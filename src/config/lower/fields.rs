//! Reading a checked block by keyword.

use core::net::IpAddr;
use core::time::Duration;

use crate::config::schema::value;
use crate::config::tree::{Block, Node};

/// The statements of one block, or of several of the same kind taken together.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<&'a Node>);

impl<'a> Fields<'a> {
    /// The statements of a block.
    pub(super) fn of(block: &'a Block) -> Self {
        Fields(block.nodes.iter().collect())
    }

    /// The statements of a statement's block; none when it has none.
    pub(super) fn inside(node: &'a Node) -> Self {
        Fields::merged(core::iter::once(node))
    }

    /// The statements of all these statements' blocks.
    pub(super) fn merged(nodes: impl Iterator<Item = &'a Node>) -> Self {
        let blocks = nodes.filter_map(|node| node.block.as_ref());
        Fields(blocks.flat_map(|block| &block.nodes).collect())
    }

    /// All statements with this keyword.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a Node> {
        self.0
            .iter()
            .copied()
            .filter(move |node| &*node.keyword.text == name)
    }

    /// The statements that count and have no block: few, however many there are in the file.
    #[cfg(feature = "lvs")]
    pub(super) fn settings(&self) -> Self {
        let mut few: Vec<&'a Node> = Vec::new();
        for node in self.0.iter().copied().rev() {
            let known = |other: &&Node| other.keyword.text == node.keyword.text;
            if node.block.is_none() && !few.iter().any(known) {
                few.push(node);
            }
        }
        Fields(few)
    }

    /// These statements, which count for more, and those of a block around.
    #[cfg(feature = "lvs")]
    pub(super) fn over(self, outer: &Self) -> Self {
        let mut both = outer.0.clone();
        both.extend(self.0);
        Fields(both)
    }

    /// All statements that have a block.
    #[cfg(feature = "lvs")]
    pub(super) fn blocks(&self) -> impl Iterator<Item = &'a Node> {
        let nodes = self.0.iter().copied();
        nodes.filter(|node| node.block.is_some())
    }

    /// The items of all value blocks with this keyword.
    pub(super) fn items(&self, name: &str) -> impl Iterator<Item = &'a Node> {
        let blocks = self.all(name).filter_map(|node| node.block.as_ref());
        blocks.flat_map(|block| &block.nodes)
    }

    /// The statement that counts: the last one.
    pub(super) fn last(&self, name: &str) -> Option<&'a Node> {
        self.all(name).last()
    }

    /// The last statement with one of these keywords.
    pub(super) fn last_of(&self, names: &[&str]) -> Option<&'a Node> {
        self.0
            .iter()
            .copied()
            .rfind(|node| names.contains(&&*node.keyword.text))
    }

    /// Whether the keyword is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.last(name).is_some()
    }

    /// First word after the keyword.
    pub(super) fn word(&self, name: &str) -> Option<&'a str> {
        self.last(name).and_then(super::first)
    }

    /// First word as a number.
    pub(super) fn int<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        self.word(name)
            .and_then(value::int)
            .and_then(|value| T::try_from(value).ok())
    }

    /// First word as seconds.
    pub(super) fn seconds(&self, name: &str) -> Option<Duration> {
        self.last(name).and_then(super::seconds)
    }

    /// First word as on or off; the bare keyword is on.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        let node = self.last(name)?;
        super::first(node).map_or(Some(true), value::boolean)
    }

    /// First word as an address.
    pub(super) fn ip(&self, name: &str) -> Option<IpAddr> {
        self.word(name).and_then(value::ip)
    }
}
