//! Who is told of servers and quorums: scripts, FIFO, mail.
