//! What a row of the schema is made of.
//!
//! Six hundred rows are the largest constant of the program, and every pointer in them costs as much
//! again in relocations. So a row holds its texts in one piece, its argument by value, and reasons as
//! numbers.

use super::{Feature, Reason};

/// How likely a user needs it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tier {
    /// Must work.
    S,
    /// Common.
    A,
    /// Advanced.
    B,
    /// Obsolete, or not for a small router: recognized and skipped.
    C,
}

/// What this release does with a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// It works.
    Supported,
    /// Not yet. What happens instead.
    Unimplemented(Reason),
    /// Never will be. Why it has no effect.
    NoEffect(Reason),
    /// This build lacks the part it belongs to.
    NotBuilt(Feature),
}

/// One argument, or a rule for the rest of the line.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// Nothing.
    None,
    /// One after the other.
    Seq(&'static [Arg]),
    /// Decimal integer, from–to; `i32::MAX`: no upper bound worth naming.
    Int(i32, i32),
    /// Decimal integer, 0–4294967295.
    Count,
    /// Decimal seconds with fraction, from–to in milliseconds; `u32::MAX`: no upper bound worth naming.
    Secs(u32, u32),
    /// One of these words, separated by blanks.
    Choice(&'static &'static str),
    /// One of these words, upper or lower case.
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
    /// Destination of a route or selector of a rule: `ADDR[/PREFIX]`, `10.1/16`, `default`, `any`, `all`.
    Prefix,
    /// Address, or `+` (all host bits one), or `-` (all zero).
    Broadcast,
    /// Interface name.
    If,
    /// Name of at most so many bytes.
    Name(u8),
    /// Any word.
    Str,
    /// The rest of the line: a command with its arguments.
    Cmd,
    /// The rest of the line: `USER [GROUP]` or `USER:GROUP`.
    User,
    /// Port, 1–65535.
    Port,
    /// Mail address.
    Mail,
    /// Octal mask, or `S_I…` names joined by `|`.
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
    /// Hexadecimal bytes; `x` stands for any digit.
    Hex,
    /// Ethernet address.
    Mac,
    /// Scope: `global link host site nowhere` or 0–255.
    Scope,
    /// Seconds, or `forever`.
    Lifetime,
    /// What follows `virtual_server`.
    Service,
    /// A line of `virtual_server_group`.
    GroupEntry,
    /// May be left out.
    Opt(&'static Arg),
    /// Any number of them, at least one.
    Many(&'static Arg),
    /// Named values in any order up to the end of the line.
    Options(&'static Options),
}

/// Named values of one line: `dev IF scope S …`.
#[derive(Debug)]
pub struct Options {
    /// What they belong to, for messages: "address".
    pub what: &'static str,
    /// Their names and arguments.
    pub rows: &'static [Keyword],
    /// A word without a name is taken as this: once, or as often as it comes when names may repeat.
    pub bare: Option<Arg>,
    /// The same name may come again (`nexthop … nexthop …`).
    pub repeats: bool,
}

/// The lines of a value block.
#[derive(Debug)]
pub struct Items {
    /// What a line is, for messages: "address".
    pub what: &'static str,
    /// The words of a line.
    pub args: &'static [Arg],
    /// A line may hold several items, each of `args`' only element.
    pub several: bool,
}

/// What stands between `{` and `}` after a keyword.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Nothing: no braces.
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

/// Other spellings of a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alias {
    /// It is the name.
    No,
    /// As good as the name.
    Same,
    /// Out of use: accepted with a note.
    Old,
}

/// A keyword.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// Name, default, name it is another spelling of, and documentation, separated by NUL.
    text: &'static str,
    /// Words after it.
    arg: Arg,
    /// Braces after it.
    pub body: Body,
    /// How likely a user needs it.
    pub tier: Tier,
    /// What this release does with it.
    pub support: Support,
    /// May stand several times in its block.
    pub multi: bool,
    /// Whether it is another spelling.
    pub alias: Alias,
}

/// The texts of a row in one piece. Documentation is not in the daemon's binary, where 600 lines of it
/// would be dead weight; the feature `reference` has it for whoever prints the reference.
#[cfg(any(test, feature = "reference"))]
macro_rules! text {
    ($name:literal, $default:literal, $canonical:literal, $doc:expr) => {
        concat!($name, "\0", $default, "\0", $canonical, "\0", $doc)
    };
}
#[cfg(not(any(test, feature = "reference")))]
macro_rules! text {
    ($name:literal, $default:literal, $canonical:literal, $doc:expr) => {
        concat!($name, "\0", $default, "\0", $canonical)
    };
}

/// The arguments of a row as one value.
macro_rules! args {
    () => { $crate::config::schema::Arg::None };
    ($arg:expr) => { $arg };
    ($($arg:expr),+) => { $crate::config::schema::Arg::Seq(&[$($arg),+]) };
}

/// A row: name, arguments, tier, default as it would be written (empty: none), one line of documentation
/// with unit and range; or `name = other name`, arguments, tier for another spelling. Without
/// braces, supported, once per block; the methods change that.
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
            $crate::config::schema::row::text!($name, "", $canonical, concat!("same as ", $canonical)),
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
            multi: false,
            alias,
        }
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
        self.multi = true;
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

    /// It belongs to a part that a build may lack.
    pub(super) const fn requires(mut self, part: Feature) -> Self {
        if !part.is_built_in() {
            self.support = Support::NotBuilt(part);
        }
        self
    }

    /// The other spelling is out of use.
    pub(super) const fn old(mut self) -> Self {
        self.alias = Alias::Old;
        self
    }

    fn part(&self, number: usize) -> &'static str {
        self.text.split('\0').nth(number).unwrap_or("")
    }

    /// As written in the file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.part(0)
    }

    /// Whether this is its name: what [`Keyword::name`] would tell, without cutting it out.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let text = self.text.as_bytes();
        text.get(name.len()) == Some(&0) && text.starts_with(name.as_bytes())
    }

    /// Value used without it, as it would be written; empty: none.
    #[must_use]
    pub fn default(&self) -> &'static str {
        self.part(1)
    }

    /// One line of documentation, with unit and range.
    #[cfg(any(test, feature = "reference"))]
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.part(3)
    }

    /// Words after it.
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

    /// The name lowering looks for.
    #[must_use]
    pub fn canonical_name(&self) -> &'static str {
        match self.alias {
            Alias::No => self.name(),
            Alias::Same | Alias::Old => self.part(2),
        }
    }

    /// A flag: neither arguments nor braces.
    #[must_use]
    pub fn is_flag(&self) -> bool {
        matches!(self.arg, Arg::None) && !self.body.expects_brace()
    }
}

/// A block: its name and the keywords it knows, in one or more tables.
#[derive(Debug)]
pub struct Schema {
    /// For messages: "vrrp_instance".
    pub name: &'static str,
    /// Rows, shared ones first.
    pub tables: &'static [&'static [Keyword]],
}

impl Schema {
    /// All keywords.
    pub fn keywords(&self) -> impl Iterator<Item = &'static Keyword> + use<> {
        self.tables.iter().copied().flatten()
    }

    /// The keyword of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Keyword> {
        self.keywords().find(|keyword| keyword.is(name))
    }
}
