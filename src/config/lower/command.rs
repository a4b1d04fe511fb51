//! Commands: arguments, user, and whether the program can be executed.
//!
//! As in keepalived, a program that cannot be executed is left out with a warning: a router without
//! the script is better than no router. A user that does not exist is an error, and its scripts are
//! not run: the alternative would be root.

use super::Lowering;
use super::fields::Fields;
use crate::config::Program;
use crate::config::command::{shell_word, split};
use crate::config::diag::{Diag, Severity, Span};
use crate::config::model::{Command, User};
use crate::config::tree::Node;

/// keepalived's default of `script_user`.
const DEFAULT_USER: &str = "keepalived_script";

/// Help for a command with this syntax of a shell. Only bash connects to `/dev/tcp/HOST/PORT`.
fn with_shell(word: &str) -> String {
    let shell = match word.contains("/dev/tcp/") {
        true => "bash",
        false => "sh",
    };
    format!("to run it with a shell, write `\"/bin/{shell} -c 'COMMAND'\"`")
}

/// `script_user` and `enable_script_security`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ScriptDefaults {
    /// `script_user`; `None`: there is none.
    user: Option<User>,
    /// `enable_script_security`.
    secure: bool,
    /// Where to report, once, that there is no user.
    not_reported: Option<Span>,
    /// A script that runs as root without `enable_script_security` has been reported.
    unprotected: bool,
}

/// A program that others can change.
struct Exposed {
    /// The path that other users can change: the program, or a directory or link on the way to it.
    part: String,
    /// The rights it runs with.
    rights: &'static str,
    /// Severity of the report that it is not run.
    severity: Severity,
}

