//! `vrrp_script`, `track_file` and `vrrp_track_process`, and the `track_*` blocks that refer to
//! them.
//!
//! An object is lowered when the first instance tracks it. An object that is never tracked is
//! reported, because often a `track_script` was forgotten.

use super::fields::Fields;
use super::instance::InstanceBlock;
use super::{Lowering, first, number};
use crate::config::diag::{Severity, Span};
use crate::config::model::{InitFile, ParamMatch, Script, Track, TrackFile, TrackProcess, Tracked};
use crate::config::span_map::{NameIndex, SpanMap};
use crate::config::tree::Node;
use crate::types::IfName;

/// The objects that can be tracked besides interfaces. [`Tracked`] has indexes in these lists.
#[derive(Debug, Default)]
pub(super) struct TrackedObjects<'a> {
    definitions: Vec<Definition<'a>>,
    /// Positions in `definitions`, by block and name.
    index: NameIndex,
    pub(super) scripts: Vec<Script>,
    pub(super) files: Vec<TrackFile>,
    pub(super) processes: Vec<TrackProcess>,
}

/// Most objects that are tracked. A mistake in a `~SEQ` must not start processes without end.
const MAX_OBJECTS: usize = 8192;

/// A block that defines an object.
#[derive(Clone, Copy, Debug)]
struct Definition<'a> {
    kind: &'static ObjectKind,
    name: &'a str,
    node: &'a Node,
    state: DefinitionState,
    /// Not being tracked follows from what was reported.
    ignored: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DefinitionState {
    /// Not tracked so far.
    Unused,
    /// Lowered; the index in the list of its kind.
    Lowered(usize),
    /// It cannot be used, which has been reported.
    Invalid,
}

/// A kind of object.
#[derive(Debug)]
struct ObjectKind {
    /// The block that defines it.
    block: &'static str,
    /// The block that tracks it.
    list: &'static str,
    /// Default weight.
    weight: i32,
    /// The reference to an object of the kind, from its index.
    tracked: fn(usize) -> Tracked,
    /// Consequence of not being tracked, as in the message.
    unused: &'static str,
}

impl ObjectKind {
    /// Key of an object in the index.
    fn key(&self, name: &str) -> String {
        format!("{} {name}", self.block)
    }
}

static KINDS: [ObjectKind; 3] = [
    ObjectKind {
        block: "vrrp_script",
        list: "track_script",
        weight: 0,
        tracked: Tracked::Script,
        unused: "it is not run",
    },
    ObjectKind {
        block: "track_file",
        list: "track_file",
        weight: 1,
        tracked: Tracked::File,
        unused: "it is not read",
    },
    ObjectKind {
        block: "vrrp_track_process",
        list: "track_process",
        weight: 0,
        tracked: Tracked::Process,
        unused: "it is not monitored",
    },
];

/// A line of a `track_*` block, with the weight of its object if it has none.
#[derive(Clone)]
pub(super) struct TrackLine {
    pub(super) track: Track,
    /// The object's name.
    name: Box<str>,
    span: Span,
}

/// `weight N [reverse]`.
#[derive(Clone, Copy, Default)]
pub(super) struct Weight {
    pub(super) value: i32,
    pub(super) reverse: bool,
}

impl<'a> Lowering<'a> {
    /// Collects the definitions of all objects, before the instances that track them are lowered.
    pub(super) fn collect_objects(&mut self, top: &Fields<'a>) {
        for kind in &KINDS {
            for node in top.all(kind.block) {
                let Some(name) = first(node) else { continue };
                let nth = self.objects.definitions.len();
                self.objects.index.add(&kind.key(name), nth);
                self.objects.definitions.push(Definition {
                    kind,
                    name,
                    node,
                    state: DefinitionState::Unused,
                    ignored: top.is_removed(name),
                });
            }
        }
    }

    /// An object that only an instance tracks that is left out needs no report of its own.
    pub(super) fn ignore_tracked_by(&mut self, node: &Node) {
        let fields = Fields::inside(node);
        for kind in &KINDS {
            for item in fields.items(kind.list) {
                self.ignore_object(kind, &item.keyword.text);
            }
        }
    }

    fn ignore_object(&mut self, kind: &ObjectKind, name: &str) {
        if let Some(nth) = self.objects.index.get(&kind.key(name))
            && let Some(definition) = self.objects.definitions.get_mut(nth)
            && definition.state == DefinitionState::Unused
        {
            definition.ignored = true;
        }
    }

    /// Reports the objects that no instance or group tracks.
    pub(super) fn report_untracked_objects(&mut self) {
        let definitions = core::mem::take(&mut self.objects.definitions);
        let unused = definitions.iter();
        for Definition {
            kind, name, node, ..
        } in unused.filter(|one| one.state == DefinitionState::Unused && !one.ignored)
        {
            let message = format!("{} `{name}` is not tracked; {}", kind.block, kind.unused);
            let help = format!(
                "write its name in `{}` of an instance, or remove it",
                kind.list
            );
            // Like an unsupported keyword: reported, but no reason to fail a configuration test.
            self.diags
                .report_with_help(Severity::Unsupported, node.keyword.span, message, help);
        }
    }

