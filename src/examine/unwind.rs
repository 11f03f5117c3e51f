//! Stacks: from a thread's registers to its return addresses.
//!
//! The objects' unwind tables tell how. Where they need the frame pointer and it is not known, as of threads that
//! are gone, or where there are no tables, a frame record on the stack is looked for: next to a saved frame pointer
//! the return address of a call that may have led here.

use std::cell::RefCell;

use framehop::{FrameAddress, Module, Unwinder as _};

use super::machine::{self, Cache, State, Unwinder};
use super::memory::Memory;
use super::modules::Modules;
use super::object::Part;
use super::registers::Registers;

/// How many frames a stack has at most: more are of a recursion without an end.
const DEEPEST: usize = 128;

/// How far up a frame record is looked for, in bytes.
const FRAME: u64 = 64 << 10;

/// How many records are tried for one frame.
const RECORDS: usize = 16;

/// How many frames of one stack may need that.
const GUESSES: u32 = 3;

/// A stack, innermost frame first.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    /// The program counter, then return addresses.
    pub(super) addresses: Vec<u64>,
    /// The stack pointer in each of these frames.
    pub(super) pointers: Vec<u64>,
}

/// A copy of a part of a stack, from before the child changed it.
pub(super) struct Overlay<'a> {
    pub(super) start: u64,
    pub(super) bytes: &'a [u8],
}

impl Overlay<'_> {
    fn word(&self, address: u64) -> Option<u64> {
        let start = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(8)?)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }
}

/// What stacks of one process are unwound with.
pub(super) struct Stacks<'a> {
    memory: &'a Memory,
    modules: &'a Modules,
    unwinder: Unwinder<Part>,
    cache: RefCell<Cache>,
}

impl<'a> Stacks<'a> {
    pub(super) fn of(memory: &'a Memory, modules: &'a Modules) -> Self {
        let mut unwinder = Unwinder::new();
        for module in modules.iter() {
            let (range, object) = (module.range.clone(), &module.object);
            let start = range.start;
            unwinder.add_module(Module::new(object.name.clone(), range, start, &**object));
        }
        Self { memory, modules, unwinder, cache: RefCell::default() }
    }

    /// The stack of a thread with these registers.
    pub(super) fn unwind(&self, registers: Registers, overlay: Option<&Overlay<'_>>) -> Stack {
        let mut stack = Stack::default();
        if registers.pc == 0 || registers.sp == 0 {
            return stack;
        }
        let word = |address: u64| {
            overlay.and_then(|overlay| overlay.word(address)).or_else(|| self.memory.word(address))
        };
        let start = machine::start(registers);
        let frame = FrameAddress::from_instruction_pointer(registers.pc);
        self.walk(&mut stack, start, frame, &word, GUESSES);
        stack
    }

    /// Appends the frames from `frame` on. Returns whether the outermost one was reached.
    fn walk(
        &self,
        stack: &mut Stack,
        mut state: State,
        mut frame: FrameAddress,
        word: &dyn Fn(u64) -> Option<u64>,
        guesses: u32,
    ) -> bool {
        let depth = stack.addresses.len();
        loop {
            stack.addresses.push(frame.address());
            stack.pointers.push(state.sp());
            if stack.addresses.len() >= DEEPEST {
                return false;
            }
            match self.step(state, frame, word) {
                Ok(Some((next, following))) => (state, frame) = (next, following),
                Ok(None) if machine::frame_pointer(&state) != 0 => return true,
                result => {
                    return self.guess(stack, state, frame, word, guesses) || result == Ok(None);
                }
            }
            // Whoever wrote over the stack may have made a ring of it.
            if stack.addresses.len() > depth + 1 && stack.pointers.last() >= Some(&state.sp()) {
                return false;
            }
        }
    }

    /// The caller of `frame`; `Ok(None)` if it is the outermost one.
    fn step(
        &self,
        mut state: State,
        frame: FrameAddress,
        word: &dyn Fn(u64) -> Option<u64>,
    ) -> Result<Option<(State, FrameAddress)>, ()> {
        let mut cache = self.cache.borrow_mut();
        let mut read = |address| word(address).ok_or(());
        let result = self.unwinder.unwind_frame(frame, &mut state, &mut cache, &mut read);
        let Some(address) = result.map_err(drop)? else { return Ok(None) };
        let caller =
            FrameAddress::from_return_address(address).filter(|_| self.modules.is_code(address));
        caller.map(|caller| Some((state, caller))).ok_or(())
    }

