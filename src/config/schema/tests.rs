use super::root::BLOCKS;
use super::*;

/// Every keyword of the language with its block, each block once.
fn all() -> Vec<(&'static Keyword, &'static Schema)> {
    let mut list = Vec::new();
    visit(&ROOT, 0, &mut |keyword, schema| {
        list.push((keyword, schema))
    });
    list
}

#[test]
fn names_are_unique_in_a_block() {
    for (keyword, schema) in all() {
        let same = schema
            .keywords()
            .filter(|other| other.name() == keyword.name())
            .count();
        assert_eq!(same, 1, "{} in {}", keyword.name(), schema.name);
    }
}

/// Words that start with a digit are not looked up.
#[test]
fn no_keyword_starts_with_a_digit() {
    for (keyword, _) in all() {
        let first = keyword.name().bytes().next();
        assert!(
            first.is_some_and(|byte| !byte.is_ascii_digit()),
            "{}",
            keyword.name()
        );
    }
}

#[test]
fn every_keyword_and_option_is_documented_in_one_line() {
    fn check(name: &str, doc: &str) {
        assert!(!doc.is_empty(), "{name}");
        assert!(
            !doc.contains('\n') && !doc.ends_with('.') && doc.len() < 200,
            "{name}: {doc}"
        );
    }
    for (keyword, _) in all() {
        check(keyword.name(), keyword.doc());
        let items = match keyword.body {
            Body::Items(items) => items.args,
            Body::None | Body::Block(_) => &[],
        };
        for arg in keyword.args().iter().chain(items) {
            if let Arg::Options(options) = arg {
                for option in options.rows {
                    check(option.name(), option.doc());
                }
            }
        }
    }
}

#[test]
fn defaults_are_values_the_keyword_accepts() {
    for (keyword, schema) in all() {
        if keyword.default().is_empty() || keyword.body.expects_brace() {
            continue;
        }
        let valid = keyword
            .args()
            .iter()
            .any(|arg| value::is_valid(arg, keyword.default()));
        assert!(
            valid,
            "{} {} in {}",
            keyword.name(),
            keyword.default(),
            schema.name
        );
    }
}

#[test]
fn other_spellings_name_a_keyword_of_the_same_block() {
    for (keyword, schema) in all() {
        let canonical = schema.find(keyword.canonical_name());
        assert!(canonical.is_some(), "{} in {}", keyword.name(), schema.name);
        assert!(
            canonical.is_some_and(|row| row.alias == Alias::No),
            "{}",
            keyword.name()
        );
    }
}

#[test]
fn block_openers_are_known_by_the_block_around_them() {
    const HERE: bool = cfg!(feature = "lvs");
    for (parent, keyword, want) in [
        ("real_server", "SMTP_CHECK", HERE),
        ("SMTP_CHECK", "host", HERE),
        ("vrrp_instance", "virtual_ipaddress", true),
        ("vrrp_instance", "interface", false),
        ("", "vrrp_instance", true),
        ("", "SMTP_CHECK", false),
        ("vrrp_track_file", "file", false),
        ("no_such_block", "host", false),
    ] {
        assert_eq!(opens_block(parent, keyword), want, "{parent} {keyword}");
    }
}

#[test]
fn every_block_is_in_the_list_of_blocks_under_its_openers_name() {
    for (keyword, _) in all() {
        let Body::Block(schema) = keyword.body else {
            continue;
        };
        assert_eq!(schema.name, keyword.canonical_name());
        assert!(
            BLOCKS
                .iter()
                .chain(lvs::BLOCKS)
                .any(|block| core::ptr::eq(*block, schema)),
            "{}",
            keyword.name()
        );
    }
}

/// Single arguments of a row, those of its options included.
fn arguments(keyword: &'static Keyword) -> Vec<&'static Arg> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are single")]
    fn each(arg: &'static Arg, list: &mut Vec<&'static Arg>) {
        match arg {
            Arg::Opt(inner) | Arg::Many(inner) => each(inner, list),
            Arg::Seq(args) => args.iter().for_each(|arg| each(arg, list)),
            Arg::Options(options) => {
                let rows = options.rows.iter();
                rows.for_each(|row| row.args().iter().for_each(|arg| each(arg, list)));
            }
            single => list.push(single),
        }
    }
    let mut list = Vec::new();
    keyword.args().iter().for_each(|arg| each(arg, &mut list));
    list
}

#[test]
fn every_time_has_a_floor_and_a_ceiling() {
    for (keyword, _) in all() {
        for arg in arguments(keyword) {
            if let Arg::Secs(from, to) | Arg::Span(from, to) | Arg::Time(from, to) = arg {
                assert!(from < to && *to <= row::LONGEST, "{}", keyword.name());
                assert!(
                    value::micros("99999999999999999999").is_none()
                        && !value::is_valid(arg, "2592001"),
                    "{}",
                    keyword.name()
                );
            }
        }
    }
}

