//! A TOML file with the place of everything in it, so that what is wrong can be said with its line.

use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// What is wrong with a configuration or policy file: everything that was found, each with its
/// place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The problems, at least one, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line in it, counted from 1; `None` when the file could not be read at all.
    pub line: Option<usize>,
    /// What was wrong and what to do.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", problem.file.display())?;
            if let Some(line) = problem.line {
                write!(f, "{line}:")?;
            }
            write!(f, " {}", problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// One step of the way to a value: into a table or into an array.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The value of a key.
    Key(&'static str),
    /// An element of an array.
    Index(usize),
}

impl From<&'static str> for Step {
    fn from(key: &'static str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The way to a value from its steps: `place!["port", 0, "name"]`.
macro_rules! place {
    ($($step:expr),* $(,)?) => { &[$($crate::config::document::Step::from($step)),*] };
}
pub(crate) use place;

/// A file's text, and what has been found wrong with it.
pub(crate) struct Document {
    file: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

impl Document {
    /// Reads a file and turns it into `T`; unknown keys and wrong types are answered with line and
    /// suggestion.
    pub(crate) fn read<T: DeserializeOwned>(file: &Path) -> Result<(Self, T), Error> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Self::unusable(file, format!("cannot be read: {error}")))?;
        Self::parse(file, text)
    }

    /// The same with a text that has been read already.
    pub(crate) fn parse<T: DeserializeOwned>(
        file: &Path,
        text: String,
    ) -> Result<(Self, T), Error> {
        let document = Self {
            file: file.to_owned(),
            text,
            problems: Vec::new(),
        };
        match toml::from_str(&document.text) {
            Ok(value) => Ok((document, value)),
            Err(error) => Err(Error {
                problems: vec![Problem {
                    line: Some(document.line(error.span().unwrap_or(0..0).start)),
                    message: explain(error.message()),
                    file: document.file,
                }],
            }),
        }
    }

    /// Notes that the value at `way` is wrong. A value that the file leaves out is placed at the
    /// nearest table around it that is there.
    pub(crate) fn problem(&mut self, way: &[Step], message: impl Into<String>) {
        let offset = DeTable::parse(&self.text).map_or(0, |table| find(&table, way).start);
        self.problems.push(Problem {
            file: self.file.clone(),
            line: Some(self.line(offset)),
            message: message.into(),
        });
    }

    /// That the value at `way` is wrong in a file that was read before. Without a line when it cannot be
    /// read again.
    pub(crate) fn wrong(file: &Path, way: &[Step], message: String) -> Error {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let known = !text.is_empty();
        let mut document = Self {
            file: file.to_owned(),
            text,
            problems: Vec::new(),
        };
        document.problem(way, message);
        if let Some(problem) = document.problems.first_mut().filter(|_| !known) {
            problem.line = None;
        }
        Error {
            problems: document.problems,
        }
    }

    /// That a file cannot be used at all.
    pub(crate) fn unusable(file: &Path, message: String) -> Error {
        Error {
            problems: vec![Problem {
                file: file.to_owned(),
                line: None,
                message,
            }],
        }
    }

    /// The end of checking: an error when anything was wrong.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|problem| problem.line);
        Err(Error {
            problems: self.problems,
        })
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|octet| **octet == b'\n').count()
    }
}

/// Where the value that `way` leads to stands; where its table stands if it is not there. A key's
/// place is that of its name, so that a value over many lines is found at its first.
fn find(table: &toml::Spanned<DeTable<'_>>, way: &[Step]) -> Range<usize> {
    #[derive(Clone, Copy)]
    enum At<'a, 't> {
        Table(&'a DeTable<'t>),
        Value(&'a DeValue<'t>),
    }
    let mut place = table.span();
    let mut at = At::Table(table.get_ref());
    for step in way {
        let next = match (at, step) {
            (At::Table(table) | At::Value(DeValue::Table(table)), Step::Key(key)) => table
                .iter()
                .find(|(name, _)| name.get_ref() == key)
                .map(|(name, value)| (name.span(), value.get_ref())),
            (At::Value(DeValue::Array(array)), Step::Index(index)) => array
                .get(*index)
                .map(|element| (element.span(), element.get_ref())),
            _ => None,
        };
        let Some((span, value)) = next else { break };
        place = span;
        at = At::Value(value);
    }
    place
}

/// What serde says, in the words of someone who writes a file.
fn explain(message: &str) -> String {
    for (pattern, what) in [("unknown field `", "key"), ("unknown variant `", "value")] {
        let Some((name, expected)) = message
            .strip_prefix(pattern)
            .and_then(|rest| rest.split_once('`'))
        else {
            continue;
        };
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let advice = advise(name, known.iter().copied(), &format!("{what}s here are"));
        return format!("unknown {what} `{name}`{advice}");
    }
    if let Some(name) = message.strip_prefix("missing field `") {
        return format!("the key `{} is missing here", name);
    }
    message.to_owned()
}

/// `; did you mean "x"?` with the nearest of the known names, or all of them after `otherwise`.
pub(crate) fn advise<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    otherwise: &str,
) -> String {
    if let Some(nearest) = crate::suggest::nearest(name, known.clone()) {
        return format!("; did you mean \"{nearest}\"?");
    }
    let all: Vec<&str> = known.collect();
    if all.is_empty() {
        String::new()
    } else {
        format!("; {otherwise} {}", all.join(", "))
    }
}
