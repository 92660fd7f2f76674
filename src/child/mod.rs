//! The program that is run: what it finds in its environment, its signals, its end.

pub(crate) mod downloaders;
pub(crate) mod environment;
pub(crate) mod init;
pub(crate) mod java;
pub(crate) mod node;
pub(crate) mod php;
pub(crate) mod supervise;
mod tools;
