//! Physical limits: threads of this program that do only what the daemons have to do.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use nix::sys::prctl;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, send, socket};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use nix::unistd::gettid;

use vrrpd_lab::forge::{Injector, Packet};
use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{Capture, Lab, MS, Node, Ns, now, wait_until};

const SOON: Duration = Duration::from_secs(10);

/// A node on a switch, and a socket to send frames from it.
struct Bare {
    node: Node,
    cap: Capture,
    injector: Injector,
    _lab: Lab,
}

impl Bare {
    fn new() -> Self {
        let lab = Lab::new();
        let node = lab.node("r1", &["10.0.0.1/24"]);
        let cap = Capture::start(&lab);
        let injector = Injector::on(&node);
        Self {
            node,
            cap,
            injector,
            _lab: lab,
        }
    }

    /// Adverts of virtual routers 1…`count`.
    fn adverts(&self, count: u8) -> Vec<Vec<u8>> {
        let from = IpAddr::from([10, 0, 0, 1]);
        let advert = |vrid| {
            let vip = IpAddr::from([10, 1, 0, vrid]);
            Packet::v3(from, vrid, 200, &[vip]).frame(self.injector.mac)
        };
        (1..=count).map(advert).collect()
    }

    fn send(&self, frames: &[Vec<u8>]) {
        for frame in frames {
            self.injector.send(frame);
        }
    }
}

/// What a thread has done that sends on absolute deadlines.
pub(crate) struct Sent {
    /// Times of the adverts of the first virtual router.
    pub(crate) times: Vec<Ns>,
    /// Nanoseconds of CPU in a second.
    pub(crate) cpu: i64,
}

/// A thread sends an advert of each of `count` virtual routers every `interval` for `ms`.
pub(crate) fn sender(count: u8, interval: Ns, ms: u64) -> Sent {
    let bare = Bare::new();
    let frames = bare.adverts(count);
    let rounds = Ns::try_from(ms).expect("seconds") * MS / interval;
    let thread = std::thread::scope(|scope| {
        let run = || {
            precise();
            let (before, begin) = (thread_cpu(), monotonic() + interval);
            for round in 0..rounds {
                sleep_until(begin + round * interval);
                bare.send(&frames);
            }
            thread_cpu() - before
        };
        scope.spawn(run).join()
    });
    let cpu = thread.expect("the thread") * 1000 / Ns::try_from(ms).expect("seconds");
    let adverts = || bare.cap.adverts(&bare.node, 1, 0);
    let all = usize::try_from(rounds).expect("few");
    wait_until(SOON, "all adverts are captured", || adverts().len() >= all);
    let times = adverts().iter().map(|advert| advert.0).collect();
    Sent { times, cpu }
}

/// A thread sleeps until a deadline, and sends one advert of each of `count` virtual routers; the
/// delay of each after the deadline. Repeated `n` times.
pub(crate) fn wake_and_send(count: u8, n: usize) -> Vec<Vec<Ns>> {
    let bare = Bare::new();
    let frames = bare.adverts(count);
    let one = |_| {
        bare.cap.clear();
        let wall_clock = now() - monotonic();
        let deadline = monotonic() + 50 * MS;
        std::thread::scope(|scope| {
            let run = || {
                precise();
                sleep_until(deadline);
                bare.send(&frames);
            };
            scope.spawn(run);
        });
        let adverts = || bare.cap.adverts(&bare.node, 0, 0);
        wait_until(SOON, "all adverts are captured", || {
            adverts().len() >= frames.len()
        });
        let late = |(at, _): &(Ns, _)| at - wall_clock - deadline;
        adverts().iter().map(late).collect()
    };
    (0..n).map(one).collect()
}

/// From just before exec to the end of a program that does nothing.
pub(crate) fn exec() -> Ns {
    let lab = Lab::new();
    let node = lab.node("r1", &[]);
    let mut command = Command::new("true");
    let begin = now();
    let mut child = node.spawn(command.stdin(Stdio::null()));
    child.wait().expect("its end");
    now() - begin
}

/// Times after the first request.
pub(crate) struct Set {
    pub(crate) first: Ns,
    pub(crate) last: Ns,
    pub(crate) last_garp: Ns,
}

