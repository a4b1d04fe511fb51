//! A real server: TCP and UDP on port 80 of its node, telling its name, and able to fall ill in many ways.
//!
//! Over TCP it speaks HTTP, one request a connection. A line `PING` is answered with the name too, and the
//! connection stays open. Over UDP any datagram is answered with the name.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use vrrpd_lab::{Node, wait_for};

use crate::network::SOON;

/// How it behaves towards who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Tells its name.
    Good,
    /// Another status.
    Status(u16),
    /// Another page.
    Page(&'static str),
    /// Takes connections and says nothing.
    Silent,
    /// Says a byte now and then, for ever.
    Trickle,
}

/// A server that runs. Dropping it stops it.
pub(crate) struct Server {
    pub(crate) node: Node,
    port: u16,
    mode: Arc<Mutex<Mode>>,
    /// Requests of HTTP that were answered.
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

    /// The program ends: the port is closed, connections that exist live on.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.store(false, Ordering::Relaxed);
            // The two threads hold one reference each, and let go with the sockets closed.
            let ended = || (Arc::strong_count(&running) == 1).then_some(());
            wait_for(SOON, ended).expect("the server ends");
        }
    }

    /// The program is started again.
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

/// Serves one connection to its end.
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
