//! How much one step of a long reading takes: fitted to what the last one cost.

use std::time::Duration;

use tokio::time::sleep;

use crate::error::{Code, Error};

/// How long a step may take where all of something is read.
pub(super) const WHOLE: Duration = Duration::from_millis(100);
/// After a step that took longer the database is left alone for as long, but not for more than this.
const SLOW: Duration = Duration::from_millis(250);
const REST: Duration = Duration::from_secs(1);

/// Blocks of a table.
pub(super) type BlockStride = Stride<4, 128, 32_768>;

/// Rows along a key.
pub(super) type KeyStride = Stride<50, 2_000, 20_000>;

/// How much one step takes, fitted to what the last one cost.
#[derive(Clone, Copy)]
pub(super) struct Stride<const LEAST: u32, const FIRST: u32, const MOST: u32>(u32);

impl<const LEAST: u32, const FIRST: u32, const MOST: u32> Default for Stride<LEAST, FIRST, MOST> {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl<const LEAST: u32, const FIRST: u32, const MOST: u32> Stride<LEAST, FIRST, MOST> {
    pub fn size(&self) -> u32 {
        self.0
    }

    /// The server ended a step at its deadline, perhaps because the line is slow. Returns whether a smaller step is worth a
    /// try, and makes the next one a sixteenth.
    pub fn shrinks_after(&mut self, error: &Error) -> bool {
        let shrinks = error.code == Code::TooSlow && self.0 > LEAST;
        if shrinks {
            self.0 = (self.0 / 16).max(LEAST);
        }
        shrinks
    }

    pub fn fit(&mut self, took: Duration, aim: Duration) {
        if took < aim / 2 {
            self.0 = (self.0 * 2).min(MOST);
        } else if took / 2 > aim {
            self.0 = (self.0 / 2).max(LEAST);
        }
    }
}

pub(super) async fn rest_after(step: Duration) {
    if step > SLOW {
        sleep(step.min(REST)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_grows_while_it_is_quick_and_shrinks_where_it_is_slow() {
        let mut stride = BlockStride::default();
        let ms = Duration::from_millis;
        stride.fit(ms(2), ms(10));
        assert_eq!(stride.size(), 256);
        stride.fit(ms(12), ms(10));
        assert_eq!(stride.size(), 256, "about right");
        for _ in 0..20 {
            stride.fit(Duration::MAX, ms(10));
        }
        assert_eq!(stride.size(), 4);
        for _ in 0..20 {
            stride.fit(ms(0), ms(10));
        }
        assert_eq!(stride.size(), 32_768);
        let error = |code| Error::new(code, "no");
        assert!(!stride.shrinks_after(&error(Code::Unreachable)));
        for size in [2_048, 128, 8, 4] {
            assert!(stride.shrinks_after(&error(Code::TooSlow)));
            assert_eq!(stride.size(), size);
        }
        assert!(!stride.shrinks_after(&error(Code::TooSlow)));
    }
}