    // ---- track_* blocks ----

    /// The objects an instance tracks.
    pub(super) fn tracks(
        &mut self,
        block: &InstanceBlock<'_>,
        own: &IfName,
        owner: bool,
    ) -> Vec<Track> {
        let mut tracks = Vec::new();
        let mut lines = self.track_lines(&block.fields);
        let fields = &block.fields;
        if owner && !fields.has("priority") && fields.removed("priority").is_some() {
            // That the priority is not the configured one was reported.
            lines.retain(|line| line.track.weight == 0);
        }
        self.add_tracks(&mut tracks, lines, Some(own), owner);
        tracks
    }

    /// The lines of all `track_*` blocks of an instance or sync group.
    pub(super) fn track_lines(&mut self, fields: &Fields<'_>) -> Vec<TrackLine> {
        let mut lines = Vec::new();
        let mut known = SpanMap::default();
        for item in fields.items("track_interface") {
            if let Some(name) = IfName::new(&item.keyword.text) {
                lines.push(track_line(
                    item,
                    Tracked::Interface(name),
                    Weight::default(),
                ));
            }
        }
        for kind in &KINDS {
            for item in fields.items(kind.list) {
                if let Some((object, weight)) = self.object(kind, &item.keyword.text) {
                    lines.push(track_line(item, object, weight));
                }
            }
        }
        lines.retain(|line| {
            let key = object_key(&line.track);
            let duplicate = known.earlier_or_insert(&key, line.span).is_some();
            if duplicate {
                let message = format!("`{}` is already tracked; line ignored", line.name);
                self.diags.report(Severity::Warning, line.span, message);
            }
            !duplicate
        });
        lines
    }

    /// Adds lines to the tracked objects of an instance, except duplicates and lines without effect,
    /// such as those of its interface `own`.
    pub(super) fn add_tracks(
        &mut self,
        tracks: &mut Vec<Track>,
        lines: Vec<TrackLine>,
        own: Option<&IfName>,
        owner: bool,
    ) {
        let mut known = SpanMap::default();
        for track in &*tracks {
            known.earlier_or_insert(&object_key(track), Span::default());
        }
        for TrackLine { track, name, span } in lines {
            if owner && track.weight != 0 {
                let message =
                    format!("a weight cannot change priority 255; `{name}` is not tracked");
                self.warn(span, message);
            } else if let Tracked::Interface(name) = &track.object
                && Some(name) == own
            {
                // Without names, so that it is one message for all instances.
                let message = "an instance always tracks its own interface; line ignored";
                self.note(span, message);
            } else if known.earlier_or_insert(&object_key(&track), span).is_none() {
                tracks.push(track);
            }
        }
    }

    // ---- objects ----

    /// The object of this name, and its weight.
    fn object(&mut self, kind: &'static ObjectKind, name: &str) -> Option<(Tracked, Weight)> {
        let nth = self.objects.index.get(&kind.key(name))?;
        let Definition { node, state, .. } = *self.objects.definitions.get(nth)?;
        let index = match state {
            DefinitionState::Lowered(index) => Some(index),
            DefinitionState::Invalid => None,
            DefinitionState::Unused => {
                let index = self.lower_object(kind, name, node);
                if let Some(definition) = self.objects.definitions.get_mut(nth) {
                    definition.state =
                        index.map_or(DefinitionState::Invalid, DefinitionState::Lowered);
                }
                index
            }
        };
        let weight = Fields::inside(node).last("weight");
        let value = weight.and_then(first).and_then(number);
        let weight = Weight {
            value: value.unwrap_or(kind.weight),
            reverse: weight
                .and_then(|node| node.args.get(1))
                .is_some_and(|word| &*word.text == "reverse"),
        };
        Some(((kind.tracked)(index?), weight))
    }

    /// The index and weight of the `track_file` of this name.
    #[cfg(feature = "lvs")]
    pub(super) fn tracked_file(&mut self, name: &str) -> Option<(usize, Weight)> {
        let kind = KINDS.iter().find(|kind| kind.block == "track_file")?;
        match self.object(kind, name)? {
            (Tracked::File(index), weight) => Some((index, weight)),
            _ => None,
        }
    }

    /// Lowers an object; its index in the list of its kind.
    fn lower_object(&mut self, kind: &ObjectKind, name: &str, node: &Node) -> Option<usize> {
        let TrackedObjects {
            scripts,
            files,
            processes,
            ..
        } = &self.objects;
        let count = scripts.len().saturating_add(files.len());
        if count.saturating_add(processes.len()) >= MAX_OBJECTS {
            let message = format!(
                "more than {MAX_OBJECTS} tracked scripts, files and processes; the rest are left out"
            );
            self.diags
                .report(Severity::Error, node.keyword.span, message);
            return None;
        }
        let fields = Fields::inside(node);
        let index = match (kind.tracked)(0) {
            Tracked::Script(_) => match self.script(name, &fields) {
                Some(script) => push(&mut self.objects.scripts, script),
                None => {
                    // Why it cannot run was reported, here or at `script_user`.
                    let range = fields.has("script").then(|| node.whole());
                    let object = format!("script `{name}`");
                    self.follows(range, Severity::Note, "not tracked", object);
                    return None;
                }
            },
            Tracked::File(_) => push(&mut self.objects.files, file(name, &fields)?),
            Tracked::Process(_) => {
                self.report_quoted_process(&fields);
                push(&mut self.objects.processes, process(name, &fields)?)
            }
            Tracked::Interface(_) => return None,
        };
        Some(index)
    }

