//! What the machine has.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Returns the memory that this process may use: the machine's, or less where a control group says so.
#[must_use]
pub fn memory_bytes() -> u64 {
    let system =
        System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()));
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
    system.total_memory().min(group)
}
