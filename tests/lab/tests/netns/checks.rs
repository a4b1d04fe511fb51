//! Health checks against real servers, without IPVS: what is reported on the FIFO.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use vrrpd_lab::noise;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Capture, Conf, Inst, Lab, MS, Node, Running, now, process, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP};
use crate::{Ctx, Outcome, Test};

/// Its log differs, and it exits without IPVS.
const WORDS: &str = "does not check without IPVS";

pub(crate) const TESTS: &[Test] = &[
    Test::new("check_tcp_detects_that_a_server_dies_and_returns", dies).keepalived_fails(WORDS),
    Test::new("check_tcp_detects_a_missing_host", nobody).keepalived_fails(WORDS),
    Test::new("check_http_times_out_on_silent_and_slow_servers", silent).keepalived_fails(WORDS),
    Test::new("check_http_matches_the_page", searches).keepalived_fails(WORDS),
    Test::new("check_udp_detects_a_closed_port", udp).keepalived_fails(WORDS),
    Test::new("check_ping_detects_a_removed_address", ping).keepalived_fails(WORDS),
    Test::new("check_misc_follows_its_script", misc).keepalived_fails(WORDS),
    Test::new("check_uses_bind_address_and_fwmark", from).keepalived_fails(WORDS),
    Test::new("check_reaches_a_link_local_address", link_local).keepalived_fails(WORDS),
    Test::new("check_file_follows_its_file", file).keepalived_fails(WORDS),
    Test::new("check_of_an_endless_answer_delays_no_advert", flood).keepalived_fails(WORDS),
    Test::new("check_of_a_thousand_servers_delays_no_advert", thousand)
        .keepalived_fails(WORDS)
        .exclusive("a thousand checks load both processors"),
    Test::new(
        "check_of_thousands_of_silent_servers_times_out_together",
        silence,
    )
    .keepalived_fails(WORDS)
    .exclusive("thousands of checks load both processors"),
    Test::new("check_state_survives_a_reload", reload).keepalived_fails(WORDS),
];

const SERVER: &str = "10.0.0.2";

/// A path that no other test uses.
fn path(name: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(1);
    let n = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{DIR}/{name}.{n}")
}

/// A virtual server with one real server and these checks every 200 ms.
fn conf(checks: &str) -> String {
    format!(
        "global_defs {{
    script_user root
}}
virtual_server 10.9.9.9 80 {{
    delay_loop 0.2
    protocol TCP
    lb_algo rr
    lb_kind NAT
    real_server {SERVER} 8080 {{
        weight 1
        warmup 0
        retry 1
        delay_before_retry 0.1
        connect_timeout 0.5
        {checks}
    }}
}}
"
    )
}

struct Bench {
    director: Node,
    server: Node,
    run: Running,
    // Last, so that it is dropped after what runs in it.
    _lab: Lab,
}

fn bench(ctx: &Ctx, checks: &str) -> Bench {
    let lab = Lab::new();
    let director = lab.node("r1", &["10.0.0.1/24", "10.0.0.11/24", "fd00::1/64"]);
    let server = lab.node("s1", &["10.0.0.2/24", "fd00::2/64"]);
    let run = ctx.daemon.start_text(&director, &conf(checks), &[]);
    Bench {
        director,
        server,
        run,
        _lab: lab,
    }
}

impl Bench {
    /// Waits for a line at or after position `since`; returns the position after it.
    #[track_caller]
    fn says(&self, since: usize, words: &str) -> usize {
        wait_until(SOON, words, || {
            self.run
                .log()
                .get(since..)
                .is_some_and(|log| log.contains(words))
        });
        self.run.log().len()
    }

    fn listen(&self) -> TcpListener {
        let at = (Ipv4Addr::UNSPECIFIED, 8080);
        self.server
            .inside(|| TcpListener::bind(at).expect("a free port"))
    }
}

/// Answers every client in this way until it is stopped.
struct Server {
    end: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
}

impl Server {
    fn start(listener: TcpListener, serve: fn(TcpStream)) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let served = Arc::new(AtomicUsize::new(0));
        let server = Server {
            end: Arc::clone(&end),
            served: Arc::clone(&served),
        };
        listener.set_nonblocking(true).expect("nonblocking");
        thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((client, _)) => {
                        served.fetch_add(1, Ordering::Relaxed);
                        client.set_nonblocking(false).expect("blocking");
                        thread::spawn(move || serve(client));
                    }
                    Err(_) => sleep_ms(5),
                }
            }
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        sleep_ms(20);
    }
}

fn request(client: &mut TcpStream) {
    let _ = client.read(&mut [0; 1024]);
}

