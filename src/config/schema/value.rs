//! Conversion of words to values. The check of the arguments and the lowering share these
//! functions, so a word that was accepted has a value.

use core::cmp::Ordering;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use super::Arg;
use crate::types::{Cidr, Family, IfName, umask};

/// Decimal integer, sign allowed, nothing after it.
#[must_use]
pub fn int(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Decimal seconds with fraction, in microseconds, rounded down.
#[must_use]
pub fn micros(text: &str) -> Option<u64> {
    let (mut micros, mut unit, mut fraction, mut empty) = (0_u64, 1_000_000_u64, false, true);
    for byte in text.as_bytes() {
        match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte.saturating_sub(b'0'));
                empty = false;
                if fraction {
                    unit /= 10;
                    micros = micros.checked_add(digit.checked_mul(unit)?)?;
                } else {
                    micros = micros
                        .checked_mul(10)?
                        .checked_add(digit.checked_mul(unit)?)?;
                }
            }
            b'.' if !fraction => fraction = true,
            _ => return None,
        }
    }
    (!empty).then_some(micros)
}

/// Decimal seconds as a duration.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    micros(text).map(Duration::from_micros)
}

/// `true on yes` / `false off no`, lower case.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "on" | "yes" => Some(true),
        "false" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// An address of either family.
#[must_use]
pub fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// `ADDR[/PREFIX]`.
#[must_use]
pub fn cidr(text: &str) -> Option<Cidr> {
    let Some((addr, prefix)) = text.split_once('/') else {
        return ip(text).map(Cidr::host);
    };
    let addr = ip(addr)?;
    let prefix = u8::try_from(int(prefix)?).ok()?;
    (prefix <= Family::of(addr).host_prefix()).then_some(Cidr { addr, prefix })
}

/// The destination of a route, or a selector of a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Selector {
    /// Every address of the family.
    All,
    /// A network.
    Net(Cidr),
}

/// A selector of a route or rule: a network, also abbreviated (`10.1/16`), or `default`, `any`,
/// `all`.
#[must_use]
pub fn selector(text: &str) -> Option<Selector> {
    match text {
        "default" | "any" | "all" => return Some(Selector::All),
        "default6" => return cidr("::/0").map(Selector::Net),
        _ => {}
    }
    cidr(text).or_else(|| abbreviated(text)).map(Selector::Net)
}

/// An IPv4 network without its final zero octets.
fn abbreviated(text: &str) -> Option<Cidr> {
    let (addr, prefix) = text.split_once('/').unwrap_or((text, "32"));
    let mut octets = [0; 4];
    let mut next = octets.iter_mut();
    for part in addr.split('.') {
        *next.next()? = part.parse().ok()?;
    }
    let prefix = u8::try_from(int(prefix)?).ok()?;
    (prefix <= 32).then_some(Cidr {
        addr: IpAddr::V4(Ipv4Addr::from(octets)),
        prefix,
    })
}

/// A scope by its iproute2 name or number (`RT_SCOPE_*`).
#[must_use]
pub fn scope(text: &str) -> Option<u8> {
    match text {
        "global" | "universe" => Some(0),
        "site" => Some(200),
        "link" => Some(253),
        "host" => Some(254),
        "nowhere" => Some(255),
        _ => text.parse().ok(),
    }
}

/// Decimal or 0x hexadecimal.
#[must_use]
pub fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `N[/MASK]`; without a mask, all bits are compared.
#[must_use]
pub fn mark(text: &str) -> Option<(u32, u32)> {
    match text.split_once('/') {
        Some((mark, mask)) => Some((number(mark)?, number(mask)?)),
        None => Some((number(text)?, u32::MAX)),
    }
}

/// `N` or `N-M`.
#[must_use]
pub fn range(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (number(from)?, number(to)?);
    (from <= to).then_some((from, to))
}

/// The prefix length that an IPv4 netmask stands for.
#[must_use]
pub fn prefix_of_mask(text: &str) -> Option<u32> {
    let bits = u32::from(text.parse::<Ipv4Addr>().ok()?);
    let ones = bits.leading_ones();
    (ones.checked_add(bits.trailing_zeros()) == Some(32)).then_some(ones)
}

