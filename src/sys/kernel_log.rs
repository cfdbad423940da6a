//! The kernel's log, for what nobody else knows for certain: whom it killed for want of memory.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;

/// Whether the log has it that a process of a container was killed for want of memory: its own, that of
/// a group around it, or the machine's. `container` is its whole id, which every engine puts into the
/// path of its control group.
///
/// The log is a ring: what happened long ago may be gone, and of more than ten such kills in five
/// seconds the kernel does not name all.
///
/// # Errors
/// `EACCES`, `EPERM`: this user may not read it; `ENOENT`: there is none here.
pub fn names_as_out_of_memory(container: &str) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    names(options.read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg")?, container)
}

/// The same of a log of which each read gives one record.
fn names(mut log: impl Read, container: &str) -> io::Result<bool> {
    let mut record = [0; MOST_RECORD];
    loop {
        match log.read(&mut record) {
            Ok(0) => return Ok(false),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(record.get(..bytes).unwrap_or_default());
                if victim(&text).is_some_and(|group| group.contains(container)) {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => match error.raw_os_error() {
                // Overwritten meanwhile, interrupted, longer than any: the next read goes on behind it.
                Some(libc::EPIPE | libc::EINTR | libc::EINVAL) => {}
                _ => return Err(error),
            },
        }
    }
}

/// The longest record that the kernel gives (its `PRINTK_MESSAGE_MAX`, and some more).
const MOST_RECORD: usize = 8 << 10;

/// The control group of the process that a record says was killed for want of memory
/// (`dump_oom_victim` in mm/oom_kill.c). Behind it is the process's name, which it chooses itself.
fn victim(record: &str) -> Option<&str> {
    let (_, text) = record.split_once(';')?;
    let (_, group) = text.strip_prefix("oom-kill:")?.split_once(",task_memcg=")?;
    group.split_once(',').map(|(group, _)| group)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn the_victims_group_is_found_whoever_was_out_of_memory() {
        for (record, expected) in [
            (
                "6,5120,31087887659,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=454b,\
                 mems_allowed=0,oom_memcg=/docker/454b,task_memcg=/docker/454b,task=tail,pid=9702,uid=0\n",
                Some("/docker/454b"),
            ),
            (
                "6,1,1,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,\
                 global_oom,task_memcg=/system.slice/docker-454b.scope,task=x,pid=1,uid=0",
                Some("/system.slice/docker-454b.scope"),
            ),
            ("3,2,2,-;Memory cgroup out of memory: Killed process 9702 (tail)", None),
            ("12,3,3,-;somebody writes oom-kill:,task_memcg=/docker/454b,task=x", None),
            ("6,4,4,-;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/docker/454b", None),
            ("", None),
        ] {
            assert_eq!(victim(record), expected, "{record}");
        }
    }

    /// Gives one record a read, as the kernel does: one that is longer than the buffer is passed over.
    struct Log(VecDeque<Result<String, i32>>);

    impl Read for Log {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.pop_front() {
                None => Err(ErrorKind::WouldBlock.into()),
                Some(Err(errno)) => Err(io::Error::from_raw_os_error(errno)),
                Some(Ok(record)) if record.len() > buffer.len() => {
                    Err(io::Error::from_raw_os_error(libc::EINVAL))
                }
                Some(Ok(record)) => {
                    buffer[..record.len()].copy_from_slice(record.as_bytes());
                    Ok(record.len())
                }
            }
        }
    }

    #[test]
    fn a_record_is_read_up_to_its_bound_and_one_that_is_longer_hides_none_behind_it() {
        let of = |group: &str, length: usize| {
            let record = format!("6,1,1,-;oom-kill:constraint=X,task_memcg=/docker/{group},task=");
            format!("{record:x<length$}")
        };
        let records = [
            Ok(of("longer", MOST_RECORD + 1)),
            Err(libc::EPIPE),
            Err(libc::EINTR),
            Ok(of("at-most", MOST_RECORD)),
            Ok(of("last", 0)),
        ];
        let named = |container| names(Log(records.clone().into()), container).unwrap();
        assert!(named("at-most") && named("last"));
        assert!(!named("longer") && !named("other"));
        let broken = Log([Err(libc::EIO), Ok(of("last", 0))].into());
        let error = names(broken, "last").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
    }
}
