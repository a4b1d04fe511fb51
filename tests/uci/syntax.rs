//! The syntax of UCI files. What each text means was compared with libuci.

use vrrpd::config::render::render_text;
use vrrpd::uci::convert;

/// An option before and one after the text; what is written for the options in between; the message.
struct Case {
    text: &'static str,
    written: &'static [&'static str],
    message: &'static str,
}

const fn case(text: &'static str, written: &'static [&'static str], message: &'static str) -> Case {
    Case {
        text,
        written,
        message,
    }
}

const REFUSED: &str = "`uci` and LuCI refuse the whole file";

const CASES: &[Case] = &[
    // Surplus words.
    case(
        "option router_id a b",
        &["router_id a"],
        "x:2:20: error: surplus word",
    ),
    case(
        "option router_id a b option smtp_server c",
        &["router_id a"],
        "surplus word",
    ),
    case("list notification_email 'a' 'b'", &["a"], "surplus word"),
    // A backslash at the end of a line.
    case("option router_id a\\\nb", &["router_id ab"], ""),
    case("option router_id \"a\\\nb\"", &["router_id ab"], ""),
    case("option router_id a\\\r\nb\r", &["router_id ab"], ""),
    case(
        "option router_id a\\\n b",
        &["router_id a"],
        "x:3:2: error: surplus word",
    ),
    case(
        "option router_id 'a' \\\n option smtp_server b",
        &["router_id a", "smtp_server b"],
        "",
    ),
    case(
        "option router_id a\\\n\toption smtp_server b",
        &["router_id a"],
        "x:3:2: error: surplus word",
    ),
    // `;`
    case(
        "option router_id 'a'; option smtp_server 'b'",
        &["router_id a", "smtp_server b"],
        "",
    ),
    case(
        "option router_id a ; option smtp_server b",
        &["router_id a", "smtp_server b"],
        "",
    ),
    case(
        "option router_id a; option smtp_server b",
        &["router_id a"],
        "ends the line; the rest is ignored",
    ),
    case("option router_id a;", &["router_id a"], ""),
    case("option router_id a; # b", &["router_id a"], ""),
    case(
        "option router_id 'a';",
        &["router_id a"],
        "no statement after `;`",
    ),
    // Values.
    case(
        "option router_id",
        &[],
        "x:2:8: warning: an option without a value has no effect",
    ),
    case(
        "option router_id a\noption router_id ''",
        &["router_id a"],
        "",
    ),
    case(
        "option router_id a\noption router_id b",
        &["router_id b"],
        "",
    ),
    case("option router_id a#b", &["router_id a"], ""),
    case("option router_id 'a#b'", &["router_id \"a#b\""], ""),
    case(
        "option router_id a'b c'\"d\"\\ e",
        &["router_id \"ab cd e\""],
        "",
    ),
    case("option router_id a\r", &["router_id a"], ""),
    case("option router_id a\u{a0}b", &["router_id \"a\u{a0}b\""], ""),
    case(
        "list notification_email a\noption notification_email b\nlist notification_email c",
        &["b", "c"],
        "",
    ),
    // Statements and names.
    case(
        "'option' router_id a",
        &[],
        "x:2:1: error: not a UCI statement",
    ),
    case("optional router_id a", &[], "not a UCI statement"),
    case("option", &[], "a word is missing"),
    case(
        "option router-id a",
        &[],
        "x:2:8: error: `router-id` is not valid here",
    ),
    case("package keepalived-2", &[], ""),
    case("package 'a b'", &[], "`a b` is not valid here"),
    case("o router_id a", &["router_id a"], ""),
];

fn lines(conf: &str) -> Vec<&str> {
    let ours = |line: &&str| {
        ["router_id", "smtp_server", "a", "b", "c"]
            .iter()
            .any(|word| line.split(' ').next() == Some(word))
    };
    conf.lines().map(str::trim).filter(ours).collect()
}

fn converted(text: &str) -> (String, String) {
    let done = convert("x", text.as_bytes().to_vec());
    (
        done.text.expect("a result"),
        render_text(&done.diags, &done.sources),
    )
}

#[test]
fn values_and_errors_are_those_of_libuci() {
    for Case {
        text,
        written,
        message,
    } in CASES
    {
        let all = format!("config globals\n{text}\noption vrrp_startup_delay 3\n");
        let (conf, report) = converted(&all);
        let context = format!("{all}became\n{conf}{report}");
        let mut found = lines(&conf);
        found.sort_unstable();
        assert_eq!(found, *written, "{context}");
        assert!(
            conf.contains("vrrp_startup_delay 3\n"),
            "the next line is read: {context}"
        );
        assert_eq!(report.is_empty(), message.is_empty(), "{context}");
        assert!(report.contains(message), "{context}");
        let errors = report.matches(": error: ").count() + report.matches(": warning: ").count();
        assert!(errors <= 1, "one cause, one message: {context}");
    }
}

#[test]
fn what_libuci_refuses_when_strict_says_so() {
    for text in [
        "config globals\noption router_id a b",
        "config globals a b",
        "config vrrp_script 'a-b'",
        "config vrrp_script a\nconfig ipaddress a",
        "option router_id a",
        "konfig globals",
    ] {
        let (_, report) = converted(text);
        assert!(report.contains(REFUSED), "{text}: {report}");
    }
}

#[test]
fn a_section_name_belongs_to_one_section() {
    let (conf, report) = converted(
        "config ipaddress 'a'\n\toption address '192.0.2.1'\n\
         config vrrp_script 'a'\n\toption script '/bin/true'\n\
         config vrrp_script 'a'\n\toption interval '7'\n\
         config vrrp_instance 'v'\n\tlist virtual_ipaddress 'a'\n",
    );
    assert!(
        conf.contains("vrrp_script a {\n\tscript \"/bin/true\"\n\tinterval 7\n}"),
        "{conf}"
    );
    assert!(
        report.contains("x:3:20: error: the section `a` had the type ipaddress"),
        "{report}"
    );
    assert!(report.contains("ipaddress `a` is not defined"), "{report}");
}

/// `config_load` would give them to the section before.
#[test]
fn options_below_an_invalid_section_belong_to_no_section() {
    let (conf, report) = converted(
        "config vrrp_instance 'good'\n\toption interface 'eth0'\n\
         config vrrp_instance 'lan-1'\n\toption interface 'eth1'\n",
    );
    assert!(
        conf.contains("interface eth0") && !conf.contains("eth1"),
        "{conf}"
    );
    assert_eq!(report.matches("error").count(), 1, "{report}");
    assert!(
        report.contains("write another name into `option name`"),
        "{report}"
    );
}

#[test]
fn a_value_may_span_lines_that_look_like_statements() {
    let (_, report) =
        converted("config peer 'p'\n\toption address 192.0.2.7\n\toption ssh_key 'a\nlist b'\n");
    assert_eq!(report, "");
    let (conf, report) =
        converted("config globals\n\toption router_id 'x\n\toption smtp_server 'y'\r\n");
    assert!(conf.contains("smtp_server y\n"), "{conf}");
    assert!(report.contains("unclosed quote"), "{report}");
}
