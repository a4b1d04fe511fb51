//! The filter of a packet socket that captures VRRP: what passes is VRRP, or VRRP in an
//! authentication header, over IPv4 or IPv6, with or without a VLAN tag. Fragments of VRRP pass too.
//!
//! The kernel has removed the outer VLAN tag of most frames before.

use super::bpf::Instruction;
use super::{ah, ether, vrrp};

/// IPv6 next header of a fragment.
const FRAGMENT: u32 = 44;
/// More bytes than a frame has.
const WHOLE: u32 = 0x0004_0000;

/// `BPF_LD | BPF_H | BPF_ABS`.
const LD_HALF: u16 = 0x28;
/// `BPF_LD | BPF_H | BPF_IND`.
const LD_HALF_X: u16 = 0x48;
/// `BPF_LD | BPF_B | BPF_IND`.
const LD_BYTE_X: u16 = 0x50;
/// `BPF_LDX | BPF_IMM`.
const LDX_IMM: u16 = 0x01;
/// `BPF_ALU | BPF_ADD | BPF_X`.
const ADD_X: u16 = 0x0c;
/// `BPF_ALU | BPF_AND | BPF_K`.
const AND: u16 = 0x54;
/// `BPF_ALU | BPF_LSH | BPF_K`.
const LSH: u16 = 0x64;
/// `BPF_MISC | BPF_TAX`.
const TAX: u16 = 0x07;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const JEQ: u16 = 0x15;
/// `BPF_RET | BPF_K`.
const RET: u16 = 0x06;

const fn step(code: u16, k: u32) -> Instruction {
    jump(code, k, 0, 0)
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// The program. X is the length of a VLAN tag, later that of the headers before IPsec too.
#[rustfmt::skip] // one instruction, one line
pub const PROGRAM: [Instruction; 23] = [
    step(LD_HALF, 12),
    step(LDX_IMM, 4),
    jump(JEQ, 0x8100, 2, 0),
    jump(JEQ, 0x88a8, 1, 0),
    step(LDX_IMM, 0),
    // 5: the type.
    step(LD_HALF_X, 12),
    jump(JEQ, ether::IPV6 as u32, 11, 0),
    jump(JEQ, ether::IPV4 as u32, 0, 14),
    // 8: IPv4.
    step(LD_BYTE_X, 23),
    jump(JEQ, vrrp::PROTOCOL as u32, 11, 0),
    jump(JEQ, ah::PROTOCOL as u32, 0, 11),
    step(LD_BYTE_X, 14),
    step(AND, 15),
    step(LSH, 2),
    step(ADD_X, 0),
    step(TAX, 0),
    // 16: what the authentication header contains.
    step(LD_BYTE_X, 14),
    jump(JEQ, vrrp::PROTOCOL as u32, 3, 4),
    // 18: IPv6.
    step(LD_BYTE_X, 20),
    jump(JEQ, vrrp::PROTOCOL as u32, 1, 0),
    jump(JEQ, FRAGMENT, 0, 1),
    step(RET, WHOLE),
    step(RET, 0),
];
