//! The fuzz target with the name of the program.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (vrrpd_fuzz::by_name(env!("CARGO_BIN_NAME")).run)(data);
});
