#![no_main]

use curfew_fuzz::{memory, targets};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    memory::within(32, || targets::pickle(bytes));
});
