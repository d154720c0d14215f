//! What to read: files by name or pattern, or standard input; plain, gzip or zstd, told by their first bytes.
//!
//! An input is read twice: for its digest, by which the lake knows whether it has the content, and for its records.
//! What comes in once only is kept in a temporary file.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const READ_BYTES: usize = 256 << 10;

/// One thing to read.
#[derive(Debug, Clone)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// What came in under a name, in a temporary file.
    Spooled(String, Arc<NamedTempFile>),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
            Self::Spooled(name, _) => f.write_str(name),
        }
    }
}

/// The inputs that names, patterns and `-` stand for, in order.
///
/// # Errors
/// `Config` for a file that is missing or a pattern that matches nothing.
pub fn resolve(names: &[String]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for name in names {
        if name == "-" {
            inputs.push(Input::Stdin);
        } else if Path::new(name).exists() {
            inputs.push(Input::File(name.into()));
        } else {
            let before = inputs.len();
            let paths = glob::glob(name)
                .map_err(|error| Error::config(format!("`{name}` is no file and no pattern")).with_source(error))?;
            for path in paths {
                let path =
                    path.map_err(|error| Error::config(format!("`{name}` can't be listed")).with_source(error))?;
                inputs.push(Input::File(path));
            }
            if inputs.len() == before {
                return Err(Error::config(format!("`{name}`: no such file, and no file matches it as a pattern")));
            }
        }
    }
    Ok(inputs)
}

/// An input being read, decompressed.
pub struct OpenInput {
    /// The decompressed bytes.
    pub reader: Box<dyn BufRead + Send>,
    /// Bytes on disk, `None` where that is not known.
    pub size: Option<u64>,
}

impl fmt::Debug for OpenInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenInput").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Input {
    /// The input as something that can be read twice. Blocks.
    ///
    /// # Errors
    /// `Config` where standard input can't be read or the temporary folder has no room.
    pub fn repeatable(self) -> Result<Self> {
        if !matches!(self, Self::Stdin) {
            return Ok(self);
        }
        let failed =
            |error| Error::config("standard input can't be kept in the temporary folder (TMPDIR)").with_source(error);
        let mut file = NamedTempFile::new().map_err(failed)?;
        io::copy(&mut io::stdin().lock(), &mut file).map_err(failed)?;
        Ok(Self::Spooled(self.to_string(), Arc::new(file)))
    }

    /// SHA-256 of the decompressed content, in hex: the same for a file and its compressed copy. Blocks.
    ///
    /// Of an input that is cut short it is the digest of what can be read, and told apart from that content alone.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn digest(&self) -> Result<String> {
        let failed = |error| Error::unavailable(format!("can't read {self}")).with_source(error);
        Digesting::new(self.open(Arc::default())?.reader).finish().map_err(failed)
    }

    /// Opens the input; `read` is told how many of its bytes on disk have been read.
    ///
    /// # Errors
    /// `Config` where it can't be opened or read.
    pub fn open(&self, read: Arc<AtomicU64>) -> Result<OpenInput> {
        let failed = |error| Error::config(format!("can't read {self}")).with_source(error);
        let path = match self {
            Self::File(path) => Some(path.as_path()),
            Self::Stdin => None,
            Self::Spooled(_, file) => Some(file.path()),
        };
        let (source, size): (Box<dyn Read + Send>, _) = match path {
            Some(path) => {
                let file = File::open(path).map_err(failed)?;
                let size = file.metadata().map_err(failed)?.len();
                (Box::new(file), Some(size))
            }
            None => (Box::new(io::stdin()), None),
        };
        let mut raw = BufReader::with_capacity(READ_BYTES, Counted { source, read });
        let magic = raw.fill_buf().map_err(failed)?;
        let reader: Box<dyn BufRead + Send> = if magic.starts_with(GZIP_MAGIC) {
            Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(raw)))
        } else if magic.starts_with(ZSTD_MAGIC) {
            let decoder = zstd::Decoder::with_buffer(raw).map_err(failed)?;
            Box::new(BufReader::with_capacity(READ_BYTES, decoder))
        } else {
            Box::new(raw)
        };
        Ok(OpenInput { reader, size })
    }
}

/// A reader that takes the digest of what is read through it.
pub(super) struct Digesting<R> {
    inner: R,
    digest: Sha256,
    is_cut_short: bool,
}

impl<R: BufRead> Digesting<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, digest: Sha256::new(), is_cut_short: false }
    }

    /// Reads on to the end, and gives the digest of all that was read and of whether damage ended it.
    ///
    /// # Errors
    /// The disk's, as opposed to damage in the file.
    pub(super) fn finish(mut self) -> io::Result<String> {
        while !self.is_cut_short {
            let read = match self.fill_buf() {
                Ok([]) => break,
                Ok(bytes) => bytes.len(),
                Err(error) if error.raw_os_error().is_some() && error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error);
                }
                Err(_) => 0,
            };
            self.consume(read);
        }
        if self.is_cut_short {
            self.digest.update(b"cut short");
        }
        Ok(format!("{:x}", self.digest.finalize()))
    }
}

impl<R: BufRead> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Digesting<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let filled = self.inner.fill_buf();
        self.is_cut_short |= filled.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        filled
    }

    fn consume(&mut self, count: usize) {
        // What is buffered is there without an error.
        if let Ok(bytes) = self.inner.fill_buf() {
            self.digest.update(bytes.get(..count).unwrap_or(bytes));
        }
        self.inner.consume(count);
    }
}

struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
