//! What std cannot do, asked of the operating system: the only module with `unsafe`.
#![expect(
    unsafe_code,
    reason = "signals, poll(2), terminals, descriptors by number, process attributes, sockets that were handed over, names of one family, the memory of the environment and of stacks, files by the descriptor of their folder, Landlock, sock_diag(7) and rtnetlink(7) have no safe interface in std"
)]

pub(crate) mod bystander;
pub(crate) mod descriptor;
#[cfg(target_os = "linux")]
pub(crate) mod diag;
pub(crate) mod directory;
pub(crate) mod environ;
pub(crate) mod inherited;
#[cfg(target_os = "linux")]
pub(crate) mod landlock;
pub(crate) mod manager;
#[cfg(target_os = "linux")]
mod netlink;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod resolver;
pub(crate) mod route;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod stack;
pub(crate) mod terminal;
pub(crate) mod uptime;
