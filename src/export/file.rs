//! Where an export is written: standard output, or a file that has its name only when it is whole.
//!
//! Guarantee: under the file's name there is, at any moment, what was there before or the whole export, synced. Before
//! that its bytes are in `<name>.<random>.partial` beside it, which is removed on failure and left only by a kill.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

use crate::error::{Error, Result};

const BUFFER_BYTES: usize = 256 << 10;

/// How a file is compressed as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileCompression {
    /// Not at all.
    #[default]
    None,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

/// An output being written.
pub struct Output {
    name: String,
    writer: Writer,
    target: Target,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("name", &self.name).finish_non_exhaustive()
    }
}

enum Writer {
    Plain(Sink),
    Gzip(GzEncoder<Sink>),
    Zstd(zstd::Encoder<'static, Sink>),
}

/// Counts what reaches the disk or the pipe.
struct Sink {
    to: Box<dyn Write + Send>,
    bytes: u64,
}

enum Target {
    /// Written as it goes: standard output, a device, a pipe.
    Stream,
    File(Partial),
}

/// A file without its name.
struct Partial {
    file: File,
    path: PathBuf,
    good: PathBuf,
    named: bool,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.named
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a partial export could not be removed");
        }
    }
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Self {
        let sink = Sink { to: Box::new(io::stdout()), bytes: 0 };
        Self { name: "standard output".to_owned(), writer: Writer::Plain(sink), target: Target::Stream }
    }

    /// A file; a link is followed, and what is there and no plain file (`/dev/null`, a pipe) is written to as it is.
    ///
    /// # Errors
    /// `Config` where it can't be written.
    pub fn file(path: &Path, compression: FileCompression) -> Result<Self> {
        let name = path.display().to_string();
        Self::open(path, compression).map_err(|error| Error::config(format!("can't write {name}")).with_source(error))
    }

    fn open(path: &Path, compression: FileCompression) -> io::Result<Self> {
        let (target, file) = match path.canonicalize() {
            Ok(there) if !there.is_file() => (Target::Stream, File::options().write(true).open(there)?),
            Ok(there) => Partial::create(there)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Partial::create(path.to_owned())?,
            Err(error) => return Err(error),
        };
        let sink = Sink { to: Box::new(BufWriter::with_capacity(BUFFER_BYTES, file)), bytes: 0 };
        let writer = match compression {
            FileCompression::None => Writer::Plain(sink),
            FileCompression::Gzip => Writer::Gzip(GzEncoder::new(sink, flate2::Compression::default())),
            FileCompression::Zstd => Writer::Zstd(zstd::Encoder::new(sink, zstd::DEFAULT_COMPRESSION_LEVEL)?),
        };
        Ok(Self { name: path.display().to_string(), writer, target })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `Config` where they can't be written; its source is the `io::Error`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.writer {
            Writer::Plain(sink) => sink.write_all(bytes),
            Writer::Gzip(encoder) => encoder.write_all(bytes),
            Writer::Zstd(encoder) => encoder.write_all(bytes),
        };
        written.map_err(|error| cannot_write(&self.name, error))
    }

    /// Ends the output and gives it its name. Answers how many bytes it has, compressed.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn finish(self) -> Result<u64> {
        let Self { name, writer, target } = self;
        finish(writer, target).map_err(|error| cannot_write(&name, error))
    }
}

fn finish(writer: Writer, target: Target) -> io::Result<u64> {
    let mut sink = match writer {
        Writer::Plain(sink) => sink,
        Writer::Gzip(encoder) => encoder.finish()?,
        Writer::Zstd(encoder) => encoder.finish()?,
    };
    sink.flush()?;
    if let Target::File(partial) = target {
        partial.give_name()?;
    }
    Ok(sink.bytes)
}

fn cannot_write(name: &str, error: io::Error) -> Error {
    Error::config(format!("can't write {name}")).with_source(error)
}

impl Partial {
    fn create(good: PathBuf) -> io::Result<(Target, File)> {
        let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "this is no file's name");
        let mut name = good.file_name().ok_or_else(no_file)?.to_owned();
        name.push(format!(".{}.partial", uuid::Uuid::new_v4().simple()));
        let path = good.with_file_name(name);
        let file = File::create_new(&path)?;
        let writing = file.try_clone()?;
        Ok((Target::File(Self { file, path, good, named: false }), writing))
    }

    fn give_name(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.good)?;
        self.named = true;
        let folder = self.good.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "before").unwrap();
        let mut output = Output::file(&path, FileCompression::None).unwrap();
        output.write(b"half").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        drop(output);
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        assert_eq!(names(folder.path()), ["x.csv"], "nothing is left");
        let mut output = Output::file(&path, FileCompression::None).unwrap();
        output.write(b"whole").unwrap();
        assert_eq!(output.finish().unwrap(), 5);
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(folder.path()), ["x.csv"]);
    }

    #[test]
    fn links_are_followed_and_devices_stay_devices() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("x"), folder.path().join("link"));
        std::fs::write(&path, "before").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        Output::file(&link, FileCompression::None).unwrap().finish().unwrap();
        assert!(link.is_symlink() && std::fs::read(&path).unwrap().is_empty());
        Output::file(Path::new("/dev/null"), FileCompression::None).unwrap().finish().unwrap();
        assert!(!Path::new("/dev/null").is_file());
        assert!(Output::file(&folder.path().join("no/folder"), FileCompression::None).is_err());
        assert!(Output::file(folder.path(), FileCompression::None).is_err(), "a folder");
    }
}
