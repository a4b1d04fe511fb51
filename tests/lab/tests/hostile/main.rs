//! What an attacker on the segment, on the machine or behind it tries, one test per promise of
//! `SECURITY.md`: `make hostile` runs them. They need no root and touch only namespaces of their own.

mod certificates;
mod files;
mod growth;
mod packets;
mod pages;
mod privileges;
mod scripts;
mod senders;
#[path = "../netns/support.rs"]
#[allow(dead_code, reason = "every test takes what it needs")]
mod support;
mod values;

use vrrpd_lab::suite;
#[allow(unused_imports, reason = "every module takes what it needs")]
pub(crate) use vrrpd_lab::suite::{Ctx, Outcome, Test};

fn main() {
    let tests = [
        files::TESTS,
        scripts::TESTS,
        privileges::TESTS,
        packets::TESTS,
        senders::TESTS,
        pages::TESTS,
        certificates::TESTS,
        growth::TESTS,
        values::TESTS,
    ]
    .concat();
    suite::main(&tests);
}