fn is_mask(text: &str) -> bool {
    prefix_of_mask(text).is_some() || int(text).is_some_and(|bits| (1..=128).contains(&bits))
}

fn is_status(text: &str) -> bool {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    matches!((int(from), int(to)), (Some(from), Some(to)) if (100..=to).contains(&from) && to <= 599)
}

fn is_mac(text: &str) -> bool {
    let hex = |part: &str| matches!(part.len(), 1..=2) && u8::from_str_radix(part, 16).is_ok();
    text.split(':').count() == 6 && text.split(':').all(hex)
}

/// Whether a word is an address entry of `virtual_server_group`: an address, a range of addresses
/// or a network.
#[must_use]
pub fn is_address_range(text: &str) -> bool {
    if let Some((first, last)) = text.split_once('-') {
        let Some(first) = ip(first) else { return false };
        return match (first, ip(last)) {
            (_, Some(last)) => Family::of(first) == Family::of(last) && first <= last,
            (IpAddr::V4(first), None) => {
                let [.., lowest] = first.octets();
                last.parse::<u8>().is_ok_and(|last| lowest <= last)
            }
            (IpAddr::V6(_), None) => u16::from_str_radix(last, 16).is_ok(),
        };
    }
    cidr(text).is_some()
}

/// Whether a word is a time between two numbers of milliseconds.
fn is_within(text: &str, from: u32, to: u32) -> bool {
    let micro = |bound: u32| u64::from(bound).saturating_mul(1000);
    micros(text).is_some_and(|value| (micro(from)..=micro(to)).contains(&value))
}

/// The limits of an argument whose values are replaced by the nearer limit beyond them.
#[must_use]
pub fn limits(arg: &Arg) -> Option<(String, String)> {
    if let Arg::Most(from, to) | Arg::Int(from, to) = arg {
        return Some((from.to_string(), to.to_string()));
    }
    let (Arg::Span(from, to) | Arg::Time(from, to)) = arg else {
        return None;
    };
    Some((seconds(*from), seconds(*to)))
}

/// On which side of the limits of its argument a number or time is. `None`: within them, wrong in
/// another way, or there are none.
#[must_use]
pub fn beyond(arg: &Arg, text: &str) -> Option<Ordering> {
    if let Arg::Int(from, to) = arg {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let huge = match text.starts_with('-') {
            true => i64::MIN,
            false => i64::MAX,
        };
        let value = int(text).unwrap_or(huge);
        let order = value.cmp(&value.clamp(i64::from(*from), i64::from(*to)));
        // Too few is not what was meant.
        return (order == Ordering::Greater || (order == Ordering::Less && *from < 0))
            .then_some(order);
    }
    let micro = |millis: u32| u64::from(millis).saturating_mul(1000);
    let (from, to) = if let Arg::Most(_, to) = arg {
        // Too few is not what was meant.
        (0, u64::try_from(*to).ok()?.saturating_mul(1_000_000))
    } else if let Arg::Span(from, to) | Arg::Time(from, to) = arg {
        (micro(*from), micro(*to))
    } else {
        return None;
    };
    let whole = matches!(arg, Arg::Most(..));
    let text = text.strip_prefix('+').filter(|_| whole).unwrap_or(text);
    let mut digits = text.bytes().filter(|byte| *byte != b'.' || whole);
    let number = !text.is_empty() && digits.all(|byte| byte.is_ascii_digit());
    match micros(text) {
        // Nothing at all is not meant as the shortest time.
        Some(0) => None,
        Some(value) if number => {
            let order = value.cmp(&value.clamp(from, to));
            (order != Ordering::Equal).then_some(order)
        }
        None if number && text.len() > 12 => Some(Ordering::Greater),
        Some(_) | None => None,
    }
}