    /// Goes on from `frame` with a frame record that is looked for: the nearest from which the outermost frame is
    /// reached, or else the nearest one.
    fn guess(
        &self,
        stack: &mut Stack,
        state: State,
        frame: FrameAddress,
        word: &dyn Fn(u64) -> Option<u64>,
        guesses: u32,
    ) -> bool {
        let Some(guesses) = guesses.checked_sub(1) else { return false };
        let mut nearest = None;
        for record in self.records(frame, state.sp(), word).take(RECORDS) {
            let state = machine::with_frame_pointer(state, record);
            let Ok(Some((next, caller))) = self.step(state, frame, word) else { continue };
            let mut longer = stack.clone();
            if self.walk(&mut longer, next, caller, word, guesses) {
                *stack = longer;
                return true;
            }
            nearest.get_or_insert(longer);
        }
        *stack = nearest.unwrap_or_else(|| std::mem::take(stack));
        false
    }

    /// The frame records above `sp` that may be that of the function at `frame`, the nearest first.
    fn records(
        &self,
        frame: FrameAddress,
        sp: u64,
        word: &dyn Fn(u64) -> Option<u64>,
    ) -> impl Iterator<Item = u64> {
        let inside = frame.address().wrapping_sub(u64::from(frame.is_return_address()));
        let function = self.modules.at(inside).and_then(|module| {
            let symbol = module.object.symbols().function(module.stated(inside))?;
            Some(symbol.range.start.wrapping_add(module.bias))
        });
        let fits = move |at: &u64| {
            let returns = word(at.checked_add(8)?)?;
            self.modules.is_code(returns).then_some(())?;
            let called = machine::call(returns, &|address| self.memory.word(address))?;
            called
                .is_none_or(|called| function.is_none_or(|function| called == function))
                .then_some(())
        };
        // Both kinds of processor keep stacks, and so frame records, at multiples of 16.
        let first = sp.checked_next_multiple_of(16).unwrap_or(sp);
        let last = self.modules.end(sp).min(first.saturating_add(FRAME));
        (first..last).step_by(16).filter(move |at| fits(at).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examine::modules::Cache;
    use crate::examine::symbols;
    use proptest::prelude::*;

    fn own() -> (Memory, Modules) {
        let memory = Memory::of(std::process::id());
        let modules = Modules::of(std::process::id(), &memory, &mut Cache::default());
        (memory, modules)
    }

    #[test]
    fn registers_of_any_kind_end_somewhere() {
        let (memory, modules) = own();
        let stacks = Stacks::of(&memory, &modules);
        let local = 0_u64;
        let (code, stack) =
            (own as *const () as u64, (&raw const local).expose_provenance() as u64);
        let near = |at: u64| {
            prop_oneof![Just(0), any::<u64>(), (0..4096_u64).prop_map(move |add| at + 8 * add)]
        };
        let registers = (near(code), near(stack), near(stack), near(code));
        proptest!(ProptestConfig::with_cases(64), |((pc, sp, fp, lr) in registers)| {
            let stack = stacks.unwind(Registers { pc, sp, fp, lr }, None);
            prop_assert!(stack.addresses.len() <= DEEPEST);
            prop_assert_eq!(stack.addresses.len(), stack.pointers.len());
            symbols::frames(&stack.addresses, &modules);
        });
    }

    #[test]
    fn a_copy_of_a_stack_hides_what_is_there_now() {
        let overlay = Overlay { start: 0x1000, bytes: &[7, 0, 0, 0, 0, 0, 0, 0, 1] };
        assert_eq!(overlay.word(0x1000), Some(7));
        assert_eq!(overlay.word(0x1001), Some(1 << 56));
        for outside in [0x1002, 0x1008, 0xfff, u64::MAX] {
            assert_eq!(overlay.word(outside), None, "{outside:#x}");
        }
    }
}
