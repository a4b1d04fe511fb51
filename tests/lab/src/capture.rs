//! Packet capture: every frame that enters the switch, with the kernel's time stamp and the
//! sender's name.
//!
//! One `AF_PACKET` socket in the switch's namespace, read by a thread. A filter drops what the
//! switch itself forwards, so each frame appears once, with the node that sent it.

use std::collections::HashMap;
use std::io::{IoSliceMut, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::net::if_::if_indextoname;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::frame::{Advert, Frame, decode};
use crate::net::{Lab, Node};
use crate::{Ns, wait_for};

/// The frames captured since the start.
#[derive(Debug)]
pub struct Capture {
    frames: Arc<Mutex<Vec<Frame>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Starts capturing. Frames sent after it returns are captured.
    #[must_use]
    pub fn start(lab: &Lab) -> Self {
        let fd = lab.switch().inside(open);
        let frames = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, end, sw) = (frames.clone(), stop.clone(), lab.switch().clone());
        let thread = std::thread::spawn(move || sniff(&sw, &fd, &shared, &end));
        Self {
            frames,
            stop,
            thread: Some(thread),
        }
    }

    /// Calls `f` with all frames so far.
    pub fn with<T>(&self, f: impl FnOnce(&[Frame]) -> T) -> T {
        f(&self.frames.lock().expect("no panic while sniffing"))
    }

    /// A copy of the frames from `since` on.
    #[must_use]
    pub fn since(&self, since: Ns) -> Vec<Frame> {
        self.with(|all| all.iter().filter(|f| f.at >= since).cloned().collect())
    }

    /// Drops all frames.
    pub fn clear(&self) {
        self.frames.lock().expect("no panic while sniffing").clear();
    }

    /// Result of `pick` for the first frame from `since` on for which it returns one.
    pub fn find<T>(&self, since: Ns, mut pick: impl FnMut(&Frame) -> Option<T>) -> Option<T> {
        self.with(|all| all.iter().filter(|f| f.at >= since).find_map(&mut pick))
    }

    /// Waits for such a frame.
    pub fn wait<T>(
        &self,
        since: Ns,
        limit: Duration,
        mut pick: impl FnMut(&Frame) -> Option<T>,
    ) -> Option<T> {
        wait_for(limit, || self.find(since, &mut pick))
    }

    /// Waits for an advert sent by `node` and returns its time and fields; panics if none is sent.
    #[track_caller]
    pub fn advert_of(&self, node: &Node, since: Ns, limit: Duration) -> (Ns, Advert) {
        self.wait(since, limit, |f| {
            let a = f.advert().filter(|_| *f.node == *node.name)?;
            Some((f.at, a.clone()))
        })
        .unwrap_or_else(|| {
            panic!(
                "no advert from {} within {} ms",
                node.name,
                limit.as_millis()
            )
        })
    }

    /// Times and fields of all adverts that `node` sent from `since` on, of one VRID or all (0).
    #[must_use]
    pub fn adverts(&self, node: &Node, vrid: u8, since: Ns) -> Vec<(Ns, Advert)> {
        self.with(|all| {
            all.iter()
                .filter(|f| f.at >= since && *f.node == *node.name)
                .filter_map(|f| Some((f.at, f.advert()?.clone())))
                .filter(|(_, a)| vrid == 0 || a.vrid == vrid)
                .collect()
        })
    }

    /// Times at which `node` announced `addr` (gratuitous ARP or unsolicited neighbor
    /// advertisement).
    #[must_use]
    pub fn announcements(&self, node: &Node, addr: IpAddr, since: Ns) -> Vec<Ns> {
        self.with(|all| {
            all.iter()
                .filter(|f| f.at >= since && *f.node == *node.name && f.announces() == Some(addr))
                .map(|f| f.at)
                .collect()
        })
    }

    /// Writes the frames that `node` sent from `since` on to a pcap file.
    pub fn write_pcap(&self, path: &str, node: &str, since: Ns) {
        let mut out = Vec::new();
        for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65535, 1] {
            out.extend(word.to_ne_bytes());
        }
        for f in self.since(since).iter().filter(|f| *f.node == *node) {
            let len = u32::try_from(f.raw.len()).expect("a frame");
            let (sec, nsec) = (f.at / 1_000_000_000, f.at % 1_000_000_000);
            for word in [
                u32::try_from(sec).unwrap_or(0),
                u32::try_from(nsec).unwrap_or(0),
                len,
                len,
            ] {
                out.extend(word.to_ne_bytes());
            }
            out.extend(&f.raw);
        }
        std::fs::File::create(path)
            .and_then(|mut f| f.write_all(&out))
            .expect("writing the pcap");
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}

