//! A report as text: one block for each hang, then the figures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use super::model::{Entry, Frame, Hang, Summary, Thread};
use super::overview::Overview;
use super::place;
use super::words::{
    action, counted, duration, function, headline, in_module, kind, known_by, plain, source,
    thread_id, unheld,
};

/// Functions with longer names do not move the columns of the others.
const WIDEST: usize = 36;

/// The hang as a block of lines, of which the last is `SUMMARY: forkfix: fork hang on …`.
pub(crate) fn hang(hang: &Hang) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_hang(&mut out, hang);
    out
}

fn write_hang(out: &mut String, hang: &Hang) -> std::fmt::Result {
    let Hang { pid, ppid, .. } = hang;
    writeln!(out, "==forkfix== FORK HANG  pid {pid} (child of {ppid})  {}", plain(&hang.argv0))?;
    if let Some(test) = &hang.test {
        writeln!(out, "  Test: {}", plain(test))?;
    }
    writeln!(
        out,
        "  The child has not moved for {}, and no thread in it can end its waiting.\n",
        duration(hang.waited_ms.saturating_mul(1000))
    )?;
    write_lock(out, hang)?;
    let mut waiting = hang.waiting.iter();
    if let Some(thread) = waiting.next() {
        write_thread(out, &format!("Waiting in the child, {}", thread_id(thread)), thread)?;
    }
    for thread in waiting {
        write_thread(out, &format!("Another thread of the child, {}", thread_id(thread)), thread)?;
    }
    match &hang.holder {
        Some(holder) => {
            let mut title = format!("Held at the fork by parent {}", thread_id(&holder.thread));
            if let Some(us) = holder.held_us {
                write!(title, ", for {} at least", duration(us))?;
            }
            if let Some(how) = known_by(holder) {
                write!(title, " ({how})")?;
            }
            write_thread(out, &title, &holder.thread)?;
        }
        None => writeln!(out, "  {}", unheld(hang))?,
    }
    if let Some(fork) = &hang.fork {
        write_thread(out, &format!("Forked by parent {}", thread_id(fork)), fork)?;
    }
    write_build_ids(out, hang)?;
    let reason = &hang.reason;
    writeln!(
        out,
        "  Why forkfix did not prevent it: {} ({})",
        plain(&reason.text),
        plain(&reason.code)
    )?;
    for advice in &hang.advice {
        writeln!(out, "  What to do: {}", plain(advice))?;
    }
    writeln!(out, "  {}", action(hang))?;
    writeln!(out, "SUMMARY: forkfix: {}", headline(hang))
}

fn write_lock(out: &mut String, hang: &Hang) -> std::fmt::Result {
    let lock = &hang.lock;
    write!(out, "  Waits for: {}", kind(lock))?;
    if let Some(symbol) = &lock.symbol {
        write!(out, " `{}`", plain(symbol))?;
    }
    if !lock.address.is_empty() {
        write!(out, ", {}", plain(&lock.address))?;
    }
    if let Some(module) = in_module(lock.module.as_deref(), lock.offset.as_deref()) {
        write!(out, " ({module})")?;
    }
    writeln!(out)
}

fn write_thread(out: &mut String, title: &str, thread: &Thread) -> std::fmt::Result {
    writeln!(out, "  {title}:")?;
    let Thread { frames, python, .. } = thread;
    if frames.is_empty() && python.is_empty() {
        return writeln!(out, "    its stack is not known");
    }
    write_frames(out, python)?;
    if !python.is_empty() && !frames.is_empty() {
        writeln!(out, "   beneath Python:")?;
    }
    write_frames(out, frames)
}

/// `#0 function  file:line (module+0x…)`, the files beneath one another. Those that start the program or the thread
/// are counted.
fn write_frames(out: &mut String, frames: &[Frame]) -> std::fmt::Result {
    let (frames, others) = frames.split_at(place::up_to_outermost(frames));
    let length = |frame| function(frame).chars().count();
    let width = frames.iter().map(length).filter(|length| *length <= WIDEST).max().unwrap_or(0);
    let digits = frames.len().saturating_sub(1).to_string().len();
    for (number, frame) in frames.iter().enumerate() {
        let mut line = format!("    #{number:<digits$} {:<width$}", function(frame));
        if let Some(source) = source(frame) {
            write!(line, "  {source}")?;
        }
        if let Some(module) = in_module(frame.module.as_deref(), frame.offset.as_deref()) {
            write!(line, "  ({module})")?;
        } else if let Some(address) = &frame.address {
            write!(line, "  ({})", plain(address))?;
        }
        if frame.inlined {
            line.push_str(" [inlined]");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    match others.len() {
        0 => Ok(()),
        others => writeln!(out, "    … and {others} more, which start it"),
    }
}

/// The modules of all stacks, once each, for who wants to look up symbols elsewhere.
fn write_build_ids(out: &mut String, hang: &Hang) -> std::fmt::Result {
    let holder = hang.holder.iter().map(|holder| &holder.thread);
    let threads = hang.waiting.iter().chain(holder).chain(&hang.fork);
    let frames = threads.flat_map(|thread| &thread.frames);
    let ids: BTreeMap<_, _> = frames
        .filter_map(|frame| Some((frame.module.as_ref()?, frame.build_id.as_ref()?)))
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    writeln!(out, "  Build ids:")?;
    let width = ids.keys().map(|module| plain(module).chars().count()).max().unwrap_or(0);
    ids.iter()
        .try_for_each(|(module, id)| writeln!(out, "    {:<width$}  {}", plain(module), plain(id)))
}

/// The figures of a run, each line with `forkfix: ` before it.
pub(crate) fn summary(summary: &Summary) -> String {
    figures(summary, &format!("status {}", summary.status))
}

fn figures(summary: &Summary, status: &str) -> String {
    let mut lines = vec![format!(
        "{} in {}, {} failed, {} went on to another program, in {}; {status}",
        counted(summary.forks, "fork", "forks"),
        counted(summary.processes, "process", "processes"),
        summary.failed_forks,
        summary.execs,
        duration(summary.at_us)
    )];
    lines.push(match summary.drains {
        0 => "no fork had to wait for another thread".to_owned(),
        drains => format!(
            "{} waited for other threads: median {}, 99 of 100 within {}, longest {}",
            counted(drains, "fork", "forks"),
            duration(summary.drain_median_us),
            duration(summary.drain_p99_us),
            duration(summary.drain_max_us)
        ),
    });
    lines.push(format!(
        "{} did not wait to the end, {} repaired in children, {}",
        counted(summary.gave_up, "fork", "forks"),
        counted(summary.repaired, "lock was", "locks were"),
        counted(summary.hangs, "child hangs", "children hang")
    ));
    let Summary { lost_events, damaged_events, .. } = summary;
    if lost_events | damaged_events != 0 {
        lines.push(format!(
            "the figures are not complete: {} lost, {} damaged",
            counted(*lost_events, "event was", "events were"),
            counted(*damaged_events, "was", "were")
        ));
    }
    lines.iter().map(|line| format!("forkfix: {line}\n")).collect()
}

/// The whole recording.
pub(super) fn render(entries: &[Entry], out: &mut dyn io::Write) -> io::Result<()> {
    let overview = Overview::of(entries);
    for one in &overview.hangs {
        writeln!(out, "{}", hang(one))?;
    }
    if overview.is_whole {
        return out.write_all(summary(&overview.summary).as_bytes());
    }
    writeln!(
        out,
        "forkfix: the recording has no last line; these figures are counted from the others"
    )?;
    out.write_all(figures(&overview.summary, "status unknown").as_bytes())
}
