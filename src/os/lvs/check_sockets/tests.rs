use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use super::*;

fn target(remote: SocketAddr) -> Target {
    Target {
        remote,
        bind_addr: None,
        bind_port: 0,
        bind_interface: None,
        fwmark: 0,
        connect_timeout: Duration::from_secs(5),
    }
}

/// All events of one iteration of the loop.
fn poll(checks: &mut CheckSockets, buffer: &mut [u8]) -> Vec<(usize, Event)> {
    let mut polled = checks.entries().to_vec();
    sys::ppoll(&mut polled, Some(Duration::from_secs(2))).expect("polled");
    checks.polled(&polled);
    std::iter::from_fn(|| checks.next(buffer)).collect()
}

fn one(checks: &mut CheckSockets, buffer: &mut [u8]) -> Event {
    let events = poll(checks, buffer);
    assert_eq!(events.len(), 1, "{events:?}");
    events[0].1
}

#[test]
fn a_connection_is_opened_used_and_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let to = target(listener.local_addr().expect("bound"));
    let (mut checks, mut buffer) = (CheckSockets::default(), vec![0; 65_536]);
    checks
        .open(7, ProbeTransport::Tcp, &to)
        .expect("connecting");
    assert_eq!(poll(&mut checks, &mut buffer), [(7, Event::Connected)]);
    checks.send(7, b"hello").expect("sent");
    let (mut server, _) = listener.accept().expect("a client");
    let mut five = [0; 5];
    server.read_exact(&mut five).expect("five bytes");
    assert_eq!(&five, b"hello");
    server.write_all(b"world!").expect("written");
    assert_eq!(one(&mut checks, &mut buffer), Event::Received(6));
    assert_eq!(&buffer[..6], b"world!");
    drop(server);
    assert_eq!(one(&mut checks, &mut buffer), Event::Closed);
    assert_eq!(checks.entries()[0].fd, -1, "not polled any longer");
    checks.close(7);
    checks.close(7);
    assert!(checks.sockets.is_empty() && checks.entries().is_empty());
}

#[test]
fn the_end_of_a_connection_acknowledges_that_it_was_established() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.set_nonblocking(true).expect("a socket");
    let to = target(listener.local_addr().expect("bound"));
    let (mut checks, mut buffer) = (CheckSockets::default(), vec![0; 65_536]);
    let mut accepted_late = false;
    // The kernel acknowledges after 200 ms: this process may be stopped for so long.
    for _ in 0..20 {
        let opened = checks.open(7, ProbeTransport::TcpConnect, &to);
        opened.expect("connecting");
        assert_eq!(one(&mut checks, &mut buffer), Event::Connected);
        let early = listener.accept();
        accepted_late |= early.is_err();
        checks.close(7);
        let accepted = early.or_else(|_| listener.accept());
        let (mut server, _) = accepted.expect("a client");
        server.set_nonblocking(false).expect("a socket");
        assert_eq!(server.read(&mut buffer).expect("no reset"), 0);
    }
    assert!(accepted_late, "no handshake was complete only at its end");
}

#[test]
fn a_port_without_a_listener_is_reported() {
    let tcp = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        target(listener.local_addr().expect("bound"))
    };
    let udp = {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        target(socket.local_addr().expect("bound"))
    };
    let (mut checks, mut buffer) = (CheckSockets::default(), vec![0; 65_536]);
    match checks.open(1, ProbeTransport::Tcp, &tcp) {
        Ok(()) => assert_eq!(
            one(&mut checks, &mut buffer),
            Event::Failed(libc::ECONNREFUSED)
        ),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
    }
    checks.close(1);
    checks
        .open(2, ProbeTransport::Udp, &udp)
        .expect("connecting");
    assert_eq!(one(&mut checks, &mut buffer), Event::Connected);
    checks.send(2, b"?").expect("sent");
    assert_eq!(
        one(&mut checks, &mut buffer),
        Event::Failed(libc::ECONNREFUSED)
    );
}

#[test]
fn datagrams_are_received_one_by_one_and_whole() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let to = target(server.local_addr().expect("bound"));
    let (mut checks, mut buffer) = (CheckSockets::default(), vec![0; 65_536]);
    checks
        .open(3, ProbeTransport::Udp, &to)
        .expect("connecting");
    assert_eq!(one(&mut checks, &mut buffer), Event::Connected);
    checks.send(3, b"?").expect("sent");
    let (_, client) = server.recv_from(&mut [0; 9]).expect("a datagram");
    for len in [0, 30_000, 2] {
        server.send_to(&vec![1; len], client).expect("sent");
    }
    for len in [0, 30_000, 2] {
        assert_eq!(one(&mut checks, &mut buffer), Event::Received(len));
    }
}

