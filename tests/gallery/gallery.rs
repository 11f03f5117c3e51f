//! What the programs in Rust share: forks while other threads are at work.
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

unsafe extern "C" {
    fn fork() -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn kill(pid: i32, signal: i32) -> i32;
    fn _exit(status: i32) -> !;
}

const WRONG: i32 = 3;
const NOHANG: i32 = 1;
const SIGKILL: i32 = 9;
const DEADLINE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_millis(100);

/// It has one thread, which is in `futex()` without a time-out, the fourth argument.
fn waits_for_nobody(child: i32) -> bool {
    let is_alone = fs::read_dir(format!("/proc/{child}/task")).is_ok_and(|all| all.count() == 1);
    let call = fs::read_to_string(format!("/proc/{child}/syscall")).unwrap_or_default();
    let words: Vec<_> = call.split(' ').collect();
    is_alone && words[0] == "202" && words.get(4) == Some(&"0x0")
}

/// The child's status; none if it hung, and was killed.
fn ends(child: i32) -> Option<i32> {
    let start = Instant::now();
    let mut status = 0;
    while start.elapsed() < DEADLINE {
        // SAFETY: the status is there to be written to.
        if unsafe { waitpid(child, &mut status, NOHANG) } == child {
            return Some(status);
        }
        if start.elapsed() > PATIENCE && waits_for_nobody(child) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    // SAFETY: it is a child of ours that nobody has waited for.
    unsafe {
        kill(child, SIGKILL);
        waitpid(child, &mut status, 0);
    }
    None
}

/// A program does not know what compiled it; this is what did.
fn version() -> String {
    let output = Command::new("rustc").arg("--version").output().expect("it was there just now");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(' ').nth(1).expect("rustc VERSION").to_owned()
}

/// Each child calls `call`, which returns whether all is well, and three threads do so all the time.
pub fn play(call: fn() -> bool) {
    let mut limits = env::args().skip(1).map(|word| word.parse::<u32>().expect("a number"));
    let mut limit = || limits.next().expect("forks and hangs");
    let (forks, most) = (limit(), limit());
    println!("version: {}", version());
    for _ in 0..3 {
        thread::spawn(move || while call() {});
    }
    let [mut done, mut hangs, mut crashes, mut wrong] = [0; 4];
    while done < forks && hangs < most {
        // SAFETY: the child does what it would do without threads, which is what is tried.
        let child = unsafe { fork() };
        if child == 0 {
            let status = if call() { 0 } else { WRONG };
            // SAFETY: always.
            unsafe { _exit(status) };
        }
        done += 1;
        match ends(child) {
            None => hangs += 1,
            Some(0) => (),
            Some(status) if status == WRONG << 8 => wrong += 1,
            Some(_) => crashes += 1,
        }
    }
    println!("forks={done} hangs={hangs} crashes={crashes} wrong={wrong}");
}
