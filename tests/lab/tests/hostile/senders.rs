//! Adverts of senders that have no business on this segment.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
