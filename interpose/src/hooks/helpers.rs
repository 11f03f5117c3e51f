//! Threads of libc's own: they make asynchronous transfers and look-ups, and notify of timers.
//!
//! They never come through a hook, so no fork can wait for them at the gate. But when the gate is closed they
//! run out of work, and the forker waits for that: a thread that sleeps holds none of their locks.
//!
//! libc counts these threads, and leaves a request to one that it believes idle (`rt/aio_misc.c`,
//! `resolv/gai_misc.c`). In a forked child they are gone but counted, so a request may never be served. Nobody
//! outside of libc can read or mend the counts. So before its first request a child makes one of its own: either libc
//! starts a thread for it, or it ends at once, or nobody will ever serve it. In the last case it is
//! taken back, and all calls of the family are answered with an error from then on.

use core::ffi::{c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::family::Family;
use crate::lock::Lock;
use crate::table::helpers as next;
use crate::{child, errno, options, reader, sys};

/// 0 once this process has used the family and does not lack its threads: transfers, look-ups, timers. Words of
/// their own, so that a hook needs one more instruction to look at its own.
#[unsafe(link_section = ".data.forkfix")]
static DOUBTS: [AtomicU32; 3] = [const { AtomicU32::new(1) }; 3];
/// 1 in a forked child: nobody knows whether libc counts threads that are gone.
#[unsafe(link_section = ".data.forkfix")]
static FORKED: AtomicU32 = AtomicU32::new(0);
#[unsafe(link_section = ".data.forkfix")]
static LOCK: Lock = Lock::new();

/// How long the forker naps before it looks again, in nanoseconds. Doubles.
const FIRST_NAP_NS: u64 = 20_000;

/// `EAI_INPROGRESS`, `EAI_CANCELED` and `GAI_NOWAIT` (netdb.h).
const EAI_INPROGRESS: c_int = -100;
const EAI_CANCELED: c_int = -101;
const GAI_NOWAIT: c_int = 1;

/// In a forked child.
pub(crate) fn doubt() {
    LOCK.free_in_child();
    for doubt in &DOUBTS {
        doubt.store(1, Ordering::Relaxed);
    }
    FORKED.store(1, Ordering::Relaxed);
}

/// Waits until libc's threads sleep, at the most as long as for calls that wait for nothing else. For the forker,
/// when nobody is inside. False if the process never had such threads.
pub(crate) fn settle() -> bool {
    if DOUBTS.iter().all(|doubt| doubt.load(Ordering::Relaxed) != 0) {
        return false;
    }
    let end = sys::monotonic_ns() + options::bounded_ns();
    let mut nap = FIRST_NAP_NS;
    // Twice, for one that was found asleep may have been woken by one that was not looked at yet.
    while sys::any_thread(is_busy) || sys::any_thread(is_busy) {
        if sys::monotonic_ns() > end {
            log::warn!(
                "a thread of libc's own does not come to rest; a child may hang in its calls"
            );
            break;
        }
        sys::nap(nap);
        nap *= 2;
    }
    true
}

/// Whether thread `tid` is one of libc's own, which block all signals, and runs.
fn is_busy(tid: u32) -> bool {
    tid != sys::gettid() && sys::runs_without_signals(tid)
}

/// 0 if a call of `family` may be made without further ado.
#[inline(always)]
pub(crate) fn doubts(family: Family) -> u32 {
    word_of(family).map_or(0, |doubt| doubt.load(Ordering::Relaxed))
}

#[inline(always)]
fn word_of(family: Family) -> Option<&'static AtomicU32> {
    let [transfers, lookups, timers] = &DOUBTS;
    match family {
        Family::Aio => Some(transfers),
        Family::AsyncHosts => Some(lookups),
        Family::Timers => Some(timers),
        _ => None,
    }
}

/// Before the first call of `family` in a process: notes it, and finds out in a forked child whether the
/// threads that serve it are lost.
#[inline(always)]
pub(crate) fn make_sure(family: Family) {
    if doubts(family) != 0 {
        find_out(family);
    }
}

