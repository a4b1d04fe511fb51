//! Addresses, commands and names as they stand in a dump.

use core::fmt::{self, Write};

use super::{Held, Item};
use crate::config::model::{Address, Command};
use crate::types::Family;

/// Text on one line: control characters as `\xNN`.
#[derive(Clone, Copy, Debug)]
pub struct Clean<'a>(pub &'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.0.split_inclusive(char::is_control) {
            match piece.char_indices().next_back() {
                Some((at, last)) if last.is_control() => {
                    f.write_str(piece.get(..at).unwrap_or_default())?;
                    write!(f, "\\x{:02x}", u32::from(last))?;
                }
                Some(_) | None => f.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// A command as keepalived shows it: every word in quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'a>(pub(super) &'a Command);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, word) in self.0.argv.iter().enumerate() {
            let gap = if nth == 0 { "" } else { " " };
            write!(f, "{gap}'{}'", Clean(word))?;
        }
        Ok(())
    }
}

/// What follows an address, route or rule: whether it is there.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::No => Ok(()),
            Held::Set => f.write_str(" set"),
            Held::Refused(why) if why.is_empty() => f.write_str(" refused"),
            Held::Refused(why) => write!(f, " refused: {}", Clean(why)),
        }
    }
}

/// `192.0.2.10/24 brd 192.0.2.255 dev eth0 scope global label eth0:1 set`. Exporters take the first word for the
/// address and, if it is `dev` that follows, the third for the interface.
impl fmt::Display for Item<'_, Address> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { cidr, dev, .. } = self.what;
        write!(f, "{}", cidr.addr)?;
        if cidr.prefix != cidr.family().host_prefix() {
            write!(f, "/{}", cidr.prefix)?;
        }
        if let Some(peer) = self.what.peer {
            write!(f, " peer {peer}")?;
        }
        if let Some(broadcast) = self.what.broadcast {
            write!(f, " brd {broadcast}")?;
        }
        write!(f, " dev {dev} scope ")?;
        match self.what.scope {
            0 => f.write_str("global"),
            200 => f.write_str("site"),
            253 => f.write_str("link"),
            254 => f.write_str("host"),
            255 => f.write_str("nowhere"),
            other => write!(f, "{other}"),
        }?;
        if let Some(label) = &self.what.label {
            write!(f, " label {label}")?;
        }
        lifetime(self.what, f)?;
        for (word, set) in flags(self.what) {
            if set {
                f.write_char(' ')?;
                f.write_str(word)?;
            }
        }
        self.held.fmt(f)
    }
}

fn lifetime(address: &Address, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (address.preferred_lft, address.cidr.family()) {
        (Some(0), _) => f.write_str(" deprecated"),
        (Some(seconds), _) => write!(f, " preferred_lft {seconds}"),
        (None, Family::V6) => f.write_str(" preferred_lft forever"),
        (None, Family::V4) => Ok(()),
    }
}

fn flags(address: &Address) -> [(&'static str, bool); 6] {
    [
        ("home", address.home),
        ("-nodad", address.nodad),
        ("mngtmpaddr", address.mngtmpaddr),
        ("noprefixroute", address.noprefixroute),
        ("autojoin", address.autojoin),
        ("no_track", address.no_track),
    ]
}
