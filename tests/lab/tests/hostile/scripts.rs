//! Scripts that try to get more rights than their user has, and paths to scripts that others can change.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
