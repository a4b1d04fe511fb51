//! A build without patterns. The configuration has said so, with file and line.

use crate::config::lower::Lowering;
use crate::config::lower::fields::Fields;
use crate::config::model::lvs::Pattern;

#[expect(clippy::unused_self, reason = "as in a build with patterns")]
impl Lowering<'_> {
    pub(super) fn pattern(&mut self, _: &Fields<'_>) -> Option<Pattern> {
        None
    }
}
