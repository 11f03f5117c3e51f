//! The reader of the ring.
//!
//! Everything in the file may have been written by a process that means harm, or that was killed halfway, so
//! nothing in it is believed: what is not an event is counted and passed over. The file is read rather than
//! mapped, because whoever truncates it would kill this process.
//!
//! Invariant: [`Reader::read`] comes back after at most [`CAPACITY`] slots, whatever the file says, and the
//! next event that is written well is read.

use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::format::{CAPACITY, Event, Header, Kind, MAGIC, Ring, Slot, VERSION, checksum};

/// A place that was claimed so long ago without an event in it belongs to a process that was killed.
const GRACE: Duration = Duration::from_millis(200);
/// How many slots are read at once.
const BATCH: u64 = 128;
/// More events than that cannot have been dropped.
const MOST_DROPPED: u64 = 1 << 40;

const CLAIMED: usize = offset_of!(Header, claimed);
const READ: usize = offset_of!(Header, read);
const DROPPED: usize = offset_of!(Header, dropped);
/// The part of the header that never changes.
const FIXED: usize = offset_of!(Header, reader) + 4;

/// Writes the header of a new ring.
pub(super) fn begin(ring: &File) -> io::Result<()> {
    ring.write_all_at(&fixed(), 0)
}

/// The first bytes of the header.
fn fixed() -> [u8; FIXED] {
    let mut bytes = [0; FIXED];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(offset_of!(Header, magic), &MAGIC);
    put(offset_of!(Header, version), &VERSION.to_ne_bytes());
    put(offset_of!(Header, slot_size), &(size_of::<Slot>() as u32).to_ne_bytes());
    put(offset_of!(Header, capacity), &(CAPACITY as u64).to_ne_bytes());
    put(offset_of!(Header, reader), &std::process::id().to_ne_bytes());
    bytes
}

/// Reads each event once.
pub(super) struct Reader {
    ring: File,
    /// The number of the next event.
    next: u64,
    gap: Option<Gap>,
    /// Events that their writers never finished.
    unfinished: u64,
    /// Places where something else stood than the library writes.
    damaged: u64,
    batch: Vec<u8>,
}

/// Claimed places without events in them.
struct Gap {
    /// When they are given up.
    ends: Instant,
    /// The places before this number were claimed when the gap was found.
    before: u64,
}

/// What is in a slot.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Found {
    Event(Event),
    Damage,
    Nothing,
}

impl Reader {
    /// Reads from the first event on.
    pub(super) fn new(ring: File) -> Self {
        let batch = vec![0; BATCH as usize * size_of::<Slot>()];
        Self { ring, next: 0, gap: None, unfinished: 0, damaged: 0, batch }
    }

