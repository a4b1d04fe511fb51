//! The syntax of keepalived.conf, from files to a tree of statements: golden files, short texts and
//! hostile input.

#[path = "../support/cpu.rs"]
mod cpu;
#[path = "../support/golden.rs"]
mod golden;
mod golden_files;
#[path = "../support/host.rs"]
mod host;
mod hostile;
mod linear;
#[path = "../support/rng.rs"]
mod rng;
mod small;
mod support;
