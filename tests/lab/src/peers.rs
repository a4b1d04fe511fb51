//! Programs that the daemons communicate with: servers from Debian packages, and a mail server that
//! stores its mails.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::net::Node;

/// Path of a program, if it is installed.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
    let mut paths = folders.map(|folder| PathBuf::from(folder).join(program));
    paths.find(|path| path.exists())
}

/// A running program, killed when dropped.
#[derive(Debug)]
pub struct Program(Child);

impl Program {
    /// Starts a program on a node; words are separated by spaces.
    #[must_use]
    pub fn start(node: &Node, line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);
        Self::of(node, &mut command)
    }

    /// Starts a command on a node.
    #[must_use]
    pub fn of(node: &Node, command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Program(node.spawn(command))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A mail server on a node's loopback interface that rejects only mail for `nobody@…`.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// The port it listens on.
    pub port: u16,
    taken: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Starts the server.
    #[must_use]
    pub fn open(node: &Node) -> Self {
        let listener = node.inside(|| TcpListener::bind("127.0.0.1:0").expect("loopback"));
        let post = Self {
            port: listener.local_addr().expect("bound").port(),
            taken: Arc::default(),
        };
        let all = post.taken.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One client after another, so that mails are stored in order of arrival.
                if let Some(text) = converse(stream) {
                    all.lock().expect("no panic").push(text);
                }
            }
        });
        post
    }

    /// Mails so far: for each all lines that the client sent.
    #[must_use]
    pub fn mails(&self) -> Vec<String> {
        self.taken.lock().expect("no panic").clone()
    }

    /// Number of mails.
    #[must_use]
    pub fn count(&self) -> usize {
        self.taken.lock().expect("no panic").len()
    }
}

fn converse(stream: TcpStream) -> Option<String> {
    let mut out = stream.try_clone().ok()?;
    let mut text = String::new();
    out.write_all(b"220-lab\r\n220 ready\r\n").ok()?;
    let mut data = false;
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        let reply = match line.as_str() {
            "." => {
                data = false;
                "250 taken"
            }
            _ if data => "",
            "DATA" => {
                data = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
            _ if line.contains("nobody@") => "550 no such user",
            _ => "250 ok",
        };
        text += &line;
        text.push('\n');
        if !reply.is_empty() {
            out.write_all(format!("{reply}\r\n").as_bytes()).ok()?;
        }
        if line == "QUIT" {
            return Some(text);
        }
    }
    None
}
