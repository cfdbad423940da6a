//! Room in this process's memory.

use memmap2::MmapOptions;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// Whether this process may have so many bytes more. They are asked for, never touched, and given back.
///
/// What stands against it is a limit of its address space (`RLIMIT_AS`, `ulimit -v`), or a system that promises no more
/// than it has (`vm.overcommit_memory` is 2). A control group's limit is not asked: it counts what is touched.
pub fn may_have(bytes: usize) -> bool {
    MmapOptions::new().len(bytes).no_reserve_swap().map_anon().is_ok()
}

/// Has threads share what the allocator keeps, if this process's address space has a limit (`RLIMIT_AS`): glibc takes
/// 64 MiB of addresses for each thread otherwise, until there are none left for the stack of the next.
///
/// To be called before there are threads.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "nix has no such call"))]
pub fn spare_addresses() {
    let limit = getrlimit(Resource::RLIMIT_AS).map_or(RLIM_INFINITY, |(soft, _)| soft);
    if limit != RLIM_INFINITY {
        // SAFETY: it takes numbers and keeps them. With others than it knows it does nothing.
        #[cfg(target_env = "gnu")]
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_is_to_be_had_and_more_than_there_are_addresses_is_not() {
        assert!(may_have(1 << 20));
        assert!(!may_have(usize::MAX >> 2));
    }
}
