//! A build without TLS: there is no `SSL_GET` in it. The configuration has said so and has put a TCP check in its
//! place.

use super::http::{HttpCheck, ResponseSummary};
use super::{SocketEvent, Step};
use crate::config::model::lvs::{Http, Ssl, Target};

/// Nobody is trusted, nobody is asked.
#[derive(Clone, Debug)]
pub struct TlsConfig;

impl TlsConfig {
    /// As in a build with TLS.
    #[must_use]
    pub fn new(_: &Ssl) -> Self {
        TlsConfig
    }
}

/// There are none.
#[derive(Debug)]
pub enum TlsHttpCheck {}

impl TlsHttpCheck {
    /// There are none.
    #[must_use]
    pub fn new(_: &Target, _: &Http, _: HttpCheck, _: &TlsConfig) -> Option<Self> {
        None
    }

    /// As in a build with TLS.
    pub fn take_summary(&mut self) -> Option<ResponseSummary> {
        match *self {}
    }

    /// As in a build with TLS.
    pub fn start(&mut self) {
        match *self {}
    }

    /// As in a build with TLS.
    pub fn handle(&mut self, _: SocketEvent<'_>, _: &mut Vec<u8>) -> Step {
        match *self {}
    }
}
