//! The syntax of keepalived.conf, from files to a tree of statements: golden files, short texts and
//! hostile input.

#[path = "../support/cpu.rs"]
mod cpu;
#[path = "../support/golden.rs"]
mod golden;
mod golden_files;
mod hostile;
#[path = "../support/rng.rs"]
mod rng;
mod small;
mod support;
