//! `SSL_GET`: [`HttpCheck`] inside of TLS 1.2 or 1.3. Bytes in, bytes out; rustls does the
//! protocol.
//!
//! ```text
//! socket ── SocketEvent ─→ session ── plain text ─→ HttpCheck        HttpCheck ── request ─→ session ── out ─→ socket
//! ```
//! As in keepalived, certificates are not verified unless the `SSL` block has a `ca`: then the
//! server's certificate must be signed by one of these CAs and be valid at the current time, or be
//! among them itself; with a server name (`enable_sni`, `sni_name`), it must also be valid for that
//! name or address. Whatever cannot be verified fails the check. To verify the dates, rustls reads
//! the system clock: the only place in `check` that does so. It runs in a child process
//! ([`CheckMachine::is_costly`]): key exchange and signatures take milliseconds on a small
//! processor, the server chooses the length of its keys and chain, and a session occupies 40 KB.

use core::fmt;
use core::time::Duration;
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
use super::{CheckMachine, SocketEvent, Step};
use crate::config::model::lvs::{Http, Pem, Ssl, Target};

/// Settings shared by all sessions: trusted certificates and the client's own. `Err`: the `SSL`
/// block is unusable.
#[derive(Clone, Debug)]
pub(super) struct TlsConfig(Result<Sessions, String>);

/// The settings of sessions with and without a server name to verify.
#[derive(Clone, Debug)]
struct Sessions {
    with_name: Arc<ClientConfig>,
    without_name: Arc<ClientConfig>,
}

impl TlsConfig {
    /// From the `SSL` block. If that is unusable, every check fails with the reason.
    pub(super) fn new(ssl: &Ssl) -> Self {
        TlsConfig(TlsConfig::config(ssl))
    }

    fn config(ssl: &Ssl) -> Result<Sessions, String> {
        let trusted = match &ssl.ca {
            Some(pem) => Some(Arc::new(TrustedCerts::new(pem)?)),
            None => None,
        };
        let verifier = |verify_name| {
            Arc::new(Verifier {
                trusted: trusted.clone(),
                verify_name,
            })
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(crypto::provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier(true));
        let mut config = match (&ssl.certificate, &ssl.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_slice(&key.contents)
                    .map_err(|_| format!("{} contains no private key", key.path))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("certificate and key do not match: {error}"))?
            }
            _ => builder.with_no_client_auth(),
        };
        // Checks are too rare for session resumption to pay.
        config.resumption = Resumption::disabled();
        let mut without_name = config.clone();
        without_name
            .dangerous()
            .set_certificate_verifier(verifier(false));
        Ok(Sessions {
            with_name: Arc::new(config),
            without_name: Arc::new(without_name),
        })
    }
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.contents).collect();
    match list {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(format!("{} contains no certificate", pem.path)),
        Err(_) => Err(format!("{} is not valid PEM", pem.path)),
    }
}

// ---- verification of the server's certificate ----

struct Verifier {
    /// `None`: certificates are not verified.
    trusted: Option<Arc<TrustedCerts>>,
    /// The certificate must be valid for the name of the session.
    verify_name: bool,
}

/// The certificates in `ca`.
struct TrustedCerts {
    roots: RootCertStore,
    /// A server's own certificate may be among them, as in setups with one server and no CA.
    certificates: Vec<CertificateDer<'static>>,
}

impl TrustedCerts {
    fn new(pem: &Pem) -> Result<Self, String> {
        let certificates = certificates(pem)?;
        let mut roots = RootCertStore::empty();
        for one in &certificates {
            let added = roots.add(one.clone());
            added.map_err(|_| format!("{} contains an unreadable certificate", pem.path))?;
        }
        Ok(TrustedCerts {
            roots,
            certificates,
        })
    }
}

