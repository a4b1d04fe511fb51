//! A build without TLS: there is no `SSL_GET` in it. The configuration has said so and has put a TCP check in its
//! place.

use super::http::{Pages, Seen};
use super::{News, Step};
use crate::config::model::lvs::{Http, Ssl, Target};

/// Nobody is trusted, nobody is asked.
#[derive(Clone, Debug)]
pub struct Trust;

impl Trust {
    /// As in a build with TLS.
    #[must_use]
    pub fn new(_: &Ssl) -> Self {
        Trust
    }
}

/// There are none.
#[derive(Debug)]
pub enum SecretPages {}

impl SecretPages {
    /// There are none.
    #[must_use]
    pub fn new(_: &Target, _: &Http, _: Pages, _: &Trust) -> Option<Self> {
        None
    }

    /// As in a build with TLS.
    pub fn seen(&mut self) -> Option<Seen> {
        match *self {}
    }

    /// As in a build with TLS.
    pub fn begin(&mut self) {
        match *self {}
    }

    /// As in a build with TLS.
    pub fn turn(&mut self, _: News<'_>, _: &mut Vec<u8>) -> Step {
        match *self {}
    }
}
