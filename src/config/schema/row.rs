//! The types of a row of the keyword table.
//!
//! The table has six hundred rows and is the largest constant of the program; each pointer in it
//! also needs a relocation. So a row holds its texts in one string, its argument by value and
//! reasons as one byte.

use super::{Feature, Reason};

/// How important a keyword is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tier {
    /// Essential.
    S,
    /// Common.
    A,
    /// Advanced.
    B,
    /// Obsolete, or not useful on a small router.
    C,
}

/// Whether this build supports a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// Supported.
    Supported,
    /// Not supported yet, with what happens instead.
    Unimplemented(Reason),
    /// Accepted without effect, with the reason.
    NoEffect(Reason),
    /// This build lacks the feature it belongs to.
    NotBuilt(Feature),
}

/// Milliseconds of the longest time of the language that has no narrower limit: 30 days.
pub(super) const LONGEST: u32 = 2_592_000_000;
/// Milliseconds of the shortest interval of what is repeated without end and costs a process, a
/// connection or a burst of packets.
pub(super) const SHORTEST: u32 = 100;
/// The greatest number of repetitions that counts; more make no difference.
pub(super) const MANY: i32 = 1_000_000;

/// [`Keyword::partial`] of a keyword that keepalived does not have.
pub const OWN: &str = "vrrpd only";

