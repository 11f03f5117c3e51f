//! The timeline: a line for each process of a short run, how many forks there were when in a long one.

use maud::{Markup, html};

use super::history::{History, Life};
use crate::report::model::{Fork, Hang};
use crate::report::words::{count, counted, cut, duration, plain};

/// Runs with more processes are told by counts.
const LINES: usize = 48;

/// The picture's width, and where its time axis begins and ends.
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 985.0;

/// The height of a process's row, and of what stands above the first.
const ROW: f64 = 26.0;
const TOP: f64 = 34.0;

/// How many stretches of time forks are counted in, and how high the highest columns are.
const BINS: usize = 120;
const COLUMN: f64 = 120.0;

/// Time from 0 to `end` along the axis.
struct Axis {
    end: u64,
}

pub(super) fn section(history: &History<'_>, forks: &[&Fork], hangs: &[&Hang], end: u64) -> Markup {
    let last = history.lives.iter().map(|life| life.begin.max(life.end.unwrap_or(0))).max();
    let axis = Axis { end: end.max(last.unwrap_or(0)).max(1) };
    let is_short = history.lives.len() <= LINES;
    html! {
        section aria-labelledby="timeline" {
            h2 id="timeline" { "Timeline" }
            div.picture {
                @if is_short { (lines(history, &axis)) } @else { (columns(forks, hangs, &axis)) }
            }
            ul.legend {
                @if is_short {
                    li.life { "a process" }
                    li.fork { "a fork" }
                    li.drain { "it waited for other threads" }
                    li.gave-up { "it did not wait to the end" }
                    li.stuck { "it does not move any more" }
                    li.reported { "it is reported" }
                } @else {
                    li.life { "forks" }
                    li.drain { "the longest wait for other threads" }
                    li.reported { "a child hangs" }
                }
            }
        }
    }
}

impl Axis {
    #[allow(clippy::cast_precision_loss, reason = "a picture has a thousand points")]
    fn x(&self, time: u64) -> f64 {
        LEFT + (RIGHT - LEFT) * (time.min(self.end) as f64 / self.end as f64)
    }

    /// Lines at round times, of which there are at most eight.
    fn draw(&self, bottom: f64) -> Markup {
        let powers = (0..19).map(|power| 10_u64.pow(power));
        let mut steps = powers.flat_map(|power| [power, 2 * power, 5 * power.min(u64::MAX / 5)]);
        let step = steps.find(|step| self.end / step <= 8).unwrap_or(self.end);
        let times =
            (0..=8).map(|index| step.saturating_mul(index)).filter(|time| *time <= self.end);
        html! {
            @for time in times {
                @let anchor = if self.x(time) > RIGHT - 40.0 { "end" } else { "middle" };
                @let x = rounded(self.x(time));
                line.grid x1=(x) y1="24" x2=(x) y2=(bottom) {}
                text.tick x=(x) y="16" text-anchor=(anchor) { (if time == 0 { "0".to_owned() } else { round_time(time) }) }
            }
        }
    }
}

/// A round time without needless decimals.
fn round_time(us: u64) -> String {
    duration(us).replace(".0 ", " ")
}

/// One decimal is enough for a picture.
fn rounded(value: f64) -> String {
    format!("{value:.1}")
}

/// A row for each process, in the order of the tree.
fn lines(history: &History<'_>, axis: &Axis) -> Markup {
    let order = rows(history);
    #[allow(clippy::cast_precision_loss, reason = "there are few rows")]
    let y = |index: usize| {
        let row = order.iter().position(|known| *known == index).unwrap_or_default();
        TOP + ROW * (row as f64 + 0.5)
    };
    #[allow(clippy::cast_precision_loss, reason = "there are few rows")]
    let bottom = TOP + ROW * order.len() as f64;
    html! {
        svg.timeline viewBox=(format!("0 0 {WIDTH} {}", bottom + 6.0)) role="img" aria-labelledby="timeline-title timeline-text" {
            title id="timeline-title" { "Processes and forks over time" }
            desc id="timeline-text" { (description(history)) }
            (axis.draw(bottom))
            @for index in &order {
                @if let Some(life) = history.lives.get(*index) { (row(life, y(*index), axis)) }
            }
            @for birth in &history.births {
                (fork(birth.fork, axis, y(birth.parent), y(birth.child)))
            }
        }
    }
}

fn description(history: &History<'_>) -> String {
    let hangs = history.lives.iter().filter(|life| life.hang.is_some()).count() as u64;
    let processes = counted(history.lives.len() as u64, "process", "processes");
    let forks = counted(history.births.len() as u64, "fork", "forks");
    format!("{processes}, {forks}, {}", counted(hangs, "child hangs", "children hang"))
}

/// All processes, children beneath their parents.
fn rows(history: &History<'_>) -> Vec<usize> {
    let mut rows = Vec::new();
    let mut left: Vec<_> = history.roots().collect();
    left.reverse();
    while let Some(index) = left.pop() {
        rows.push(index);
        let children = history.lives.get(index).map(|life| &life.children);
        left.extend(children.into_iter().flatten().rev());
    }
    rows
}

