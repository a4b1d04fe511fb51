//! rtnetlink: host byte order ⇄ structs. Still pure: `os` owns the socket.