/// Type of one argument, or of the rest of the line.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// No argument.
    None,
    /// Several arguments in this order.
    Seq(&'static [Arg]),
    /// Decimal integer, minimum and maximum; `i32::MAX`: as much as the kernel or the type takes. A
    /// value beyond them is replaced by the nearer one, unless it is below a minimum that is not
    /// negative: too few is not what was meant.
    Int(i32, i32),
    /// Decimal integer, minimum and maximum, for which no other may stand: it identifies something,
    /// or the limit has another meaning.
    Exact(i32, i32),
    /// Decimal integer, minimum and maximum; a greater one is replaced by the maximum.
    Most(i32, i32),
    /// Decimal integer, 0–4294967295: for identifiers and values that the kernel interprets.
    Count,
    /// Decimal seconds with fraction, minimum and maximum in milliseconds.
    Secs(u32, u32),
    /// Decimal seconds with fraction, minimum and maximum in milliseconds; a value beyond them is
    /// replaced by the nearer one.
    Span(u32, u32),
    /// The same; 0 is valid too.
    Time(u32, u32),
    /// One of these words, separated by blanks.
    Choice(&'static &'static str),
    /// One of these words, in upper or lower case.
    AnyCase(&'static &'static str),
    /// `true on yes` / `false off no`; may be left out.
    Bool,
    /// IPv4 or IPv6 address.
    Ip,
    /// IPv4 address.
    Ip4,
    /// Multicast group of either family.
    Mcast,
    /// IPv4 multicast group.
    Mcast4,
    /// IPv6 multicast group.
    Mcast6,
    /// `ADDR[/PREFIX]`.
    Cidr,
    /// Destination of a route or selector of a rule: `ADDR[/PREFIX]`, `10.1/16`, `default`, `any`,
    /// `all`.
    Prefix,
    /// Address, or `+` (all host bits one), or `-` (all zero).
    Broadcast,
    /// Interface name.
    If,
    /// Name with this maximum length in bytes.
    Name(u8),
    /// Any word.
    Str,
    /// The rest of the line: a command with its arguments.
    Cmd,
    /// The rest of the line: `USER [GROUP]` or `USER:GROUP`.
    User,
    /// Port, 1–65535.
    Port,
    /// Email address.
    Mail,
    /// A number as in C, or `I…` names joined by `|`.
    Umask,
    /// `N` or `N/MASK`, decimal or 0x hexadecimal.
    Mark,
    /// `N` or `N-M`.
    Range,
    /// Netmask or prefix length.
    Mask,
    /// MD5 in 32 hexadecimal digits.
    Digest,
    /// HTTP status or range `200-299`, 100–599.
    Status,
    /// Hexadecimal bytes; `x` matches any digit.
    Hex,
    /// Ethernet address.
    Mac,
    /// Scope: `global link host site nowhere` or 0–255.
    Scope,
    /// Seconds, or `forever`.
    Lifetime,
    /// Argument of `virtual_server`.
    Service,
    /// A line of `virtual_server_group`.
    GroupEntry,
    /// Optional argument.
    Opt(&'static Arg),
    /// One or more of these.
    Many(&'static Arg),
    /// Options in any order up to the end of the line.
    Options(&'static Options),
}

/// Options of one line, each with a name: `dev IF scope S …`.
#[derive(Debug)]
pub struct Options {
    /// What they belong to, for messages: "unknown address option".
    pub noun: &'static str,
    /// Names and arguments.
    pub rows: &'static [Keyword],
    /// Type of an argument without a name; valid once, or any number of times with `repeatable`.
    pub positional: Option<Arg>,
    /// A name may occur several times (`nexthop … nexthop …`).
    pub repeatable: bool,
}

/// The lines of a value block.
#[derive(Debug)]
pub struct Items {
    /// What a line is, for messages: "address".
    pub noun: &'static str,
    /// The arguments of a line.
    pub args: &'static [Arg],
    /// A line may hold several items, each a single word; `args` has one element.
    pub many_per_line: bool,
}

/// The block after a keyword.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// No block.
    None,
    /// Statements.
    Block(&'static Schema),
    /// Items.
    Items(&'static Items),
}

impl Body {
    /// Whether `{` must follow.
    #[must_use]
    pub fn expects_brace(self) -> bool {
        !matches!(self, Body::None)
    }
}

/// The meaning of several statements with one keyword in a block. Which of them keepalived uses was
/// measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// The last one is used.
    LastWins,
    /// The first one is used.
    FirstWins,
    /// All are used.
    All,
}

/// Whether a row is another spelling of a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alias {
    /// The name itself.
    No,
    /// An equivalent spelling.
    Same,
    /// An obsolete spelling: accepted with a note.
    Old,
}

/// A keyword.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// Name, default, canonical name of another spelling, and description, separated by NUL.
    text: &'static str,
    /// Its arguments.
    arg: Arg,
    /// Its block.
    pub body: Body,
    /// How important it is.
    pub tier: Tier,
    /// Whether this build supports it.
    pub support: Support,
    /// Whether it may occur several times in its block.
    pub repeat: Repeat,
    /// Whether it is another spelling.
    pub alias: Alias,
    /// Differences from keepalived of a keyword that is supported; may be empty.
    #[cfg(any(test, feature = "reference"))]
    pub partial: &'static str,
}

/// The texts of a row as one string. The descriptions are part of builds with the feature
/// `reference` only, which print the manual page; the daemon does not need them.
macro_rules! text {
    ($name:literal, $default:literal, $canonical:literal, $doc:expr) => {
        if cfg!(any(test, feature = "reference")) {
            concat!($name, "\0", $default, "\0", $canonical, "\0", $doc)
        } else {
            concat!($name, "\0", $default, "\0", $canonical)
        }
    };
}

/// The arguments of a row as one value.
macro_rules! args {
    () => { $crate::config::schema::Arg::None };
    ($arg:expr) => { $arg };
    ($($arg:expr),+) => { $crate::config::schema::Arg::Seq(&[$($arg),+]) };
}

/// A row: name, arguments, tier, default as it would be written (empty: none) and a description
/// with unit and range; or `name = canonical name`, arguments and tier for another spelling. A
/// keyword has no block, is supported and valid once per block unless a method says otherwise.
macro_rules! row {
    ($name:literal, [$($arg:expr),*], $tier:ident, $default:literal, $doc:literal) => {
        $crate::config::schema::Keyword::new(
            $crate::config::schema::row::text!($name, $default, "", $doc),
            $crate::config::schema::row::args!($($arg),*),
            $crate::config::schema::Tier::$tier,
            $crate::config::schema::Alias::No,
        )
    };
    ($name:literal = $canonical:literal, [$($arg:expr),*], $tier:ident) => {
        $crate::config::schema::Keyword::new(
            $crate::config::schema::row::text!($name, "", $canonical, concat!("Same as ", $canonical)),
            $crate::config::schema::row::args!($($arg),*),
            $crate::config::schema::Tier::$tier,
            $crate::config::schema::Alias::Same,
        )
    };
}
pub(super) use {args, row, text};

impl Keyword {
    pub(super) const fn new(text: &'static str, arg: Arg, tier: Tier, alias: Alias) -> Self {
        Keyword {
            text,
            arg,
            body: Body::None,
            tier,
            support: Support::Supported,
            repeat: Repeat::LastWins,
            alias,
            #[cfg(any(test, feature = "reference"))]
            partial: "",
        }
    }

    /// Only a part of what keepalived does is done, or something else.
    #[cfg_attr(
        not(any(test, feature = "reference")),
        expect(unused_mut, unused_variables, reason = "a text of the manual page")
    )]
    pub(super) const fn partial(mut self, what: &'static str) -> Self {
        #[cfg(any(test, feature = "reference"))]
        {
            self.partial = what;
        }
        self
    }

    /// The keyword is not one of keepalived.
    pub(super) const fn own(self) -> Self {
        self.partial(OWN)
    }

    pub(super) const fn block(mut self, schema: &'static Schema) -> Self {
        self.body = Body::Block(schema);
        self
    }

    pub(super) const fn items(mut self, items: &'static Items) -> Self {
        self.body = Body::Items(items);
        self
    }

    pub(super) const fn repeat(mut self) -> Self {
        self.repeat = Repeat::All;
        self
    }

    /// Of several statements the first one is used, as keepalived does.
    pub(super) const fn first(mut self) -> Self {
        self.repeat = Repeat::FirstWins;
        self
    }

    pub(super) const fn unimplemented(mut self, instead: Reason) -> Self {
        self.support = Support::Unimplemented(instead);
        self
    }

    pub(super) const fn no_effect(mut self, why: Reason) -> Self {
        self.support = Support::NoEffect(why);
        self
    }

    /// The keyword belongs to a feature that a build may lack.
    pub(super) const fn requires(mut self, feature: Feature) -> Self {
        if !feature.is_built_in() {
            self.support = Support::NotBuilt(feature);
        }
        self
    }

    /// The other spelling is obsolete.
    pub(super) const fn old(mut self) -> Self {
        self.alias = Alias::Old;
        self
    }

    fn part(&self, number: usize) -> &'static str {
        let (mut start, mut left, mut end) = (0, number, 0_usize);
        for byte in self.text.as_bytes() {
            if *byte == 0 {
                if left == 0 {
                    break;
                }
                left = left.saturating_sub(1);
                start = end.saturating_add(1);
            }
            end = end.saturating_add(1);
        }
        let part = self.text.get(start..end).filter(|_| left == 0);
        part.unwrap_or("")
    }

    /// The name as written in a file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.part(0)
    }

    /// Whether [`Keyword::name`] is `name`, without searching for its end.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let (text, name) = (self.text.as_bytes(), name.as_bytes());
        text.first() == name.first() && text.get(name.len()) == Some(&0) && text.starts_with(name)
    }

    /// The value that is used if the keyword is absent, as it would be written; empty: none.
    #[must_use]
    pub fn default(&self) -> &'static str {
        self.part(1)
    }

    /// The description, with unit and range: sentences without the final period. Empty without the
    /// feature `reference`.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.part(3)
    }

    /// The arguments.
    #[must_use]
    pub fn args(&self) -> &[Arg] {
        if let Arg::Seq(list) = &self.arg {
            list
        } else if matches!(self.arg, Arg::None) {
            &[]
        } else {
            core::slice::from_ref(&self.arg)
        }
    }

    /// The name under which it is lowered.
    #[must_use]
    pub fn canonical_name(&self) -> &'static str {
        match self.alias {
            Alias::No => self.name(),
            Alias::Same | Alias::Old => self.part(2),
        }
    }

    /// True for a flag, which has neither arguments nor a block.
    #[must_use]
    pub fn is_flag(&self) -> bool {
        matches!(self.arg, Arg::None) && !self.body.expects_brace()
    }
}

/// A block: its name and its keywords, in one or more tables.
#[derive(Debug)]
pub struct Schema {
    /// The keyword that opens it.
    pub name: &'static str,
    /// Rows, shared ones first.
    pub tables: &'static [&'static [Keyword]],
}

impl Schema {
    /// A block of a feature. A build without the feature keeps its name only, so that the keywords
    /// are not linked.
    pub(super) const fn of_feature(
        feature: Feature,
        name: &'static str,
        tables: &'static [&'static [Keyword]],
    ) -> Self {
        let tables = if feature.is_built_in() { tables } else { &[] };
        Schema { name, tables }
    }

    /// All keywords.
    pub fn keywords(&self) -> impl Iterator<Item = &'static Keyword> + use<> {
        self.tables.iter().copied().flatten()
    }

    /// The keyword of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Keyword> {
        for table in self.tables {
            for keyword in *table {
                if keyword.is(name) {
                    return Some(keyword);
                }
            }
        }
        None
    }
}
