//! The packet filter of a receive socket, as a classic BPF program (`linux/filter.h`): the kernel
//! drops packets that cannot be adverts for this router, so that a flood of them neither wakes the
//! daemon nor takes space in the receive buffer.
//!
//! It decides by TTL, destination, sender and VRID only. Everything else stays with [`super::vrrp`]
//! and the protocol machine, whose counters and log lines show an operator what is wrong with a
//! peer. A packet that the filter drops is not counted.
//!
//! A raw IPv4 socket passes the packet with its IP header to the filter, a raw IPv6 socket the
//! message after all headers; fields of the IPv6 header are loaded relative to [`NET_OFF`].

use core::net::IpAddr;

use super::{ah, vrrp};
use crate::types::{Family, Vrid};

/// An instruction; the fields of `struct sock_filter`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Operation and addressing mode.
    pub code: u16,
    /// Instructions to skip if a comparison is true.
    pub jt: u8,
    /// Instructions to skip if it is false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Drops every packet.
pub const DROP_ALL: [Instruction; 1] = [statement(RET, 0)];

/// Senders listed in a filter at most. The program of a longer list could exceed what the kernel
/// accepts on a 32-bit machine (`net.core.optmem_max`); all senders pass then.
const MAX_SENDERS: usize = 64;

/// `BPF_LD | BPF_W | BPF_ABS`.
const LD_WORD: u16 = 0x20;
/// `BPF_LD | BPF_B | BPF_ABS`.
const LD_BYTE: u16 = 0x30;
/// `BPF_LD | BPF_B | BPF_IND`: at X plus the operand.
const LD_BYTE_X: u16 = 0x50;
/// `BPF_LDX | BPF_B | BPF_MSH`: X is four times the lower half of a byte, the length of an IPv4
/// header.
const LDX_HEADER_LEN: u16 = 0xb1;
/// `BPF_LD | BPF_IMM`.
const LD_IMM: u16 = 0x00;
/// `BPF_LD | BPF_MEM`.
const LD_MEM: u16 = 0x60;
/// `BPF_ST`.
const ST: u16 = 0x02;
/// `BPF_ALU | BPF_AND | BPF_K`.
const AND: u16 = 0x54;
/// `BPF_ALU | BPF_RSH | BPF_K`.
const RSH: u16 = 0x74;
/// `BPF_ALU | BPF_RSH | BPF_X`.
const RSH_X: u16 = 0x7c;
/// `BPF_JMP | BPF_JA`.
const JA: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const JEQ: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`.
const JGT: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`.
const JGE: u16 = 0x35;
/// `BPF_RET | BPF_K`: the number of bytes to keep.
const RET: u16 = 0x06;
/// `BPF_MISC | BPF_TAX`: X = A.
const TAX: u16 = 0x07;

/// `SKF_NET_OFF`: offsets from here on count from the network header.
pub const NET_OFF: u32 = 0xfff0_0000;

/// The program that passes adverts with priority 0, of all virtual routers. `with_ah`: they are
/// preceded by an authentication header.
#[must_use]
pub fn resignations(family: Family, with_ah: bool) -> Vec<Instruction> {
    let mut program = Program(Vec::new());
    let load = match family {
        Family::V4 => {
            program.push(LDX_HEADER_LEN, 0);
            LD_BYTE_X
        }
        Family::V6 => LD_BYTE,
    };
    program.push(load, advert_at(with_ah).saturating_add(2));
    program.require(JEQ, 0);
    program.push(RET, u32::MAX);
    program.0
}

/// Offset of the advert from the end of the IP header.
fn advert_at(with_ah: bool) -> u32 {
    match with_ah {
        true => u32::try_from(ah::LEN).unwrap_or(0),
        false => 0,
    }
}

/// The packets that a receive socket needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdvertFilter {
    family: Family,
    /// Adverts are preceded by an authentication header.
    with_ah: bool,
    /// Multicast: the destinations. Empty: any destination (unicast).
    groups: Vec<IpAddr>,
    /// `None`: any sender.
    senders: Option<Vec<IpAddr>>,
    min_ttl: u8,
    max_ttl: u8,
    /// A bit for each VRID.
    vrids: [u32; 8],
}

