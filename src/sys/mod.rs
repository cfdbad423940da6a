//! System calls, one safe function each.
//!
//! What std does not have and the streaming core needs: FIFOs by their inode, pipes with a size,
//! splice, opening beneath a folder, inotify. Nothing here decides anything. Every descriptor is
//! close-on-exec; those of FIFOs and pipes do not block.

pub mod fifo;
pub mod inotify;
pub mod open_beneath;
pub mod pipe;
pub mod socket;
pub mod splice;
