//! A disk that fails, writes short, and holds its syncs when a test says so. It writes real files and syncs none:
//! tests stop the machine by copying the folder.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::wal::disk::{Disk, SegmentFile};

/// A call that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Write,
    Sync,
    SyncFolder,
}

#[derive(Clone, Default)]
pub(super) struct FaultDisk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    plan: Mutex<Plan>,
    changed: Condvar,
}

#[derive(Default)]
struct Plan {
    /// The next such call fails, once: a retry would succeed, and show.
    fail_next: Option<Call>,
    most_bytes_a_write: Option<usize>,
    hold_syncs: bool,
    is_sync_held: bool,
    calls: Vec<Call>,
}

impl FaultDisk {
    pub(super) fn fail_next(&self, call: Call) {
        self.plan().fail_next = Some(call);
    }

    pub(super) fn write_at_most(&self, bytes: usize) {
        self.plan().most_bytes_a_write = Some(bytes);
    }

    pub(super) fn hold_syncs(&self) {
        self.plan().hold_syncs = true;
    }

    pub(super) fn let_syncs_go(&self) {
        self.plan().hold_syncs = false;
        self.0.changed.notify_all();
    }

    /// Blocks until a sync has begun and is held.
    pub(super) fn wait_for_held_sync(&self) {
        let plan = self.0.changed.wait_while(self.plan(), |plan| !plan.is_sync_held).unwrap();
        assert!(plan.hold_syncs, "syncs are held");
    }

    /// The calls since the last time this was asked.
    pub(super) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.plan().calls)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap()
    }

    fn call(&self, call: Call) -> io::Result<()> {
        let mut plan = self.plan();
        plan.calls.push(call);
        if plan.fail_next.take_if(|next| *next == call).is_some() {
            return Err(io::Error::other(format!("{call:?} was told to fail")));
        }
        Ok(())
    }
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.call(Call::Create)?;
        let file = File::options().append(true).create_new(true).open(path)?;
        Ok(Box::new(FaultFile { disk: self.clone(), file }))
    }

    fn reopen(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = File::options().append(true).open(path)?;
        Ok(Box::new(FaultFile { disk: self.clone(), file }))
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.call(Call::SyncFolder)
    }
}

struct FaultFile {
    disk: FaultDisk,
    file: File,
}

impl SegmentFile for FaultFile {
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let most = self.disk.plan().most_bytes_a_write;
        self.disk.call(Call::Write).inspect_err(|_| {
            // A failed write may have written some.
            let _ = slices.first().map(|slice| self.file.write(&slice[..slice.len() / 2]));
        })?;
        match (most, slices.first()) {
            (Some(most), Some(first)) => self.file.write(&first[..first.len().min(most)]),
            _ => Write::write_vectored(&mut self.file, slices),
        }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut plan = self.disk.plan();
        while plan.hold_syncs {
            plan.is_sync_held = true;
            self.disk.0.changed.notify_all();
            plan = self.disk.0.changed.wait(plan).unwrap();
        }
        plan.is_sync_held = false;
        drop(plan);
        self.disk.call(Call::Sync)
    }
}
