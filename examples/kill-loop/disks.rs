//! Disks that are full or read-only.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Digests, Loop, digests};

/// KiB: too small for the first point, for some points, for all points, and for the results.
const SIZES: [u32; 6] = [4, 24, 60, 150, 300, 600];

fn mount(disk: &Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(disk);
    command.stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Unmounts when it goes, however it goes.
struct Disk<'a>(&'a Path);

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        if !Command::new("umount")
            .arg(self.0)
            .status()
            .is_ok_and(|s| s.success())
        {
            println!("the small file system stays mounted at {}", self.0.display());
        }
    }
}

pub fn fill(each: &Loop, expected: &Digests) {
    let disk = each.folder.join("disk");
    std::fs::create_dir(&disk).expect("making a folder");
    let out = disk.join("out");
    let run = || each.start("2", &out).wait().expect("its end").code();
    for size in SIZES {
        if !mount(&disk, &format!("size={size}k")) {
            println!("no small file system can be mounted here: full and read-only disks are left out");
            return;
        }
        let _disk = Disk(&disk);
        assert_eq!(run(), Some(2), "a full disk of {size} KiB is told by exit code 2");
        assert!(mount(&disk, "remount,ro"), "making the disk read-only");
        assert_eq!(run(), Some(2), "a read-only disk is told by exit code 2");
        assert!(mount(&disk, "remount,rw,size=64m"), "making room");
        assert_eq!(run(), Some(0), "the same command goes on once there is room");
        assert!(digests(&out) == *expected, "with room again the bytes differ");
    }
    println!(
        "on full disks of {SIZES:?} KiB and on read-only ones it ended with code 2, and with room again with the same bytes"
    );
}
