//! `~SEQ(var, [start, [step,]] end) LINE`, `~SEQx(…) LINE` and `~LST(…) LINE`: repeats a line for
//! every value. The variables are ordinary definitions and keep their last value.

use core::fmt;

use super::line::{Line, identifier};

/// Why a sequence cannot be expanded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SequenceError {
    /// The parentheses are missing or not closed.
    NoArguments,
    /// `~SEQ` has no or more than three numbers.
    WrongCount,
    /// Not an identifier.
    Variable(String),
    /// Not a decimal or hexadecimal number that fits 32 bits.
    Number(String),
    /// The step has the wrong sign or is 0.
    Step { start: i32, step: i64, end: i32 },
    /// `~LST` has no values.
    NoValues,
    /// A tuple with more values than variables.
    TooManyValues(String),
}

impl fmt::Display for SequenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoArguments => f.write_str("the sequence has no `(…)`"),
            Self::WrongCount => f.write_str("a sequence takes a name, then [start, [step,]] end"),
            Self::Variable(text) => write!(f, "`{text}` is not a valid variable name"),
            Self::Number(text) => write!(f, "`{text}` is not a number"),
            Self::Step { start, step, end } => {
                write!(f, "a step of {step} does not lead from {start} to {end}")
            }
            Self::NoValues => f.write_str("the list has no values"),
            Self::TooManyValues(text) => {
                write!(f, "`{text}` has more values than there are variables")
            }
        }
    }
}

/// A line that is being repeated.
#[derive(Debug)]
pub(crate) struct Sequence {
    values: Values,
    /// The line to repeat.
    pub(crate) template: Line,
}

/// The values that remain.
#[derive(Debug)]
enum Values {
    Range {
        name: Box<str>,
        next: i64,
        step: i64,
        left: u64,
        hex: bool,
    },
    List {
        names: Vec<Box<str>>,
        rows: std::vec::IntoIter<Vec<Box<str>>>,
    },
}

/// `~SEQ`, `~SEQx` or `~LST`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Decimal,
    Hex,
    List,
}

/// The form of a sequence, and the position of its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) form: Form,
    /// The byte range between the parentheses.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The head of a line that starts with `~SEQ`, `~SEQx` or `~LST`; `None` for another line, an error
/// if parentheses are missing.
pub(crate) fn head(text: &str) -> Option<Result<Head, SequenceError>> {
    let rest = text.strip_prefix('~')?;
    let word = identifier(rest)?;
    let form = match word {
        "SEQ" => Form::Decimal,
        "SEQx" => Form::Hex,
        "LST" => Form::List,
        _ => return None,
    };
    let after = rest.get(word.len()..)?;
    let inner = after.trim_start().strip_prefix('(');
    let range = inner.and_then(|inner| {
        let start = text.len().checked_sub(inner.len())?;
        let end = start.checked_add(inner.find(')')?)?;
        Some(Head { form, start, end })
    });
    Some(range.ok_or(SequenceError::NoArguments))
}

impl Sequence {
    /// Parses the arguments of a sequence that repeats `template`.
    pub(crate) fn new(form: Form, arguments: &str, template: Line) -> Result<Self, SequenceError> {
        let values = match form {
            Form::Decimal => range(arguments, false)?,
            Form::Hex => range(arguments, true)?,
            Form::List => list(arguments)?,
        };
        Ok(Self { values, template })
    }

    /// Names and values of the variables for the next repetition; `None` after the last one.
    pub(crate) fn next_values(&mut self) -> Option<Vec<(Box<str>, Box<str>)>> {
        match &mut self.values {
            Values::Range {
                name,
                next,
                step,
                left,
                hex,
            } => {
                *left = left.checked_sub(1)?;
                let value = match (*hex, *next < 0) {
                    (false, _) => format!("{next}"),
                    (true, false) => format!("{next:x}"),
                    (true, true) => format!("-{:x}", next.unsigned_abs()),
                };
                *next = next.saturating_add(*step);
                Some(vec![(name.clone(), value.into())])
            }
            Values::List { names, rows } => {
                let row = rows.next()?;
                Some(names.iter().cloned().zip(row).collect())
            }
        }
    }
}

fn range(arguments: &str, hex: bool) -> Result<Values, SequenceError> {
    let mut parts = arguments.split(',').map(str::trim);
    let variable = variable(parts.next().unwrap_or(""))?;
    let numbers = parts.map(number).collect::<Result<Vec<_>, _>>()?;
    let (start, step, end) = match *numbers.as_slice() {
        [end] => (1, None, end),
        [start, end] => (start, None, end),
        [start, step, end] => (start, Some(step), end),
        _ => return Err(SequenceError::WrongCount),
    };
    let step = step.unwrap_or(if start <= end { 1 } else { -1 });
    let distance = i64::from(end).saturating_sub(i64::from(start));
    let step = i64::from(step);
    let Some(steps) = distance
        .checked_div(step)
        .filter(|steps| *steps >= 0 && (distance == 0 || distance.signum() == step.signum()))
    else {
        return Err(SequenceError::Step { start, step, end });
    };
    Ok(Values::Range {
        name: variable,
        next: i64::from(start),
        step,
        left: steps.unsigned_abs().saturating_add(1),
        hex,
    })
}

