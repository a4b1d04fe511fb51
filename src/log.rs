//! Log macros with the names and arguments of those of crate `log`, but without the position in the
//! source code, which no log line shows and which costs about 70 bytes at each call.
//!
//! ```text
//! use crate::log;
//! log::info!(target: "vrrp", "({name}) …");
//! ```

use core::fmt::Arguments;

pub(crate) use ::log::{Level, log_enabled};

/// Writes a message, if messages of its level are written.
#[inline(never)]
pub(crate) fn write(level: Level, target: &'static str, message: Arguments<'_>) {
    if level <= ::log::max_level() {
        let mut record = ::log::Record::builder();
        let record = record.level(level).target(target).args(message).build();
        ::log::logger().log(&record);
    }
}

macro_rules! log {
    (target: $target:literal, $level:expr, $($message:tt)+) => {
        $crate::log::write($level, $target, format_args!($($message)+))
    };
}

macro_rules! error {
    (target: $target:expr, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::Error, $target, format_args!($($message)+))
    };
    ($($message:tt)+) => { $crate::log::error!(target: module_path!(), $($message)+) };
}

macro_rules! warning {
    (target: $target:expr, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::Warn, $target, format_args!($($message)+))
    };
    ($($message:tt)+) => { $crate::log::warn!(target: module_path!(), $($message)+) };
}

macro_rules! info {
    (target: $target:expr, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::Info, $target, format_args!($($message)+))
    };
    ($($message:tt)+) => { $crate::log::info!(target: module_path!(), $($message)+) };
}

// The arguments of debug messages are not even computed unless they are written.
macro_rules! debug {
    (target: $target:expr, $($message:tt)+) => {
        if $crate::log::log_enabled!($crate::log::Level::Debug) {
            $crate::log::write($crate::log::Level::Debug, $target, format_args!($($message)+));
        }
    };
    ($($message:tt)+) => { $crate::log::debug!(target: module_path!(), $($message)+) };
}

pub(crate) use {debug, error, info, log, warning as warn};
