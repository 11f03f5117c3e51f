//! The manual page and the shells' completions, made from the command line's own definition.

use std::io::{self, Write, stdout};
use std::process::ExitCode;

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;

/// What can be printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Artifact {
    /// The manual page forkfix(1)
    Man,
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
}

/// Prints `artifact` to standard output.
pub(crate) fn run(artifact: Artifact) -> ExitCode {
    let mut text = Vec::new();
    let made = match artifact {
        Artifact::Man => manual(&mut text),
        Artifact::Bash => completions(Shell::Bash, &mut text),
        Artifact::Zsh => completions(Shell::Zsh, &mut text),
        Artifact::Fish => completions(Shell::Fish, &mut text),
    };
    match made.and_then(|()| stdout().write_all(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Completions for everything but what is hidden, which `clap_complete` would offer as well.
fn completions(shell: Shell, into: &mut Vec<u8>) -> io::Result<()> {
    let all = Cli::command();
    let visible = all.get_subcommands().filter(|command| !command.is_hide_set());
    let mut offered = Command::new("forkfix").args(all.get_arguments()).subcommands(visible);
    clap_complete::generate(shell, &mut offered, "forkfix", into);
    Ok(())
}

/// One page for everything: the subcommands follow as sections, because each has options of its own.
fn manual(into: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let page = Man::new(command.clone());
    page.render_title(into)?;
    page.render_name_section(into)?;
    page.render_synopsis_section(into)?;
    page.render_description_section(into)?;
    page.render_options_section(into)?;
    for subcommand in command.get_subcommands().filter(|subcommand| is_documented(subcommand)) {
        let name = subcommand.get_name().to_uppercase();
        writeln!(into, ".SH \"FORKFIX {name}\"")?;
        let section = Man::new(subcommand.clone());
        let mut text = Vec::new();
        section.render_description_section(&mut text)?;
        section.render_options_section(&mut text)?;
        // Its sections become subsections of this one.
        into.write_all(String::from_utf8_lossy(&text).replace(".SH ", ".SS ").as_bytes())?;
        notes(".SS", subcommand, into)?;
    }
    notes(".SH", &command, into)?;
    page.render_version_section(into)
}

/// The text after the options, as it stands: `Man` would fill its tables into paragraphs.
fn notes(heading: &str, command: &Command, into: &mut Vec<u8>) -> io::Result<()> {
    let Some(text) = command.get_after_help() else {
        return Ok(());
    };
    let text = text.to_string().replace('\\', "\\e").replace('-', "\\-");
    writeln!(into, "{heading} NOTES\n.nf")?;
    for line in text.lines() {
        // A line that starts with a dot or a quote would be taken for a request.
        writeln!(into, "\\&{line}")?;
    }
    writeln!(into, ".fi")
}

fn is_documented(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}
