//! `authentication` and `auth_hmac`.

use super::fields::Fields;
use super::instance::Draft;
use super::{Lowering, first};
use crate::config::diag::Severity;
use crate::config::model::{Auth, Password};
use crate::config::tree::Node;
use crate::types::Version;

impl Lowering<'_> {
    /// Password; `None` when the instance must not run for want of one we can prove.
    pub(super) fn auth(&mut self, draft: &Draft<'_>, version: Version) -> Option<Auth> {
        if let Some(node) = draft.fields.last("auth_hmac") {
            self.left_out(draft, node, "auth_hmac");
            return None;
        }
        let Some(node) = draft.fields.last("authentication") else {
            return Some(Auth::None);
        };
        let inner = Fields::inside(node);
        let span = node.keyword.span;
        let refused = match (version, draft.strict) {
            (Version::V3, _) => Some("version 3 has no passwords"),
            (Version::V2, true) => Some("strict mode has no passwords"),
            (Version::V2, false) => None,
        };
        if let Some(why) = refused {
            self.warn(span, format!("{why}: `authentication` ignored"));
            return Some(Auth::None);
        }
        if inner.word("auth_type") == Some("AH") {
            self.left_out(draft, node, "auth_type AH");
            return None;
        }
        let (true, Some(pass)) = (inner.has("auth_type"), inner.last("auth_pass")) else {
            // Without a type keepalived sends no password and says nothing; it must be said.
            let (severity, missing) = match inner.has("auth_type") {
                true => (Severity::Error, "auth_pass"),
                false => (Severity::Note, "auth_type"),
            };
            let message = format!(
                "`authentication` of `{}` has no {missing}: it runs without a password, \
                 and routers with one discard its adverts",
                draft.name
            );
            let help = format!("write `{missing}` in it, or remove it");
            self.diags.help(severity, span, message, help);
            return Some(Auth::None);
        };
        Some(self.password(pass))
    }

    fn password(&mut self, node: &Node) -> Auth {
        let text = first(node).unwrap_or_default().as_bytes();
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
        if text.len() > bytes.len() {
            let message = "`auth_pass` is longer than 8 bytes; the first 8 are used";
            self.warn(node.keyword.span, message);
        }
        Auth::Pass(Password(bytes))
    }

    /// An instance that could only disturb its peers.
    fn left_out(&mut self, draft: &Draft<'_>, node: &Node, what: &str) {
        let message = format!(
            "`{what}` is recognized, not supported yet: `{}` is left out, because its peers would \
             discard its adverts and two masters would result",
            draft.name
        );
        self.diags
            .say(Severity::Unsupported, node.keyword.span, message);
    }
}