/// Whether a word is a valid value of a single-word argument.
#[must_use]
pub fn is_valid(arg: &Arg, text: &str) -> bool {
    match arg {
        Arg::None => false,
        Arg::Seq(list) => list.first().is_some_and(|first| is_valid(first, text)),
        Arg::Int(from, to) | Arg::Exact(from, to) => {
            let range = i64::from(*from)..=i64::from(*to);
            int(text).is_some_and(|value| range.contains(&value))
        }
        Arg::Most(from, to) => is_valid(&Arg::Int(*from, *to), text),
        Arg::Count => number(text).is_some(),
        Arg::Secs(from, to) | Arg::Span(from, to) => is_within(text, *from, *to),
        Arg::Time(from, to) => micros(text) == Some(0) || is_within(text, *from, *to),
        Arg::Choice(words) => words.split(' ').any(|word| word == text),
        Arg::AnyCase(words) => words.split(' ').any(|word| word.eq_ignore_ascii_case(text)),
        Arg::Bool => boolean(text).is_some(),
        Arg::Ip => ip(text).is_some(),
        Arg::Ip4 => ip(text).is_some_and(|addr| addr.is_ipv4()),
        Arg::Mcast => ip(text).is_some_and(|addr| addr.is_multicast()),
        Arg::Mcast4 => ip(text).is_some_and(|addr| addr.is_ipv4() && addr.is_multicast()),
        Arg::Mcast6 => ip(text).is_some_and(|addr| addr.is_ipv6() && addr.is_multicast()),
        Arg::Cidr => cidr(text).is_some(),
        Arg::Prefix => selector(text).is_some(),
        Arg::Broadcast => matches!(text, "+" | "-") || ip(text).is_some_and(|addr| addr.is_ipv4()),
        Arg::If => IfName::new(text).is_some() && !text.contains('$'),
        Arg::Name(most) => !text.is_empty() && text.len() <= usize::from(*most),
        Arg::Str | Arg::Cmd | Arg::User => !text.is_empty(),
        Arg::Port => int(text).is_some_and(|port| (1..=65_535).contains(&port)),
        Arg::Mail => !text.contains('\\'),
        Arg::Umask => umask(text).is_some(),
        Arg::Mark => mark(text).is_some(),
        Arg::Range => range(text).is_some(),
        Arg::Mask => is_mask(text),
        Arg::Digest => text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        Arg::Status => is_status(text),
        Arg::Hex => text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X')),
        Arg::Mac => is_mac(text),
        Arg::Scope => scope(text).is_some(),
        Arg::Lifetime => text == "forever" || text.parse::<u32>().is_ok(),
        Arg::Service | Arg::GroupEntry => {
            is_address_range(text) || matches!(text, "fwmark" | "group")
        }
        Arg::Opt(inner) | Arg::Many(inner) => is_valid(inner, text),
        Arg::Options(options) => options.rows.iter().any(|row| row.is(text)),
    }
}

