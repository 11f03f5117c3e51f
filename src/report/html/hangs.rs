//! The hangs of a page: each with its graph, its stacks, why it was not prevented, and what to do.

use maud::{Markup, html};

use super::graph;
use crate::report::model::{Frame, Hang, Thread};
use crate::report::words::{
    action, count, counted, cut, duration, function, in_module, kind, known_by, lock_name, plain,
    signature, source, thread_id, unheld,
};
use crate::report::{place, text};

/// Kinds of hangs that are shown; the recording has the others.
const KINDS: usize = 50;

/// Ids of processes that are named where many hang alike.
const PIDS: usize = 24;

/// All hangs, those that are alike together, in the order of their first.
pub(super) fn section(hangs: &[&Hang]) -> Markup {
    let mut kinds: Vec<(String, Vec<&Hang>)> = Vec::new();
    for hang in hangs {
        let signature = signature(hang);
        match kinds.iter_mut().find(|(known, _)| *known == signature) {
            Some((_, alike)) => alike.push(hang),
            None => kinds.push((signature, vec![hang])),
        }
    }
    let left_out = kinds.len().saturating_sub(KINDS);
    html! {
        section aria-labelledby="hangs" {
            h2 id="hangs" { "Hangs" }
            @for (number, (_, alike)) in kinds.iter().take(KINDS).enumerate() {
                (article(alike, number + 1))
            }
            @if left_out > 0 {
                p.note { (counted(left_out as u64, "more kind of hang is", "more kinds of hangs are")) " left out here; the recording has them." }
            }
        }
    }
}

fn article(alike: &[&Hang], number: usize) -> Markup {
    let [hang, others @ ..] = alike else { return Markup::default() };
    html! {
        article.hang aria-labelledby=(format!("hang-{number}")) {
            header {
                h3 id=(format!("hang-{number}")) {
                    "Process " (hang.pid) " waits for " code { (cut(&lock_name(&hang.lock), 120)) }
                }
                p.facts {
                    span { (plain(&hang.argv0)) }
                    span { "child of " (hang.ppid) }
                    span { "not moved for " (duration(hang.waited_ms.saturating_mul(1000))) }
                    @if let Some(test) = &hang.test { span { "test " b { (plain(test)) } } }
                }
                @if !others.is_empty() { (alike_too(others)) }
            }
            (graph::draw(hang, number))
            div.verdict {
                div {
                    h4 { "Why forkfix did not prevent it " code.badge { (plain(&hang.reason.code)) } }
                    p { (plain(&hang.reason.text)) }
                }
                div {
                    h4 { "What to do" }
                    ul { @for advice in &hang.advice { li { (plain(advice)) } } }
                    p.note { (action(hang)) }
                }
            }
            (stacks(hang))
            details {
                summary { "The same as text" }
                pre tabindex="0" { (text::hang(hang)) }
            }
        }
    }
}

fn alike_too(others: &[&Hang]) -> Markup {
    let pids: Vec<_> = others.iter().take(PIDS).map(|hang| hang.pid.to_string()).collect();
    html! {
        p.alike {
            (counted(others.len() as u64, "more child hangs", "more children hang")) " alike: "
            (pids.join(", ")) @if others.len() > PIDS { ", …" }
        }
    }
}

fn stacks(hang: &Hang) -> Markup {
    let lock = kind(&hang.lock);
    let lock = cut(&lock, 60);
    html! {
        div.stacks {
            @if let Some(thread) = hang.waiting.first() {
                (stack("waits", "Waits in the child", thread, &[]))
            }
            @if let Some(holder) = &hang.holder {
                @let held = holder.held_us.map(|us| format!("for {} at least", duration(us)));
                @let notes = [held, known_by(holder).map(str::to_owned)];
                (stack("held", &format!("Held the {lock} at the fork"), &holder.thread, notes.as_slice()))
            } @else {
                div.stack.held { h4 { "Held the " (lock) " at the fork" } p.note { (unheld(hang)) } }
            }
            @if let Some(fork) = &hang.fork { (stack("forks", "Forked the child", fork, &[])) }
            @for thread in hang.waiting.iter().skip(1) {
                (stack("waits", "Another thread of the child", thread, &[]))
            }
        }
    }
}

fn stack(class: &str, title: &str, thread: &Thread, notes: &[Option<String>]) -> Markup {
    let place = place::of(thread);
    let notes: Vec<_> = notes.iter().flatten().map(String::as_str).collect();
    html! {
        div class=(format!("stack {class}")) {
            h4 { (title) }
            p.note { (thread_id(thread)) @for note in notes { ", " (note) } }
            @if thread.python.is_empty() && thread.frames.is_empty() { p.note { "Its stack is not known." } }
            @for (name, frames) in [("Python", &thread.python), ("native", &thread.frames)] {
                @if !frames.is_empty() {
                    @if !thread.python.is_empty() { h5 { (name) } }
                    ol start="0" { @for frame in frames { (line(frame, place)) } }
                }
            }
        }
    }
}

/// One frame; the one that the stack is about stands out.
fn line(frame: &Frame, place: Option<&Frame>) -> Markup {
    let is_place = place.is_some_and(|place| std::ptr::eq(place, frame));
    let module = in_module(frame.module.as_deref(), frame.offset.as_deref());
    let ids = [("address", &frame.address), ("build id", &frame.build_id)];
    let ids =
        ids.into_iter().filter_map(|(what, id)| Some(format!("{what} {}", plain(id.as_deref()?))));
    let ids: Vec<_> = ids.collect();
    html! {
        li.here[is_place].system[!place::is_own(frame)] title=[(!ids.is_empty()).then(|| ids.join(", "))] {
            code { (cut(&function(frame), 400)) }
            @if frame.inlined { " " span.inlined { "inlined" } }
            @match (source(frame), module) {
                (Some(source), module) => div {
                    span.source { (source) } @if let Some(module) = module { " " span.module { (module) } }
                },
                (None, Some(module)) => { " " span.module { (module) } }
                (None, None) => {}
            }
        }
    }
}

/// The hangs in one sentence.
pub(super) fn verdict(hangs: u64) -> String {
    match hangs {
        0 => "No forked child hangs".to_owned(),
        1 => "One forked child hangs".to_owned(),
        hangs => format!("{} forked children hang", count(hangs)),
    }
}