impl AdvertFilter {
    /// A filter that no packet passes.
    #[must_use]
    pub fn new(family: Family, with_ah: bool) -> Self {
        AdvertFilter {
            family,
            with_ah,
            groups: Vec::new(),
            senders: Some(Vec::new()),
            min_ttl: u8::MAX,
            max_ttl: 0,
            vrids: [0; 8],
        }
    }

    /// The multicast groups.
    #[must_use]
    pub fn groups(&self) -> &[IpAddr] {
        &self.groups
    }

    /// Passes adverts of this virtual router.
    pub fn pass_vrid(&mut self, vrid: Vrid) {
        let bit = u32::from(vrid.get());
        if let Some(word) = self.vrids.get_mut(usize::from(vrid.get() / 32)) {
            *word |= 1_u32.rotate_left(bit);
        }
    }

    /// Passes adverts of all virtual routers (`log_unknown_vrids`).
    pub fn pass_all_vrids(&mut self) {
        self.vrids = [u32::MAX; 8];
    }

    /// Passes adverts that were sent to this group and not forwarded.
    pub fn pass_group(&mut self, group: IpAddr) {
        if !self.groups.contains(&group) {
            self.groups.push(group);
        }
        self.senders = None;
        self.pass_ttl(u8::MAX, u8::MAX);
    }

    /// Passes adverts of this sender within these bounds.
    pub fn pass_sender(&mut self, sender: IpAddr, min_ttl: u8, max_ttl: u8) {
        self.pass_ttl(min_ttl, max_ttl);
        if let Some(senders) = &mut self.senders
            && !senders.contains(&sender)
        {
            if senders.len() < MAX_SENDERS {
                senders.push(sender);
            } else {
                self.senders = None;
            }
        }
    }

    /// Passes adverts of any sender with any TTL.
    pub fn pass_any_sender(&mut self) {
        self.senders = None;
        self.pass_ttl(u8::MIN, u8::MAX);
    }

