//! Who held the lock at the fork, and whose stack that was.
//!
//! A thread that is gone in the child has left its stack in the child's memory. What it was about is told by, in
//! this order: what forkfix kept track of, what the lock says of its owner, which call of libc it was in, and
//! whose stack alone refers to the lock.

use super::locks::{self, Class};
use super::machine;
use super::memory::Memory;
use super::modules::Modules;
use super::scene::{Other, Scene};
use super::symbols;
use super::unwind::{Stack, Stacks};
use crate::report::model::{Holder, Thread};

/// What is known of the lock.
pub(super) struct Sought {
    pub(super) class: Class,
    pub(super) address: Option<u64>,
    /// What the kernel waits on.
    pub(super) futex: u64,
}

/// How much of a function is searched for it, in bytes.
const CODE: u64 = 64 << 10;

/// Where to look.
pub(super) struct Place<'a> {
    pub(super) scene: &'a Scene,
    pub(super) memory: &'a Memory,
    pub(super) modules: &'a Modules,
    pub(super) stacks: &'a Stacks<'a>,
}

/// How much of a thread's stack is searched for the lock's address, in bytes.
const SEARCHED: u64 = 256 << 10;

impl Place<'_> {
    /// The thread that held the lock, if that can be told.
    pub(super) fn holder(&self, sought: &Sought) -> Option<Holder> {
        if matches!(sought.class, Class::Pool(_) | Class::Join | Class::Barrier | Class::Condition)
        {
            return None;
        }
        let ways = [
            ("recorded", self.recorded(sought)),
            ("owner", self.owner(sought)),
            ("call", self.caller(sought)),
        ];
        let known = ways.into_iter().find_map(|(known_by, tid)| Some((known_by, tid?)));
        let known = known.or_else(|| Some(("stack", self.referrer(sought)?)));
        let (known_by, tid) = known?;
        Some(self.described(tid, known_by))
    }

    /// The one that forkfix saw take it.
    fn recorded(&self, sought: &Sought) -> Option<u32> {
        let is = |address| Some(address) == sought.address || address == sought.futex;
        self.scene.locks.iter().find(|lock| is(lock.address)).map(|lock| lock.tid)
    }

    /// The one that the lock in the child's memory names: glibc's `__owner` of a mutex and `__cur_writer` of a
    /// read-write lock (`struct_mutex.h`, `struct_rwlock.h`), musl's lock word.
    fn owner(&self, sought: &Sought) -> Option<u32> {
        const MUSL_TID: u32 = 0x3fff_ffff;
        let musl = self.modules.iter().any(|module| module.object.name.starts_with("ld-musl"));
        let address = sought.address?;
        let owner = match sought.class {
            Class::Mutex if musl => self.memory.half(address.checked_add(4)?)? & MUSL_TID,
            Class::Mutex => self.memory.half(address.checked_add(8)?)?,
            Class::ReadWrite if !musl => self.memory.half(address.checked_add(24)?)?,
            _ => return None,
        };
        let known = owner == self.scene.forker || self.scene.thread(owner).is_some();
        known.then_some(owner).filter(|owner| *owner != 0)
    }

    /// The one that was in a call of the same family: one that the fork gave up on rather than another.
    fn caller(&self, sought: &Sought) -> Option<u32> {
        let Class::Libc(family) = sought.class else { return None };
        let inside = |thread: &&Other| thread.family == family;
        let threads = || self.scene.threads.iter();
        let given_up = threads().filter(inside).find(|thread| thread.given_up);
        let by_stack = |thread: &&Other| {
            let stack = self.stacks.unwind(thread.registers, None);
            self.family(&stack) == Some(family)
        };
        let found = given_up.or_else(|| only(threads().filter(by_stack)))?;
        Some(found.tid)
    }

    /// The family of the calls of libc that a stack is in, unless it waits there for a lock itself.
    fn family(&self, stack: &Stack) -> Option<&'static str> {
        let innermost = stack.addresses.get(..stack.addresses.len().min(24)).unwrap_or_default();
        let frames = symbols::frames(innermost, self.modules);
        let waits = frames.iter().any(|frame| {
            frame.function.as_deref().is_some_and(|function| function.contains("lll_lock_wait"))
        });
        match locks::waiting(&frames).class {
            Class::Libc(family) if !waits => Some(family),
            _ => None,
        }
    }

    /// The only one whose stack has the lock's address and which does not wait for such a lock itself.
    fn referrer(&self, sought: &Sought) -> Option<u32> {
        let address = sought.address?;
        if sought.class == Class::Unknown || matches!(sought.class, Class::Libc(_)) {
            return None;
        }
        let stacks = self.scene.threads.iter().map(|other| {
            let stack = self.stacks.unwind(other.registers, None);
            (other.tid, stack)
        });
        let stacks: Vec<_> =
            stacks.filter(|(_, stack)| !self.waits_so(stack, sought.class)).collect();
        let mentioned = only(stacks.iter().filter(|(_, stack)| self.mentions(stack, address)));
        let named = || only(stacks.iter().filter(|(_, stack)| self.names(stack, address)));
        mentioned.or_else(named).map(|(tid, _)| *tid)
    }

    /// Whether the lock's address is on the stack.
    fn mentions(&self, stack: &Stack, address: u64) -> bool {
        let (Some(start), Some(end)) = (stack.pointers.first(), stack.pointers.last()) else {
            return false;
        };
        // The outermost frame is libc's, which starts threads.
        let end = (*end).min(start.saturating_add(SEARCHED));
        (start & !7..end).step_by(8).any(|at| self.memory.word(at) == Some(address))
    }

    /// Whether a function of the program that is on the stack has the lock's address in its code, as it has that
    /// of a global.
    fn names(&self, stack: &Stack, address: u64) -> bool {
        let is_named = |returns: &u64| {
            let inside = returns.wrapping_sub(1);
            let module = self.modules.at(inside)?;
            (!locks::is_system(&module.object.name)).then_some(())?;
            let function = module.object.symbols().function(module.stated(inside))?;
            let length = (function.range.end - function.range.start).min(CODE);
            let start = function.range.start.wrapping_add(module.bias);
            let mut code = vec![0; usize::try_from(length).ok()?];
            self.memory.read(start, &mut code)?;
            machine::names(&code, start, address).then_some(())
        };
        stack.addresses.iter().any(|returns| is_named(returns).is_some())
    }

    /// Whether the thread itself waits for a lock of this class.
    fn waits_so(&self, stack: &Stack, class: Class) -> bool {
        let innermost = stack.addresses.get(..stack.addresses.len().min(24)).unwrap_or_default();
        locks::waiting(&symbols::frames(innermost, self.modules)).class == class
    }

    /// Thread `tid` as a report has it.
    fn described(&self, tid: u32, known_by: &str) -> Holder {
        let mut thread = Thread { tid, ..Thread::default() };
        let mut held_us = None;
        if let Some(other) = self.scene.thread(tid) {
            thread.name.clone_from(&other.name);
            let stack = self.stacks.unwind(other.registers, None);
            thread.frames = symbols::without_ours(symbols::frames(&stack.addresses, self.modules));
            held_us = (other.inside_ns > 0).then_some(other.inside_ns / 1000);
        }
        if let Some(python) = self.scene.python(tid) {
            thread.name.clone_from(&python.name);
            thread.python.clone_from(&python.frames);
        }
        Holder { thread, known_by: known_by.to_owned(), held_us }
    }
}

/// The one thing that there is.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}
