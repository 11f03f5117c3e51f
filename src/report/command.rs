//! `forkfix report`: renders a recording.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::read::{Fault, Recording, read};
use super::render;
use crate::cli::ReportArgs;

/// Why there is no report.
#[derive(Debug)]
pub(crate) enum Error {
    /// The recording of this name.
    Recording(String, Fault),
    /// The report of this name cannot be written.
    Output(String, io::Error),
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recording(name, fault) => write!(f, "{name} {fault}"),
            Self::Output(name, error) => write!(
                f,
                "the report cannot be written to {name} ({error}); name a file in a directory that \
                 this user may write to, with -o"
            ),
        }
    }
}

/// Reads the recording that `args` name and writes it in the form that they ask for.
pub(crate) fn run(args: &ReportArgs) -> Result<ExitCode, Error> {
    let Recording { entries, broken } = open(&args.file)?;
    if let Some(line) = broken {
        // Nobody is left to tell when stderr is closed.
        let _ = writeln!(
            stderr(),
            "forkfix: line {line} of {}, the last one, is broken, as if the run had been killed; the \
             report has what stands before it",
            name(&args.file, "standard input")
        );
    }
    let form = args.form();
    let written = match &args.output {
        Some(path) if path != Path::new("-") => File::create(path).and_then(|file| {
            let mut out = BufWriter::new(file);
            render(form, &entries, &mut out)?;
            out.flush()
        }),
        _ => {
            let mut out = BufWriter::new(stdout().lock());
            render(form, &entries, &mut out).and_then(|()| out.flush())
        }
    };
    match written {
        // A reader that closed the pipe has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let output = args.output.as_deref().unwrap_or(Path::new("-"));
            Err(Error::Output(name(output, "standard output"), error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn open(path: &PathBuf) -> Result<Recording, Error> {
    let recording = match path == Path::new("-") {
        true => read(stdin().lock()),
        false => File::open(path).map_err(Fault::Input).and_then(|file| read(BufReader::new(file))),
    };
    recording.map_err(|fault| Error::Recording(name(path, "standard input"), fault))
}

/// A path in quotes, or what `-` stands for.
fn name(path: &Path, stream: &str) -> String {
    if path == Path::new("-") { stream.to_owned() } else { format!("'{}'", path.display()) }
}
