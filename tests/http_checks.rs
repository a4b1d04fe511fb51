//! HTTP_GET, SSL_GET and `genhash` against real servers of Debian and against a hostile server.
//!
//! On the loopback interface, on ports chosen by the kernel. A small loop drives the checks here;
//! how the daemon drives them is tested in `tests/engine/checks.rs` and in `tests/lab`.
#![cfg(feature = "lvs")]

#[path = "support/process.rs"]
mod process;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use process::{KillOnDrop, Scratch, has_program};
use vrrpd::check::{NetworkCheckBuilder, SocketEvent, Step};
use vrrpd::config::model::lvs::{CheckKind, Http, HttpProtocol, Ssl, Target, Url};

const VRRPD: &str = env!("CARGO_BIN_EXE_vrrpd");
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// MD5 of "hello".
const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

// ---- helpers ----

fn target(remote: SocketAddr) -> Target {
    Target {
        remote,
        connect_timeout: Duration::from_millis(1500),
        ..Target::default()
    }
}

fn http(tls: bool, path: &str, digest: Option<&str>) -> Http {
    let digest = digest.map(|hex| u128::from_str_radix(hex, 16).unwrap().to_be_bytes());
    Http {
        tls,
        urls: vec![Url {
            path: path.into(),
            digest,
            host: "www.example.org".into(),
            ..Url::default()
        }],
        protocol: HttpProtocol::V1_1,
        ..Http::default()
    }
}

/// Runs a check once, as the daemon does; a run takes at most four timeouts.
fn check(kind: &CheckKind, ssl: &Ssl) -> Result<(), String> {
    let mut machine = NetworkCheckBuilder::new(ssl)
        .build(kind)
        .expect("a check over the network");
    machine.start();
    let (remote, timeout) = (machine.target().remote, machine.target().connect_timeout);
    let until = Instant::now() + timeout * 4;
    let mut out = Vec::new();
    let mut buffer = [0; 700];
    'connection: loop {
        let Ok(mut stream) = TcpStream::connect_timeout(&remote, timeout) else {
            let Step::Done(end) = machine.handle(SocketEvent::Failed(111), &mut out) else {
                panic!("a failed connection ends the run");
            };
            return end;
        };
        let mut step = machine.handle(SocketEvent::Connected, &mut out);
        loop {
            match step {
                Step::Done(end) => return end,
                Step::Reconnect => continue 'connection,
                Step::Wait(_) => {}
            }
            let _ = stream.write_all(&out);
            out.clear();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                step = machine.handle(SocketEvent::TimedOut, &mut out);
                continue;
            }
            stream.set_read_timeout(Some(left.min(timeout))).unwrap();
            step = match stream.read(&mut buffer) {
                Ok(0) => machine.handle(SocketEvent::Closed, &mut out),
                Ok(count) => machine.handle(SocketEvent::Received(&buffer[..count]), &mut out),
                Err(error) => match error.raw_os_error() {
                    Some(number) if number == nix::libc::ECONNRESET => {
                        machine.handle(SocketEvent::Failed(number), &mut out)
                    }
                    _ => machine.handle(SocketEvent::TimedOut, &mut out),
                },
            };
        }
    }
}

fn get(remote: SocketAddr, conf: Http) -> Result<(), String> {
    check(
        &CheckKind::Http(target(remote), Box::new(conf)),
        &Ssl::default(),
    )
}

