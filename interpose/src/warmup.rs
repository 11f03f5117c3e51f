//! macOS: what is initialised at load, before the program has a thread, so that no child need do it.
//!
//! libSystem runs hooks of its own in a forked child before any handler of ours. Two of them initialise
//! something the first time; if another thread was doing just that at the fork, the child aborts or
//! hangs, and no handler could prevent it:
//!
//! - `_notify_fork_child` needs libnotify's globals, which are made under an `os_once` (Libnotify
//!   `notify_client.c`): a child that finds it in the hands of a vanished thread ends with "os_once_t
//!   is corrupt". `notify_is_valid_token(0)` makes them and asks no other process.
//! - `xpc_atfork_child` sends the first message to XPC's Objective-C classes, whose `+initialize` the
//!   runtime refuses in such a child. `xpc_date_create_from_current()` does the same at load. Go first
//!   called `xpc_atfork_child` itself (CL 451735), which told XPC that the *parent* was a forked child
//!   and broke Cocoa, OpenGL and Metal (go.dev/issue/57263); since Go 1.20 it makes these two calls.
//!
//! Functions are looked up, and left out if this system lacks them.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys;

const NOTIFY: u32 = 1;
const XPC: u32 = 1 << 1;
const XPC_ATFORK_CHILD: u32 = 1 << 2;
const FOUNDATION: u32 = 1 << 3;
const DNS: u32 = 1 << 4;
const DEFAULT: u32 = NOTIFY | XPC;

/// The values of the option, and what each stands for.
const VALUES: [(&str, u32); 7] = [
    ("none", 0),
    ("default", DEFAULT),
    ("notify", NOTIFY),
    ("xpc", XPC),
    ("xpc-atfork-child", XPC_ATFORK_CHILD),
    ("foundation", FOUNDATION),
    ("dns", DNS),
];

/// What the option takes.
pub(crate) const TAKES: &str = "default (notify,xpc), none, or some of notify, xpc, \
                                xpc-atfork-child, foundation and dns with commas between them";

static CHOSEN: AtomicU32 = AtomicU32::new(DEFAULT);

/// The option; false if a value is unknown.
pub(crate) fn choose(value: &str) -> bool {
    let mut chosen = 0;
    for part in value.split(',') {
        let Some((_, bits)) = VALUES.iter().find(|(name, _)| *name == part) else {
            return false;
        };
        chosen |= bits;
    }
    CHOSEN.store(chosen, Ordering::Relaxed);
    true
}

/// Does it; for the constructor.
pub(crate) fn run() {
    let chosen = CHOSEN.load(Ordering::Relaxed);
    let steps: [(u32, fn()); 5] = [
        (NOTIFY, notify),
        (XPC, xpc),
        (XPC_ATFORK_CHILD, xpc_atfork_child),
        (FOUNDATION, foundation),
        (DNS, dns),
    ];
    for (step, warm) in steps {
        if chosen & step != 0 {
            warm();
        }
    }
}

/// The function `name` of this system as an `F`.
///
/// # Safety
///
/// `F` must be the type of a pointer to that function.
unsafe fn function<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*const c_void>()) };
    let address = sys::symbol(name);
    if address.is_null() {
        log::info!("warm-up: this system lacks {}", name.to_str().unwrap_or_default());
        return None;
    }
    // SAFETY: the caller's word; the sizes are equal.
    Some(unsafe { core::mem::transmute_copy(&address) })
}

fn notify() {
    // SAFETY: `bool notify_is_valid_token(int)` (notify.h).
    let known =
        unsafe { function::<unsafe extern "C" fn(c_int) -> bool>(c"notify_is_valid_token") };
    if let Some(is_valid_token) = known {
        // SAFETY: takes any number.
        unsafe { is_valid_token(0) };
    }
}

fn xpc() {
    // SAFETY: `xpc_object_t xpc_date_create_from_current(void)` (xpc/xpc.h).
    let known = unsafe {
        function::<unsafe extern "C" fn() -> *mut c_void>(c"xpc_date_create_from_current")
    };
    if let Some(date_create_from_current) = known {
        // SAFETY: no preconditions. The object is left alone, as Go leaves it.
        unsafe { date_create_from_current() };
    }
}

fn xpc_atfork_child() {
    // SAFETY: `void xpc_atfork_child(void)`, by Libsystem `init.c`.
    let known = unsafe { function::<unsafe extern "C" fn()>(c"xpc_atfork_child") };
    if let Some(atfork_child) = known {
        // SAFETY: no preconditions; what it does to the parent is what the user asked for.
        unsafe { atfork_child() };
    }
}

/// Classes whose `+initialize` children were seen to abort in: `NSNumber` (apache/airflow#64874),
/// `NSCharacterSet` (confluentinc/librdkafka#4590), and the rest of what a constant or a look-up makes.
const CLASSES: [&CStr; 9] = [
    c"NSObject",
    c"NSString",
    c"NSNumber",
    c"NSCharacterSet",
    c"NSArray",
    c"NSDictionary",
    c"NSData",
    c"NSDate",
    c"NSUserDefaults",
];

fn foundation() {
    const PATH: &CStr = c"/System/Library/Frameworks/Foundation.framework/Foundation";
    type Object = *mut c_void;
    // SAFETY: a literal string; its initialisers are meant to run wherever they are loaded.
    if unsafe { libc::dlopen(PATH.as_ptr(), libc::RTLD_LAZY | libc::RTLD_GLOBAL) }.is_null() {
        log::info!("warm-up: this system lacks Foundation");
        return;
    }
    // SAFETY: `Class objc_getClass(const char *)` (objc/runtime.h).
    let class =
        unsafe { function::<unsafe extern "C" fn(*const c_char) -> Object>(c"objc_getClass") };
    // SAFETY: `SEL sel_registerName(const char *)` (objc/runtime.h).
    let name =
        unsafe { function::<unsafe extern "C" fn(*const c_char) -> Object>(c"sel_registerName") };
    // SAFETY: `objc_msgSend` is to be called by the type of the method: `+ (Class)class` (objc/message.h).
    let send =
        unsafe { function::<unsafe extern "C" fn(Object, Object) -> Object>(c"objc_msgSend") };
    let (Some(class), Some(name), Some(send)) = (class, name, send) else {
        return;
    };
    // SAFETY: a literal string.
    let selector = unsafe { name(c"class".as_ptr()) };
    for wanted in CLASSES {
        // SAFETY: a literal string.
        let object = unsafe { class(wanted.as_ptr()) };
        if !object.is_null() {
            // SAFETY: every class has this method. The first message runs `+initialize`.
            unsafe { send(object, selector) };
        }
    }
}

/// One look-up in the parent: the classes behind it are initialised then (Laravel Herd
/// #1729, macOS 27). On macOS 26 such a look-up is what makes children of Network.framework crash
/// (OpenVoxProject/openvox#538), so it is not the default.
fn dns() {
    let mut found = ptr::null_mut();
    // SAFETY: literal strings, and a valid place for the result.
    let result = unsafe {
        libc::getaddrinfo(c"localhost".as_ptr(), ptr::null(), ptr::null(), &raw mut found)
    };
    if result == 0 {
        // SAFETY: the list that was just made.
        unsafe { libc::freeaddrinfo(found) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_combine() {
        assert!(choose("notify,dns"));
        assert_eq!(CHOSEN.load(Ordering::Relaxed), NOTIFY | DNS);
        assert!(choose("none"));
        assert_eq!(CHOSEN.load(Ordering::Relaxed), 0);
        assert!(!choose("") && !choose("notify,tea"));
        assert!(choose("default"));
    }
}
