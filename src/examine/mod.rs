//! From a child that hangs to a report of what it waits for: which lock, held by whom, forked where, and why
//! forkfix did not prevent it.
//!
//! | room | what lives there |
//! |---|---|
//! | `memory`, `registers` | the child's memory and registers, read from outside |
//! | `modules`, `object` | what lies where in it, and the files of its programs and libraries |
//! | `unwind`, `machine`, `symbols` | stacks, and the names of what is on them |
//! | `scene` | what the library wrote down before the fork |
//! | `locks`, `address`, `holder` | what is waited for, where that is, and who had it |
//! | `python` | stacks of Python |
//! | `advice` | why, and what to do |
//!
//! The child is untrusted: any of its bytes may be anything. What cannot be found out is left out of the report.

mod address;
mod advice;
mod holder;
mod locks;
mod machine;
mod memory;
mod modules;
mod object;
mod python;
mod registers;
mod scene;
mod symbols;
mod unwind;

use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};

use crate::report::model::{Frame, Hang, Holder, Lock, Reason, Thread};
use crate::watch::Candidate;

use holder::{Place, Sought};
use locks::Class;
use memory::Memory;
use modules::{Cache, Modules};
use registers::Stopped;
use scene::Scene;
use unwind::{Overlay, Stack, Stacks};

/// Threads whose stacks a report has.
const THREADS: usize = 32;

/// Examines hung children; remembers the files of their programs.
#[derive(Default)]
pub(crate) struct Examiner {
    cache: Cache,
}

impl Examiner {
    /// What hangs in `child`. When it hung, and what is done to it, is for the caller to fill in.
    pub(crate) fn examine(&mut self, child: &Candidate) -> Hang {
        let told = Hang {
            pid: child.pid,
            ppid: child.ppid,
            argv0: child.argv0.clone(),
            waited_ms: u64::try_from(child.waited.as_millis()).unwrap_or(u64::MAX),
            test: child.test.clone(),
            ..Hang::default()
        };
        // Objects are read by libraries that may meet what they do not expect.
        let found = panic::catch_unwind(AssertUnwindSafe(|| self.look_into(child)));
        let found = found.unwrap_or_else(|_| {
            self.cache = Cache::default();
            let text =
                "The child could not be looked into, which is a mistake of forkfix.".to_owned();
            Hang { reason: Reason { code: "FF-UNKNOWN".to_owned(), text }, ..Hang::default() }
        });
        let Hang { lock, waiting, holder, fork, reason, advice, .. } = found;
        Hang { lock, waiting, holder, fork, reason, advice, ..told }
    }

    /// What is found in its memory.
    fn look_into(&mut self, child: &Candidate) -> Hang {
        let threads = registers::threads(child.pid);
        let memory = Memory::of(child.pid);
        let modules = Modules::of(child.pid, &memory, &mut self.cache);
        let stacks = Stacks::of(&memory, &modules);
        let scene = Scene::read(&memory, child.scene_address, child.serial);
        let scene = scene.unwrap_or_else(|| Scene::told(&child.fork));
        let has_python = python::is_there(&modules);
        let mut python = if has_python { python::stacks(child.pid) } else { HashMap::new() };
        let place = Place { scene: &scene, memory: &memory, modules: &modules, stacks: &stacks };

        let mut waits: Vec<Wait> =
            threads.iter().take(THREADS).map(|thread| place.wait(thread)).collect();
        // The report is about the thread that tells most; the others may all wait for that one.
        waits.sort_by_key(|wait| wait.rank());
        let about = waits.first();
        let (class, holder) =
            about.map_or((Class::Unknown, None), |wait| (wait.class, wait.holder.clone()));
        let lock = about.map_or_else(Lock::default, |wait| wait.lock.clone());

        let facts = advice::Facts {
            class,
            holder: holder.as_ref(),
            scene: &scene,
            options: advice::Options::of(child.pid),
            others: child.others,
            has_python,
        };
        let (reason, advice) = advice::of(&facts);
        for Wait { thread, .. } in &mut waits {
            thread.python = python.remove(&thread.tid).unwrap_or_default();
        }
        Hang {
            lock,
            fork: place.forker(&child.forker),
            waiting: waits.into_iter().map(|wait| wait.thread).collect(),
            holder,
            reason,
            advice,
            ..Hang::default()
        }
    }
}

/// A thread of the child, and what it waits for.
struct Wait {
    thread: Thread,
    class: Class,
    lock: Lock,
    holder: Option<Holder>,
}

impl Wait {
    /// The lower, the more it tells.
    fn rank(&self) -> u32 {
        match self.class {
            _ if self.holder.is_some() => 0,
            Class::Unknown => 3,
            Class::Join | Class::Condition | Class::Barrier => 2,
            _ => 1,
        }
    }
}

impl Place<'_> {
    /// What `thread` of the child waits for.
    fn wait(&self, thread: &Stopped) -> Wait {
        let stack = self.stacks.unwind(thread.registers, None);
        let frames = symbols::frames(&stack.addresses, self.modules);
        let waiting = locks::waiting(&frames);
        // Inlined functions have no place of their own on the stack.
        let depth = frames.iter().take(waiting.depth).filter(|frame| !frame.inlined).count();
        let waiting = match self.called(&stack, depth) {
            Some(function) => waiting.by_call(&function),
            None => waiting,
        };
        let futex = thread.futex.unwrap_or(0);
        let (class, memory, modules) = (waiting.class, self.memory, self.modules);
        let of = |futex| address::of(class, futex, &stack, depth, memory, modules);
        let address = thread.futex.and_then(of);
        let lock = address::describe(&waiting.kind, address, self.modules);
        let holder = self.holder(&Sought { class, address, futex });
        let thread = Thread {
            tid: thread.tid,
            name: thread.name.clone(),
            frames: symbols::without_ours(frames),
            ..Thread::default()
        };
        Wait { thread, class, lock, holder }
    }

    /// The function that the frame at `depth` has called, if its code says which.
    fn called(&self, stack: &Stack, depth: usize) -> Option<Frame> {
        let returns = stack.addresses.get(depth)?;
        let called = machine::call(*returns, &|address| self.memory.word(address))??;
        symbols::frames(&[called], self.modules).pop()
    }

    /// Where the child was forked. `name`: that of the forking thread.
    fn forker(&self, name: &str) -> Option<Thread> {
        let scene = self.scene;
        let overlay = Overlay { start: scene.registers.sp, bytes: &scene.stack };
        let stack = self.stacks.unwind(scene.registers, Some(&overlay));
        let frames = symbols::frames(&stack.addresses, self.modules);
        let inside = |frame: &&Frame| locks::is_system(frame.module.as_deref().unwrap_or_default());
        let calls = frames.iter().take_while(inside).count();
        (scene.forker != 0).then(|| Thread {
            tid: scene.forker,
            name: name.to_owned(),
            frames: symbols::without_ours(frames.into_iter().skip(calls).collect()),
            python: scene
                .python(scene.forker)
                .map_or_else(Vec::new, |python| python.frames.clone()),
        })
    }
}
