//! The few calls through which records become durable, as a trait, so that tests can make each of them fail.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::Path;

/// Makes segment files and syncs their folder.
pub(super) trait Disk: Send {
    /// A new file for appending. It is an error if there is one.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// An existing file, for appending.
    fn reopen(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Makes the folder's entries durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// A segment being written.
pub(super) trait SegmentFile: Send {
    /// Appends some of the bytes and says how many, as [`Write::write_vectored`] does.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// `fdatasync`: the bytes and the length they need, not the times.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// Appends all the bytes, in as few calls as the operating system allows.
pub(super) fn write_all(file: &mut dyn SegmentFile, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            // A signal came before anything was written: the one failure that is none.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The local file system.
#[derive(Debug)]
pub(super) struct LocalDisk;

impl Disk for LocalDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(File::options().append(true).create_new(true).open(path)?))
    }

    fn reopen(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(File::options().append(true).open(path)?))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl SegmentFile for File {
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(self, slices)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }
}
