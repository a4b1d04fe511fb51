//! The documented forms of keepalived's keywords: `tests/golden/forms/*.forms`.
//!
//! `[NAME]` starts a section. Its lines `| TEXT` are a configuration, in which `%` stands for the
//! form; ` ; ` in a form is the end of a line. Each other line is a form, and what it must do:
//!
//! ```text
//! + FORM            takes effect: the model is another, and nothing is reported
//! = FORM            says what is so without it: the model is the same, and nothing is reported
//! * FORM => TEXT    takes effect, and a message contains TEXT
//! - FORM => TEXT    has no effect on the model: a message contains TEXT and says what happens
//! ```
//!
//! No form may be an error. `UPDATE_GOLDEN=1` rewrites kinds and messages, but a form that is
//! silently ignored stays as it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use vrrpd::config::model::User;
use vrrpd::config::{Access, Host, Loaded, Program, Severity, load};

use super::model_text;

/// A form, with the configuration that contains it.
struct Form {
    /// Section and text, for messages.
    name: String,
    kind: char,
    text: String,
    /// Part of the message.
    message: String,
    around: String,
}

/// Every form, by file.
fn files() -> impl Iterator<Item = (PathBuf, String)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/forms");
    let paths = ["vrrp.forms", "lvs.forms"].map(|name| dir.join(name));
    paths.into_iter().map(|path| {
        let text = fs::read_to_string(&path).expect("forms");
        (path, text)
    })
}

/// Reads a file line by line: its text, and the form in it.
fn lines(text: &str) -> Vec<(&str, Option<Form>)> {
    let (mut section, mut around) = (String::new(), String::new());
    let mut list = Vec::new();
    for line in text.lines() {
        let mut form = None;
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            around.clear();
        } else if let Some(text) = line.strip_prefix("| ") {
            around += text;
            around.push('\n');
        } else if let Some((kind, rest)) = line.split_once(' ').filter(|_| !line.starts_with('#')) {
            let (text, message) = rest.split_once(" => ").unwrap_or((rest, ""));
            form = Some(Form {
                name: format!("[{section}] {rest}"),
                kind: kind.chars().next().expect("a kind"),
                text: text.to_owned(),
                message: message.to_owned(),
                around: around.clone(),
            });
        }
        list.push((line, form));
    }
    list
}

/// Compares every form with what it does, or rewrites the files.
pub(crate) fn compare(update: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in files() {
        let mut out = String::new();
        for (line, form) in lines(&text) {
            let outcome = form.map(|form| form.outcome());
            match outcome {
                Some(Err(complaint)) => {
                    complaints.push(complaint);
                    out += line;
                }
                Some(Ok(new)) if update || new == line => out += &new,
                Some(Ok(new)) => complaints.push(format!("{line}\n    now: {new}")),
                None => out += line,
            }
            out.push('\n');
        }
        if update {
            fs::write(path, out).expect("write the forms");
        }
    }
    complaints
}

/// All words of the forms.
pub(crate) fn words() -> BTreeSet<String> {
    let separators = |c: char| c.is_whitespace() || "{};".contains(c);
    let mut words = BTreeSet::new();
    for (_, text) in files() {
        let forms = lines(&text).into_iter().filter_map(|(_, form)| form);
        for text in forms.flat_map(|form| [form.text, form.around]) {
            words.extend(text.split(separators).map(str::to_owned));
        }
    }
    words
}

impl Form {
    fn load(&self, form: &str) -> (String, Vec<(Severity, String)>) {
        let text = self.around.replace('%', &form.replace(" ; ", "\n"));
        let loaded = load("test", &OneFile(text));
        (model_text::differences(&loaded.config), messages(&loaded))
    }

    /// The line that says what the form does; an error, if it does not what it must.
    fn outcome(&self) -> Result<String, String> {
        let (without, usual) = self.load("");
        let (model, mut messages) = self.load(&self.text);
        // Who else could change a setting is not the question here.
        messages.retain(|message| {
            message.0 != Severity::InsecureSetting
                && !message.1.starts_with("scripts run as root")
                && !usual.contains(message)
        });
        let effect = model != without;
        let wrong = messages
            .iter()
            .find(|(severity, _)| *severity >= Severity::Error);
        if let Some((_, message)) = wrong {
            return Err(format!("{}: an error: {message}", self.name));
        }
        let expected = messages
            .iter()
            .find(|(_, text)| !self.message.is_empty() && text.contains(&self.message));
        let message = match (expected, messages.first()) {
            (Some(_), _) => &self.message,
            (None, Some((_, text))) => text,
            (None, None) if effect => return Ok(format!("+ {}", self.text)),
            (None, None) if self.kind == '=' => return Ok(format!("= {}", self.text)),
            (None, None) => return Err(format!("{}: silently ignored", self.name)),
        };
        let kind = if effect { '*' } else { '-' };
        Ok(format!("{kind} {} => {message}", self.text))
    }
}

fn messages(loaded: &Loaded) -> Vec<(Severity, String)> {
    let list = loaded.diags.list().iter();
    list.map(|diag| (diag.severity, diag.message.clone()))
        .collect()
}

/// A host with one configuration, an included file and every program; the user of the daemon is
/// root.
struct OneFile(String);

impl Host for OneFile {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "test" => Ok(self.0.clone().into_bytes()),
            "/etc/keepalived/conf.d/a.conf" => Ok(b"global_defs { router_id included }".into()),
            "/etc/keepalived/conf.d/b.conf" => Ok(b"global_defs { lvs_flush }".into()),
            _ if path.starts_with("/etc/ssl/") => {
                Ok(include_bytes!("../golden/conf/ssl.pem").into())
            }
            _ if path.starts_with("/etc/local/") => Ok(b"7 mine\n".into()),
            _ => Err("no such file or directory".to_owned()),
        }
    }

    fn read_protected(&self, path: &str, _: Access) -> Result<Vec<u8>, String> {
        self.read(path)
    }

    fn is_writable_by_everyone(&self, _: &str) -> bool {
        false
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let all = ["a", "b"].map(|name| format!("/etc/keepalived/conf.d/{name}.conf"));
        let dir = pattern.strip_suffix("*.conf").unwrap_or(pattern);
        all.into_iter()
            .filter(|path| path.starts_with(dir))
            .collect()
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn config_id(&self) -> String {
        "left".to_owned()
    }

    fn random(&self) -> u32 {
        0
    }

    fn user(&self, name: &str) -> Option<User> {
        self.group(name).map(|id| User { uid: id, gid: id })
    }

    fn group(&self, name: &str) -> Option<u32> {
        let ids = [("nobody", 65_534), ("nogroup", 65_533)];
        ids.into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, id)| id)
    }

    fn own_user(&self) -> User {
        User::default()
    }

    fn program(&self, name: &str, _: User) -> Result<Program, String> {
        Ok(Program {
            path: name.to_owned(),
            exposed: None,
            set_id: false,
        })
    }
}