const HEAD: &[u8] = b"HTTP/1.0 200 OK\r\n\r\n";

fn dies(ctx: &Ctx) -> Outcome {
    let bench = bench(ctx, "TCP_CHECK {\n            log_all_failures\n        }");
    // No server has listened so far.
    let at = bench.says(
        0,
        "TCP_CHECK on service [10.0.0.2]:tcp:8080 failed. VS [10.9.9.9]:tcp:80: connection refused",
    );
    bench.says(0, "Removing service [10.0.0.2]:tcp:8080");
    let listener = bench.listen();
    let at = bench.says(
        at,
        "TCP connection to [10.0.0.2]:tcp:8080 success. VS [10.9.9.9]:tcp:80",
    );
    drop(listener);
    // A failure that is tried again does not read like the last one.
    let at = bench.says(
        at,
        "TCP connection to [10.0.0.2]:tcp:8080 failed. VS [10.9.9.9]:tcp:80: connection refused; retry 1 of 1",
    );
    bench.says(
        at,
        "failed after 1 retries. VS [10.9.9.9]:tcp:80: connection refused",
    );
    Outcome::Passed
}

fn nobody(ctx: &Ctx) -> Outcome {
    let bench = bench(
        ctx,
        "TCP_CHECK {\n            connect_ip 10.0.0.77\n        }",
    );
    // The real server is named, as in keepalived's lines, and then what is checked.
    bench.says(
        0,
        "TCP_CHECK on service [10.0.0.2]:tcp:8080 failed. VS [10.9.9.9]:tcp:80 (10.0.0.77:8080): ",
    );
    assert!(
        bench.run.log().contains("no answer within 500 ms")
            || bench.run.log().contains("no route to host")
    );
    Outcome::Passed
}

fn silent(ctx: &Ctx) -> Outcome {
    let page = "HTTP_GET {\n            connect_timeout 0.3\n            retry 0\n            url {\n                path /\n            }\n        }";
    let bench = bench(ctx, page);
    let at = bench.says(0, "HTTP_CHECK on service");
    let listener = bench.listen();
    // The kernel accepts, no program answers.
    sleep_ms(500);
    assert!(!bench.run.log()[at..].contains("success"));
    let server = Server::start(listener.try_clone().expect("a copy"), |mut client| {
        request(&mut client);
        let _ = client.write_all(HEAD);
        let _ = client.write_all(b"hello");
    });
    let at = bench.says(at, "succeed on service.");
    drop(server);
    // One byte at a time: each within the timeout, the whole page beyond it.
    let server = Server::start(listener, |mut client| {
        request(&mut client);
        let _ = client.write_all(HEAD);
        while client.write_all(b"x").is_ok() {
            sleep_ms(100);
        }
    });
    bench.says(at, "connection exceeded its time limit");
    drop(server);
    Outcome::Passed
}

fn searches(ctx: &Ctx) -> Outcome {
    let page = "HTTP_GET {
            retry 0
            url {
                path /
                regex \"{\\\"state\\\": *\\\"(up|standby)\\\"}$\"
                regex_options caseless
            }
        }";
    let bench = bench(ctx, page);
    let at = bench.says(0, "HTTP_CHECK on service");
    let listener = bench.listen();
    let server = Server::start(listener.try_clone().expect("a copy"), |mut client| {
        request(&mut client);
        let _ = client.write_all(HEAD);
        let _ = client.write_all(b"{\"state\": \"down\"}\n");
    });
    wait_until(SOON, "it is asked", || {
        server.served.load(Ordering::Relaxed) > 2
    });
    assert!(!bench.run.log()[at..].contains("success"));
    drop(server);
    let server = Server::start(listener.try_clone().expect("a copy"), |mut client| {
        request(&mut client);
        let _ = client.write_all(HEAD);
        let _ = client.write_all(b"{\"state\":\"UP\"}\n");
    });
    let at = bench.says(at, "succeed on service.");
    drop(server);
    let server = Server::start(listener, |mut client| {
        request(&mut client);
        let _ = client.write_all(HEAD);
        let _ = client.write_all(b"{\"state\":\"UP\"} not at the end\n");
    });
    bench.says(at, "body does not match");
    drop(server);
    Outcome::Passed
}

