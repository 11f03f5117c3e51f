//! Words that every form uses: names made harmless, figures with their units, what a hang is called.

use std::borrow::Cow;
use std::fmt::Write;

use super::model::{Frame, Hang, Holder, Lock, Thread};
use super::place;

/// `text` with all that a terminal or a reader of lines would act on written as `\u{1b}`: programs choose
/// their names, and those of their threads and files, as they like.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match is_active(character) {
            true => plain.extend(character.escape_unicode()),
            false => plain.push(character),
        }
    }
    Cow::Owned(plain)
}

/// Control characters, those that turn the direction of writing, those that end a line or are not seen,
/// and the two that XML forbids.
pub(super) fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'
                | '\u{ffff}'
        )
}

/// `text`, cut to `limit` characters, the last of them an ellipsis if something is missing.
pub(super) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
            Cow::Owned(kept + "…")
        }
    }
}

/// A number of microseconds, in the unit that fits.
pub(super) fn duration(us: u64) -> String {
    // The loss of digits begins at 285 years.
    #[allow(clippy::cast_precision_loss, reason = "see above")]
    let us_f = us as f64;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us_f / 1e3),
        1_000_000..600_000_000 => format!("{:.1} s", us_f / 1e6),
        _ => format!("{} min", us / 60_000_000),
    }
}

/// A number with commas between the thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 fork`, `2 forks`.
pub(super) fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// The words of a command line, as one line.
pub(super) fn command_line(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        let word = plain(word);
        match word.is_empty() || word.contains(|c: char| c.is_whitespace() || "'\"\\$".contains(c))
        {
            true => Cow::Owned(format!("'{}'", word.replace('\'', r"'\''"))),
            false => word,
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// `module+0x…`, as the tools that look up symbols take it; `None` for memory of no object.
pub(super) fn in_module(module: Option<&str>, offset: Option<&str>) -> Option<String> {
    let module = plain(module?);
    Some(match offset {
        Some(offset) => format!("{module}+{}", plain(offset)),
        None => module.into_owned(),
    })
}

/// What kind of lock it is.
pub(super) fn kind(lock: &Lock) -> Cow<'_, str> {
    if lock.kind.is_empty() { Cow::Borrowed("lock") } else { plain(&lock.kind) }
}

/// How much of a lock's name a headline has; C++ has names of thousands of characters.
const SYMBOL: usize = 160;

/// The shortest words that name a lock: its symbol, or where it lies.
pub(super) fn lock_name(lock: &Lock) -> String {
    if let Some(symbol) = &lock.symbol {
        return cut(&plain(symbol), SYMBOL).into_owned();
    }
    let module = in_module(lock.module.as_deref(), lock.offset.as_deref());
    match module {
        Some(module) => format!("{} at {module}", kind(lock)),
        None if lock.address.is_empty() => format!("an unknown {}", kind(lock)),
        None => format!("{} at {}", kind(lock), plain(&lock.address)),
    }
}

/// A thread's name in quotes; its id if it has none.
pub(super) fn thread_name(thread: &Thread) -> String {
    match thread.name.is_empty() {
        true => format!("thread {}", thread.tid),
        false => format!("\"{}\"", plain(&thread.name)),
    }
}

/// The thread's id, and its name if it has one.
pub(super) fn thread_id(thread: &Thread) -> String {
    match thread.name.is_empty() {
        true => format!("thread {}", thread.tid),
        false => format!("thread {} \"{}\"", thread.tid, plain(&thread.name)),
    }
}

/// How it is known who held the lock; `None` for words of later versions.
pub(super) fn known_by(holder: &Holder) -> Option<&'static str> {
    match holder.known_by.as_str() {
        "recorded" => Some("forkfix kept track of the lock"),
        "owner" => Some("the lock names it as its owner"),
        "call" => Some("it was inside of such a call"),
        "stack" => Some("of all stacks, only its refers to the lock"),
        _ => None,
    }
}

/// Whether the child waits for a thread that it lacks, and not for a lock that one held.
fn is_held_by_nobody(hang: &Hang) -> bool {
    matches!(hang.reason.code.as_str(), "FF-POOL" | "FF-GONE")
}

/// What there is to say where no holder is named.
pub(super) fn unheld(hang: &Hang) -> &'static str {
    if is_held_by_nobody(hang) {
        "Nobody held it: another thread was to end this wait."
    } else {
        "Who held it at the fork is not known."
    }
}

