//! Real servers whose replies cost time.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
