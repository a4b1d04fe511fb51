//! Telling others: scripts, FIFOs, mails.

use super::system::System;
use super::{Engine, StateKind};
use crate::types::Instant;

impl Engine {
    /// An instance has changed its state.
    pub(super) fn told(
        &mut self,
        _id: usize,
        _now: Instant,
        _from: StateKind,
        _to: StateKind,
        _system: &mut dyn System,
    ) {
    }
}
