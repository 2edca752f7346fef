//! The `kaspi` program; everything it does stands in the library's `cli` room.

fn main() {}