impl Lowering<'_> {
    /// Reads `script_user` and `enable_script_security`.
    pub(super) fn script_defaults(&mut self, global_defs: &Fields<'_>) {
        let security = global_defs.last("enable_script_security");
        self.scripts.secure = security.is_some();
        self.scripts.user = match global_defs.last("script_user") {
            Some(node) => self.user(node),
            None => self.host.user(DEFAULT_USER),
        };
        if self.scripts.user.is_none() && !global_defs.has("script_user") {
            match security {
                Some(node) => self.scripts.not_reported = Some(node.span()),
                None => self.scripts.user = Some(self.host.own_user()),
            }
        }
    }

    /// The user of scripts for which the configuration names none. With `enable_script_security`
    /// that is not the daemon's user, as in keepalived: scripts run as root only if the
    /// configuration says so.
    pub(super) fn default_user(&mut self) -> Option<User> {
        if let Some(span) = self.scripts.not_reported.take() {
            let message = format!(
                "scripts and FIFOs without a user of their own are left out: there is no `script_user`, and no user `{DEFAULT_USER}`"
            );
            let help = "write `script_user NAME`; `script_user root` if the scripts need root";
            self.error(span, message, help);
        }
        self.scripts.user
    }

    /// The command of a statement and the user that follows it, by default `script_user`:
    /// `notify_master "/path/x.sh a b" [USER [GROUP]]`.
    pub(super) fn command(&mut self, node: &Node) -> Option<Command> {
        let (mut argv, rest) = self.split_command(node)?;
        let quoted = node.text().starts_with(['"', '\'']);
        // Without quotes the words after the program may be its arguments.
        let user_of = |word: &String| self.host.user(word.split(':').next().unwrap_or(word));
        let is_user = quoted || (rest.len() <= 2 && rest.first().and_then(user_of).is_some());
        let user = match rest.as_slice() {
            [name, group @ ..] if is_user => {
                let group = group.first().map(String::as_str);
                self.user_named(name, group, node.keyword.span, Severity::ToleratedError)?
            }
            arguments => {
                argv.extend_from_slice(arguments);
                self.default_user()?
            }
        };
        self.check_program(node, argv, user, Severity::Tolerated)
    }

    /// The command of a statement, run as `user`. All words are the program and its arguments. A
    /// program that cannot be executed is reported with this severity.
    pub(super) fn command_as(
        &mut self,
        node: &Node,
        user: User,
        severity: Severity,
    ) -> Option<Command> {
        let (mut argv, rest) = self.split_command(node)?;
        argv.extend(rest);
        self.check_program(node, argv, user, severity)
    }

    /// `keyword USER [GROUP]` or `keyword USER:GROUP`.
    pub(super) fn user(&mut self, node: &Node) -> Option<User> {
        let mut words = node.args.iter().map(|word| &*word.text);
        let name = words.next()?;
        self.user_named(name, words.next(), node.keyword.span, Severity::Error)
    }

    /// The user and group of these names: `NAME`, `NAME GROUP`, `NAME :GROUP`, `NAME:GROUP`. The
    /// group is by default that of the user. A `:` after a blank requests supplementary groups. A
    /// name that does not exist is reported with this severity.
    pub(super) fn user_named(
        &mut self,
        name: &str,
        group: Option<&str>,
        span: Span,
        severity: Severity,
    ) -> Option<User> {
        let (name, attached) = match name.split_once(':') {
            Some((name, attached)) => (name, Some(attached)),
            None => (name, None),
        };
        let group = group.map(|group| match group.strip_prefix(':') {
            Some(group) => {
                self.unsupported(
                    span,
                    "`:` has no effect: scripts run with one group, without supplementary ones",
                );
                group
            }
            None => group,
        });
        let named = |group: &&str| !group.is_empty();
        let group = attached.filter(named).or(group.filter(named));
        let Some(mut user) = self.host.user(name) else {
            self.no_account(severity, span, "user", name);
            return None;
        };
        if let Some(group) = group {
            let Some(gid) = self.host.group(group) else {
                self.no_account(severity, span, "group", group);
                return None;
            };
            user.gid = gid;
        }
        Some(user)
    }

    /// Reports a user or group that does not exist, once for all statements that name it.
    fn no_account(&mut self, severity: Severity, span: Span, what: &str, name: &str) {
        let message = format!("{what} `{name}` does not exist; its scripts are not run");
        self.diags.report_once(Diag {
            help: Some(format!("create the {what}, or write another one")),
            ..Diag::new(severity, Some(span), message)
        });
    }

    /// The words before and after the end of the quoted command, if it is quoted.
    fn split_command(&mut self, node: &Node) -> Option<(Vec<String>, Vec<String>)> {
        match split(&node.text()) {
            Ok(words) => Some(words),
            Err(error) => {
                let message = format!("`{}`: {error}; the command is not run", node.keyword.text);
                self.diags.report(Severity::Error, node.span(), message);
                None
            }
        }
    }

    /// The command with the path of its program; `None` if it cannot be executed, which has been
    /// reported.
    fn check_program(
        &mut self,
        node: &Node,
        mut argv: Vec<String>,
        user: User,
        severity: Severity,
    ) -> Option<Command> {
        let program = argv.first_mut()?;
        let Program {
            path,
            exposed,
            set_id,
        } = match self.host.program(program, user) {
            Ok(found) => found,
            Err(why) => {
                let message = format!("`{program}` is not run: {why}");
                let is_program = |name: &str| self.host.program(name, user).is_ok();
                // A redirection or an assignment instead of a program.
                let shell = shell_word(program, &is_program).map(|word| with_shell(&word));
                self.diags.report_once(Diag {
                    help: shell,
                    ..Diag::new(severity, Some(node.span()), message)
                });
                return None;
            }
        };
        let rights = self.rights(user);
        if let (Some(part), Some(rights)) = (exposed, rights) {
            let part = Exposed {
                part,
                rights,
                severity,
            };
            self.report_exposed(node, program, &part)?;
        }
        if set_id && user.uid != self.host.own_user().uid {
            let message = format!(
                "`{program}` is set-user-ID, without effect here: a script of another user than the daemon's cannot gain rights"
            );
            let help = "if it needs more rights, write a `user` that has them, such as root";
            self.diags
                .report_with_help(Severity::Unsupported, node.span(), message, help);
        }
        let secure = self.scripts.secure && rights.is_some();
        if !self.scripts.secure && user.uid == 0 {
            self.report_unprotected(node.span());
        }
        *program = path;
        self.report_shell_syntax(node, user);
        Some(Command { argv, user, secure })
    }

    /// Which rights a program of this user has that make it worth changing, for a message.
    fn rights(&self, user: User) -> Option<&'static str> {
        match user {
            User { uid: 0, .. } => Some("as root"),
            User { gid: 0, .. } => Some("with the group root"),
            User { uid, .. } if uid == self.host.own_user().uid => Some("as the daemon's user"),
            User { .. } => None,
        }
    }

    /// Reports that others can change this part of the path of a program; `None`: it is not run.
    fn report_exposed(&mut self, node: &Node, program: &str, exposed: &Exposed) -> Option<()> {
        let Exposed {
            part,
            rights,
            severity,
        } = exposed;
        let safe = "make every part of its path, links too, writable by root only, or write a `user` that runs it";
        if self.scripts.secure {
            let message = format!(
                "`{program}` is not run: it would run {rights}, but users other than root can change `{part}`"
            );
            self.diags
                .report_with_help(*severity, node.span(), message, safe);
            return None;
        }
        let message =
            format!("`{program}` runs {rights}, but users other than root can change `{part}`");
        self.note_with_help(node.span(), message, safe);
        Some(())
    }

    /// Reports, once, that scripts run as root without a check of who can change them.
    fn report_unprotected(&mut self, span: Span) {
        if core::mem::replace(&mut self.scripts.unprotected, true) {
            return;
        }
        let message = "scripts run as root without `enable_script_security`, even those that other users can change";
        let help = "write `enable_script_security` in `global_defs`";
        self.diags
            .report_with_help(Severity::Insecure, span, message, help);
    }

    /// Reports a word that only a shell interprets.
    fn report_shell_syntax(&mut self, node: &Node, user: User) {
        let is_program = |name: &str| self.host.program(name, user).is_ok();
        if let Some(word) = shell_word(&node.text(), &is_program) {
            let message =
                format!("the command is not run by a shell; `{word}` is passed as an argument");
            self.tolerated_with_help(node.span(), message, with_shell(&word));
        }
    }
}
