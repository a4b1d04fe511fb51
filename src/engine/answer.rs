//! Answers to requests of the control socket, written a little at a time.

use crate::ctl::request::{Command, Flag, Request, Setting};
use crate::ctl::{self, Clock, Objects, Output, Stream, Style, View};
use crate::engine::follow::Reader;
use crate::engine::system::System;
use crate::engine::{Engine, Maintenance};
use crate::types::Instant;

/// Instances or virtual servers in one piece of an answer.
const PAGE: usize = 8;

/// An answer in progress.
#[derive(Debug)]
pub struct Answer {
    style: Style,
    source: Source,
    output: Output,
    /// [`Engine::configuration`] when it began: the objects are others after a reload.
    configuration: u32,
}

/// The source of the rest of an answer.
#[derive(Debug)]
enum Source {
    View {
        view: View,
        section: usize,
        /// Number of the next object in this section.
        next: usize,
    },
    /// The text in `output`.
    Text(Stream),
    Events(Reader),
}

/// Whether an answer is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// There is more to write.
    More,
    /// It is complete.
    Done,
}

impl Answer {
    /// One that is complete: a text for standard output.
    #[must_use]
    pub fn done(text: String) -> Self {
        Self::text(Stream::Out, text, 0)
    }

    /// A refusal, for standard error.
    #[must_use]
    pub fn refused(text: String) -> Self {
        Self::text(Stream::Err, text, 1)
    }

    fn text(stream: Stream, mut text: String, code: u8) -> Self {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Answer {
            style: Style::default(),
            source: Source::Text(stream),
            output: Output {
                text,
                code,
                ..Output::default()
            },
            configuration: 0,
        }
    }

    /// Whether there is more to write. `last`: number of the last event.
    #[must_use]
    pub fn has_more(&self, last: u64) -> bool {
        match &self.source {
            Source::Events(reader) => reader.has_more(last),
            Source::View { .. } | Source::Text(_) => true,
        }
    }

    /// Whether it continues with events to come.
    #[must_use]
    pub fn is_follower(&self) -> bool {
        matches!(&self.source, Source::Events(reader) if reader.follows())
    }

    /// Appends the next frames to `queue`.
    pub fn advance(&mut self, engine: &Engine, clock: Clock, queue: &mut String) -> Progress {
        let is_complete = match &mut self.source {
            Source::Text(stream) => {
                ctl::push_frame(queue, *stream, &self.output.text);
                true
            }
            Source::Events(reader) => {
                let text = &mut self.output.text;
                // There may be no event for a long time, and the client does not wait for an answer.
                ctl::push_begin(queue);
                let lost = reader.advance(engine, &clock, &self.style, text);
                if lost > 0 {
                    let why = format!("vrrpd: {lost} events were lost: not read in time\n");
                    ctl::push_frame(queue, Stream::Err, &why);
                }
                ctl::push_frame(queue, Stream::Out, text);
                text.clear();
                reader.is_complete()
            }
            Source::View { .. } if self.configuration != engine.configuration() => {
                let why = "the configuration was reloaded meanwhile; ask again\n";
                ctl::push_frame(queue, Stream::Err, why);
                self.output.code = 1;
                true
            }
            Source::View {
                view,
                section,
                next,
            } => {
                let Some(current) = view.get(*section) else {
                    ctl::push_end(queue, self.output.code);
                    return Progress::Done;
                };
                let from = *next;
                let to = from.saturating_add(PAGE);
                let page = engine.page(clock, current.objects, from..to);
                (current.write)(&page, &self.style, &mut self.output);
                *next = to;
                if current.objects == Objects::None || to >= page.page.total {
                    *section = section.saturating_add(1);
                    *next = 0;
                }
                ctl::push_frame(queue, Stream::Out, &self.output.text);
                self.output.text.clear();
                false
            }
        };
        if !is_complete {
            return Progress::More;
        }
        ctl::push_end(queue, self.output.code);
        Progress::Done
    }
}

impl Engine {
    /// Begins the answer to a request; one that changes something is carried out. The caller has
    /// checked that the client may ask for it.
    pub fn answer(&mut self, now: Instant, request: &Request, system: &mut dyn System) -> Answer {
        if let Some(outcome) = self.change_maintenance(now, request, system) {
            return outcome.map_or_else(Answer::refused, Answer::done);
        }
        if request.has(Flag::Json) && !cfg!(feature = "json") {
            return Answer::refused("JSON is not part of this build".to_owned());
        }
        let is_events = request.row.command == Command::Events;
        if let Some(name) = self.unknown_name(request)
            && !(is_events && self.has_events_about(name))
        {
            let text = format!(
                "there is no instance, sync group, script or virtual server '{name}'; `vrrpd status` lists them"
            );
            return match request.has(Flag::Check) {
                true => Answer::text(Stream::Out, format!("VRRP UNKNOWN - {text}"), 3),
                false => Answer::text(Stream::Err, text, 2),
            };
        }
        let view: View = match request.row.command {
            Command::Events => return self.answer_events(request),
            Command::Status if request.has(Flag::Quiet) => ctl::WORD,
            Command::Status if request.has(Flag::Check) => ctl::nagios::VIEW,
            #[cfg(feature = "json")]
            Command::Status if request.has(Flag::Json) => ctl::status_json::VIEW,
            Command::Status => ctl::status::VIEW,
            Command::Explain => ctl::explain::VIEW,
            #[cfg(feature = "json")]
            Command::Metrics => ctl::metrics::VIEW,
            _ => {
                let name = request.row.name;
                return Answer::refused(format!("{name} is not part of this build"));
            }
        };
        Answer {
            style: request.style(),
            source: Source::View {
                view,
                section: 0,
                next: 0,
            },
            output: Output::default(),
            configuration: self.configuration(),
        }
    }

    /// Carries out a command of maintenance; `None`: it is another one.
    fn change_maintenance(
        &mut self,
        now: Instant,
        request: &Request,
        system: &mut dyn System,
    ) -> Option<Result<String, String>> {
        let what = Maintenance {
            time: request.duration(),
            reason: request.setting(Setting::Reason).unwrap_or_default(),
            force: request.has(Flag::Force),
        };
        let mut names = request.names.iter().map(String::as_str);
        let first = names.next().unwrap_or_default();
        let name = Some(first).filter(|name| *name != "all");
        #[cfg(feature = "lvs")]
        let server = [first, names.next().unwrap_or_default()];
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "without virtual servers there is nothing to drain"
        )]
        Some(match request.row.command {
            Command::Demote => self.demote(now, name, &what, system),
            Command::Promote => self.promote(now, name, system),
            #[cfg(feature = "lvs")]
            Command::Drain => self.drain(now, server, &what, system),
            #[cfg(feature = "lvs")]
            Command::Undrain => self.undrain(now, server, system),
            _ => return None,
        })
    }

    fn answer_events(&self, request: &Request) -> Answer {
        match Reader::new(self, request) {
            Ok(reader) => Answer {
                style: request.style(),
                source: Source::Events(reader),
                output: Output::default(),
                configuration: 0,
            },
            Err(why) => Answer::refused(why),
        }
    }

    /// A name of the request that no object has.
    fn unknown_name<'a>(&self, request: &'a Request) -> Option<&'a str> {
        let is_known = |name: &&String| self.has_object(name);
        let mut unknown = request.names.iter().filter(|name| !is_known(name));
        unknown.next().map(String::as_str)
    }

    /// Changes with each reload.
    pub(crate) fn configuration(&self) -> u32 {
        self.configuration
    }
}
