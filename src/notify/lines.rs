//! Arguments of notify scripts and lines of FIFOs, byte for byte keepalived's: scripts compare
//! them.
//!
//! ```text
//! argv   notify.sh … INSTANCE VI_1 MASTER 100        GROUP G1 MASTER 0
//! FIFO   INSTANCE "VI_1" MASTER 100\n                GROUP "G1" MASTER 0\n
//!        RS [10.0.0.1]:tcp:80 [192.0.2.1]:tcp:80 UP\n VS [192.0.2.1]:tcp:80 DOWN\n
//! ```

use super::{NotifyEvent, ObjectKind};

/// Limit of a name in a FIFO line, which must not exceed `PIPE_BUF` to be written atomically.
const MAX_NAME: usize = 1024;

impl ObjectKind {
    /// `INSTANCE`, `GROUP`, `VS` or `RS`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Instance => "INSTANCE",
            ObjectKind::Group => "GROUP",
            ObjectKind::VirtualServer => "VS",
            ObjectKind::RealServer => "RS",
        }
    }
}

impl NotifyEvent {
    /// The word in arguments and FIFO lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            NotifyEvent::Master => "MASTER",
            NotifyEvent::Backup => "BACKUP",
            NotifyEvent::Fault => "FAULT",
            NotifyEvent::Stop => "STOP",
            NotifyEvent::Deleted => "DELETED",
            NotifyEvent::LowerPriority => "MASTER_RX_LOWER_PRI",
            NotifyEvent::MasterPriority => "MASTER_PRIORITY",
            NotifyEvent::BackupPriority => "BACKUP_PRIORITY",
            NotifyEvent::Up => "UP",
            NotifyEvent::Down | NotifyEvent::DownAtEnd => "DOWN",
        }
    }
}

/// Arguments that `notify` gets after its configured ones. The name is not escaped: no shell is
/// involved.
#[must_use]
pub fn arguments(kind: ObjectKind, name: &str, event: NotifyEvent, priority: u8) -> Vec<String> {
    vec![
        kind.as_str().to_owned(),
        name.to_owned(),
        event.as_str().to_owned(),
        priority.to_string(),
    ]
}

/// A FIFO line with its newline. Characters that would break the line are written as `\xNN`.
#[must_use]
pub fn fifo_line(kind: ObjectKind, name: &str, event: NotifyEvent, priority: u8) -> String {
    let mut line = String::with_capacity(name.len().saturating_add(48));
    line.push_str(kind.as_str());
    line.push_str(" \"");
    push_escaped(&mut line, name, MAX_NAME);
    line.push_str("\" ");
    line.push_str(event.as_str());
    line.push(' ');
    line.push_str(&priority.to_string());
    line.push('\n');
    line
}

/// A FIFO line about a virtual server, or about a real server, whose name precedes that of its
/// virtual server.
#[must_use]
pub fn lvs_line(kind: ObjectKind, names: &[&str], event: NotifyEvent) -> String {
    let mut line = String::with_capacity(96);
    line.push_str(kind.as_str());
    for name in names {
        line.push(' ');
        push_escaped(&mut line, name, MAX_NAME);
    }
    line.push(' ');
    line.push_str(event.as_str());
    line.push('\n');
    line
}

