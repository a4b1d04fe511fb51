//! `SSL_GET`: a TLS server whose bytes are changed on the way, and the files of the `SSL` block.

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection};

use vrrpd::check::{NetworkCheck, NetworkCheckBuilder, SocketEvent, Step};
use vrrpd::config::model::lvs::{CheckKind, Http, HttpProtocol, Pem, Ssl, Url};

use super::check::target;
use super::{Reach, Source};

/// A certificate that signs itself, for `www.example.org`, valid until 2120.
const CERTIFICATE: &[u8] = include_bytes!("../tls/server.crt");
const KEY: &[u8] = include_bytes!("../tls/server.key");

/// Servers for TLS 1.2 and 1.3.
static SERVERS: LazyLock<[Arc<ServerConfig>; 2]> = LazyLock::new(|| {
    [&TLS12, &TLS13].map(|version| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
        let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate")];
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(chain, key);
        Arc::new(config.expect("they match"))
    })
});

fn pem(contents: &[u8]) -> Option<Pem> {
    Some(Pem {
        path: "fuzz.pem".into(),
        contents: contents.to_vec(),
    })
}

fn check(ssl: &Ssl, sni: bool) -> NetworkCheck {
    let http = Http {
        tls: true,
        urls: vec![Url {
            path: "/".into(),
            statuses: vec![(200, 299)],
            host: "www.example.org".into(),
            ..Url::default()
        }],
        protocol: HttpProtocol::V1_1,
        sni: sni.then(|| "www.example.org".into()),
        ..Http::default()
    };
    let kind = CheckKind::Http(target(), Box::new(http));
    let built = NetworkCheckBuilder::new(ssl).build(&kind);
    let mut check = built.expect("a check over the network");
    check.start();
    check
}

/// The verdict, whose text must be printable and short.
fn verdict(step: Step) -> Option<Result<(), String>> {
    let Step::Done(end) = step else { return None };
    if let Err(error) = &end {
        let fit = error.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(fit && error.len() < 400, "{error}");
    }
    Some(end)
}

/// The first byte chooses the version and whether certificates are verified, the second the number
/// of changes (offset and bits to flip) to the server's bytes; the rest is the server's page.
pub(crate) fn tls_server(data: &[u8]) -> Reach {
    let mut source = Source(data);
    let [choice, count] = source.array();
    let changes: Vec<(usize, u8)> = (0..count % 8)
        .map(|_| (usize::from(u16::from_be_bytes(source.array())), source.u8()))
        .collect();
    let ssl = Ssl {
        ca: (choice & 2 != 0).then(|| pem(CERTIFICATE)).flatten(),
        ..Ssl::default()
    };
    let mut check = check(&ssl, choice & 4 != 0);
    let config = &SERVERS[usize::from(choice & 1)];
    let mut server = ServerConnection::new(Arc::clone(config)).expect("a session");
    let mut out = Vec::new();
    let mut step = check.handle(SocketEvent::Connected, &mut out);
    let (mut sent, mut answered) = (0, false);
    for _ in 0..20 {
        if verdict(step.clone()).is_some() {
            break;
        }
        let mut replies = serve(&mut server, &mut out, source.0, &mut answered);
        for (offset, bits) in &changes {
            let at = offset.checked_sub(sent);
            if let Some(byte) = at.and_then(|at| replies.get_mut(at)) {
                *byte ^= bits;
            }
        }
        sent += replies.len();
        let event = match replies.is_empty() {
            true if choice & 8 != 0 => SocketEvent::TimedOut,
            true => SocketEvent::Closed,
            false => SocketEvent::Received(&replies[..]),
        };
        step = check.handle(event, &mut out);
    }
    let end = verdict(step).expect("the check ends");
    let has_status = source.0.windows(2).any(|pair| pair == b" 2");
    assert!(end.is_err() || has_status, "{:?}", source.0);
    let harmless = changes
        .iter()
        .all(|(offset, bits)| *offset >= sent || *bits == 0);
    // Bits that are flipped after the handshake of TLS are detected at the latest.
    Reach::accepted_if(answered || (end.is_ok() && harmless))
}

/// Lets the server read what was sent, and returns its bytes.
fn serve(
    server: &mut ServerConnection,
    received: &mut Vec<u8>,
    page: &[u8],
    answered: &mut bool,
) -> Vec<u8> {
    let mut input = &received[..];
    while !input.is_empty() && server.read_tls(&mut input).is_ok() {
        if server.process_new_packets().is_err() {
            break;
        }
    }
    received.clear();
    let mut request = Vec::new();
    let _ = server.reader().read_to_end(&mut request);
    if !request.is_empty() && !*answered {
        *answered = true;
        let _ = server.writer().write_all(page);
        server.send_close_notify();
    }
    let mut replies = Vec::new();
    while server.wants_write() && server.write_tls(&mut replies).is_ok() {}
    replies
}

/// PEM files: unusable ones fail the check with a reason, usable ones let it start a handshake.
pub(crate) fn tls_files(data: &[u8]) -> Reach {
    let (choice, contents) = data.split_first().unwrap_or((&0, &[]));
    let ssl = match choice & 3 {
        0 => Ssl {
            ca: pem(contents),
            ..Ssl::default()
        },
        1 => Ssl {
            certificate: pem(contents),
            key: pem(KEY),
            ca: None,
        },
        2 => Ssl {
            certificate: pem(CERTIFICATE),
            key: pem(contents),
            ca: None,
        },
        _ => Ssl {
            certificate: pem(contents),
            key: pem(contents),
            ca: None,
        },
    };
    let mut out = Vec::new();
    let step = check(&ssl, false).handle(SocketEvent::Connected, &mut out);
    let refused = verdict(step).is_some();
    assert_eq!(refused, out.is_empty());
    Reach::accepted_if(!refused)
}
