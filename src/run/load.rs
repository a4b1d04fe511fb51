//! Reads the configuration at the start and at each reload, logs its diagnostics, and decides
//! whether it can be used.

use core::mem::take;
use std::time::{Duration, Instant};

use ::log::Level;

use super::{cannot_read, config_host};
use crate::cli::Options;
use crate::config::model::Config;
use crate::config::render::{also_on, exit_code_for_test, render_text};
use crate::config::source::Position;
use crate::config::subset;
use crate::config::tree::Block;
use crate::config::{self, Loaded, Severity, Sources};
use crate::ctl::Output;
use crate::engine::Engine;
use crate::exit;
use crate::log;
use crate::os::host;
use crate::types::{Strictness, Subsystems};

/// Reads the configuration.
pub(super) struct Loader<'a> {
    options: &'a Options,
    pub(super) path: &'a str,
    /// Messages of the errors in the running configuration, without positions.
    errors: Vec<String>,
    /// The diagnostics of the last configuration, for the client that asked for a reload.
    pub(super) problems: String,
    /// Exit code of `-t` for the running configuration.
    pub(super) test_code: u8,
    /// How long it took to read the last configuration.
    pub(super) took: Duration,
    /// The text and statements of a configuration that is being applied: freed after that, because it
    /// takes about a millisecond for some hundred instances.
    pub(super) rest: Option<(Sources, Block)>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(options: &'a Options, path: &'a str) -> Self {
        Loader {
            options,
            path,
            errors: Vec::new(),
            problems: String::new(),
            test_code: exit::OK,
            took: Duration::ZERO,
            rest: None,
        }
    }

    /// Number of errors in the running configuration.
    pub(super) fn errors(&self) -> usize {
        self.errors.len()
    }

    /// At the start, everything that has no error runs.
    pub(super) fn load_at_start(&mut self) -> Result<Config, String> {
        let loaded = self.load();
        if loaded.diags.worst() == Some(Severity::Fatal) {
            let path = self.path;
            return Err(format!(
                "nothing can run from {path}; see `vrrpd -t -f {path}`"
            ));
        }
        Ok(self.adopt(loaded))
    }

    /// At a reload, a new error refuses the whole configuration: a typing error must not stop what
    /// runs. Errors that the running configuration has too do not count.
    pub(super) fn reload(&mut self) -> Result<Config, String> {
        let path = self.path;
        host::check_readable(path).map_err(|why| cannot_read(path, &why))?;
        let mut loaded = self.load();
        match self.new_errors(&loaded) {
            0 => {
                let (sources, statements) =
                    (take(&mut loaded.sources), take(&mut loaded.statements));
                self.rest = Some((sources, statements));
                Ok(self.adopt(loaded))
            }
            1 => Err("it has an error (see above)".to_owned()),
            count => Err(format!("it has {count} errors (see above)")),
        }
    }

    fn adopt(&mut self, loaded: Loaded) -> Config {
        self.errors = errors(&loaded);
        self.test_code = exit_code_for_test(loaded.diags.worst(), Strictness::Keepalived);
        loaded.config
    }

    /// Number of errors that the running configuration does not have.
    fn new_errors(&self, loaded: &Loaded) -> usize {
        let found = errors(loaded);
        let new = found.iter().filter(|error| !self.errors.contains(error));
        new.count()
    }

    /// Writes what a reload would change, of this file if it is given. Nothing is logged.
    pub(super) fn diff(&self, path: Option<&str>, engine: &Engine, out: &mut Output) {
        let path = path.unwrap_or(self.path);
        if let Err(why) = host::check_readable(path) {
            out.text = cannot_read(path, &why) + "\n";
            out.code = exit::REFUSED;
            return;
        }
        let loaded = self.read(path);
        out.text = render_text(&loaded.diags, &loaded.sources);
        let errors = self.new_errors(&loaded);
        out.text.push_str(&engine.diff(loaded.config));
        if errors > 0 {
            out.code = exit::REFUSED;
            let count = if errors == 1 { "an error" } else { "errors" };
            out.text.push_str(&format!(
                "a reload would be refused: it has {count} that the running configuration does not have\n"
            ));
        }
    }

    fn load(&mut self) -> Loaded {
        let start = Instant::now();
        let loaded = self.read(self.path);
        self.took = start.elapsed();
        self.problems = log_diags(&loaded, self.path);
        loaded
    }

    /// Reads a configuration as this process would run it.
    fn read(&self, path: &str) -> Loaded {
        let host = config_host(self.options);
        let mut loaded = config::load(path, &host);
        host::set_name_defaults(&mut loaded.config.global);
        // Without virtual servers there is nothing to leave out, and the code would take 1.2 KB.
        if cfg!(feature = "lvs") {
            keep(self.options.subsystems, &mut loaded.config);
        }
        if let Some(namespace) = &self.options.namespace {
            loaded.config.global.process.net_namespace = Some(namespace.clone());
        }
        loaded
    }
}

/// Leaves out what `-P` or `-C` excludes.
fn keep(subsystems: Subsystems, config: &mut Config) {
    let (option, what) = match subsystems {
        Subsystems::All => return,
        Subsystems::Vrrp => ("-P", "virtual servers"),
        Subsystems::VirtualServers => ("-C", "instances"),
    };
    let count = subset::keep(subsystems, config);
    if count > 0 {
        log::info!(target: "config", "{option}: {count} {what} left out");
    }
}

fn errors(loaded: &Loaded) -> Vec<String> {
    let list = loaded.diags.list().iter();
    let list = list.filter(|diag| diag.severity.is_error());
    list.map(|diag| diag.message.to_string()).collect()
}

/// Logs the diagnostics, one line each. Returns the lines of those that are logged without `-D`.
fn log_diags(loaded: &Loaded, path: &str) -> String {
    let Loaded { diags, sources, .. } = loaded;
    let mut lines = String::new();
    for diag in diags.list() {
        let position = diag.span.and_then(|span| sources.position(span));
        let position = match position {
            Some(Position {
                file, line, column, ..
            }) => format!("{file}:{line}:{column}: "),
            None => String::new(),
        };
        let help = diag
            .help
            .as_ref()
            .map_or(String::new(), |help| format!("; {help}"));
        let also =
            also_on(diag, sources).map_or(String::new(), |lines| format!("; also on {lines}"));
        let level = match diag.severity {
            Severity::Note => Level::Debug,
            Severity::Unsupported
            | Severity::InsecureSetting
            | Severity::Tolerated
            | Severity::Insecure
            | Severity::Warning => Level::Warn,
            Severity::ToleratedError | Severity::Error | Severity::Fatal => Level::Error,
        };
        let line = format!("{position}{}{help}{also}", diag.message);
        log::log!(target: "config", level, "{line}");
        if level != Level::Debug {
            lines.push_str(&line);
            lines.push('\n');
        }
    }
    if diags.suppressed() > 0 {
        log::warn!(target: "config", "{} more messages about {path}", diags.suppressed());
    }
    lines
}
