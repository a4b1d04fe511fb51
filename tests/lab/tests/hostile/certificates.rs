//! Real servers with a certificate of an accepted authority, but for another name.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use vrrpd_lab::peers::{self, Program};
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Lab, Node, wait_until};

use crate::support::SOON;
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("certificate_for_another_name_fails_the_check", other_name)
        .keepalived_fails("it verifies no name"),
    Test::new("name_that_cannot_be_verified_is_an_error", invalid_name)
        .keepalived_fails("it verifies no name"),
];

/// A self-signed certificate of `name`; returns the paths of the key and the certificate.
fn certificate(node: &Node, name: &str) -> (String, String) {
    let id = node.id();
    let (key, certificate) = (
        format!("{DIR}/name-key-{id}"),
        format!("{DIR}/name-crt-{id}"),
    );
    let line = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN={name} \
         -addext subjectAltName=DNS:{name} -keyout {key} -out {certificate}"
    );
    let made = node.output(Command::new("openssl").args(line.split_whitespace()));
    let why = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{why}");
    (key, certificate)
}

/// Two real servers, 10.0.0.2 and 10.0.0.3, checked with these names. The second one counts as down
/// until its check has passed.
fn conf(ca: &str, names: [&str; 2]) -> String {
    let server = |last: u8, alpha: &str, name: &str| {
        format!(
            "real_server 10.0.0.{last} 8443 {{
        SSL_GET {{
            enable_sni
            {alpha}
            retry 0
            url {{
                path /
                virtualhost {name}
                status_code 200
            }}
        }}
    }}"
        )
    };
    let (first, second) = (
        server(2, "alpha off", names[0]),
        server(3, "alpha", names[1]),
    );
    format!(
        "SSL {{
    ca {ca}
}}
virtual_server 10.9.9.9 8443 {{
    delay_loop 0.2
    warmup 0
    protocol TCP
    lb_algo rr
    lb_kind NAT
    {first}
    {second}
}}
"
    )
}

/// Behind both addresses is a server with the certificate of `other.example.org`, which is trusted.
fn other_name(ctx: &Ctx) -> Outcome {
    if peers::find("openssl").is_none() {
        return Outcome::Skipped("there is no openssl".into());
    }
    let lab = Lab::new();
    let director = lab.node("r1", &["10.0.0.1/24"]);
    let server = lab.node("s1", &["10.0.0.2/24", "10.0.0.3/24"]);
    let (key, crt) = certificate(&server, "other.example.org");
    let line = format!("openssl s_server -quiet -www -accept 8443 -key {key} -cert {crt}");
    let _server = Program::start(&server, &line);
    wait_until(SOON, "it serves", || {
        server.inside(|| TcpStream::connect("10.0.0.2:8443").is_ok())
    });
    let text = conf(&crt, ["www.example.org:8443", "other.example.org:8443"]);
    let run = ctx.daemon.start_text(&director, &text, &[]);
    wait_until(SOON, "the server with the right name is up", || {
        run.log().contains("Adding service [10.0.0.3]:tcp:8443")
    });
    let failed = "HTTP_CHECK on service [10.0.0.2]:tcp:8443 failed. VS [10.9.9.9]:tcp:8443: /: invalid peer \
                  certificate: certificate not valid for name";
    wait_until(SOON, "the check of the other name fails", || {
        run.log().contains(failed)
    });
    let log = run.log();
    assert!(!log.contains("Adding service [10.0.0.2]"), "{log}");
    Outcome::Passed
}

fn invalid_name(ctx: &Ctx) -> Outcome {
    if peers::find("openssl").is_none() {
        return Outcome::Skipped("there is no openssl".into());
    }
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let (_, crt) = certificate(&node, "www.example.org");
    let path = format!("{DIR}/names-{}.conf", node.id());
    fs::write(
        &path,
        conf(&crt, ["www.example.org:https", "www.example.org"]),
    )
    .expect("a file");
    let test = node.output(Command::new(ctx.daemon.path()).args(["-t", "-f", &path]));
    let text = String::from_utf8_lossy(&test.stderr);
    assert_eq!(test.status.code(), Some(5), "{text}");
    assert!(
        text.contains("cannot be verified for `www.example.org:https`"),
        "{text}"
    );
    Outcome::Passed
}
