//! Children that hang for a lock, or a pool, of Rust: `std`, `parking_lot`, `rayon` or `tokio`.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, mpsc};
use std::thread;

use rayon::prelude::*;
use tokio::runtime::Runtime;

static STD: Mutex<u64> = Mutex::new(0);
static PARKING_LOT: parking_lot::Mutex<u64> = parking_lot::Mutex::new(0);
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads can be made"));

/// A thread's directory below `/proc`.
type Place = PathBuf;

fn keep_std(kept: &mpsc::Sender<Place>) {
    let _held = STD.lock().expect("nobody panics");
    keep(kept);
}

fn keep_parking_lot(kept: &mpsc::Sender<Place>) {
    let _held = PARKING_LOT.lock();
    keep(kept);
}

/// Takes the lock, or starts the pool, and never comes back.
fn hold(what: &str, kept: &mpsc::Sender<Place>) {
    match what {
        "std" => keep_std(kept),
        "parking_lot" => keep_parking_lot(kept),
        pool => {
            need(pool);
            keep(kept);
        }
    }
}

fn keep(kept: &mpsc::Sender<Place>) {
    let place = std::fs::read_link("/proc/thread-self").expect("Linux has it");
    kept.send(place).expect("it is waited for");
    loop {
        thread::park();
    }
}

fn need(what: &str) {
    match what {
        "std" => *STD.lock().expect("nobody panics") += 1,
        "parking_lot" => *PARKING_LOT.lock() += 1,
        "rayon" => drop(sum()),
        _ => start(),
    }
}

fn sum() -> u64 {
    (0..1000_u64).into_par_iter().sum()
}

fn start() {
    RUNTIME.block_on(async { RUNTIME.spawn(async {}).await.expect("nobody panics") });
}

fn fork_and_wait(what: &str) {
    // SAFETY: the child does what hangs, or ends.
    let child = unsafe { libc::fork() }; // FORK
    if child == 0 {
        need(what);
        // SAFETY: no precondition.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
}

/// Until the thread sleeps in a system call: nobody can tell where one that runs is.
fn until_asleep(thread: &Path) {
    let call = Path::new("/proc").join(thread).join("syscall");
    let is_asleep =
        || std::fs::read(&call).is_ok_and(|call| call.first().is_some_and(u8::is_ascii_digit));
    while !is_asleep() {
        thread::yield_now();
    }
}

fn main() {
    let what: &str = std::env::args().nth(1).expect("the name of a lock").leak();
    let (sender, receiver) = mpsc::channel();
    let keeper = thread::Builder::new().name("keeper".to_owned());
    keeper.spawn(move || hold(what, &sender)).expect("a thread");
    until_asleep(&receiver.recv().expect("the lock is taken"));
    fork_and_wait(what);
}
