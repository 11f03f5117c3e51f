//! Reports: what happened in a run, for people and for programs.
//!
//! The supervisor tells a run as [entries](model); a [recording](read) is a file of them. Each [form](Form)
//! is made of the entries alone, so that `forkfix report` makes of a recording what the run itself would
//! have printed. What programs chose (names, paths, arguments) is made [harmless](words::plain) in all of
//! them.

mod command;
mod html;
pub(crate) mod json;
mod junit;
pub(crate) mod model;
mod overview;
mod place;
mod read;
mod sarif;
pub(crate) mod text;
mod words;

use std::io::{self, Write};
use std::path::Path;

pub(crate) use command::{Error, run};

use model::Entry;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A block of lines for each hang, and the figures.
    Text,
    /// The recording itself.
    Json,
    /// What CI systems read test results from.
    Junit,
    /// What code hosts read findings from.
    Sarif,
    /// One page, with pictures.
    Html,
}

impl Form {
    /// The form that a file's name asks for.
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "txt" => Some(Self::Text),
            "json" | "jsonl" => Some(Self::Json),
            "xml" => Some(Self::Junit),
            "sarif" => Some(Self::Sarif),
            "html" => Some(Self::Html),
            _ => None,
        }
    }
}

/// Writes the entries of a run to `out`. Fails if `out` does.
pub(crate) fn render(form: Form, entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Text => text::render(entries, out),
        Form::Json => json::render(entries, out),
        Form::Junit => junit::render(entries, out),
        Form::Sarif => sarif::render(entries, out),
        Form::Html => html::render(entries, out),
    }
}

#[cfg(test)]
mod tests;