fn udp(ctx: &Ctx) -> Outcome {
    let bench = bench(
        ctx,
        "UDP_CHECK {\n            payload 6869\n            require_reply\n        }",
    );
    let at = bench.says(
        0,
        "UDP_CHECK on service [10.0.0.2]:tcp:8080 failed. VS [10.9.9.9]:tcp:80: connection refused",
    );
    let socket = bench
        .server
        .inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 8080)).expect("a free port"));
    socket
        .set_read_timeout(Some(Duration::from_secs(3)))
        .expect("a time");
    let mut bytes = [0; 9];
    let (len, client) = socket.recv_from(&mut bytes).expect("a question");
    assert_eq!(&bytes[..len], b"hi");
    // Late, but the next one is answered in time.
    let _ = socket.send_to(b"!", client);
    let echo = thread::spawn(move || {
        for _ in 0..5 {
            let (_, client) = socket.recv_from(&mut [0; 9]).expect("a question");
            socket.send_to(b"!", client).expect("sent");
        }
        // And then no answer at all.
        socket
    });
    let at = bench.says(
        at,
        "UDP connection to [10.0.0.2]:tcp:8080 success. VS [10.9.9.9]:tcp:80",
    );
    let socket = echo.join().expect("five answers");
    bench.says(
        at,
        "failed after 1 retries. VS [10.9.9.9]:tcp:80: no answer within 500 ms",
    );
    drop(socket);
    Outcome::Passed
}

fn ping(ctx: &Ctx) -> Outcome {
    for (group, connect) in [("1 0", ""), ("0 0", ""), ("1 0", "connect_ip fd00::2")] {
        let lab = Lab::new();
        let director = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
        let server = lab.node("s1", &["10.0.0.2/24", "fd00::2/64"]);
        // No ping socket for this group: a raw socket is used.
        director.sysctl("net.ipv4.ping_group_range", group);
        let text = conf(&format!(
            "PING_CHECK {{\n            connect_timeout 0.2\n            {connect}\n        }}"
        ));
        let run = ctx.daemon.start_text(&director, &text, &[]);
        let bench = Bench {
            director,
            server,
            run,
            _lab: lab,
        };
        sleep_ms(500);
        assert!(!bench.run.log().contains("fail"), "{}", bench.run.log());
        let addr = if connect.is_empty() {
            "10.0.0.2/24"
        } else {
            "fd00::2/64"
        };
        bench.server.addr_del(addr);
        let failed = "ICMP CHECK on service [10.0.0.2]:tcp:8080 of [10.9.9.9]:tcp:80 failed after 1 retries.";
        let at = bench.says(0, failed);
        bench.server.addr_add(addr);
        bench.says(at, "ICMP connection to [10.0.0.2]:tcp:8080 success.");
        assert!(bench.director.has("10.0.0.1/24"));
    }
    Outcome::Passed
}

fn misc(ctx: &Ctx) -> Outcome {
    let (program, mode) = (path("check"), path("mode"));
    fs::write(
        &program,
        format!("#!/bin/sh\ncase $(cat {mode}) in hang) sleep 30;; *) exit $(cat {mode});; esac\n"),
    )
    .expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::write(&mode, "0").expect("written");
    let block = format!(
        "MISC_CHECK {{\n            misc_path {program}\n            misc_timeout 1\n            misc_dynamic\n        }}"
    );
    let bench = bench(ctx, &block);
    sleep_ms(300);
    assert!(!bench.run.log().contains("failed"), "{}", bench.run.log());
    let at = bench.run.log().len();
    fs::write(&mode, "1").expect("written");
    let at = bench.says(
        at,
        &format!(
            "by [{program}] failed after 1 retries. VS [10.9.9.9]:tcp:80: exited with status 1"
        ),
    );
    fs::write(&mode, "7").expect("written");
    let at = bench.says(at, &format!("by [{program}] succeeded."));
    fs::write(&mode, "hang").expect("written");
    bench.says(at, "timed out after 1000 ms");
    Outcome::Passed
}

fn from(ctx: &Ctx) -> Outcome {
    let bench = bench(
        ctx,
        "TCP_CHECK {\n            bindto 10.0.0.11\n            bind_if eth0\n            fwmark 7\n        }",
    );
    let listener = bench.listen();
    let (_, client) = listener.accept().expect("a check");
    let SocketAddr::V4(client) = client else {
        panic!("{client}");
    };
    assert_eq!(*client.ip(), Ipv4Addr::new(10, 0, 0, 11));
    let at = bench.run.log().len();
    // A source address missing on this host is no failure of the server.
    bench.director.addr_del("10.0.0.11/24");
    let log = "cannot run: cannot assign requested address";
    bench.says(at, log);
    assert!(!bench.run.log()[at..].contains("failed"));
    Outcome::Passed
}