/// Appends text until the line has `max` bytes, with control characters, quotes and backslashes as
/// `\xNN`.
fn push_escaped(line: &mut String, text: &str, max: usize) {
    for character in text.chars() {
        let escape = character.is_control() || matches!(character, '"' | '\\');
        if line.len() > max {
            break;
        }
        if escape {
            line.push_str(&format!("\\x{:02x}", u32::from(character)));
        } else {
            line.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_get_four_more_arguments() {
        assert_eq!(
            arguments(ObjectKind::Instance, "VI 1", NotifyEvent::Master, 100),
            ["INSTANCE", "VI 1", "MASTER", "100"]
        );
        assert_eq!(
            arguments(ObjectKind::Group, "G1", NotifyEvent::Stop, 0),
            ["GROUP", "G1", "STOP", "0"]
        );
    }

    #[test]
    fn fifo_lines_are_those_of_keepalived() {
        use ObjectKind::{Group, Instance};
        for (kind, name, event, priority, want) in [
            (
                Instance,
                "VI_1",
                NotifyEvent::Master,
                100,
                "INSTANCE \"VI_1\" MASTER 100\n",
            ),
            (
                Instance,
                "VI 1",
                NotifyEvent::Backup,
                1,
                "INSTANCE \"VI 1\" BACKUP 1\n",
            ),
            (
                Instance,
                "a",
                NotifyEvent::Fault,
                255,
                "INSTANCE \"a\" FAULT 255\n",
            ),
            (
                Instance,
                "a",
                NotifyEvent::Stop,
                9,
                "INSTANCE \"a\" STOP 9\n",
            ),
            (
                Instance,
                "a",
                NotifyEvent::Deleted,
                9,
                "INSTANCE \"a\" DELETED 9\n",
            ),
            (
                Instance,
                "a",
                NotifyEvent::LowerPriority,
                9,
                "INSTANCE \"a\" MASTER_RX_LOWER_PRI 9\n",
            ),
            (
                Instance,
                "a",
                NotifyEvent::MasterPriority,
                9,
                "INSTANCE \"a\" MASTER_PRIORITY 9\n",
            ),
            (
                Instance,
                "a",
                NotifyEvent::BackupPriority,
                9,
                "INSTANCE \"a\" BACKUP_PRIORITY 9\n",
            ),
            (
                Group,
                "G1",
                NotifyEvent::Master,
                0,
                "GROUP \"G1\" MASTER 0\n",
            ),
            (
                Group,
                "größe",
                NotifyEvent::Master,
                0,
                "GROUP \"größe\" MASTER 0\n",
            ),
        ] {
            assert_eq!(fifo_line(kind, name, event, priority), want);
        }
    }

    #[test]
    fn lines_about_servers_are_those_of_keepalived() {
        let (service, server) = ("[192.0.2.1]:tcp:80", "[2001:db8::7]:tcp:8080");
        for (kind, names, event, want) in [
            (
                ObjectKind::VirtualServer,
                &[service][..],
                NotifyEvent::Up,
                "VS [192.0.2.1]:tcp:80 UP\n",
            ),
            (
                ObjectKind::VirtualServer,
                &["FWM 5"],
                NotifyEvent::Down,
                "VS FWM 5 DOWN\n",
            ),
            (
                ObjectKind::VirtualServer,
                &["[web]:0"],
                NotifyEvent::DownAtEnd,
                "VS [web]:0 DOWN\n",
            ),
            (
                ObjectKind::RealServer,
                &[server, service],
                NotifyEvent::Down,
                "RS [2001:db8::7]:tcp:8080 [192.0.2.1]:tcp:80 DOWN\n",
            ),
            (
                ObjectKind::VirtualServer,
                &["[a\nb]:0"],
                NotifyEvent::Up,
                "VS [a\\x0ab]:0 UP\n",
            ),
        ] {
            assert_eq!(lvs_line(kind, names, event), want);
        }
    }

    #[test]
    fn no_name_breaks_a_line() {
        let line = fifo_line(
            ObjectKind::Instance,
            "a\"b\\c\nd\u{7f}",
            NotifyEvent::Master,
            1,
        );
        assert_eq!(line, "INSTANCE \"a\\x22b\\x5cc\\x0ad\\x7f\" MASTER 1\n");
        let long = fifo_line(
            ObjectKind::Instance,
            &"\n".repeat(9000),
            NotifyEvent::Master,
            1,
        );
        assert!(
            long.len() < 4096 && long.ends_with("\" MASTER 1\n"),
            "{}",
            long.len()
        );
    }
}
