//! A fake IPVS table: parses generic netlink requests, rejects what the kernel rejects, and answers
//! dumps as the kernel does.

use std::net::IpAddr;

use vrrpd::netlink::ipvs::{self, Command, Daemon, Message, Role};
use vrrpd::netlink::{Ack, Attrs, Batch};
use vrrpd::types::Family;
use vrrpd::types::errno::{EEXIST, EINVAL, ENOENT, ESRCH};
use vrrpd::types::ipvs::{Destination, Service, ServiceKey};

/// Generic netlink family id.
pub const FAMILY: u16 = 0x1c;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeDaemon {
    pub role: Role,
    pub interface: String,
    pub id: u8,
    pub ttl: Option<u8>,
}

#[derive(Debug)]
pub struct Ipvs {
    /// False: IPVS is missing in the kernel, or its module is not loaded.
    pub available: bool,
    pub services: Vec<(Service, Vec<Destination>)>,
    pub daemons: Vec<FakeDaemon>,
    pub timeouts: [u32; 3],
    /// Schedulers without a module.
    pub no_scheduler: Vec<String>,
    /// Servers rejected with EINVAL.
    pub reject_servers: Vec<IpAddr>,
    /// Dumps fail with this errno.
    pub dump_errno: Option<i32>,
    /// Changes, applied or rejected, in order.
    pub log: Vec<String>,
    /// Most requests in one batch.
    pub longest_batch: usize,
    /// Number of requests.
    pub requests: usize,
    /// Number of dumps.
    pub dumps: usize,
}

impl Default for Ipvs {
    fn default() -> Self {
        Ipvs {
            available: true,
            services: Vec::new(),
            daemons: Vec::new(),
            timeouts: [900, 120, 300],
            no_scheduler: Vec::new(),
            reject_servers: Vec::new(),
            dump_errno: None,
            log: Vec::new(),
            longest_batch: 0,
            requests: 0,
            dumps: 0,
        }
    }
}

/// Sequence number and payload (command and attributes) of each request.
fn requests(batch: &Batch) -> Vec<(u32, Vec<u8>)> {
    let mut rest = batch.bytes();
    let mut list = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap());
        let len = usize::try_from(word(0)).unwrap();
        assert_eq!(rest[4..6], FAMILY.to_ne_bytes(), "the family's number");
        list.push((word(8), rest[16..len].to_vec()));
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    list
}

impl Ipvs {
    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Address and weight of the servers of a service, in the order they were added: `10.0.0.1:80
    /// 1`.
    pub fn servers(&self, key: &str) -> Option<Vec<String>> {
        let (_, servers) = self
            .services
            .iter()
            .find(|(service, _)| service.key.to_string() == key)?;
        let words = |one: &Destination| format!("{}:{} {}", one.addr, one.port, one.weight);
        Some(servers.iter().map(words).collect())
    }

