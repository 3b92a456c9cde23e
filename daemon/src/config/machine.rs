//! What the machine has.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What is assumed where the system does not tell.
const ASSUMED_BYTES: u64 = 4 << 30;

/// Returns the memory that this process may use: the machine's, or less where a control group says so.
#[must_use]
pub fn memory_bytes() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limit(Path::new("/sys/fs/cgroup"), &groups);
    physical_bytes().unwrap_or(ASSUMED_BYTES).min(limit.unwrap_or(u64::MAX))
}

fn physical_bytes() -> Option<u64> {
    if let Ok(text) = fs::read_to_string("/proc/meminfo") {
        return total_of_meminfo(&text);
    }
    // Where there is no /proc: macOS and the BSDs.
    let output = Command::new("sysctl").args(["-n", "hw.memsize"]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Returns the tightest limit of a process' control group and the groups around it, in version 2 or 1.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (base, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            "memory" => (root.join("memory"), "memory.limit_in_bytes"),
            _ => return Vec::new(),
        };
        let group = base.join(path.trim_start_matches('/'));
        group.ancestors().take_while(|folder| folder.starts_with(&base)).map(|folder| folder.join(file)).collect()
    });
    // "max" is no number and so no limit; neither is version 1's nearly endless one, since the machine has less.
    limits.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn the_machine_has_memory() {
        assert_eq!(total_of_meminfo("MemTotal:       24689764 kB\nMemFree: 1 kB\n"), Some(25_282_318_336));
        assert!(memory_bytes() > 1 << 20);
    }

    #[test]
    fn the_tightest_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("memory.max", "9000\n");
        write("system.slice/memory.max", "4000\n");
        write("system.slice/atelier.service/memory.max", "max\n");
        assert_eq!(group_limit(root.path(), "0::/system.slice/atelier.service\n"), Some(4000));
        write("memory/docker/x/memory.limit_in_bytes", "5000");
        assert_eq!(group_limit(root.path(), "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n"), Some(5000));
        assert_eq!(group_limit(root.path(), ""), None);
    }
}
