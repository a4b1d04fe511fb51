//! `vrrpd sniff`: captures VRRP, or reads captures, and prints what [`crate::sniff`] makes of it.

mod capture;
mod files;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};

use super::clock;
use crate::config::model::Config;
use crate::config::places::{self, Places};
use crate::config::render::render_text;
use crate::config::{self, Severity};
use crate::engine::instance::judge::Judge;
use crate::engine::system::error_text;
use crate::sniff::advice::{self, Advice};
use crate::sniff::frame::{Captured, Seen, decode};
use crate::sniff::options::{self, HELP, Options};
use crate::sniff::summary::Summary;
use crate::sniff::{line, pcap};
use capture::Capture;
use files::{Source, create};

/// Runs the command; returns what is left to print.
///
/// # Errors
/// A message: wrong arguments, or what failed.
pub fn run(args: Vec<OsString>, host: &dyn config::Host) -> Result<String, String> {
    let Some(options) = options::parse(args)? else {
        return Ok(HELP.to_owned());
    };
    let mut sniffer = Sniffer::new(&options, host)?;
    let dropped = match &options.read {
        Some(path) => {
            let mut source = Source::open(path)?;
            sniffer.read(&mut source)?;
            0
        }
        None => {
            let mut capture = Capture::open(&options.interfaces)?;
            sniffer.listen(&mut capture)?;
            capture.dropped()
        }
    };
    let _ = io::stderr().write_all(sniffer.summary.text(dropped).as_bytes());
    Ok(String::new())
}

/// Whether to continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Continue,
    /// Enough adverts, or nobody reads the output.
    Stop,
}

struct Sniffer<'a> {
    options: &'a Options,
    instances: Option<(Judge, Places)>,
    summary: Summary,
    /// `-w`.
    file: Option<Box<dyn Write>>,
    /// Lines go to standard output; with `-w -` frames do.
    prints: bool,
    /// Seconds east of UTC.
    utc_offset: i32,
}

impl<'a> Sniffer<'a> {
    fn new(options: &'a Options, host: &dyn config::Host) -> Result<Self, String> {
        let instances = match &options.config {
            Some(path) => Some(load(path, options, host)?),
            None => None,
        };
        let mut file: Option<Box<dyn Write>> = match options.write.as_deref() {
            None => None,
            Some("-") => Some(Box::new(io::stdout())),
            Some(path) => Some(Box::new(create(path)?)),
        };
        if let Some(file) = &mut file {
            let written = file.write_all(&pcap::header()).and_then(|()| file.flush());
            written.map_err(|error| cannot_write(options, &error))?;
        }
        Ok(Sniffer {
            options,
            instances,
            summary: Summary::default(),
            file,
            prints: options.write.as_deref() != Some("-"),
            utc_offset: clock::wall().utc_offset,
        })
    }

    fn read(&mut self, source: &mut Source) -> Result<(), String> {
        let interface = match self.options.interfaces.as_slice() {
            [one] => one.as_str(),
            _ => "",
        };
        while let Some(record) = source.next()? {
            let frame = Captured {
                at: record.at,
                interface,
                outgoing: false,
                bytes: source.frame(),
                sent: record.sent,
            };
            if self.frame(frame)? == Next::Stop {
                break;
            }
        }
        Ok(())
    }

    fn listen(&mut self, capture: &mut Capture) -> Result<(), String> {
        capture.run(&mut |frame| self.frame(frame))
    }

    fn frame(&mut self, frame: Captured<'_>) -> Result<Next, String> {
        let Some(seen) = decode(frame) else {
            return Ok(Next::Continue);
        };
        if let Some(file) = &mut self.file {
            let mut bytes = pcap::record(frame.at, frame.bytes.len()).to_vec();
            bytes.extend_from_slice(frame.bytes);
            match file.write_all(&bytes).and_then(|()| file.flush()) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Next::Stop),
                done => done.map_err(|error| cannot_write(self.options, &error))?,
            }
        }
        if self.print(&seen)? == Next::Stop {
            return Ok(Next::Stop);
        }
        let enough = self.options.count;
        Ok(
            match enough.is_some_and(|enough| self.summary.total() >= enough) {
                true => Next::Stop,
                false => Next::Continue,
            },
        )
    }

    fn print(&mut self, seen: &Seen<'_>) -> Result<Next, String> {
        let advice: Vec<Advice> = match &mut self.instances {
            Some((judge, places)) => advice::verdicts(seen, judge, places),
            None => Vec::new(),
        };
        let mut text = line::text(seen);
        for one in &advice {
            text.push('\n');
            text.push_str(&line::advice(one));
        }
        let repeated = self.summary.add(seen, &text);
        if !self.prints || (self.options.unique && repeated.is_none()) {
            return Ok(Next::Continue);
        }
        #[cfg(feature = "json")]
        if self.options.json {
            return print(&crate::sniff::json::object(seen, &advice));
        }
        if self.options.unique
            && let Some(times @ 1..) = repeated
        {
            let at = text.find('\n').unwrap_or(text.len());
            text.insert_str(at, &format!(" (the previous one {times} more times)"));
        }
        let time = line::time(seen.frame.at, self.utc_offset);
        print(&format!("{time} {text}"))
    }
}

/// Prints text without control characters and a line break.
fn print(text: &str) -> Result<Next, String> {
    let lines: Vec<String> = text.lines().map(line::printable).collect();
    let out = format!("{}\n", lines.join("\n"));
    match io::stdout().write_all(out.as_bytes()) {
        Ok(()) => Ok(Next::Continue),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Next::Stop),
        Err(error) => Err(format!(
            "cannot write to standard output: {}",
            error_text(&error)
        )),
    }
}

fn cannot_write(options: &Options, error: &io::Error) -> String {
    let path = options.write.as_deref().unwrap_or_default();
    format!("cannot write {path}: {}", error_text(error))
}

/// Reads the configuration of `-f`.
fn load(path: &str, options: &Options, host: &dyn config::Host) -> Result<(Judge, Places), String> {
    let (loaded, places) = places::load(path, host);
    match loaded.diags.worst() {
        Some(Severity::Fatal) => {
            let report = render_text(&loaded.diags, places.sources());
            return Err(report.trim_end().to_owned());
        }
        Some(worst) if worst >= Severity::Error => {
            let _ = writeln!(
                io::stderr(),
                "vrrpd: sniff: {path} has errors, which `vrrpd -t -f {path}` explains; what they \
                 concern is left out"
            );
        }
        Some(_) | None => {}
    }
    let Config { instances, .. } = loaded.config;
    let local = match options.read {
        Some(_) => Vec::new(),
        None => capture::local_addresses(),
    };
    Ok((Judge::new(instances, local), places))
}