    pub fn request(&mut self, batch: &Batch, rejected: &mut dyn FnMut(&Ack<'_>)) {
        let requests = requests(batch);
        self.longest_batch = self.longest_batch.max(requests.len());
        for (seq, payload) in requests {
            self.requests += 1;
            let errno = self.apply(&payload);
            if errno != 0 {
                rejected(&Ack {
                    seq,
                    errno,
                    text: None,
                    offset: None,
                });
            }
        }
    }

    fn apply(&mut self, payload: &[u8]) -> i32 {
        let command = payload[0];
        let (verb, errno) = match command {
            1..=3 => self.service(command, payload),
            5..=7 => self.server(command, payload),
            9 | 10 => self.daemon(command, payload),
            12 => {
                let Ok(Message::Timeouts(wanted)) = ipvs::parse(payload, Family::V4) else {
                    panic!("timeouts")
                };
                for (known, wanted) in self.timeouts.iter_mut().zip(wanted) {
                    *known = if wanted > 0 { wanted } else { *known };
                }
                (format!("timeouts {wanted:?}"), 0)
            }
            17 => {
                self.services.clear();
                ("flush".to_owned(), 0)
            }
            other => panic!("no change: {other}"),
        };
        self.log.push(match errno {
            0 => verb,
            errno => format!("{verb}: {errno}"),
        });
        errno
    }

    fn find(&self, key: ServiceKey) -> Option<usize> {
        let mut all = self.services.iter();
        all.position(|(service, _)| service.key == key)
    }

    fn service(&mut self, command: u8, payload: &[u8]) -> (String, i32) {
        let service = service_of(payload);
        let verb = ["add", "set", "del"][usize::from(command - 1)];
        let verb = format!("{verb} {}", service.key);
        let known = self.find(service.key);
        if command < 3 && self.no_scheduler.contains(&service.scheduler) {
            return (verb, ENOENT);
        }
        match (command, known) {
            (1, None) => self.services.push((service, Vec::new())),
            (1, Some(_)) => return (verb, EEXIST),
            (2, Some(index)) => self.services[index].0 = service,
            (3, Some(index)) => {
                self.services.remove(index);
            }
            _ => return (verb, ESRCH),
        }
        (verb, 0)
    }

    fn server(&mut self, command: u8, payload: &[u8]) -> (String, i32) {
        let key = service_of(payload).key;
        let mut as_listed = payload.to_vec();
        as_listed[0] = 5;
        let Ok(Message::Server(listed)) = ipvs::parse(&as_listed, key.family()) else {
            panic!("a server")
        };
        let server = listed.server;
        let verb = ["add", "set", "del"][usize::from(command - 5)];
        let verb = format!("{verb} {server} of {key}");
        let Some(index) = self.find(key) else {
            return (verb, ESRCH);
        };
        if self.reject_servers.contains(&server.addr) {
            return (verb, EINVAL);
        }
        let servers = &mut self.services[index].1;
        let name = |one: &Destination| (one.addr, one.port);
        let known = servers.iter().position(|one| name(one) == name(&server));
        match (command, known) {
            (5, None) => servers.push(server),
            (5, Some(_)) => return (verb, EEXIST),
            (6, Some(index)) => servers[index] = server,
            (7, Some(index)) => {
                servers.remove(index);
            }
            _ => return (verb, ENOENT),
        }
        (verb, 0)
    }

    fn daemon(&mut self, command: u8, payload: &[u8]) -> (String, i32) {
        let mut as_listed = payload.to_vec();
        as_listed[0] = 9;
        let Ok(Message::Daemon(daemon)) = ipvs::parse(&as_listed, Family::V4) else {
            panic!("a daemon")
        };
        let role = format!("{:?}", daemon.role).to_lowercase();
        let known = self.daemons.iter().position(|one| one.role == daemon.role);
        match (command, known) {
            (9, None) => {
                let verb = format!("start {role} {} {}", daemon.interface, daemon.id);
                self.daemons.push(FakeDaemon {
                    role: daemon.role,
                    interface: daemon.interface.to_owned(),
                    id: daemon.id,
                    ttl: daemon.ttl,
                });
                (verb, 0)
            }
            (9, Some(_)) => (format!("start {role}"), EEXIST),
            (_, Some(index)) => {
                self.daemons.remove(index);
                (format!("stop {role}"), 0)
            }
            (_, None) => (format!("stop {role}"), ESRCH),
        }
    }

    /// Answers a dump request, or fails with an errno.
    pub fn dump(&mut self, batch: &Batch, each: &mut dyn FnMut(&[u8])) -> Result<(), i32> {
        if let Some(errno) = self.dump_errno {
            return Err(errno);
        }
        self.dumps += 1;
        let asked = requests(batch);
        let [(_, payload)] = &asked[..] else {
            panic!("one request at a time")
        };
        let mut answer = Batch::new(0);
        match payload[0] {
            4 => {
                for (service, _) in &self.services {
                    ipvs::write_service(&mut answer, FAMILY, Command::New, service);
                }
            }
            8 => {
                let key = service_of(payload).key;
                if let Some(index) = self.find(key) {
                    // The kernel lists the newest server first.
                    for server in self.services[index].1.iter().rev() {
                        ipvs::write_server(&mut answer, FAMILY, Command::New, &key, server);
                    }
                }
            }
            11 => {
                for daemon in &self.daemons {
                    ipvs::add_daemon(
                        &mut answer,
                        FAMILY,
                        &Daemon {
                            role: daemon.role,
                            interface: &daemon.interface,
                            id: daemon.id,
                            max_len: Some(1472),
                            group: None,
                            port: None,
                            ttl: daemon.ttl,
                        },
                    );
                }
            }
            13 => {
                ipvs::set_timeouts(&mut answer, FAMILY, self.timeouts);
            }
            other => panic!("nothing to list: {other}"),
        }
        for (_, payload) in requests(&answer) {
            each(&payload);
        }
        Ok(())
    }
}

/// The service of a request; some requests contain only its key.
fn service_of(payload: &[u8]) -> Service {
    let mut as_listed = payload.to_vec();
    as_listed[0] = 1;
    let first = Attrs::new(&payload[4..]).next().expect("an attribute");
    assert_eq!(
        first.map(|attr| attr.kind),
        Ok(1),
        "the service comes first"
    );
    let Ok(Message::Service(listed)) = ipvs::parse(&as_listed, Family::V4) else {
        panic!("a service")
    };
    Service {
        key: listed.key,
        scheduler: listed.scheduler.to_owned(),
        persistence: listed.persistence,
        granularity: listed.granularity,
        one_packet: listed.one_packet,
        sip: listed.sip,
        flags: listed.flags,
    }
}
