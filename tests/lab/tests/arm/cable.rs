//! The connection between an emulated network card and the switch of the lab.
//!
//! The card uses a pair of Unix sockets, one datagram per frame. The other end is a packet socket
//! on `eth0` of a node without addresses. A tap device would need access to /dev/net/tun.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use vrrpd_lab::Node;
use vrrpd_lab::forge::Injector;
use vrrpd_lab::frame::{checksum, pseudo};

/// Interval at which idle threads check whether to stop.
const TURN_MS: i64 = 100;

/// A connected cable, disconnected when dropped.
pub(crate) struct Cable {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Cable {
    /// Connects `eth0` of `node` with the card; the sockets are `PATH.card` and `PATH.wire`.
    pub(crate) fn plug(node: &Node, path: &str) -> Self {
        node.sysctl("net.ipv6.conf.eth0.disable_ipv6", "1");
        node.ip("link set eth0 promisc on");
        let wire = UnixDatagram::bind(format!("{path}.wire")).expect("a socket");
        let turn = Duration::from_millis(TURN_MS.unsigned_abs());
        wire.set_read_timeout(Some(turn)).expect("a socket");
        // A card that does not fetch its frames in time loses some, as a real one does.
        wire.set_write_timeout(Some(turn)).expect("a socket");
        let to_card = wire.try_clone().expect("a descriptor");
        let card = format!("{path}.card");
        let leg = Injector::on(node);
        let from_leg = node.inside(listen);
        let stop = Arc::new(AtomicBool::new(false));
        let (end, over) = (stop.clone(), stop.clone());
        let outward = thread::spawn(move || {
            let mut frame = [0; 2048];
            while !end.load(Ordering::Relaxed) {
                if let Ok(n) = wire.recv(&mut frame) {
                    leg.send(&frame[..n]);
                }
            }
        });
        let inward = thread::spawn(move || {
            let mut frame = [0; 2048];
            while !over.load(Ordering::Relaxed) {
                if let Some(n) = next(&from_leg, &mut frame) {
                    complete(&mut frame[..n]);
                    let _ = to_card.send_to(&frame[..n], &card);
                }
            }
        });
        Self {
            stop,
            threads: vec![outward, inward],
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A socket that receives all frames of the namespace.
fn listen() -> OwnedFd {
    let (family, all) = (AddressFamily::Packet, SockProtocol::EthAll);
    let fd = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, all).expect("a packet socket");
    let turn = TimeVal::milliseconds(TURN_MS);
    setsockopt(&fd, sockopt::ReceiveTimeout, &turn).expect("a packet socket");
    fd
}

/// The length of the next frame from the switch; frames sent by the card are skipped.
fn next(fd: &OwnedFd, frame: &mut [u8]) -> Option<usize> {
    let (n, from) = recvfrom::<LinkAddr>(fd.as_raw_fd(), frame).ok()?;
    (from?.pkttype() != libc::PACKET_OUTGOING).then_some(n)
}

/// Completes TCP checksums, as the network card would: nodes of this machine leave them to
/// offloading.
fn complete(frame: &mut [u8]) {
    if frame.get(12..15) != Some(&[8, 0, 0x45]) || frame.get(23) != Some(&6) {
        return;
    }
    let address = |at: usize| {
        let bytes = <[u8; 4]>::try_from(frame.get(at..at + 4)?).ok()?;
        Some(Ipv4Addr::from(bytes).into())
    };
    let end = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let (Some(from), Some(to)) = (address(26), address(30)) else {
        return;
    };
    if (54..=frame.len()).contains(&end) {
        frame[50..52].fill(0);
        let sum = checksum(&[&pseudo(from, to, 6, end - 34), &frame[34..end]]);
        frame[50..52].copy_from_slice(&sum.to_be_bytes());
    }
}
