//! What the library writes while it is watched, and where: the one file that the library and the command
//! share, so that both read and write the same bytes. No code of either is needed here.
//!
//! Two places:
//!
//! * The *ring*, a file that every process of the watched program maps: one [`Event`] for each thing that
//!   happens, small, read all the time. Many writers, one reader.
//! * The *scene*, in the private memory of each process: who did what when it forked last. A child has a copy
//!   of its parent's, with all the stacks it speaks of, and only one that hangs is ever looked at.
//!
//! All numbers are in the machine's own byte order; times are `CLOCK_MONOTONIC` in nanoseconds.

use core::sync::atomic::AtomicU64;

/// The ring's file, in its directory.
pub(crate) const RING: &str = "ring";

/// The first bytes of a ring.
pub(crate) const MAGIC: [u8; 8] = *b"forkfix\0";

/// Changes with any change of this file.
pub(crate) const VERSION: u32 = 1;

/// How many events a ring has room for: a power of two. At 4,000 events a second, 4 s.
pub(crate) const CAPACITY: usize = 1 << 14;

/// The ring: a file of exactly this size.
#[repr(C)]
pub(crate) struct Ring {
    pub(crate) header: Header,
    pub(crate) slots: [Slot; CAPACITY],
}

/// Its first page.
#[repr(C, align(4096))]
pub(crate) struct Header {
    /// [`MAGIC`].
    pub(crate) magic: [u8; 8],
    /// [`VERSION`].
    pub(crate) version: u32,
    /// The size of a [`Slot`], in bytes.
    pub(crate) slot_size: u32,
    /// [`CAPACITY`].
    pub(crate) capacity: u64,
    /// The process that reads.
    pub(crate) reader: u32,
    /// How many events writers have claimed places for: event `n` belongs into slot `n % CAPACITY`.
    pub(crate) claimed: Line<AtomicU64>,
    /// How many of them the reader is done with. A writer that finds all slots taken drops its event.
    pub(crate) read: Line<AtomicU64>,
    /// Events that were dropped for want of room.
    pub(crate) dropped: Line<AtomicU64>,
}

/// A cache line of its own.
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub(crate) T);

/// One place of the ring.
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// `n + 1` when event `n` is here, written last; 0 or an older number before.
    pub(crate) number: AtomicU64,
    /// [`checksum`] of the number and the event.
    pub(crate) check: u64,
    pub(crate) event: Event,
}

/// Something that happened. What the fields mean depends on the [`Kind`]; unused ones are 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Event {
    /// A [`Kind`].
    pub(crate) kind: u32,
    /// The process that writes.
    pub(crate) pid: u32,
    /// The thread that the event is about.
    pub(crate) tid: u32,
    pub(crate) code: u32,
    pub(crate) time_ns: u64,
    /// Which fork: its forker's process id in the upper half, a number of that process in the lower.
    /// A child knows that of the fork that made it.
    pub(crate) serial: u64,
    pub(crate) numbers: [u64; 6],
    /// A thread's name, filled up with zeroes.
    pub(crate) name: [u8; 16],
    /// Text, filled up with zeroes.
    pub(crate) text: [u8; TEXT],
}

/// How much text an event has, in bytes.
pub(crate) const TEXT: usize = 144;

const _: () = assert!(size_of::<Slot>() == 256);

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    /// A program began with the library in it, perhaps by an exec of a forked child.
    /// `numbers[0]`: the parent's process id; `text`: `argv[0]`.
    Start = 1,
    /// A thread is about to fork, all others are quiesced. `name`: the forker's; `code`: how many other threads the
    /// library knows; `text`: the test that runs, as `NAME=value` of a test runner's variable, if there is one.
    Fork,
    /// The fork had to wait. `numbers`: for how many ns, threads given up, threads waived.
    Drain,
    /// A thread was still inside when the fork went on. `tid` and `name`: its; `text`: its family or the kind of
    /// its lock; `numbers[0]`: the lock's address or 0; `[1]`: for how many ns the forker has seen it inside.
    GiveUp,
    /// In the child: locks were made free. `code`: how many.
    Repair,
    /// The child is about to run the program's own child handlers, then returns from `fork`. `numbers[0]`: the
    /// parent's process id; `numbers[1]`: the address of the [`Scene`].
    Ready,
    /// The process is about to become another program. `text`: its path, as far as it fits.
    Exec,
    /// It has not: exec failed.
    ExecFailed,
    /// The process ends by `exit` or a return from `main`. `code`: 0.
    Exit,
    /// `fork` failed. `code`: errno.
    Failed,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Start,
        Self::Fork,
        Self::Drain,
        Self::GiveUp,
        Self::Repair,
        Self::Ready,
        Self::Exec,
        Self::ExecFailed,
        Self::Exit,
        Self::Failed,
    ];

    /// The kind with this number.
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == code)
    }
}

