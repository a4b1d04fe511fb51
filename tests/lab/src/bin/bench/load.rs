//! Other load on the machine.

use std::process::{Child, Command, Stdio};

/// Number of busy loops.
const LOOPS: usize = 4;

/// Busy loops in shells, ended by pid when dropped.
pub(crate) struct Load(Vec<Child>);

impl Load {
    pub(crate) fn start() -> Self {
        let spin = |_| {
            let mut cmd = Command::new("sh");
            cmd.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            cmd.spawn().expect("a shell")
        };
        Self((0..LOOPS).map(spin).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
        }
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}
