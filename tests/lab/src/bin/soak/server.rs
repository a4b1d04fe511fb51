//! A real server that is hostile to health checks.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vrrpd_lab::{Node, sleep_ms};

/// Time limit for a connection.
const LIMIT: Duration = Duration::from_millis(1500);

/// Listens on ports 80 and 81 of a node until it is dropped.
pub(crate) struct HostileServer {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl HostileServer {
    pub(crate) fn start(node: &Node) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let listen = |port| {
            let listener = node
                .inside(|| TcpListener::bind(("0.0.0.0", port)))
                .expect("the port");
            listener.set_nonblocking(true).expect("non-blocking");
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut turn = usize::from(port);
                while !stop.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok((client, _)) => {
                            turn += 1;
                            // The peer may close at any time.
                            let _ = serve(client, turn);
                        }
                        Err(_) => sleep_ms(10),
                    }
                }
            })
        };
        let threads = [80, 81].map(listen).into();
        Self { stop, threads }
    }
}

impl Drop for HostileServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Answers in one of several ways.
fn serve(mut client: TcpStream, turn: usize) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(LIMIT))?;
    client.set_write_timeout(Some(LIMIT))?;
    let mut request = [0; 1000];
    let _ = client.read(&mut request)?;
    let end = Instant::now() + LIMIT;
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    match turn % 6 {
        // A page that costs time to search.
        0 => {
            client.write_all(head)?;
            client.write_all(&b"abcdx".repeat(20_000))
        }
        // A page without end.
        1 => {
            client.write_all(head)?;
            while Instant::now() < end {
                client.write_all(&[b'a'; 4096])?;
            }
            Ok(())
        }
        // Byte by byte.
        2 => {
            for byte in head.iter().cycle().take(100) {
                client.write_all(&[*byte])?;
                sleep_ms(10);
            }
            Ok(())
        }
        // Headers without end.
        3 => {
            client.write_all(b"HTTP/1.1 200 OK\r\n")?;
            for n in 0..2000 {
                client.write_all(format!("X-{n}: {n}\r\n").as_bytes())?;
            }
            Ok(())
        }
        // A TLS record that is none.
        4 => client.write_all(&[22, 3, 3, 0xff, 0xff, 2, 0, 0, 0, 0]),
        // Nothing at all.
        _ => Ok(()),
    }
}
