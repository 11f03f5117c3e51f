//! A preload library whose gate is a `parking_lot::RwLock`: a reader around `random`.

mod next;

use core::ffi::c_long;

use parking_lot::RwLock;

static GATE: RwLock<()> = RwLock::new(());

#[unsafe(no_mangle)]
extern "C" fn random() -> c_long {
    let _inside = GATE.read();
    next::random()
}
