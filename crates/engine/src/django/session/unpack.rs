//! What caches and rows are compressed with, and how it comes apart again.
//! Which of them it is, the caller knows.
//! Invariant: what comes out ends one byte past the limit, whatever the input promises; one stream is read, and
//! one that is cut short is an error.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};

use super::{MAX_INFLATED, Unreadable};

const FIRST_GUESS: usize = 8 << 10;

/// The window that each zstd decoder has to offer by its specification. Django's caches need no larger one: where
/// the content's size is known beforehand, no writer asks for more than that.
const ZSTD_WINDOW: u64 = 8 << 20;

/// What xz takes at its highest preset, in KiB. Only as much of it is used as comes out.
const XZ_MEMORY: u32 = 66 << 10;

/// Compressed with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Zlib,
    Gzip,
    Xz,
    Lz4,
    Zstd,
}

impl Packing {
    /// By its first bytes. None of them begins a dict in JSON, msgpack or a pickle.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // The window of 32 KiB that Python asks for, and a checksum over the two bytes.
            [0x78, flags, ..] if (0x7800 + u16::from(*flags)).is_multiple_of(31) => Self::Zlib,
            _ => return None,
        })
    }

    /// Unpacks all but [`Packing::Zlib`], which has [`inflate`].
    pub(super) fn unpack(self, bytes: &[u8], into: &mut Vec<u8>) -> Result<(), Unreadable> {
        match self {
            Self::Zlib => inflate(&mut Decompress::new(true), bytes, into),
            Self::Gzip => limited(flate2::read::GzDecoder::new(bytes), into),
            Self::Lz4 => limited(lz4_flex::frame::FrameDecoder::new(bytes), into),
            Self::Xz => limited(
                lzma_rust2::XzReader::new_mem_limit(bytes, false, XZ_MEMORY),
                into,
            ),
            Self::Zstd => limited(
                ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, ZSTD_WINDOW)
                    .map_err(|_| Unreadable::NotInflatable)?,
                into,
            ),
        }
    }
}

/// One byte more than the limit is room enough to see that there is more.
fn limited(from: impl Read, into: &mut Vec<u8>) -> Result<(), Unreadable> {
    into.clear();
    from.take(MAX_INFLATED as u64 + 1)
        .read_to_end(into)
        .map_err(|_| Unreadable::NotInflatable)?;
    if into.len() > MAX_INFLATED {
        return Err(Unreadable::TooLarge);
    }
    Ok(())
}

/// One byte more than the limit is room enough to see that there is more.
pub(super) fn inflate(
    inflate: &mut Decompress,
    input: &[u8],
    output: &mut Vec<u8>,
) -> Result<(), Unreadable> {
    inflate.reset(true);
    output.clear();
    loop {
        if output.len() == output.capacity() {
            let room = output
                .len()
                .max(FIRST_GUESS)
                .min(MAX_INFLATED + 1 - output.len());
            output.reserve_exact(room);
        }
        let before = (inflate.total_in(), inflate.total_out());
        let rest = usize::try_from(before.0)
            .ok()
            .and_then(|read| input.get(read..));
        let rest = rest.ok_or(Unreadable::NotInflatable)?;
        let status = inflate
            .decompress_vec(rest, output, FlushDecompress::None)
            .map_err(|_| Unreadable::NotInflatable)?;
        if output.len() > MAX_INFLATED {
            return Err(Unreadable::TooLarge);
        }
        if status == Status::StreamEnd {
            return Ok(());
        }
        // A stream that is cut short takes nothing more and gives nothing more.
        if before == (inflate.total_in(), inflate.total_out()) {
            return Err(Unreadable::NotInflatable);
        }
    }
}
