//! `SSL_GET`: the dialogue of [`HttpCheck`] inside of TLS 1.2 or 1.3. Bytes in, bytes out; rustls does the rest.
//!
//! ```text
//! socket ── SocketEvent ─→ Session ── plain SocketEvent ─→ HttpCheck        HttpCheck ── request ─→ Session ── out ─→ socket
//! ```
//! As in keepalived, a server need not prove anything, unless the `SSL` block has a `ca`: then its certificate must
//! be signed by one of those authorities and be valid today, or be among them itself; and where the check has a name
//! (`enable_sni`), it must be for that name. Only then rustls asks what day it is: the one question of this room to the clock.
//! Unlike the other checks, one allocates while it runs, some 40 KB that are free again behind it.

use core::fmt;
use std::io::{Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, InvalidMessage,
    RootCertStore, SignatureScheme,
};

use super::crypto::{self, SIGNATURES};
use super::http::{HttpCheck, ResponseSummary};
use super::{SocketEvent, Step};
use crate::config::model::lvs::{Http, Pem, Ssl, Target};

/// What all sessions have in common: whom we trust, and who we are.
#[derive(Clone, Debug)]
pub struct TlsConfig(Result<Arc<ClientConfig>, String>);

impl TlsConfig {
    /// Made of the `SSL` block. When something is wrong with it no session begins, and the checks say why.
    #[must_use]
    pub fn new(ssl: &Ssl) -> Self {
        TlsConfig(TlsConfig::config(ssl))
    }

