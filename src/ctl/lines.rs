//! Addresses, commands and names in dumps.

use core::fmt::{self, Write};

use super::{InstallStatus, ManagedItem};
use crate::config::model::{Address, AddressOptions, Command, User};
use crate::types::{Cidr, Family};

/// Text with control characters as `\xNN`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
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

/// A command as keepalived shows it: every argument in quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'a>(pub(super) &'a Command);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, word) in self.0.argv.iter().enumerate() {
            let gap = if nth == 0 { "" } else { " " };
            write!(f, "{gap}'{}'", Escaped(word))?;
        }
        Ok(())
    }
}

/// A path or command and its user: `/run/fifo, uid:gid 0:0`.
pub(super) struct Owned<'a>(pub(super) &'a dyn fmt::Display, pub(super) User);

impl fmt::Display for Owned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let User { uid, gid, .. } = self.1;
        write!(f, "{}, uid:gid {uid}:{gid}", self.0)
    }
}

/// Appended to an address, route or rule.
impl fmt::Display for InstallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstallStatus::Absent => Ok(()),
            InstallStatus::Installed => f.write_str(" set"),
            InstallStatus::Refused(why) if why.is_empty() => f.write_str(" refused"),
            InstallStatus::Refused(why) => write!(f, " refused: {}", Escaped(why)),
        }
    }
}

/// `192.0.2.10/24`, without the prefix length of a single host.
pub(super) struct InterfaceAddress<'a>(pub(super) &'a Cidr);

impl fmt::Display for InterfaceAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cidr = self.0;
        write!(f, "{}", cidr.addr)?;
        if cidr.prefix == cidr.family().host_prefix() {
            return Ok(());
        }
        write!(f, "/{}", cidr.prefix)
    }
}

/// `192.0.2.10/24 brd 192.0.2.255 dev eth0 scope global label eth0:1 set`. Exporters take the first
/// word for the address and, after `dev`, the third for the interface.
impl fmt::Display for ManagedItem<'_, Address> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address {
            cidr, dev, options, ..
        } = self.item;
        InterfaceAddress(cidr).fmt(f)?;
        if let Some(peer) = options.peer {
            write!(f, " peer {peer}")?;
        }
        if let Some(broadcast) = options.broadcast {
            write!(f, " brd {broadcast}")?;
        }
        write!(f, " dev {dev} scope ")?;
        match options.scope {
            0 => f.write_str("global"),
            200 => f.write_str("site"),
            253 => f.write_str("link"),
            254 => f.write_str("host"),
            255 => f.write_str("nowhere"),
            other => write!(f, "{other}"),
        }?;
        if let Some(label) = &options.label {
            write!(f, " label {label}")?;
        }
        lifetime(self.item, f)?;
        for (word, set) in flags(options) {
            if set {
                f.write_char(' ')?;
                f.write_str(word)?;
            }
        }
        self.status.fmt(f)
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

fn flags(options: &AddressOptions) -> [(&'static str, bool); 6] {
    [
        ("home", options.home),
        ("-nodad", options.nodad),
        ("mngtmpaddr", options.mngtmpaddr),
        ("noprefixroute", options.noprefixroute),
        ("autojoin", options.autojoin),
        ("no_track", options.no_track),
    ]
}
