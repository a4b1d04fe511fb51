//! Loads configurations and compares diagnostics and model with golden files.
//!
//! `tests/golden/conf/*.conf` were written for these tests; `tests/golden/seeds/*.conf` are
//! real-world configurations as found, and repaired. `x.diag` contains the diagnostics of `x.conf`,
//! `x.model` what differs from the defaults in `golden/defaults.model`; `x.small.diag` and
//! `x.small.model` are those of the small flavor where it differs. `UPDATE_GOLDEN=1 cargo test`
//! rewrites them.

#[path = "support/cpu.rs"]
mod cpu;
#[path = "support/forms.rs"]
mod forms;
#[path = "support/golden.rs"]
mod golden;
#[path = "support/host.rs"]
mod host;
#[path = "support/model_text.rs"]
mod model_text;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::FakeHost;
use vrrpd::config::model::{Auth, User};
use vrrpd::config::render::{also_on, exit_code_for_test, render_text};
use vrrpd::config::schema::{Arg, Body, Feature, ROOT, visit};
use vrrpd::config::{Access, Host, Loaded, Program, Severity, load};
use vrrpd::engine::system::error_text;
use vrrpd::types::{Cidr, IfName, Strictness};

/// A host with the files of this machine; everything else is fixed.
struct DiskHost {
    programs: Programs,
}

const DISK: DiskHost = DiskHost {
    programs: Programs::Exist,
};

enum Programs {
    /// Unless the name contains `missing`.
    Exist,
    /// Only those of the system that existed where keepalived's verdicts were recorded.
    System,
}

/// Programs that existed where keepalived's verdicts were recorded: it kept the scripts with them.
const SYSTEM_PROGRAMS: &[&str] = &[
    "bash",
    "curl",
    "echo",
    "ip",
    "killall",
    "netstat",
    "nft",
    "pidof",
    "ping",
    "pkill",
    "ps",
    "sh",
    "systemctl",
];

impl Host for DiskHost {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path.starts_with("/etc/ssl/") {
            // Irrelevant, and different on other machines.
            return Ok(Vec::new());
        }
        fs::read(path).map_err(|error| error_text(&error))
    }

    fn read_protected(&self, path: &str, _: Access) -> Result<Vec<u8>, String> {
        self.read(path)
    }

    fn is_writable_by_everyone(&self, _: &str) -> bool {
        false
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let found = glob::glob(pattern).into_iter().flatten().flatten();
        found
            .filter_map(|path| path.to_str().map(str::to_owned))
            .collect()
    }

    fn env(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/root".to_owned())
    }

    fn config_id(&self) -> String {
        "left".to_owned()
    }

    fn random(&self) -> u32 {
        4
    }

    fn user(&self, name: &str) -> Option<User> {
        self.group(name).map(|id| User { uid: id, gid: id })
    }

    fn group(&self, name: &str) -> Option<u32> {
        let ids = [
            ("root", 0),
            ("vrrpd", 100),
            ("nobody", 65_534),
            ("nogroup", 65_534),
        ];
        let found = ids.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, id)| id)
    }

    fn own_user(&self) -> User {
        User::default()
    }

    fn program(&self, name: &str, _: User) -> Result<Program, String> {
        let missing = match self.programs {
            Programs::Exist => name.contains("missing") || !name.is_ascii(),
            Programs::System => {
                let (dir, file) = name.rsplit_once('/').unwrap_or(("/bin", name));
                !dir.ends_with("bin") || !SYSTEM_PROGRAMS.contains(&file)
            }
        };
        if missing {
            return Err("no such file or directory".to_owned());
        }
        let absolute = name.starts_with('/');
        Ok(Program {
            path: if absolute {
                name.to_owned()
            } else {
                format!("/usr/bin/{name}")
            },
            exposed: name.starts_with("/tmp/").then(|| "/tmp/exposed".to_owned()),
            set_id: name.ends_with("sudo"),
        })
    }
}

fn golden(dir: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(dir)
}

/// The `.conf` files of a directory, sorted.
fn confs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("directory of configurations");
    let paths = entries.map(|entry| entry.expect("entry").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "conf"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no configurations in {}", dir.display());
    paths
}

