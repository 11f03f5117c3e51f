//! A report as lines of JSON: what a recording consists of.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use super::model::{Entry, SCHEMA};
use super::words::is_active;

/// [`Line`](super::model::Line), borrowed.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// The entry as a line of a recording, with the end of the line.
pub(crate) fn line(entry: &Entry) -> String {
    let mut line = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut line, Harmless);
    // Nothing in an entry can fail to be written to memory.
    let _ = Line { schema: SCHEMA, entry }.serialize(&mut serializer);
    String::from_utf8_lossy(&line).into_owned() + "\n"
}

/// The whole recording.
pub(super) fn render(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    entries.iter().try_for_each(|entry| out.write_all(line(entry).as_bytes()))
}

/// Writes as usual, but what a terminal would act on as `\u009b`. JSON itself asks that of the first 32
/// characters alone.
pub(super) struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_active) {
            let (before, after) = rest.split_at(at);
            CompactFormatter.write_string_fragment(writer, before)?;
            let mut characters = after.chars();
            for unit in
                characters.next().into_iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec())
            {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{End, Line};
    use super::*;

    #[test]
    fn a_line_is_one_line_and_harmless_and_can_be_read_back() {
        let exec = Some("a\n\"\\\u{1b}\u{9b}\u{2028}\u{202e}é".to_owned());
        let entry = Entry::End(End { at_us: 1, pid: 2, exec });
        let line = line(&entry);
        assert_eq!(
            line,
            "{\"schema\":\"forkfix.report/1\",\"type\":\"end\",\"at_us\":1,\"pid\":2,\
             \"exec\":\"a\\n\\\"\\\\\\u001b\\u009b\\u2028\\u202eé\"}\n"
        );
        let back: Line = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(back.entry, entry);
    }
}
