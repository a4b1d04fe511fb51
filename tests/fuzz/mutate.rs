//! Seeded mutations of inputs, for the fuzz targets without a fuzzer.

use crate::rng::Rng;

/// What the mutator knows about an input format.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Format {
    /// Pieces that a parser looks for.
    pub(crate) tokens: &'static [&'static [u8]],
    /// Makes the length field of a mutated input right again.
    pub(crate) fix_length: Option<fn(&mut [u8])>,
}

/// Bytes kept of a mutated input.
const MAX_LEN: usize = 8192;

/// Writes a mutation of one of the seeds to `out`.
pub(crate) fn mutation(rng: &mut Rng, seeds: &[Vec<u8>], format: &Format, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&seeds[rng.below(seeds.len())]);
    for _ in 0..=rng.below(4) {
        mutate(rng, seeds, format, out);
    }
    out.truncate(MAX_LEN);
    if let Some(fix_length) = format.fix_length
        && rng.one_in(2)
    {
        fix_length(out);
    }
}

/// Any byte, half of the time one that often is a boundary.
fn interesting_byte(rng: &mut Rng) -> u8 {
    let boundaries = [
        0, 1, 3, 4, 5, 16, 20, 0x21, 0x31, 0x40, 0x7f, 0x80, 0xfe, 0xff,
    ];
    match rng.below(2) {
        0 => rng.pick(&boundaries),
        _ => rng.byte(),
    }
}

fn mutate(rng: &mut Rng, seeds: &[Vec<u8>], format: &Format, bytes: &mut Vec<u8>) {
    let at = rng.below(bytes.len());
    match rng.below(12) {
        0..3 if !bytes.is_empty() => bytes[at] ^= 1 << rng.below(8),
        3..5 if !bytes.is_empty() => bytes[at] = interesting_byte(rng),
        5 => bytes.truncate(at),
        6 => {
            let byte = interesting_byte(rng);
            bytes.resize(bytes.len() + rng.below(9), byte);
        }
        7 => {
            let part = bytes[at..bytes.len().min(at + rng.below(16))].to_vec();
            insert(rng.below(bytes.len()), &part, bytes);
        }
        8 => integer(rng, bytes),
        9 => {
            // The end of another seed.
            let other = &seeds[rng.below(seeds.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[rng.below(other.len())..]);
        }
        10 if at < bytes.len() => {
            let end = bytes.len().min(at + 1 + rng.below(8));
            bytes.drain(at..end);
        }
        _ if !format.tokens.is_empty() => {
            let token = rng.pick(format.tokens);
            match rng.one_in(2) {
                true => insert(at, token, bytes),
                false => {
                    let end = bytes.len().min(at + token.len());
                    bytes.splice(at..end, token.iter().copied());
                }
            }
        }
        _ => insert(at, &[interesting_byte(rng)], bytes),
    }
}

fn insert(at: usize, part: &[u8], bytes: &mut Vec<u8>) {
    bytes.splice(at..at, part.iter().copied());
}

/// Overwrites 2 or 4 bytes with a number that often is a boundary or a length, in either byte
/// order.
fn integer(rng: &mut Rng, bytes: &mut [u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let values = [
        0,
        1,
        0x7fff,
        0x8000,
        0xffff,
        0x7fff_ffff,
        u32::MAX,
        length,
        length.wrapping_add(1),
        length.wrapping_sub(1),
    ];
    let value = rng.pick(&values).to_le_bytes();
    let width = if rng.one_in(2) { 2 } else { 4 };
    let Some(last) = bytes.len().checked_sub(width) else {
        return;
    };
    let at = rng.below(last + 1) & !1;
    let place = &mut bytes[at.min(last)..][..width];
    place.copy_from_slice(&value[..width]);
    if rng.one_in(2) {
        place.reverse();
    }
}

/// A netlink message: `nlmsg_len` in host byte order.
pub(crate) fn netlink_length(bytes: &mut [u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if let Some(field) = bytes.first_chunk_mut() {
        *field = length.to_ne_bytes();
    }
}

/// An IPv4 packet: the total length.
pub(crate) fn ipv4_length(bytes: &mut [u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    if let Some(field) = bytes.get_mut(2..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}