    fn config(ssl: &Ssl) -> Result<Arc<ClientConfig>, String> {
        let authorities = match &ssl.ca {
            Some(pem) => Some(Authorities::new(pem)?),
            None => None,
        };
        let verifier = Arc::new(Verifier { authorities });
        let builder = ClientConfig::builder_with_provider(Arc::new(crypto::provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match (&ssl.certificate, &ssl.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_slice(&key.contents)
                    .map_err(|_| format!("{} has no private key", key.path))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("certificate and key do not fit: {error}"))?
            }
            _ => builder.with_no_client_auth(),
        };
        // A server that is asked once in a while has nothing to gain from it.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.contents).collect();
    match list {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(format!("{} has no certificate", pem.path)),
        Err(_) => Err(format!("{} is broken", pem.path)),
    }
}

// ---- what a server has to prove ----

struct Verifier {
    /// `None`: nothing.
    authorities: Option<Authorities>,
}

/// What `ca` names.
struct Authorities {
    roots: RootCertStore,
    /// A server's own certificate may be among them, as people do who have one server and no authority.
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    fn new(pem: &Pem) -> Result<Self, String> {
        let certificates = certificates(pem)?;
        let mut roots = RootCertStore::empty();
        for one in &certificates {
            let added = roots.add(one.clone());
            added.map_err(|_| format!("{} has a certificate that cannot be read", pem.path))?;
        }
        Ok(Authorities {
            roots,
            certificates,
        })
    }
}

impl fmt::Debug for Verifier {
    /// Asked for by rustls; all of it would bring 10 KB of names into the binary.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trusted) = &self.authorities {
            let parsed = ParsedCertificate::try_from(certificate)?;
            if !trusted.certificates.contains(certificate) {
                let (roots, algorithms) = (&trusted.roots, SIGNATURES.all);
                verify_server_cert_signed_by_trust_anchor(&parsed, roots, chain, now, algorithms)?;
            }
            // Certificates are made for names; the address is ours to know.
            if let ServerName::DnsName(_) = name {
                verify_server_name(&parsed, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.authorities {
            Some(_) => verify_tls12_signature(message, certificate, signature, &SIGNATURES),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.authorities {
            Some(_) => verify_tls13_signature(message, certificate, signature, &SIGNATURES),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = SIGNATURES.supported_schemes();
        if self.authorities.is_none() {
            // What is not looked at need not be understood.
            schemes.extend([SignatureScheme::ED25519, SignatureScheme::ED448]);
            schemes.extend([
                SignatureScheme::RSA_PKCS1_SHA1,
                SignatureScheme::ECDSA_SHA1_Legacy,
            ]);
        }
        schemes
    }
}

// ---- the machine ----

/// The check of one server.
#[derive(Debug)]
pub struct TlsHttpCheck {
    pages: HttpCheck,
    trust: TlsConfig,
    name: ServerName<'static>,
    session: Option<Box<ClientConnection>>,
    /// Whether the pages know that they are connected.
    told: bool,
    plain: Vec<u8>,
}

impl TlsHttpCheck {
    /// `pages` is made of the same `target` and `http`. `None`: this build has no TLS.
    #[must_use]
    pub fn new(target: &Target, http: &Http, pages: HttpCheck, trust: &TlsConfig) -> Option<Self> {
        let name = http.sni.clone().and_then(|name| name.try_into().ok());
        Some(TlsHttpCheck {
            pages,
            trust: trust.clone(),
            // An address is not sent.
            name: name.unwrap_or_else(|| ServerName::from(target.remote.ip())),
            session: None,
            told: false,
            plain: Vec::new(),
        })
    }

    /// See [`HttpCheck::take_summary`].
    pub fn take_summary(&mut self) -> Option<ResponseSummary> {
        self.pages.take_summary()
    }

    /// A run begins; a connection is opened next.
    pub fn start(&mut self) {
        self.session = None;
        self.told = false;
        self.pages.start();
    }

    /// Something has happened to the connection.
    pub fn handle(&mut self, news: SocketEvent<'_>, out: &mut Vec<u8>) -> Step {
        let step = self.news(news, out);
        if !matches!(step, Step::Wait(_)) {
            self.session = None;
        }
        step
    }

    fn news(&mut self, news: SocketEvent<'_>, out: &mut Vec<u8>) -> Step {
        match news {
            SocketEvent::Connected => self.connected(out),
            SocketEvent::Received(bytes) => self.received(bytes, out),
            SocketEvent::Closed if !self.told => self
                .pages
                .fail("it closed the connection before the end of the TLS handshake"),
            SocketEvent::TimedOut if !self.told && self.session.is_some() => self
                .pages
                .fail("it timed out before the end of the TLS handshake"),
            // Many servers end without saying so inside of TLS; what must be complete says where it ends.
            SocketEvent::Closed | SocketEvent::Failed(_) | SocketEvent::TimedOut => {
                self.pages.handle(news, &mut self.plain)
            }
        }
    }

    fn connected(&mut self, out: &mut Vec<u8>) -> Step {
        self.told = false;
        let config = match &self.trust.0 {
            Ok(config) => Arc::clone(config),
            Err(why) => return self.pages.fail(why),
        };
        match ClientConnection::new(config, self.name.clone()) {
            Err(error) => self.pages.fail(&sentence(&error)),
            Ok(session) => {
                let session = self.session.insert(Box::new(session));
                send(session, out);
                Step::Wait(self.pages.timeout())
            }
        }
    }

    fn received(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let mut step = Step::Wait(self.pages.timeout());
        while !bytes.is_empty() {
            let Some(session) = &mut self.session else {
                return step;
            };
            // Reading from memory fails when the session has data for us that nobody has taken; we take all.
            match session.read_tls(&mut bytes) {
                Ok(0) | Err(_) => return step,
                Ok(_) => {}
            }
            let state = session.process_new_packets();
            // Answers of the handshake, and what to say about an error.
            send(session, out);
            if let Err(error) = state {
                return self.pages.fail(&sentence(&error));
            }
            step = self.hand_over(out);
            if !matches!(step, Step::Wait(_)) {
                return step;
            }
        }
        step
    }

    /// Brings what has come out of TLS to the pages, and their request into it.
    fn hand_over(&mut self, out: &mut Vec<u8>) -> Step {
        let wait = Step::Wait(self.pages.timeout());
        let Some(session) = &mut self.session else {
            return wait;
        };
        if session.is_handshaking() {
            return wait;
        }
        if !self.told {
            self.told = true;
            self.plain.clear();
            let step = self.pages.handle(SocketEvent::Connected, &mut self.plain);
            if session.writer().write_all(&self.plain).is_err() {
                return self.pages.fail("the request does not fit into TLS");
            }
            send(session, out);
            if !matches!(step, Step::Wait(_)) {
                return step;
            }
        }
        let mut room = [0; 4096];
        loop {
            let news = match session.reader().read(&mut room) {
                Ok(0) => SocketEvent::Closed,
                Ok(count) => SocketEvent::Received(room.get(..count).unwrap_or_default()),
                Err(_) => return wait,
            };
            let step = self.pages.handle(news, &mut self.plain);
            if !matches!(step, Step::Wait(_)) {
                return step;
            }
        }
    }
}

/// Moves what the session wants to send.
fn send(session: &mut ClientConnection, out: &mut Vec<u8>) {
    // Writing into memory does not fail.
    while session.wants_write() && session.write_tls(out).is_ok_and(|count| count > 0) {}
}

fn sentence(error: &Error) -> String {
    if let Error::InvalidMessage(InvalidMessage::InvalidContentType) = error {
        return "it does not speak TLS".into();
    }
    if let Error::InvalidCertificate(CertificateError::UnknownIssuer) = error {
        return "its certificate is not signed by an authority in `ca`".into();
    }
    error.to_string()
}