/// Addresses set with one system call, and then announced.
pub(crate) fn addresses(count: u16) -> Set {
    let bare = Bare::new();
    let watch = Watch::start(&bare.node);
    let (fd, index) = bare.node.inside(|| {
        let flags = SockFlag::SOCK_CLOEXEC;
        let route = SockProtocol::NetlinkRoute;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, route);
        let index = if_nametoindex("eth0").expect("its interface");
        (fd.expect("a netlink socket"), index)
    });
    let addresses: Vec<Ipv4Addr> = (0..count)
        .map(|n| {
            let [high, low] = n.to_be_bytes();
            Ipv4Addr::new(10, 77, high, low)
        })
        .collect();
    let requests: Vec<u8> = addresses
        .iter()
        .flat_map(|address| new_address(*address, index))
        .collect();
    let garps: Vec<Vec<u8>> = addresses
        .iter()
        .map(|address| gratuitous_arp(*address, bare.injector.mac))
        .collect();
    let begin = now();
    send(fd.as_raw_fd(), &requests, MsgFlags::empty()).expect("the requests");
    bare.send(&garps);
    let events = || watch.since(begin);
    let announced = || {
        bare.cap.with(|all| {
            all.iter()
                .filter_map(|f| f.announces().map(|_| f.at))
                .collect()
        })
    };
    let all = usize::from(count);
    wait_until(SOON, "all addresses are set", || events().len() >= all);
    wait_until(SOON, "all are announced", || {
        let announced: Vec<Ns> = announced();
        announced.len() >= all
    });
    let set: Vec<Ns> = events().iter().map(|event| event.at - begin).collect();
    Set {
        first: set[0],
        last: set[all - 1],
        last_garp: announced()[all - 1] - begin,
    }
}

/// `RTM_NEWADDR` for `address/32`.
fn new_address(address: Ipv4Addr, index: u32) -> Vec<u8> {
    const LENGTH: u32 = 40;
    const NEWADDR: u16 = 20;
    // NLM_F_REQUEST, NLM_F_EXCL, NLM_F_CREATE: without an acknowledgement.
    const FLAGS: u16 = 0x1 | 0x200 | 0x400;
    let mut message = Vec::new();
    message.extend(LENGTH.to_ne_bytes());
    message.extend(NEWADDR.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend([0; 8]);
    // AF_INET, prefix length, flags, scope.
    message.extend([2, 32, 0, 0]);
    message.extend(index.to_ne_bytes());
    // IFA_ADDRESS, IFA_LOCAL.
    for attribute in [1_u16, 2] {
        message.extend(8_u16.to_ne_bytes());
        message.extend(attribute.to_ne_bytes());
        message.extend(address.octets());
    }
    message
}

fn gratuitous_arp(address: Ipv4Addr, mac: [u8; 6]) -> Vec<u8> {
    let (all, ip) = ([0xff; 6], address.octets());
    let (ether, request) = ([8, 6], [0, 1, 8, 0, 6, 4, 0, 1]);
    [&all[..], &mac, &ether, &request, &mac, &ip, &all, &ip].concat()
}

/// Gives this thread the shortest timer slack, and real-time priority if that is permitted.
fn precise() {
    prctl::set_timerslack(1).expect("the timer slack");
    let mut chrt = Command::new("chrt");
    chrt.args(["--fifo", "--pid", "1", &gettid().to_string()]);
    let _ = chrt.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

fn monotonic() -> Ns {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    time.tv_sec() * 1000 * MS + time.tv_nsec()
}

fn sleep_until(deadline: Ns) {
    let time = TimeSpec::new(deadline / (1000 * MS), deadline % (1000 * MS));
    let flags = ClockNanosleepFlags::TIMER_ABSTIME;
    let _ = clock_nanosleep(ClockId::CLOCK_MONOTONIC, flags, &time);
}

/// Nanoseconds of CPU that this thread has used.
fn thread_cpu() -> Ns {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_the_length_it_states() {
        let message = new_address(Ipv4Addr::new(10, 77, 0, 1), 7);
        assert_eq!(message.len(), 40);
        assert_eq!(message[..4], 40_u32.to_ne_bytes());
        assert_eq!(message[20..24], 7_u32.to_ne_bytes());
        assert_eq!(message[36..], [10, 77, 0, 1]);
    }

    #[test]
    fn the_announcement_is_one() {
        let address = Ipv4Addr::new(10, 77, 0, 1);
        let frame = gratuitous_arp(address, [2, 0, 0, 0, 0, 1]);
        let kind = vrrpd_lab::frame::decode(&frame);
        let vrrpd_lab::Kind::Arp {
            sender,
            target,
            sender_mac,
            ..
        } = kind
        else {
            panic!("{kind:?}");
        };
        assert_eq!((sender, target), (address, address));
        assert_eq!(sender_mac, [2, 0, 0, 0, 0, 1]);
    }
}
