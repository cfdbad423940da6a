#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gantline::internal::fuzzing::pump_transfer(data));