fn genhash(line: &str) -> Output {
    let mut command = Command::new(VRRPD);
    command.arg("genhash").args(line.split_whitespace());
    command
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

// ---- a hostile server ----

/// Serves each connection with `serve`, for as long as the test runs.
fn serve_with(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    at
}

/// Reads the request, sends `reply` and closes.
fn reply(mut stream: TcpStream, words: &[u8]) {
    let _ = stream.read(&mut [0; 1000]);
    let _ = stream.write_all(words);
}

#[test]
fn hostile_server_cannot_prolong_a_check() {
    type Case = (&'static str, fn(TcpStream), &'static str);
    let cases: &[Case] = &[
        (
            "silent",
            |mut stream| while stream.read(&mut [0; 99]).is_ok_and(|n| n > 0) {},
            "/: timed out waiting for a response",
        ),
        (
            "closes",
            |stream| reply(stream, b""),
            "/: connection closed without a response",
        ),
        (
            "resets",
            |mut stream| {
                // If the server closes before the request, either the write or the read may fail.
                let _ = stream.read(&mut [0; 999]);
                let socket = socket2::Socket::from(stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            },
            "/: connection lost",
        ),
        (
            "trickles",
            |mut stream| {
                while stream.write_all(b"H").is_ok() {
                    thread::sleep(Duration::from_millis(50));
                }
            },
            "/: timed out waiting for the end of the header",
        ),
        (
            "trickles a page",
            |mut stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while stream.write_all(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(50));
                }
            },
            "/: timed out waiting for the end of the body",
        ),
        (
            "endless head",
            |mut stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
                while stream.write_all(b"X-Flood: yes\r\n").is_ok() {}
            },
            "/: endless header",
        ),
        (
            "endless line",
            |mut stream| while stream.write_all(&[b'x'; 999]).is_ok() {},
            "/: endless header",
        ),
        (
            "does not close",
            |mut stream| {
                reply(stream.try_clone().unwrap(), b"HTTP/1.1 200 OK\r\n\r\nhello");
                while stream.read(&mut [0; 99]).is_ok_and(|n| n > 0) {}
            },
            "/: timed out waiting for the end of the body",
        ),
        (
            "too short",
            |stream| reply(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
            "/: body ended after 5 of 9 bytes",
        ),
        (
            "no HTTP",
            |stream| reply(stream, b"SSH-2.0-x\r\n"),
            "/: not an HTTP response: `SSH-2.0-x`",
        ),
        (
            "redirect",
            |stream| {
                reply(
                    stream,
                    b"HTTP/1.1 301 Moved\r\nLocation: https://x.org/\r\n\r\n",
                )
            },
            "/: status 301 (redirect to https://x.org/), expected 200-299",
        ),
    ];
    let start_time = Instant::now();
    thread::scope(|scope| {
        for (name, serve, want) in cases {
            scope.spawn(move || {
                let got = get(serve_with(*serve), http(false, "/", None));
                assert_eq!(got, Err((*want).to_owned()), "{name}");
            });
        }
    });
    assert!(start_time.elapsed() < Duration::from_secs(30));
}

#[test]
fn endless_page_passes_without_digest_and_fails_with_it() {
    let at = serve_with(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 9999]).is_ok() {}
    });
    assert_eq!(get(at, http(false, "/", None)), Ok(()));
    let end = get(at, http(false, "/", Some(HELLO)));
    assert!(end.is_err(), "{end:?}");
}

// ---- genhash ----

