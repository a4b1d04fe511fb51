//! When checks run, and what becomes of their results.

use crate::config::model;

/// All checks of all real servers.
#[derive(Debug, Default)]
pub(in crate::engine) struct Checks {}

impl Checks {
    pub(in crate::engine) fn new(conf: &model::Lvs) -> Self {
        let _ = conf;
        Checks {}
    }
}
