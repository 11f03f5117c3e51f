//! Instructions that each row of the hook table adds to a call.

use std::fmt::Write;

use crate::Programs;
use crate::count::{self, LIMIT};
use crate::effort::Effort;
use crate::report::{Line, Section, Verdict};

pub(crate) fn section(_programs: &Programs, _effort: Effort) -> Section {
    Section {
        title: "Instructions added by each row of the hook table",
        method: "callgrind; what stands behind the library does nothing; above the limit may be gated \
                 rows with more arguments than registers, and rows of other kinds",
        header: &["kind", "rows", "least", "median", "most", "above the limit"],
        lines: count::all().into_iter().map(|(kind, rows)| line(kind, &rows)).collect(),
    }
}

fn line(kind: &str, rows: &[(crate::common::table::Row, u64)]) -> Line {
    let mut counts: Vec<_> = rows.iter().map(|(_, added)| *added).collect();
    counts.sort_unstable();
    let (least, most) = (counts[0], counts[counts.len() - 1]);
    let mut above = String::new();
    let mut named = rows.iter().filter(|(_, added)| *added > LIMIT);
    for (row, added) in named.by_ref().take(3) {
        write!(above, "{} {added}, ", row.symbol).expect("a string grows");
    }
    match named.count() {
        0 => above.truncate(above.len().saturating_sub(2)),
        more => write!(above, "{more} more").expect("a string grows"),
    }
    let median = counts[counts.len() / 2].to_string();
    let numbers = [rows.len().to_string(), least.to_string(), median, most.to_string()];
    let cells = [vec![kind.to_owned()], numbers.into(), vec![above]].concat();
    if kind == "gated" {
        let holds = rows.iter().all(|(row, added)| *added <= count::limit(row));
        Line::judged(cells, Verdict::new(LIMIT.to_string(), holds))
    } else {
        Line::plain(cells)
    }
}