fn load_file(path: &Path) -> Loaded {
    load(path.to_str().expect("path"), &DISK)
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Unsupported => "unsupported",
        Severity::InsecureSetting => "insecure setting",
        Severity::Tolerated => "tolerated",
        Severity::ToleratedError => "tolerated error",
        Severity::Insecure => "insecure",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
    }
}

/// One line per message: `line:column: severity: message`, help indented below.
fn messages(loaded: &Loaded) -> String {
    let mut text = String::new();
    for diag in loaded.diags.list() {
        let position = diag.span.and_then(|span| loaded.sources.position(span));
        if let Some(at) = position {
            text += &format!("{}:{}: ", at.line, at.column);
        }
        text += &format!("{}: {}\n", severity_name(diag.severity), diag.message);
        if let Some(help) = &diag.help {
            text += &format!("    help: {help}\n");
        }
        if let Some(lines) = also_on(diag, &loaded.sources) {
            text += &format!("    also on {lines}\n");
        }
    }
    if loaded.diags.suppressed() > 0 {
        text += &format!("and {} more\n", loaded.diags.suppressed());
    }
    text
}

/// `full` with all features, `small` with none; other builds are not compared.
fn flavor() -> Option<&'static str> {
    let here = Feature::ALL.into_iter().filter(|part| part.is_built_in());
    match here.count() {
        0 => Some("small"),
        all if all == Feature::ALL.len() => Some("full"),
        _ => None,
    }
}

/// Compares with a golden file, or rewrites it. The small flavor has its own file where it differs.
fn compare(conf: &Path, kind: &str, text: &str, failures: &mut Vec<String>) {
    let full = conf.with_extension(kind);
    let small = conf.with_extension(format!("small.{kind}"));
    let path = match flavor() {
        None => return,
        Some("small") if golden::update() => {
            if fs::read_to_string(&full).unwrap_or_default() == text {
                let _ = fs::remove_file(small);
                return;
            }
            small
        }
        Some("small") if small.exists() => small,
        Some(_) => full,
    };
    golden::compare(&path, text, failures);
}

