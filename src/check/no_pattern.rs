//! A build without patterns: there are none to search for.

use crate::config::model::lvs::Pattern;

pub(super) fn verdict(pattern: &Pattern, _: &mut [u8]) -> Result<(), String> {
    match *pattern {}
}
