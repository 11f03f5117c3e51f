//! Whether the process may have more than one thread.

#[cfg(target_os = "linux")]
pub(crate) use by_flag::{find_flag, may_be_many};

#[cfg(target_os = "linux")]
mod by_flag {
    use core::ptr;
    use core::sync::atomic::{AtomicPtr, Ordering};

    /// libc's flag, a byte that is 1 while there is one thread (glibc 2.32 and later).
    static SINGLE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

    /// Finds libc's flag; for the constructor.
    pub(crate) fn find_flag() {
        // SAFETY: a look-up by a literal name.
        let flag = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_single_threaded".as_ptr()) };
        SINGLE.store(flag.cast(), Ordering::Relaxed);
    }

    /// False only if libc knows that there is just the calling thread: then nothing can be orphaned,
    /// and fork need not wait for anybody.
    pub(crate) fn may_be_many() -> bool {
        let flag = SINGLE.load(Ordering::Relaxed);
        // SAFETY: null, or libc's variable, which lives as long as the process. libc writes it
        // without atomics, but only in a thread that creates another one, and that thread is this
        // one while the flag is 1.
        flag.is_null() || unsafe { flag.read_volatile() } == 0
    }
}

/// Always true: threads of libdispatch come and go without `pthread_create`, and what macOS counts as
/// threaded is not documented.
#[cfg(target_os = "macos")]
pub(crate) fn may_be_many() -> bool {
    true
}
