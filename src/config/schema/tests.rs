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
