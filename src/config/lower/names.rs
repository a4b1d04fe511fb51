//! Numbers that have names: routing tables, protocols, realms, types of service, groups of interfaces.
//!
//! iproute2 keeps the names in files, `NUMBER NAME` on a line: `rt_tables` in one directory for what the
//! distribution ships and in another for what the administrator adds, and more in `rt_tables.d/*.conf` beside
//! it. Routers mostly have none of these, so the common names are known without.

use super::fields::Fields;
use crate::config::Host;
use crate::config::schema::value;

/// A kind of name; its text is the name of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Table,
    Protocol,
    Realm,
    Tos,
    Group,
}

impl Kind {
    fn file(self) -> &'static str {
        match self {
            Kind::Table => "rt_tables",
            Kind::Protocol => "rt_protos",
            Kind::Realm => "rt_realms",
            Kind::Tos => "rt_dsfield",
            Kind::Group => "group",
        }
    }

    /// The object of "no … is called".
    pub(super) fn what(self) -> &'static str {
        match self {
            Kind::Table => "table",
            Kind::Protocol => "protocol",
            Kind::Realm => "realm",
            Kind::Tos => "type of service",
            Kind::Group => "group of interfaces",
        }
    }

    /// The largest number of the kind.
    fn most(self) -> u32 {
        match self {
            Kind::Table | Kind::Group => u32::MAX,
            Kind::Realm => 0xffff,
            Kind::Protocol | Kind::Tos => 0xff,
        }
    }

    /// The names everybody uses (linux/rtnetlink.h).
    fn common(self) -> &'static [(&'static str, u32)] {
        match self {
            Kind::Table => &[("local", 255), ("main", 254), ("default", 253)],
            Kind::Protocol => &[
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
            Kind::Realm | Kind::Tos => &[],
            Kind::Group => &[("default", 0)],
        }
    }
}

/// Where names are looked up.
pub(super) struct Names<'a> {
    host: &'a dyn Host,
    /// The administrator's first.
    dirs: Vec<String>,
    /// Kinds whose files have been read, and what is in them.
    read: Vec<(Kind, Vec<(u32, String)>)>,
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

    /// The file in which a name of this kind would be.
    pub(super) fn file(&self, kind: Kind) -> String {
        let dir = self.dirs.first().map_or("", String::as_str);
        format!("{dir}/{}", kind.file())
    }

    /// The number a word stands for: itself, or what it is called.
    pub(super) fn number(&mut self, kind: Kind, text: &str) -> Option<u32> {
        let number = value::number(text).or_else(|| {
            let mut common = kind.common().iter();
            let common = common.find(|(name, _)| *name == text);
            common.map(|(_, number)| *number)
        });
        number
            .or_else(|| self.look_up(kind, text))
            .filter(|number| *number <= kind.most())
    }

    fn look_up(&mut self, kind: Kind, text: &str) -> Option<u32> {
        if !self.read.iter().any(|(read, _)| *read == kind) {
            let names = self.load(kind);
            self.read.push((kind, names));
        }
        let (_, names) = self.read.iter().find(|(read, _)| *read == kind)?;
        let (number, _) = names.iter().find(|(_, name)| name == text)?;
        Some(*number)
    }

    fn load(&self, kind: Kind) -> Vec<(u32, String)> {
        let mut names = Vec::new();
        for dir in &self.dirs {
            let file = format!("{dir}/{}", kind.file());
            let more = self.host.glob(&format!("{file}.d/*.conf"));
            for path in core::iter::once(file).chain(more) {
                // Which of the files there are is nobody's mistake.
                let bytes = self.host.read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                names.extend(text.lines().filter_map(entry));
            }
        }
        names
    }
}

/// `NUMBER NAME`, and a comment perhaps.
fn entry(line: &str) -> Option<(u32, String)> {
    let line = line.split('#').next()?;
    let mut words = line.split_whitespace();
    let number = value::number(words.next()?)?;
    Some((number, words.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Program;
    use crate::config::model::User;

    /// Two files, by path.
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
    fn words_are_numbers_common_names_or_names_in_a_file() {
        let nothing = crate::config::tree::Block::default();
        let mut names = Names::new(&Files, &Fields::of(&nothing));
        for (kind, text, want) in [
            (Kind::Table, "7", Some(7)),
            (Kind::Table, "0x10", Some(16)),
            (Kind::Table, "main", Some(254)),
            (Kind::Table, "wan", Some(100)),
            (Kind::Table, "lan", Some(200)),
            (Kind::Table, "hex", Some(301)),
            (Kind::Table, "y", None),
            (Kind::Table, "4294967296", None),
            (Kind::Protocol, "static", Some(4)),
            (Kind::Protocol, "own", Some(77)),
            (Kind::Protocol, "toomuch", None),
            (Kind::Protocol, "256", None),
            (Kind::Realm, "65536", None),
            (Kind::Group, "default", Some(0)),
        ] {
            assert_eq!(names.number(kind, text), want, "{kind:?} {text}");
        }
    }
}
