//! Reads of a file that are bounded, whatever the file says of its own sizes.

use std::fs::File;
use std::ops::Range;

use object::ReadRef;
use object::read::ReadCache;

/// No table of headers has more than this, in bytes. A file with holes can claim any size.
const MOST: u64 = 64 << 20;

/// A file, or a part of one, of which nothing larger than [`MOST`] is read at once.
#[derive(Clone, Copy)]
pub(crate) struct Limited<'data> {
    file: &'data ReadCache<File>,
    start: u64,
    length: u64,
}

impl<'data> Limited<'data> {
    /// All of `file`.
    pub(crate) fn new(file: &'data ReadCache<File>) -> Self {
        Self { file, start: 0, length: file.len().unwrap_or(0) }
    }

    /// `size` bytes from `offset` on; `None` if there are fewer.
    pub(crate) fn part(self, offset: u64, size: u64) -> Option<Self> {
        let start = self.place(offset, size).ok()?;
        Some(Self { start, length: size, ..self })
    }

    /// Where in the file this part begins, in bytes.
    pub(crate) fn start(self) -> u64 {
        self.start
    }

    /// `offset` in the file, if `size` bytes from there on are in this part.
    fn place(self, offset: u64, size: u64) -> Result<u64, ()> {
        let end = offset.checked_add(size).ok_or(())?;
        if end > self.length { Err(()) } else { Ok(self.start + offset) }
    }
}

impl<'data> ReadRef<'data> for Limited<'data> {
    fn len(self) -> Result<u64, ()> {
        Ok(self.length)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'data [u8], ()> {
        let place = self.place(offset, size)?;
        if size > MOST { Err(()) } else { self.file.read_bytes_at(place, size) }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'data [u8], ()> {
        let size = range.end.checked_sub(range.start).ok_or(())?;
        let place = self.place(range.start, size)?;
        self.file.read_bytes_at_until(place..place + size, delimiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_claims_is_not_believed() {
        let file = tempfile::tempfile().expect("a temporary file");
        file.set_len(1 << 40).expect("holes cost nothing");
        let cache = ReadCache::new(file);
        let all = Limited::new(&cache);
        assert_eq!(all.len(), Ok(1 << 40));
        assert!(all.read_bytes_at(0, MOST + 1).is_err());
        assert!(all.read_bytes_at(1 << 40, 1).is_err());
        assert!(all.read_bytes_at(u64::MAX, 2).is_err());
        assert_eq!(all.read_bytes_at(1 << 39, 1), Ok(&[0][..]));
        assert!(all.part((1 << 40) - 1, 2).is_none() && all.part(1, u64::MAX).is_none());
        let part = all.part((1 << 40) - 1, 1).expect("there is one byte");
        assert_eq!((part.len(), part.start()), (Ok(1), (1 << 40) - 1));
        assert!(part.read_bytes_at(0, 2).is_err());
        assert!(part.read_bytes_at_until(2..3, 0).is_err());
    }
}
