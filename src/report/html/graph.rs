//! The lock graph of a hang: in the parent the thread that held the lock and the one that forked, in the
//! child the lock and the thread that waits for it.

use maud::{Markup, html};

use crate::report::model::{Hang, Thread};
use crate::report::place;
use crate::report::words::{
    count, cut, duration, function, headline, in_module, kind, plain, source, thread_name,
    unheld_in_short, whereabouts,
};

/// What fits into a box, in characters of its lines.
const FITS: [usize; 3] = [30, 40, 42];

/// A box with three lines.
struct Node {
    class: &'static str,
    x: u32,
    y: u32,
    lines: [String; 3],
    /// All that did not fit.
    whole: String,
}

/// Boxes have one size.
const WIDTH: u32 = 330;
const HEIGHT: u32 = 78;
/// The columns of the parent and of the child.
const LEFT: u32 = 20;
const RIGHT: u32 = 650;
/// The rows of what was before, and of what came of it.
const UPPER: u32 = 50;
const LOWER: u32 = 186;

/// The graph as a picture; `number` makes its names unique on the page.
pub(super) fn draw(hang: &Hang, number: usize) -> Markup {
    let waited = duration(hang.waited_ms.saturating_mul(1000));
    let held = hang.holder.as_ref().and_then(|holder| holder.held_us).filter(|us| *us > 0);
    let (title, description) = (format!("graph-{number}"), format!("graph-{number}-text"));
    html! {
        div.picture {
            svg.graph viewBox="0 0 1000 284" role="img" aria-labelledby=(format!("{title} {description}")) {
                title id=(title) { "Lock graph" }
                desc id=(description) { (headline(hang)) }
                (process(4, 362, &format!("Parent, process {}", hang.ppid)))
                (process(634, 362, &format!("Child, process {}", hang.pid)))
                @let held_by = if hang.holder.is_some() { "held" } else { "nobody" };
                (arrow(held_by, [350, 89], [650, 89]))
                (label(held_by, 500, 80, "held at the fork"))
                @if let Some(us) = held { (label("held", 500, 108, &format!("for {} at least", duration(us)))) }
                (arrow("forks", [350, 225], [650, 225]))
                (label("forks", 500, 216, "forked the child"))
                (arrow("waits", [815, 186], [815, 128]))
                text.edge.waits x="830" y="163" { "waits, for " (waited) }
                @for node in nodes(hang) { (node.draw()) }
            }
        }
    }
}

fn nodes(hang: &Hang) -> [Node; 4] {
    let thread = |class, x, y, thread: Option<&Thread>, unknown: &str, note: &str| {
        let lines = match thread {
            Some(thread) => [thread_name(thread), code(thread), note.to_owned()],
            None => [unknown.to_owned(), String::new(), String::new()],
        };
        Node::new(if thread.is_some() { class } else { "unknown" }, x, y, lines)
    };
    let holder = hang.holder.as_ref().map(|holder| &holder.thread);
    let is_forker =
        holder.zip(hang.fork.as_ref()).is_some_and(|(holder, fork)| holder.tid == fork.tid);
    let fate = if is_forker { "is the one that forks" } else { "does not exist in the child" };
    let lock = &hang.lock;
    let place = in_module(lock.module.as_deref(), lock.offset.as_deref());
    let place = place.unwrap_or_else(|| plain(&lock.address).into_owned());
    let lock = match &lock.symbol {
        Some(symbol) => [plain(symbol).into_owned(), place, kind(lock).into_owned()],
        None => [kind(lock).into_owned(), place, "has no name of its own".to_owned()],
    };
    let others = match hang.waiting.len() {
        0 | 1 => "cannot go on".to_owned(),
        threads => format!("and {} more, cannot go on", count(threads as u64 - 1)),
    };
    [
        thread("holder", LEFT, UPPER, holder, unheld_in_short(hang), fate),
        thread(
            "forker",
            LEFT,
            LOWER,
            hang.fork.as_ref(),
            "fork site unknown",
            "lives on in the child",
        ),
        Node::new("lock", RIGHT, UPPER, lock),
        thread("waiter", RIGHT, LOWER, hang.waiting.first(), "waiting thread unknown", &others),
    ]
}

/// `function, file.c:41`.
fn code(thread: &Thread) -> String {
    let Some(frame) = place::of(thread) else { return "its stack is not known".to_owned() };
    match (&frame.function, source(frame)) {
        (Some(_), Some(_)) => format!("{}, {}", cut(&function(frame), 24), whereabouts(frame)),
        _ => whereabouts(frame),
    }
}

impl Node {
    fn new(class: &'static str, x: u32, y: u32, lines: [String; 3]) -> Self {
        let whole =
            lines.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join("\n");
        Self { class, x, y, lines, whole }
    }

    fn draw(&self) -> Markup {
        let Self { class, x, y, lines, whole } = self;
        html! {
            g class=(format!("node {class}")) {
                title { (cut(whole, 600)) }
                rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="8" {}
                @for ((line, fits), (class, down)) in
                    lines.iter().zip(FITS).zip([("name", 26), ("code", 47), ("note", 67)])
                {
                    text class=(class) x=(x + 14) y=(y + down) { (cut(line, fits)) }
                }
            }
        }
    }
}

/// A process, around its threads.
fn process(x: u32, width: u32, title: &str) -> Markup {
    html! {
        rect.process x=(x) y="28" width=(width) height="252" rx="12" {}
        text.title x=(x + 6) y="18" { (title) }
    }
}

/// A line with a head at its end; it goes along one axis.
fn arrow(class: &str, [x0, y0]: [i32; 2], [x1, y1]: [i32; 2]) -> Markup {
    let (dx, dy) = ((x1 - x0).signum(), (y1 - y0).signum());
    // The head's corners lie ten units before its tip, and five to each side.
    let (back_x, back_y) = (x1 - 10 * dx, y1 - 10 * dy);
    let corner = |side: i32| format!("{},{}", back_x + 5 * side * dy, back_y + 5 * side * dx);
    let points = format!("{x1},{y1} {} {}", corner(1), corner(-1));
    html! {
        line class=(format!("arrow {class}")) x1=(x0) y1=(y0) x2=(back_x) y2=(back_y) {}
        polygon class=(format!("head {class}")) points=(points) {}
    }
}

fn label(class: &str, x: u32, y: u32, text: &str) -> Markup {
    html! { text class=(format!("edge {class}")) x=(x) y=(y) text-anchor="middle" { (text) } }
}
