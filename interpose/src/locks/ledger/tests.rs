#![expect(clippy::disallowed_types, reason = "tests may allocate")]

use super::*;

fn locks(ledger: &Ledger) -> Vec<usize> {
    ledger.holdings().map(|holding| holding.lock).collect()
}

#[test]
fn places_are_given_up_in_any_order() {
    let ledger = Ledger::new();
    for lock in [16, 32, 48, 32] {
        assert!(ledger.push(lock, Kind::Mutex));
    }
    assert!(ledger.is_top(32) && !ledger.is_top(48));
    assert!(ledger.remove(16));
    assert_eq!(locks(&ledger), [48, 32, 32]);
    assert!(!ledger.remove(16));
    assert!(ledger.remove(48));
    assert_eq!(locks(&ledger), [32, 32]);
}

#[test]
fn many_locks_find_room() {
    let ledger = Ledger::new();
    for lock in 1..=10_000 {
        assert!(ledger.push(lock, Kind::Spin) || ledger.push_further(lock, Kind::Spin));
    }
    assert!((1..=10_000).all(|lock| ledger.remove(lock)));
    assert_eq!(ledger.depth(), 0);
}

#[test]
fn a_holding_is_given_until_it_ends() {
    let ledger = Ledger::new();
    ledger.push(16, Kind::Mutex);
    ledger.give();
    ledger.push(32, Kind::Mutex);
    let given = || ledger.holdings().map(|holding| holding.given).collect::<Vec<_>>();
    assert_eq!(given(), [false, true]);
    ledger.remove(16);
    assert_eq!(given(), [false]);
    ledger.push(16, Kind::Mutex);
    assert_eq!(given(), [false, false]);
}

#[test]
fn only_the_holding_that_was_found_is_given() {
    let ledger = Ledger::new();
    ledger.push(16, Kind::Mutex);
    assert!(ledger.holding_of(32).is_none());
    let found = ledger.holding_of(16).expect("it was pushed");
    ledger.pop();
    ledger.push(16, Kind::Mutex);
    found.give();
    assert!(ledger.holdings().all(|holding| !holding.given));
    ledger.holding_of(16).expect("it was pushed").give();
    assert!(ledger.holdings().all(|holding| holding.given));
}

#[test]
fn what_is_stale_goes_except_for_the_top() {
    let ledger = Ledger::new();
    for lock in [16, 32, 48, 64] {
        ledger.push(lock, Kind::Mutex);
    }
    ledger.compact(|holding| holding.lock == 32);
    assert_eq!(locks(&ledger), [64, 32]);
}

#[test]
fn the_last_semaphores_are_remembered() {
    let ledger = Ledger::new();
    for semaphore in 1..=SEMAPHORES + 1 {
        ledger.remember(semaphore);
    }
    let mut known: Vec<_> = ledger.semaphores().collect();
    known.sort_unstable();
    assert_eq!(known, (2..=SEMAPHORES + 1).collect::<Vec<_>>());
    ledger.forget(SEMAPHORES + 1);
    ledger.forget(2);
    assert_eq!(ledger.semaphores().count(), SEMAPHORES - 1);
}
