//! Time that passes while the machine is suspended.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
