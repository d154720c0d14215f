//! The tests' Python: a virtual environment in `target/`, made once from `tests/clients/python/requirements.txt`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const REQUIREMENTS: &str = "tests/clients/python/requirements.txt";

/// The interpreter, with every pinned package installed. Takes a minute or two the first time, then nothing.
pub fn python() -> Command {
    static INTERPRETER: LazyLock<PathBuf> = LazyLock::new(|| {
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join(REQUIREMENTS);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        environment(&folder, &requirements)
    });
    let mut command = Command::new(&*INTERPRETER);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python"));
    command
}

fn environment(folder: &Path, requirements: &Path) -> PathBuf {
    let interpreter = folder.join("env/bin/python");
    let (installed, wanted) = (folder.join("installed.txt"), fs::read_to_string(requirements).unwrap());
    fs::create_dir_all(folder).unwrap();
    // Tests run as threads and as processes side by side: one installs, the others wait for it.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return interpreter;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("env")));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&interpreter).args(pip).arg(requirements));
    fs::write(&installed, wanted).unwrap();
    interpreter
}

/// Runs a command that must succeed.
pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
