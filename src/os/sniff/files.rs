//! The pcap files that are read and written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::signals::{Signal, Signals};
use crate::engine::system::error_text;
use crate::sniff::pcap::{self, Format, HEADER_LEN, RECORD_LEN, Record};

/// Bytes read at once.
const CHUNK: usize = 16_384;

/// Creates a file for captures. Only its owner may read it: adverts can contain passwords.
pub(super) fn create(path: &str) -> Result<File, String> {
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        // In a directory for everybody, a link may have been prepared.
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NOCTTY).bits())
        .open(path);
    opened.map_err(|error| format!("cannot write {path}: {}", error_text(&error)))
}

/// A capture that is read.
pub(super) struct Source {
    path: String,
    file: File,
    format: Format,
    signals: Option<Signals>,
    /// Bytes that were read, and how many of them are used up.
    buffer: Vec<u8>,
    used: usize,
    /// Where the current frame is in the buffer.
    frame: core::ops::Range<usize>,
}

impl Source {
    /// Opens a file, or standard input (`-`), and reads its header.
    pub(super) fn open(path: &str) -> Result<Self, String> {
        let failed = |error: io::Error| format!("cannot read {path}: {}", error_text(&error));
        let file = match path {
            "-" => File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?),
            path => File::open(path).map_err(failed)?,
        };
        let mut source = Source {
            path: path.to_owned(),
            file,
            format: pcap::read_header(&pcap::header()).map_err(|error| error.to_string())?,
            signals: Signals::block().ok(),
            buffer: Vec::new(),
            used: 0,
            frame: 0..0,
        };
        let header = source.take::<HEADER_LEN>()?;
        let header = header.ok_or_else(|| source.wrong(&pcap::PcapError::NoPcap))?;
        source.format = pcap::read_header(&header).map_err(|error| source.wrong(&error))?;
        Ok(source)
    }

    fn wrong(&self, why: &dyn core::fmt::Display) -> String {
        format!("cannot read {}: {why}", self.path)
    }

    /// The next frame; `None` at the end, or after a signal that ends the command.
    pub(super) fn next(&mut self) -> Result<Option<Record>, String> {
        let Some(header) = self.take::<RECORD_LEN>()? else {
            return Ok(None);
        };
        let record = self.format.record(&header);
        let record = record.map_err(|error| self.wrong(&error))?;
        if !self.fill(record.captured)? {
            return Ok(None);
        }
        let end = self.used.saturating_add(record.captured);
        self.frame = self.used..end;
        self.used = end;
        Ok(Some(record))
    }

    /// The bytes of the frame that was returned last.
    pub(super) fn frame(&self) -> &[u8] {
        self.buffer.get(self.frame.clone()).unwrap_or_default()
    }

    fn take<const N: usize>(&mut self) -> Result<Option<[u8; N]>, String> {
        if !self.fill(N)? {
            return Ok(None);
        }
        let rest = self.buffer.get(self.used..).unwrap_or_default();
        let bytes = rest.first_chunk().copied();
        self.used = self.used.saturating_add(N);
        Ok(bytes)
    }

    /// Reads until so many unused bytes are in the buffer. False: the file ends before, which is
    /// nothing unusual while it is written.
    fn fill(&mut self, needed: usize) -> Result<bool, String> {
        self.buffer.drain(..self.used.min(self.buffer.len()));
        self.used = 0;
        self.frame = 0..0;
        while self.buffer.len() < needed {
            if !self.wait() {
                return Ok(false);
            }
            let mut chunk = [0; CHUNK];
            match self.file.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(len) => self
                    .buffer
                    .extend_from_slice(chunk.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.wrong(&error_text(&error))),
            }
        }
        Ok(true)
    }

    /// Waits until something can be read; false: a signal ends the command.
    fn wait(&self) -> bool {
        let Some(signals) = &self.signals else {
            return true;
        };
        loop {
            let mut fds = [
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.file.as_fd(), PollFlags::POLLIN),
            ];
            let polled = poll(&mut fds, PollTimeout::NONE);
            let is_ready = fds.last().is_some_and(|fd| fd.any() == Some(true));
            while let Some(received) = signals.next() {
                if received.signal == Signal::Stop {
                    return false;
                }
            }
            if is_ready || polled.is_err() {
                return true;
            }
        }
    }
}
