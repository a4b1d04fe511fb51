//! Short texts that are awkward as files: line ends, encodings, single words.

use crate::support::{FakeHost, brief, flat};

/// Statements and diagnostics of a text.
fn read(text: &[u8]) -> (String, Vec<String>) {
    let host = FakeHost::new(&[("k.conf", text)]);
    let (parsed, diags) = host.parse("k.conf");
    (flat(&parsed.root).trim_end().into(), brief(&parsed, &diags))
}

#[test]
fn valid_texts_give_statements_and_no_diagnostics() {
    for (name, text, want) in [
        ("empty", &b""[..], ""),
        ("only a comment", b"# a", ""),
        ("only blank", b" \t\r\n\n", ""),
        ("no line end", b"a b", "a b;"),
        ("carriage returns", b"a {\r\nb\r\n}\r\n", "a { b; }"),
        ("byte order mark", b"\xef\xbb\xbfa b\n", "a b;"),
        ("brace glued", b"a b{\nc\n}", "a b { c; }"),
        ("brace on the next line", b"a\n\n# x\n{\nb\n}", "a { b; }"),
        (
            "one-line blocks",
            b"a { b { c d } e }",
            "a { b { c d; } e; }",
        ),
        (
            "text after a closing brace",
            b"a {\n} b {\n} c",
            "a { } b { } c;",
        ),
        (
            "comment after a closing brace",
            b"a {\n}#x\n}!".split_at(6).0,
            "a { }",
        ),
        ("glued comment", b"weight 1#x", "weight 1;"),
        ("bang comment", b"a !b", "a;"),
        ("escaped comment marks", b"a\\#b \\!c", "a#b !c;"),
        ("other backslashes stay", b"a\\@b c\\", "a\\@b c\\;"),
        ("quoted words", b"a \"b # c\" \"\" \"{ }\"", "a b # c  { };"),
        ("a quote splits words", b"a\"b c\"d", "a b c d;"),
        ("single quotes are ordinary", b"a 'b c'", "a 'b c';"),
        ("escaped quote in a word", b"a \\\"b\\\"", "a \\\"b\\\";"),
        ("last quote behind a backslash", b"a \"b\\\" c", "a b\\ c;"),
        (
            "typographic quotes in comments and quotes",
            "# “a”\nb \"“c”\"".as_bytes(),
            "b “c”;",
        ),
        ("broken bytes in a comment", b"a # \xff\xfe", "a;"),
        (
            "dollar that is no reference",
            b"auth_pass a$b$ $ $1",
            "auth_pass a$b$ $ $1;",
        ),
        (
            "reference in quotes left alone",
            b"a \"$(x) ${Y}\"",
            "a $(x) ${Y};",
        ),
        (
            "nested braces at the end",
            b"a { b { c }}",
            "a { b { c; } }",
        ),
    ] {
        let (tree, messages) = read(text);
        assert_eq!(tree, want, "{name}");
        assert!(messages.is_empty(), "{name}: {messages:?}");
    }
}

#[test]
fn texts_with_one_error_give_one_diagnostic() {
    for (name, text, want, message) in [
        (
            "bytes that are not UTF-8",
            &b"a \xe9\nb \xe9"[..],
            "a \u{fffd}; b \u{fffd};",
            "k.conf:1:3: warning: invalid UTF-8; U+FFFD is used for each invalid byte",
        ),
        (
            "blanks of web pages",
            "\u{a0}a\u{3000}b\nc\u{a0}d".as_bytes(),
            "a b; c d;",
            "k.conf:1:3: warning: U+3000 is not an ASCII blank; it separates words in this file",
        ),
        (
            "NUL",
            b"a {\nb\0",
            "",
            "k.conf:2:2: fatal: NUL byte: not a text file; the configuration is not used",
        ),
        (
            "unclosed quote",
            b"a \"b # c",
            "a b # c;",
            "k.conf:1:3: error: unclosed quote; the rest of the line is one word",
        ),
        (
            "undefined definition",
            b"a 10.0.${X}",
            "a 10.0.${X};",
            "k.conf:1:8: error: ${X} is not defined",
        ),
        (
            "undefined part of an address",
            b"a 10.0.$X/24",
            "a 10.0.$X/24;",
            "k.conf:1:8: error: $X is not defined",
        ),
        (
            "definition with something behind it",
            b"$X=1\na \"$X-b\"",
            "a $X-b;",
            "k.conf:2:4: warning: $X is not replaced here: only a blank, `,` or `)` may follow it",
        ),
        (
            "unset environment variable",
            b"a x${_ENV NONE}y",
            "a xy;",
            "k.conf:1:4: warning: environment variable `NONE` is not set; replaced by nothing",
        ),
        (
            "many braces that open nothing",
            b"{{{\n{\n{",
            "",
            "k.conf:1:1: error: unexpected `{` without a keyword before it; ignored",
        ),
        (
            "many braces that close nothing",
            b"a\n}}\n}\nb\n}",
            "a; b;",
            "k.conf:2:1: error: `}` without an open block; ignored",
        ),
        (
            "missing brace at the end",
            b"vrrp_instance a",
            "vrrp_instance a { }",
            "k.conf:1:1: error: missing `{` after vrrp_instance",
        ),
        (
            "missing include",
            b"include nothing.conf",
            "",
            "k.conf:1:1: error: no file matches nothing.conf; nothing is included",
        ),
        (
            "include without a name",
            b"includea",
            "",
            "k.conf:1:1: error: includea needs a file name; ignored",
        ),
        (
            "unknown include_check",
            b"include_check read everything",
            "include_check read everything;",
            "k.conf:1:1: error: unknown include_check option `everything`; ignored",
        ),
        (
            "many lines in the middle of one",
            b"$A=\\\na \\\nb\nc $A d",
            "c $A d;",
            "k.conf:4:3: warning: $A is a multi-line definition, which is not replaced within a line",
        ),
    ] {
        let (tree, messages) = read(text);
        assert_eq!(tree, want, "{name}");
        assert_eq!(messages, [message], "{name}");
    }
}

