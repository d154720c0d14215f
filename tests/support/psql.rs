//! psql: the machine's, or Debian's unpacked into `target/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::python::run;

/// psql and the libraries that a Debian without a desktop may lack.
const PACKAGES: [&str; 11] = [
    "postgresql-client-15",
    "libpq5",
    "libreadline8",
    "libldap-2.5-0",
    "libsasl2-2",
    "libgssapi-krb5-2",
    "libkrb5-3",
    "libk5crypto3",
    "libkrb5support0",
    "libcom-err2",
    "libkeyutils1",
];

/// A psql without its user's own settings.
pub fn psql() -> Command {
    static FOUND: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let on_the_machine = Command::new("psql").arg("--version").output().is_ok_and(|output| output.status.success());
        (!on_the_machine).then(unpacked)
    });
    let mut command = match &*FOUND {
        None => Command::new("psql"),
        Some(root) => {
            let mut command = Command::new(root.join("usr/lib/postgresql/15/bin/psql"));
            let libraries = ["usr/lib", "lib"].map(|lib| root.join(lib).join("x86_64-linux-gnu"));
            command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
            command
        }
    };
    command.args(["--no-psqlrc", "--no-password"]).env("PSQL_HISTORY", "/dev/null").env("PAGER", "cat");
    for name in ["PGUSER", "PGPASSWORD", "PGDATABASE", "PGOPTIONS", "PGSERVICE"] {
        command.env_remove(name);
    }
    command
}

fn unpacked() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("psql");
    let (root, installed) = (folder.join("root"), folder.join("installed.txt"));
    fs::create_dir_all(&folder).unwrap();
    // Tests run as threads and as processes side by side: one installs, the others wait for it.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if installed.exists() {
        return root;
    }
    run(Command::new("apt-get").arg("download").args(PACKAGES).current_dir(&folder));
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(&path).arg(&root));
        }
    }
    fs::write(&installed, "").unwrap();
    root
}