#[test]
fn genhash_prints_the_digest() {
    let at =
        serve_with(|stream| reply(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
    let line = format!("-s 127.0.0.1 -p {} -u /", at.port());
    let plain = genhash(&line);
    assert_eq!(output_text(&plain), format!("{HELLO}\n"));
    assert!(plain.status.success());
    let talkative = genhash(&format!("-v -t 3 -P 1.1 -V z.org {line}"));
    assert_eq!(
        output_text(&talkative),
        format!("status 200, 5 bytes\n{HELLO}\n")
    );
    assert_eq!(get(at, http(false, "/", Some(HELLO))), Ok(()));
}

#[test]
fn genhash_reports_errors() {
    let silent = serve_with(|stream| reply(stream, b""));
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (line, want) in [
        (
            format!("-s 127.0.0.1 -p {} -u /x", silent.port()),
            "vrrpd: genhash: /x: connection closed without a response\n".to_owned(),
        ),
        (
            format!("-s 127.0.0.1 -p {} -u /x", closed.port()),
            format!("vrrpd: genhash: {closed}: connection refused\n"),
        ),
        (
            "-u /x".to_owned(),
            "vrrpd: genhash: -s and -u are required; -h lists the options\n".to_owned(),
        ),
    ] {
        let output = genhash(&line);
        assert_eq!(output_text(&output), want);
        assert!(!output.status.success());
    }
    assert!(output_text(&genhash("-h")).contains("--use-virtualhost"));
}

// ---- real servers ----

/// A free port. If another process takes it, the server fails to start.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn start(program: &str, args: &[&str], at: SocketAddr, scratch: &Scratch) -> KillOnDrop {
    let child = Command::new(program)
        .args(args)
        .current_dir(&scratch.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let server = KillOnDrop(child);
    let until = Instant::now() + START_TIMEOUT;
    while TcpStream::connect(at).is_err() {
        assert!(Instant::now() < until, "{program} does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    server
}

#[test]
fn http_get_of_a_busybox_server() {
    if !has_program("http_get_of_a_busybox_server", "busybox") {
        return;
    }
    let scratch = Scratch::new("busybox");
    fs::write(scratch.0.join("hello"), "hello").unwrap();
    let at = free_port();
    let _server = start(
        "busybox",
        &["httpd", "-f", "-p", &at.to_string()],
        at,
        &scratch,
    );
    assert_eq!(get(at, http(false, "/hello", Some(HELLO))), Ok(()));
    let missing = get(at, http(false, "/missing", None));
    assert_eq!(
        missing,
        Err("/missing: status 404, expected 200-299".into())
    );
    let line = format!("-s 127.0.0.1 -p {} -u /hello", at.port());
    assert_eq!(output_text(&genhash(&line)), format!("{HELLO}\n"));
}

#[cfg(feature = "regex")]
#[test]
fn http_get_regex_matches_across_segments() {
    use vrrpd::config::model::lvs::Pattern;
    let at = serve_with(|mut stream| {
        let mut request = [0; 500];
        let _ = stream.read(&mut request);
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for piece in [head, "7\r\n{\"statu\r\n", "9\r\ns\": \"UP\"}\r\n0\r\n\r\n"] {
            let _ = stream.write_all(piece.as_bytes());
            thread::sleep(Duration::from_millis(20));
        }
    });
    let wrong = |error: &str| Err(format!("/: body {error}"));
    for (regex, absent, to, want) in [
        (r#""status": *"UP""#, false, None, Ok(())),
        ("DOWN", false, None, wrong("does not match `DOWN`")),
        ("DOWN", true, None, Ok(())),
        ("UP", true, None, wrong("matches `UP`")),
        ("UP", false, Some(12), Ok(())),
        ("UP", false, Some(11), wrong("does not match `UP`")),
    ] {
        let mut conf = http(false, "/", None);
        conf.urls[0].pattern = Some(Pattern {
            text: regex.to_owned(),
            regex: regex_lite::Regex::new(regex).unwrap(),
            no_match: absent,
            min_offset: 0,
            max_offset: to,
            first_line: false,
        });
        assert_eq!(get(at, conf), want, "{regex} {to:?}");
    }
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use vrrpd::config::model::lvs::Pem;

    fn openssl(scratch: &Scratch, line: &str) {
        let mut command = Command::new("openssl");
        let command = command
            .args(line.split_whitespace())
            .current_dir(&scratch.0);
        let output = command.output().expect("it runs");
        assert!(
            output.status.success(),
            "openssl {line}: {}",
            output_text(&output)
        );
    }

    /// Creates a self-signed certificate for this name.
    fn certificate(scratch: &Scratch, name: &str, key: &str) {
        openssl(
            scratch,
            &format!(
                "req -x509 -newkey {key} -nodes -days 2 -keyout {name}.key -out {name}.crt \
                 -subj /CN={name} -addext subjectAltName=DNS:{name}"
            ),
        );
    }

    /// Creates a certificate signed by `ca`.
    fn signed(scratch: &Scratch, name: &str, ca: &str, key: &str) {
        fs::write(scratch.0.join("ext"), format!("subjectAltName=DNS:{name}")).unwrap();
        let request =
            format!("req -new -newkey {key} -nodes -keyout {name}.key -out csr -subj /CN={name}");
        openssl(scratch, &request);
        let sign = format!(
            "x509 -req -in csr -CA {ca}.crt -CAkey {ca}.key -CAcreateserial -days 2 -extfile ext"
        );
        openssl(scratch, &format!("{sign} -out {name}.crt"));
    }

    fn pem(scratch: &Scratch, file: &str) -> Option<Pem> {
        let path = scratch.0.join(file);
        let contents = fs::read(&path).unwrap();
        Some(Pem {
            path: file.to_owned(),
            contents,
        })
    }

    fn serve(scratch: &Scratch, more: &str) -> (KillOnDrop, SocketAddr) {
        let at = free_port();
        let line = format!("s_server -quiet -WWW -accept {at} {more}");
        let args: Vec<&str> = line.split_whitespace().collect();
        (start("openssl", &args, at, scratch), at)
    }

    fn ask(at: SocketAddr, ssl: &Ssl, conf: Http) -> Result<(), String> {
        check(&CheckKind::Http(target(at), Box::new(conf)), ssl)
    }

    /// Creates a page that needs several TLS records; returns it with its MD5 digest.
    fn page(scratch: &Scratch) -> (Vec<u8>, String) {
        let page: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        fs::write(scratch.0.join("page"), &page).unwrap();
        let digest = Command::new("md5sum")
            .arg(scratch.0.join("page"))
            .output()
            .unwrap();
        let digest = String::from_utf8_lossy(&digest.stdout)[..32].to_owned();
        (page, digest)
    }

    #[test]
    fn ssl_get_supports_tls_1_2_and_1_3_and_common_key_types() {
        if !has_program(
            "ssl_get_supports_tls_1_2_and_1_3_and_common_key_types",
            "openssl",
        ) {
            return;
        }
        let scratch = Scratch::new("tls");
        let (_, digest) = page(&scratch);
        for (name, key, more) in [
            ("rsa.example.org", "rsa:2048", "-tls1_3"),
            ("rsa12.example.org", "rsa:2048", "-tls1_2"),
            (
                "p256.example.org",
                "ec -pkeyopt ec_paramgen_curve:P-256",
                "-tls1_2",
            ),
            (
                "p384.example.org",
                "ec -pkeyopt ec_paramgen_curve:P-384",
                "-tls1_3 -groups P-384",
            ),
            ("ed.example.org", "ed25519", "-tls1_3"),
        ] {
            certificate(&scratch, name, key);
            let (_server, at) = serve(
                &scratch,
                &format!("-cert {name}.crt -key {name}.key {more}"),
            );
            let end = ask(at, &Ssl::default(), http(true, "/page", Some(&digest)));
            assert_eq!(end, Ok(()), "{name}");
            let line = format!("-S -s 127.0.0.1 -p {} -u /page", at.port());
            assert_eq!(
                output_text(&genhash(&line)),
                format!("{digest}\n"),
                "{name}"
            );
        }
    }

    #[test]
    fn ssl_ca_verifies_the_server_certificate() {
        if !has_program("ssl_ca_verifies_the_server_certificate", "openssl") {
            return;
        }
        let scratch = Scratch::new("ca");
        page(&scratch);
        for key in ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256"] {
            certificate(&scratch, "authority", key);
            certificate(&scratch, "other", key);
            signed(&scratch, "www.example.org", "authority", key);
            let own = "-cert www.example.org.crt -key www.example.org.key";
            let (_server, at) = serve(&scratch, own);
            let named = |name: &str| Http {
                sni: Some(name.into()),
                ..http(true, "/page", None)
            };
            let trust = |file| Ssl {
                ca: pem(&scratch, file),
                ..Ssl::default()
            };
            let right = trust("authority.crt");
            for ssl in [&right, &trust("www.example.org.crt")] {
                assert_eq!(ask(at, ssl, named("www.example.org")), Ok(()), "{key}");
                assert_eq!(ask(at, ssl, http(true, "/page", None)), Ok(()), "{key}");
            }
            for (ssl, name, want) in [
                (&right, "else.example.org", "certificate not valid for name"),
                // Only addresses in the certificate count.
                (&right, "127.0.0.1", "certificate not valid for name"),
                (&right, "www.example.org:8443", "cannot be verified"),
                (&right, "", "cannot be verified"),
                (
                    &trust("other.crt"),
                    "www.example.org",
                    "certificate not signed by a CA in `ca`",
                ),
                (
                    &trust("other.key"),
                    "www.example.org",
                    "other.key contains no certificate",
                ),
            ] {
                let error = ask(at, ssl, named(name)).expect_err(name);
                assert!(
                    error.starts_with("/page: ") && error.contains(want),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn ssl_client_certificate_is_presented() {
        if !has_program("ssl_client_certificate_is_presented", "openssl") {
            return;
        }
        let scratch = Scratch::new("own");
        page(&scratch);
        certificate(&scratch, "www.example.org", "rsa:2048");
        for key in ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256"] {
            certificate(&scratch, "client", key);
            let more = "-cert www.example.org.crt -key www.example.org.key \
                        -CAfile client.crt -Verify 1 -verify_return_error";
            let (_server, at) = serve(&scratch, more);
            let own = Ssl {
                certificate: pem(&scratch, "client.crt"),
                key: pem(&scratch, "client.key"),
                ..Ssl::default()
            };
            assert_eq!(ask(at, &own, http(true, "/page", None)), Ok(()), "{key}");
            let without = ask(at, &Ssl::default(), http(true, "/page", None));
            assert!(without.is_err(), "{key}");
            println!("{without:?}");
        }
    }

    #[test]
    fn ssl_get_distinguishes_servers_without_tls() {
        for (serve, want) in [
            (
                (|stream| reply(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")) as fn(TcpStream),
                "/: not a TLS server",
            ),
            (
                |stream| reply(stream, b""),
                "/: connection closed during the TLS handshake",
            ),
            (
                |mut stream| while stream.read(&mut [0; 999]).is_ok_and(|n| n > 0) {},
                "/: timed out during the TLS handshake",
            ),
        ] {
            let end = ask(serve_with(serve), &Ssl::default(), http(true, "/", None));
            assert_eq!(end, Err(want.to_owned()));
        }
    }
}
