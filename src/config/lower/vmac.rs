//! `use_vmac`, and whether packets to the addresses are accepted.

use super::Lowering;
use super::instance::Draft;
use crate::config::model::Vmac;
use crate::types::{IfName, Vrid};

impl Lowering<'_> {
    /// Whether the addresses answer.
    pub(super) fn accept(&mut self, _draft: &Draft<'_>, _owner: bool) -> bool {
        true
    }

    /// The virtual router's own interface.
    pub(super) fn vmac(&mut self, _draft: &Draft<'_>, _base: &IfName, _vrid: Vrid) -> Option<Vmac> {
        None
    }
}
