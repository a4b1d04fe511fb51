//! Programs to run: their words, who runs them, and whether they can be run at all.
//!
//! What cannot be run is left out with a warning, as keepalived does: a router with a broken script is better
//! than none. A user that does not exist is another matter: running its script as root instead would be worse
//! than not running it.

use super::Lowering;
use super::fields::Fields;
use crate::config::Program;
use crate::config::command::split;
use crate::config::diag::{Severity, Span};
use crate::config::model::{Command, User};
use crate::config::tree::Node;

/// Who runs scripts when nothing is said about it.
const USUAL_USER: &str = "keepalived_script";

/// `global_defs` as far as scripts are concerned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ScriptDefaults {
    /// `None`: the one that is configured does not exist.
    pub(super) user: Option<User>,
    /// `enable_script_security`.
    secure: bool,
}

impl Lowering<'_> {
    /// Reads `script_user` and `enable_script_security`.
    pub(super) fn script_defaults(&mut self, global_defs: &Fields<'_>) {
        self.scripts.secure = global_defs.has("enable_script_security");
        self.scripts.user = match global_defs.last("script_user") {
            Some(node) => self.user(node),
            None => Some(
                self.host
                    .user(USUAL_USER)
                    .unwrap_or_else(|| self.host.own_user()),
            ),
        };
    }

    /// The command of a statement, run by the usual user or by the one that follows it:
    /// `notify_master "/path/x.sh a b" [USER [GROUP]]`.
    pub(super) fn command(&mut self, node: &Node) -> Option<Command> {
        let (mut argv, behind) = self.words_of(node)?;
        let quoted = node.text().starts_with(['"', '\'']);
        // Without quotes they may as well be meant as arguments.
        let named = |word: &String| self.host.user(word.split(':').next().unwrap_or(word));
        let is_user = quoted || (behind.len() <= 2 && behind.first().and_then(named).is_some());
        let user = match behind.as_slice() {
            [name, rest @ ..] if is_user => {
                let group = rest.first().map(String::as_str);
                self.user_named(name, group, node.keyword.span)?
            }
            arguments => {
                argv.extend_from_slice(arguments);
                self.scripts.user?
            }
        };
        self.checked(node, argv, user)
    }

    /// The command of a statement, run by `user`; all words are its own.
    pub(super) fn command_as(&mut self, node: &Node, user: User) -> Option<Command> {
        let (mut argv, behind) = self.words_of(node)?;
        argv.extend(behind);
        self.checked(node, argv, user)
    }

    /// `keyword USER [GROUP]` or `keyword USER:GROUP`.
    pub(super) fn user(&mut self, node: &Node) -> Option<User> {
        let mut words = node.args.iter().map(|word| &*word.text);
        let name = words.next()?;
        self.user_named(name, words.next(), node.keyword.span)
    }

    pub(super) fn user_named(
        &mut self,
        name: &str,
        group: Option<&str>,
        span: Span,
    ) -> Option<User> {
        let (name, behind) = match name.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (name, group),
        };
        let Some(mut user) = self.host.user(name) else {
            let message = format!("there is no user `{name}`; scripts it should run are not run");
            self.error(span, message, "create the user, or name another one");
            return None;
        };
        if let Some(group) = behind {
            let Some(gid) = self.host.group(group) else {
                let message =
                    format!("there is no group `{group}`; scripts it should run are not run");
                self.error(span, message, "create the group, or name another one");
                return None;
            };
            user.gid = gid;
        }
        Some(user)
    }

    fn words_of(&mut self, node: &Node) -> Option<(Vec<String>, Vec<String>)> {
        match split(&node.text()) {
            Ok(words) => Some(words),
            Err(error) => {
                let message = format!("`{}`: {error}; it is not run", node.keyword.text);
                self.diags.report(Severity::Error, node.span(), message);
                None
            }
        }
    }

    /// The command if it can be run; otherwise it has been said why not.
    fn checked(&mut self, node: &Node, mut argv: Vec<String>, user: User) -> Option<Command> {
        let program = argv.first_mut()?;
        let Program {
            path,
            writable_by_others,
        } = match self.host.program(program, user) {
            Ok(found) => found,
            Err(why) => {
                let message = format!("`{program}` is not run: {why}");
                self.warn(node.span(), message);
                return None;
            }
        };
        if let Some(part) = writable_by_others.filter(|_| user.uid == 0) {
            let safe = "let root own all of its path and nobody else write to it, or name a `user` to run it";
            if self.scripts.secure {
                let message = format!(
                    "`{program}` is not run: root would run it, and others may change `{part}`"
                );
                self.diags
                    .report_with_help(Severity::Insecure, node.span(), message, safe);
                return None;
            }
            let message = format!("root runs `{program}`, and others may change `{part}`");
            self.diags
                .report_with_help(Severity::Note, node.span(), message, safe);
        }
        *program = path;
        self.no_shell(node, &argv);
        Some(Command { argv, user })
    }

    /// Words that only a shell understands.
    fn no_shell(&mut self, node: &Node, argv: &[String]) {
        const SHELL: [&str; 10] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1", "2>"];
        let redirects = |word: &str| word.starts_with('>') || word.starts_with("&>");
        let word = argv.iter().skip(1).find(|word| {
            SHELL.contains(&word.as_str()) || redirects(word) || word.starts_with("2>/")
        });
        if let Some(word) = word {
            let message =
                format!("no shell reads this command: `{word}` is an argument like any other");
            let help = "write `\"/bin/sh -c '…'\"` around it to have a shell read it";
            self.diags
                .report_with_help(Severity::Warning, node.span(), message, help);
        }
    }
}
