//! What the instructions of a function do: whom it calls, which locks it waits for, what it stores to.
//!
//! Values are followed through registers over the function's control flow: addresses of variables and
//! functions, and where a pointer was read from. Where two ways meet with different values, nothing is
//! known.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory};
use iced_x86::{Mnemonic, OpAccess, OpKind, Register};

use crate::elf::Image;

/// What is known of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Unknown,
    /// This address.
    Address(u64),
    /// So far behind an unknown pointer: a member of an object.
    Member(i64),
    /// A pointer that was read from so far behind an unknown pointer.
    ReadFrom(i64),
}

/// One function.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// Functions that it calls, jumps to, or takes the address of: places in [`Image::functions`].
    pub(crate) calls: BTreeSet<usize>,
    /// What it waits for: the first arguments of the calls that wait.
    pub(crate) waits: BTreeSet<Value>,
    /// Variables that it writes to: the addresses.
    pub(crate) stores: BTreeSet<u64>,
    /// Texts that it names.
    pub(crate) texts: BTreeSet<u64>,
}

/// Where threads wait for a lock whose address is the first argument.
const ENTRIES: [&str; 15] = [
    "__lll_lock_wait_private",
    "__lll_lock_wait",
    "__pthread_mutex_lock",
    "___pthread_mutex_lock",
    "__pthread_mutex_timedlock",
    "___pthread_mutex_timedlock",
    "__pthread_rwlock_rdlock",
    "___pthread_rwlock_rdlock",
    "__pthread_rwlock_wrlock",
    "___pthread_rwlock_wrlock",
    "__pthread_once",
    "___pthread_once",
    "__pthread_once_slow",
    "__pthread_spin_lock",
    // The loader's variable that holds one of them.
    "___rtld_mutex_lock",
];

const REGISTERS: usize = 16;
type State = [Value; REGISTERS];
const NOTHING: State = [Value::Unknown; REGISTERS];

/// Registers that a call keeps: rbx, rsp, rbp, r12 to r15.
const KEPT: [usize; 7] = [3, 4, 5, 12, 13, 14, 15];
const FIRST_ARGUMENT: usize = 7; // rdi

/// The number of a general register, whatever part of it is meant.
fn number(register: Register) -> Option<usize> {
    let full = register.full_register();
    full.is_gpr64().then(|| full.number())
}

/// The name under which threads wait in a function; its own waiting is its caller's.
pub(crate) fn entry(names: &[String]) -> Option<&str> {
    // Variables carry the file that they are defined in.
    let plain = names.iter().map(|name| name.split('[').next().unwrap_or(name));
    plain.into_iter().find(|name| ENTRIES.contains(name))
}

struct Reader<'a> {
    image: &'a Image,
    instructions: Vec<Instruction>,
    places: BTreeMap<u64, usize>,
    info: InstructionInfoFactory,
}

impl Body {
    /// Reads the function at `index` of [`Image::functions`].
    pub(crate) fn read(image: &Image, index: usize) -> Self {
        let function = &image.functions[index];
        let bytes = image.bytes(function.start);
        let length = bytes.len().min((function.end - function.start) as usize);
        let mut decoder =
            Decoder::with_ip(64, &bytes[..length], function.start, DecoderOptions::NONE);
        let instructions: Vec<_> = decoder.iter().collect();
        let places = instructions.iter().enumerate().map(|(place, i)| (i.ip(), place)).collect();
        let info = InstructionInfoFactory::new();
        let mut reader = Reader { image, instructions, places, info };
        let states = reader.states();
        let mut body = Self::default();
        for (place, state) in states.iter().enumerate() {
            reader.look(index, place, state, &mut body);
        }
        body.calls.remove(&index);
        body
    }
}