    fn pass_ttl(&mut self, min: u8, max: u8) {
        self.min_ttl = self.min_ttl.min(min);
        self.max_ttl = self.max_ttl.max(max);
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> Vec<Instruction> {
        // Offsets of TTL, source and destination address.
        let [ttl, src, dst] = match self.family {
            Family::V4 => [8, 12, 16],
            Family::V6 => [NET_OFF | 7, NET_OFF | 8, NET_OFF | 24],
        };
        let mut program = Program(Vec::new());
        program.push(LD_BYTE, ttl);
        program.require(JGE, self.min_ttl);
        program.reject(JGT, self.max_ttl);
        if !self.groups.is_empty() {
            program.require_one_of(dst, &self.groups);
        }
        if let Some(senders) = &self.senders {
            program.require_one_of(src, senders);
        }
        let vrid_at = advert_at(self.with_ah).saturating_add(1);
        match self.family {
            Family::V4 => {
                program.push(LDX_HEADER_LEN, 0);
                if self.with_ah {
                    // Next header and length.
                    program.push(LD_BYTE_X, 0);
                    program.require(JEQ, vrrp::PROTOCOL);
                    program.push(LD_BYTE_X, 1);
                    program.require(JEQ, ah::WORDS);
                }
                program.push(LD_BYTE_X, vrid_at);
            }
            Family::V6 => program.push(LD_BYTE, vrid_at),
        }
        program.require_vrid(&self.vrids);
        program.push(RET, u32::MAX);
        program.0
    }
}

const fn statement(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// A program being written. Every condition is followed by a `RET 0` of its own, so that jumps are
/// short: their offsets have 8 bits.
struct Program(Vec<Instruction>);

impl Program {
    fn push(&mut self, code: u16, k: u32) {
        self.0.push(statement(code, k));
    }

    fn jump(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.0.push(Instruction { code, jt, jf, k });
    }

    /// Drops the packet unless the comparison of A is true.
    fn require(&mut self, compare: u16, k: u8) {
        self.jump(compare, k.into(), 1, 0);
        self.push(RET, 0);
    }

    /// Drops the packet if the comparison of A is true.
    fn reject(&mut self, compare: u16, k: u8) {
        self.jump(compare, k.into(), 0, 1);
        self.push(RET, 0);
    }

    /// Drops the packet unless the address at `offset` is one of these.
    fn require_one_of(&mut self, offset: u32, addresses: &[IpAddr]) {
        let start = self.0.len();
        for address in addresses {
            match address {
                IpAddr::V4(address) => self.compare(offset, &[u32::from(*address)]),
                IpAddr::V6(address) => {
                    let bits = address.to_bits();
                    let word =
                        |shift: u32| u32::try_from(bits.rotate_right(shift) & u128::from(u32::MAX));
                    self.compare(
                        offset,
                        &[96, 64, 32, 0].map(|shift| word(shift).unwrap_or(0)),
                    );
                }
            }
        }
        self.push(RET, 0);
        self.land(start);
    }

    /// Compares the words at `offset`; if all are equal, jumps to where [`Program::land`] is called.
    fn compare(&mut self, offset: u32, words: &[u32]) {
        let mut at = offset;
        let mut skip = u8::try_from(words.len()).unwrap_or(0).saturating_mul(2);
        for word in words {
            skip = skip.saturating_sub(2);
            self.push(LD_WORD, at);
            self.jump(JEQ, *word, 0, skip.saturating_add(1));
            at = at.wrapping_add(4);
        }
        self.push(JA, 0);
    }

    /// Makes all `JA` since `start` jump here.
    fn land(&mut self, start: usize) {
        let end = u32::try_from(self.0.len()).unwrap_or(0);
        for (at, instruction) in (0_u32..).zip(&mut self.0).skip(start) {
            if instruction.code == JA {
                instruction.k = end.saturating_sub(at).saturating_sub(1);
            }
        }
    }

    /// Drops the packet unless the bit of the VRID in A is set.
    fn require_vrid(&mut self, vrids: &[u32; 8]) {
        self.push(ST, 0);
        self.push(AND, 31);
        self.push(TAX, 0);
        self.push(LD_MEM, 0);
        self.push(RSH, 5);
        let start = self.0.len();
        for (nth, word) in (0_u32..).zip(vrids).filter(|(_, word)| **word != 0) {
            self.jump(JEQ, nth, 0, 2);
            self.push(LD_IMM, *word);
            self.push(JA, 0);
        }
        self.push(RET, 0);
        self.land(start);
        self.push(RSH_X, 0);
        self.push(AND, 1);
        self.require(JEQ, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet as the kernel presents it to the filter.
    #[derive(Clone)]
    struct Skb {
        network: Vec<u8>,
        /// Offset of what a load without `NET_OFF` sees: 0 for IPv4, 40 for IPv6.
        data: usize,
    }

    /// Runs the program as the kernel does; whether the packet passes.
    fn passes(program: &[Instruction], skb: &Skb) -> bool {
        let load = |offset: u32, len: usize| {
            let at = match offset.checked_sub(NET_OFF) {
                Some(offset) => offset as usize,
                None => skb.data + offset as usize,
            };
            let bytes = skb.network.get(at..at + len)?;
            Some(
                bytes
                    .iter()
                    .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)),
            )
        };
        let (mut a, mut x, mut m) = (0_u32, 0_u32, None);
        let mut pc = 0;
        loop {
            let Instruction { code, jt, jf, k } = program[pc];
            pc += 1;
            let mut branch = |yes: bool| pc += usize::from(if yes { jt } else { jf });
            let loaded = match code {
                LD_WORD => load(k, 4),
                LD_BYTE => load(k, 1),
                LD_BYTE_X => load(x + k, 1),
                LD_IMM => Some(k),
                LD_MEM => Some(m.expect("stored before")),
                _ => Some(a),
            };
            let Some(loaded) = loaded else {
                return false; // beyond the packet
            };
            a = loaded;
            match code {
                LD_WORD | LD_BYTE | LD_BYTE_X | LD_IMM | LD_MEM => {}
                LDX_HEADER_LEN => match load(k, 1) {
                    Some(byte) => x = (byte & 15) * 4,
                    None => return false,
                },
                ST => m = Some(a),
                AND => a &= k,
                RSH => a >>= k,
                RSH_X => a = a.checked_shr(x).expect("undefined in the kernel"),
                TAX => x = a,
                JA => pc += k as usize,
                JEQ => branch(a == k),
                JGT => branch(a > k),
                JGE => branch(a >= k),
                RET => return k != 0,
                other => panic!("code {other:#x}"),
            }
        }
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn skb(src: &str, dst: &str, ttl: u8, payload: &[u8]) -> Skb {
        let (mut network, data) = match (addr(src), addr(dst)) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                // Two words of options.
                let mut header = vec![0x47, 0, 0, 0, 0, 0, 0, 0, ttl, 112, 0, 0];
                header.extend(src.octets());
                header.extend(dst.octets());
                header.extend([1; 8]);
                (header, 0)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let mut header = vec![0x60, 0, 0, 0, 0, 0, 112, ttl];
                header.extend(src.octets());
                header.extend(dst.octets());
                (header, 40)
            }
            _ => panic!("two families"),
        };
        network.extend(payload);
        Skb { network, data }
    }

    fn filter(family: Family, vrids: &[u8]) -> AdvertFilter {
        let mut filter = AdvertFilter::new(family, false);
        vrids
            .iter()
            .for_each(|vrid| filter.pass_vrid(Vrid::new(*vrid).unwrap()));
        filter
    }

    #[test]
    fn multicast_passes_its_groups_with_ttl_255() {
        let cases = [
            ("10.0.0.2", "224.0.0.18", 255, true),
            ("10.0.0.2", "224.0.0.18", 254, false),
            ("10.0.0.2", "224.0.0.18", 0, false),
            ("10.0.0.2", "224.0.0.19", 255, true),
            ("10.0.0.2", "224.0.0.1", 255, false),
            ("10.0.0.2", "10.0.0.1", 255, false),
            ("fe80::2", "ff02::12", 255, true),
            ("fe80::2", "ff02::12", 64, false),
            ("fe80::2", "ff02::1", 255, false),
            ("fe80::2", "fe80::1", 255, false),
        ];
        for (src, dst, ttl, want) in cases {
            let family = Family::of(addr(dst));
            let mut filter = filter(family, &[51]);
            match family {
                Family::V4 => ["224.0.0.18", "224.0.0.19", "224.0.0.18"]
                    .map(|group| filter.pass_group(addr(group))),
                Family::V6 => {
                    ["ff02::12", "ff05::12", "ff02::12"].map(|group| filter.pass_group(addr(group)))
                }
            };
            assert_eq!(filter.groups().len(), 2, "each once");
            let program = filter.program();
            let packet = |vrid| skb(src, dst, ttl, &[0x31, vrid, 100, 0]);
            assert_eq!(passes(&program, &packet(51)), want, "{src} {dst} {ttl}");
            assert!(!passes(&program, &packet(52)), "{src} {dst} {ttl}");
            let short = skb(src, dst, ttl, &[0x31]);
            assert!(!passes(&program, &short), "no VRID");
        }
    }

    #[test]
    fn every_set_of_vrids_passes_exactly_those() {
        let step = |first: u8, step: usize| (first..=255).step_by(step).collect::<Vec<u8>>();
        let sets = [
            vec![1],
            vec![255],
            vec![31, 32],
            step(1, 2),
            step(1, 1),
            step(2, 37),
        ];
        for set in sets {
            let mut filter = filter(Family::V4, &set);
            filter.pass_any_sender();
            let program = filter.program();
            for vrid in 0..=255 {
                let packet = skb("10.0.0.2", "10.0.0.1", 7, &[0x31, vrid, 100, 0]);
                assert_eq!(
                    passes(&program, &packet),
                    set.contains(&vrid),
                    "{vrid} of {set:?}"
                );
            }
        }
        let mut filter = filter(Family::V4, &[]);
        filter.pass_any_sender();
        let packet = skb("10.0.0.2", "10.0.0.1", 7, &[0x31, 99, 100, 0]);
        assert!(!passes(&filter.program(), &packet));
        filter.pass_all_vrids();
        assert!(passes(&filter.program(), &packet));
    }

    #[test]
    fn unicast_passes_listed_senders_within_the_widest_bounds() {
        for (family, net) in [(Family::V4, "10.0.0."), (Family::V6, "fd00::")] {
            let host = |n: usize| format!("{net}{n}");
            let mut filter = filter(family, &[7]);
            let passing = |filter: &AdvertFilter, n, ttl| {
                let packet = skb(&host(n), &host(1), ttl, &[0x31, 7, 100, 0]);
                passes(&filter.program(), &packet)
            };
            assert!(!passing(&filter, 2, 255), "no sender yet");
            filter.pass_sender(addr(&host(2)), 254, 254);
            filter.pass_sender(addr(&host(3)), 255, 255);
            for (n, ttl, want) in [
                (2, 254, true),
                (3, 255, true),
                (2, 255, true),
                (2, 253, false),
                (4, 255, false),
                (1, 255, false),
            ] {
                assert_eq!(passing(&filter, n, ttl), want, "{family:?} {n} {ttl}");
            }
            (4..66).for_each(|n| filter.pass_sender(addr(&host(n)), 255, 255));
            assert!(passing(&filter, 65, 255) && !passing(&filter, 66, 255));
            let len = filter.program().len();
            assert!(len < 700, "{len}");
            filter.pass_sender(addr(&host(66)), 255, 255);
            assert!(
                passing(&filter, 99, 255),
                "more senders than a filter may list"
            );
            let mut open = filter.clone();
            open.pass_any_sender();
            assert!(passing(&open, 99, 1));
        }
    }

    #[test]
    fn resignations_are_told_from_other_adverts() {
        let cases = [
            (Family::V4, "10.0.0.2", "224.0.0.18"),
            (Family::V6, "fe80::2", "ff02::12"),
        ];
        for (family, src, dst) in cases {
            let passing = |header: &[u8], priority| {
                let payload = [header, &[0x31, 51, priority, 0]].concat();
                let program = resignations(family, !header.is_empty());
                passes(&program, &skb(src, dst, 255, &payload))
            };
            for header in [&[][..], &[0x55; ah::LEN]] {
                assert!(passing(header, 0));
                assert!(!passing(header, 1) && !passing(header, 255));
            }
            let short = skb(src, dst, 255, &[0x31, 51]);
            assert!(!passes(&resignations(family, false), &short));
        }
    }

    #[test]
    fn ah_is_looked_into() {
        let mut filter = AdvertFilter::new(Family::V4, true);
        filter.pass_vrid(Vrid::new(51).unwrap());
        filter.pass_group(addr("224.0.0.18"));
        let program = filter.program();
        let packet = |next, words, vrid| {
            let mut payload = vec![next, words];
            payload.extend([0; 22]);
            payload.extend([0x21, vrid, 100, 0]);
            passes(&program, &skb("10.0.0.2", "224.0.0.18", 255, &payload))
        };
        assert!(packet(112, 4, 51));
        assert!(!packet(112, 4, 52));
        assert!(!packet(50, 4, 51), "IPsec");
        assert!(!packet(112, 5, 51), "another length");
    }

    #[test]
    fn nothing_passes_while_a_socket_is_prepared() {
        let packet = skb("10.0.0.2", "224.0.0.18", 255, &[0x31, 51, 100, 0]);
        assert!(!passes(&DROP_ALL, &packet));
    }
}
