//! Who does what at a fork: written by the forker, in memory of its process, of which the child has a copy.
//!
//! A thread that is gone in the child has left its stack there. What it lacks are the thread's registers, its
//! name and its locks, and the forker's own stack, which the child goes on to use.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use libc::c_int;

use super::events::Drain;
use super::format::{
    Event, HeldLock, LOCKS, MAGIC, PYTHON, Registers, Scene, THREADS, Thread, VERSION,
};
use super::{left, put};
use crate::locks::{self, NOTES, Noted};
use crate::options::{self, Orphans};
use crate::slot::Slot;
use crate::sys;

/// A scene, and how long each of its threads had had a processor then, in nanoseconds.
#[repr(C)]
struct Stage {
    used_ns: [u64; THREADS],
    scene: Scene,
}

/// The scenes of the last two forks: what has not changed since the last one need not be looked up again. Mapped
/// at the first fork that needs them.
#[unsafe(link_section = ".data.forkfix")]
static STAGES: AtomicPtr<[Stage; 2]> = AtomicPtr::new(ptr::null_mut());

/// A thread as it was seen at the last fork.
struct Seen<'a> {
    thread: &'a Thread,
    used_ns: u64,
}

/// How long a thread must have had a processor until it has its name, in nanoseconds.
const YOUTH_NS: u64 = 1_000_000;

/// What an interpreter has said about its threads, for the next fork.
#[repr(C)]
struct Python {
    len: u32,
    text: [u8; PYTHON],
}

static TEXT: AtomicPtr<Python> = AtomicPtr::new(ptr::null_mut());
/// The thread that has said so and is about to fork; 0 if none.
#[unsafe(link_section = ".data.forkfix")]
static TEXT_OF: AtomicU32 = AtomicU32::new(0);

/// Memory for a `T`, mapped on first use; `None` if there is none.
fn mapped<T>(place: &AtomicPtr<T>) -> Option<*mut T> {
    let known = place.load(Ordering::Acquire);
    if !known.is_null() {
        return Some(known);
    }
    let memory = sys::map(size_of::<T>())?;
    let fresh = memory.as_ptr().cast();
    match place.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Some(fresh),
        Err(faster) => {
            // SAFETY: nobody has seen this mapping.
            unsafe { sys::unmap(memory, size_of::<T>()) };
            Some(faster)
        }
    }
}

/// Keeps what an interpreter says about its threads, for a fork that the calling thread is about to make. It
/// holds the interpreter, so there is one such thread at a time.
pub(crate) fn set_python(text: &[u8]) {
    let Some(python) = mapped(&TEXT) else {
        return;
    };
    TEXT_OF.store(0, Ordering::Relaxed);
    let len = text.len().min(PYTHON);
    // SAFETY: mapped with this size; nobody reads it meanwhile, and all zeroes is a valid one.
    let python = unsafe { &mut *python };
    if let (Some(to), Some(from)) = (python.text.get_mut(..len), text.get(..len)) {
        to.copy_from_slice(from);
        python.len = len as u32;
    }
    TEXT_OF.store(sys::gettid(), Ordering::Release);
}

/// Writes the scene for `fork` down, while the gate is closed. Returns its address, or 0 if there is none.
pub(super) fn take(me: &Slot, fork: &Event, drain: Drain) -> u64 {
    if !options::backtrace() {
        return 0;
    }
    let Some(stages) = mapped(&STAGES) else {
        return 0;
    };
    // SAFETY: mapped with this size, all zeroes is a valid one, and only the forker uses it.
    let [even, odd] = unsafe { &mut *stages };
    let (stage, last) = if fork.serial.is_multiple_of(2) { (even, odd) } else { (odd, even) };
    let scene = &mut stage.scene;
    scene.magic = [0; 8];
    scene.version = VERSION;
    scene.forker = fork.tid;
    scene.serial = fork.serial;
    scene.time_ns = fork.time_ns;
    write_stack(scene);
    write_locks(scene);
    write_threads(me, stage, last, drain);
    write_python(&mut stage.scene);
    stage.scene.magic = MAGIC;
    ptr::from_ref(&stage.scene).expose_provenance() as u64
}