impl Reader<'_> {
    /// What is known before each instruction.
    fn states(&mut self) -> Vec<State> {
        let mut states: Vec<Option<State>> = vec![None; self.instructions.len()];
        // Ways that cannot be seen, such as those through a table of addresses, start with nothing; but
        // not the padding, which would lead on into the next block.
        for start in 0..states.len() {
            if states[start].is_some() || self.instructions[start].mnemonic() == Mnemonic::Nop {
                continue;
            }
            states[start] = Some(NOTHING);
            let mut open = vec![start];
            while let Some(place) = open.pop() {
                let after = self.after(place, &states[place].expect("it was reached"));
                for next in self.successors(place) {
                    let met = states[next].map_or(after, |known| meet(known, after));
                    if states[next] != Some(met) {
                        states[next] = Some(met);
                        open.push(next);
                    }
                }
            }
        }
        states.into_iter().map(|state| state.unwrap_or(NOTHING)).collect()
    }

    fn successors(&self, place: usize) -> Vec<usize> {
        let instruction = &self.instructions[place];
        let flow = instruction.flow_control();
        let branches =
            matches!(flow, FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch);
        let target = branches.then(|| instruction.near_branch_target());
        let target = target.and_then(|target| self.places.get(&target).copied());
        let stops = matches!(
            flow,
            FlowControl::UnconditionalBranch
                | FlowControl::IndirectBranch
                | FlowControl::Return
                | FlowControl::Exception
        );
        let next = (!stops && place + 1 < self.instructions.len()).then_some(place + 1);
        target.into_iter().chain(next).collect()
    }

    /// What is known after the instruction.
    fn after(&mut self, place: usize, before: &State) -> State {
        let instruction = self.instructions[place];
        let mut state = *before;
        if matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall) {
            for (register, value) in state.iter_mut().enumerate() {
                if !KEPT.contains(&register) {
                    *value = Value::Unknown;
                }
            }
            return state;
        }
        let written = self.info.info(&instruction).used_registers().to_vec();
        for used in written {
            let reads = matches!(used.access(), OpAccess::Read | OpAccess::CondRead);
            if let (false, Some(register)) = (reads, number(used.register())) {
                state[register] = Value::Unknown;
            }
        }
        if let Some((register, value)) = self.result(&instruction, before) {
            state[register] = value;
        }
        state
    }

    /// The register that an instruction leaves something in that is followed.
    fn result(&self, instruction: &Instruction, before: &State) -> Option<(usize, Value)> {
        if instruction.op0_kind() != OpKind::Register || !instruction.op0_register().is_gpr64() {
            return None;
        }
        let to = number(instruction.op0_register())?;
        let value = match (instruction.mnemonic(), instruction.op1_kind()) {
            (Mnemonic::Lea, _) => self.place(instruction, before),
            (Mnemonic::Mov, OpKind::Register) => before[number(instruction.op1_register())?],
            (Mnemonic::Mov, OpKind::Memory) => self.load(instruction, before),
            (Mnemonic::Add | Mnemonic::Sub, OpKind::Immediate8to64 | OpKind::Immediate32to64) => {
                let amount = instruction.immediate(1).cast_signed();
                let add = instruction.mnemonic() == Mnemonic::Add;
                moved(before[to], if add { amount } else { -amount })
            }
            _ => return None,
        };
        Some((to, value))
    }

    /// What the memory operand is the address of.
    fn place(&self, instruction: &Instruction, before: &State) -> Value {
        if instruction.is_ip_rel_memory_operand() {
            return Value::Address(instruction.ip_rel_memory_address());
        }
        let displacement = instruction.memory_displacement64().cast_signed();
        // The thread's own data, and what lies at a computed place.
        let plain = instruction.segment_prefix() == Register::None;
        match number(instruction.memory_base()) {
            Some(base) if plain && instruction.memory_index() == Register::None => {
                match moved(before[base], displacement) {
                    Value::Unknown | Value::ReadFrom(_) => Value::Member(displacement),
                    known => known,
                }
            }
            _ => Value::Member(displacement),
        }
    }

    fn load(&self, instruction: &Instruction, before: &State) -> Value {
        match self.place(instruction, before) {
            Value::Address(place) if self.image.is_constant(place) => {
                self.image.pointer(place).map_or(Value::Unknown, Value::Address)
            }
            Value::Address(place) => match self.image.variable_at(place) {
                Some((_, offset @ 1..)) => Value::ReadFrom(offset.cast_signed()),
                _ => Value::Unknown,
            },
            Value::Member(offset) => Value::ReadFrom(offset),
            other => other,
        }
    }

    /// Notes what the instruction at `place` does.
    fn look(&mut self, own: usize, place: usize, state: &State, body: &mut Body) {
        let instruction = &self.instructions[place].clone();
        match instruction.flow_control() {
            FlowControl::Call
            | FlowControl::IndirectCall
            | FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::ConditionalBranch => self.branch(own, instruction, state, body),
            _ => {}
        }
        let names = matches!(instruction.mnemonic(), Mnemonic::Lea | Mnemonic::Mov);
        let named = self.result(instruction, state).filter(|_| names);
        if let Some((_, Value::Address(address))) = named {
            match self.image.function_at(address) {
                Some(f) if self.image.functions[f].start == address => drop(body.calls.insert(f)),
                Some(_) => {}
                None => drop(body.texts.insert(address)),
            }
        }
        let access = self.info.info(instruction).op0_access();
        let stores = matches!(access, OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite);
        if instruction.op0_kind() == OpKind::Memory
            && stores
            && let Value::Address(address) = self.place(instruction, state)
        {
            body.stores.insert(address);
        }
    }

    fn branch(&self, own: usize, instruction: &Instruction, state: &State, body: &mut Body) {
        let memory = (instruction.op0_kind() == OpKind::Memory)
            .then(|| self.place(instruction, state))
            .and_then(|place| if let Value::Address(at) = place { Some(at) } else { None });
        let target = match instruction.op0_kind() {
            OpKind::NearBranch64 => self.through_stub(instruction.near_branch_target()),
            OpKind::Memory => memory.and_then(|at| self.image.pointer(at)),
            OpKind::Register => match number(instruction.op0_register()).map(|r| state[r]) {
                Some(Value::Address(at)) => Some(at),
                _ => None,
            },
            _ => None,
        };
        let function = target.and_then(|target| self.image.function_at(target));
        let names = function.map(|f| &self.image.functions[f].names);
        // The loader calls its own lock function, or libc's, through a variable.
        let variable = memory.and_then(|at| self.image.variable_at(at));
        let names = names.or(variable.map(|(variable, _)| &variable.names));
        if names.is_some_and(|names| entry(names).is_some()) {
            body.waits.insert(state[FIRST_ARGUMENT]);
        } else if let Some(function) = function.filter(|function| *function != own) {
            body.calls.insert(function);
        }
    }

    /// Where a call to `target` arrives: a stub of the linkage table jumps to what its slot holds.
    fn through_stub(&self, target: u64) -> Option<u64> {
        if self.image.function_at(target).is_some() {
            return Some(target);
        }
        let bytes = self.image.bytes(target);
        let bytes = &bytes[..bytes.len().min(16)];
        let mut decoder = Decoder::with_ip(64, bytes, target, DecoderOptions::NONE);
        let jump = decoder.iter().take(2).find(|i| i.code() == Code::Jmp_rm64)?;
        jump.is_ip_rel_memory_operand()
            .then(|| self.image.pointer(jump.ip_rel_memory_address()))
            .flatten()
    }
}

fn moved(value: Value, by: i64) -> Value {
    match value {
        Value::Address(address) => Value::Address(address.wrapping_add_signed(by)),
        Value::Member(offset) => Value::Member(offset + by),
        Value::ReadFrom(_) | Value::Unknown => Value::Unknown,
    }
}

fn meet(a: State, b: State) -> State {
    std::array::from_fn(|i| if a[i] == b[i] { a[i] } else { Value::Unknown })
}
