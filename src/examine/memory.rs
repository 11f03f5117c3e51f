//! The memory of a hung child, read from outside.
//!
//! Nothing in it is trusted: an address may lie anywhere, a length may be any number. What cannot be read is
//! `None`.

use std::cell::RefCell;
use std::collections::HashMap;

/// What is read at once, in bytes: never more than a page of any machine, so that one page that is missing hides
/// no other.
const PAGE: u64 = 4096;

type Page = [u8; PAGE as usize];

/// A process's memory. It does not move while it is looked at, so that each page is read once.
pub(super) struct Memory {
    pid: u32,
    pages: RefCell<HashMap<u64, Option<Box<Page>>>>,
}

impl Memory {
    /// That of process `pid`.
    pub(super) fn of(pid: u32) -> Self {
        Self { pid, pages: RefCell::default() }
    }

    /// Fills `buffer` from `address` on.
    pub(super) fn read(&self, address: u64, buffer: &mut [u8]) -> Option<()> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = address.checked_add(u64::try_from(done).ok()?)?;
            let within = usize::try_from(at % PAGE).ok()?;
            let mut pages = self.pages.borrow_mut();
            let page = pages.entry(at - at % PAGE).or_insert_with_key(|at| self.page(*at));
            let bytes = page.as_ref()?.get(within..)?;
            let length = bytes.len().min(rest.len());
            rest.get_mut(..length)?.copy_from_slice(bytes.get(..length)?);
            done += length;
        }
        Some(())
    }

    /// The 64-bit word at `address`.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.read(address, &mut word)?;
        Some(u64::from_ne_bytes(word))
    }

    /// The 32-bit word at `address`.
    pub(super) fn half(&self, address: u64) -> Option<u32> {
        let mut half = [0; 4];
        self.read(address, &mut half)?;
        Some(u32::from_ne_bytes(half))
    }

    /// The page at `address`.
    fn page(&self, address: u64) -> Option<Box<Page>> {
        let mut page: Box<Page> = Box::new([0; PAGE as usize]);
        let local = libc::iovec { iov_base: page.as_mut_ptr().cast(), iov_len: page.len() };
        let remote = libc::iovec {
            iov_base: std::ptr::with_exposed_provenance_mut(usize::try_from(address).ok()?),
            iov_len: page.len(),
        };
        let pid = libc::pid_t::try_from(self.pid).ok()?;
        // SAFETY: one vector each; ours is as long as it says and is not used by anybody else, that of the other
        // process the kernel checks.
        let read =
            unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
        usize::try_from(read).is_ok_and(|read| read == page.len()).then_some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_none() {
        let own = Memory::of(std::process::id());
        let numbers: Vec<u64> = (0..2000).collect();
        let address = numbers.as_ptr().expose_provenance() as u64;
        assert_eq!(own.word(address + 8 * 1999), Some(1999));
        assert_eq!(own.half(address + 8), Some(1));
        let mut copy = vec![0; 16_000];
        own.read(address, &mut copy).expect("it is our own memory");
        assert_eq!(copy[15_992..], 1999_u64.to_ne_bytes());
        for address in [0, 1, u64::MAX, u64::MAX - 7, 1 << 63] {
            assert_eq!(own.word(address), None, "{address:#x}");
        }
    }
}