/// Writes this function's registers down, and the stack from there on. Not inlined, so that the registers are
/// those of a frame of its own, which an unwinder finds the caller of.
#[inline(never)]
fn write_stack(scene: &mut Scene) {
    scene.registers = registers();
    scene.stack_len = sys::peek_prefix(scene.registers.sp as usize, &mut scene.stack) as u32;
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn registers() -> Registers {
    let (pc, sp, fp);
    // SAFETY: reads registers.
    unsafe {
        core::arch::asm!(
            "lea {pc}, [rip]",
            "mov {sp}, rsp",
            "mov {fp}, rbp",
            pc = out(reg) pc,
            sp = out(reg) sp,
            fp = out(reg) fp,
            options(nomem, nostack, preserves_flags),
        );
    }
    Registers { pc, sp, fp, lr: 0 }
}

/// The link register is as it happens to be: the caller's frame is on the stack.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn registers() -> Registers {
    let (pc, sp, fp, lr);
    // SAFETY: reads registers.
    unsafe {
        core::arch::asm!(
            "adr {pc}, .",
            "mov {sp}, sp",
            "mov {fp}, x29",
            "mov {lr}, x30",
            pc = out(reg) pc,
            sp = out(reg) sp,
            fp = out(reg) fp,
            lr = out(reg) lr,
            options(nomem, nostack, preserves_flags),
        );
    }
    Registers { pc, sp, fp, lr }
}

fn write_locks(scene: &mut Scene) {
    const _: () = assert!(LOCKS >= NOTES);
    scene.locks_len = 0;
    scene.locks_more = locks::not_noted() as u32;
    let repaired = u32::from(options::orphans() == Orphans::Repair);
    for (place, held) in scene.locks.iter_mut().zip(locks::noted()) {
        *place = HeldLock { address: held.lock as u64, tid: held.tid, repaired, kind: [0; 32] };
        put(&mut place.kind, held.kind.as_bytes());
        scene.locks_len += 1;
    }
}

/// First the threads that are inside of something, then as many others as there is room for.
fn write_threads(me: &Slot, stage: &mut Stage, last: &Stage, drain: Drain) {
    let scene = &mut stage.scene;
    scene.threads_len = 0;
    scene.threads_more = 0;
    let of_call = |inside: left::Inside| (inside.tid, inside.family.name(), inside.given_up);
    let of_lock = |held: Noted| (held.tid, "", true);
    let holders = locks::noted().filter(|held| !held.is_semaphore).map(of_lock);
    for (tid, family, given_up) in left::inside(me).map(of_call).chain(holders) {
        let known = scene.place_of(tid, THREADS);
        let place = known.or_else(|| scene.push(tid));
        if let Some(thread) = place.and_then(|place| scene.threads.get_mut(place)) {
            thread.given_up |= u32::from(given_up);
            if known.is_none() {
                put(&mut thread.family, family.as_bytes());
            }
        }
    }
    let inside = scene.threads_len as usize;
    sys::any_listed(|threads, tid| {
        let scene = &mut stage.scene;
        if tid == scene.forker {
            return false;
        }
        let known = scene.place_of(tid, inside);
        let Some(place) = known.or_else(|| scene.push(tid)) else {
            scene.threads_more += 1;
            return false;
        };
        let before = last.seen(tid, place);
        let used_ns = stage.used_ns.get_mut(place);
        if let (Some(thread), Some(used_ns)) = (scene.threads.get_mut(place), used_ns) {
            *used_ns = write_thread(threads, thread, known.is_some(), before.as_ref());
            if known.is_some() {
                // Who was given up at an earlier fork and stayed inside is not given up anew.
                let earlier = before.filter(|b| drain.gave_up == 0 && b.thread.given_up != 0);
                let since_ns = scene.time_ns.saturating_sub(last.scene.time_ns);
                let so_far = earlier.map_or(0, |before| before.thread.inside_ns + since_ns);
                thread.inside_ns = so_far + drain.waited_ns;
            }
        }
        false
    });
}

