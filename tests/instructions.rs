//! What each hook costs, in instructions.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;
#[path = "instructions/count.rs"]
mod count;

#[test]
fn no_gated_row_costs_more_than_promised() {
    let all = count::all();
    let (_, gated) = all.iter().find(|(kind, _)| *kind == "gated").expect("it is a kind");
    assert!(gated.len() > 300 && gated.iter().any(|(row, _)| row.arguments == 2), "{gated:?}");
    let above: Vec<_> = gated.iter().filter(|(row, added)| *added > count::limit(row)).collect();
    assert!(above.is_empty(), "these cost more than is promised: {above:?}");
}
