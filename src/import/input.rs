//! What to read: files by name or pattern, or standard input; plain, gzip or zstd, told by their first bytes.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const READ_BYTES: usize = 256 << 10;

/// One thing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
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
    /// Opens the input; `read` is told how many of its bytes on disk have been read.
    ///
    /// # Errors
    /// `Config` where it can't be opened or read.
    pub fn open(&self, read: Arc<AtomicU64>) -> Result<OpenInput> {
        let failed = |error| Error::config(format!("can't read {self}")).with_source(error);
        let (source, size): (Box<dyn Read + Send>, _) = match self {
            Self::File(path) => {
                let file = File::open(path).map_err(failed)?;
                let size = file.metadata().map_err(failed)?.len();
                (Box::new(file), Some(size))
            }
            Self::Stdin => (Box::new(io::stdin()), None),
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
