//! What Python keeps in Python about who does what: modules that a thread is importing, records that are about
//! to be written to a log. No lock of libc tells of it, so `python.py` mends it in the child.
//!
//! It is run by Python itself, as a handler of `os.register_at_fork`. The library registers that at a fork,
//! which Python makes with the interpreter in its hands; it may then call what runs no code of Python, which
//! might let go of the interpreter (since 3.13 it holds a lock over the fork that other
//! threads take with the interpreter).
//!
//! If the fork is recorded, `python_stacks.py` runs before it and tells what each thread does. For that to be so
//! at the first fork too, the handlers are registered when Python audits what leads to one
//! (`PySys_AddAuditHook`, Python 3.8 and later).

use core::ffi::{CStr, c_char, c_int, c_void};
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::object;
use crate::object::symbols::Name;
use crate::options::{self, Orphans};
use crate::record;

/// `Py_file_input` (Python's `Include/compile.h`).
const FILE_INPUT: c_int = 257;
/// `METH_NOARGS` and `METH_O` (Python's `Include/methodobject.h`).
const NO_ARGUMENTS: c_int = 4;
const ONE_ARGUMENT: c_int = 8;

/// What Python audits before it forks (Python's `Modules/posixmodule.c`, `Lib/subprocess.py`).
const FORKS: [&CStr; 3] = [c"os.fork", c"os.forkpty", c"subprocess.Popen"];

/// A Python object, or null.
type Object = *mut c_void;
/// A C string.
type Text = *const c_char;

/// `PyMethodDef` (Python's `Include/methodobject.h`).
#[repr(C)]
struct Method {
    name: Text,
    call: Call,
    flags: c_int,
    doc: Text,
}

// SAFETY: never changes, and points to literals.
unsafe impl Sync for Method {}

/// Runs `python.py`, in a child; an exception is told of by Python.
static MEND: Method = method(mend, NO_ARGUMENTS);
/// Runs `python_stacks.py`, before a fork.
static LOOK: Method = method(look, NO_ARGUMENTS);
/// Takes what that says.
static TELL: Method = method(tell, ONE_ARGUMENT);

type Call = unsafe extern "C-unwind" fn(Object, Object) -> Object;

const fn method(call: Call, flags: c_int) -> Method {
    Method { name: c"forkfix".as_ptr(), call, flags, doc: ptr::null() }
}

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
            if found && is_recorded() {
                audit();
            }
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
    clear(dictionary: Object) -> () = c"PyDict_Clear";
    tuple(size: isize) -> Object = c"PyTuple_New";
    attribute(of: Object, name: Text) -> Object = c"PyObject_GetAttrString";
    call(function: Object, arguments: Object, named: Object) -> Object = c"PyObject_Call";
    function(method: *const Method, of: Object, module: Object) -> Object = c"PyCFunction_NewEx";
    bytes(object: Object, text: *mut *mut u8, len: *mut isize) -> c_int = c"PyBytes_AsStringAndSize";
    drop_reference(object: Object) -> () = c"Py_DecRef";
}

/// Whether there is a Python that the handlers are not registered with.
static WAITING: AtomicBool = AtomicBool::new(false);
/// `python.py`, compiled; null if it is not wanted.
static MENDING: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// The same for `python_stacks.py`.
static LOOKING: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

fn is_mended() -> bool {
    super::are_tracked() && options::orphans() == Orphans::Repair
}

fn is_recorded() -> bool {
    record::on() && options::backtrace()
}

/// Has Python tell before it forks. May be done before Python is initialised.
fn audit() {
    type Hook = unsafe extern "C-unwind" fn(Text, Object, *mut c_void) -> c_int;
    static ADD: Function<unsafe extern "C-unwind" fn(Hook, *mut c_void) -> c_int> =
        Function::called(&[c"PySys_AddAuditHook"]);
    if ADD.find() {
        // SAFETY: found just now, with this type in Python's headers.
        let add = unsafe { ADD.get() };
        // SAFETY: a function that lives as long as the process.
        unsafe { add(audited, ptr::null_mut()) };
    }
}

