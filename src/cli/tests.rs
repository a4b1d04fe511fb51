//! Tests of the options, their errors, and the help text.

use super::*;

fn parse_line(line: &str) -> Result<Request, String> {
    parse_as("vrrpd", line)
}

fn parse_as(program: &str, line: &str) -> Result<Request, String> {
    let words = [program].into_iter().chain(line.split_whitespace());
    parse(words.map(OsString::from))
}

/// The options of a line that starts the daemon.
fn run(line: &str) -> Options {
    match parse_line(line) {
        Ok(Request::Run(options)) => options,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_command_line_of_an_openwrt_init_script_is_accepted() {
    let options = run("-f /etc/vrrpd.conf -n");
    assert_eq!(options.config.as_deref(), Some("/etc/vrrpd.conf"));
    assert!(options.foreground);
    assert!(options.ignored.is_empty());
}

#[test]
fn short_options_bundle_and_take_their_value_in_every_form() {
    let want = run("-n -l -D -f /x -S 3");
    for line in [
        "-nlD -f/x -S3",
        "-nlDf /x -S3",
        "-nlDf/x -S=3",
        "--dont-fork --log-console --log-detail --use-file=/x --log-facility=3",
        "--use-file /x --log-facility 3 -Dln",
    ] {
        assert_eq!(run(line), want, "{line}");
    }
}

#[test]
fn every_option_of_the_table_is_accepted_by_both_names() {
    for row in TABLE {
        let value = match row.value {
            Value::None => "",
            Required("0-7|NAME" | "MASK") => "7",
            Required("text|json") => "text", // a build without JSON refuses it
            Required(_) => "/x",
            Optional(_) => "",
        };
        let mut forms = vec![format!("--{} {value}", row.long)];
        forms.extend(row.short.map(|short| format!("-{short} {value}")));
        for form in forms {
            let got = parse_line(&format!("-P {form}"));
            let refused = matches!(row.effect, Refused(_));
            assert_eq!(got.is_err(), refused, "{form}: {got:?}");
        }
    }
}

#[test]
fn no_two_options_share_a_name() {
    let mut names: Vec<String> = TABLE.iter().map(|row| row.long.replace('_', "-")).collect();
    names.extend(TABLE.iter().filter_map(|row| row.short.map(String::from)));
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn an_optional_value_must_be_attached() {
    for (line, want) in [
        ("-t", None),
        ("--config-test", None),
        ("-t/tmp/report", Some("/tmp/report")),
        ("--config-test=/tmp/report", Some("/tmp/report")),
        ("-t -f x", None),
    ] {
        match parse_line(line) {
            Ok(Request::ConfigTest(options)) => {
                assert_eq!(options.test_report.as_deref(), want, "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    assert_eq!(run("-g").log_file.as_deref(), Some(DEFAULT_LOG_FILE));
    assert_eq!(run("--log-file=/l").log_file.as_deref(), Some("/l"));
}

#[test]
fn facilities_have_syslog_numbers() {
    for (value, want) in [
        ("0", 16),
        ("7", 23),
        ("local3", 19),
        ("LOCAL3", 19),
        ("daemon", 3),
        ("user", 1),
        ("LOG_DAEMON", 3),
        ("authpriv", 10),
    ] {
        let options = run(&format!("-S {value}"));
        assert_eq!(options.log_facility, Some(want), "{value}");
    }
}

#[test]
fn genhash_gets_all_arguments_after_it() {
    for line in ["genhash -s x", "-T -s x", "--genhash -s x"] {
        let want = ["-s", "x"].map(OsString::from).to_vec();
        assert_eq!(parse_line(line), Ok(Request::Genhash(want)), "{line}");
    }
}

#[test]
fn umask_has_every_form_of_keepalived() {
    for (line, want) in [
        ("-u 027", 0o027),
        ("--umask=0177", 0o177),
        ("-u0x12", 0o22),
        ("-u 18", 0o22),
        ("--umask IRGRP|IROTH", 0o44),
    ] {
        assert_eq!(run(line).umask, Some(want), "{line}");
    }
}

#[test]
fn long_options_can_be_abbreviated() {
    let want = run("-n -f /x --checkers_pid=/c --vrrp-pid=/v -V");
    let line = "--dont-f --use=/x --checkers /c --vrrp_p=/v --dont_release-v";
    assert_eq!(run(line), want);
    for (line, want) in [
        (
            "--u=/x",
            "--u may be --use-file or --umask; write more of it",
        ),
        (
            "--ch",
            "--ch may be --checkers_pid or --check; write more of it",
        ),
        ("--x", "unknown option --x; -h lists the options"),
    ] {
        assert_eq!(parse_line(line), Err(want.to_owned()));
    }
    // An option of ours does not take abbreviations away.
    let test = |line| matches!(parse_line(line), Ok(Request::ConfigTest(_)));
    assert!(test("--config-t") && test("--config-t=/r"));
    assert_eq!(
        parse_line("--signu=JSON"),
        Ok(Request::Signum("JSON".to_owned()))
    );
    assert_eq!(run("--vrrp").subsystems, Subsystems::Vrrp, "not --vrrp_pid");
}

#[test]
fn the_name_of_the_program_decides_on_what_it_is() {
    for program in ["keepalived", "/usr/sbin/keepalived", "./keepalived"] {
        let got = parse_as(program, "-v");
        assert_eq!(got, Ok(Request::Version(CalledAs::Keepalived)), "{program}");
    }
    let want = ["-s", "x"].map(OsString::from).to_vec();
    let got = parse_as("/usr/bin/genhash", "-s x");
    assert_eq!(got, Ok(Request::Genhash(want)));
    // keepalived reports further arguments and runs.
    match parse_as("keepalived", "-n word") {
        Ok(Request::Run(options)) => {
            assert_eq!(options.called_as, CalledAs::Keepalived);
            assert_eq!(options.ignored, ["unexpected argument 'word'; ignored"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn called_keepalived_the_version_has_its_form() {
    let text = version(CalledAs::Keepalived, "");
    let mut lines = text.lines();
    let first = lines
        .next()
        .and_then(|line| line.strip_prefix("Keepalived v2.2.8 ("));
    let inner = first.and_then(|rest| rest.strip_suffix(')'));
    assert!(inner.is_some_and(|inner| !inner.contains(' ')), "{text}");
    assert_eq!(lines.next(), Some(""));
    let options = lines
        .next()
        .and_then(|line| line.strip_prefix("configure options:"));
    let has_json = options.is_some_and(|options| options.contains("--enable-json"));
    assert_eq!(has_json, cfg!(feature = "json"), "{text}");
}

#[test]
fn options_without_effect_are_collected_with_the_reason() {
    let options = run("-n -x --bfd-pid=/run/b.pid -R --no-bfd");
    assert_eq!(
        options.ignored,
        [
            "-x: SNMP is not part of vrrpd; ignored",
            "--bfd-pid: BFD is not part of this release; ignored",
            "-R: vrrpd has no child daemons to restart; ignored",
            "--no-bfd: BFD is not part of this release; ignored",
        ]
    );
}

#[test]
fn every_error_gives_one_message() {
    for (line, want) in [
        ("-q", "unknown option -q; -h lists the options"),
        (
            "--use-fille=x",
            "unknown option --use-fille; -h lists the options",
        ),
        ("-f", "-f needs a value"),
        ("--use-file", "--use-file needs a value"),
        ("--dont-fork=yes", "--dont-fork takes no value"),
        ("vrrpd.conf", "unexpected argument 'vrrpd.conf'"),
        ("-S 8", "-S: '8' is neither 0 to 7 nor a syslog facility"),
        (
            "-u 09",
            "-u: '09' is not a mask such as 0177 or IRGRP|IROTH",
        ),
        (
            "-u 1000",
            "-u: '1000' is not a mask such as 0177 or IRGRP|IROTH",
        ),
        (
            "--config-test-format=xml",
            "--config-test-format: 'xml' is neither text nor json",
        ),
        (
            "-n -T",
            "-T: must be the first option, followed by those of genhash",
        ),
    ] {
        assert_eq!(parse_line(line), Err(want.to_owned()), "{line}");
    }
}

#[test]
fn a_subsystem_runs_alone_if_it_is_the_only_one_requested() {
    for (line, want) in [
        ("", Subsystems::All),
        ("-P", Subsystems::Vrrp),
        ("--vrrp", Subsystems::Vrrp),
        ("-C -P", Subsystems::All),
        ("-PC", Subsystems::All),
        ("-C --all", Subsystems::All),
    ] {
        assert_eq!(run(line).subsystems, want, "{line}");
    }
    match cfg!(feature = "lvs") {
        true => assert_eq!(run("-C").subsystems, Subsystems::VirtualServers),
        false => assert!(parse_line("-C").is_err(), "VRRP was not asked for"),
    }
}

#[test]
fn help_comes_before_version_and_both_before_all_other_options() {
    assert_eq!(
        parse_line("-n -t -v -h"),
        Ok(Request::Help(CalledAs::Vrrpd))
    );
    let version = Ok(Request::Version(CalledAs::Vrrpd));
    assert_eq!(parse_line("-t -f x -v"), version);
    assert_eq!(
        parse_line("-n --signum=STOP"),
        Ok(Request::Signum("STOP".to_owned()))
    );
}

#[test]
fn help_names_every_option_and_fits_a_terminal() {
    let help = help();
    for row in TABLE.iter().filter(|row| !matches!(row.effect, Refused(_))) {
        let name = row
            .short
            .map_or(format!("--{}", row.long), |short| format!("-{short}"));
        assert!(help.contains(&name), "{name}");
    }
    for line in help.lines() {
        assert!(line.len() <= 80, "{line}");
    }
}
