//! What the daemon itself may do after its start.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
