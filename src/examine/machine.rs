//! What differs by the kind of processor.

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::*;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::*;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    pub(in super::super) use framehop::x86_64::{
        CacheX86_64 as Cache, UnwindRegsX86_64 as State, UnwinderX86_64 as Unwinder,
    };

    use crate::examine::registers::Registers;

    /// The unwinder's state at `registers`.
    pub(in super::super) fn start(registers: Registers) -> State {
        State::new(registers.pc, registers.sp, registers.fp)
    }

    pub(in super::super) fn frame_pointer(state: &State) -> u64 {
        state.bp()
    }

    pub(in super::super) fn with_frame_pointer(mut state: State, fp: u64) -> State {
        state.set_bp(fp);
        state
    }

    /// Whether the call before `returns` is one: `Some(None)` if it does not say of what function,
    /// `Some(Some(_))` if it does. Calls through a table of the linker are followed.
    pub(in super::super) fn call(
        returns: u64,
        word: &impl Fn(u64) -> Option<u64>,
    ) -> Option<Option<u64>> {
        let before = word(returns.checked_sub(8)?)?.to_le_bytes();
        if let [.., 0xe8, a, b, c, d] = before {
            let target = relative(returns, [a, b, c, d]);
            return Some(Some(through_table(target, word).unwrap_or(target)));
        }
        // `ff /2` with operands of several lengths.
        let is_call = |modrm: u8| modrm & 0b0011_1000 == 0b0001_0000;
        let indirect = [2, 3, 4, 6, 7].into_iter().any(|length: usize| {
            let start = before.len() - length;
            matches!(before.get(start..), Some([0xff, modrm, ..]) if is_call(*modrm))
        });
        indirect.then_some(None)
    }

    /// Where the jump at `target` leads to, if it is one of the linker's: `jmp *table(%rip)`.
    fn through_table(target: u64, word: &impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let mut at = target;
        for _ in 0..3 {
            let code = word(at)?.to_le_bytes();
            match code {
                [0xf3, 0x0f, 0x1e, 0xfa, ..] => at = at.checked_add(4)?,
                [0xf2, ..] => at = at.checked_add(1)?,
                [0xff, 0x25, a, b, c, d, ..] => {
                    return word(relative(at.checked_add(6)?, [a, b, c, d]));
                }
                _ => return None,
            }
        }
        None
    }

    /// Whether the instructions at `start` have `address` in them: as a distance from their end, which may follow
    /// at once or behind a number, or as it is.
    pub(in super::super) fn names(code: &[u8], start: u64, address: u64) -> bool {
        let is_address = |(at, bytes): (u64, &[u8])| {
            let Ok(bytes) = <[u8; 4]>::try_from(bytes) else { return false };
            let end = start.wrapping_add(at + 4);
            let ends = [0, 1, 4].map(|number| relative(end.wrapping_add(number), bytes));
            ends.contains(&address) || u64::from(u32::from_le_bytes(bytes)) == address
        };
        (0..).zip(code.windows(4)).any(is_address)
    }

    fn relative(from: u64, offset: [u8; 4]) -> u64 {
        from.wrapping_add_signed(i64::from(i32::from_le_bytes(offset)))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn calls_are_told_from_other_code() {
            let code =
                |bytes: [u8; 8]| move |at: u64| (at == 0x1000).then(|| u64::from_le_bytes(bytes));
            let call_of = |bytes| call(0x1008, &code(bytes));
            assert_eq!(call_of([0x90, 0x90, 0x90, 0xe8, 0x10, 0, 0, 0]), Some(Some(0x1018)));
            assert_eq!(
                call_of([0x90, 0x90, 0x90, 0xe8, 0xf0, 0xff, 0xff, 0xff]),
                Some(Some(0xff8))
            );
            assert_eq!(
                call_of([0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0]),
                Some(None),
                "call *%rax"
            );
            assert_eq!(
                call_of([0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0x50, 0x08]),
                Some(None),
                "call *8(%rax)"
            );
            assert_eq!(call_of([0x90; 8]), None);
            assert_eq!(call(0x1008, &|_| None), None);
            assert_eq!(call(3, &|_| None), None);
        }

        #[test]
        fn addresses_in_code_are_found() {
            let lea = [0x48, 0x8d, 0x05, 0xf9, 0x0f, 0, 0];
            assert!(names(&lea, 0x1000, 0x2000) && !names(&lea, 0x1000, 0x2008));
            let cmpb = [0x80, 0x3d, 0xf9, 0x0f, 0, 0, 0];
            assert!(names(&cmpb, 0x1000, 0x2000), "a number follows");
            let mov = [0xbf, 0x00, 0x20, 0x40, 0x00];
            assert!(names(&mov, 0x1000, 0x40_2000) && !names(&mov[..4], 0x1000, 0x40_2000));
        }

        #[test]
        fn the_linkers_jumps_are_followed() {
            let memory = |at: u64| match at {
                0x1000 => Some(u64::from_le_bytes([0, 0, 0, 0xe8, 0xf8, 0x0f, 0, 0])),
                0x2000 => Some(u64::from_le_bytes([0xf3, 0x0f, 0x1e, 0xfa, 0, 0, 0, 0])),
                0x2004 => Some(u64::from_le_bytes([0xff, 0x25, 0xf6, 0x0f, 0, 0, 0, 0])),
                0x3000 => Some(0x7000),
                _ => None,
            };
            assert_eq!(call(0x1008, &memory), Some(Some(0x7000)));
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    pub(in super::super) use framehop::aarch64::{
        CacheAarch64 as Cache, UnwindRegsAarch64 as State, UnwinderAarch64 as Unwinder,
    };

    use framehop::aarch64::PtrAuthMask;

    use crate::examine::registers::Registers;

    /// The unwinder's state at `registers`.
    pub(in super::super) fn start(registers: Registers) -> State {
        // Signatures of return addresses lie above the 48 bits that a program of Linux has.
        let mask = PtrAuthMask::from_max_known_address((1 << 48) - 1);
        State::new_with_ptr_auth_mask(mask, registers.lr, registers.sp, registers.fp)
    }

    pub(in super::super) fn frame_pointer(state: &State) -> u64 {
        state.fp()
    }

    pub(in super::super) fn with_frame_pointer(mut state: State, fp: u64) -> State {
        state.set_fp(fp);
        state
    }

    /// Whether the call before `returns` is one: `Some(None)` if it does not say of what function, which is so of
    /// all that may lead through a table of the linker.
    pub(in super::super) fn call(
        returns: u64,
        word: &impl Fn(u64) -> Option<u64>,
    ) -> Option<Option<u64>> {
        let code = word(returns.checked_sub(8)?)? >> 32;
        let calls = code & 0xfc00_0000 == 0x9400_0000 || code & 0xffff_fc1f == 0xd63f_0000;
        calls.then_some(None)
    }

    /// Whether the instructions at `start` have `address` in them: `adrp`, and `add` of the same register.
    pub(in super::super) fn names(code: &[u8], start: u64, address: u64) -> bool {
        let words =
            code.chunks_exact(4).filter_map(|word| Some(u32::from_le_bytes(word.try_into().ok()?)));
        let mut pages = [None; 32];
        (0..).zip(words).any(|(index, word): (u64, u32)| {
            let register = |shift: u32| (word >> shift & 31) as usize;
            if word & 0x9f00_0000 == 0x9000_0000 {
                let high = i64::from((word << 8).cast_signed() >> 13) << 2;
                let pages_on = high | i64::from(word >> 29 & 3);
                let page = start.wrapping_add(4 * index) & !0xfff;
                pages[register(0)] = Some(page.wrapping_add_signed(pages_on << 12));
                return false;
            }
            let page = (word & 0xffc0_0000 == 0x9100_0000).then(|| pages[register(5)]).flatten();
            page.is_some_and(|page: u64| {
                page.wrapping_add(u64::from(word >> 10 & 0xfff)) == address
            })
        })
    }
}