impl fmt::Debug for Verifier {
    /// Required by rustls; deriving it would add 10 KB of names to the binary.
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
        if let Some(trusted) = &self.trusted {
            let parsed = ParsedCertificate::try_from(certificate)?;
            if !trusted.certificates.contains(certificate) {
                let (roots, algorithms) = (&trusted.roots, SIGNATURES.all);
                verify_server_cert_signed_by_trust_anchor(&parsed, roots, chain, now, algorithms)?;
            }
            if self.verify_name {
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
        match self.trusted {
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
        match self.trusted {
            Some(_) => verify_tls13_signature(message, certificate, signature, &SIGNATURES),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = SIGNATURES.supported_schemes();
        if self.trusted.is_none() {
            // Signatures that are not verified need not be supported.
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

/// The check of one web server.
#[derive(Debug)]
pub(super) struct TlsHttpCheck {
    http: HttpCheck,
    timeout: Duration,
    /// Settings and server name of the sessions; `Err`: why every run fails.
    setup: Result<(Arc<ClientConfig>, ServerName<'static>), String>,
    session: Option<Box<ClientConnection>>,
    /// The handshake is complete, and the request has been sent.
    requested: bool,
    plain: Vec<u8>,
}

impl TlsHttpCheck {
    /// `plain` is made of the same `target` and `http`.
    pub(super) fn new(target: &Target, http: &Http, plain: HttpCheck, config: &TlsConfig) -> Self {
        TlsHttpCheck {
            http: plain,
            timeout: target.connect_timeout,
            setup: setup(target, http, config),
            session: None,
            requested: false,
            plain: Vec::new(),
        }
    }

    fn dispatch(&mut self, event: SocketEvent<&[u8]>, out: &mut Vec<u8>) -> Step {
        match event {
            SocketEvent::Connected => self.connected(out),
            SocketEvent::Received(bytes) => self.received(bytes, out),
            SocketEvent::Closed if !self.requested => {
                self.http.fail("connection closed during the TLS handshake")
            }
            SocketEvent::TimedOut if !self.requested && self.session.is_some() => {
                self.http.fail("timed out during the TLS handshake")
            }
            // Many servers close without close_notify; HttpCheck knows whether the response is
            // complete.
            SocketEvent::Closed | SocketEvent::Failed(_) | SocketEvent::TimedOut => {
                self.http.handle(event, &mut self.plain)
            }
        }
    }

    fn connected(&mut self, out: &mut Vec<u8>) -> Step {
        self.requested = false;
        let (config, name) = match &self.setup {
            Ok((config, name)) => (Arc::clone(config), name.clone()),
            Err(why) => return self.http.fail(why),
        };
        match ClientConnection::new(config, name) {
            Err(error) => self.http.fail(&describe(&error)),
            Ok(session) => {
                let session = self.session.insert(Box::new(session));
                send(session, out);
                Step::Wait(self.timeout)
            }
        }
    }

    fn received(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Step {
        let mut step = Step::Wait(self.timeout);
        while !bytes.is_empty() {
            let Some(session) = &mut self.session else {
                return step;
            };
            // Reading from memory fails only while decrypted data has not been read; all of it is
            // read below.
            match session.read_tls(&mut bytes) {
                Ok(0) | Err(_) => return step,
                Ok(_) => {}
            }
            let state = session.process_new_packets();
            // Handshake messages, or the alert for an error.
            send(session, out);
            if let Err(error) = state {
                return self.http.fail(&describe(&error));
            }
            step = self.exchange_plain(out);
            if !matches!(step, Step::Wait(_)) {
                return step;
            }
        }
        step
    }

    /// After the handshake, passes the request into TLS and decrypted bytes to [`HttpCheck`].
    fn exchange_plain(&mut self, out: &mut Vec<u8>) -> Step {
        let wait = Step::Wait(self.timeout);
        let Some(session) = &mut self.session else {
            return wait;
        };
        if session.is_handshaking() {
            return wait;
        }
        if !self.requested {
            self.requested = true;
            self.plain.clear();
            let step = self.http.handle(SocketEvent::Connected, &mut self.plain);
            if session.writer().write_all(&self.plain).is_err() {
                return self.http.fail("request too large for TLS");
            }
            send(session, out);
            if !matches!(step, Step::Wait(_)) {
                return step;
            }
        }
        let mut buffer = [0; 4096];
        loop {
            let event = match session.reader().read(&mut buffer) {
                Ok(0) => SocketEvent::Closed,
                Ok(count) => SocketEvent::Received(buffer.get(..count).unwrap_or_default()),
                Err(_) => return wait,
            };
            let step = self.http.handle(event, &mut self.plain);
            if !matches!(step, Step::Wait(_)) {
                return step;
            }
        }
    }
}

impl CheckMachine for TlsHttpCheck {
    fn start(&mut self) {
        self.session = None;
        self.requested = false;
        self.http.start();
    }

    fn handle(&mut self, event: SocketEvent<&[u8]>, out: &mut Vec<u8>) -> Step {
        let step = self.dispatch(event, out);
        if !matches!(step, Step::Wait(_)) {
            self.session = None;
        }
        step
    }

    fn is_costly(&self) -> bool {
        true
    }

    fn connection_passed(&mut self) -> Step {
        self.http.connection_passed()
    }

    fn take_summary(&mut self) -> Option<ResponseSummary> {
        self.http.take_summary()
    }
}

/// The settings and server name of a check's sessions.
fn setup(
    target: &Target,
    http: &Http,
    config: &TlsConfig,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), String> {
    let sessions = config.0.as_ref().map_err(String::clone)?;
    let Some(name) = &http.sni else {
        // rustls sends no server name for an address.
        let name = ServerName::from(target.remote.ip());
        return Ok((Arc::clone(&sessions.without_name), name));
    };
    match name.clone().try_into() {
        Ok(name) => Ok((Arc::clone(&sessions.with_name), name)),
        Err(_) => Err(format!("server name `{name}` cannot be verified")),
    }
}

/// Appends what the session has to send.
fn send(session: &mut ClientConnection, out: &mut Vec<u8>) {
    // Writing into memory does not fail.
    while session.wants_write() && session.write_tls(out).is_ok_and(|count| count > 0) {}
}

fn describe(error: &Error) -> String {
    if let Error::InvalidMessage(InvalidMessage::InvalidContentType) = error {
        return "not a TLS server".into();
    }
    if let Error::InvalidCertificate(CertificateError::UnknownIssuer) = error {
        return "certificate not signed by a CA in `ca`".into();
    }
    error.to_string()
}
