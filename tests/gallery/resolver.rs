// name: Rust's std
// kind: Rust, names looked up in threads
// need: rustc rustc
// forks: 2000
// bare: hangs
use std::net::ToSocketAddrs;

mod gallery;

fn finds_localhost() -> bool {
    let found = ("localhost", 80).to_socket_addrs();
    found.is_ok_and(|mut all| all.any(|address| address.ip().is_loopback()))
}

fn main() {
    gallery::play(finds_localhost);
}
