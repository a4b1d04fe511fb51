//! What is done to the routers.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::Command;

use nix::sys::signal::Signal;
use vrrpd_lab::forge::Stream;
use vrrpd_lab::{Node, sleep_ms};

use crate::router::Router;

/// Kinds of disturbance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    LosesCarrier,
    HasCarrier,
    ScriptsMisbehave,
    ScriptsWork,
    TrackedFile,
    Reload,
    AddressDeleted,
    RouteDeleted,
    Frozen,
    Dumps,
    /// 10,000 forged packets a second.
    Flood,
    /// Another program adds and removes thousands of addresses, routes and links.
    NetlinkStorm,
    /// The same while the daemon does not read: the kernel drops events (`ENOBUFS`).
    EventsLost,
    DiskFull,
    DiskFree,
    ForkFails,
    ForkWorks,
    /// The daemon executes its program again.
    Restart,
    /// SIGKILL, and a new process.
    KillAndStart,
}

use Kind::*;

const ALL: [Kind; 19] = [
    LosesCarrier,
    HasCarrier,
    ScriptsMisbehave,
    ForkFails,
    Dumps,
    ForkWorks,
    TrackedFile,
    DiskFull,
    Reload,
    Restart,
    DiskFree,
    Flood,
    AddressDeleted,
    NetlinkStorm,
    RouteDeleted,
    EventsLost,
    Frozen,
    ScriptsWork,
    KillAndStart,
];

/// Random numbers (xorshift).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Chooses disturbances and counts them.
pub(crate) struct Disturber<'a> {
    pub(crate) attacker: &'a Node,
    pub(crate) flood: Vec<Vec<u8>>,
    pub(crate) counts: BTreeMap<Kind, u64>,
    /// Kinds that are left out.
    pub(crate) without: Vec<Kind>,
    /// The process of the first router is neither killed nor replaced, so that a leak shows.
    pub(crate) lasting: bool,
    /// Prints each of them (`SOAK_VERBOSE`).
    verbose: bool,
    next: usize,
}

impl<'a> Disturber<'a> {
    pub(crate) fn new(attacker: &'a Node, flood: Vec<Vec<u8>>) -> Self {
        Self {
            attacker,
            flood,
            counts: BTreeMap::new(),
            without: Vec::new(),
            lasting: false,
            verbose: std::env::var_os("SOAK_VERBOSE").is_some(),
            next: 0,
        }
    }

    /// Each kind once for each router, then any.
    pub(crate) fn choose(&mut self, dice: &mut Dice) -> Kind {
        self.next += 1;
        match ALL.get((self.next - 1) / 2) {
            Some(kind) => *kind,
            None => loop {
                let any = usize::try_from(dice.below(ALL.len() as u64)).expect("small");
                // Expensive for the machine, or the end of what others disturb.
                let rare = matches!(ALL[any], NetlinkStorm | EventsLost | KillAndStart | Restart);
                if !rare || dice.one_in(3) {
                    break ALL[any];
                }
            },
        }
    }

    /// The router that is disturbed: each in turn at the start.
    pub(crate) fn router(&self, kind: Kind, dice: &mut Dice) -> usize {
        let chosen = match self.next <= 2 * ALL.len() {
            true => (self.next - 1) % 2,
            false => usize::from(dice.one_in(2)),
        };
        // See `lasting`.
        let ends = matches!(kind, Restart | KillAndStart);
        if ends && self.lasting { 1 } else { chosen }
    }

