//! What others can make large: processes, addresses, FIFO lines.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
