//! A real server: it answers with its name on TCP and UDP port 80 of its node, and can fail in many
//! ways.
//!
//! On TCP it speaks HTTP, one request per connection. It answers a line `PING` with its name too,
//! and the connection stays open. On UDP it answers any datagram with its name.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use vrrpd_lab::{Node, wait_for};

use crate::network::SOON;

/// Behavior towards clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Answers with its name.
    Good,
    /// Answers with another status code.
    Status(u16),
    /// Answers with another page.
    Page(&'static str),
    /// Accepts connections and sends nothing.
    Silent,
    /// Sends single bytes without end.
    Trickle,
}

/// A running server, stopped when dropped.
pub(crate) struct Server {
    pub(crate) node: Node,
    port: u16,
    mode: Arc<Mutex<Mode>>,
    /// HTTP requests answered so far.
    served: Arc<AtomicUsize>,
    running: Option<Arc<AtomicBool>>,
}

impl Server {
    pub(crate) fn start(node: Node, port: u16) -> Self {
        let mut server = Self {
            node,
            port,
            mode: Arc::new(Mutex::new(Mode::Good)),
            served: Arc::default(),
            running: None,
        };
        server.resume();
        server
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().expect("no panic") = mode;
    }

    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    /// Closes the port; existing connections stay open.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.store(false, Ordering::Relaxed);
            // Each of the two threads holds a reference and drops it after closing its socket.
            let ended = || (Arc::strong_count(&running) == 1).then_some(());
            wait_for(SOON, ended).expect("the server ends");
        }
    }

    /// Opens the port again.
    pub(crate) fn resume(&mut self) {
        let running = Arc::new(AtomicBool::new(true));
        let any = format!("[::]:{}", self.port);
        let (tcp, udp) = self.node.inside(|| {
            let tcp = wait_for(SOON, || TcpListener::bind(&any).ok());
            let udp = wait_for(SOON, || UdpSocket::bind(&any).ok());
            (tcp.expect("a port"), udp.expect("a port"))
        });
        tcp.set_nonblocking(true).expect("a socket");
        let pause = Some(Duration::from_millis(20));
        udp.set_read_timeout(pause).expect("a socket");
        let (alive, name) = (running.clone(), self.node.name.clone());
        let (mode, served) = (self.mode.clone(), self.served.clone());
        thread::spawn(move || {
            while alive.load(Ordering::Relaxed) {
                let Ok((stream, _)) = tcp.accept() else {
                    thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let (mode, served, name) = (mode.clone(), served.clone(), name.clone());
                thread::spawn(move || converse(stream, &name, &mode, &served));
            }
            drop(tcp);
            drop(alive);
        });
        let (alive, name) = (running.clone(), self.node.name.clone());
        thread::spawn(move || {
            let mut buf = [0; 2048];
            while alive.load(Ordering::Relaxed) {
                if let Ok((_, from)) = udp.recv_from(&mut buf) {
                    let _ = udp.send_to(name.as_bytes(), from);
                }
            }
            drop(udp);
            drop(alive);
        });
        self.running = Some(running);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.store(false, Ordering::Relaxed);
        }
    }
}

/// Serves one connection until it is closed.
fn converse(mut stream: TcpStream, name: &str, mode: &Mutex<Mode>, served: &AtomicUsize) {
    let _ = stream.set_nonblocking(false);
    let mut request = Vec::new();
    let mut buf = [0; 1024];
    while let Ok(n @ 1..) = stream.read(&mut buf) {
        request.extend_from_slice(&buf[..n]);
        if request.ends_with(b"PING\n") {
            request.clear();
            let _ = stream.write_all(format!("{name}\n").as_bytes());
        }
        if request.ends_with(b"\r\n\r\n") {
            let mode = mode.lock().expect("no panic").clone();
            answer(&mut stream, name, mode);
            served.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
}

fn answer(stream: &mut TcpStream, name: &str, mode: Mode) {
    let (status, page) = match mode {
        Mode::Good => (200, format!("{name}\n")),
        Mode::Status(status) => (status, format!("{name}\n")),
        Mode::Page(page) => (200, page.to_owned()),
        Mode::Silent => {
            thread::sleep(Duration::from_secs(30));
            return;
        }
        Mode::Trickle => {
            let head = "HTTP/1.0 200 OK\r\n\r\n".bytes();
            for byte in head.chain(std::iter::repeat_n(b'x', 600)) {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(50));
            }
            return;
        }
    };
    let length = page.len();
    let _ = write!(
        stream,
        "HTTP/1.0 {status} Said\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{page}"
    );
}
