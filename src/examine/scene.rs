//! What the library wrote into the child's memory just before the fork: who else was there.
//!
//! The child may have written over it since, so that every number in it is checked.

use super::memory::Memory;
use super::registers::Registers;
use crate::report::model::{Fork, Frame, GaveUp};
use crate::watch::{format, unpadded};

/// The state of the parent at the fork.
#[derive(Debug, Default)]
pub(super) struct Scene {
    /// The forking thread, by its id in the parent.
    pub(super) forker: u32,
    /// Its registers, and its stack from there on.
    pub(super) registers: Registers,
    pub(super) stack: Vec<u8>,
    /// The other threads.
    pub(super) threads: Vec<Other>,
    pub(super) locks: Vec<Held>,
    /// Threads that run Python, the forking one among them.
    pub(super) python: Vec<Python>,
}

/// A thread of the parent other than the forking one.
#[derive(Debug, Default)]
pub(super) struct Other {
    pub(super) tid: u32,
    pub(super) name: String,
    /// The fork did not wait for it any longer.
    pub(super) given_up: bool,
    pub(super) inside_ns: u64,
    /// The family of libc's calls that it was inside of, or empty.
    pub(super) family: String,
    pub(super) registers: Registers,
}

/// A lock that one of them held.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) address: u64,
    pub(super) tid: u32,
}

/// The Python stack of one thread.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Python {
    pub(super) tid: u32,
    pub(super) name: String,
    pub(super) frames: Vec<Frame>,
}

/// How many Python frames a thread has at most.
const DEEPEST: usize = 128;

impl Scene {
    /// The one at `address`, if the one of fork `serial` is there.
    pub(super) fn read(memory: &Memory, address: u64, serial: u64) -> Option<Self> {
        const WORDS: usize = size_of::<format::Scene>() / 8;
        const _: () = assert!(
            size_of::<format::Scene>().is_multiple_of(8) && align_of::<format::Scene>() == 8
        );
        let mut words = vec![0_u64; WORDS];
        // SAFETY: the same memory as bytes, of which any are valid numbers.
        let bytes = unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), WORDS * 8) };
        memory.read(address, bytes)?;
        // SAFETY: as many words as a scene has, aligned as it is; any bytes are a valid scene.
        let scene: &format::Scene = unsafe { &*words.as_ptr().cast() };
        (scene.serial == serial).then(|| Self::of(scene))?
    }

    /// What is known without one: `fork`.
    pub(super) fn told(fork: &Fork) -> Self {
        let other = |thread: &GaveUp| Other {
            tid: thread.tid,
            name: thread.name.clone(),
            given_up: true,
            inside_ns: thread.inside_us.saturating_mul(1000),
            family: thread.inside.clone(),
            ..Other::default()
        };
        Self {
            forker: fork.tid,
            threads: fork.gave_up.iter().map(other).collect(),
            ..Self::default()
        }
    }

    fn of(scene: &format::Scene) -> Option<Self> {
        (scene.magic == format::MAGIC && scene.version == format::VERSION).then_some(())?;
        let stack = taken(&scene.stack, scene.stack_len);
        let python = String::from_utf8_lossy(taken(&scene.python, scene.python_len));
        Some(Self {
            forker: scene.forker,
            registers: registers(scene.registers),
            stack: stack.to_vec(),
            threads: taken(&scene.threads, scene.threads_len).iter().map(other).collect(),
            locks: taken(&scene.locks, scene.locks_len).iter().map(held).collect(),
            python: pythons(&python),
        })
    }

    /// The thread `tid`, if it was not the forking one.
    pub(super) fn thread(&self, tid: u32) -> Option<&Other> {
        self.threads.iter().find(|thread| thread.tid == tid)
    }

    /// What thread `tid` ran in Python.
    pub(super) fn python(&self, tid: u32) -> Option<&Python> {
        self.python.iter().find(|thread| thread.tid == tid)
    }
}

/// The first `length` of `all`, if there are so many.
fn taken<T>(all: &[T], length: u32) -> &[T] {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    all.get(..length).unwrap_or(all)
}

