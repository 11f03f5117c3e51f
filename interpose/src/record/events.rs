//! What is told, and when. Each function does nothing if nothing is recorded.

use core::sync::atomic::{AtomicU64, Ordering};

use libc::c_char;

use super::format::{Event, Kind, TEXT};
use super::{left, on, put, ring, scene, test};
use crate::slot::{self, Slot};
use crate::{child, errno, locks, stats, sys, threads};

/// Threads inside that are told of at one fork.
const GIVE_UPS: usize = 16;

/// What the fork in progress is called and what its forker counts from, or those of the last one.
#[unsafe(link_section = ".data.forkfix")]
static FORK: Fork = Fork {
    serial: AtomicU64::new(0),
    waited_ns: AtomicU64::new(0),
    gave_up: AtomicU64::new(0),
    waived: AtomicU64::new(0),
    repaired: AtomicU64::new(0),
    scene: AtomicU64::new(0),
};

struct Fork {
    serial: AtomicU64,
    /// How long it has waited.
    waited_ns: AtomicU64,
    /// The counters of `stats` before.
    gave_up: AtomicU64,
    waived: AtomicU64,
    repaired: AtomicU64,
    /// The scene's address; 0 if none was taken.
    scene: AtomicU64,
}

/// An event that has only what all have.
#[unsafe(link_section = ".text.hot.fork")]
fn event(kind: Kind, pid: u32, tid: u32, serial: u64) -> Event {
    Event {
        kind: kind as u32,
        pid,
        tid,
        code: 0,
        time_ns: sys::monotonic_ns(),
        serial,
        numbers: [0; 6],
        name: [0; 16],
        text: [0; TEXT],
    }
}

#[unsafe(link_section = ".text.hot.fork")]
fn write(event: &Event) {
    let ring = super::RING.load(Ordering::Relaxed);
    if !ring.is_null() {
        // SAFETY: mapped by `open`, and never unmapped.
        unsafe { ring::write(ring, event) };
    }
}

/// A program has begun.
pub(super) fn start() {
    let tid = sys::gettid();
    let mut event = event(Kind::Start, sys::getpid(), tid, 0);
    event.numbers[0] = sys::parent().into();
    let mut arguments = [0; TEXT];
    let arguments = sys::thread_file(tid, "cmdline", &mut arguments).unwrap_or_default();
    let first = arguments.split(|byte| *byte == 0).next();
    put(&mut event.text, first.unwrap_or_default());
    write(&event);
}

/// A thread begins to close the gate for a fork.
pub(crate) fn closing() {
    if on() {
        FORK.waited_ns.store(0, Ordering::Relaxed);
        FORK.gave_up.store(stats::GAVE_UP.get(), Ordering::Relaxed);
        FORK.waived.store(stats::WAIVED.get(), Ordering::Relaxed);
    }
}