    /// Reports a name with the parameters in it, `"haproxy -f x"`, which no process has.
    fn report_quoted_process(&mut self, fields: &Fields<'_>) {
        let Some(word) = fields.last("process").and_then(|node| node.args.first()) else {
            return;
        };
        let mut parts = word.text.split_whitespace().skip(1);
        if parts.any(|part| part.starts_with(['-', '/'])) {
            let message = format!(
                "no process is called `{}`: in quotes, the parameters are part of the name",
                word.text
            );
            let help = format!("write `process {}` without quotes", word.text);
            self.tolerated_with_help(word.span, message, help);
        }
    }

    fn script(&mut self, name: &str, fields: &Fields<'_>) -> Option<Script> {
        let command = fields.last("script")?;
        let user = match fields.last("user") {
            Some(node) => self.user(node)?,
            None => self.default_user()?,
        };
        let command = self.command_as(command, user, Severity::Warning)?;
        let time = |name: &str| fields.seconds(name).filter(|span| !span.is_zero());
        let default = Script::default();
        let interval = time("interval").unwrap_or(default.interval);
        Some(Script {
            name: name.to_owned(),
            command,
            interval,
            timeout: time("timeout").unwrap_or(interval),
            rise: fields.int("rise").unwrap_or(default.rise),
            fall: fields.int("fall").unwrap_or(default.fall),
            init_fail: fields.has("init_fail"),
        })
    }
}

/// A key for each object.
fn object_key(track: &Track) -> String {
    format!("{:?}", track.object)
}

/// A line `NAME [weight N [reverse|noreverse]]`; `default` is the weight of the object.
fn track_line(item: &Node, object: Tracked, default: Weight) -> TrackLine {
    let has = |wanted: &str| item.args.iter().any(|word| &*word.text == wanted);
    let mut words = item.args.iter().skip_while(|word| &*word.text != "weight");
    let weight = words.nth(1).and_then(|word| number(&word.text));
    TrackLine {
        track: Track {
            object,
            // Beyond ±254, any number but 0 has the same effect on a priority.
            weight: i16::try_from(weight.unwrap_or(default.value).clamp(-254, 254)).unwrap_or(0),
            reverse: (default.reverse || has("reverse")) && !has("noreverse"),
        },
        name: item.keyword.text.clone(),
        span: item.keyword.span,
    }
}

fn file(name: &str, fields: &Fields<'_>) -> Option<TrackFile> {
    let init_file = fields.last("init_file").map(|node| {
        let mut words = node.args.iter().map(|word| &*word.text);
        let overwrite = words.clone().any(|word| word == "overwrite");
        InitFile {
            value: words.next().and_then(number).unwrap_or(0),
            overwrite,
        }
    });
    Some(TrackFile {
        name: name.to_owned(),
        path: fields.word("file")?.to_owned(),
        init_file,
    })
}

fn process(name: &str, fields: &Fields<'_>) -> Option<TrackProcess> {
    let words = &fields.last("process")?.args;
    let (process, params) = words.split_first()?;
    let params: Vec<String> = params.iter().map(|word| word.text.to_string()).collect();
    let matching = fields.last("param_match");
    // `param_match` without parameters matches processes without parameters.
    let params = (!params.is_empty() || matching.is_some()).then_some(params);
    let delay = fields.seconds("delay").unwrap_or_default();
    let quorum = fields
        .int("quorum")
        .unwrap_or(TrackProcess::default().quorum);
    let quorum_max: Option<u32> = fields.int("quorum_max");
    Some(TrackProcess {
        name: name.to_owned(),
        process: process.text.to_string(),
        full_command: params.is_some() || fields.has("full_command"),
        params,
        param_match: match matching.and_then(first) {
            Some("partial") => ParamMatch::Partial,
            Some("initial") => ParamMatch::Initial,
            Some(_) | None => ParamMatch::Exact,
        },
        // `quorum_max 0` means that no process may run.
        quorum: quorum.min(quorum_max.unwrap_or(quorum)),
        quorum_max,
        fork_delay: fields.seconds("fork_delay").unwrap_or(delay),
        terminate_delay: fields.seconds("terminate_delay").unwrap_or(delay),
    })
}

/// Appends an object; its index.
fn push<T>(list: &mut Vec<T>, one: T) -> usize {
    list.push(one);
    list.len().saturating_sub(1)
}
