//! What Python keeps in Python about who does what: modules that a thread is importing, records that are about
//! to be written to a log. No lock of libc tells of it, so `python.py` mends it in the child.
//!
//! It is run by Python itself, as a handler of `os.register_at_fork`. The library registers that at a fork,
//! which Python makes with the interpreter in its hands; it may then call what runs no code of Python, which
//! might let go of the interpreter (since 3.13 it holds a lock over the fork that other
//! threads take with the interpreter).

use core::ffi::{CStr, c_char, c_int, c_void};
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::object;
use crate::object::symbols::Name;
use crate::options::{self, Orphans};

/// `Py_file_input` (Python's `Include/compile.h`).
const FILE_INPUT: c_int = 257;
/// `METH_NOARGS` (Python's `Include/methodobject.h`).
const NO_ARGUMENTS: c_int = 4;

/// A Python object, or null.
type Object = *mut c_void;
/// A C string.
type Text = *const c_char;

/// `PyMethodDef` (Python's `Include/methodobject.h`).
#[repr(C)]
struct Method {
    name: Text,
    call: unsafe extern "C-unwind" fn(Object, Object) -> Object,
    flags: c_int,
    doc: Text,
}

// SAFETY: never changes, and points to literals.
unsafe impl Sync for Method {}

static METHOD: Method =
    Method { name: c"forkfix".as_ptr(), call: handler, flags: NO_ARGUMENTS, doc: ptr::null() };

/// A function of Python's, looked up; `F` is the type of a pointer to it.
struct Function<F> {
    names: &'static [&'static CStr],
    address: AtomicPtr<c_void>,
    of: PhantomData<F>,
}

impl<F: Copy> Function<F> {
    /// One that has one of these names.
    const fn called(names: &'static [&'static CStr]) -> Self {
        Self { names, address: AtomicPtr::new(ptr::null_mut()), of: PhantomData }
    }

    fn find(&self) -> bool {
        // SAFETY: a look-up by a literal name.
        let look_up = |name: &&CStr| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        let address = self.names.iter().map(look_up).find(|address| !address.is_null());
        self.address.store(address.unwrap_or(ptr::null_mut()), Ordering::Relaxed);
        address.is_some()
    }

    /// # Safety
    ///
    /// It has been found, and is of that type.
    unsafe fn get(&self) -> F {
        const { assert!(size_of::<F>() == size_of::<*const c_void>()) };
        let address = self.address.load(Ordering::Relaxed);
        // SAFETY: as the caller vouches; the sizes are equal.
        unsafe { core::mem::transmute_copy(&address) }
    }
}

/// The calling thread has the interpreter, so that it may call these functions.
struct Interpreter(());

/// One row for each function: its name here, its names in Python.
macro_rules! functions {
    ($($row:ident($($argument:ident: $type:ty),*) -> $result:ty = $($name:literal)|+;)*) => {
        #[expect(non_upper_case_globals, reason = "they are called like the functions")]
        mod rows {
            use super::*;
            $(
                pub(super) static $row: Function<unsafe extern "C-unwind" fn($($type),*) -> $result> =
                    Function::called(&[$($name),+]);
            )*
        }

        impl Interpreter {
            $(
                fn $row(&self, $($argument: $type),*) -> $result {
                    // SAFETY: who has an `Interpreter` has found all functions, with these types
                    // in Python's headers.
                    let function = unsafe { rows::$row.get() };
                    // SAFETY: this thread has the interpreter, and passes objects that are there.
                    unsafe { function($($argument),*) }
                }
            )*
        }

        /// Looks for a Python; for the constructor.
        pub(crate) fn find() {
            if object::is_defined_nowhere(&COMPILE) {
                return;
            }
            let found = $(rows::$row.find())&&*;
            WAITING.store(found, Ordering::Relaxed);
            // SAFETY: no preconditions; forgets the message about what was not found.
            unsafe { libc::dlerror() };
        }
    };
}