    pub(crate) fn disturb(&mut self, router: &mut Router, kind: Kind, dice: &mut Dice) {
        if self.without.contains(&kind) {
            return;
        }
        *self.counts.entry(kind).or_default() += 1;
        if self.verbose {
            println!(
                "soak: {} {kind:?} {}",
                router.node.name,
                router.run.log_len()
            );
        }
        match kind {
            LosesCarrier => router.node.carrier_down(),
            HasCarrier => router.node.carrier_up(),
            ScriptsMisbehave => fs::write(&router.bad, "").expect("a file"),
            ScriptsWork => drop(fs::remove_file(&router.bad)),
            TrackedFile => {
                fs::write(&router.number, format!("{}\n", dice.below(150))).expect("a number");
            }
            Reload => {
                let variant = u8::try_from(dice.below(4)).expect("small");
                router.reload(variant);
            }
            AddressDeleted => {
                let n = dice.below(30) + 1;
                ip(&router.node, &format!("addr del 10.1.0.{n}/32 dev eth0"));
            }
            RouteDeleted => ip(&router.node, "route del 203.0.113.0/24"),
            Frozen => {
                router.run.freeze();
                sleep_ms(dice.below(400));
                router.run.thaw();
            }
            Dumps => {
                router.run.signal(Signal::SIGUSR1);
                router.run.signal(Signal::SIGUSR2);
            }
            Flood => {
                let _stream = Stream::start(self.attacker, self.flood.clone(), 10_000);
                sleep_ms(300);
            }
            NetlinkStorm => storm(&router.node, dice, 1),
            EventsLost => {
                router.run.freeze();
                storm(&router.node, dice, 4);
                router.run.thaw();
            }
            DiskFull => fill(router),
            DiskFree => free(router),
            ForkFails => limit_processes(router, "1:"),
            ForkWorks => limit_processes(router, &usual_limit()),
            Restart => router.restart(),
            KillAndStart => {
                // Without space for its pid file a daemon does not start.
                free(router);
                router.kill_and_start();
            }
        }
    }
}

/// Runs `ip`; the object may be missing at the moment.
fn ip(node: &Node, args: &str) {
    let mut command = Command::new("ip");
    let _ = node.output(command.args(args.split_whitespace()));
}

/// Adds and removes 2,000 addresses, 2,000 routes and 20 links so many times. Four times are more
/// events than fit the daemon's buffer of 4 MB.
fn storm(node: &Node, dice: &mut Dice, times: usize) {
    let table = 1000 + dice.below(100);
    let mut lines = String::new();
    for verb in ["add", "del"].repeat(times) {
        for n in 0..2000 {
            let (high, low) = (n / 250, n % 250);
            lines += &format!("addr {verb} 10.200.{high}.{low}/32 dev dum0\n");
            lines += &format!("route {verb} 10.201.{high}.{low}/32 dev dum0 table {table}\n");
        }
        for n in 0..20 {
            lines += &match verb {
                "add" => format!("link add name storm{n} type dummy\n"),
                _ => format!("link del storm{n}\n"),
            };
        }
    }
    let file = format!("{}/{}.storm", vrrpd_lab::private::DIR, node.id());
    fs::write(&file, lines).expect("writing the batch");
    let mut command = Command::new("ip");
    let _ = node.output(command.args(["-force", "-batch", &file]));
}

/// Fills the small file system.
fn fill(router: &Router) {
    let path = format!("{}/filler", router.disk);
    if let Ok(mut file) = fs::File::create(path) {
        while file.write_all(&[b'x'; 512]).is_ok() {}
    }
}

/// Removes what fills the small file system, the log included.
pub(crate) fn free(router: &Router) {
    let _ = fs::remove_file(format!("{}/filler", router.disk));
    if let Ok(log) = fs::File::options()
        .write(true)
        .open(format!("{}/log", router.disk))
    {
        let _ = log.set_len(0);
    }
}

/// Sets the daemon's soft limit of processes, as `prlimit` takes it.
pub(crate) fn limit_processes(router: &Router, limit: &str) {
    let (pid, limit) = (router.run.pid().to_string(), format!("--nproc={limit}"));
    let done = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status();
    assert!(done.expect("prlimit").success(), "prlimit {limit}");
}

/// The limit of this program.
pub(crate) fn usual_limit() -> String {
    let limits = fs::read_to_string("/proc/self/limits").expect("limits");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max processes"));
    let soft = line.and_then(|line| line.split_whitespace().nth(2));
    format!("{}:", soft.expect("a limit"))
}