fn check_golden(dir: &str) {
    let mut failures = Vec::new();
    for path in confs(&golden(dir)) {
        let loaded = load_file(&path);
        compare(&path, "diag", &messages(&loaded), &mut failures);
        compare(
            &path,
            "model",
            &model_text::differences(&loaded.config),
            &mut failures,
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn defaults_are_those_of_keepalived() {
    let mut failures = Vec::new();
    let path = golden("defaults.model");
    golden::compare(&path, &model_text::defaults(), &mut failures);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn golden_configurations_match() {
    check_golden("conf");
}

#[test]
fn real_world_configurations_match() {
    if flavor() == Some("full") {
        check_golden("seeds");
    }
}

#[test]
fn repaired_real_world_configurations_have_no_warnings() {
    // These two sets must not cause any diagnostic.
    let silent = [
        "s3_web_master",
        "s3_web_slave",
        "s3_node1",
        "s3_node2",
        "s3_node3",
    ];
    let mut seen = 0;
    for path in confs(&golden("seeds")) {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("name");
        let loaded = load_file(&path);
        if name.ends_with("_repaired") {
            assert!(
                loaded.diags.worst() < Some(Severity::Warning),
                "{name}:\n{}",
                messages(&loaded)
            );
        }
        if silent.contains(&name) && flavor() == Some("full") {
            seen += 1;
            assert_eq!(messages(&loaded), "", "{name}");
            assert!(!loaded.config.instances.is_empty(), "{name}");
        }
    }
    assert!(seen == silent.len() || flavor() != Some("full"));
}

#[test]
fn valid_values_cause_no_warnings() {
    for path in confs(&golden("conf")) {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("name");
        if name.starts_with("keywords_") {
            let loaded = load_file(&path);
            assert!(
                loaded.diags.worst() < Some(Severity::Warning),
                "{name}:\n{}",
                messages(&loaded)
            );
        }
    }
}

/// All words of the configurations and forms written for these tests, except comments.
fn words_of_goldens() -> std::collections::BTreeSet<String> {
    let mut words = forms::words();
    for path in confs(&golden("conf")) {
        let text = fs::read_to_string(path).expect("text");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let separators = |c: char| c.is_whitespace() || c == '{' || c == '}';
            words.extend(line.split(separators).map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_keyword_and_option_of_the_schema_occurs_in_a_golden_configuration() {
    let words = words_of_goldens();
    let mut missing = Vec::new();
    visit(&ROOT, 0, &mut |keyword, schema| {
        if !words.contains(keyword.name()) {
            missing.push(format!("{} of {}", keyword.name(), schema.name));
        }
        let items = match keyword.body {
            Body::Items(items) => items.args,
            Body::None | Body::Block(_) => &[],
        };
        for arg in keyword.args().iter().chain(items) {
            let Arg::Options(options) = arg else { continue };
            for option in options
                .rows
                .iter()
                .filter(|option| !words.contains(option.name()))
            {
                missing.push(format!("option {} of {}", option.name(), keyword.name()));
            }
        }
    });
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn documented_forms_take_effect_or_are_reported() {
    if flavor() != Some("full") {
        return;
    }
    let complaints = forms::compare(golden::update());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_keyword_of_the_schema_has_a_form() {
    let words = forms::words();
    let mut missing = Vec::new();
    visit(&ROOT, 0, &mut |keyword, schema| {
        if !words.contains(keyword.name()) {
            missing.push(format!("{} of {}", keyword.name(), schema.name));
        }
    });
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_unsupported_statement_is_reported_once() {
    let loaded = load_file(&golden("conf").join("keywords_vrrp.conf"));
    let mut named = BTreeMap::new();
    for diag in loaded
        .diags
        .list()
        .iter()
        .filter(|diag| diag.severity == Severity::Unsupported)
    {
        *named.entry(diag.message.clone()).or_insert(0) += 1;
    }
    assert!(named.len() > 5, "{named:#?}");
    assert!(named.values().all(|count| *count == 1), "{named:#?}");
}

#[test]
fn auth_hmac_key_formats_are_equivalent() {
    let loaded = load_file(&golden("conf").join("auth.conf"));
    let signed = loaded
        .config
        .instances
        .iter()
        .find(|one| one.name == "SIGNED");
    let Some(Auth::Hmac(hmac)) = signed.map(|one| &one.auth) else {
        panic!("it is signed");
    };
    let key = |id: u8| {
        let key = hmac.keys.iter().find(|key| key.id == id);
        key.expect("configured").secret.0.clone()
    };
    let counted: Vec<u8> = (0..32).collect();
    assert_eq!((key(1), key(2)), (counted.clone(), counted));
    assert_eq!(key(3), b"0123456789abcdefghijklmnopqrstuv");
    assert_eq!(hmac.keys[0].id, 3, "the active one");
}

#[test]
fn passwords_are_hidden_in_the_model() {
    let loaded = load_file(&golden("conf").join("defect_18_passwords.conf"));
    let text = model_text::differences(&loaded.config);
    assert!(
        text.contains("********") && !text.contains("longer"),
        "{text}"
    );
}

// ---- hostile input ----

#[test]
fn tens_of_thousands_of_errors_take_seconds_at_most() {
    let lines =
        |count: u32, line: &dyn Fn(u32) -> String| -> String { (0..count).map(line).collect() };
    let inside = |open: &str, text: String| {
        format!("vrrp_instance V {{\ninterface eth0\n{open}\n{text}}}\n}}\n")
    };
    let name = |i: u32| format!("vrrp_instance V{i} {{\n}}\n");
    let vip = |i: u32| format!("10.0.{}.{}\n", i >> 8, i & 255);
    let server = |i: u32| {
        format!(
            "real_server 10.0.{}.{} 80 {{\nTCP_CHECK {{ }}\n}}\n",
            i >> 8,
            i & 255
        )
    };
    let balanced = |what: &str, servers: &str| {
        format!("virtual_server {what} {{\nprotocol TCP\nlb_algo rr\nlb_kind NAT\n{servers}}}\n")
    };
    for (case, text) in [
        (
            "unknown keywords",
            lines(30_000, &|i| format!("unknown_keyword_{i} 1\n")),
        ),
        (
            "misplaced keywords",
            lines(30_000, &|_| "connect_port 80\n".to_owned()),
        ),
        (
            "misspelt blocks",
            lines(10_000, &|i| format!("vrrp_instanca V{i} {{\n}}\n")),
        ),
        ("different names", lines(10_000, &name)),
        ("the same name", lines(10_000, &|_| name(0))),
        (
            "repeated keywords",
            lines(30_000, &|_| "instance a\n".to_owned()),
        ),
        (
            "addresses",
            inside("virtual_ipaddress {", lines(40_000, &vip)),
        ),
        (
            "the same address",
            inside("virtual_ipaddress {", lines(30_000, &|_| vip(1))),
        ),
        (
            "real servers",
            balanced("192.0.2.1 80", &lines(20_000, &server)),
        ),
        (
            "virtual servers",
            lines(9_000, &|i| {
                balanced(&format!("fwmark {}", i + 1), &server(i))
            }),
        ),
        (
            "the same virtual server",
            lines(9_000, &|i| balanced("192.0.2.1 80", &server(i))),
        ),
        (
            "a group of all addresses",
            "virtual_server_group g {\n0.0.0.0/0 80\n::/0 80\n}\n".to_owned()
                + &balanced("group g", &server(1)),
        ),
        ("peers", inside("unicast_peer {", lines(30_000, &vip))),
        (
            "interfaces",
            inside("track_interface {", lines(30_000, &|i| format!("i{i}\n"))),
        ),
    ] {
        let before = cpu::thread_time();
        let loaded = load(
            "memory",
            &FakeHost {
                text: &text,
                complete: false,
            },
        );
        // For a debug build; a release build takes a tenth of a second.
        let took = cpu::thread_time() - before;
        assert!(took < Duration::from_secs(5), "{case}: {took:?}");
        assert!(loaded.diags.list().len() <= 500, "{case}");
    }
}

/// A host with one file, these interfaces, and these addresses of other programs on them.
struct Interfaces<'a>(
    FakeHost<'a>,
    Option<&'a [&'a str]>,
    &'a [(&'a str, [u8; 4])],
);

impl Host for Interfaces<'_> {
    fn interfaces(&self) -> Option<Vec<String>> {
        let names = self.1?.iter().map(|name| (*name).to_owned());
        Some(names.collect())
    }
    fn foreign_addresses(&self) -> Vec<(IfName, Cidr)> {
        let address = |(name, addr): &(&str, [u8; 4])| {
            let (addr, prefix) = ((*addr).into(), 24);
            (IfName::new(name).expect("a name"), Cidr { addr, prefix })
        };
        self.2.iter().map(address).collect()
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.read(path)
    }
    fn read_protected(&self, path: &str, from: Access) -> Result<Vec<u8>, String> {
        self.0.read_protected(path, from)
    }
    fn is_writable_by_everyone(&self, path: &str) -> bool {
        self.0.is_writable_by_everyone(path)
    }
    fn glob(&self, pattern: &str) -> Vec<String> {
        self.0.glob(pattern)
    }
    fn env(&self, name: &str) -> Option<String> {
        self.0.env(name)
    }
    fn config_id(&self) -> String {
        self.0.config_id()
    }
    fn random(&self) -> u32 {
        self.0.random()
    }
    fn user(&self, name: &str) -> Option<User> {
        self.0.user(name)
    }
    fn group(&self, name: &str) -> Option<u32> {
        self.0.group(name)
    }
    fn own_user(&self) -> User {
        self.0.own_user()
    }
    fn program(&self, name: &str, user: User) -> Result<Program, String> {
        self.0.program(name, user)
    }
}

#[test]
fn interfaces_that_do_not_exist_are_reported_once_and_used() {
    let text = "# global\n\
                vrrp_instance a {\n interface eth9\n virtual_router_id 51\n use_vmac vrrp51\n\
                virtual_ipaddress {\n 192.0.2.1 dev eth9\n 192.0.2.2 dev vrrp51\n 192.0.2.3 dev eth0\n }\n\
                track_interface {\n wan\n }\n}\n";
    let found = |text: &str, present| {
        let complete = true;
        let loaded = load(
            "x.conf",
            &Interfaces(FakeHost { text, complete }, present, &[]),
        );
        assert_eq!(loaded.config.instances.len(), 1);
        assert_eq!(exit_code(&loaded), 0);
        let diags = loaded.diags.list().iter();
        let diags = diags.filter(|diag| diag.message.contains("does not exist"));
        let line = |diag: &vrrpd::config::Diag| {
            let severity = severity_name(diag.severity);
            format!("{severity}: {} {:?}", diag.message, diag.help)
        };
        diags.map(line).collect::<Vec<_>>()
    };
    let want = [
        "tolerated: interface eth9 does not exist now Some(\"did you mean `eth0`?\")",
        "note: interface wan does not exist now None",
    ];
    assert_eq!(found(text, Some(&["lo", "eth0"])), want);
    assert_eq!(found(text, None), [""; 0]);
    let elsewhere = text.replace("# global", "net_namespace red");
    assert_eq!(found(&elsewhere, Some(&["lo"])), [""; 0]);
}

#[test]
fn virtual_address_that_another_program_has_set_here_is_reported() {
    let text = "vrrp_instance a {\n interface eth0\n virtual_router_id 51\n\
                virtual_ipaddress {\n 192.0.2.1/24\n 192.0.2.2 dev eth1\n }\n}\n";
    let found = |text: &str, addresses| {
        let complete = true;
        let host = Interfaces(FakeHost { text, complete }, None, addresses);
        let loaded = load("x.conf", &host);
        assert_eq!(exit_code(&loaded), 0);
        let strict = exit_code_for_test(loaded.diags.worst(), Strictness::Strict);
        let all = render_text(&loaded.diags, &loaded.sources);
        let lines = all.lines().filter(|line| line.contains("on this machine"));
        let texts = lines.map(|line| line.split(" on this machine").next().unwrap_or(line));
        (strict, texts.map(str::to_owned).collect::<Vec<_>>())
    };
    const LAN: (&str, [u8; 4]) = ("eth0", [192, 0, 2, 1]);
    let only = "x.conf:5:2: warning: 192.0.2.1 is the only address of eth0".to_owned();
    let one = "x.conf:5:2: note: 192.0.2.1 is an address of eth0".to_owned();
    assert_eq!(found(text, &[LAN]), (5, vec![only.clone()]));
    assert_eq!(
        found(text, &[LAN, ("eth0", [192, 0, 2, 7])]),
        (0, vec![one])
    );
    let elsewhere = [("eth0", [192, 0, 2, 2]), ("eth2", [192, 0, 2, 1])];
    assert_eq!(found(text, &elsewhere), (0, vec![]));
    // The base interface of a macvlan.
    let vmac = text.replace("virtual_router_id", "use_vmac\n virtual_router_id");
    let only = only.replace(":5:", ":6:");
    assert_eq!(found(&vmac, &[LAN]), (5, vec![only]));
    // Of the owner, and in another namespace.
    let owner = text.replace("virtual_router_id", "priority 255\n virtual_router_id");
    assert_eq!(found(&owner, &[LAN]), (0, vec![]));
    let elsewhere = format!("net_namespace red\n{text}");
    assert_eq!(found(&elsewhere, &[LAN]), (0, vec![]));
}

// ---- corpus of real-world configurations ----

/// Exit codes of `keepalived -t`, by file name.
fn verdicts(corpus: &Path) -> BTreeMap<String, i32> {
    let table =
        fs::read_to_string(corpus.join("keepalived-verdicts-ifaces.tsv")).unwrap_or_default();
    let rows = table.lines().filter_map(|line| {
        let mut columns = line.split('\t');
        Some((columns.next()?.to_owned(), columns.next()?.parse().ok()?))
    });
    rows.collect()
}

/// Files for which keepalived reports errors but exits with 0, because the exit code of one of its
/// processes is lost.
const VERDICT_LOST: &[&str] = &["451"];

/// The exit code of a configuration test.
fn exit_code(loaded: &Loaded) -> i32 {
    i32::from(exit_code_for_test(
        loaded.diags.worst(),
        Strictness::Keepalived,
    ))
}

#[test]
fn corpus_configurations_are_accepted_where_keepalived_accepts_them() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let corpus = std::env::var_os("VRRPD_CORPUS").map_or(default, PathBuf::from);
    if !corpus.is_dir() {
        println!("SKIP corpus: no directory {}", corpus.display());
        return;
    }
    let verdicts = verdicts(&corpus);
    let mut table: BTreeMap<(i32, i32), Vec<String>> = BTreeMap::new();
    let mut slow = Vec::new();
    let host = DiskHost {
        programs: Programs::System,
    };
    let show = std::env::var("VRRPD_CORPUS_SHOW").unwrap_or_default();
    for path in confs(&corpus) {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("name")
            .to_owned();
        let before = cpu::thread_time();
        let loaded = load(path.to_str().expect("path"), &host);
        if cpu::thread_time() - before > Duration::from_secs(1) {
            slow.push(name.clone());
        }
        if show == "all" || show == name {
            println!("== {name}\n{}", messages(&loaded));
        }
        let theirs = verdicts.get(&name).copied().unwrap_or(-1);
        table
            .entry((theirs, exit_code(&loaded)))
            .or_default()
            .push(name);
    }
    println!("keepalived  vrrpd  files");
    for ((theirs, ours), names) in &table {
        println!("{theirs:10}  {ours:5}  {:5}", names.len());
    }
    assert!(slow.is_empty(), "longer than a second: {slow:?}");
    let rejected: Vec<_> = table
        .iter()
        .filter(|((theirs, ours), _)| *theirs == 0 && *ours != 0)
        .flat_map(|(_, names)| names)
        .filter(|name| !VERDICT_LOST.contains(&name.as_str()))
        .collect();
    assert!(
        rejected.is_empty(),
        "keepalived accepts these: {rejected:?}"
    );
}

#[test]
fn example_configurations_have_no_diagnostics() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let mut all = confs(&configs);
    all.extend(confs(&configs.join("busybox")));
    // The examples of the manual pages.
    all.extend(confs(&configs.join("../tests/man/examples")));
    for path in all {
        let loaded = load(path.to_str().expect("UTF-8"), &DISK);
        let diagnostics: Vec<&str> = loaded
            .diags
            .list()
            .iter()
            .map(|diag| diag.message.as_str())
            .collect();
        match flavor() {
            Some("full") => assert_eq!(diagnostics, [""; 0], "{}", path.display()),
            _ => assert!(
                loaded.diags.worst() <= Some(Severity::Unsupported),
                "{diagnostics:?}"
            ),
        }
        assert!(!loaded.config.instances.is_empty(), "{}", path.display());
        // A router on which an example is tried must not share its own address with another one.
        let instances = loaded.config.instances.iter();
        for vip in instances.flat_map(|instance| &instance.vips) {
            let address = vip.cidr.addr.to_string();
            let factory_set = ["192.168.0.1", "192.168.1.1", "192.168.2.1"];
            let path = path.display();
            assert!(!factory_set.contains(&&*address), "{path}: {address}");
        }
    }
}

#[test]
fn syntax_example_gives_the_result_described_in_vrrpd_conf_5() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/man/examples");
    let config = load_file(&examples.join("syntax.conf")).config;
    let names: Vec<&str> = config.instances.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["LAN", "V52", "V53", "GUEST"]);
    let lan = &config.instances[0];
    let addresses: Vec<String> = lan.vips.iter().map(|one| one.cidr.to_string()).collect();
    let want = [1, 2, 3, 4, 21, 22].map(|host| format!("10.0.0.{host}/24"));
    assert_eq!((lan.priority.0, addresses), (150, want.to_vec()));
}
