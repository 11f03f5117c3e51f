//! What Python keeps in Python about who does what: modules that a thread is importing, records that are about
//! to be written to a log. No lock of libc tells of it, so `python.py` mends it in the child.
//!
//! It is run by Python itself, as a handler of `os.register_at_fork`. The library registers that at a fork,
//! which Python makes with the interpreter in its hands; it may then call what runs no code of Python, which
//! might let go of the interpreter (CPython holds a lock over the fork that others take with the
//! interpreter, since 3.13).

use core::ffi::{CStr, c_char, c_int, c_void};
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::options::{self, Orphans};

/// `Py_file_input` (CPython `Include/compile.h`).
const FILE_INPUT: c_int = 257;
/// `METH_NOARGS` (CPython `Include/methodobject.h`).
const NO_ARGUMENTS: c_int = 4;

/// A Python object.
type Object = *mut c_void;

/// `PyMethodDef` (CPython `Include/methodobject.h`).
#[repr(C)]
struct Method {
    name: *const c_char,
    call: unsafe extern "C-unwind" fn(Object, Object) -> Object,
    flags: c_int,
    doc: *const c_char,
}

// SAFETY: never changes, and points to literals.
unsafe impl Sync for Method {}

static METHOD: Method =
    Method { name: c"forkfix".as_ptr(), call: run, flags: NO_ARGUMENTS, doc: ptr::null() };

/// A function of Python's, looked up.
struct Function<F> {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
    of: PhantomData<F>,
}

impl<F: Copy> Function<F> {
    /// # Safety
    ///
    /// `F` must be the type of a pointer to the function.
    const unsafe fn called(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(ptr::null_mut()), of: PhantomData }
    }

    fn find(&self) -> bool {
        // SAFETY: a literal name.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, self.name.as_ptr()) };
        self.address.store(address, Ordering::Relaxed);
        !address.is_null()
    }

    fn get(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*const c_void>()) };
        let address = self.address.load(Ordering::Relaxed);
        // SAFETY: of this type, as whoever wrote the row vouches; the sizes are equal.
        (!address.is_null()).then(|| unsafe { core::mem::transmute_copy(&address) })
    }
}

/// One row for each function, and `find_all` for all of them.
macro_rules! functions {
    ($($row:ident = $name:literal: ($($argument:ty),*) -> $result:ty;)*) => {
        $(
            // SAFETY: as in CPython's headers; pointers to objects and states are opaque here.
            static $row: Function<unsafe extern "C-unwind" fn($($argument),*) -> $result> =
                unsafe { Function::called($name) };
        )*

        fn find_all() -> bool {
            $($row.find())&&*
        }
    };
}

functions! {
    COMPILE = c"Py_CompileString": (*const c_char, *const c_char, c_int) -> Object;
    EVALUATE = c"PyEval_EvalCode": (Object, Object, Object) -> Object;
    BUILTINS = c"PyEval_GetBuiltins": () -> Object;
    STATE = c"PyGILState_GetThisThreadState": () -> *mut c_void;
    ERROR = c"PyErr_Occurred": () -> Object;
    CLEAR_ERROR = c"PyErr_Clear": () -> ();
    MODULES = c"PyImport_GetModuleDict": () -> Object;
    DICTIONARY = c"PyDict_New": () -> Object;
    ITEM = c"PyDict_GetItemString": (Object, *const c_char) -> Object;
    SET_ITEM = c"PyDict_SetItemString": (Object, *const c_char, Object) -> c_int;
    TUPLE = c"PyTuple_New": (isize) -> Object;
    ATTRIBUTE = c"PyObject_GetAttrString": (Object, *const c_char) -> Object;
    CALL = c"PyObject_Call": (Object, Object, Object) -> Object;
    FUNCTION = c"PyCFunction_NewEx": (*const Method, Object, Object) -> Object;
    FORGET = c"Py_DecRef": (Object) -> ();
}

// SAFETY: as in CPython's headers.
static CURRENT: Function<unsafe extern "C-unwind" fn() -> *mut c_void> =
    unsafe { Function::called(c"_PyThreadState_UncheckedGet") };
// SAFETY: the same, as it is called since 3.13.
static CURRENT_SINCE_3_13: Function<unsafe extern "C-unwind" fn() -> *mut c_void> =
    unsafe { Function::called(c"PyThreadState_GetUnchecked") };

/// Whether there is a Python to register with, which has not been done.
static WAITING: AtomicBool = AtomicBool::new(false);
/// `python.py`, compiled.
static CODE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Looks for a Python; for the constructor.
pub(crate) fn find() {
    let found = find_all() && (CURRENT.find() | CURRENT_SINCE_3_13.find());
    WAITING.store(found, Ordering::Relaxed);
}

/// Registers the handler, if the calling thread, which forks, has the interpreter.
pub(crate) fn register() {
    let wanted = super::are_tracked() && options::orphans() == Orphans::Repair;
    if wanted && WAITING.load(Ordering::Relaxed) && try_to_register() == Some(true) {
        WAITING.store(false, Ordering::Relaxed);
    }
}

/// `None` or false if it could not be done now.
fn try_to_register() -> Option<bool> {
    let current = CURRENT.get().or_else(|| CURRENT_SINCE_3_13.get())?;
    // SAFETY: callable from any thread at any time.
    let (mine, current) = unsafe { (STATE.get()?(), current()) };
    // SAFETY: the thread has the interpreter, if its state is the current one.
    if mine.is_null() || mine != current || unsafe { !ERROR.get()?().is_null() } {
        return None;
    }
    let source = concat!(include_str!("python.py"), "\0").as_ptr().cast();
    // SAFETY: C strings; the thread has the interpreter. Each function is given objects that are there, or
    // none is called.
    unsafe {
        let posix = ITEM.get()?(MODULES.get()?(), c"posix".as_ptr());
        let code = COMPILE.get()?(source, c"<forkfix>".as_ptr(), FILE_INPUT);
        let handler = FUNCTION.get()?(&raw const METHOD, ptr::null_mut(), ptr::null_mut());
        let (none, named) = (TUPLE.get()?(0), DICTIONARY.get()?());
        let mut done = false;
        if ![posix, code, handler, none, named].contains(&ptr::null_mut()) {
            CODE.store(code, Ordering::Relaxed);
            SET_ITEM.get()?(named, c"after_in_child".as_ptr(), handler);
            let register = ATTRIBUTE.get()?(posix, c"register_at_fork".as_ptr());
            done = !register.is_null() && !CALL.get()?(register, none, named).is_null();
        }
        CLEAR_ERROR.get()?();
        Some(done)
    }
}

/// The handler: runs `python.py`. An exception is told of by Python.
unsafe extern "C-unwind" fn run(_module: Object, _arguments: Object) -> Object {
    evaluate().unwrap_or(ptr::null_mut())
}

fn evaluate() -> Option<Object> {
    // SAFETY: called by Python, with the interpreter.
    unsafe {
        let names = DICTIONARY.get()?();
        SET_ITEM.get()?(names, c"__builtins__".as_ptr(), BUILTINS.get()?());
        let result = EVALUATE.get()?(CODE.load(Ordering::Relaxed), names, names);
        FORGET.get()?(names);
        Some(result)
    }
}
