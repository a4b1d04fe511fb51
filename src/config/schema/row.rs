//! What a row of the schema is made of.

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
    /// A setting of some other keyword that is not supported yet: harmless by itself, so nothing is said.
    Detail,
    /// Not yet. What happens instead.
    NotYet(&'static str),
    /// Never will be. Why it has no effect.
    Never(&'static str),
}

/// One argument, or a rule for the rest of the line.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// Decimal integer, from–to.
    Int(i64, i64),
    /// Decimal seconds with fraction, from–to in microseconds.
    Secs(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words, upper or lower case.
    AnyCase(&'static [&'static str]),
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

/// A keyword.
#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// As written in the file.
    pub name: &'static str,
    /// The name it is another spelling of; empty: it is the name.
    pub canonical: &'static str,
    /// The other spelling is out of use: say so.
    pub outdated: bool,
    /// Words after it.
    pub args: &'static [Arg],
    /// Braces after it.
    pub body: Body,
    /// How likely a user needs it.
    pub tier: Tier,
    /// What this release does with it.
    pub support: Support,
    /// May stand several times in its block.
    pub multi: bool,
    /// Value used without it, as it would be written; empty: none.
    pub default: &'static str,
    /// One line of documentation, with unit and range. Not in the daemon's binary, where 600 of them
    /// would be dead weight; the feature `reference` has them for whoever prints the reference.
    #[cfg(any(test, feature = "reference"))]
    pub doc: &'static str,
}

/// A row without braces, supported, once per block; the methods change that.
pub(super) const fn row(
    name: &'static str,
    args: &'static [Arg],
    tier: Tier,
    default: &'static str,
    #[cfg_attr(not(any(test, feature = "reference")), allow(unused_variables))] doc: &'static str,
) -> Keyword {
    Keyword {
        name,
        canonical: "",
        outdated: false,
        args,
        body: Body::None,
        tier,
        support: Support::Supported,
        multi: false,
        default,
        #[cfg(any(test, feature = "reference"))]
        doc,
    }
}

/// A named value of an option line.
pub(super) const fn opt(
    name: &'static str,
    args: &'static [Arg],
    tier: Tier,
    doc: &'static str,
) -> Keyword {
    row(name, args, tier, "", doc)
}

impl Keyword {
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

    pub(super) const fn not_yet(mut self, instead: &'static str) -> Self {
        self.support = Support::NotYet(instead);
        self
    }

    pub(super) const fn never(mut self, why: &'static str) -> Self {
        self.support = Support::Never(why);
        self
    }

    pub(super) const fn detail(mut self) -> Self {
        self.support = Support::Detail;
        self
    }

    /// Another spelling of `canonical`, as good as it.
    pub(super) const fn same(mut self, canonical: &'static str) -> Self {
        self.canonical = canonical;
        self
    }

    /// A spelling of `canonical` that is out of use: accepted with a note.
    pub(super) const fn old(mut self, canonical: &'static str) -> Self {
        self.canonical = canonical;
        self.outdated = true;
        self
    }

    /// The name lowering looks for.
    #[must_use]
    pub fn canonical_name(&self) -> &'static str {
        if self.canonical.is_empty() {
            self.name
        } else {
            self.canonical
        }
    }

    /// A flag: neither arguments nor braces.
    #[must_use]
    pub fn is_flag(&self) -> bool {
        self.args.is_empty() && !self.body.expects_brace()
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
        self.keywords().find(|keyword| keyword.name == name)
    }
}
