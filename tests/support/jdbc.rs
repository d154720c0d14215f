//! pgJDBC, from Debian's package, unpacked into `target/`; Java is the machine's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::python::run;

/// A program of one file of `tests/clients/java`, run with pgJDBC; `None` on a machine without a Java that compiles.
pub fn jdbc(program: &str) -> Option<Command> {
    let compiles = Command::new("javac").arg("-version").output().is_ok_and(|output| output.status.success());
    if !compiles {
        return None;
    }
    static DRIVER: LazyLock<PathBuf> = LazyLock::new(unpacked);
    let mut command = Command::new("java");
    command.arg("-cp").arg(&*DRIVER);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/java").join(program));
    Some(command)
}

fn unpacked() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jdbc");
    let (root, installed) = (folder.join("root"), folder.join("installed.txt"));
    let driver = root.join("usr/share/java/postgresql.jar");
    fs::create_dir_all(&folder).unwrap();
    // Tests run as threads and as processes side by side: one installs, the others wait for it.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if installed.exists() {
        return driver;
    }
    run(Command::new("apt-get").args(["download", "libpostgresql-jdbc-java"]).current_dir(&folder));
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(&path).arg(&root));
        }
    }
    fs::write(&installed, "").unwrap();
    driver
}
