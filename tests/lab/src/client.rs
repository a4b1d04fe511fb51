//! A client that sends one ICMP echo request per period, until dropped.
//!
//! It only sends. Replies are read from the [`crate::Capture`], which also tells which router sent
//! them.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::frame::checksum;
use crate::net::Node;

/// A running client.
#[derive(Debug)]
pub struct Pinger {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pinger {
    /// Starts pinging `to` from `node`.
    #[must_use]
    pub fn start(node: &Node, to: Ipv4Addr, period: Duration) -> Self {
        let socket = node
            .inside(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)))
            .expect("a raw socket in our own namespace");
        let stop = Arc::new(AtomicBool::new(false));
        let end = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut next = Instant::now();
            let mut seq: u16 = 0;
            while !end.load(Ordering::Relaxed) {
                seq = seq.wrapping_add(1);
                let mut packet = vec![8, 0, 0, 0, 0x56, 0x52];
                packet.extend(seq.to_be_bytes());
                packet.extend(*b"vrrp");
                let sum = checksum(&[&packet]);
                packet[2..4].copy_from_slice(&sum.to_be_bytes());
                // Without a route or neighbor the reply is missing, which is what is measured.
                let _ = socket.send_to(&packet, &SocketAddrV4::new(to, 0).into());
                next += period;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Pinger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}
