//! The arguments of `vrrpd sniff`.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};

/// The text of `-h`.
pub const HELP: &str = "\
vrrpd sniff: show VRRP adverts on the wire, and what is wrong with them

usage: vrrpd sniff [-i IFACE]... [-f FILE] [-r FILE] [-w FILE] [options]

  -i, --interface=IFACE  listen on this interface; may be repeated (default
                         any: all Ethernet interfaces that are up)
  -f, --use-file=FILE    say what each instance of this configuration makes of
                         each advert, and the line to change
  -r, --read=FILE        read a pcap file (-: standard input), do not listen
  -w, --write=FILE       write a pcap file (-: standard output, and no lines)
  -c, --count=COUNT      end after this many adverts
  -u, --unique           leave out adverts that repeat the sender's last one
      --json             one JSON object per line
  -h, --help             print this help

An advert is marked by `!` if every router discards it, by `?` if it breaks a
rule and is accepted. At the end a summary goes to standard error.
";

/// The options.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// `-i`; empty: any.
    pub interfaces: Vec<String>,
    /// `-f`.
    pub config: Option<String>,
    /// `-r`.
    pub read: Option<String>,
    /// `-w`.
    pub write: Option<String>,
    /// `-c`.
    pub count: Option<u64>,
    /// `-u`.
    pub unique: bool,
    /// `--json`.
    pub json: bool,
}

/// Reads the arguments; `None` if they ask for help.
///
/// # Errors
/// The message to print.
pub fn parse(args: Vec<OsString>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Short('i') | Arg::Long("interface") => {
                let name = value(&mut parser)?;
                if name != "any" {
                    options.interfaces.push(name);
                }
            }
            Arg::Short('f') | Arg::Long("use-file") => options.config = Some(value(&mut parser)?),
            Arg::Short('r') | Arg::Long("read") => options.read = Some(value(&mut parser)?),
            Arg::Short('w') | Arg::Long("write") => options.write = Some(value(&mut parser)?),
            Arg::Short('c') | Arg::Long("count") => {
                let text = value(&mut parser)?;
                let count = text.parse().ok().filter(|count| *count > 0);
                let wrong = || format!("-c {text}: expected a number from 1 on");
                options.count = Some(count.ok_or_else(wrong)?);
            }
            Arg::Short('u') | Arg::Long("unique") => options.unique = true,
            Arg::Long("json") if cfg!(feature = "json") => options.json = true,
            other @ (Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) => {
                let message = other.unexpected().to_string();
                return Err(format!("{message}; -h lists the options"));
            }
        }
    }
    Ok(Some(options))
}

fn value(parser: &mut Parser) -> Result<String, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.string().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>, String> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn options_are_read() {
        let all = read("-i eth0 -i lan -f a.conf -r in -w out -c 5 -u").unwrap();
        let want = Options {
            interfaces: vec!["eth0".into(), "lan".into()],
            config: Some("a.conf".into()),
            read: Some("in".into()),
            write: Some("out".into()),
            count: Some(5),
            unique: true,
            json: false,
        };
        assert_eq!(all, Some(want));
        assert_eq!(read("-i any"), Ok(Some(Options::default())));
        assert_eq!(read("-c 1 -h"), Ok(None));
    }

    #[test]
    fn wrong_ones_are_refused_with_what_to_write() {
        for (line, want) in [
            ("-c 0", "-c 0: expected a number from 1 on"),
            ("-c x", "-c x: expected a number from 1 on"),
            ("-i", "missing argument for option '-i'"),
            ("eth0", "unexpected argument \"eth0\"; -h lists the options"),
            (
                "--nonsense",
                "invalid option '--nonsense'; -h lists the options",
            ),
        ] {
            assert_eq!(read(line), Err(want.to_owned()), "{line}");
        }
        assert_eq!(read("--json").is_ok(), cfg!(feature = "json"));
    }

    #[test]
    fn help_fits_a_terminal() {
        assert!(HELP.lines().all(|line| line.len() <= 80));
    }
}
