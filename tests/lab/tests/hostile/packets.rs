//! Floods of packets that are not adverts for this router.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