/// Guards against events that were torn or written over: FNV-1a over 64-bit words.
pub(crate) fn checksum(number: u64, event: &Event) -> u64 {
    const WORDS: usize = size_of::<Event>() / 8;
    const _: () = assert!(size_of::<Event>().is_multiple_of(8));
    // SAFETY: an event is plain numbers and bytes, without padding (see its size), aligned like `u64`.
    let words: &[u64; WORDS] = unsafe { &*core::ptr::from_ref(event).cast() };
    words.iter().fold(0xcbf2_9ce4_8422_2325 ^ number, |sum, word| {
        (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Threads that a scene has room for.
pub(crate) const THREADS: usize = 64;
/// Locks that a scene has room for.
pub(crate) const LOCKS: usize = 64;
/// How much of the forker's stack a scene has, in bytes.
pub(crate) const STACK: usize = 16 << 10;
/// How much text about the threads of an interpreter, in bytes.
pub(crate) const PYTHON: usize = 16 << 10;

/// The state of the process when it forked last. All zeroes is a valid one that says nothing.
#[repr(C)]
pub(crate) struct Scene {
    /// [`MAGIC`], written last.
    pub(crate) magic: [u8; 8],
    /// [`VERSION`].
    pub(crate) version: u32,
    /// The forking thread, by its id in the parent.
    pub(crate) forker: u32,
    /// Which fork this was; see [`Event::serial`].
    pub(crate) serial: u64,
    pub(crate) time_ns: u64,
    /// How many `threads` there are here, and how many there was no room for.
    pub(crate) threads_len: u32,
    pub(crate) threads_more: u32,
    /// The same for `locks`.
    pub(crate) locks_len: u32,
    pub(crate) locks_more: u32,
    /// Bytes of `stack` and of `python` in use.
    pub(crate) stack_len: u32,
    pub(crate) python_len: u32,
    /// The forker's registers, inside of the library.
    pub(crate) registers: Registers,
    pub(crate) threads: [Thread; THREADS],
    pub(crate) locks: [HeldLock; LOCKS],
    /// The forker's stack from its stack pointer on.
    pub(crate) stack: [u8; STACK],
    /// Stacks of the threads that run Python: for each a line `thread TID NAME`, then one line a frame,
    /// innermost first: `FILE:LINE FUNCTION`.
    pub(crate) python: [u8; PYTHON],
}

/// What unwinding begins with. 0: not known.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Registers {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    /// The frame pointer: `rbp` or `x29`.
    pub(crate) fp: u64,
    /// The link register; 0 on x86-64.
    pub(crate) lr: u64,
}

/// A thread other than the forker.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    pub(crate) tid: u32,
    /// 1 if the forker gave up on it, else 0: it was still inside.
    pub(crate) given_up: u32,
    /// Where its user code was, if it was in a system call: `pc` and `sp` only. Its stack is still in the memory of
    /// the child.
    pub(crate) registers: Registers,
    /// For how long the forker had seen it inside, in ns.
    pub(crate) inside_ns: u64,
    /// The family of calls that it was inside of, filled up with zeroes; empty if none.
    pub(crate) family: [u8; 16],
    pub(crate) name: [u8; 16],
}

/// A lock that a thread other than the forker held.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct HeldLock {
    pub(crate) address: u64,
    pub(crate) tid: u32,
    /// 1 if it was made free in the child, else 0.
    pub(crate) repaired: u32,
    /// Its kind in words, such as `mutex`, filled up with zeroes.
    pub(crate) kind: [u8; 32],
}
