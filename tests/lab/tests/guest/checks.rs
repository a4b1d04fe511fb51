//! Servers that die, hang, answer nonsense and come back.

use crate::farm::{FAR, Farm};
use crate::traffic::{TWO, service};
use crate::{Ctx, End, Test};

pub(crate) const TESTS: &[Test] = &[("tcp_check_takes_a_stopped_server_out_and_back", "", tcp)];

const BOTH: [&str; 2] = ["10.0.0.11:80=1", "10.0.0.12:80=1"];

fn tcp(ctx: &Ctx) -> End {
    let mut farm = Farm::new(2);
    let check = "TCP_CHECK {\n connect_timeout 1\n retry 0\n }";
    let run = farm.run(ctx, &service("10.0.0.100 80", "lb_kind NAT", &TWO, check));
    farm.until("both servers", &BOTH);
    farm.servers[0].stop();
    farm.until("the other one only", &BOTH[1..]);
    let answers = farm.answers(FAR, "10.0.0.100:80", 4);
    assert_eq!(answers.get("rs2"), Some(&4), "{answers:?}");
    farm.servers[0].resume();
    farm.until("both again", &BOTH);
    drop(run);
    End::Ok
}