/// Python calls this, with the interpreter, before it does something of note. Allows all.
unsafe extern "C-unwind" fn audited(event: Text, _arguments: Object, _data: *mut c_void) -> c_int {
    if WAITING.load(Ordering::Relaxed) {
        // SAFETY: a C string of Python's.
        let event = unsafe { CStr::from_ptr(event) };
        if FORKS.contains(&event) {
            register();
        }
    }
    0
}

/// Registers the handlers, if the calling thread, which forks, has the interpreter.
pub(crate) fn register() {
    if WAITING.load(Ordering::Relaxed)
        && (is_mended() || is_recorded())
        && let Some(python) = Interpreter::of_this_thread()
    {
        // A Python without such handlers (before 3.7) stays without.
        WAITING.store(false, Ordering::Relaxed);
        python.register();
        python.clear_error();
    }
}

fn there(object: Object) -> Option<Object> {
    (!object.is_null()).then_some(object)
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
        let posix = there(self.item(self.modules(), c"posix".as_ptr()))?;
        let register = there(self.attribute(posix, c"register_at_fork".as_ptr()))?;
        let (none, named) = (there(self.tuple(0))?, there(self.dictionary())?);
        if is_mended() {
            let source = concat!(include_str!("python.py"), "\0");
            self.prepare(source, &MENDING)?;
            self.set_item(named, c"after_in_child".as_ptr(), self.method(&MEND)?);
        }
        if is_recorded() {
            let source = concat!(include_str!("python_stacks.py"), "\0");
            self.prepare(source, &LOOKING)?;
            self.set_item(named, c"before".as_ptr(), self.method(&LOOK)?);
        }
        there(self.call(register, none, named)).map(drop)
    }

    /// Compiles `source`, which ends with a zero byte.
    fn prepare(&self, source: &str, place: &AtomicPtr<c_void>) -> Option<()> {
        let code = self.compile(source.as_ptr().cast(), c"<forkfix>".as_ptr(), FILE_INPUT);
        place.store(there(code)?, Ordering::Relaxed);
        Some(())
    }

    fn method(&self, method: &'static Method) -> Option<Object> {
        there(self.function(method, ptr::null_mut(), ptr::null_mut()))
    }

    /// Runs compiled code; null if an exception came of it.
    fn run(&self, code: &AtomicPtr<c_void>, with: impl FnOnce(Object)) -> Object {
        let names = self.dictionary();
        if names.is_null() {
            return names;
        }
        self.set_item(names, c"__builtins__".as_ptr(), self.builtins());
        with(names);
        let result = self.evaluate(code.load(Ordering::Relaxed), names, names);
        // The functions among them refer to them.
        self.clear(names);
        self.drop_reference(names);
        result
    }
}

unsafe extern "C-unwind" fn mend(_module: Object, _arguments: Object) -> Object {
    Interpreter(()).run(&MENDING, |_| {})
}

/// What goes wrong here is nobody's business.
unsafe extern "C-unwind" fn look(_module: Object, _arguments: Object) -> Object {
    let python = Interpreter(());
    let result = python.run(&LOOKING, |names| {
        python.set_item(names, c"modules".as_ptr(), python.modules());
        if let Some(tell) = python.method(&TELL) {
            python.set_item(names, c"tell".as_ptr(), tell);
            python.drop_reference(tell);
        }
    });
    if !result.is_null() {
        return result;
    }
    python.clear_error();
    python.tuple(0)
}

unsafe extern "C-unwind" fn tell(_module: Object, text: Object) -> Object {
    let python = Interpreter(());
    let (mut bytes, mut len) = (ptr::null_mut(), 0);
    if python.bytes(text, &raw mut bytes, &raw mut len) == 0 {
        // SAFETY: the object's bytes, which stay as they are.
        record::set_python(unsafe { core::slice::from_raw_parts(bytes, len.unsigned_abs()) });
    }
    python.tuple(0)
}
