//! The `forkfix` command: runs programs with the preloaded library, and refuses to do so in
//! silence where the library would not be loaded.

mod bounded;
mod cli;
mod doctor;
mod environment;
mod error;
#[cfg(target_os = "linux")]
mod examine;
mod exit;
mod generate;
mod handshake;
mod library;
mod preset;
mod prove;
mod report;
mod run;
mod sys;
mod target;
#[cfg(target_os = "linux")]
mod watch;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    env_logger::Builder::new().filter_level(cli.log_level()).format_timestamp(None).init();
    cli.dispatch().unwrap_or_else(|error| {
        // Nobody is left to tell when stderr is closed, so a failed write is ignored; `eprintln!`
        // would panic.
        let _ = writeln!(stderr(), "forkfix: {error}");
        ExitCode::from(error.exit_code())
    })
}