/// Milliseconds as decimal seconds: `0.01`, `255`.
fn seconds(millis: u32) -> String {
    let (whole, rest) = (millis / 1000, millis % 1000);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = format!("{rest:03}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// What an argument must be, as the object of "needs".
#[must_use]
pub fn expected(arg: &Arg) -> String {
    let fixed = match arg {
        Arg::None => "nothing",
        Arg::Seq(list) => return list.first().map_or(String::new(), expected),
        Arg::Count => "a number of at least 0",
        Arg::Int(from, to) | Arg::Exact(from, to) if *to == i32::MAX => {
            return format!("a number of at least {from}");
        }
        Arg::Int(from, to) | Arg::Exact(from, to) if from.checked_add(1) == Some(*to) => {
            return format!("{from} or {to}");
        }
        Arg::Most(from, _) => return format!("a number of at least {from}"),
        Arg::Int(from, to) | Arg::Exact(from, to) => {
            return format!("a number from {from} to {to}");
        }
        Arg::Time(..) => "a time in seconds",
        Arg::Span(..) => "a time in seconds greater than 0",
        Arg::Secs(from, to) => {
            return format!(
                "a time in seconds from {} to {}",
                seconds(*from),
                seconds(*to)
            );
        }
        Arg::Choice(words) | Arg::AnyCase(words) => {
            return format!("one of {}", words.replace(' ', ", "));
        }
        Arg::Bool => "on or off",
        Arg::Ip => "an IP address",
        Arg::Ip4 => "an IPv4 address",
        Arg::Mcast => "a multicast address",
        Arg::Mcast4 => "an IPv4 multicast address (224.0.0.0-239.255.255.255)",
        Arg::Mcast6 => "an IPv6 multicast address (ff00::/8)",
        Arg::Cidr => "an address ADDR[/PREFIX]",
        Arg::Prefix => "a network ADDR/PREFIX or `default`",
        Arg::Broadcast => "an IPv4 address, + or -",
        Arg::If => "an interface name of at most 15 bytes",
        Arg::Name(most) => return format!("a name of at most {most} bytes"),
        Arg::Str => "a value",
        Arg::Cmd => "a command",
        Arg::User => "a user name",
        Arg::Port => "a port from 1 to 65535",
        Arg::Mail => "an email address",
        Arg::Umask => "a mask such as 0177 or IRGRP|IROTH",
        Arg::Mark => "a mark N[/MASK]",
        Arg::Range => "a number or range N-M",
        Arg::Mask => "a netmask or prefix length",
        Arg::Digest => "32 hexadecimal digits",
        Arg::Status => "a status or range from 100 to 599",
        Arg::Hex => "hexadecimal digits",
        Arg::Mac => "an Ethernet address",
        Arg::Scope => "global, link, host, site, nowhere or 0-255",
        Arg::Lifetime => "a time in seconds or `forever`",
        Arg::Service => "`IP [PORT]`, `fwmark N` or `group NAME`",
        Arg::GroupEntry => "`IP[-LAST][/PREFIX] [PORT]` or `fwmark N`",
        Arg::Opt(inner) | Arg::Many(inner) => return expected(inner),
        Arg::Options(options) => return format!("a valid {} option", options.noun),
    };
    fixed.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_to_the_microsecond() {
        for (text, want) in [
            ("1", Some(1_000_000)),
            ("0.01", Some(10_000)),
            ("1.000000", Some(1_000_000)),
            (".5", Some(500_000)),
            ("1.0000019", Some(1_000_001)),
            ("", None),
            (".", None),
            ("1s", None),
            ("-1", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(micros(text), want, "{text}");
        }
    }

    #[test]
    fn words_fit_or_do_not() {
        for (arg, text, want) in [
            (Arg::Int(1, 255), "255", true),
            (Arg::Int(1, 255), "256", false),
            (Arg::Int(1, 255), "5;", false),
            (Arg::Int(-253, 253), "-20", true),
            (Arg::Cidr, "10.0.0.1/33", false),
            (Arg::Cidr, "2001:db8::1/64", true),
            (Arg::Prefix, "10.1/16", true),
            (Arg::Prefix, "default", true),
            (Arg::Prefix, "10.1.2.3.4", false),
            (Arg::Scope, "link", true),
            (Arg::Scope, "256", false),
            (Arg::Mcast4, "224.0.0.18", true),
            (Arg::Mcast4, "192.0.2.1", false),
            (Arg::Mask, "255.255.0.0", true),
            (Arg::Mask, "255.0.255.0", false),
            (Arg::Status, "200-299", true),
            (Arg::Status, "99", false),
            (Arg::GroupEntry, "192.168.1.10-20", true),
            (Arg::GroupEntry, "192.168.1.10-9", false),
            (Arg::GroupEntry, "192.168.1.10-192.168.1.20", true),
            (Arg::Umask, "0177", true),
            (Arg::Umask, "IRUSR|IWUSR", true),
            (Arg::Umask, "1000", false),
            (Arg::Range, "10-20", true),
            (Arg::Mark, "0x1/0xff", true),
        ] {
            assert_eq!(is_valid(&arg, text), want, "{arg:?} {text}");
        }
    }
}
