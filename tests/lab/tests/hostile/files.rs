//! Files, locks and FIFOs that another user of the machine owns or prepared.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
