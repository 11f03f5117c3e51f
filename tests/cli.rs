//! The command, as its users meet it: what it runs, how it steps aside, and what it refuses, each
//! with its message and its exit code. On Linux; `macos.rs` is its sibling.

#![cfg(target_os = "linux")]

mod common;

#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/doctor_hostile.rs"]
mod doctor_hostile;
#[path = "cli/doctor_runtimes.rs"]
mod doctor_runtimes;
#[path = "cli/fixture.rs"]
mod fixture;
#[path = "cli/foreign.rs"]
mod foreign;
#[path = "cli/handshake.rs"]
mod handshake;
#[path = "cli/library.rs"]
mod library;
#[path = "cli/lookup.rs"]
mod lookup;
#[path = "cli/presets.rs"]
mod presets;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/running.rs"]
mod running;
#[path = "cli/scripts.rs"]
mod scripts;
#[path = "cli/usage.rs"]
mod usage;
