//! What each hook and the start of a program cost, in instructions.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;
#[path = "instructions/count.rs"]
mod count;
#[path = "instructions/pairs.rs"]
mod pairs;
#[path = "instructions/start.rs"]
mod start;

#[test]
fn no_gated_row_costs_more_than_promised() {
    let all = count::all();
    let (_, gated) = all.iter().find(|(kind, _)| *kind == "gated").expect("it is a kind");
    assert!(gated.len() > 300 && gated.iter().any(|(row, _)| row.arguments == 2), "{gated:?}");
    let above: Vec<_> = gated.iter().filter(|(row, added)| *added > count::limit(row)).collect();
    assert!(above.is_empty(), "these cost more than is promised: {above:?}");
}

#[test]
fn no_lock_costs_more_than_promised() {
    let all = pairs::all();
    let name = |pair: &pairs::Pair| format!("{} {} + {}", pair.name, pair.bare, pair.added);
    let figures: Vec<_> = all.iter().map(name).collect();
    // Each of them goes through a hook: a figure of zero would be that of the bare program, but where it is promised.
    assert!(all.iter().all(|pair| pair.added > 0 || pair.limit() == 0), "{figures:?}");
    let above: Vec<_> = all.iter().filter(|pair| pair.added > pair.limit()).map(name).collect();
    assert!(above.is_empty(), "these cost more than is promised: {above:?}, of {figures:?}");
}

#[test]
fn no_start_costs_more_than_promised() {
    let (bare, added) = start::counted();
    // A figure of zero would be that of the bare program.
    assert!(added > 0 && added <= start::LIMIT, "{bare} + {added}");
}
