//! Tiny and huge values of the configuration.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
