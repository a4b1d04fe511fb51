//! The table of results.

use std::fmt::Write;

/// Unit of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// Nanoseconds, printed as milliseconds.
    Time,
    /// Nanoseconds per second of CPU, printed as percent.
    Cpu,
    /// Kilobytes.
    Kb,
    /// Bytes.
    Bytes,
    /// Parts per million.
    Ppm,
    /// Hundredths of a percent of what is due: more is better.
    Sent,
    /// A count.
    Count,
    /// A count of what was achieved: more is better.
    Achieved,
}

/// Goal of vrrpd.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    None,
    AtMost(i64),
    AtLeast(i64),
    /// At most this percentage of keepalived's.
    OfTheirs(i64),
}

/// What no daemon can fall below, measured with a program that does nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) value: i64,
    /// The program.
    pub(crate) of: &'static str,
}

/// Who is better in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Winner {
    Ours,
    Theirs,
    /// Neither by more than 5 %, or than the resolution of the unit.
    Level,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// Name of the measurement it belongs to; set by [`Row::named`].
    group: &'static str,
    what: String,
    unit: Unit,
    /// vrrpd's, keepalived's.
    values: [Option<i64>; 2],
    goal: Goal,
    limit: Option<Limit>,
}

impl Row {
    pub(crate) fn new(what: &str, unit: Unit, values: [Option<i64>; 2], goal: Goal) -> Self {
        Self {
            group: "",
            what: what.into(),
            unit,
            values,
            goal,
            limit: None,
        }
    }

    /// Adds a physical limit, if it could be measured.
    pub(crate) fn limit(mut self, value: Option<i64>, of: &'static str) -> Self {
        self.limit = value.map(|value| Limit { value, of });
        self
    }

    /// Puts the name of its measurement in front.
    pub(crate) fn named(mut self, group: &'static str) -> Self {
        self.group = group;
        self
    }

    pub(crate) fn is_of(&self, unit: Unit) -> bool {
        self.unit == unit
    }

    fn name(&self) -> String {
        format!("{}: {}", self.group, self.what)
    }

    /// Whether the goal is met.
    pub(crate) fn met(&self) -> Option<bool> {
        let [ours, theirs] = self.values;
        match self.goal {
            Goal::None => None,
            Goal::AtMost(max) => Some(ours? <= max),
            Goal::AtLeast(min) => Some(ours? >= min),
            Goal::OfTheirs(percent) => Some(ours? * 100 <= theirs? * percent),
        }
    }

    /// Who is better, if both were measured.
    pub(crate) fn winner(&self) -> Option<Winner> {
        let [Some(ours), Some(theirs)] = self.values else {
            return None;
        };
        let apart = (ours - theirs).abs();
        let larger = ours.abs().max(theirs.abs());
        if apart <= self.unit.resolution() || apart * 20 <= larger {
            return Some(Winner::Level);
        }
        Some(match (ours < theirs) == self.unit.less_is_better() {
            true => Winner::Ours,
            false => Winner::Theirs,
        })
    }

    /// keepalived's number divided by vrrpd's.
    fn ratio(&self) -> String {
        match self.values {
            [Some(ours), Some(theirs)] if ours > 0 && theirs >= 0 => {
                let r = theirs.saturating_mul(100) / ours;
                if r >= 1000 {
                    format!("{}×", r / 100)
                } else {
                    format!("{}.{:02}×", r / 100, r % 100)
                }
            }
            _ => "–".into(),
        }
    }

    fn line(&self, names: [&str; 2]) -> String {
        let show = |v: Option<i64>| v.map_or_else(|| "–".into(), |v| self.unit.show(v));
        let winner = match self.winner() {
            Some(Winner::Ours) => names[0],
            Some(Winner::Theirs) => names[1],
            Some(Winner::Level) => "level",
            None => "–",
        };
        let goal = match self.goal {
            Goal::None => String::new(),
            Goal::AtMost(max) => format!("≤ {}", self.unit.show(max)),
            Goal::AtLeast(min) => format!("≥ {}", self.unit.show(min)),
            Goal::OfTheirs(percent) => format!("≤ {percent} % of {}'s", names[1]),
        };
        let verdict = match self.met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None if matches!(self.goal, Goal::None) => "",
            None => "not measured",
        };
        let limit = self.limit.as_ref();
        let limit = limit.map_or_else(String::new, |limit| {
            format!("{} ({})", self.unit.show(limit.value), limit.of)
        });
        let ([ours, theirs], name) = (self.values.map(show), self.name());
        format!(
            "| {name} | {ours} | {theirs} | {} | {winner} | {goal} | {verdict} | {limit} |",
            self.ratio()
        )
    }
}

impl Unit {
    fn show(self, v: i64) -> String {
        let sign = if v < 0 { "-" } else { "" };
        let a = v.abs();
        match self {
            Self::Time if a >= 100_000_000 => format!("{v} ms", v = v / 1_000_000),
            Self::Time => {
                let us = (a + 500) / 1000;
                format!("{sign}{}.{:03} ms", us / 1000, us % 1000)
            }
            Self::Cpu => format!("{sign}{}.{:02} %", a / 10_000_000, a / 100_000 % 100),
            Self::Kb => format!("{v} KB"),
            Self::Bytes => format!("{v} B"),
            Self::Ppm => format!("{v} ppm"),
            Self::Sent => format!("{sign}{}.{:02} %", a / 100, a % 100),
            Self::Count | Self::Achieved => v.to_string(),
        }
    }