/// Writes down where a thread is and what it is called; that it is `inside` of something makes it worth a closer
/// look. Returns how long it has had a processor.
fn write_thread(
    threads: c_int,
    thread: &mut Thread,
    inside: bool,
    before: Option<&Seen<'_>>,
) -> u64 {
    // First: if it runs meanwhile, this will be another number at the next fork.
    let used_ns = sys::processor_ns(thread.tid).unwrap_or(0);
    let before = before.filter(|before| before.used_ns <= used_ns);
    let asleep = before.filter(|before| before.used_ns == used_ns && used_ns != 0);
    match asleep.filter(|before| before.thread.registers.pc != 0) {
        Some(before) => thread.registers = before.thread.registers,
        None => {
            let (pc, sp) = sys::left_user_code(threads, thread.tid).unwrap_or((0, 0));
            thread.registers = Registers { pc, sp, fp: 0, lr: 0 };
        }
    }
    // As a rule a thread is named when it begins.
    let named = asleep.or(before.filter(|before| !inside && before.used_ns > YOUTH_NS));
    match named.filter(|before| before.thread.name[0] != 0) {
        Some(before) => thread.name = before.thread.name,
        None => {
            let mut name = [0; 32];
            let name = sys::listed_file(threads, thread.tid, "comm", &mut name).unwrap_or_default();
            put(&mut thread.name, name.trim_ascii_end());
        }
    }
    used_ns
}

impl Stage {
    /// Thread `tid` as it is in this scene, most likely at `place`.
    fn seen(&self, tid: u32, place: usize) -> Option<Seen<'_>> {
        let is_it = |place: &usize| self.scene.threads.get(*place).is_some_and(|t| t.tid == tid);
        let len = self.scene.threads_len as usize;
        let place = Some(place).filter(|place| *place < len).filter(is_it);
        let place = place.or_else(|| self.scene.place_of(tid, len))?;
        let thread = self.scene.threads.get(place)?;
        Some(Seen { thread, used_ns: *self.used_ns.get(place)? })
    }
}

/// A thread that nothing is known of.
const EMPTY: Thread = Thread {
    tid: 0,
    given_up: 0,
    registers: Registers { pc: 0, sp: 0, fp: 0, lr: 0 },
    inside_ns: 0,
    family: [0; 16],
    name: [0; 16],
};

impl Scene {
    /// Where thread `tid` is among the first `len`.
    fn place_of(&self, tid: u32, len: usize) -> Option<usize> {
        let len = len.min(self.threads_len as usize);
        self.threads.get(..len)?.iter().position(|thread| thread.tid == tid)
    }

    /// Takes the next free place, for thread `tid`.
    fn push(&mut self, tid: u32) -> Option<usize> {
        let place = self.threads_len as usize;
        *self.threads.get_mut(place)? = Thread { tid, ..EMPTY };
        self.threads_len += 1;
        Some(place)
    }
}

fn write_python(scene: &mut Scene) {
    scene.python_len = 0;
    let python = TEXT.load(Ordering::Acquire);
    if TEXT_OF.swap(0, Ordering::Acquire) != scene.forker || python.is_null() {
        return;
    }
    // SAFETY: mapped; written by this thread, and by no other while it has the interpreter.
    let Python { len, text } = unsafe { &*python };
    let text = text.get(..*len as usize).unwrap_or_default();
    if let Some(to) = scene.python.get_mut(..text.len()) {
        to.copy_from_slice(text);
        scene.python_len = text.len() as u32;
    }
}
