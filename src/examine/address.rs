//! Where a lock lies: from the word that the kernel waits on to the lock, and to its name.

use super::locks::{self, Class};
use super::memory::Memory;
use super::modules::Modules;
use super::unwind::Stack;
use crate::report::model::Lock;

/// Where a lock of this class lies. `futex`: what the kernel waits on; `depth`: how many of the innermost frames
/// of `stack` belong to waiting. `None` if that cannot be told.
pub(super) fn of(
    class: Class,
    futex: u64,
    stack: &Stack,
    depth: usize,
    memory: &Memory,
    modules: &Modules,
) -> Option<u64> {
    let musl = modules.iter().any(|module| module.object.name.starts_with("ld-musl"));
    let back = match class {
        // Where in these the kernel's words are: glibc's struct_mutex.h and struct_rwlock.h, pthreadtypes.h of both.
        Class::Mutex if musl => 4,
        Class::ReadWrite if !musl && futex % 8 == 4 => 12,
        Class::ReadWrite if !musl => 8,
        // It has two such words, at other places since glibc 2.41.
        Class::Condition if !musl => {
            let begins =
                |back: &u64| futex.checked_sub(*back).is_some_and(|at| begins(at, modules));
            [40, 44, 32, 36].into_iter().find(begins).unwrap_or(0)
        }
        Class::Barrier if !musl && futex % 8 == 4 => 4,
        Class::Parked => return parked(futex, stack, depth, memory, modules),
        _ => 0,
    };
    futex.checked_sub(back)
}

/// Whether a variable begins at `address`.
fn begins(address: u64, modules: &Modules) -> bool {
    let Some(module) = modules.at(address) else { return false };
    let symbol = module.object.symbols().variable(module.stated(address));
    symbol.is_some_and(|symbol| symbol.range.start == module.stated(address))
}

/// How far around a thread's word the address of the lock is looked for, in bytes.
const AROUND: u64 = 64;

/// How much of a stack is looked through, in bytes.
const STACK: u64 = 16 << 10;

/// The lock that a thread is parked for. Next to the word that it waits on, the runtime notes the lock's address
/// for others to find; the functions that wait have the address on the stack, too.
fn parked(
    futex: u64,
    stack: &Stack,
    depth: usize,
    memory: &Memory,
    modules: &Modules,
) -> Option<u64> {
    let start = *stack.pointers.first()?;
    let end = stack.pointers.get(depth + 1).or(stack.pointers.last())?;
    let end = (*end).min(start.saturating_add(STACK));
    let words: Vec<u64> = (start..end).step_by(8).filter_map(|at| memory.word(at)).collect();
    let own = start..modules.end(start);
    let is_lock = |address: &u64| {
        words.contains(address)
            && !own.contains(address)
            && address.abs_diff(futex) > 4 * AROUND
            && memory.half(address & !3).is_some()
            && !modules.is_code(*address)
    };
    let first = (futex & !7).saturating_sub(AROUND);
    let around = (first..first.saturating_add(2 * AROUND)).step_by(8);
    let noted = around.filter_map(|at| memory.word(at)).find(is_lock);
    noted
        .or_else(|| words.iter().copied().find(|word| is_lock(word) && is_variable(*word, modules)))
}

/// Whether a variable of the program lies at `address`.
fn is_variable(address: u64, modules: &Modules) -> bool {
    let Some(module) = modules.at(address) else { return false };
    !locks::is_system(&module.object.name)
        && module.object.symbols().variable(module.stated(address)).is_some()
}

/// The lock at `address` as a report has it.
pub(super) fn describe(kind: &str, address: Option<u64>, modules: &Modules) -> Lock {
    let mut lock = Lock { kind: kind.to_owned(), ..Lock::default() };
    let Some(address) = address else { return lock };
    lock.address = format!("{address:#x}");
    let Some(module) = modules.at(address) else {
        lock.module = modules.label(address).map(str::to_owned);
        return lock;
    };
    let stated = module.stated(address);
    lock.module = Some(module.object.name.clone());
    lock.offset = Some(format!("{stated:#x}"));
    lock.symbol =
        module.object.symbols().variable(stated).map(|symbol| match stated - symbol.range.start {
            0 => symbol.name,
            part => format!("{}+{part:#x}", symbol.name),
        });
    lock
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examine::modules::Cache;

    #[test]
    fn locks_begin_before_the_word_that_is_waited_on() {
        let memory = Memory::of(std::process::id());
        let modules = Modules::of(std::process::id(), &memory, &mut Cache::default());
        let of = |class, futex| of(class, futex, &Stack::default(), 0, &memory, &modules);
        let (read, write) = if cfg!(target_env = "musl") { (0, 0) } else { (8, 12) };
        let mutex = if cfg!(target_env = "musl") { 4 } else { 0 };
        for (class, futex, before) in [
            (Class::Mutex, 0x1000, mutex),
            (Class::ReadWrite, 0x1008, read),
            (Class::ReadWrite, 0x100c, write),
            (Class::Guard, 0x1000, 0),
            (Class::Futex, 0x1004, 0),
        ] {
            assert_eq!(of(class, futex), Some(futex - before), "{class:?} {futex:#x}");
        }
        assert_eq!(of(Class::ReadWrite, 0), None);
        assert_eq!(of(Class::Condition, 8), Some(8));
        assert_eq!(of(Class::Parked, 0x1000), None);
    }

    #[test]
    fn a_variable_is_named_with_what_is_part_of_it() {
        static NUMBERS: [u64; 3] = [1, 2, 3];
        let memory = Memory::of(std::process::id());
        let modules = Modules::of(std::process::id(), &memory, &mut Cache::default());
        let address = (&raw const NUMBERS).expose_provenance() as u64;
        let lock = describe("number", Some(address + 8), &modules);
        let symbol = lock.symbol.expect("the test's program has symbols");
        assert!(symbol.ends_with("NUMBERS+0x8"), "{symbol}");
        assert!(lock.module.is_some_and(|module| module.starts_with("forkfix")));
        let boxed = Box::new(0_u64);
        let lock =
            describe("number", Some((&raw const *boxed).expose_provenance() as u64), &modules);
        assert!(matches!(lock.module.as_deref(), Some("[heap]" | "[anonymous]")), "{lock:?}");
        assert_eq!(describe("number", None, &modules).address, "");
    }
}
