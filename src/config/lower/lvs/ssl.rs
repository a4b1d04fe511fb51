//! `SSL { … }`. The files are read with the configuration: errors in them have a position, and a
//! reload reads new ones.

use crate::config::Access;
use crate::config::lower::Lowering;
use crate::config::lower::fields::Fields;
use crate::config::model::lvs::{CheckKind, Pem, Ssl, VirtualServer};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const KEY: &str = "PRIVATE KEY-----";
const ENCRYPTED: &str = "ENCRYPTED";

impl Lowering<'_> {
    /// The certificates and key for `SSL_GET`, and what is insecure about its use in `servers`.
    pub(super) fn ssl(&mut self, top: &Fields<'_>, servers: &[VirtualServer]) -> Ssl {
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
                let message = format!("`{here}` has no effect without `{missing}`");
                let help = format!("write `{missing} FILE` too, or remove it");
                self.warn_with_help(node.span(), message, help);
            }
        }
        self.report_unverified_names(&fields, servers);
        Ssl {
            ca: self.pem(&fields, "ca", CERTIFICATE),
            certificate,
            key,
        }
    }

    /// Reports checks that accept a certificate for any name, once for all of them.
    fn report_unverified_names(&mut self, fields: &Fields<'_>, servers: &[VirtualServer]) {
        let Some(node) = fields.last("ca") else {
            return;
        };
        let servers = servers.iter().flat_map(|server| &server.real_servers);
        let checks = servers.flat_map(|server| &server.checks);
        let unnamed = checks.filter(|check| {
            matches!(&check.kind, CheckKind::Http(_, http) if http.tls && http.sni.is_none())
        });
        let count = unnamed.count();
        if count > 0 {
            let message = format!(
                "{count} of the SSL_GET checks verify that a certificate is signed by `ca`, but not for which name: any \
                 server with a certificate of these authorities passes"
            );
            let help = "write `sni_name NAME` in SSL_GET, or `enable_sni` and `virtualhost NAME`";
            self.insecure(node.span(), message, help);
        }
    }

    /// A PEM file with this marker. A file that cannot be read or is not protected is taken as
    /// empty, so that every verification fails.
    fn pem(&mut self, fields: &Fields<'_>, name: &str, marker: &str) -> Option<Pem> {
        let node = fields.last(name)?;
        let path = fields.word(name)?.to_owned();
        let access = match name {
            "key" => Access::Any,
            _ => Access::Write,
        };
        let contents = match self.host.read_protected(&path, access) {
            Ok(contents) => contents,
            Err(why) => {
                let message = format!("cannot read {path}: {why}; every SSL_GET fails");
                let help = "write the path of a file in PEM format".to_owned();
                self.error(node.span(), message, help);
                Vec::new()
            }
        };
        let text = String::from_utf8_lossy(&contents);
        if name == "key" && text.contains(ENCRYPTED) {
            let message = format!("the key in {path} is encrypted; every SSL_GET fails");
            let help = format!("decrypt it with `openssl pkey -in {path} -out NEW`");
            self.error(node.span(), message, help);
        } else if !contents.is_empty() && !text.contains(marker) {
            let what = if name == "key" { "key" } else { "certificate" };
            let message = format!("{path} contains no {what}; every SSL_GET fails");
            let help = "write the path of a file in PEM format".to_owned();
            self.error(node.span(), message, help);
        }
        Some(Pem { path, contents })
    }
}