#[test]
fn bytes_the_kernel_has_no_room_for_are_kept_up_to_a_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let to = target(listener.local_addr().expect("bound"));
    let (mut checks, mut buffer) = (CheckSockets::default(), vec![0; 65_536]);
    checks
        .open(4, ProbeTransport::Tcp, &to)
        .expect("connecting");
    assert_eq!(one(&mut checks, &mut buffer), Event::Connected);
    let socket = &checks.sockets[0].socket;
    socket.set_send_buffer_size(4096).expect("small");
    let (mut server, _) = listener.accept().expect("a client");
    let mut sent = 0;
    let error = loop {
        match checks.send(4, &[7; 50_000]) {
            Ok(()) => sent += 50_000,
            Err(error) => break error,
        }
    };
    assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));
    assert_ne!(checks.entries()[0].events & libc::POLLOUT, 0);
    let mut got = 0;
    let mut bytes = vec![0; 65_536];
    while got < sent {
        got += server.read(&mut bytes).expect("bytes");
        if checks.entries()[0].events & libc::POLLOUT != 0 {
            assert!(poll(&mut checks, &mut buffer).is_empty());
        }
    }
    assert_eq!(got, sent);
    assert_eq!(checks.entries()[0].events, libc::POLLIN);
}

#[test]
fn a_flood_on_one_socket_does_not_starve_the_others() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let to = target(listener.local_addr().expect("bound"));
    let (mut checks, mut buffer) = (CheckSockets::default(), vec![0; 65_536]);
    let mut servers = Vec::new();
    for number in 0..3 {
        checks
            .open(number, ProbeTransport::Tcp, &to)
            .expect("connecting");
        assert_eq!(one(&mut checks, &mut buffer), Event::Connected);
        servers.push(listener.accept().expect("a client").0);
    }
    for server in &mut servers {
        server.write_all(&[1; 40_000]).expect("written");
    }
    // The loop has time for one event in each iteration.
    let mut served = Vec::new();
    for nth in 0..6 {
        let mut polled = checks.entries().to_vec();
        assert_eq!(
            polled.is_empty(),
            nth % 3 != 0,
            "polled when all are served"
        );
        sys::ppoll(&mut polled, Some(Duration::from_secs(2))).expect("polled");
        checks.polled(&polled);
        let (number, event) = checks.next(&mut buffer).expect("an event");
        assert_eq!(event, Event::Received(MAX_RECEIVED));
        served.push(number);
        assert!(
            (0..3).any(|number| checks.has_event(number)) || nth % 3 == 2,
            "the others wait"
        );
    }
    served.sort_unstable();
    assert_eq!(served, [0, 0, 1, 1, 2, 2]);
}

#[test]
fn sockets_that_were_opened_together_are_polled_after_a_pause() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let to = target(listener.local_addr().expect("bound"));
    let (mut checks, mut buffer) = (CheckSockets::default(), vec![0; 65_536]);
    let at = Instant::from_millis;
    let open = |checks: &mut CheckSockets, number| {
        let opened = checks.open(number, ProbeTransport::Tcp, &to);
        opened.expect("connecting");
    };
    let limit = |checks: &mut CheckSockets, ms| checks.wait_limit(|| at(ms));
    assert_eq!(limit(&mut checks, 0), None);
    for number in 1..MANY {
        open(&mut checks, number);
    }
    assert_eq!(limit(&mut checks, 0), None, "few");
    assert_eq!(checks.entries().len(), MANY - 1);
    open(&mut checks, MANY);
    assert_eq!(limit(&mut checks, 1), Some(PAUSE));
    assert!(checks.entries().is_empty());
    // A packet of VRRP ends the poll.
    checks.polled(&[]);
    assert!(checks.has_event(1), "events are not known yet");
    assert_eq!(
        limit(&mut checks, 2),
        Some(PAUSE - Duration::from_millis(1))
    );
    assert!(checks.entries().is_empty());
    assert_eq!(limit(&mut checks, 3), None, "the pause is over");
    assert_eq!(checks.entries().len(), MANY);
    let events = poll(&mut checks, &mut buffer);
    assert_eq!(events.len(), MANY, "{events:?}");
    assert!(!checks.has_event(1));
    // They were served, and are still open.
    assert_eq!(limit(&mut checks, 3), Some(PAUSE));
    for number in 1..=MANY {
        checks.close(number);
    }
    assert_eq!(limit(&mut checks, 5), None);
    open(&mut checks, 1);
    assert_eq!(limit(&mut checks, 6), None, "one");
    assert_eq!(checks.entries().len(), 1);
}

