//! What caches and rows are compressed with, and how it comes apart again.
//! Which of them it is, the caller knows.
//! Invariant: what comes out ends one byte past the limit, whatever the input promises; one stream is read, and
//! one that is cut short is an error.

use std::io::Read;

use libdeflater::{DecompressionError, Decompressor};

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

    /// Unpacks into a buffer, with what zlib needs at hand, and returns what came out.
    pub(super) fn unpack<'a>(
        self,
        zlib: &mut Decompressor,
        bytes: &[u8],
        into: &'a mut Vec<u8>,
    ) -> Result<&'a mut [u8], Unreadable> {
        match self {
            Self::Zlib => return inflate(zlib, bytes, into),
            Self::Gzip | Self::Lz4 | Self::Xz | Self::Zstd => limited(self.reader(bytes)?, into)?,
        }
        Ok(into)
    }

    /// Unpacks in pieces, without a limit of its own.
    pub(super) fn reader<'a>(self, bytes: &'a [u8]) -> Result<Box<dyn Read + 'a>, Unreadable> {
        Ok(match self {
            Self::Zlib => Box::new(flate2::read::ZlibDecoder::new(bytes)),
            Self::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
            Self::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(bytes)),
            Self::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(bytes, false, XZ_MEMORY)),
            Self::Zstd => Box::new(
                ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, ZSTD_WINDOW)
                    .map_err(|_| Unreadable::NotInflatable)?,
            ),
        })
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

/// Inflates into a buffer that only grows, and returns what came out. One byte more than the limit is room enough to see
/// that there is more.
pub(super) fn inflate<'a>(
    inflate: &mut Decompressor,
    input: &[u8],
    output: &'a mut Vec<u8>,
) -> Result<&'a mut [u8], Unreadable> {
    if output.len() < FIRST_GUESS {
        output.resize(FIRST_GUESS, 0);
    }
    loop {
        match inflate.zlib_decompress(input, output) {
            Ok(length) if length <= MAX_INFLATED => return Ok(&mut output[..length]),
            Ok(_) => return Err(Unreadable::TooLarge),
            Err(DecompressionError::BadData) => return Err(Unreadable::NotInflatable),
            Err(DecompressionError::InsufficientSpace) if output.len() > MAX_INFLATED => {
                return Err(Unreadable::TooLarge);
            }
            Err(DecompressionError::InsufficientSpace) => {
                let more = output.len().min(MAX_INFLATED + 1 - output.len());
                output.reserve_exact(more);
                output.resize(output.len() + more, 0);
            }
        }
    }
}
