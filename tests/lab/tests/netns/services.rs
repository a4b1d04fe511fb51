//! Widely used servers: msmtpd for mails and `SMTP_CHECK`, dnsmasq for `DNS_CHECK`, OpenSSL for
//! `SSL_GET`. Each check must detect that its server is up, dies, and returns.

use std::fs;
use std::process::Command;

use vrrpd_lab::peers::{self, Program};
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Conf, Inst, Lab, Node, Running, wait_until};

use crate::support::SOON;
use crate::{Ctx, Outcome, Test};

/// Its log differs, and it exits without IPVS.
const WORDS: &str = "does not check without IPVS";

pub(crate) const TESTS: &[Test] = &[
    Test::new("mail_is_delivered_to_msmtpd", mail),
    Test::new("check_smtp_against_msmtpd", smtp).keepalived_fails(WORDS),
    Test::new("check_dns_against_dnsmasq", dns).keepalived_fails(WORDS),
    Test::new("check_ssl_against_openssl", ssl).keepalived_fails(WORDS),
];

fn is_there(program: &str) -> bool {
    peers::find(program).is_some()
}

fn missing(program: &str) -> Outcome {
    Outcome::Skipped(format!("there is no {program}"))
}

fn mail(ctx: &Ctx) -> Outcome {
    if !is_there("msmtpd") {
        return missing("msmtpd");
    }
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mails = format!("{DIR}/mails-{}", a.id());
    let script = format!("{DIR}/take-{}", a.id());
    fs::write(
        &script,
        format!("#!/bin/sh\nprintf '%s ' \"$@\" >>{mails}\ncat >>{mails}\n"),
    )
    .expect("a script");
    let mut server = Command::new("msmtpd");
    server.args(["--port=2525", &format!("--command=sh {script} %F")]);
    let _server = Program::of(&a, &mut server);
    let conf = Conf::of(&[Inst::new(51, 100, "10.0.0.100/24").line("smtp_alert")])
        .global("notification_email {\n a@example.org\n b@example.org\n }")
        .global("notification_email_from vrrp@example.org")
        .global("smtp_server 127.0.0.1 2525");
    let run = ctx.daemon.start(&a, &conf);
    let text = || fs::read_to_string(&mails).unwrap_or_default();
    wait_until(SOON, "the mail", || {
        text().contains("Entering MASTER state") && text().contains("owning VRRP VIPs")
    });
    let text = text();
    assert!(text.contains("vrrp@example.org"), "{text}");
    assert!(
        text.contains("a@example.org") && text.contains("b@example.org"),
        "{text}"
    );
    drop(run);
    Outcome::Passed
}

// ---- checks ----

struct Bench {
    run: Running,
    server: Node,
    _lab: Lab,
}

/// A director with this check of one server.
fn bench(ctx: &Ctx, check: &str) -> Bench {
    let lab = Lab::new();
    let director = lab.node("r1", &["10.0.0.1/24"]);
    let server = lab.node("s1", &["10.0.0.2/24"]);
    let text = format!(
        "virtual_server 10.9.9.9 80 {{
    delay_loop 0.2
    protocol TCP
    lb_algo rr
    lb_kind NAT
    real_server 10.0.0.2 80 {{
        weight 1
        warmup 0
        connect_timeout 1
        {check}
    }}
}}
"
    );
    let run = ctx.daemon.start_text(&director, &text, &[]);
    Bench {
        run,
        server,
        _lab: lab,
    }
}

impl Bench {
    /// The server is absent, then present, then absent again: the check detects each change.
    fn comes_and_goes(&self, line: &str) {
        let count = |words: &str| self.run.log().matches(words).count();
        let (up, down) = (
            "Adding service [10.0.0.2]:tcp:80",
            "Removing service [10.0.0.2]:tcp:80",
        );
        wait_until(SOON, "the server is down", || count(down) == 1);
        let before = count(up);
        for nth in 1..=2 {
            let server = Program::start(&self.server, line);
            wait_until(SOON, "it serves", || count(up) == before + nth);
            drop(server);
            wait_until(SOON, "it is gone", || count(down) == 1 + nth);
        }
    }
}

fn smtp(ctx: &Ctx) -> Outcome {
    if !is_there("msmtpd") {
        return missing("msmtpd");
    }
    let bench = bench(
        ctx,
        "SMTP_CHECK {\n retry 0\n connect_port 2525\n helo_name lab.example.org\n }",
    );
    bench.comes_and_goes("msmtpd --interface=10.0.0.2 --port=2525");
    Outcome::Passed
}

fn dns(ctx: &Ctx) -> Outcome {
    if !is_there("dnsmasq") {
        return missing("dnsmasq");
    }
    let bench = bench(
        ctx,
        "DNS_CHECK {\n retry 0\n connect_port 53\n type A\n name www.lab\n }",
    );
    bench.comes_and_goes(
        "dnsmasq -k -C /dev/null -R -h -u root -g root --pid-file= --address=/www.lab/192.0.2.1 \
         --listen-address=10.0.0.2 --bind-interfaces",
    );
    Outcome::Passed
}

fn ssl(ctx: &Ctx) -> Outcome {
    if !is_there("openssl") {
        return missing("openssl");
    }
    let bench = bench(
        ctx,
        "SSL_GET {\n retry 0\n connect_port 443\n url {\n path /\n status_code 200\n }\n }",
    );
    let id = bench.server.id();
    let (key, certificate) = (format!("{DIR}/key-{id}"), format!("{DIR}/certificate-{id}"));
    let request = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=lab \
         -keyout {key} -out {certificate}"
    );
    let made = bench
        .server
        .output(Command::new("openssl").args(request.split_whitespace()));
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    bench.comes_and_goes(&format!(
        "openssl s_server -quiet -www -accept 10.0.0.2:443 -key {key} -cert {certificate}"
    ));
    Outcome::Passed
}
