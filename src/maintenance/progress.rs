//! How far a job is, for a bar on a terminal and for `system.jobs`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Written by the one who works, read by whoever looks. A clone is the same progress.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    phase: Mutex<String>,
    rows: AtomicU64,
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Progress {
    /// Says what is being done now, such as `logs 2024-05-01: merging`.
    pub fn phase(&self, what: impl Into<String>) {
        *self.0.phase.lock().unwrap_or_else(PoisonError::into_inner) = what.into();
    }

    /// What is being done now.
    pub fn current_phase(&self) -> String {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Rows that were read.
    pub fn add_rows(&self, rows: u64) {
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Files that were done with, and their bytes.
    pub fn add_files(&self, files: u64, bytes: u64) {
        self.0.files.fetch_add(files, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Rows read so far.
    pub fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// Bytes of the files done so far.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Files done so far.
    pub fn files(&self) -> u64 {
        self.0.files.load(Ordering::Relaxed)
    }
}
