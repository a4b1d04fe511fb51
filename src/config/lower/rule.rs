//! `virtual_rules` and `static_rules`.

use super::Lowering;
use crate::config::model::Rule;
use crate::config::tree::Node;

impl Lowering<'_> {
    /// The rules of a block.
    pub(super) fn rules<'a>(&mut self, _items: impl Iterator<Item = &'a Node>) -> Vec<Rule> {
        Vec::new()
    }
}