#[test]
fn echo_replies_arrive_on_datagram_and_raw_sockets() {
    for remote in ["127.0.0.1:0", "[::1]:0"] {
        let to = target(remote.parse().expect("an address"));
        let (mut checks, mut buffer) = (CheckSockets::default(), vec![0; 65_536]);
        if checks.open(5, ProbeTransport::Icmp, &to).is_err() {
            println!("SKIP {remote}: no raw sockets, and ping_group_range has none of our groups");
            continue;
        }
        assert_eq!(one(&mut checks, &mut buffer), Event::Connected);
        let (request, reply) = if to.remote.is_ipv4() {
            (8, 0)
        } else {
            (128, 129)
        };
        let echo = [request, 0, 0, 0, 0, 0, 0, 9, b'x', b'y'];
        checks.send(5, &echo).expect("sent");
        // On the loopback a raw socket receives its own request too.
        let bytes = loop {
            match one(&mut checks, &mut buffer) {
                Event::Received(count) if buffer[0] == reply => break &buffer[..count],
                Event::Received(_) => {}
                other @ (Event::Connected | Event::Closed | Event::Failed(_) | Event::TimedOut) => {
                    panic!("{remote}: {other:?}")
                }
            }
        };
        assert_eq!(bytes.len(), 10, "{remote}");
        assert_eq!(bytes[6..], [0, 9, b'x', b'y'], "{remote}");
    }
}

#[test]
fn raw_echo_requests_are_completed_and_foreign_replies_dropped() {
    let (packet, len) = complete_echo(Family::V4, 0x1234, &[8, 0, 0, 0, 0, 0, 0, 9, 1, 2]);
    let packet = &packet[..len];
    assert!(Sum::new().bytes(packet).is_valid());
    assert_eq!(packet[4..], [0x12, 0x34, 0, 9, 1, 2]);
    let (packet, len) = complete_echo(Family::V6, 0x1234, &[128, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(packet[..len], [128, 0, 0, 0, 0x12, 0x34, 0, 9]);
    let answer = [&[0x46; 24][..], &[0, 0, 9, 9, 0x12, 0x34, 0, 9]].concat();
    for (name, len, echo, want) in [
        ("our identifier", 32, 0x1234, Some(8)),
        ("another identifier", 32, 0x1235, None),
        ("truncated", 29, 0x1234, None),
        ("half a header", 23, 0x1234, None),
        ("empty", 0, 0x1234, None),
    ] {
        let mut answer = answer.clone();
        let left = strip_echo(Family::V4, echo, &mut answer, len);
        assert_eq!(left, want, "{name}");
        if left.is_some() {
            assert_eq!(answer[..8], [0, 0, 9, 9, 0x12, 0x34, 0, 9]);
        }
    }
}

#[test]
fn sockets_are_limited_and_bound_to_the_source_address() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let mut to = target(listener.local_addr().expect("bound"));
    to.bind_addr = Some(IpAddr::from([127, 0, 0, 9]));
    let mut checks = CheckSockets {
        limit: 2,
        ..CheckSockets::default()
    };
    checks
        .open(1, ProbeTransport::Tcp, &to)
        .expect("connecting");
    checks
        .open(2, ProbeTransport::Tcp, &to)
        .expect("connecting");
    let (_, client) = listener.accept().expect("a client");
    assert_eq!(client.ip(), IpAddr::from([127, 0, 0, 9]));
    let full = checks.open(3, ProbeTransport::Tcp, &to).expect_err("full");
    assert_eq!(full.raw_os_error(), Some(libc::EMFILE));
    checks
        .open(2, ProbeTransport::Tcp, &to)
        .expect("replaces its own socket");
    checks.close(1);
    to.bind_addr = Some(IpAddr::from([192, 0, 2, 1]));
    let wrong = checks
        .open(3, ProbeTransport::Tcp, &to)
        .expect_err("not here");
    assert_eq!(wrong.kind(), io::ErrorKind::AddrNotAvailable);
    assert_eq!(checks.sockets.len(), 1);
}
