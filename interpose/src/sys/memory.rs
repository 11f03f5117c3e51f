//! What is at an address of this process that may be of anything.

use core::ptr;

use libc::{c_int, c_void};

use super::linux::{sys, syscall};
use super::{close, getpid, open_read};

/// Copies `len` bytes at `from`, an address in this process that another thread may unmap at any
/// time, to `to`; false if not all of it was readable.
///
/// # Safety
///
/// `to` must be valid for writes of `len` bytes.
pub(crate) unsafe fn peek(from: usize, to: *mut c_void, len: usize) -> bool {
    let local = libc::iovec { iov_base: to, iov_len: len };
    let remote = libc::iovec { iov_base: ptr::with_exposed_provenance_mut(from), iov_len: len };
    let pid = getpid();
    match sys!(SYS_process_vm_readv, pid, &raw const local, 1, &raw const remote, 1, 0) {
        copied if copied == len as isize => true,
        error if error == -(libc::EFAULT as isize) || error >= 0 => false,
        // Kernels can be built without it, and filters refuse what debuggers use.
        // SAFETY: as the caller vouches.
        _ => unsafe { peek_through_pipe(from, to, len) },
    }
}

/// Copies as much of the memory from `from` on as can be read, at most 16 KiB. Returns how many bytes
/// that is.
pub(crate) fn peek_prefix(from: usize, to: &mut [u8]) -> usize {
    // Some kernels copy a part of a piece, others all of it or none.
    let mut pieces = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; PIECES];
    let (mut count, mut len) = (0, 0);
    for piece in &mut pieces {
        let part = (to.len() - len).min(PAGE - (from + len) % PAGE);
        if part == 0 {
            break;
        }
        piece.iov_base = ptr::with_exposed_provenance_mut(from + len);
        piece.iov_len = part;
        count += 1;
        len += part;
    }
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: len };
    let pid = getpid();
    match sys!(SYS_process_vm_readv, pid, &raw const local, 1, pieces.as_ptr(), count, 0) {
        error if error == -(libc::EFAULT as isize) => 0,
        copied if copied >= 0 => copied.unsigned_abs(),
        _ => pieces.iter().take(count).map_while(|piece| piece_through_pipe(from, piece, to)).sum(),
    }
}

/// Copies one piece of the memory from `from` on to its place. Returns how long it is.
fn piece_through_pipe(from: usize, piece: &libc::iovec, to: &mut [u8]) -> Option<usize> {
    let begin = piece.iov_base.addr() - from;
    let place = to.get_mut(begin..begin + piece.iov_len)?;
    // SAFETY: so much room, not more than a pipe takes.
    let copied =
        unsafe { peek_through_pipe(piece.iov_base.addr(), place.as_mut_ptr().cast(), place.len()) };
    copied.then_some(piece.iov_len)
}

/// The smallest pages of memory that there are.
const PAGE: usize = 4096;
/// What [`peek_prefix`] copies at the most, less a part of a page at either end.
const PIECES: usize = 5;

/// [`peek`] by calls that nobody refuses: the kernel reads the memory because it is written to a pipe. `len`
/// is at most `PIPE_BUF`, so it is there as a whole or not at all.
///
/// # Safety
///
/// As for [`peek`].
unsafe fn peek_through_pipe(from: usize, to: *mut c_void, len: usize) -> bool {
    let mut ends: [c_int; 2] = [-1; 2];
    if sys!(SYS_pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) != 0 {
        return false;
    }
    let [reader, writer] = ends;
    let copied = sys!(SYS_write, writer, from, len) == len as isize
        && sys!(SYS_read, reader, to, len) == len as isize;
    close(reader);
    close(writer);
    copied
}

/// Whether the memory at `address` is shared with other processes: a page of a file, or of shared memory.
/// Format: `Documentation/admin-guide/mm/pagemap.rst` of the kernel.
pub(crate) fn is_shared(address: usize) -> bool {
    const FILE_OR_SHARED: u64 = 1 << 61;
    let Some(fd) = open_read(c"/proc/self/pagemap") else {
        return false;
    };
    // A child's tables lack pages of shared memory until it touches them.
    let mut touched = 0u8;
    // SAFETY: room for one byte.
    unsafe { peek(address, (&raw mut touched).cast(), 1) };
    let mut entry = 0u64;
    // SAFETY: any number may be asked for.
    let page = unsafe { libc::getauxval(libc::AT_PAGESZ) } as usize;
    let from = address / page.max(1) * size_of::<u64>();
    let len = sys!(SYS_pread64, fd, &raw mut entry, size_of::<u64>(), from);
    close(fd);
    len == size_of::<u64>() as isize && entry & FILE_OR_SHARED != 0
}