fn row(life: &Life<'_>, y: f64, axis: &Axis) -> Markup {
    let (x0, x1) =
        (axis.x(life.begin), axis.x(life.end.unwrap_or(axis.end)).max(axis.x(life.begin) + 2.0));
    let stuck = life.hang.map(|hang| {
        let since = hang.at_us.saturating_sub(hang.waited_ms.saturating_mul(1000));
        axis.x(since.max(life.begin))
    });
    let end = life.end.map_or("the end".to_owned(), duration);
    html! {
        g.row {
            title { (plain(life.program)) " " (life.pid) ": " (duration(life.begin)) " to " (end) }
            text.name x="8" y=(rounded(y + 4.0)) {
                tspan.pid { (life.pid) } " " (cut(&plain(life.name()), 16))
            }
            rect.life x=(rounded(x0)) y=(rounded(y - 4.0)) width=(rounded(x1 - x0)) height="8" rx="2" {}
            @if let (Some(stuck), Some(hang)) = (stuck, life.hang) {
                rect.stuck x=(rounded(stuck)) y=(rounded(y - 4.0)) width=(rounded((x1 - stuck).max(2.0))) height="8" rx="2" {}
                (report(axis.x(hang.at_us), y))
            }
        }
    }
}

/// A fork, from the parent's row to its child's; the wait before it lies on the parent's.
fn fork(fork: &Fork, axis: &Axis, parent: f64, child: f64) -> Markup {
    let x = axis.x(fork.at_us);
    let drain = (x - axis.x(fork.at_us.saturating_sub(fork.drain_us))).max(3.0);
    html! {
        g.birth {
            title { (fork_text(fork)) }
            line.fork x1=(rounded(x)) y1=(rounded(parent)) x2=(rounded(x)) y2=(rounded(child)) {}
            circle.fork cx=(rounded(x)) cy=(rounded(parent)) r="3" {}
            @if fork.drain_us > 0 {
                rect.drain x=(rounded(x - drain)) y=(rounded(parent - 7.0)) width=(rounded(drain)) height="14" rx="1" {}
            }
            @if !fork.gave_up.is_empty() {
                path.gave-up d=(format!("M{} {} l6 -10 h-12 z", rounded(x), rounded(parent - 6.0))) {}
            }
        }
    }
}

fn fork_text(fork: &Fork) -> String {
    let mut text = format!("fork in {} at {}", fork.pid, duration(fork.at_us));
    if fork.drain_us > 0 {
        text += &format!(", waited {}", duration(fork.drain_us));
    }
    for thread in fork.gave_up.iter().take(3) {
        text += &format!(", not for {} in {}", plain(&thread.name), plain(&thread.inside));
    }
    text
}

/// When a hang was reported.
fn report(x: f64, y: f64) -> Markup {
    html! { circle.reported cx=(rounded(x)) cy=(rounded(y)) r="6" {} }
}

/// What happened in one stretch of time.
#[derive(Clone, Copy, Default)]
struct Bin {
    forks: u64,
    longest_us: u64,
}

/// Forks counted in stretches of time, and beneath them the longest wait of each stretch.
#[allow(clippy::cast_precision_loss, reason = "a picture has a thousand points")]
fn columns(forks: &[&Fork], hangs: &[&Hang], axis: &Axis) -> Markup {
    let bins = bins(forks, axis);
    let most = bins.iter().map(|bin| bin.forks).max().unwrap_or(0).max(1);
    let longest = bins.iter().map(|bin| bin.longest_us).max().unwrap_or(0).max(1);
    let width = (RIGHT - LEFT) / BINS as f64;
    let (upper, lower) = (TOP + COLUMN, TOP + 2.0 * COLUMN + 26.0);
    let at = |index: usize| LEFT + width * index as f64;
    let column = |class: &str, index: usize, base: f64, share: f64, title: String| {
        let height = share * (COLUMN - 10.0);
        html! {
            rect class=(class) x=(rounded(at(index))) y=(rounded(base - height)) width=(rounded(width - 1.0)) height=(rounded(height)) {
                title { (title) }
            }
        }
    };
    html! {
        svg.timeline viewBox=(format!("0 0 {WIDTH} {}", lower + 8.0)) role="img" aria-labelledby="timeline-title timeline-text" {
            title id="timeline-title" { "Forks over time" }
            desc id="timeline-text" { (counted(forks.len() as u64, "fork", "forks")) ", " (counted(hangs.len() as u64, "child hangs", "children hang")) }
            (axis.draw(lower))
            text.name x="8" y=(upper - COLUMN + 20.0) { "forks" }
            text.fact x="8" y=(upper - COLUMN + 38.0) { "at most " (count(most)) }
            text.fact x="8" y=(upper - COLUMN + 54.0) { "in " (duration(axis.end / BINS as u64)) }
            text.name x="8" y=(lower - COLUMN + 20.0) { "longest wait" }
            text.fact x="8" y=(lower - COLUMN + 38.0) { "at most " (duration(longest)) }
            line.base x1=(LEFT) y1=(upper) x2=(RIGHT) y2=(upper) {}
            line.base x1=(LEFT) y1=(lower) x2=(RIGHT) y2=(lower) {}
            @for (index, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.forks > 0) {
                (column("life", index, upper, bin.forks as f64 / most as f64, counted(bin.forks, "fork", "forks")))
                (column("drain", index, lower, bin.longest_us as f64 / longest as f64, duration(bin.longest_us)))
            }
            @for x in hang_marks(hangs, axis) { (report(x, upper + 13.0)) }
        }
    }
}

fn bins(forks: &[&Fork], axis: &Axis) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); BINS];
    for fork in forks {
        let share =
            u128::from(fork.at_us.min(axis.end)) * BINS as u128 / (u128::from(axis.end) + 1);
        let bin = usize::try_from(share).ok().and_then(|index| bins.get_mut(index));
        if let Some(bin) = bin {
            bin.forks += 1;
            bin.longest_us = bin.longest_us.max(fork.drain_us);
        }
    }
    bins
}

/// Where hangs are marked: marks that would lie on one another are one.
fn hang_marks(hangs: &[&Hang], axis: &Axis) -> Vec<f64> {
    let mut marks: Vec<f64> = hangs.iter().map(|hang| axis.x(hang.at_us).round()).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    marks
}