fn other(thread: &format::Thread) -> Other {
    Other {
        tid: thread.tid,
        name: unpadded(&thread.name),
        given_up: thread.given_up == 1,
        inside_ns: thread.inside_ns,
        family: unpadded(&thread.family),
        registers: registers(thread.registers),
    }
}

fn held(lock: &format::HeldLock) -> Held {
    Held { address: lock.address, tid: lock.tid }
}

fn registers(all: format::Registers) -> Registers {
    Registers { pc: all.pc, sp: all.sp, fp: all.fp, lr: all.lr }
}

/// The threads of [`format::Scene::python`]. Lines of another form are passed over.
fn pythons(text: &str) -> Vec<Python> {
    let mut threads: Vec<Python> = Vec::new();
    for line in text.lines() {
        if let Some((tid, name)) = line.strip_prefix("thread ").and_then(thread) {
            threads.push(Python { tid, name: name.to_owned(), frames: Vec::new() });
        } else if let (Some(last), Some(frame)) = (threads.last_mut(), frame(line)) {
            last.frames.push(frame);
            last.frames.truncate(DEEPEST);
        }
    }
    threads
}

/// `TID NAME`.
fn thread(text: &str) -> Option<(u32, &str)> {
    let (tid, name) = text.split_once(' ').unwrap_or((text, ""));
    Some((tid.parse().ok()?, name))
}

/// `FILE:LINE FUNCTION`, where the file may have any characters.
fn frame(line: &str) -> Option<Frame> {
    let (place, function) = line.rsplit_once(' ')?;
    let (file, number) = place.rsplit_once(':')?;
    Some(Frame {
        function: Some(function.to_owned()),
        file: Some(file.to_owned()),
        line: Some(number.parse().ok()?),
        ..Frame::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn python_frame(file: &str, line: u32, function: &str) -> Frame {
        let function = Some(function.to_owned());
        Frame { function, file: Some(file.to_owned()), line: Some(line), ..Frame::default() }
    }

    #[test]
    fn python_stacks_are_read() {
        let text = "thread 12 MainThread\n/a b/c:d.py:7 <module>\nthread 13 \nx.py:1 f\nx.py:2 g\n";
        let threads = pythons(text);
        assert_eq!(threads[0].name, "MainThread");
        assert_eq!(threads[0].frames, [python_frame("/a b/c:d.py", 7, "<module>")]);
        assert_eq!((threads[1].tid, threads[1].frames.len()), (13, 2));
    }

    #[test]
    fn what_is_no_python_stack_is_passed_over() {
        let text = "x.py:1 early\nthread x y\nthread 5\n:\n a\nb:c d\nx.py:9999999999999 f\n";
        assert_eq!(pythons(text), [Python { tid: 5, ..Python::default() }]);
    }

    #[test]
    fn a_scene_must_say_that_it_is_one() {
        assert!(Scene::of(&garbage(0)).is_none());
        assert!(Scene::of(&garbage(0xff)).is_none());
    }

    fn garbage(byte: u8) -> Box<format::Scene> {
        // SAFETY: any bytes are a valid scene.
        let mut scene: Box<format::Scene> = unsafe { Box::new_zeroed().assume_init() };
        // SAFETY: the scene is ours, and as long as its type says.
        unsafe { std::ptr::write_bytes(&raw mut *scene, byte, 1) };
        scene
    }

    proptest! {
        #[test]
        fn any_garbage_is_bounded(byte: u8, lengths: [u32; 4], python: Vec<u8>) {
            let mut scene = garbage(byte);
            (scene.magic, scene.version) = (format::MAGIC, format::VERSION);
            [scene.threads_len, scene.locks_len, scene.stack_len, scene.python_len] = lengths;
            for (to, from) in scene.python.iter_mut().zip(python) {
                *to = from;
            }
            let read = Scene::of(&scene).expect("it says that it is one");
            prop_assert!(read.threads.len() <= format::THREADS && read.locks.len() <= format::LOCKS);
            prop_assert!(read.stack.len() <= format::STACK);
        }
    }
}
