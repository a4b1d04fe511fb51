//! What instances track besides interfaces: scripts, files, processes.

use super::Engine;
use super::system::{Exit, System};
use crate::types::Instant;

impl Engine {
    /// The run of a script has ended.
    pub(super) fn script_ended(
        &mut self,
        _place: usize,
        _now: Instant,
        _how: Exit,
        _system: &mut dyn System,
    ) {
    }

    /// The run of a script takes too long and has been told to end.
    pub(super) fn script_overdue(
        &mut self,
        _place: usize,
        _now: Instant,
        _system: &mut dyn System,
    ) {
    }
}
