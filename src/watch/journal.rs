//! Where a run is told: the files that `--report` names.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use super::figures::Figures;
use crate::cli::ReportFile;
use crate::error::Error;
use crate::report::model::Entry;
use crate::report::{self, Form, json};

/// Writes entries as they come, and what is made of all of them at the end.
pub(super) struct Journal {
    outputs: Vec<Output>,
    /// All entries, if a file needs them in the end.
    kept: Option<Vec<Entry>>,
    pub(super) figures: Figures,
}

/// An open file.
struct Output {
    file: ReportFile,
    writer: BufWriter<File>,
    failed: bool,
}

impl Journal {
    /// Opens the files, so that one that cannot be written is known before the program runs.
    pub(super) fn open(files: &[ReportFile]) -> Result<Self, Error> {
        let open = |file: &ReportFile| match File::create(&file.path) {
            Ok(opened) => {
                Ok(Output { file: file.clone(), writer: BufWriter::new(opened), failed: false })
            }
            Err(source) => Err(Error::ReportFile { path: file.path.clone(), source }),
        };
        Ok(Self {
            outputs: files.iter().map(open).collect::<Result<_, _>>()?,
            kept: files.iter().any(|file| file.form != Form::Json).then(Vec::new),
            figures: Figures::default(),
        })
    }

    /// Tells of one thing.
    pub(super) fn write(&mut self, entry: Entry) {
        self.figures.add(&entry);
        let mut line = None;
        for output in self.outputs.iter_mut().filter(|output| output.file.form == Form::Json) {
            let line = line.get_or_insert_with(|| json::line(&entry));
            output.write(|writer| writer.write_all(line.as_bytes()));
        }
        if let Some(kept) = &mut self.kept {
            kept.push(entry);
        }
    }

    /// Brings to the files what was told.
    pub(super) fn flush(&mut self) {
        self.outputs.iter_mut().for_each(|output| output.write(Write::flush));
    }

    /// Writes the reports that are made of everything.
    pub(super) fn finish(&mut self) {
        let entries = self.kept.take().unwrap_or_default();
        for output in self.outputs.iter_mut().filter(|output| output.file.form != Form::Json) {
            let form = output.file.form;
            output.write(|writer| report::render(form, &entries, writer));
        }
        self.flush();
    }
}

impl Output {
    /// Says once that a report is not complete. The program goes on.
    fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        if self.failed {
            return;
        }
        if let Err(error) = write(&mut self.writer) {
            self.failed = true;
            let path = self.file.path.display();
            say(&format!("warning: the report '{path}' is not complete: {error}"));
        }
    }
}

/// Says something on standard error.
pub(super) fn say(sentence: &str) {
    // Nobody is left to tell when it is closed.
    let _ = writeln!(io::stderr(), "forkfix: {sentence}");
}
