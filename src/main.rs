//! The command `gantline`.

fn main() {}