fn open() -> OwnedFd {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(
        AddressFamily::Packet,
        SockType::Raw,
        flags,
        SockProtocol::EthAll,
    )
    .expect("a packet socket in our own namespace");
    setsockopt(&fd, sockopt::ReceiveTimestampns, &true).expect("time stamps");
    if setsockopt(&fd, sockopt::RcvBufForce, &(32 << 20)).is_err() {
        let _ = setsockopt(&fd, sockopt::RcvBuf, &(32 << 20));
    }
    filter(&fd);
    fd
}

/// Drops outgoing frames of the ports (the switch's copies) and all frames of br0 itself.
fn filter(fd: &OwnedFd) {
    let br0 = nix::net::if_::if_nametoindex("br0").expect("the switch");
    let op = |code: u32, jt, jf, k| {
        socket2::SockFilter::new(u16::try_from(code).expect("an opcode"), jt, jf, k)
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let ret = libc::BPF_RET | libc::BPF_K;
    // Ancillary loads: SKF_AD_OFF is −0x1000; 4 = packet type, 8 = interface index.
    let program = [
        op(load, 0, 0, 0xffff_f000 + 4),
        op(equal, 3, 0, u32::from(libc::PACKET_OUTGOING)),
        op(load, 0, 0, 0xffff_f000 + 8),
        op(equal, 1, 0, br0),
        op(ret, 0, 0, 0x4_0000),
        op(ret, 0, 0, 0),
    ];
    socket2::SockRef::from(fd)
        .attach_filter(&program)
        .expect("a socket filter");
}

fn sniff(sw: &Node, fd: &OwnedFd, frames: &Mutex<Vec<Frame>>, stop: &AtomicBool) {
    let mut names: HashMap<usize, Arc<str>> = HashMap::new();
    let mut buf = vec![0u8; 4096];
    while !stop.load(Ordering::Relaxed) {
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::from(20u8));
        let mut batch = Vec::new();
        while batch.len() < 256 {
            let Some((at, index, raw)) = receive(fd, &mut buf) else {
                break;
            };
            let node = names.entry(index).or_insert_with(|| {
                let name = sw.inside(|| if_indextoname(u32::try_from(index).unwrap_or(0)));
                name.map_or_else(|_| "?".into(), |n| n.to_string_lossy().into())
            });
            batch.push(Frame {
                at,
                node: node.clone(),
                kind: decode(&raw),
                raw,
            });
        }
        if !batch.is_empty() {
            frames
                .lock()
                .expect("no panic while reading")
                .append(&mut batch);
        }
    }
}

fn receive(fd: &OwnedFd, buf: &mut [u8]) -> Option<(Ns, usize, Vec<u8>)> {
    let mut space = cmsg_space!(TimeSpec);
    let mut iov = [IoSliceMut::new(buf)];
    let msg = loop {
        match recvmsg::<LinkAddr>(
            fd.as_raw_fd(),
            &mut iov,
            Some(&mut space),
            MsgFlags::empty(),
        ) {
            Ok(m) => break m,
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    };
    let stamp = msg.cmsgs().ok()?.find_map(|c| match c {
        ControlMessageOwned::ScmTimestampns(t) => Some(t),
        _ => None,
    });
    let at = stamp.map_or_else(crate::now, |t| t.tv_sec() * 1_000_000_000 + t.tv_nsec());
    let (index, len) = (msg.address?.ifindex(), msg.bytes);
    Some((at, index, buf.get(..len)?.to_vec()))
}
