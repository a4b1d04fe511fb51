//! What is tracked, and by whom: `vrrp_script`, `track_file`, `vrrp_track_process`, and the `track_*` blocks.
//!
//! An object is read when the first instance tracks it. What nobody tracks has no effect, which is worth a
//! warning: more often than not a `track_script` was forgotten.

use super::fields::Fields;
use super::instance::Draft;
use super::{Lowering, first};
use crate::config::diag::{Severity, Span};
use crate::config::model::{InitFile, ParamMatch, Script, Track, TrackFile, TrackProcess, Tracked};
use crate::config::schema::value;
use crate::config::span_map::SpanMap;
use crate::config::tree::{Node, Word};
use crate::types::IfName;

/// What can be tracked besides interfaces; places in these lists are what [`Tracked`] holds.
#[derive(Debug, Default)]
pub(super) struct Objects<'a> {
    definitions: Vec<Definition<'a>>,
    pub(super) scripts: Vec<Script>,
    pub(super) files: Vec<TrackFile>,
    pub(super) processes: Vec<TrackProcess>,
}

/// A block that defines an object.
#[derive(Clone, Copy, Debug)]
struct Definition<'a> {
    kind: &'static Kind,
    name: &'a str,
    node: &'a Node,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nobody tracks it so far.
    Unused,
    /// It has this place in the list of its kind.
    At(usize),
    /// It cannot be used, which has been said.
    Broken,
}

/// A kind of object.
#[derive(Debug)]
struct Kind {
    /// The block that defines it.
    block: &'static str,
    /// The block that tracks it.
    list: &'static str,
    /// Weight when none is given.
    weight: i16,
    /// Its index made a reference.
    tracked: fn(usize) -> Tracked,
    /// What happens when nobody tracks it.
    unused: &'static str,
}

static KINDS: [Kind; 3] = [
    Kind {
        block: "vrrp_script",
        list: "track_script",
        weight: 0,
        tracked: Tracked::Script,
        unused: "it is not run",
    },
    Kind {
        block: "track_file",
        list: "track_file",
        weight: 1,
        tracked: Tracked::File,
        unused: "it is not read",
    },
    Kind {
        block: "vrrp_track_process",
        list: "track_process",
        weight: 0,
        tracked: Tracked::Process,
        unused: "it is not looked for",
    },
];

/// A line of a `track_*` block, with its object's own weight where it has none.
#[derive(Clone)]
pub(super) struct TrackLine {
    pub(super) track: Track,
    /// The object's name.
    name: Box<str>,
    span: Span,
}

impl<'a> Lowering<'a> {
    /// Takes note of all objects, before the instances that track them.
    pub(super) fn read_objects(&mut self, top: &Fields<'a>) {
        for kind in &KINDS {
            for node in top.all(kind.block) {
                let Some(name) = first(node) else { continue };
                self.objects.definitions.push(Definition {
                    kind,
                    name,
                    node,
                    state: State::Unused,
                });
            }
        }
    }

    /// Says which objects nobody tracks, when all who might have been read.
    pub(super) fn unused_objects(&mut self) {
        let definitions = core::mem::take(&mut self.objects.definitions);
        let unused = definitions.iter();
        for Definition {
            kind, name, node, ..
        } in unused.filter(|definition| definition.state == State::Unused)
        {
            let message = format!("nobody tracks {} `{name}`; {}", kind.block, kind.unused);
            let help = format!("name it in `{}` of an instance, or remove it", kind.list);
            // As with what is not supported: the file is right, and yet somebody should know.
            self.diags
                .report_with_help(Severity::Unsupported, node.keyword.span, message, help);
        }
    }

    // ---- who tracks ----

    /// What an instance tracks.
    pub(super) fn tracks(&mut self, draft: &Draft<'_>, own: &IfName, owner: bool) -> Vec<Track> {
        let mut tracks = Vec::new();
        let lines = self.track_lines(&draft.fields);
        self.add_tracks(&mut tracks, lines, own, owner);
        tracks
    }

    /// The lines of all `track_*` blocks of an instance or a group.
    pub(super) fn track_lines(&mut self, fields: &Fields<'_>) -> Vec<TrackLine> {
        let mut lines = Vec::new();
        let mut known = SpanMap::default();
        for item in fields.items("track_interface") {
            if let Some(name) = IfName::new(&item.keyword.text) {
                self.track_line(item, Tracked::Interface(name), (0, false), &mut lines);
            }
        }
        for kind in &KINDS {
            for item in fields.items(kind.list) {
                if let Some((what, weight)) = self.object(kind, &item.keyword.text) {
                    self.track_line(item, what, weight, &mut lines);
                }
            }
        }
        lines.retain(|line| {
            let key = format!("{:?}", line.track.object);
            let again = known.earlier_or_insert(&key, line.span).is_some();
            if again {
                let message = format!("`{}` is tracked already; line ignored", line.name);
                self.diags.report(Severity::Warning, line.span, message);
            }
            !again
        });
        lines
    }

