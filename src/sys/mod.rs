//! System calls, one safe function each, and the one piece that is written for a processor (SHA-512).
//!
//! What std does not have and the streaming core needs: FIFOs by their inode, pipes with a size,
//! splice, sendfile, opening beneath a folder, inotify, the kernel's log,
//! a container's processes and what they used. Nothing here decides anything. Every
//! descriptor is close-on-exec; those of FIFOs and pipes do not block.

use nix::errno::Errno;

pub mod access;
pub mod cgroup;
pub mod fifo;
pub mod inotify;
pub mod kernel_log;
pub mod memory;
pub mod open_beneath;
pub mod peer;
pub mod pipe;
pub mod sendfile;
#[cfg(target_arch = "x86_64")]
pub(crate) mod sha512;
pub mod socket;
pub mod splice;
pub mod used;

/// Makes a system call again as long as a signal interrupts it (`EINTR`).
///
/// # Errors
/// Every other errno of the call.
pub fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            answer => return answer,
        }
    }
}