#[test]
fn lines_up_to_4096_bytes_are_accepted_and_longer_ones_reported() {
    for (len, message) in [
        (4096, None),
        (
            4097,
            Some("k.conf:2:2: error: line of 4097 bytes exceeds the maximum of 4096; ignored"),
        ),
    ] {
        let text = format!("a\n {} # {}\nb", "x".repeat(len), "y".repeat(9000));
        let (tree, messages) = read(text.as_bytes());
        assert_eq!(tree.contains('x'), message.is_none());
        assert!(tree.starts_with("a; ") && tree.ends_with("b;"));
        assert_eq!(messages.first().map(String::as_str), message);
    }
}

#[test]
fn a_missing_include_has_the_severity_of_include_check() {
    let glob = "include d/*.conf";
    for (text, want) in [
        (glob, None),
        ("include e/*.conf", Some("note: no file matches e/*.conf")),
        ("include e.conf", Some("error: no file matches e.conf")),
        ("include {d/1.conf,e.conf}", None),
        ("includem e/*.conf", Some("error: no file matches e/*.conf")),
        ("includem {d/1.conf,e.conf}", None),
        (
            "includeb {d/1.conf,e.conf}",
            Some("error: no file matches e.conf"),
        ),
        (
            "includew {d/1.conf,e*.conf}",
            Some("error: no file matches e*.conf"),
        ),
        ("includew {d/1.conf,e.conf}", None),
        (
            "includea {d/1.conf,e.conf}",
            Some("error: no file matches e.conf"),
        ),
        (
            "include_check match\ninclude e*",
            Some("error: no file matches e*"),
        ),
        (
            "include_check match\ninclude_check -match\ninclude e*",
            Some("note: no file matches e*"),
        ),
    ] {
        let host = FakeHost::new(&[("k.conf", text.as_bytes()), ("d/1.conf", b"one")]);
        let (parsed, diags) = host.parse("k.conf");
        let messages = brief(&parsed, &diags);
        let got = messages
            .first()
            .and_then(|m| m.split_once(": "))
            .map(|(_, m)| m);
        let want = want.map(|want| format!("{want}; nothing is included"));
        assert_eq!(got, want.as_deref(), "{text}");
        assert_eq!(
            flat(&parsed.root).contains("one"),
            text.contains("d/"),
            "{text}"
        );
    }
}

#[test]
fn a_missing_configuration_file_gives_one_diagnostic() {
    let (parsed, diags) = FakeHost::default().parse("/etc/k.conf");
    let want = ["fatal: cannot read /etc/k.conf: no such file or directory"];
    assert_eq!(brief(&parsed, &diags), want);
}

#[test]
fn the_text_of_a_statement_keeps_quotes_and_escapes() {
    for (line, want) in [
        ("script \"/x a\" 'b c' {", "\"/x a\" 'b c'"),
        ("script  /x   a", "/x a"),
        ("script", ""),
        ("script /x", "/x"),
        ("script \"/x\\\" y\" # c", "\"/x\\\" y\""),
    ] {
        let host = FakeHost::new(&[("k.conf", line.as_bytes())]);
        let (parsed, _) = host.parse("k.conf");
        assert_eq!(parsed.root.nodes[0].text(), want, "{line}");
    }
}