    /// Smaller differences are none.
    fn resolution(self) -> i64 {
        match self {
            // Of time stamps of packets on a busy switch, and of a listener that has to wake up.
            Self::Time => 10_000,
            // 0.05 %.
            Self::Cpu => 500_000,
            // Two pages.
            Self::Kb => 8,
            Self::Bytes => 0,
            Self::Ppm => 5,
            // 0.1 %: kernels count ARP among what was sent.
            Self::Sent => 10,
            Self::Count | Self::Achieved => 0,
        }
    }

    fn less_is_better(self) -> bool {
        !matches!(self, Self::Sent | Self::Achieved)
    }
}

/// What the table says about resolutions.
pub(crate) fn level() -> String {
    let of = |unit: Unit| unit.show(unit.resolution());
    format!(
        "*level*: by not more than 5 %, {} of time, {} of CPU, {} of memory, {} of drift, {} of what is due",
        of(Unit::Time),
        of(Unit::Cpu),
        of(Unit::Kb),
        of(Unit::Ppm),
        of(Unit::Sent),
    )
}

/// The table in Markdown.
pub(crate) fn table(rows: &[Row], names: [&str; 2]) -> String {
    let mut s = format!(
        "| measurement | {} | {} | ratio | winner | goal | verdict | limit |\n",
        names[0], names[1]
    );
    s.push_str("|---|---:|---:|---:|---|---:|---|---|\n");
    for r in rows {
        let _ = writeln!(s, "{}", r.line(names));
    }
    s
}

/// Goals that are met, rows that are won, and the names of those that are lost.
pub(crate) fn summary(rows: &[Row]) -> String {
    let with = |winner| rows.iter().filter(move |r| r.winner() == Some(winner));
    let met = |verdict| rows.iter().filter(move |r| r.met() == Some(verdict));
    let mut s = format!(
        "{} goals met, {} missed.\n",
        met(true).count(),
        met(false).count()
    );
    let lost = with(Winner::Theirs).count();
    let _ = write!(
        s,
        "{} rows won, {} level, {lost} lost",
        with(Winner::Ours).count(),
        with(Winner::Level).count()
    );
    s.push_str(if lost == 0 { ".\n" } else { ":\n" });
    for row in with(Winner::Theirs) {
        let _ = writeln!(s, "* {}", row.name());
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(unit: Unit, ours: i64, theirs: i64) -> Row {
        Row::new("it", unit, [Some(ours), Some(theirs)], Goal::None).named("all")
    }

    #[test]
    fn the_winner_is_better_by_more_than_five_percent_and_the_resolution() {
        for (unit, ours, theirs, winner) in [
            (Unit::Time, 1_000_000, 1_060_000, Winner::Ours),
            (Unit::Time, 1_060_000, 1_000_000, Winner::Theirs),
            (Unit::Time, 1_000_000, 1_050_000, Winner::Level),
            (Unit::Time, 10_000, 20_000, Winner::Level),
            (Unit::Time, 10_000, 20_001, Winner::Ours),
            (Unit::Time, -20_000, 0, Winner::Ours),
            (Unit::Count, 0, 0, Winner::Level),
            (Unit::Count, 0, 1, Winner::Ours),
            (Unit::Kb, 100, 108, Winner::Level),
            (Unit::Kb, 109, 100, Winner::Theirs),
            (Unit::Sent, 10_000, 8_000, Winner::Ours),
            (Unit::Sent, 8_000, 10_000, Winner::Theirs),
            (Unit::Achieved, 1_999, 2_000, Winner::Level),
            (Unit::Achieved, 2_000, 0, Winner::Ours),
        ] {
            let row = row(unit, ours, theirs);
            assert_eq!(row.winner(), Some(winner), "{row:?}");
        }
        let alone = Row::new("it", Unit::Count, [Some(1), None], Goal::None);
        assert_eq!(alone.winner(), None);
    }

    #[test]
    fn goals() {
        let met = |goal, values| Row::new("it", Unit::Count, values, goal).met();
        let two = [Some(5), Some(10)];
        assert_eq!(met(Goal::None, two), None);
        assert_eq!(met(Goal::AtMost(5), two), Some(true));
        assert_eq!(met(Goal::AtMost(4), two), Some(false));
        assert_eq!(met(Goal::AtLeast(5), two), Some(true));
        assert_eq!(met(Goal::AtLeast(6), two), Some(false));
        assert_eq!(met(Goal::OfTheirs(50), two), Some(true));
        assert_eq!(met(Goal::OfTheirs(49), two), Some(false));
        assert_eq!(met(Goal::OfTheirs(50), [Some(5), None]), None);
        assert_eq!(met(Goal::AtMost(5), [None, Some(1)]), None);
    }

    #[test]
    fn the_table_names_winner_goal_and_limit() {
        let values = [Some(250_000), Some(1_000_000)];
        let row = Row::new("p99", Unit::Time, values, Goal::AtMost(200_000));
        let row = row.limit(Some(100_000), "a thread").named("adverts");
        let text = table(&[row], ["vrrpd", "keepalived"]);
        let line = "| adverts: p99 | 0.250 ms | 1.000 ms | 4.00× | vrrpd | ≤ 0.200 ms | **missed** | 0.100 ms (a thread) |";
        assert_eq!(text.lines().last(), Some(line));
    }

    #[test]
    fn the_summary_counts_rows_and_names_those_that_are_lost() {
        let rows = [
            row(Unit::Count, 1, 2),
            row(Unit::Count, 2, 2),
            row(Unit::Count, 3, 2),
            Row::new("it", Unit::Count, [Some(1), None], Goal::AtMost(1)).named("alone"),
        ];
        let text = summary(&rows);
        assert_eq!(
            text,
            "1 goals met, 0 missed.\n1 rows won, 1 level, 1 lost:\n* all: it\n"
        );
        let text = summary(&rows[..2]);
        assert!(text.ends_with("1 rows won, 1 level, 0 lost.\n"), "{text}");
    }
}
