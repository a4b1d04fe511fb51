//! The table of results.

use std::fmt::Write;

/// Unit of a number.
#[derive(Clone, Copy, Debug)]
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
    /// Hundredths of a percent.
    Percent,
    /// A count.
    Count,
}

/// Budget of vrrpd.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    None,
    AtMost(i64),
    AtLeast(i64),
    /// At most this percentage of keepalived's.
    OfTheirs(i64),
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    /// vrrpd's, keepalived's.
    pub(crate) values: [Option<i64>; 2],
    pub(crate) budget: Budget,
}

impl Row {
    pub(crate) fn new(what: &str, unit: Unit, values: [Option<i64>; 2], budget: Budget) -> Self {
        Self {
            what: what.into(),
            unit,
            values,
            budget,
        }
    }

    /// Whether the budget is met.
    pub(crate) fn ok(&self) -> Option<bool> {
        let [ours, theirs] = self.values;
        match self.budget {
            Budget::None => None,
            Budget::AtMost(max) => Some(ours? <= max),
            Budget::AtLeast(min) => Some(ours? >= min),
            Budget::OfTheirs(percent) => Some(ours? * 100 <= theirs? * percent),
        }
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

    fn line(&self) -> String {
        let show = |v: Option<i64>| v.map_or_else(|| "–".into(), |v| self.unit.show(v));
        let budget = match self.budget {
            Budget::None => String::new(),
            Budget::AtMost(max) => format!("≤ {}", self.unit.show(max)),
            Budget::AtLeast(min) => format!("≥ {}", self.unit.show(min)),
            Budget::OfTheirs(p) => format!("≤ {p} % of keepalived's"),
        };
        let verdict = match self.ok() {
            Some(true) => "ok",
            Some(false) => "**over**",
            None if matches!(self.budget, Budget::None) => "",
            None => "not measured",
        };
        let [ours, theirs] = self.values.map(show);
        format!(
            "| {} | {ours} | {theirs} | {} | {budget} | {verdict} |",
            self.what,
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
            Self::Percent => format!("{sign}{}.{:02} %", a / 100, a % 100),
            Self::Count => v.to_string(),
        }
    }
}

/// The table in Markdown.
pub(crate) fn table(rows: &[Row], names: [&str; 2]) -> String {
    let mut s = format!(
        "| measurement | {} | {} | ratio | budget | verdict |\n",
        names[0], names[1]
    );
    s.push_str("|---|---:|---:|---:|---:|---|\n");
    for r in rows {
        let _ = writeln!(s, "{}", r.line());
    }
    s
}

/// The value below which `percent` of all lie (the largest for 100).
pub(crate) fn percentile(values: &[i64], percent: usize) -> Option<i64> {
    let mut v = values.to_vec();
    v.sort_unstable();
    let last = v.len().checked_sub(1)?;
    v.get((v.len() * percent / 100).min(last)).copied()
}

/// The same percentile for both daemons.
pub(crate) fn both(values: &[Vec<i64>; 2], percent: usize) -> [Option<i64>; 2] {
    [
        percentile(&values[0], percent),
        percentile(&values[1], percent),
    ]
}