/// It has waited so long for others.
pub(crate) fn waited(ns: u64) {
    if on() {
        FORK.waited_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

/// A thread is about to fork. The gate is closed, or there is no other thread.
pub(crate) fn forking() {
    if on() {
        tell_fork();
    }
}

#[cold]
#[inline(never)]
fn tell_fork() {
    let me = slot::mine();
    let pid = child::pid();
    let last = FORK.serial.load(Ordering::Relaxed);
    let serial = u64::from(pid) << 32 | u64::from((last as u32).wrapping_add(1));
    FORK.serial.store(serial, Ordering::Relaxed);
    FORK.repaired.store(stats::REPAIRED.get(), Ordering::Relaxed);
    let mut fork = event(Kind::Fork, pid, me.tid.load(Ordering::Relaxed), serial);
    fork.name = sys::own_name();
    fork.code = left::others(me);
    // SAFETY: threads that change it are out of the gate.
    put(&mut fork.text, unsafe { test::current() });
    write(&fork);
    let mut address = 0;
    if threads::may_be_many() {
        tell_drain(me, &fork);
        address = scene::take(me, &fork, drained());
    }
    FORK.scene.store(address, Ordering::Relaxed);
}

/// What the forker has waited for.
#[derive(Clone, Copy)]
pub(super) struct Drain {
    pub(super) waited_ns: u64,
    pub(super) gave_up: u64,
    waived: u64,
}

fn drained() -> Drain {
    let since = |now: &stats::Counter, before: &AtomicU64| {
        now.get().saturating_sub(before.load(Ordering::Relaxed))
    };
    Drain {
        waited_ns: FORK.waited_ns.load(Ordering::Relaxed),
        gave_up: since(&stats::GAVE_UP, &FORK.gave_up),
        waived: since(&stats::WAIVED, &FORK.waived),
    }
}

/// Tells how long the fork had to wait, and who is left behind.
fn tell_drain(me: &Slot, fork: &Event) {
    let like_fork =
        |kind: Kind| Event { kind: kind as u32, code: 0, name: [0; 16], text: [0; TEXT], ..*fork };
    let drain = drained();
    if drain.waited_ns > 0 {
        let mut event = like_fork(Kind::Drain);
        let numbers = [drain.waited_ns, drain.gave_up, drain.waived];
        event.numbers[..3].copy_from_slice(&numbers);
        write(&event);
    }
    let calls = left::inside(me).filter(|inside| inside.given_up);
    let calls = calls.map(|inside| (inside.tid, inside.family.name(), 0));
    let locks = locks::noted().filter(|held| !held.is_semaphore);
    let locks = locks.map(|held| (held.tid, held.kind, held.lock));
    for (tid, what, lock) in calls.chain(locks).take(GIVE_UPS) {
        let mut event = like_fork(Kind::GiveUp);
        event.tid = tid;
        event.numbers[..2].copy_from_slice(&[lock as u64, drain.waited_ns]);
        let mut name = [0; 32];
        let name = sys::thread_file(tid, "comm", &mut name).unwrap_or_default();
        put(&mut event.name, name.trim_ascii_end());
        put(&mut event.text, what.as_bytes());
        write(&event);
    }
}

/// `fork` has failed.
pub(crate) fn failed() {
    if on() {
        let serial = FORK.serial.load(Ordering::Relaxed);
        let mut event = event(Kind::Failed, child::pid(), sys::gettid(), serial);
        event.code = errno::get().cast_unsigned();
        write(&event);
    }
}

/// In the child: the library has done its part, and the program's own handlers are next.
#[inline(always)]
pub(crate) fn ready() {
    if on() {
        tell_ready();
    }
}

#[inline(never)]
#[unsafe(link_section = ".text.hot.fork")]
fn tell_ready() {
    let serial = FORK.serial.load(Ordering::Relaxed);
    let pid = child::pid();
    let mut event = event(Kind::Ready, pid, pid, serial);
    let repaired = stats::REPAIRED.get().saturating_sub(FORK.repaired.load(Ordering::Relaxed));
    if repaired > 0 {
        event.kind = Kind::Repair as u32;
        event.code = repaired as u32;
        write(&event);
        event.kind = Kind::Ready as u32;
        event.code = 0;
    }
    event.numbers[0] = sys::parent().into();
    event.numbers[1] = FORK.scene.load(Ordering::Relaxed);
    write(&event);
}

/// The process is about to run the program at `path`.
pub(crate) fn exec(path: *const c_char) {
    if on() && child::is_own_process() {
        tell_exec(path);
    }
}

#[cold]
#[inline(never)]
fn tell_exec(path: *const c_char) {
    let mut event = event(Kind::Exec, child::pid(), sys::gettid(), 0);
    // An error for the kernel to find, if there is no text.
    let len = sys::peek_prefix(path.addr(), &mut event.text);
    let text = event.text.get_mut(..len).unwrap_or_default();
    if let Some(end) = text.iter().position(|byte| *byte == 0) {
        text.get_mut(end..).unwrap_or_default().fill(0);
    }
    write(&event);
}

/// It has not.
pub(crate) fn exec_failed() {
    if on() && child::is_own_process() {
        write(&event(Kind::ExecFailed, child::pid(), sys::gettid(), 0));
    }
}

/// At the end of the process, after the program's own functions for that.
#[cfg(not(test))]
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = exit;

#[cfg_attr(test, expect(dead_code, reason = "registered in the real library only"))]
extern "C" fn exit() {
    if on() && child::is_own_process() {
        write(&event(Kind::Exit, child::pid(), sys::gettid(), 0));
    }
}