fn variable(text: &str) -> Result<Box<str>, SequenceError> {
    match identifier(text) {
        Some(name) if name.len() == text.len() => Ok(name.into()),
        _ => Err(SequenceError::Variable(text.to_owned())),
    }
}

fn number(text: &str) -> Result<i32, SequenceError> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let parsed = match digits.strip_prefix("0x") {
        Some(hex) => i32::from_str_radix(&format!("{sign}{hex}"), 16),
        None => text.parse(),
    };
    parsed.map_err(|_| SequenceError::Number(text.to_owned()))
}

fn list(arguments: &str) -> Result<Values, SequenceError> {
    let mut parts = split(arguments).into_iter();
    let first = parts.next().unwrap_or("");
    let tuple = braced(first);
    let names = match tuple {
        Some(inner) => inner
            .split(',')
            .map(|part| variable(part.trim()))
            .collect::<Result<_, _>>()?,
        None => vec![variable(first)?],
    };
    let mut rows = Vec::new();
    for part in parts {
        let row: Vec<Box<str>> = match braced(part) {
            Some(inner) if tuple.is_some() => inner.split(',').map(|v| v.trim().into()).collect(),
            _ => vec![part.into()],
        };
        if row.len() > names.len() {
            return Err(SequenceError::TooManyValues((*part).to_owned()));
        }
        // Missing values are empty.
        let missing = names.len().saturating_sub(row.len());
        rows.push(
            row.into_iter()
                .chain(std::iter::repeat_n("".into(), missing))
                .collect(),
        );
    }
    if rows.is_empty() {
        return Err(SequenceError::NoValues);
    }
    Ok(Values::List {
        names,
        rows: rows.into_iter(),
    })
}

fn braced(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}')
}

/// Splits at commas that are not within braces.
fn split(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|c| {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    })
    .map(str::trim)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a sequence line, `a=1,b=2` for every repetition.
    fn run(text: &str) -> Result<Vec<String>, SequenceError> {
        let head = head(text).expect("a sequence")?;
        let arguments = text.get(head.start..head.end).expect("inside");
        let mut sequence = Sequence::new(head.form, arguments, Line::default())?;
        let mut rows = Vec::new();
        while let Some(row) = sequence.next_values() {
            let row: Vec<_> = row
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            rows.push(row.join(" "));
            assert!(rows.len() < 100, "{text} does not end");
        }
        Ok(rows)
    }

    #[test]
    fn values_of_sequences() {
        for (text, want) in [
            ("~SEQ(X, 3) r", "X=1,X=2,X=3"),
            ("~SEQ (X,3)", "X=1,X=2,X=3"),
            ("~SEQ(X, 2, 4)", "X=2,X=3,X=4"),
            ("~SEQ(X, 2, 3, 10)", "X=2,X=5,X=8"),
            ("~SEQ(X, 10, -3, 1)", "X=10,X=7,X=4,X=1"),
            ("~SEQ(X, 3, 1)", "X=3,X=2,X=1"),
            ("~SEQ(X, -1, 1)", "X=-1,X=0,X=1"),
            ("~SEQ(X, 5, 5)", "X=5"),
            ("~SEQ(X, 5, -1, 5)", "X=5"),
            ("~SEQx(X, 14, 0x11)", "X=e,X=f,X=10,X=11"),
            ("~LST(X, a, b b, cc)", "X=a,X=b b,X=cc"),
            ("~LST({X,Y},{1,a},{2, b})", "X=1 Y=a,X=2 Y=b"),
            ("~LST({X,Y},{1},2)", "X=1 Y=,X=2 Y="),
            ("~LST(X, {1,2})", "X={1,2}"),
        ] {
            assert_eq!(
                run(text).map(|rows| rows.join(",")),
                Ok(want.into()),
                "{text}"
            );
        }
    }

    #[test]
    fn errors_in_sequences_are_described() {
        for (text, want) in [
            ("~SEQ X", "the sequence has no `(…)`"),
            ("~SEQ(X, 1, 2", "the sequence has no `(…)`"),
            (
                "~SEQ(X)",
                "a sequence takes a name, then [start, [step,]] end",
            ),
            (
                "~SEQ(X, 1, 2, 3, 4)",
                "a sequence takes a name, then [start, [step,]] end",
            ),
            ("~SEQ(X, $N)", "`$N` is not a number"),
            ("~SEQ(X, 99999999999)", "`99999999999` is not a number"),
            ("~SEQ(X 1, 2)", "`X 1` is not a valid variable name"),
            ("~SEQ(X, 1, 0, 5)", "a step of 0 does not lead from 1 to 5"),
            (
                "~SEQ(X, 1, -1, 5)",
                "a step of -1 does not lead from 1 to 5",
            ),
            ("~LST(X)", "the list has no values"),
            (
                "~LST({X,Y},{1,2,3})",
                "`{1,2,3}` has more values than there are variables",
            ),
        ] {
            let error = run(text).map_err(|error| error.to_string());
            assert_eq!(error, Err(want.into()), "{text}");
        }
        assert_eq!(head("~SEQUENCE(X, 1)"), None);
        assert_eq!(head("x ~SEQ(X, 1)"), None);
    }
}