fn link_local(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let director = lab.node("r1", &["10.0.0.1/24"]);
    let server = lab.node("s1", &["10.0.0.2/24"]);
    let listener = server.inside(|| TcpListener::bind("[::]:8080").expect("a free port"));
    let local = |node: &Node| {
        node.addrs()
            .into_iter()
            .find(|addr| addr.starts_with("fe80"))
    };
    wait_until(SOON, "link-local addresses", || {
        local(&server).is_some() && local(&director).is_some()
    });
    let addr = local(&server).expect("just seen");
    let addr = addr.split('/').next().expect("an address");
    let block = format!("connect_ip {addr}\n            bind_if eth0\n        }}");
    let text = conf(&format!(
        "TCP_CHECK {{\n            {block}\n        PING_CHECK {{\n            {block}"
    ));
    let run = ctx.daemon.start_text(&director, &text, &[]);
    let (_, client) = listener.accept().expect("a check");
    assert!(client.to_string().starts_with("[fe80"), "{client}");
    sleep_ms(300);
    assert!(!run.log().contains("fail"), "{}", run.log());
    Outcome::Passed
}

fn file(ctx: &Ctx) -> Outcome {
    let file = path("number");
    fs::write(&file, "0").expect("written");
    let text = conf("FILE_CHECK {\n            track_file f\n            weight 0\n        }");
    let text = format!("track_file f {{\n    file {file}\n    weight 0\n}}\n{text}");
    let lab = Lab::new();
    let director = lab.node("r1", &["10.0.0.1/24"]);
    let run = ctx.daemon.start_text(&director, &text, &[]);
    let bench = Bench {
        server: lab.node("s1", &[]),
        director,
        run,
        _lab: lab,
    };
    fs::write(&file, "1").expect("written");
    let at = bench.says(
        0,
        "FILE_CHECK for service [10.0.0.2]:tcp:8080 failed. VS [10.9.9.9]:tcp:80: the file contains 1",
    );
    fs::write(&file, "0").expect("written");
    bench.says(at, "success.");
    Outcome::Passed
}

/// Servers that send as fast as they can must not make the master late.
fn flood(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let director = lab.node("r1", &["10.0.0.1/24"]);
    let server = lab.node("s1", &["10.0.0.2/24"]);
    let listener =
        server.inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).expect("free"));
    let flood = Server::start(listener, |mut client| {
        request(&mut client);
        let _ = client.write_all(HEAD);
        let bytes = vec![b'x'; 65_536];
        while client.write_all(&bytes).is_ok() {}
    });
    let digest = "0123456789abcdef0123456789abcdef";
    let pages: String = (0..4)
        .map(|nth| {
            format!("HTTP_GET {{\n            connect_timeout {}\n            url {{\n                path /\n                digest {digest}\n            }}\n        }}\n        ", 2 + nth)
        })
        .collect();
    let router = Conf::of(&[Inst::new(51, 255, "10.0.0.100/24")]).text();
    let cap = Capture::start(&lab);
    let text = format!(
        "{router}\n{}",
        conf(&pages)
            .split_once("virtual_server")
            .map_or(String::new(), |(_, rest)| format!("virtual_server{rest}"))
    );
    let run = ctx.daemon.start_text(&director, &text, &[]);
    wait_until(SOON, "master", || director.has(VIP));
    wait_until(SOON, "checks", || flood.served.load(Ordering::Relaxed) > 0);
    let since = now();
    sleep_ms(2_000);
    let times: Vec<_> = cap
        .adverts(&director, 0, since)
        .iter()
        .map(|one| one.0)
        .collect();
    let worst = times
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap_or(0);
    assert!(times.len() >= 18, "{} adverts", times.len());
    assert!(
        worst < INTERVAL + 60 * MS + noise::since(since),
        "{} ms between two adverts",
        worst / MS
    );
    drop(run);
    Outcome::Passed
}

