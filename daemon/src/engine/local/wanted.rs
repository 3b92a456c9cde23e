//! What `devices.use` asks for.

use super::DeviceError;

/// One device, or what is left to the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The graphics processors that there are, or else all cores.
    Auto,
    /// A share of the cores.
    Cpu {
        /// Its name.
        name: String,
        /// How many.
        threads: usize,
    },
    /// The NVIDIA graphics processor of that number.
    Cuda(usize),
    /// The Apple graphics processor.
    Metal,
}

/// Reads the names.
pub(super) fn wanted(names: &[String], cores: usize) -> Result<Vec<Wanted>, DeviceError> {
    let unknown = |name: &str| DeviceError::Unknown(name.to_owned());
    let mut devices = Vec::new();
    for name in names {
        match (name.as_str(), name.split_once(':')) {
            ("auto", _) => devices.push(Wanted::Auto),
            ("cpu", _) => devices.push(Wanted::Cpu { name: name.clone(), threads: cores }),
            ("metal", _) => devices.push(Wanted::Metal),
            (_, Some(("cpu", count))) => {
                let wanted = count.parse().ok().filter(|wanted| *wanted > 0).ok_or_else(|| unknown(name))?;
                if wanted > cores {
                    return Err(DeviceError::TooMany { wanted, cores });
                }
                let share = |n| cores / wanted + usize::from(n < cores % wanted);
                devices.extend((0..wanted).map(|n| Wanted::Cpu { name: format!("cpu:{n}"), threads: share(n) }));
            }
            (_, Some(("cuda", index))) => {
                devices.push(Wanted::Cuda(index.parse().map_err(|_| unknown(name))?));
            }
            _ => return Err(unknown(name)),
        }
    }
    if devices.is_empty() {
        return Err(unknown(""));
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], cores: usize, expected: &str) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let found = match wanted(&names, cores) {
            Ok(devices) => format!("{devices:?}"),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{names:?}: {found}");
    }

    #[test]
    fn names_stand_for_devices() {
        check(&["auto"], 8, "[Auto]");
        check(&["cuda:1", "metal", "cpu"], 8, r#"[Cuda(1), Metal, Cpu { name: "cpu", threads: 8 }]"#);
        check(&["cpu:2"], 5, r#"[Cpu { name: "cpu:0", threads: 3 }, Cpu { name: "cpu:1", threads: 2 }]"#);
        check(&["cpu:3"], 2, "asks for more devices than this machine has cores (2)");
        for unknown in ["gpu", "cuda:", "cuda:x", "cuda", "cpu:0", "cpu:-1", "metal:0", ""] {
            check(&[unknown], 8, &format!("\"{unknown}\" is no device"));
        }
        check(&[], 8, "is no device");
    }
}