/// The first of them.
static COMPILE: Name = Name::new("Py_CompileString");

functions! {
    compile(source: Text, file: Text, start: c_int) -> Object = c"Py_CompileString";
    evaluate(code: Object, globals: Object, locals: Object) -> Object = c"PyEval_EvalCode";
    builtins() -> Object = c"PyEval_GetBuiltins";
    state_of_this_thread() -> *mut c_void = c"PyGILState_GetThisThreadState";
    current_state() -> *mut c_void = c"_PyThreadState_UncheckedGet" | c"PyThreadState_GetUnchecked";
    error() -> Object = c"PyErr_Occurred";
    clear_error() -> () = c"PyErr_Clear";
    modules() -> Object = c"PyImport_GetModuleDict";
    dictionary() -> Object = c"PyDict_New";
    item(dictionary: Object, key: Text) -> Object = c"PyDict_GetItemString";
    set_item(dictionary: Object, key: Text, value: Object) -> c_int = c"PyDict_SetItemString";
    tuple(size: isize) -> Object = c"PyTuple_New";
    attribute(of: Object, name: Text) -> Object = c"PyObject_GetAttrString";
    call(function: Object, arguments: Object, named: Object) -> Object = c"PyObject_Call";
    function(method: *const Method, of: Object, module: Object) -> Object = c"PyCFunction_NewEx";
    drop_reference(object: Object) -> () = c"Py_DecRef";
}

/// Whether there is a Python that the handler is not registered with.
static WAITING: AtomicBool = AtomicBool::new(false);
/// `python.py`, compiled.
static CODE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Registers the handler, if the calling thread, which forks, has the interpreter.
pub(crate) fn register() {
    let wanted = super::are_tracked() && options::orphans() == Orphans::Repair;
    if wanted
        && WAITING.load(Ordering::Relaxed)
        && let Some(python) = Interpreter::of_this_thread()
    {
        // A Python without such handlers (before 3.7) stays without.
        WAITING.store(false, Ordering::Relaxed);
        python.register();
        python.clear_error();
    }
}

impl Interpreter {
    /// `None` if the thread has not got it, or is amid an exception.
    fn of_this_thread() -> Option<Self> {
        // These may be called by any thread.
        let python = Self(());
        let state = python.state_of_this_thread();
        let has_it = !state.is_null() && state == python.current_state();
        (has_it && python.error().is_null()).then_some(python)
    }

    /// An exception is left behind if that fails.
    fn register(&self) -> Option<()> {
        let there = |object: Object| (!object.is_null()).then_some(object);
        let source = concat!(include_str!("python.py"), "\0");
        let code = self.compile(source.as_ptr().cast(), c"<forkfix>".as_ptr(), FILE_INPUT);
        CODE.store(there(code)?, Ordering::Relaxed);
        let posix = there(self.item(self.modules(), c"posix".as_ptr()))?;
        let register = there(self.attribute(posix, c"register_at_fork".as_ptr()))?;
        let handler = there(self.function(&raw const METHOD, ptr::null_mut(), ptr::null_mut()))?;
        let (none, named) = (there(self.tuple(0))?, there(self.dictionary())?);
        self.set_item(named, c"after_in_child".as_ptr(), handler);
        there(self.call(register, none, named)).map(drop)
    }

    /// Runs `python.py`; null if an exception came of it.
    fn run(&self) -> Object {
        let names = self.dictionary();
        if names.is_null() {
            return names;
        }
        self.set_item(names, c"__builtins__".as_ptr(), self.builtins());
        let result = self.evaluate(CODE.load(Ordering::Relaxed), names, names);
        self.drop_reference(names);
        result
    }
}

/// The handler, which Python calls with the interpreter. An exception is told of by Python.
unsafe extern "C-unwind" fn handler(_module: Object, _arguments: Object) -> Object {
    Interpreter(()).run()
}