    /// Gives `take` the events that have come.
    pub(super) fn read(&mut self, now: Instant, mut take: impl FnMut(&Event)) {
        let claimed = self.claimed();
        let begun = self.next;
        let limit = begun + claimed.map_or(CAPACITY as u64, |claimed| claimed - begun);
        'batches: while self.next < limit {
            let length = self.load(limit);
            for slot in 0..length {
                match self.slot(slot) {
                    Found::Event(event) => take(&event),
                    Found::Damage => self.damaged += 1,
                    Found::Nothing
                        if claimed.is_some_and(|claimed| self.gives_up(now, claimed)) =>
                    {
                        self.unfinished += 1;
                    }
                    Found::Nothing => break 'batches,
                }
                self.next += 1;
            }
        }
        if claimed.is_none() {
            self.put(CLAIMED, self.next);
        }
        if self.next != begun {
            self.put(READ, self.next);
        }
    }

    /// Events that were lost: dropped for want of room, or never finished.
    pub(super) fn lost(&self) -> u64 {
        let dropped = self.number(DROPPED).filter(|dropped| *dropped < MOST_DROPPED);
        self.unfinished + dropped.unwrap_or(0)
    }

    /// How often something else was found than the library writes.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// How many events were claimed, after repairs of the header. `None` if that cannot be what the header
    /// says: then writers start anew after the last event that is there.
    fn claimed(&mut self) -> Option<u64> {
        if self.ring.metadata().is_ok_and(|found| found.len() != size_of::<Ring>() as u64) {
            self.damaged += 1;
            let _ = self.ring.set_len(size_of::<Ring>() as u64);
        }
        let mut header = [0; FIXED];
        let header_is_read = self.ring.read_exact_at(&mut header, 0).is_ok();
        if !header_is_read || header != fixed() || self.number(READ) != Some(self.next) {
            self.damaged += 1;
            let _ = begin(&self.ring);
            self.put(READ, self.next);
        }
        let claimed = self.number(CLAIMED);
        let sound = claimed.filter(|claimed| claimed.wrapping_sub(self.next) <= CAPACITY as u64);
        self.damaged += u64::from(sound.is_none());
        sound
    }

    /// Whether nobody will write the event that has this number, though somebody claimed it.
    fn gives_up(&mut self, now: Instant, claimed: u64) -> bool {
        match &self.gap {
            Some(gap) if self.next < gap.before => now >= gap.ends,
            _ => {
                self.gap = Some(Gap { ends: now + GRACE, before: claimed });
                false
            }
        }
    }

    /// Fills the batch with slots from the next one on, none of them from `limit` on. Returns how many.
    fn load(&mut self, limit: u64) -> usize {
        let place = self.next % CAPACITY as u64;
        let count = BATCH.min(limit - self.next).min(CAPACITY as u64 - place) as usize;
        let at = offset_of!(Ring, slots) as u64 + place * size_of::<Slot>() as u64;
        let batch = &mut self.batch[..count * size_of::<Slot>()];
        if self.ring.read_exact_at(batch, at).is_err() {
            batch.fill(0);
        }
        count
    }

    /// What slot number `slot` of the batch has, where the next event belongs.
    fn slot(&self, slot: usize) -> Found {
        let bytes = &self.batch[slot * size_of::<Slot>()..][..size_of::<Slot>()];
        let number = |at: usize| bytes[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
        if number(offset_of!(Slot, number)) != self.next + 1 {
            return Found::Nothing;
        }
        let event = &bytes[offset_of!(Slot, event)..][..size_of::<Event>()];
        // SAFETY: there are as many bytes as an event has, and any bytes are one.
        let event = unsafe { event.as_ptr().cast::<Event>().read_unaligned() };
        let is_whole = number(offset_of!(Slot, check)) == checksum(self.next + 1, &event);
        if is_whole && Kind::from_code(event.kind).is_some() {
            Found::Event(event)
        } else {
            Found::Damage
        }
    }

    /// The number at `at` in the header, if the file is that long.
    fn number(&self, at: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        self.ring.read_exact_at(&mut bytes, at as u64).ok()?;
        Some(u64::from_ne_bytes(bytes))
    }

    fn put(&self, at: usize, number: u64) {
        let _ = self.ring.write_all_at(&number.to_ne_bytes(), at as u64);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A ring with nothing in it.
    fn ring() -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size_of::<Ring>() as u64).unwrap();
        begin(&file).unwrap();
        file
    }

    /// An event with nothing in it.
    pub(in crate::watch) fn event(kind: Kind, pid: u32) -> Event {
        Event {
            kind: kind as u32,
            pid,
            tid: pid,
            code: 0,
            time_ns: 0,
            serial: 0,
            numbers: [0; 6],
            name: [0; 16],
            text: [0; 144],
        }
    }

    /// What the library does to write an event.
    struct Writer<'a>(&'a File);

    impl Writer<'_> {
        fn number(&self, at: usize) -> u64 {
            let mut bytes = [0; 8];
            self.0.read_exact_at(&mut bytes, at as u64).unwrap();
            u64::from_ne_bytes(bytes)
        }

        fn put(&self, at: u64, bytes: &[u8]) {
            self.0.write_all_at(bytes, at).unwrap();
        }

        fn claim(&self) -> Option<u64> {
            let number = self.number(CLAIMED);
            if number.wrapping_sub(self.number(READ)) >= CAPACITY as u64 {
                self.put(DROPPED as u64, &(self.number(DROPPED).wrapping_add(1)).to_ne_bytes());
                return None;
            }
            self.put(CLAIMED as u64, &(number + 1).to_ne_bytes());
            Some(number)
        }

        fn publish(&self, number: u64, event: &Event) {
            let slot = (number % CAPACITY as u64) * size_of::<Slot>() as u64;
            let slot = offset_of!(Ring, slots) as u64 + slot;
            // SAFETY: an event is plain bytes without padding.
            let bytes: [u8; size_of::<Event>()] = unsafe { std::mem::transmute(*event) };
            self.put(slot + offset_of!(Slot, event) as u64, &bytes);
            let check = checksum(number + 1, event);
            self.put(slot + offset_of!(Slot, check) as u64, &check.to_ne_bytes());
            self.put(slot, &(number + 1).to_ne_bytes());
        }

        fn write(&self, pid: u32) {
            if let Some(number) = self.claim() {
                self.publish(number, &event(Kind::Exit, pid));
            }
        }
    }

    fn pids(reader: &mut Reader, now: Instant) -> Vec<u32> {
        let mut pids = Vec::new();
        reader.read(now, |event| pids.push(event.pid));
        pids
    }

    #[test]
    fn each_event_is_read_once_and_in_order_over_many_rounds() {
        let file = ring();
        let mut reader = Reader::new(file.try_clone().unwrap());
        let now = Instant::now();
        let mut written = 0;
        for round in 0..9 {
            let first = written;
            for _ in 0..round * 977 {
                Writer(&file).write(written);
                written += 1;
            }
            assert!(pids(&mut reader, now).into_iter().eq(first..written), "{round}");
        }
        assert_eq!((reader.lost(), reader.damaged()), (0, 0));
        assert!(pids(&mut reader, now).is_empty());
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let file = ring();
        let mut reader = Reader::new(file.try_clone().unwrap());
        (0..CAPACITY as u32 + 7).for_each(|pid| Writer(&file).write(pid));
        assert_eq!(pids(&mut reader, Instant::now()).len(), CAPACITY);
        assert_eq!((reader.lost(), reader.damaged()), (7, 0));
    }

    #[test]
    fn an_event_whose_writer_was_killed_is_waited_for_and_then_passed_over() {
        let file = ring();
        let mut reader = Reader::new(file.try_clone().unwrap());
        let now = Instant::now();
        let writer = Writer(&file);
        writer.write(1);
        let late = writer.claim().unwrap();
        writer.claim().unwrap();
        writer.write(4);
        assert_eq!(pids(&mut reader, now), [1]);
        writer.publish(late, &event(Kind::Exit, 2));
        assert_eq!(pids(&mut reader, now + GRACE / 2), [2]);
        assert_eq!(pids(&mut reader, now + GRACE), [4], "the same time is given to all of them");
        assert_eq!((reader.lost(), reader.damaged()), (1, 0));
    }

    #[test]
    fn damage_is_counted_and_repaired() {
        let file = ring();
        let mut reader = Reader::new(file.try_clone().unwrap());
        let now = Instant::now();
        let writer = Writer(&file);
        let mut pid = 0;
        let mut is_read_after = |damage: &dyn Fn(), expected: &[u32]| {
            let before = reader.damaged();
            pid += 10;
            writer.write(pid);
            damage();
            let found = pids(&mut reader, now);
            assert_eq!(found, expected.iter().map(|more| pid + more).collect::<Vec<_>>());
            assert!(reader.damaged() > before);
            pid += 1;
            writer.write(pid);
            assert_eq!(pids(&mut reader, now), [pid]);
        };
        is_read_after(&|| writer.put(CLAIMED as u64, &[0xff; 8]), &[0]);
        is_read_after(&|| writer.put(CLAIMED as u64, &[0; 8]), &[0]);
        is_read_after(&|| writer.put(READ as u64, &[0x7f; 8]), &[0]);
        is_read_after(&|| writer.put(0, &[0; FIXED]), &[0]);
        is_read_after(&|| file.set_len(50).unwrap(), &[]);
        is_read_after(&|| file.set_len(1 << 30).unwrap(), &[0]);
        let slots = offset_of!(Ring, slots) as u64;
        let text = slots + 11 * size_of::<Slot>() as u64 + 200;
        is_read_after(&|| writer.put(text, b"scribble"), &[]);
    }

    #[derive(Clone, Debug)]
    enum Attack {
        Scribble(u64, Vec<u8>),
        Header(usize, u64),
        Truncate(u64),
        Claim,
        Write,
        Read,
    }

    fn attack() -> impl Strategy<Value = Attack> {
        let size = size_of::<Ring>() as u64;
        let near = prop_oneof![0..9000u64, 0..size];
        prop_oneof![
            (near, vec(any::<u8>(), 1..600)).prop_map(|(at, bytes)| Attack::Scribble(at, bytes)),
            (
                prop_oneof![Just(CLAIMED), Just(READ), Just(DROPPED)],
                prop_oneof![0..20u64, any::<u64>()]
            )
                .prop_map(|(at, number)| Attack::Header(at, number)),
            (0..=size + 9).prop_map(Attack::Truncate),
            Just(Attack::Claim),
            Just(Attack::Write),
            Just(Attack::Read),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is done to the file, reading ends, nothing is made up, and what is written well after that
        /// is read.
        #[test]
        fn any_file_is_survived(attacks in vec(attack(), 1..30)) {
            let file = ring();
            let mut reader = Reader::new(file.try_clone().unwrap());
            let mut now = Instant::now();
            for attack in attacks {
                now += GRACE;
                match attack {
                    Attack::Scribble(at, bytes) => Writer(&file).put(at, &bytes),
                    Attack::Header(at, number) => Writer(&file).put(at as u64, &number.to_ne_bytes()),
                    Attack::Truncate(length) => file.set_len(length).unwrap(),
                    Attack::Claim if file.metadata().unwrap().len() > 4096 => {
                        Writer(&file).put(CLAIMED as u64, &(reader.next + 3).to_ne_bytes());
                    }
                    Attack::Write if file.metadata().unwrap().len() > 4096 => Writer(&file).write(7),
                    _ => prop_assert!(pids(&mut reader, now).iter().all(|pid| *pid == 7)),
                }
            }
            // The first reading repairs the header, and the second has given the unfinished up.
            for _ in 0..3 {
                pids(&mut reader, now);
                now += GRACE;
            }
            Writer(&file).write(9);
            prop_assert_eq!(pids(&mut reader, now), [9]);
        }
    }
}
