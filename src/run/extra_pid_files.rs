//! The pid files of keepalived's processes, of which vrrpd has only one: other programs look there
//! to see whether VRRP and health checks run.

use std::path::PathBuf;

use super::start::{absolute, named_pid_file};
use crate::cli::Options;
use crate::config::model::Config;
use crate::os::open_file::Trusted;
use crate::os::pid_file::ExtraPidFile;
use crate::types::CalledAs;

/// The files of `-r` and `-c`; keepalived's default paths if the program was called so.
pub(super) struct ExtraPidFiles {
    called_as: CalledAs,
    /// Write both, whatever is configured.
    all: bool,
    trusted: Trusted,
    /// VRRP, health checks.
    files: [ExtraFile; 2],
}

struct ExtraFile {
    given: Option<PathBuf>,
    stem: &'static str,
    written: Option<ExtraPidFile>,
}

impl ExtraPidFiles {
    /// None is written yet. To be called before the process changes its directory.
    pub(super) fn new(options: &Options, trusted: Trusted) -> Self {
        let extra = |given: &Option<String>, stem| ExtraFile {
            given: given.as_deref().map(|path| absolute(path).into()),
            stem,
            written: None,
        };
        ExtraPidFiles {
            called_as: options.called_as,
            all: options.all,
            trusted,
            files: [
                extra(&options.vrrp_pid_file, "vrrp"),
                extra(&options.checkers_pid_file, "checkers"),
            ],
        }
    }

    /// Writes the files of what the configuration has, and removes the others.
    pub(super) fn update(&mut self, config: &Config) {
        let configured = [
            !config.instances.is_empty(),
            !config.lvs.virtual_servers.is_empty(),
        ];
        for (file, configured) in self.files.iter_mut().zip(configured) {
            let path = match &file.given {
                _ if !configured && !self.all => None,
                None if self.called_as == CalledAs::Keepalived => {
                    Some(named_pid_file(self.called_as, &config.global, file.stem))
                }
                given => given.clone(),
            };
            if file.written.as_ref().map(ExtraPidFile::path) != path.as_deref() {
                file.written = path.and_then(|path| ExtraPidFile::write(&path, self.trusted));
            }
        }
    }
}