#[cfg(test)]
mod tests {
    use super::super::{map, unmap};
    use super::*;

    type Peek = unsafe fn(usize, *mut c_void, usize) -> bool;

    /// A page, and one behind it that nobody may read.
    fn check(peek: Peek) {
        const NEVER_MAPPED: usize = 8;
        let pages = map(2 * PAGE).expect("there is memory");
        let start = pages.as_ptr().expose_provenance();
        // SAFETY: in the first page.
        let end = unsafe { pages.as_ptr().add(PAGE - 3) };
        // SAFETY: the rest of that page.
        unsafe { end.write_bytes(7, 3) };
        assert_eq!(sys!(SYS_mprotect, start + PAGE, PAGE, libc::PROT_NONE), 0);
        let mut bytes = [0u8; 4];
        let mut read = |from: usize, len: usize| {
            // SAFETY: no more than the array has.
            unsafe { peek(from, bytes.as_mut_ptr().cast(), len) }.then_some(bytes)
        };
        assert_eq!(read(start + PAGE - 3, 3), Some([7, 7, 7, 0]));
        assert_eq!(read(start + PAGE - 3, 4), None, "half of it");
        assert_eq!(read(start + PAGE, 1), None, "no permission");
        // SAFETY: nobody uses it.
        unsafe { unmap(pages, 2 * PAGE) };
        // Not there: by now another thread may have memory of its own at that address.
        assert_eq!(read(NEVER_MAPPED, 1), None, "no memory");
    }

    #[test]
    fn memory_is_read_up_to_its_end() {
        check_prefix();
    }

    fn check_prefix() {
        let pages = map(3 * PAGE).expect("there is memory");
        let start = pages.as_ptr().expose_provenance();
        assert_eq!(sys!(SYS_mprotect, start + 2 * PAGE, PAGE, libc::PROT_NONE), 0);
        let mut bytes = [1u8; 2 * PAGE];
        assert_eq!(peek_prefix(start + PAGE / 2, &mut bytes), PAGE + PAGE / 2);
        assert!(bytes[..PAGE + PAGE / 2].iter().all(|byte| *byte == 0) && bytes[2 * PAGE - 1] == 1);
        assert_eq!(peek_prefix(start + 2 * PAGE, &mut bytes), 0);
        // SAFETY: nobody uses it.
        unsafe { unmap(pages, 3 * PAGE) };
    }

    #[test]
    fn memory_is_read_where_there_is_some() {
        check(peek);
        check(peek_through_pipe);
    }

    /// A filter holds for the thread that installs it, and those it starts.
    #[test]
    fn a_filter_that_refuses_debuggers_makes_no_difference() {
        let filtered = std::thread::spawn(|| {
            refuse_process_vm_readv();
            let none = ptr::null::<u8>();
            assert_eq!(sys!(SYS_process_vm_readv, 0, none, 0, none, 0, 0), -(libc::EPERM as isize));
            check(peek);
            check_prefix();
        });
        filtered.join().expect("the memory was read");
    }

    fn refuse_process_vm_readv() {
        let instruction =
            |code: u32, yes: u8, k: u32| libc::sock_filter { code: code as u16, jt: yes, jf: 0, k };
        let give = libc::BPF_RET | libc::BPF_K;
        let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        let mut filter = [
            // The number of the system call.
            instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
            instruction(
                libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                1,
                libc::SYS_process_vm_readv as u32,
            ),
            instruction(give, 0, libc::SECCOMP_RET_ALLOW),
            instruction(give, 0, refuse),
        ];
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        assert_eq!(sys!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(sys!(SYS_prctl, libc::PR_SET_SECCOMP, mode, &raw const program), 0);
    }
}
