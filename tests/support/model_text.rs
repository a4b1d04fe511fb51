//! A configuration model as text: what differs from the defaults, and nothing else.
//!
//! Works on the `{:#?}` output, so that a new field appears here without a change. A struct is
//! compared with the [`Default`] value of its type; `None`, lists and values of other types are
//! printed unless they equal that default.

use std::fmt::Debug;
use std::time::Duration;

use vrrpd::config::model::lvs::{
    Check, CheckKind, Http, RealServer, SorryServer, Ssl, Target, Udp, Url, VirtualServer,
};
use vrrpd::config::model::{
    Address, BlockingScript, Command, Config, ControlSocket, DumpSettings, Garp, GarpGroup, Global,
    Lvs, NextHop, Nft, Notify, ProcessSettings, Route, Rule, Script, SmtpSettings, SyncGroup,
    TrackFile, TrackProcess, User, VrrpInstance,
};

/// Longest line, indentation included, on which a struct or list is printed.
const WIDTH: usize = 100;
/// Types whose one value is printed without their name.
const TRANSPARENT: [&str; 4] = ["Some(", "Priority(", "Vrid(", "Centis("];

/// The type whose fields are printed as those of the struct it is in.
const EMBEDDED: &str = "Settings {";

/// Mandatory values: printed even if they equal the placeholder in the defaults.
const MANDATORY: [&str; 2] = ["vrid", "dst"];

/// The model without default values.
pub(crate) fn differences(config: &Config) -> String {
    let defaults = Defaults::new();
    let mut root = Node::of(config);
    defaults.strip(&mut root);
    root.children.iter().map(|child| child.text(0)).collect()
}

/// The default of each type. A field whose value is the default of its own type is that type's
/// name.
pub(crate) fn defaults() -> String {
    let defaults = Defaults::new();
    let text = |(name, node): &(String, Node)| {
        let fields = node.children.iter().map(|field| {
            let mut field = field.clone();
            defaults.strip(&mut field);
            field.text(1)
        });
        format!("{name}\n{}", fields.collect::<String>())
    };
    defaults.0.iter().map(text).collect()
}

/// A value: `key: head` and what is in its brackets.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Node {
    key: Option<String>,
    /// Ends with the opening bracket unless the value is a single word.
    head: String,
    children: Vec<Node>,
}

impl Node {
    fn of(value: &impl Debug) -> Self {
        let text = format!("{value:#?}");
        Node::read(&mut text.lines())
    }

    /// Reads a value and the lines of its children.
    fn read<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Self {
        let line = lines.next().expect("a value").trim_start();
        Node::read_from(line, lines)
    }

    fn read_from<'a>(line: &str, lines: &mut impl Iterator<Item = &'a str>) -> Self {
        let is_key = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let (key, head) = match line.split_once(": ") {
            Some((key, rest)) if is_key(key) => (Some(key.to_owned()), rest),
            _ => (None, line),
        };
        let mut node = Node {
            key,
            head: head.trim_end_matches(',').to_owned(),
            children: Vec::new(),
        };
        if node.head.ends_with(['{', '(', '[']) {
            loop {
                let line = lines.next().expect("a closing bracket").trim_start();
                if line.trim_end_matches(',').len() == 1 && line.starts_with(['}', ')', ']']) {
                    break;
                }
                node.children.push(Node::read_from(line, lines));
            }
        }
        node.simplified()
    }

    fn simplified(mut self) -> Self {
        if TRANSPARENT.contains(&self.head.as_str())
            && let Some(inner) = self.children.pop()
        {
            return Node {
                key: self.key,
                ..inner
            };
        }
        if self.head == "Cidr {"
            && let [addr, prefix] = self.children.as_slice()
        {
            self.head = format!("{}/{}", addr.head, prefix.head);
            self.children.clear();
        }
        if let Some(nth) = self.children.iter().position(|one| one.head == EMBEDDED) {
            let fields = std::mem::take(&mut self.children[nth].children);
            self.children.splice(nth..=nth, fields);
        }
        self
    }

    /// The name under which [`Defaults`] has it: its type; of a check, with its kind.
    fn type_name(&self) -> Option<String> {
        let name = self.head.strip_suffix(" {")?;
        let kind = self.child("kind").filter(|_| name == "Check");
        Some(match kind {
            Some(kind) => format!("Check {}", kind.head.trim_end_matches([' ', '{', '('])),
            None => name.to_owned(),
        })
    }

    fn child(&self, key: &str) -> Option<&Node> {
        let mut children = self.children.iter();
        children.find(|child| child.key.as_deref() == Some(key))
    }

    /// On one line if that fits or if it is a list of words, else with each child on its own.
    fn text(&self, depth: usize) -> String {
        let indent = "  ".repeat(depth);
        let line = self.line();
        let words = self.children.iter().all(|child| child.children.is_empty());
        let list = self.head == "[" && words;
        if indent.len() + line.len() <= WIDTH || list || self.children.is_empty() {
            return format!("{indent}{line}\n");
        }
        let key = self.key.iter().map(|key| format!("{key}: "));
        let head = format!("{}{}", key.collect::<String>(), self.head);
        let head = head.trim_end_matches(['{', '(', '[', ' ', ':']);
        let children = self.children.iter().map(|child| child.text(depth + 1));
        format!("{indent}{head}\n{}", children.collect::<String>())
    }

    fn line(&self) -> String {
        let key = self.key.iter().map(|key| format!("{key}: "));
        let key: String = key.collect();
        let children: Vec<String> = self.children.iter().map(Node::line).collect();
        let children = children.join(", ");
        match self.head.chars().last() {
            Some('{') if self.children.is_empty() => {
                format!("{key}{}", self.head.trim_end_matches(" {"))
            }
            Some('{') => format!("{key}{} {children} }}", self.head),
            Some('(') => format!("{key}{}{children})", self.head),
            Some('[') => format!("{key}{}{children}]", self.head),
            _ => format!("{key}{}", self.head),
        }
    }
}

