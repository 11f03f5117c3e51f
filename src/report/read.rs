//! Reads a recording: lines of JSON, one after the other.
//!
//! Fields and types of lines that are not known come from a later version that did not change the
//! meaning of the others, and are passed over. A last line that is broken is what a supervisor leaves that
//! was killed; all before it is kept.

use std::fmt::{self, Display};
use std::io::{self, BufRead, Read};

use serde::Deserialize;

use super::model::{Entry, Line, SCHEMA};
use super::words::{cut, plain};

/// Longer lines are not read into memory: no hang has so much to tell.
const LONGEST: u64 = 16 << 20;

/// What was read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Recording {
    pub(super) entries: Vec<Entry>,
    /// The number of the last line, if it is broken.
    pub(super) broken: Option<usize>,
}

/// Why a recording cannot be read.
#[derive(Debug)]
pub(crate) enum Fault {
    Input(io::Error),
    /// There is no entry in it.
    Empty,
    /// This line, which is not the last, is not of a recording.
    Garbage(usize),
    /// This line names another schema.
    Schema(usize, String),
}

impl Display for Fault {
    /// The end of a sentence whose subject is the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => {
                write!(f, "cannot be read ({error}); check its name and permissions")
            }
            Self::Empty => write!(
                f,
                "has no line of a recording in it; name the file that the run was recorded to"
            ),
            Self::Garbage(line) => write!(
                f,
                "is not a recording, or is damaged: line {line} is not a JSON object of the schema \
                 {SCHEMA}; name the file that the run was recorded to"
            ),
            Self::Schema(line, schema) => write!(
                f,
                "has the schema '{}' in line {line}, and this forkfix reads {SCHEMA}; use the forkfix \
                 that recorded it",
                plain(&cut(schema, 80))
            ),
        }
    }
}

/// Reads all lines of `input`.
pub(super) fn read(mut input: impl BufRead) -> Result<Recording, Fault> {
    let mut recording = Recording::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = input.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if read.map_err(Fault::Input)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match entry(&line) {
            Ok(entry) => recording.entries.extend(entry),
            Err(Some(schema)) => return Err(Fault::Schema(number, schema)),
            Err(None) if is_at_end(&mut input)? && !recording.entries.is_empty() => {
                recording.broken = Some(number);
            }
            Err(None) => return Err(Fault::Garbage(number)),
        }
    }
    if recording.entries.is_empty() { Err(Fault::Empty) } else { Ok(recording) }
}

/// The entry of a line, if its type is known. The error is the schema that the line names instead of ours,
/// if it is a line of some schema.
fn entry(line: &[u8]) -> Result<Option<Entry>, Option<String>> {
    if let Ok(line) = serde_json::from_slice::<Line>(line)
        && line.schema == SCHEMA
    {
        return Ok(Some(line.entry));
    }
    /// As much as each line has, whatever its version.
    #[derive(Deserialize)]
    struct Any {
        schema: String,
        r#type: Option<String>,
    }
    let known = ["run", "process", "fork", "end", "hang", "summary"];
    match serde_json::from_slice::<Any>(line) {
        Ok(any) if any.schema != SCHEMA => Err(Some(any.schema)),
        Ok(Any { r#type: Some(name), .. }) if !known.contains(&name.as_str()) => Ok(None),
        _ => Err(None),
    }
}

fn is_at_end(input: &mut impl BufRead) -> Result<bool, Fault> {
    Ok(input.fill_buf().map_err(Fault::Input)?.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::model::Summary;
    use super::*;

    const FORK: &str = r#"{"schema":"forkfix.report/1","type":"fork","pid":1,"tid":1,"child":2}"#;

    fn fault(text: &str) -> String {
        read(text.as_bytes()).expect_err("it is no recording").to_string()
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let later = r#"{"schema":"forkfix.report/1","type":"weather","sky":"blue"}"#;
        let more = r#"{"schema":"forkfix.report/1","type":"summary","forks":3,"sky":"blue"}"#;
        let text = format!("{FORK}\n\n{later}\r\n{more}\n");
        let recording = read(text.as_bytes()).expect("it is a recording");
        let summary = Entry::Summary(Summary { forks: 3, ..Summary::default() });
        assert_eq!(recording.entries.len(), 2);
        assert_eq!((&recording.entries[1], recording.broken), (&summary, None));
    }

    #[test]
    fn a_broken_last_line_costs_nothing_but_itself() {
        for end in [&FORK[..40], "\u{0}\u{0}", "{}\n", r#"{"schema":"forkfix.report/1""#] {
            let recording = read(format!("{FORK}\n{end}").as_bytes()).expect("it is a recording");
            assert_eq!((recording.entries.len(), recording.broken), (1, Some(2)), "{end}");
        }
    }

    #[test]
    fn faults_name_the_line() {
        assert!(fault(&format!("{FORK}\n<html>\n{FORK}\n")).contains("line 2 is not"));
        assert!(fault("\u{7f}ELF").contains("line 1 is not"));
        assert!(fault("\n \n").contains("has no line of a recording"));
        let other = FORK.replace("report/1", "report/\\u001b2");
        assert!(fault(&format!("{FORK}\n{other}")).contains("'forkfix.report/\\u{1b}2' in line 2"));
    }

    #[test]
    fn an_endless_line_is_given_up() {
        let endless = io::BufReader::new(io::repeat(b'{'));
        assert!(matches!(read(endless), Err(Fault::Garbage(1))));
    }

    proptest! {
        #[test]
        fn no_input_is_too_bad(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(read(bytes.as_slice()));
        }

        #[test]
        fn a_damaged_recording_is_read_or_refused(at in 0..600_usize, byte in any::<u8>()) {
            let mut text = format!("{FORK}\n").repeat(8).into_bytes();
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
            if let Ok(recording) = read(text.as_slice()) {
                // The end of a line can be what was damaged.
                prop_assert!(recording.entries.len() >= 6);
            }
        }
    }
}
