//! Writing to the ring, which many threads of many processes do at a time.
//!
//! A writer claims a place, writes the event there, then its number. One that dies in between leaves a place
//! that never gets its number; the reader passes over it. One that is stopped in between for as long as the ring
//! takes to come round writes over a later event; the reader finds that by the checksum.

use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use super::format::{CAPACITY, Event, Ring, Slot, checksum};

/// How often a writer tries to claim a place while others are faster.
const TRIES: u32 = 1000;

/// Writes one event, or counts it as dropped if there is no room.
///
/// # Safety
///
/// `ring` must be a mapped ring that is never unmapped. What stands in it may be anything, and change at any moment.
#[unsafe(link_section = ".text.hot.fork")]
pub(super) unsafe fn write(ring: *mut Ring, event: &Event) {
    // SAFETY: the header of a mapped ring.
    let [claimed, read, dropped] = unsafe { counts(ring) };
    let Some(index) = claim(claimed, read) else {
        dropped.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let slot = slot(ring, index);
    let number = index.wrapping_add(1);
    // SAFETY: one of the slots. Another process may read or write it at the same time; the checksum tells.
    unsafe { ptr::write_volatile(field(slot, offset_of!(Slot, event)), *event) };
    let check = checksum(number, event);
    // SAFETY: as above.
    unsafe { ptr::write_volatile(field(slot, offset_of!(Slot, check)), check) };
    // SAFETY: as above; atomic.
    let place: &AtomicU64 = unsafe { &*field(slot, offset_of!(Slot, number)) };
    place.store(number, Ordering::Release);
}

/// What is claimed, read and dropped.
///
/// # Safety
///
/// `ring` must be mapped for as long as the counts are used.
unsafe fn counts<'a>(ring: *mut Ring) -> [&'a AtomicU64; 3] {
    let places = [
        offset_of!(Ring, header.claimed),
        offset_of!(Ring, header.read),
        offset_of!(Ring, header.dropped),
    ];
    // SAFETY: as the caller vouches; atomic.
    places.map(|place| unsafe { &*field(ring, place) })
}

/// The slot of event `index`.
fn slot(ring: *mut Ring, index: u64) -> *mut Slot {
    let slots: *mut Slot = field(ring, offset_of!(Ring, slots));
    slots.wrapping_add(index as usize % CAPACITY)
}

/// The field at `offset` of what is at `place`.
fn field<T, F>(place: *mut T, offset: usize) -> *mut F {
    place.wrapping_byte_add(offset).cast()
}

/// Claims a place; `None` if all have events that the reader has not read.
#[unsafe(link_section = ".text.hot.fork")]
fn claim(claimed: &AtomicU64, read: &AtomicU64) -> Option<u64> {
    // Each child touches this page for the first time. A load would have it mapped to be read, with those around it,
    // and then once more to be written, which costs 5 µs.
    let mut next = claimed
        .compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed)
        .unwrap_or_else(|now| now);
    for _ in 0..TRIES {
        if next.wrapping_sub(read.load(Ordering::Acquire)) >= CAPACITY as u64 {
            return None;
        }
        match claimed.compare_exchange(
            next,
            next.wrapping_add(1),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            Ok(index) => return Some(index),
            Err(now) => next = now,
        }
    }
    None
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "tests may allocate")]
mod tests {
    use core::sync::atomic::AtomicBool;
    use std::thread;

    use super::super::format::{Kind, TEXT};
    use super::*;

    const WRITERS: u32 = 4;
    /// Many times as many as there is room for.
    const EVENTS: u32 = 200_000;

    /// A ring in memory that the other threads of this process share.
    #[derive(Clone, Copy)]
    struct Shared(*mut Ring);

    // SAFETY: used as processes use it that share a file.
    unsafe impl Send for Shared {}

    impl Shared {
        fn new() -> Self {
            Self(crate::sys::map(size_of::<Ring>()).expect("there is memory").as_ptr().cast())
        }

        fn write(self, event: &Event) {
            // SAFETY: mapped, and never unmapped.
            unsafe { write(self.0, event) };
        }

        fn counts(self) -> [&'static AtomicU64; 3] {
            // SAFETY: as above.
            unsafe { counts(self.0) }
        }

        /// Event `index`, once it is there.
        fn take(self, index: u64) -> Option<Event> {
            let slot = slot(self.0, index);
            // SAFETY: one of the slots; atomic.
            let number: &AtomicU64 = unsafe { &*field(slot, offset_of!(Slot, number)) };
            if number.load(Ordering::Acquire) != index + 1 {
                return None;
            }
            // SAFETY: as above; nobody writes there before it is read.
            let event = unsafe { ptr::read_volatile(field(slot, offset_of!(Slot, event))) };
            // SAFETY: as above.
            let check = unsafe { ptr::read_volatile(field(slot, offset_of!(Slot, check))) };
            assert_eq!(checksum(index + 1, &event), check, "torn");
            let [_, read, _] = self.counts();
            read.store(index + 1, Ordering::Release);
            Some(event)
        }
    }

    fn event(writer: u32, number: u32) -> Event {
        Event {
            kind: Kind::Fork as u32,
            pid: writer,
            tid: number,
            code: 0,
            time_ns: 0,
            serial: 0,
            numbers: [number.into(); 6],
            name: [0; 16],
            text: [number as u8; TEXT],
        }
    }

    #[test]
    fn events_of_many_writers_are_whole_and_in_order() {
        static BEGUN: AtomicBool = AtomicBool::new(false);
        static DONE: AtomicBool = AtomicBool::new(false);
        let ring = Shared::new();
        let writers = (0..WRITERS).map(|writer| {
            thread::spawn(move || {
                while !BEGUN.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                (1..=EVENTS).for_each(|n| ring.write(&event(writer, n)));
            })
        });
        let writers: Vec<_> = writers.collect();
        BEGUN.store(true, Ordering::Release);
        let reader = thread::spawn(move || {
            let (mut index, mut last) = (0, [0; WRITERS as usize]);
            loop {
                let done = DONE.load(Ordering::Acquire);
                match ring.take(index) {
                    Some(event) => {
                        index += 1;
                        let last = &mut last[event.pid as usize];
                        assert!(event.tid > *last, "out of order");
                        assert_eq!(event.numbers, [u64::from(event.tid); 6]);
                        *last = event.tid;
                    }
                    None if done => return index,
                    None => thread::yield_now(),
                }
            }
        });
        writers.into_iter().for_each(|writer| writer.join().expect("a writer"));
        DONE.store(true, Ordering::Release);
        let taken = reader.join().expect("the reader");
        let dropped = ring.counts()[2].load(Ordering::Relaxed);
        assert_eq!(taken + dropped, u64::from(WRITERS * EVENTS));
    }

    #[test]
    fn a_full_ring_drops_what_comes_and_goes_on() {
        let ring = Shared::new();
        let [claimed, read, dropped] = ring.counts();
        // The numbers come round.
        claimed.store(u64::MAX - 10, Ordering::Relaxed);
        read.store(u64::MAX - 10, Ordering::Relaxed);
        let room = CAPACITY as u32;
        (0..room + 5).for_each(|n| ring.write(&event(0, n)));
        assert_eq!(dropped.load(Ordering::Relaxed), 5);
        read.fetch_add(1, Ordering::Relaxed);
        ring.write(&event(0, 0));
        assert_eq!(dropped.load(Ordering::Relaxed), 5);
        assert_eq!(claimed.load(Ordering::Relaxed), u64::from(room) - 10);
    }
}
