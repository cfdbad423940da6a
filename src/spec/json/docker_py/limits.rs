//! The keywords about what the container may use up.

use super::shapes::{BYTES, RATES, STORAGE_OPTIONS, TEXT, ULIMITS, WEIGHTS};
use super::{Keyword, make};
use crate::spec::docker_py::Goes;
use crate::spec::json::table::Kind;

/// Memory, processes, processors, disks.
pub(super) static LIMITS: &[Keyword] = &[
    Keyword::new(
        "mem_limit",
        BYTES,
        Goes::Host("Memory"),
        "The most memory: bytes, or with a unit.",
    )
    .made_by(make::bytes)
    .example(r#""512m""#),
    Keyword::new(
        "memswap_limit",
        BYTES,
        Goes::Host("MemorySwap"),
        "The most memory and swap together; -1 is no limit.",
    )
    .made_by(make::bytes),
    Keyword::new(
        "mem_reservation",
        BYTES,
        Goes::HostUnlessEmpty("MemoryReservation"),
        "The memory that it is left when memory is short.",
    )
    .made_by(make::bytes),
    Keyword::new(
        "mem_swappiness",
        Kind::Integer,
        Goes::Host("MemorySwappiness"),
        "How readily it is swapped, 0 to 100.",
    ),
    Keyword::new(
        "kernel_memory",
        BYTES,
        Goes::HostUnlessEmpty("KernelMemory"),
        "The most kernel memory. Newer engines ignore it.",
    )
    .made_by(make::bytes),
    Keyword::new("shm_size", BYTES, Goes::Host("ShmSize"), "The size of /dev/shm.")
        .made_by(make::bytes)
        .example(r#""1g""#),
    Keyword::new(
        "oom_kill_disable",
        Kind::Bool,
        Goes::HostUnlessEmpty("OomKillDisable"),
        "The kernel does not kill it for memory.",
    ),
    Keyword::new(
        "oom_score_adj",
        Kind::Integer,
        Goes::HostUnlessEmpty("OomScoreAdj"),
        "How soon the kernel does, -1000 to 1000.",
    ),
    Keyword::new(
        "pids_limit",
        Kind::Integer,
        Goes::HostUnlessEmpty("PidsLimit"),
        "The most processes; -1 is no limit.",
    ),
    Keyword::new("ulimits", ULIMITS, Goes::Host("Ulimits"), "The kernel's limits on a process.")
        .made_by(make::ulimits)
        .example(r#"[{"Name": "nofile", "Soft": 1024, "Hard": 2048}]"#),
    Keyword::new(
        "nano_cpus",
        Kind::Integer,
        Goes::HostUnlessEmpty("NanoCpus"),
        "Processors, in billionths.",
    )
    .example(r#"1500000000"#),
    Keyword::new(
        "cpu_shares",
        Kind::Integer,
        Goes::HostUnlessEmpty("CpuShares"),
        "Its share of the processors; 1024 is usual.",
    ),
    Keyword::new(
        "cpu_period",
        Kind::Integer,
        Goes::HostUnlessEmpty("CpuPeriod"),
        "The period of cpu_quota, in microseconds.",
    ),
    Keyword::new(
        "cpu_quota",
        Kind::Integer,
        Goes::HostUnlessEmpty("CpuQuota"),
        "Microseconds of processor in a period.",
    ),
    Keyword::new(
        "cpu_rt_period",
        Kind::Integer,
        Goes::HostUnlessEmpty("CPURealtimePeriod"),
        "The period of cpu_rt_runtime, in microseconds.",
    ),
    Keyword::new(
        "cpu_rt_runtime",
        Kind::Integer,
        Goes::HostUnlessEmpty("CPURealtimeRuntime"),
        "Microseconds of real-time processor in a period.",
    ),
    Keyword::new("cpuset_cpus", TEXT, Goes::HostUnlessEmpty("CpusetCpus"), "Which processors.")
        .example(r#""0-1""#),
    Keyword::new("cpuset_mems", TEXT, Goes::HostUnlessEmpty("CpusetMems"), "Which memory nodes."),
    Keyword::new(
        "cpu_count",
        Kind::Integer,
        Goes::HostUnlessEmpty("CpuCount"),
        "Processors, on Windows.",
    ),
    Keyword::new(
        "cpu_percent",
        Kind::Integer,
        Goes::HostUnlessEmpty("CpuPercent"),
        "Percent of the processors, on Windows.",
    ),
    Keyword::new(
        "blkio_weight",
        Kind::Integer,
        Goes::HostUnlessEmpty("BlkioWeight"),
        "Its share of block devices, 10 to 1000.",
    ),
    Keyword::new(
        "blkio_weight_device",
        WEIGHTS,
        Goes::HostUnlessEmpty("BlkioWeightDevice"),
        "The same for single devices.",
    )
    .example(r#"[{"Path": "/dev/vda", "Weight": 400}]"#),
    Keyword::new(
        "device_read_bps",
        RATES,
        Goes::HostUnlessEmpty("BlkioDeviceReadBps"),
        "The most bytes read from a device a second.",
    ),
    Keyword::new(
        "device_write_bps",
        RATES,
        Goes::HostUnlessEmpty("BlkioDeviceWriteBps"),
        "The most bytes written to a device a second.",
    ),
    Keyword::new(
        "device_read_iops",
        RATES,
        Goes::HostUnlessEmpty("BlkioDeviceReadIOps"),
        "The most reads of a device a second.",
    ),
    Keyword::new(
        "device_write_iops",
        RATES,
        Goes::HostUnlessEmpty("BlkioDeviceWriteIOps"),
        "The most writes to a device a second.",
    ),
    Keyword::new(
        "storage_opt",
        STORAGE_OPTIONS,
        Goes::Host("StorageOpt"),
        "Options of the storage driver.",
    )
    .example(r#"{"size": "10G"}"#),
];
