//! `virtual_routes` and `static_routes`.

use super::Lowering;
use crate::config::model::Route;
use crate::config::tree::Node;

impl Lowering<'_> {
    /// The routes of a block.
    pub(super) fn routes<'a>(&mut self, _items: impl Iterator<Item = &'a Node>) -> Vec<Route> {
        Vec::new()
    }
}