/// The same, in a few words.
pub(super) fn unheld_in_short(hang: &Hang) -> &'static str {
    if is_held_by_nobody(hang) { "held by nobody" } else { "holder unknown" }
}

/// What became of the child.
pub(super) fn action(hang: &Hang) -> &'static str {
    match hang.action.as_str() {
        "killed" => "The child was killed.",
        "aborted" => "The child was ended with SIGABRT, for a core dump.",
        _ => "The child was left as it is.",
    }
}

/// A frame's function, or where it lies if there is no symbol.
pub(super) fn function(frame: &Frame) -> Cow<'_, str> {
    match &frame.function {
        Some(function) => plain(function),
        None => Cow::Borrowed("??"),
    }
}

/// `dir/file.c:41`; `None` without debug information.
pub(super) fn source(frame: &Frame) -> Option<String> {
    let file = plain(frame.file.as_deref()?);
    Some(match frame.line {
        Some(line) => format!("{file}:{line}"),
        None => file.into_owned(),
    })
}

/// Where a frame is, in few words: `file.c:41`, or its function, or its place in the object.
pub(super) fn whereabouts(frame: &Frame) -> String {
    if let Some(source) = source(frame) {
        return source.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let module = in_module(frame.module.as_deref(), frame.offset.as_deref());
    match (&frame.function, module) {
        (Some(function), Some(module)) => format!("{} ({module})", plain(function)),
        (Some(function), None) => plain(function).into_owned(),
        (None, Some(module)) => module,
        (None, None) => frame.address.as_deref().map_or("?".into(), plain).into_owned(),
    }
}

/// What children that hang in the same way have in common, in each run: no ids, no addresses.
pub(super) fn signature(hang: &Hang) -> String {
    let Hang { lock, holder, fork, waiting, .. } = hang;
    let module = || in_module(lock.module.as_deref(), lock.offset.as_deref());
    let name = lock.symbol.as_deref().map(|symbol| cut(&plain(symbol), SYMBOL).into_owned());
    let holder = holder.as_ref().map(|holder| &holder.thread);
    let place = |thread: Option<&Thread>| thread.and_then(place::of).map(whereabouts);
    let places = [place(fork.as_ref()), place(waiting.first()), place(holder)];
    let parts = [Some(kind(lock).into_owned()), name.or_else(module)].into_iter().chain(places);
    parts.map(|part| part.unwrap_or_else(|| "?".to_owned())).collect::<Vec<_>>().join(" | ")
}

/// The hang in one line.
pub(super) fn headline(hang: &Hang) -> String {
    let Hang { lock, holder, fork, .. } = hang;
    let mut line = format!("fork hang on {}", lock_name(lock));
    if lock.symbol.is_some()
        && let Some(module) = in_module(lock.module.as_deref(), lock.offset.as_deref())
    {
        let _ = write!(line, " ({module})");
    }
    match holder {
        Some(holder) => {
            let _ = write!(line, ", held by {}", thread_name(&holder.thread));
        }
        None => {
            let _ = write!(line, ", {}", unheld_in_short(hang));
        }
    }
    match fork.as_ref().and_then(place::of) {
        Some(frame) => {
            let _ = write!(line, ", forked at {}", whereabouts(frame));
        }
        None => line.push_str(", fork site unknown"),
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_is_left() {
        let text = "a\u{1b}[31m\r\nb\u{202e}\u{9b}\u{2028}\u{feff}";
        let harmless = "a\\u{1b}[31m\\u{d}\\u{a}b\\u{202e}\\u{9b}\\u{2028}\\u{feff}";
        assert_eq!(plain(text), harmless);
        assert_eq!(plain("naïve 日本"), "naïve 日本");
    }

    #[test]
    fn figures_have_units() {
        let texts = [(0, "0 µs"), (999, "999 µs"), (1_500, "1.5 ms"), (5_000_000, "5.0 s")];
        for (us, text) in texts {
            assert_eq!(duration(us), text);
        }
        assert_eq!(duration(u64::MAX), "307445734561 min");
        assert_eq!(
            ["0", "999", "1,000", "1234567"]
                .map(|t| count(t.replace(',', "").parse().unwrap_or(0))),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("äbcd", 3), "äb…");
    }

    #[test]
    fn words_of_a_command_stay_apart() {
        let words = ["sh", "-c", "echo 'a'", ""].map(str::to_owned);
        assert_eq!(command_line(&words), r"sh -c 'echo '\''a'\''' ''");
    }
}
