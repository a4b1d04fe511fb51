//! `SSL { … }`: the files are read with the configuration, so that what is wrong with them is said with its place,
//! and a reload brings new ones.

use crate::config::diag::Severity;
use crate::config::lower::Lowering;
use crate::config::lower::fields::Fields;
use crate::config::model::lvs::{Pem, Ssl};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const KEY: &str = "PRIVATE KEY-----";
const LOCKED: &str = "ENCRYPTED";

impl Lowering<'_> {
    pub(super) fn ssl(&mut self, top: &Fields<'_>) -> Ssl {
        if !cfg!(feature = "tls") {
            return Ssl::default();
        }
        let fields = Fields::merged(top.all("SSL"));
        let certificate = self.pem(&fields, "certificate", CERTIFICATE);
        let key = self.pem(&fields, "key", KEY);
        for (here, other, missing) in [
            ("certificate", &key, "key"),
            ("key", &certificate, "certificate"),
        ] {
            if let (Some(node), None) = (fields.last(here), other) {
                let message = format!("`{here}` without `{missing}` has no effect");
                let help = format!("write `{missing} FILE` next to it, or remove it");
                self.diags
                    .report_with_help(Severity::Warning, node.span(), message, help);
            }
        }
        Ssl {
            ca: self.pem(&fields, "ca", CERTIFICATE),
            certificate,
            key,
        }
    }

    /// A file with this inside. One that cannot be read counts as empty: then nothing passes, for who writes `ca`
    /// wants proof.
    fn pem(&mut self, fields: &Fields<'_>, name: &str, inside: &str) -> Option<Pem> {
        let node = fields.last(name)?;
        let path = fields.word(name)?.to_owned();
        let contents = match self.host.read(&path) {
            Ok(contents) => contents,
            Err(why) => {
                let message = format!("cannot read {path}: {why}; every SSL_GET fails");
                let help = format!("`{name}` is the path of a file in PEM format");
                self.error(node.span(), message, help);
                Vec::new()
            }
        };
        let text = String::from_utf8_lossy(&contents);
        if name == "key" && text.contains(LOCKED) {
            let message = format!("the key in {path} is locked by a password; every SSL_GET fails");
            let help = format!("unlock it: `openssl pkey -in {path} -out NEW`");
            self.error(node.span(), message, help);
        } else if !contents.is_empty() && !text.contains(inside) {
            let what = if name == "key" { "key" } else { "certificate" };
            let message = format!("there is no {what} in {path}; every SSL_GET fails");
            let help = format!("`{name}` is the path of a file in PEM format");
            self.error(node.span(), message, help);
        }
        Some(Pem { path, contents })
    }
}
