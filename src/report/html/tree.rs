//! The process tree as nested lists. Children that differ in their ids alone are told together, and what
//! lies deep or comes late is counted, so that the page has a size for any run.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::history::{History, Life};
use crate::report::words::{counted, cut, duration, plain};

/// How deep processes are shown.
const DEPTH: usize = 12;

/// How many lines the tree has at most.
const LINES: usize = 400;

/// From how many on children that are alike share a line.
const ALIKE: usize = 4;

pub(super) fn section(history: &History<'_>) -> Markup {
    let mut lines = LINES;
    let roots: Vec<_> = history.roots().collect();
    html! {
        section aria-labelledby="processes" {
            h2 id="processes" { "Processes" }
            div.tree { (list(history, &roots, DEPTH, &mut lines)) }
        }
    }
}

/// Processes with one parent; `lines` is how many lines are left.
fn list(history: &History<'_>, indices: &[usize], depth: usize, lines: &mut usize) -> Markup {
    let groups = groups(history, indices);
    let fit = if depth == 0 { 0 } else { groups.len().min(*lines) };
    *lines -= fit;
    let left_out: usize = groups.iter().skip(fit).map(Vec::len).sum();
    html! {
        ul {
            @for group in groups.iter().take(fit) { (item(history, group, depth, lines)) }
            @if left_out > 0 {
                li.note { (counted(left_out as u64, "more process", "more processes")) ", not shown" }
            }
        }
    }
}

fn item(history: &History<'_>, group: &[usize], depth: usize, lines: &mut usize) -> Markup {
    let mut lives = group.iter().filter_map(|index| history.lives.get(*index));
    let Some(first) = lives.next() else { return Markup::default() };
    let last = lives.next_back();
    html! {
        li.hung[first.hang.is_some()] {
            span.name title=(plain(first.program)) { (cut(&plain(first.name()), 60)) } " "
            @match last {
                Some(last) => span.pid {
                    (counted(group.len() as u64, "process", "processes")) ", " (first.pid) " to " (last.pid)
                },
                None => span.pid { (first.pid) }
            }
            " " span.fact { (fact(first, last)) }
            @if !first.children.is_empty() { (list(history, &first.children, depth - 1, lines)) }
        }
    }
}

/// What there is to say of a process, or of a group.
fn fact(first: &Life<'_>, last: Option<&Life<'_>>) -> String {
    if first.hang.is_some() {
        return "hangs".to_owned();
    }
    let begin = format!("from {}", duration(first.begin));
    match (last, first.end) {
        (Some(last), _) => format!("{begin} to {}", duration(last.end.unwrap_or(last.begin))),
        (None, Some(end)) => format!("{begin}, for {}", duration(end.saturating_sub(first.begin))),
        (None, None) => begin,
    }
}

/// Those that are alike in groups, if there are enough of them; the others each alone, before them.
fn groups(history: &History<'_>, indices: &[usize]) -> Vec<Vec<usize>> {
    let mut single = Vec::new();
    let mut alike: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for index in indices {
        match history.lives.get(*index) {
            Some(life) if life.hang.is_none() && life.children.is_empty() => {
                alike.entry(life.program).or_default().push(*index);
            }
            _ => single.push(*index),
        }
    }
    let (many, few): (Vec<_>, Vec<_>) = alike.into_values().partition(|group| group.len() >= ALIKE);
    single.extend(few.into_iter().flatten());
    single.sort_unstable();
    single.into_iter().map(|index| vec![index]).chain(many).collect()
}
