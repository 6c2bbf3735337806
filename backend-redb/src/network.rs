//! File systems on which the locks of a shared file cannot be trusted.

use std::path::Path;

use threadkeep_core::{Error, ErrorKind, Result};

/// The number that Linux knows a file system by, and its name; from `statfs(2)` and the kernel's
/// `magic.h`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
const NETWORK: &[(i64, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x564c, "NCP"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
];

/// Refuses a folder on a network file system.
pub(crate) fn refuse(folder: &Path) -> Result<()> {
    match name(folder) {
        Some(name) => Err(refusal(folder, name)),
        None => Ok(()),
    }
}

fn refusal(folder: &Path, name: &str) -> Error {
    let text = format!("{} is on a network file system, {name}", folder.display());
    Error::new(ErrorKind::Unsupported, text).hint(
        "keep the store on a disk of this machine, or open it with network=allow if no other \
         machine ever opens it",
    )
}

/// The name of the network file system that a folder is on.
#[cfg(target_os = "linux")]
fn name(folder: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(folder).ok()?;
    // Of 32 bits on some machines, with a sign on others.
    #[allow(clippy::unnecessary_cast, reason = "the type differs from machine to machine")]
    known(found.f_type as i64)
}

/// Elsewhere it is not known how to ask.
#[cfg(not(target_os = "linux"))]
fn name(_folder: &Path) -> Option<&'static str> {
    None
}

#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn known(number: i64) -> Option<&'static str> {
    let number = number & 0xffff_ffff;
    NETWORK.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_number() {
        assert_eq!(known(0x6969), Some("NFS"));
        // A number with its highest bit set is negative where it has 32 bits.
        assert_eq!(known(i64::from(0xff53_4d42_u32.cast_signed())), Some("CIFS"));
        assert_eq!(known(0xef53), None, "ext4");
        assert!(refuse(&std::env::temp_dir()).is_ok(), "a folder of this machine");
    }

    #[test]
    fn a_refusal_names_the_file_system_and_the_way_out() {
        let error = refusal(Path::new("/mnt/home"), "NFS");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("/mnt/home") && error.to_string().contains("NFS"));
        assert!(error.hint_text().is_some_and(|hint| hint.contains("network=allow")));
    }
}