#[cold]
fn find_out(family: Family) {
    let Some(doubt) = word_of(family) else {
        return;
    };
    let before = errno::get();
    if let Ok(_inside) = reader::enter(family) {
        let _held = LOCK.hold_masked();
        if doubt.load(Ordering::Relaxed) != 0 {
            if FORKED.load(Ordering::Relaxed) != 0 && !serves(family) {
                child::orphan(family);
            }
            doubt.store(0, Ordering::Relaxed);
        }
    }
    errno::set(before);
}

fn serves(family: Family) -> bool {
    match family {
        Family::Aio => serves_transfers(),
        Family::AsyncHosts => serves_lookups(),
        // libc starts the thread for timers anew in a child (`rt/timer_routines.c`).
        _ => true,
    }
}

/// Whether a request for input is served. It reads nothing from `/dev/null`.
fn serves_transfers() -> bool {
    let Some(fd) = sys::open_read(c"/dev/null") else {
        return true;
    };
    // SAFETY: plain data; all zeroes are valid.
    let mut request: libc::aiocb = unsafe { MaybeUninit::zeroed().assume_init() };
    request.aio_fildes = fd;
    request.aio_sigevent.sigev_notify = libc::SIGEV_NONE;
    let request: *mut c_void = (&raw mut request).cast();
    let threads = sys::thread_count();
    // SAFETY: a request that lives until it has ended or is taken back.
    let refused = unsafe { next::aio_read.get()(request) } != 0;
    // SAFETY: as above.
    let pending = || unsafe { next::aio_error.get()(request) } == libc::EINPROGRESS;
    let mut served = true;
    if !refused && pending() {
        // SAFETY: as above. If it cannot be taken back any more, somebody serves it.
        served = sys::thread_count() > threads
            || unsafe { next::aio_cancel.get()(fd, request) } != libc::AIO_CANCELED;
        while served && pending() {
            // SAFETY: as above; without a time-out.
            unsafe { next::aio_suspend.get()(&raw const request, 1, ptr::null()) };
        }
    }
    sys::close(fd);
    served
}

/// A request for a look-up (`struct gaicb` of netdb.h).
#[repr(C)]
struct Lookup {
    name: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    result: *mut libc::addrinfo,
    state: c_int,
    unused: [c_int; 5],
}

/// Whether a request for a look-up is served. It asks for nothing but the meaning of a number.
fn serves_lookups() -> bool {
    // SAFETY: plain data; all zeroes are valid.
    let mut hints: libc::addrinfo = unsafe { MaybeUninit::zeroed().assume_init() };
    hints.ai_flags = libc::AI_NUMERICHOST;
    let mut request = Lookup {
        name: c"127.0.0.1".as_ptr(),
        service: ptr::null(),
        hints: &raw const hints,
        result: ptr::null_mut(),
        state: 0,
        unused: [0; 5],
    };
    let mut list: *mut c_void = (&raw mut request).cast();
    let threads = sys::thread_count();
    // SAFETY: a request that lives until it has ended or is taken back.
    if unsafe { next::getaddrinfo_a.get()(GAI_NOWAIT, &raw mut list, 1, ptr::null_mut()) } != 0 {
        return true;
    }
    // SAFETY: as above.
    let pending = || unsafe { next::gai_error.get()(list) } == EAI_INPROGRESS;
    let mut served = true;
    if pending() {
        // SAFETY: as above. If it cannot be taken back any more, somebody serves it.
        served = sys::thread_count() > threads
            || unsafe { next::gai_cancel.get()(list) } != EAI_CANCELED;
        while served && pending() {
            // SAFETY: as above; without a time-out.
            unsafe { next::gai_suspend.get()((&raw const list).cast(), 1, ptr::null()) };
        }
    }
    if !request.result.is_null() {
        // SAFETY: the result of this look-up, freed once.
        unsafe { libc::freeaddrinfo(request.result) };
    }
    served
}
