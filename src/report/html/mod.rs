//! A report as one page that needs nothing else: no scripts, no fonts, nothing from a network. Its size has
//! a bound: long runs are told by counts.

mod graph;
mod hangs;
mod history;
mod timeline;
mod tree;

use std::cmp::Reverse;
use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};

use history::History;

use super::model::{Entry, Fork, GaveUp, Run, Summary};
use super::overview::{self, Overview};
use super::words::{command_line, count, counted, cut, duration, plain};

const STYLE: &str = include_str!("style.css");

/// Nothing but the page's own style is obeyed, whatever a program put into its names.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// Threads that forks did not wait for, of which so many are shown.
const GAVE_UP: usize = 20;

/// The whole recording.
pub(super) fn render(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    let overview = Overview::of(entries);
    let Overview { run, hangs, summary, is_whole } = &overview;
    let forks: Vec<_> = overview::forks(entries).collect();
    let history = History::of(entries);
    let verdict = hangs::verdict(hangs.len() as u64);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { "forkfix: " (verdict) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(run, &verdict, hangs.is_empty()))
                main {
                    @if !is_whole {
                        p.warning { "The recording has no last line: the run was killed, or is not over. The figures are counted from what was recorded." }
                    }
                    (figures(summary, *is_whole))
                    @if !hangs.is_empty() { (hangs::section(hangs)) }
                    (timeline::section(&history, &forks, hangs, summary.at_us))
                    (given_up(&forks))
                    (tree::section(&history))
                }
                footer {
                    "Written by " a href=(env!("CARGO_PKG_REPOSITORY")) { "forkfix" } " " (env!("CARGO_PKG_VERSION"))
                    ", recorded by " (cut(&plain(&run.version), 40))
                    ". What the codes mean: " a href=(format!("{}/blob/main/docs/reports.md", env!("CARGO_PKG_REPOSITORY"))) { "docs/reports.md" } "."
                }
            }
        }
    };
    out.write_all(page.into_string().as_bytes())
}

fn header(run: &Run, verdict: &str, is_healthy: bool) -> Markup {
    let command = command_line(&run.command);
    html! {
        header.page {
            p.brand {
                svg viewBox="0 0 24 24" aria-hidden="true" {
                    path d="M6 3v6a4 4 0 0 0 4 4h4a4 4 0 0 1 4 4v4M6 9v12" {}
                    circle cx="6" cy="3.5" r="2" {}
                }
                "forkfix"
            }
            h1 class=(if is_healthy { "good" } else { "bad" }) { (verdict) }
            @if !command.is_empty() { p.command { code { (cut(&command, 600)) } } }
            p.facts {
                @if !run.started.is_empty() { span { "started " (cut(&plain(&run.started), 40)) } }
                @if run.hang_after_ms > 0 {
                    span { "a child hangs if it has not moved for " (duration(run.hang_after_ms.saturating_mul(1000))) }
                }
            }
        }
    }
}

fn figures(summary: &Summary, is_whole: bool) -> Markup {
    let waits = match summary.drains {
        0 => "none waited for other threads".to_owned(),
        drains => format!("{} waited for other threads", count(drains)),
    };
    let wait = format!(
        "99 of 100 within {}, longest {}",
        duration(summary.drain_p99_us),
        duration(summary.drain_max_us)
    );
    let status = if is_whole {
        format!("the program's status was {}", summary.status)
    } else {
        "the program's status is unknown".to_owned()
    };
    let bad = |number: u64| if number > 0 { "bad" } else { "good" };
    let tiles = [
        (bad(summary.hangs), count(summary.hangs), "hangs", status),
        (
            "",
            count(summary.forks),
            "forks",
            format!("{}, {} failed", waits, count(summary.failed_forks)),
        ),
        ("", duration(summary.drain_median_us), "median wait of those", wait),
        (
            "",
            count(summary.gave_up),
            "forks did not wait to the end",
            format!("{} repaired in children", counted(summary.repaired, "lock", "locks")),
        ),
        (
            "",
            count(summary.processes),
            "processes",
            format!(
                "{} went on to another program, in {}",
                count(summary.execs),
                duration(summary.at_us)
            ),
        ),
    ];
    let lost = summary.lost_events.saturating_add(summary.damaged_events);
    html! {
        section aria-label="Figures" {
            dl.figures {
                @for (class, figure, name, note) in tiles {
                    div { dt { (name) } dd class=(class) { (figure) } dd.note { (note) } }
                }
            }
            @if lost > 0 {
                p.warning { (counted(lost, "event was", "events were")) " lost or damaged, so the figures are not complete." }
            }
        }
    }
}

/// The threads that forks did not wait for to the end, the longest first.
fn given_up(forks: &[&Fork]) -> Markup {
    let total: usize = forks.iter().map(|fork| fork.gave_up.len()).sum();
    if total == 0 {
        return Markup::default();
    }
    let all = forks.iter().flat_map(|fork| fork.gave_up.iter().map(move |thread| (*fork, thread)));
    let mut longest: Vec<_> = all.collect();
    longest.sort_by_key(|(_, thread)| Reverse(thread.inside_us));
    longest.truncate(GAVE_UP);
    let row = |fork: &Fork, thread: &GaveUp| {
        html! {
            tr {
                td { (duration(fork.at_us)) }
                td { (fork.pid) }
                td { (thread.tid) " " (cut(&plain(&thread.name), 40)) }
                td { (cut(&plain(&thread.inside), 60)) }
                td { (duration(thread.inside_us)) }
            }
        }
    };
    let columns = ["fork at", "process", "thread", "was inside of", "seen there for"];
    html! {
        section aria-labelledby="gave-up" {
            h2 id="gave-up" { "Threads that forks did not wait for" }
            div.picture {
                table {
                    thead { tr { @for name in columns { th scope="col" { (name) } } } }
                    tbody { @for (fork, thread) in longest { (row(fork, thread)) } }
                }
            }
            @if total > GAVE_UP {
                p.note { "The longest; " (count((total - GAVE_UP) as u64)) " more are in the recording." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::STYLE;

    /// How bright a colour `#rrggbb` is, from 0 to 1, as WCAG 2 defines it.
    fn luminance(colour: &str) -> f64 {
        let digits = colour.trim_start_matches('#');
        let channel = |at: usize| {
            let value = u8::from_str_radix(&digits[at..at + 2], 16).expect("it is a colour");
            let share = f64::from(value) / 255.0;
            if share <= 0.03928 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    }

    #[test]
    fn every_text_can_be_read_in_light_and_in_dark() {
        let schemes: Vec<_> = STYLE.split(":root {").skip(1).collect();
        assert_eq!(schemes.len(), 2);
        for scheme in schemes {
            let colour = |name: &str| {
                let (_, rest) = scheme.split_once(&format!("--{name}: ")).expect("it is defined");
                luminance(rest.split_once(';').expect("it has an end").0)
            };
            let texts = ["ink", "soft", "bad", "good", "warn", "blue", "place"];
            let grounds = ["page", "card", "faint"];
            let pairs = texts.iter().flat_map(|text| grounds.map(|ground| (*text, ground)));
            for (text, ground) in
                pairs.chain([("bad", "bad-soft"), ("ink", "bad-soft"), ("soft", "bad-soft")])
            {
                let (a, b) = (colour(text), colour(ground));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
            }
        }
    }
}