/// The default of each type, by name.
struct Defaults(Vec<(String, Node)>);

impl Defaults {
    fn new() -> Self {
        let structs = [
            Node::of(&Config::default()),
            Node::of(&Global::default()),
            Node::of(&GarpGroup::default()),
            Node::of(&ControlSocket::default()),
            Node::of(&DumpSettings::default()),
            Node::of(&ProcessSettings::default()),
            Node::of(&Nft::default()),
            Node::of(&SmtpSettings::default()),
            Node::of(&BlockingScript::default()),
            Node::of(&Command::default()),
            Node::of(&User::default()),
            Node::of(&VrrpInstance::default()),
            Node::of(&Garp::default()),
            Node::of(&Address::default()),
            Node::of(&Route::default()),
            Node::of(&NextHop::default()),
            Node::of(&Rule::default()),
            Node::of(&Notify::default()),
            Node::of(&SyncGroup::default()),
            Node::of(&Script::default()),
            Node::of(&TrackFile::default()),
            Node::of(&TrackProcess::default()),
            Node::of(&Lvs::default()),
            Node::of(&Ssl::default()),
            Node::of(&VirtualServer::default()),
            Node::of(&SorryServer::default()),
            Node::of(&RealServer::default()),
            Node::of(&Target::default()),
            Node::of(&Http::default()),
            Node::of(&Url::default()),
            Node::of(&Udp::default()),
        ];
        let checks = kinds().map(|kind| Node::of(&Check::new(kind)));
        let named = |node: Node| (node.type_name().expect("a struct"), node);
        Defaults(structs.into_iter().chain(checks).map(named).collect())
    }

    /// Removes fields with their default value.
    fn strip(&self, node: &mut Node) {
        let name = node.type_name();
        let default = self
            .0
            .iter()
            .find(|(known, _)| Some(known) == name.as_ref());
        if let Some((_, default)) = default {
            let mandatory = |field: &Node| {
                let key = field.key.as_deref();
                key.is_some_and(|key| MANDATORY.contains(&key))
            };
            node.children
                .retain(|field| mandatory(field) || !default.children.contains(field));
        }
        for child in &mut node.children {
            self.strip(child);
        }
    }
}

/// One check of each kind.
fn kinds() -> [CheckKind; 8] {
    let target = Target::default;
    [
        CheckKind::Tcp(target()),
        CheckKind::Http(target(), Box::default()),
        CheckKind::Smtp {
            target: target(),
            helo: String::new(),
        },
        CheckKind::Dns {
            target: target(),
            qtype: 0,
            name: String::new(),
        },
        CheckKind::Udp(target(), Box::default()),
        CheckKind::Ping(target()),
        CheckKind::Misc {
            command: Command::default(),
            timeout: Duration::ZERO,
            dynamic: false,
        },
        CheckKind::File {
            file: 0,
            weight: 0,
            reverse: false,
        },
    ]
}