/// What is repeated without end while the daemon runs, with the shortest interval in milliseconds.
#[test]
fn nothing_is_repeated_more_often_than_ten_times_per_second_except_adverts() {
    let periodic = [
        "interval",
        #[cfg(feature = "lvs")]
        "delay_loop",
        #[cfg(feature = "lvs")]
        "delay_before_retry",
        "garp_master_refresh",
        "vrrp_garp_master_refresh",
        "advert_int",
    ];
    let mut found = Vec::new();
    for (keyword, schema) in all() {
        let name = keyword.name();
        if !periodic.contains(&name) {
            continue;
        }
        found.push(name);
        let floor = if name == "advert_int" { 10 } else { 100 };
        for arg in arguments(keyword) {
            let (Arg::Secs(from, _) | Arg::Span(from, _) | Arg::Time(from, _)) = arg else {
                panic!("{name} in {}: {arg:?}", schema.name);
            };
            assert!(*from >= floor, "{name} in {}: {from} ms", schema.name);
        }
    }
    assert!(
        periodic.iter().all(|name| found.contains(name)),
        "{found:?}"
    );
}

/// A number without a ceiling of its own must be an identifier or a value that the kernel
/// interprets: it makes the daemon neither work nor remember more.
#[test]
fn every_count_has_a_ceiling() {
    let uncounted = [
        // Marks, priorities, preferences and other numbers that name something.
        "fwmark",
        "nftables_priority",
        "priority",
        "preference",
        "pref",
        "order",
        "goto",
        "id",
        "tunnel-id",
        "metric",
        "virtual_server",
        "suppress_prefixlength",
        "sup_pl",
        // Values of the kernel's tables.
        "weight",
        "uthreshold",
        "lthreshold",
        "mtu",
        "advmss",
        "window",
        "reordering",
        "ssthresh",
        "cwnd",
        "hoplimit",
        "initcwnd",
        "initrwnd",
        "expires",
        "ttl",
        // Compared with sums of weights, or with the length of a page.
        "quorum",
        "hysteresis",
        "regex_min_offset",
        "regex_max_offset",
    ];
    for (keyword, schema) in all() {
        if !matches!(keyword.support, Support::Supported) {
            continue;
        }
        let unlimited = |arg: &Arg| {
            matches!(
                arg,
                Arg::Count | Arg::Int(_, i32::MAX) | Arg::Exact(_, i32::MAX)
            )
        };
        let named = |name: &str| uncounted.contains(&name);
        for arg in keyword.args() {
            if let Arg::Options(options) = arg {
                for row in options.rows {
                    assert!(
                        named(row.name()) || !arguments(row).into_iter().any(unlimited),
                        "{} {}",
                        keyword.name(),
                        row.name()
                    );
                }
                continue;
            }
            assert!(
                named(keyword.name()) || !arguments(keyword).into_iter().any(unlimited),
                "{} in {}",
                keyword.name(),
                schema.name
            );
        }
    }
}

#[test]
fn values_beyond_the_limits_are_told_from_wrong_ones() {
    use core::cmp::Ordering::{Greater, Less};
    let (time, span, most) = (
        Arg::Time(100, 60_000),
        Arg::Span(100, 60_000),
        Arg::Most(1, 100),
    );
    for (arg, text, valid, beyond) in [
        (time, "0", true, None),
        (time, "0.1", true, None),
        (time, "60", true, None),
        (time, "0.000001", false, Some(Less)),
        // Read to the microsecond.
        (time, "0.0000001", true, None),
        (time, "60.000001", false, Some(Greater)),
        (time, "99999999999999999999999", false, Some(Greater)),
        (time, "-1", false, None),
        (time, "1s", false, None),
        (span, "0", false, None),
        (span, "0.05", false, Some(Less)),
        (most, "100", true, None),
        (most, "101", false, Some(Greater)),
        (most, "+101", false, Some(Greater)),
        (most, "4294967296", false, Some(Greater)),
        (most, "99999999999999999999999", false, Some(Greater)),
        (most, "0", false, None),
        (most, "200.5", false, None),
        (most, "many", false, None),
        (Arg::Secs(10, 255_000), "300", false, None),
        (Arg::Int(1, 255), "300", false, Some(Greater)),
        (Arg::Int(1, 255), "0", false, None),
        (Arg::Int(1, 255), "3s", false, None),
        (Arg::Int(-9, 9), "-10", false, Some(Less)),
        (
            Arg::Int(-9, 9),
            "-99999999999999999999999",
            false,
            Some(Less),
        ),
        (
            Arg::Int(-9, 9),
            "99999999999999999999999",
            false,
            Some(Greater),
        ),
        (Arg::Int(-9, 9), "", false, None),
        (Arg::Exact(1, 255), "300", false, None),
    ] {
        assert_eq!(value::is_valid(&arg, text), valid, "{arg:?} {text}");
        assert_eq!(value::beyond(&arg, text), beyond, "{arg:?} {text}");
    }
}