    /// A line: `NAME [weight N [reverse|noreverse]]`.
    fn track_line(
        &self,
        item: &Node,
        what: Tracked,
        (weight, reverse): (i16, bool),
        lines: &mut Vec<TrackLine>,
    ) {
        let has = |wanted: &str| item.args.iter().any(|word| &*word.text == wanted);
        let mut words = item.args.iter().skip_while(|word| &*word.text != "weight");
        let own = words.nth(1).and_then(weight_of);
        lines.push(TrackLine {
            track: Track {
                object: what,
                weight: own.unwrap_or(weight),
                reverse: (reverse || has("reverse")) && !has("noreverse"),
            },
            name: item.keyword.text.clone(),
            span: item.keyword.span,
        });
    }

    /// Adds lines to what an instance tracks, `own` being its interface. What it tracks already is not added
    /// again, nor is what could have no effect.
    pub(super) fn add_tracks(
        &mut self,
        tracks: &mut Vec<Track>,
        lines: Vec<TrackLine>,
        own: &IfName,
        owner: bool,
    ) {
        for TrackLine { track, name, span } in lines {
            if owner && track.weight != 0 {
                let message =
                    format!("weights do not change priority 255; `{name}` is not tracked");
                self.warn(span, message);
            } else if matches!(&track.object, Tracked::Interface(name) if name == own) {
                let message = format!("`{own}` is the instance's own interface; line ignored");
                self.note(span, message);
            } else if !tracks.iter().any(|known| known.object == track.object) {
                tracks.push(track);
            }
        }
    }

    // ---- what is tracked ----

    /// The object of this name, its weight, and whether that is reversed.
    fn object(&mut self, kind: &'static Kind, name: &str) -> Option<(Tracked, (i16, bool))> {
        let mut definitions = self.objects.definitions.iter();
        let nth = definitions.position(|one| one.kind.block == kind.block && one.name == name)?;
        let Definition { node, state, .. } = *self.objects.definitions.get(nth)?;
        let place = match state {
            State::At(place) => Some(place),
            State::Broken => None,
            State::Unused => {
                let place = self.lower_object(kind, name, node);
                if let Some(definition) = self.objects.definitions.get_mut(nth) {
                    definition.state = place.map_or(State::Broken, State::At);
                }
                place
            }
        };
        let weight = Fields::inside(node).last("weight");
        let number = weight.and_then(|node| node.args.first());
        let number = number.and_then(weight_of).unwrap_or(kind.weight);
        let reverse = weight.is_some_and(|node| node.args.len() > 1);
        Some(((kind.tracked)(place?), (number, reverse)))
    }

    /// The `track_file` of this name, its weight, and whether that is reversed.
    #[cfg(feature = "lvs")]
    pub(super) fn tracked_file(&mut self, name: &str) -> Option<(usize, (i16, bool))> {
        let kind = KINDS.iter().find(|kind| kind.block == "track_file")?;
        match self.object(kind, name)? {
            (Tracked::File(place), weight) => Some((place, weight)),
            _ => None,
        }
    }

    /// Reads an object; its place in the list of its kind.
    fn lower_object(&mut self, kind: &Kind, name: &str, node: &Node) -> Option<usize> {
        let fields = Fields::inside(node);
        let place = match (kind.tracked)(0) {
            Tracked::Script(_) => match self.script(name, &fields) {
                Some(script) => push(&mut self.objects.scripts, script),
                None => {
                    let message =
                        format!("`{name}` cannot run: instances go on as if they did not track it");
                    self.note(node.keyword.span, message);
                    return None;
                }
            },
            Tracked::File(_) => push(&mut self.objects.files, file(name, &fields)?),
            Tracked::Process(_) => push(&mut self.objects.processes, process(name, &fields)?),
            Tracked::Interface(_) => return None,
        };
        Some(place)
    }

    fn script(&mut self, name: &str, fields: &Fields<'_>) -> Option<Script> {
        let command = fields.last("script")?;
        let user = match fields.last("user") {
            Some(node) => self.user(node)?,
            None => self.scripts.user?,
        };
        let command = self.command_as(command, user)?;
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

fn file(name: &str, fields: &Fields<'_>) -> Option<TrackFile> {
    let init_file = fields.last("init_file").map(|node| {
        let mut words = node.args.iter().map(|word| &*word.text);
        let overwrite = words.clone().any(|word| word == "overwrite");
        let value = words.next().and_then(value::int);
        let value = value.and_then(|value| i32::try_from(value).ok());
        InitFile {
            value: value.unwrap_or(0),
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
    // `param_match` without parameters wants processes without any.
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
        // `quorum_max 0` wants none at all.
        quorum: quorum.min(quorum_max.unwrap_or(quorum)),
        quorum_max,
        fork_delay: fields.seconds("fork_delay").unwrap_or(delay),
        terminate_delay: fields.seconds("terminate_delay").unwrap_or(delay),
    })
}

fn weight_of(word: &Word) -> Option<i16> {
    value::int(&word.text).and_then(|weight| i16::try_from(weight).ok())
}

fn push<T>(list: &mut Vec<T>, one: T) -> usize {
    list.push(one);
    list.len().saturating_sub(1)
}