/// Most servers exist, some do not; each is checked every second.
fn thousand(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let director = lab.node("r1", &["10.0.0.1/16"]);
    let server = lab.node("s1", &["10.0.0.2/16"]);
    let listener =
        server.inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).expect("free"));
    let serving = Server::start(listener, drop);
    let mut text = Conf::of(&[Inst::new(51, 255, "10.0.0.100/16")]).text();
    text.push_str("virtual_server 10.9.9.9 80 {\n    delay_loop 1\n    protocol TCP\n    lb_algo rr\n    lb_kind NAT\n");
    for nth in 0..1_000 {
        // One in fifty has no listener.
        let port = if nth % 50 == 0 { 9 } else { 8080 };
        let (high, low) = (nth / 250, nth % 250 + 1);
        text.push_str(&format!(
            "    real_server 10.1.{high}.{low} 80 {{\n        TCP_CHECK {{\n            connect_ip {SERVER}\n            connect_port {port}\n            connect_timeout 1\n        }}\n    }}\n"
        ));
    }
    text.push_str("}\n");
    let cap = Capture::start(&lab);
    let run = ctx.daemon.start_text(&director, &text, &[]);
    wait_until(SOON, "master", || director.has(VIP));
    let down = || run.log().matches("Removing service").count();
    wait_until(SOON, "all have been asked", || down() == 20);
    let (since, served) = (now(), serving.served.load(Ordering::Relaxed));
    sleep_ms(2_000);
    let served = serving.served.load(Ordering::Relaxed) - served;
    assert!((1_800..=2_100).contains(&served), "{served} checks in 2 s");
    let times: Vec<_> = cap
        .adverts(&director, 0, since)
        .iter()
        .map(|one| one.0)
        .collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    let worst = gaps.max().unwrap_or(0);
    assert!(
        worst < INTERVAL + 60 * MS + noise::since(since),
        "{} ms between two adverts",
        worst / MS
    );
    assert_eq!(down(), 20, "the others are well");
    let descriptors = process::descriptors(&run.pids());
    assert!(descriptors < 160, "{descriptors} descriptors");
    assert!(run.log_len() < 64 << 10, "{} bytes of log", run.log_len());
    Outcome::Passed
}

fn silence(ctx: &Ctx) -> Outcome {
    const COUNT: usize = 2_000;
    let lab = Lab::new();
    let director = lab.node("r1", &["10.0.0.1/16"]);
    let server = lab.node("s1", &["10.0.0.2/16"]);
    let listener =
        server.inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).expect("free"));
    let serving = Server::start(listener, drop);
    let mut text = Conf::of(&[Inst::new(51, 255, "10.0.0.100/16")]).text();
    for nth in 0..COUNT {
        let (service, server) = (nth / 100, nth % 100 + 1);
        if server == 1 {
            let close = if nth == 0 { "" } else { "}\n" };
            text.push_str(&format!("{close}virtual_server 10.9.9.{service} 80 {{\n    delay_loop 2\n    protocol TCP\n    lb_algo rr\n    lb_kind NAT\n"));
        }
        text.push_str(&format!(
            "    real_server 10.1.{service}.{server} 80 {{\n        TCP_CHECK {{\n            connect_ip {SERVER}\n            connect_port 8080\n            connect_timeout 1\n            retry 0\n        }}\n    }}\n"
        ));
    }
    text.push_str("}\n");
    let cap = Capture::start(&lab);
    // The soft limit of most distributions is too low for all checks; the daemon raises it.
    let run = ctx.daemon.start_text(
        &director,
        &text,
        &["sh", "-c", "ulimit -Sn 1024; exec \"$0\" \"$@\""],
    );
    wait_until(SOON, "master", || director.has(VIP));
    let served = || serving.served.load(Ordering::Relaxed);
    wait_until(SOON, "all have been asked", || served() >= 2 * COUNT);
    let drop_all = "add table ip m\nadd chain ip m c { type filter hook prerouting priority -300; }\n\
                    add rule ip m c tcp dport 8080 drop";
    let out = server.output(Command::new("nft").arg(drop_all));
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let since = now();
    let down = || run.log().matches("Removing service").count();
    let mut most = 0;
    wait_until(SOON, "all are out", || {
        sleep_ms(50);
        most = most.max(process::descriptors(&run.pids()));
        down() == COUNT
    });
    let took = (now() - since) / MS;
    // The interval and the connect timeout.
    let limit = 3_000 + 700 + noise::since(since) / MS;
    assert!(took < limit, "{took} ms, with {most} descriptors");
    let adverts = cap.adverts(&director, 0, since);
    let gaps = adverts.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let worst = gaps.max().unwrap_or(0);
    assert!(
        worst < INTERVAL + 60 * MS + noise::since(since),
        "{} ms between two adverts",
        worst / MS
    );
    println!(
        "    {took} ms, {most} descriptors, {} ms between adverts at most",
        worst / MS
    );
    Outcome::Passed
}

fn reload(ctx: &Ctx) -> Outcome {
    let bench = bench(ctx, "TCP_CHECK {\n        }");
    let at = bench.says(0, "TCP_CHECK on service");
    // The same check with a shorter interval: the server is still down, and one success brings it
    // up.
    let text = conf("TCP_CHECK {\n        }").replace("delay_loop 0.2", "delay_loop 0.1");
    bench.run.reload(&text);
    let at = bench.says(at, "eload");
    sleep_ms(300);
    assert!(
        !bench.run.log()[at..].contains("TCP"),
        "{}",
        bench.run.log()
    );
    let _listener = bench.listen();
    bench.says(at, "TCP connection to");
    Outcome::Passed
}
