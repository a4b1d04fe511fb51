//! Names of routing tables, protocols, realms, types of service and interface groups, as iproute2
//! has them.
//!
//! iproute2 keeps them in files with a `NUMBER NAME` on each line: `rt_tables` in /etc/iproute2 and
//! in the directory of the distribution, and `rt_tables.d/*.conf` in both. Most routers have none
//! of these files, so the common names are built in.

use super::fields::Fields;
use crate::config::Host;
use crate::config::schema::value;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NameKind {
    Table,
    Protocol,
    Realm,
    Tos,
    Group,
}

impl NameKind {
    /// Name of its file.
    fn file(self) -> &'static str {
        match self {
            NameKind::Table => "rt_tables",
            NameKind::Protocol => "rt_protos",
            NameKind::Realm => "rt_realms",
            NameKind::Tos => "rt_dsfield",
            NameKind::Group => "group",
        }
    }

    /// As in messages.
    pub(super) fn description(self) -> &'static str {
        match self {
            NameKind::Table => "routing table",
            NameKind::Protocol => "protocol",
            NameKind::Realm => "realm",
            NameKind::Tos => "type of service",
            NameKind::Group => "interface group",
        }
    }

    /// The largest number.
    fn max(self) -> u32 {
        match self {
            NameKind::Table | NameKind::Group => u32::MAX,
            NameKind::Realm => 0xffff,
            NameKind::Protocol | NameKind::Tos => 0xff,
        }
    }

    /// Built-in names (linux/rtnetlink.h).
    fn built_in(self) -> &'static [(&'static str, u32)] {
        match self {
            NameKind::Table => &[("local", 255), ("main", 254), ("default", 253)],
            NameKind::Protocol => &[
                ("redirect", 1),
                ("kernel", 2),
                ("boot", 3),
                ("static", 4),
                ("ra", 9),
                ("zebra", 11),
                ("bird", 12),
                ("dhcp", 16),
                ("keepalived", 18),
                ("babel", 42),
                ("bgp", 186),
                ("isis", 187),
                ("ospf", 188),
                ("rip", 189),
            ],
            NameKind::Realm | NameKind::Tos => &[],
            NameKind::Group => &[("default", 0)],
        }
    }
}

/// The names, read from files when they are first needed.
pub(super) struct Names<'a> {
    host: &'a dyn Host,
    /// Directories; /etc/iproute2 first.
    dirs: Vec<String>,
    /// Kinds whose files have been read, with their entries.
    read: Vec<(NameKind, Vec<(u32, String)>)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(host: &'a dyn Host, global: &Fields<'_>) -> Self {
        let etc = global.word("iproute_etc_dir").unwrap_or("/etc/iproute2");
        let mut dirs = vec![etc.to_owned()];
        match global.word("iproute_usr_dir") {
            Some(dir) => dirs.push(dir.to_owned()),
            None => {
                dirs.push("/usr/share/iproute2".to_owned());
                dirs.push("/usr/lib/iproute2".to_owned());
            }
        }
        Names {
            host,
            dirs,
            read: Vec::new(),
        }
    }

    /// The file in which the administrator defines names of this kind.
    pub(super) fn file(&self, kind: NameKind) -> String {
        let dir = self.dirs.first().map_or("", String::as_str);
        format!("{dir}/{}", kind.file())
    }

    /// The number `text` is, or is the name of.
    pub(super) fn number(&mut self, kind: NameKind, text: &str) -> Option<u32> {
        let number = value::number(text).or_else(|| {
            let mut names = kind.built_in().iter();
            let entry = names.find(|(name, _)| *name == text);
            entry.map(|(_, number)| *number)
        });
        number
            .or_else(|| self.look_up(kind, text))
            .filter(|number| *number <= kind.max())
    }

    fn look_up(&mut self, kind: NameKind, text: &str) -> Option<u32> {
        if !self.read.iter().any(|(read, _)| *read == kind) {
            let names = self.load(kind);
            self.read.push((kind, names));
        }
        let (_, names) = self.read.iter().find(|(read, _)| *read == kind)?;
        let (number, _) = names.iter().find(|(_, name)| name == text)?;
        Some(*number)
    }

    fn load(&self, kind: NameKind) -> Vec<(u32, String)> {
        let mut names = Vec::new();
        for dir in &self.dirs {
            let file = format!("{dir}/{}", kind.file());
            let more = self.host.glob(&format!("{file}.d/*.conf"));
            for path in core::iter::once(file).chain(more) {
                // None of the files must exist.
                let bytes = self.host.read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                names.extend(text.lines().filter_map(entry));
            }
        }
        names
    }
}

/// `NUMBER NAME`, and perhaps a comment.
fn entry(line: &str) -> Option<(u32, String)> {
    let line = line.split('#').next()?;
    let mut words = line.split_whitespace();
    let number = value::number(words.next()?)?;
    Some((number, words.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::User;
    use crate::config::{Access, Program};

    /// A host with these iproute2 files and nothing else.
    struct Files;

    impl Host for Files {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            let text = match path {
                "/etc/iproute2/rt_tables" => {
                    "# mine\n\n100 wan # the uplink\nx y\n300\n0x12d hex\n"
                }
                "/etc/iproute2/rt_tables.d/a.conf" => "200\tlan\n",
                "/usr/share/iproute2/rt_tables" => "1 wan\n",
                "/etc/iproute2/rt_protos" => "400 toomuch\n77 own\n",
                _ => return Err("no such file or directory".to_owned()),
            };
            Ok(text.into())
        }

        fn read_protected(&self, path: &str, _: Access) -> Result<Vec<u8>, String> {
            self.read(path)
        }

        fn is_writable_by_everyone(&self, _: &str) -> bool {
            false
        }

        fn glob(&self, pattern: &str) -> Vec<String> {
            match pattern {
                "/etc/iproute2/rt_tables.d/*.conf" => {
                    vec!["/etc/iproute2/rt_tables.d/a.conf".to_owned()]
                }
                _ => Vec::new(),
            }
        }

        fn env(&self, _name: &str) -> Option<String> {
            None
        }

        fn config_id(&self) -> String {
            String::new()
        }

        fn random(&self) -> u32 {
            0
        }

        fn user(&self, _name: &str) -> Option<User> {
            None
        }

        fn group(&self, _name: &str) -> Option<u32> {
            None
        }

        fn own_user(&self) -> User {
            User { uid: 0, gid: 0 }
        }

        fn program(&self, _name: &str, _user: User) -> Result<Program, String> {
            Err("no such file or directory".to_owned())
        }
    }

    #[test]
    fn a_word_is_a_number_a_built_in_name_or_a_name_in_a_file() {
        let nothing = crate::config::tree::Block::default();
        let mut names = Names::new(&Files, &Fields::of(&nothing));
        for (kind, text, want) in [
            (NameKind::Table, "7", Some(7)),
            (NameKind::Table, "0x10", Some(16)),
            (NameKind::Table, "main", Some(254)),
            (NameKind::Table, "wan", Some(100)),
            (NameKind::Table, "lan", Some(200)),
            (NameKind::Table, "hex", Some(301)),
            (NameKind::Table, "y", None),
            (NameKind::Table, "4294967296", None),
            (NameKind::Protocol, "static", Some(4)),
            (NameKind::Protocol, "own", Some(77)),
            (NameKind::Protocol, "toomuch", None),
            (NameKind::Protocol, "256", None),
            (NameKind::Realm, "65536", None),
            (NameKind::Group, "default", Some(0)),
        ] {
            assert_eq!(names.number(kind, text), want, "{kind:?} {text}");
        }
    }
}
