//! Lines out of a stream, of bounded length.

use super::MAX_LINE;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What comes out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its newline.
    Whole(Vec<u8>),
    /// A line that is longer than [`MAX_LINE`].
    TooLong,
    /// The end, with whether a line was begun and not ended.
    End {
        /// Octets came after the last newline.
        cut_short: bool,
    },
}

/// Reads lines. What was read of an unfinished line stays when a read is given up, so `next` can be
/// one branch of a `select!`.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Octets of `buffer` that are known to hold no newline.
    searched: usize,
}

impl Lines {
    /// The next line.
    pub(super) async fn next(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> std::io::Result<Line> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(found) = unsearched.iter().position(|octet| *octet == b'\n') {
                let end = self.searched + found;
                let rest = self.buffer.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                line.pop();
                return Ok(if line.len() > MAX_LINE {
                    Line::TooLong
                } else {
                    Line::Whole(line)
                });
            }
            self.searched = self.buffer.len();
            if self.searched > MAX_LINE {
                return Ok(Line::TooLong);
            }
            if stream.read_buf(&mut self.buffer).await? == 0 {
                let cut_short = !self.buffer.is_empty();
                return Ok(Line::End { cut_short });
            }
        }
    }
}
