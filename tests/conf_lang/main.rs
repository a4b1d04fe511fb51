//! The language of keepalived.conf, from files to statements: golden files for what it looks like,
//! hostile input for what it must survive.

#[path = "../support/cpu.rs"]
mod cpu;
mod golden;
mod hostile;
mod small;
mod support;
