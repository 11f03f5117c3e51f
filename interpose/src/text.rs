//! A fixed-size text buffer: formatting without allocation.

use core::fmt;

/// Up to `N` bytes of text; what does not fit is cut off at a character boundary.
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    /// An empty buffer.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// What was written so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The same, as text.
    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Ends the line, at the cost of the last byte if there is no room.
    pub(crate) fn end_line(&mut self) {
        self.len = self.len.min(N.saturating_sub(1));
        if let Some(end) = self.bytes.get_mut(self.len) {
            *end = b'\n';
            self.len += 1;
        }
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = N - self.len;
        let mut take = text.len().min(room);
        while !text.is_char_boundary(take) {
            take -= 1;
        }
        if let (Some(to), Some(from)) =
            (self.bytes.get_mut(self.len..self.len + take), text.as_bytes().get(..take))
        {
            to.copy_from_slice(from);
            self.len += take;
        }
        if take == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    #[test]
    fn too_much_is_cut_at_a_character() {
        let mut text = Text::<4>::new();
        assert!(write!(text, "abcé").is_err());
        assert_eq!(text.as_bytes(), b"abc");
        text.end_line();
        assert_eq!(text.as_bytes(), b"abc\n");
        text.end_line();
        assert_eq!(text.as_bytes(), b"abc\n");
    }
}
