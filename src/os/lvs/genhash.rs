//! `vrrpd genhash`: fetches a page and prints its MD5, for `digest` of HTTP_GET and SSL_GET. The
//! page is read by the same code that the daemon checks it with; unlike the daemon, the command
//! blocks.

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use socket2::{Domain, Socket, Type};

use super::exchange::exchange;
use crate::check::NetworkCheckBuilder;
use crate::check::http::{ResponseSummary, hex};
use crate::config::model::lvs::{Http, HttpProtocol, Ssl, Target, Url};
use crate::config::schema::Feature;
use crate::engine::system::error_text;
use crate::types::without_port;

const HELP: &str = "\
vrrpd genhash: print the MD5 of a page, for `digest` of HTTP_GET and SSL_GET

usage: vrrpd genhash [-S] -s SERVER -p PORT -u PATH [options]

  -s, --server=ADDRESS         address of the server
  -p, --port=PORT              its port (default 80, with -S 443)
  -u, --url=PATH               path of the page, such as /index.html
  -S, --use-ssl                connect by TLS
  -I, --use-sni                send the virtual host in the TLS handshake
  -V, --use-virtualhost=NAME   virtual host to request
  -P, --protocol=1.0|1.0C|1.1  HTTP version, as of http_protocol
  -m, --fwmark=MARK            firewall mark of the packets
  -t, --timeout=SECONDS        time limit of each step (default 5)
  -v, --verbose                print status and length too
  -h, --help                   print this help
";

struct Options {
    server: String,
    port: Option<u16>,
    path: String,
    tls: bool,
    sni: bool,
    host: Option<String>,
    protocol: HttpProtocol,
    mark: u32,
    timeout: Duration,
    verbose: bool,
}

/// Runs the command; returns what to print.
///
/// # Errors
/// A message: wrong arguments, or what failed with the server.
pub fn run(args: Vec<OsString>) -> Result<String, String> {
    let Some(options) = parse(args).map_err(|error| error.to_string())? else {
        return Ok(HELP.to_owned());
    };
    if options.server.is_empty() || options.path.is_empty() {
        return Err("-s and -u are required; -h lists the options".to_owned());
    }
    let page = fetch(&options)?;
    let mut text = String::new();
    if options.verbose {
        text = format!("status {}, {} bytes\n", page.status, page.length);
    }
    text.push_str(&hex(&page.digest));
    text.push('\n');
    Ok(text)
}

/// Reads the arguments; `None` if they ask for help.
fn parse(args: Vec<OsString>) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        server: String::new(),
        port: None,
        path: String::new(),
        tls: false,
        sni: false,
        host: None,
        protocol: HttpProtocol::V1_0,
        mark: 0,
        timeout: Duration::from_secs(5),
        verbose: false,
    };
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('s') | Arg::Long("server") => options.server = parser.value()?.string()?,
            Arg::Short('p') | Arg::Long("port") => options.port = Some(parser.value()?.parse()?),
            Arg::Short('u') | Arg::Long("url") => options.path = parser.value()?.string()?,
            Arg::Short('S') | Arg::Long("use-ssl") => options.tls = true,
            Arg::Short('I') | Arg::Long("use-sni") => options.sni = true,
            Arg::Short('V') | Arg::Long("use-virtualhost") => {
                options.host = Some(parser.value()?.string()?);
            }
            Arg::Short('P') | Arg::Long("protocol") => {
                options.protocol = parser.value()?.parse_with(protocol)?;
            }
            Arg::Short('m') | Arg::Long("fwmark") => options.mark = parser.value()?.parse()?,
            Arg::Short('t') | Arg::Long("timeout") => {
                let seconds: u32 = parser.value()?.parse()?;
                options.timeout = Duration::from_secs(seconds.max(1).into());
            }
            Arg::Short('v') | Arg::Long("verbose") => options.verbose = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            other @ (Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) => {
                return Err(other.unexpected());
            }
        }
    }
    Ok(Some(options))
}

fn protocol(word: &str) -> Result<HttpProtocol, &'static str> {
    match word {
        "1.0" => Ok(HttpProtocol::V1_0),
        "1.0C" | "1.0c" => Ok(HttpProtocol::V1_0Close),
        "1.1" => Ok(HttpProtocol::V1_1),
        _ => Err("not 1.0, 1.0C or 1.1"),
    }
}

// ---- fetching ----

fn fetch(options: &Options) -> Result<ResponseSummary, String> {
    let port = options.port.unwrap_or(if options.tls { 443 } else { 80 });
    let server = options.server.trim_matches(['[', ']']);
    let addresses = (server, port).to_socket_addrs();
    let mut addresses = addresses.map_err(|error| format!("{server}: {}", error_text(&error)))?;
    let remote = addresses
        .next()
        .ok_or_else(|| format!("{server} has no address"))?;
    let target = Target {
        remote,
        fwmark: options.mark,
        connect_timeout: options.timeout,
        ..Target::default()
    };
    let sni = options.host.as_ref().filter(|_| options.sni);
    let http = Http {
        tls: options.tls,
        urls: vec![Url {
            path: options.path.clone(),
            statuses: vec![(0, u16::MAX)],
            host: options.host.clone().unwrap_or_else(|| remote.to_string()),
            ..Url::default()
        }],
        protocol: options.protocol,
        sni: sni.map(|host| without_port(host).to_owned()),
        fast_recovery: false,
    };
    let stream = connect(&target).map_err(|error| format!("{remote}: {}", error_text(&error)))?;
    let ssl = Ssl::default();
    let check = NetworkCheckBuilder::new(&ssl).build_hashing(&target, &http);
    let Some(mut check) = check else {
        return Err(format!("TLS: {}", Feature::Tls.not_built_in()));
    };
    check.start();
    exchange(&stream, &mut check)?;
    check
        .take_summary()
        .ok_or_else(|| "no page received".to_owned())
}

fn connect(target: &Target) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target.remote), Type::STREAM, None)?;
    if target.fwmark != 0 {
        socket.set_mark(target.fwmark)?;
    }
    socket.connect_timeout(&SocketAddr::into(target.remote), target.connect_timeout)?;
    Ok(TcpStream::from(socket))
}
