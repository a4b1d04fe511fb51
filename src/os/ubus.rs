//! `vrrpd ubus dump` and `vrrpd ubus status`: what the methods of the ubus object `keepalived` answer
//! on OpenWrt. They ask the running daemon for a dump over its control socket.

use std::ffi::OsString;

use super::control::client::{Address, ask};
use crate::ctl::{Stream, request};
use crate::{exit, uci};

/// Where the daemon has its pid, by the name that it is called.
pub(super) const PID_FILES: [&str; 2] = ["/var/run/keepalived.pid", "/var/run/vrrpd.pid"];

/// Answers a method.
///
/// # Errors
/// The usage, for another method.
pub fn run(args: &[OsString]) -> Result<String, String> {
    let method = args.first().and_then(|method| method.to_str());
    match (method, args.len()) {
        (Some("dump"), 1) => {
            let dump = dump("json").filter(|dump| !dump.trim().is_empty());
            Ok(match dump {
                Some(dump) => ["{ \"status\": ", dump.trim_end(), " }\n"].concat(),
                None => "{}\n".to_owned(),
            })
        }
        (Some("status"), 1) => Ok(uci::status(&dump("data").unwrap_or_default())),
        _ => Err("usage: vrrpd ubus dump|status".to_owned()),
    }
}

/// A dump of the daemon, if it runs.
fn dump(kind: &str) -> Option<String> {
    let request = request::parse(["dump", kind]).ok()?;
    let mut dump = Vec::new();
    let mut add = |stream: Stream, text: &[u8]| {
        if stream == Stream::Out {
            dump.extend_from_slice(text);
        }
    };
    let code = ask(&Address::of(&request), &request, &mut add).ok()?;
    let dump = String::from_utf8(dump).ok()?;
    (code == exit::OK).then_some(dump)
}
