//! Health checks and `genhash` against real servers: those of Debian, and one that does everything wrong.
//!
//! All of it on the loopback, on ports the kernel gives. The machines are driven by a small loop of our own here;
//! how the daemon drives them is shown in `tests/engine/checks.rs` and in the lab.
#![cfg(feature = "lvs")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use vrrpd::check::{NetworkCheckBuilder, SocketEvent, Step};
use vrrpd::config::model::lvs::{CheckKind, Http, HttpProtocol, Ssl, Target, Url};

const VRRPD: &str = env!("CARGO_BIN_EXE_vrrpd");
const PATIENCE: Duration = Duration::from_secs(10);
/// MD5 of "hello".
const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

// ---- what the tests have in common ----

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

/// One run of a check, as the daemon would do it; a run takes four steps' time at the most.
fn check(kind: &CheckKind, ssl: &Ssl) -> Result<(), String> {
    let mut exchange = NetworkCheckBuilder::new(ssl)
        .build(kind)
        .expect("a check over the network");
    exchange.start();
    let (remote, timeout) = (exchange.target().remote, exchange.target().connect_timeout);
    let until = Instant::now() + timeout * 4;
    let mut out = Vec::new();
    let mut room = [0; 700];
    'connection: loop {
        let Ok(mut stream) = TcpStream::connect_timeout(&remote, timeout) else {
            let Step::Done(end) = exchange.handle(SocketEvent::Failed(111), &mut out) else {
                panic!("it is over");
            };
            return end;
        };
        let mut step = exchange.handle(SocketEvent::Connected, &mut out);
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
                step = exchange.handle(SocketEvent::TimedOut, &mut out);
                continue;
            }
            stream.set_read_timeout(Some(left.min(timeout))).unwrap();
            step = match stream.read(&mut room) {
                Ok(0) => exchange.handle(SocketEvent::Closed, &mut out),
                Ok(count) => exchange.handle(SocketEvent::Received(&room[..count]), &mut out),
                Err(error) => match error.raw_os_error() {
                    Some(number) if number == nix::libc::ECONNRESET => {
                        exchange.handle(SocketEvent::Failed(number), &mut out)
                    }
                    _ => exchange.handle(SocketEvent::TimedOut, &mut out),
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

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

// ---- a server that does everything wrong ----

/// Serves each connection with `serve`, for as long as the test runs.
fn hostile(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    at
}

/// Reads the request, says this, and closes.
fn say(mut stream: TcpStream, words: &[u8]) {
    let _ = stream.read(&mut [0; 1000]);
    let _ = stream.write_all(words);
}

#[test]
fn a_hostile_server_costs_a_check_its_time_and_no_more() {
    type Case = (&'static str, fn(TcpStream), &'static str);
    let cases: &[Case] = &[
        (
            "silent",
            |mut stream| while stream.read(&mut [0; 99]).is_ok_and(|n| n > 0) {},
            "/: timed out waiting for a response",
        ),
        (
            "closes",
            |stream| say(stream, b""),
            "/: connection closed without a response",
        ),
        (
            "resets",
            |mut stream| {
                // Before it has been asked, the sending may fail or the reading.
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
                say(stream.try_clone().unwrap(), b"HTTP/1.1 200 OK\r\n\r\nhello");
                while stream.read(&mut [0; 99]).is_ok_and(|n| n > 0) {}
            },
            "/: timed out waiting for the end of the body",
        ),
        (
            "too short",
            |stream| say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
            "/: body ended after 5 of 9 bytes",
        ),
        (
            "no HTTP",
            |stream| say(stream, b"SSH-2.0-x\r\n"),
            "/: not an HTTP response: `SSH-2.0-x`",
        ),
        (
            "redirect",
            |stream| {
                say(
                    stream,
                    b"HTTP/1.1 301 Moved\r\nLocation: https://x.org/\r\n\r\n",
                )
            },
            "/: status 301 (redirect to https://x.org/), expected 200-299",
        ),
    ];
    let begun = Instant::now();
    thread::scope(|scope| {
        for (name, serve, want) in cases {
            scope.spawn(move || {
                let got = get(hostile(*serve), http(false, "/", None));
                assert_eq!(got, Err((*want).to_owned()), "{name}");
            });
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_endless_page_is_enough_unless_its_digest_is_wanted() {
    let at = hostile(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 9999]).is_ok() {}
    });
    assert_eq!(get(at, http(false, "/", None)), Ok(()));
    let end = get(at, http(false, "/", Some(HELLO)));
    assert!(end.is_err(), "{end:?}");
}

// ---- genhash ----

#[test]
fn genhash_prints_what_digest_wants() {
    let at = hostile(|stream| say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
    let line = format!("-s 127.0.0.1 -p {} -u /", at.port());
    let plain = genhash(&line);
    assert_eq!(printed(&plain), format!("{HELLO}\n"));
    assert!(plain.status.success());
    let talkative = genhash(&format!("-v -t 3 -P 1.1 -V z.org {line}"));
    assert_eq!(
        printed(&talkative),
        format!("status 200, 5 bytes\n{HELLO}\n")
    );
    assert_eq!(get(at, http(false, "/", Some(HELLO))), Ok(()));
}

#[test]
fn genhash_says_what_went_wrong() {
    let silent = hostile(|stream| say(stream, b""));
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
        assert_eq!(printed(&output), want);
        assert!(!output.status.success());
    }
    assert!(printed(&genhash("-h")).contains("--use-virtualhost"));
}

// ---- servers of Debian ----

/// A server in the background, stopped at the end.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn has(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status();
    let has = found.is_ok_and(|status| status.success());
    if !has {
        println!("SKIP pages: no {program} here");
    }
    has
}

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("pages-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that is free now. Somebody else may take it; who gets it says so.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn start(program: &str, args: &[&str], at: SocketAddr, scratch: &Scratch) -> Server {
    let child = Command::new(program)
        .args(args)
        .current_dir(&scratch.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let server = Server(child);
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(at).is_err() {
        assert!(Instant::now() < until, "{program} does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    server
}

#[test]
fn busybox_serves_a_page() {
    if !has("busybox") {
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
    assert_eq!(printed(&genhash(&line)), format!("{HELLO}\n"));
}

#[cfg(feature = "regex")]
#[test]
fn pages_are_searched_whatever_their_pieces() {
    use vrrpd::config::model::lvs::Pattern;
    let at = hostile(|mut stream| {
        let mut request = [0; 500];
        let _ = stream.read(&mut request);
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for piece in [head, "7\r\n{\"statu\r\n", "9\r\ns\": \"UP\"}\r\n0\r\n\r\n"] {
            let _ = stream.write_all(piece.as_bytes());
            thread::sleep(Duration::from_millis(20));
        }
    });
    let wrong = |why: &str| Err(format!("/: body {why}"));
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
            printed(&output)
        );
    }

    /// A certificate that signs itself, for this name.
    fn certificate(scratch: &Scratch, name: &str, key: &str) {
        openssl(
            scratch,
            &format!(
                "req -x509 -newkey {key} -nodes -days 2 -keyout {name}.key -out {name}.crt \
                 -subj /CN={name} -addext subjectAltName=DNS:{name}"
            ),
        );
    }

    /// A certificate signed by that of `ca`.
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

    fn serve(scratch: &Scratch, more: &str) -> (Server, SocketAddr) {
        let at = free_port();
        let line = format!("s_server -quiet -WWW -accept {at} {more}");
        let args: Vec<&str> = line.split_whitespace().collect();
        (start("openssl", &args, at, scratch), at)
    }

    fn ask(at: SocketAddr, ssl: &Ssl, conf: Http) -> Result<(), String> {
        check(&CheckKind::Http(target(at), Box::new(conf)), ssl)
    }

    /// A page of several records.
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
    fn pages_come_through_tls_1_2_and_1_3_whatever_the_certificate() {
        if !has("openssl") {
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
            assert_eq!(printed(&genhash(&line)), format!("{digest}\n"), "{name}");
        }
    }

    #[test]
    fn with_ca_a_server_has_to_prove_who_it_is() {
        if !has("openssl") {
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
                let why = ask(at, ssl, named(name)).expect_err(name);
                assert!(why.starts_with("/page: ") && why.contains(want), "{why}");
            }
        }
    }

    #[test]
    fn our_own_certificate_is_shown_to_who_asks() {
        if !has("openssl") {
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
            let nobody = ask(at, &Ssl::default(), http(true, "/page", None));
            assert!(nobody.is_err(), "{key}");
            println!("{nobody:?}");
        }
    }

    #[test]
    fn who_does_not_speak_tls_is_told_apart() {
        for (serve, want) in [
            (
                (|stream| say(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")) as fn(TcpStream),
                "/: not a TLS server",
            ),
            (
                |stream| say(stream, b""),
                "/: connection closed during the TLS handshake",
            ),
            (
                |mut stream| while stream.read(&mut [0; 999]).is_ok_and(|n| n > 0) {},
                "/: timed out during the TLS handshake",
            ),
        ] {
            let end = ask(hostile(serve), &Ssl::default(), http(true, "/", None));
            assert_eq!(end, Err(want.to_owned()));
        }
    }
}
