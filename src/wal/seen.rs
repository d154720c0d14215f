//! `.seen` files: the requests of a released segment, kept until the repeat window has passed.
//!
//! ```text
//!  | magic 8 | version 4 | count 8 | writer id 16 | last seq 8 | count x ( seq 8 | ingest 8 | id 16 | rejected 4 ) | crc 4 |
//! ```
//! Written whole and synced before the segment is deleted. In between both exist, and say the same.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::{Damage, WalError};
use super::fields::Fields;
use super::folder::{self, WriterId};
use super::record::{RequestId, WalSeq};
use super::repeats::Stored;
use super::segment::{FORMAT_VERSION, SegmentInfo, file_path};

pub(super) const SEEN_EXTENSION: &str = "seen";

const MAGIC: [u8; 8] = *b"telseen\n";
const START_BYTES: usize = 44;
const ENTRY_BYTES: usize = 36;

/// A list on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenFile {
    pub(super) path: PathBuf,
    pub(super) last_seq: WalSeq,
    /// Once this has left the window, the list is of no more use.
    pub(super) newest_ingest_micros: i64,
}

/// Writes the list of a segment durably.
pub(super) fn write(
    folder: &Path,
    writer_id: WriterId,
    segment: &SegmentInfo,
    entries: &[Stored],
) -> Result<SeenFile, WalError> {
    let path = file_path(folder, segment.first_seq, SEEN_EXTENSION);
    let mut out = Vec::with_capacity(START_BYTES + entries.len() * ENTRY_BYTES + 4);
    out.extend(MAGIC);
    out.extend(FORMAT_VERSION.to_le_bytes());
    out.extend((entries.len() as u64).to_le_bytes());
    out.extend(writer_id.bytes());
    out.extend(segment.last_seq.0.to_le_bytes());
    for entry in entries {
        out.extend(entry.seq.0.to_le_bytes());
        out.extend(entry.ingest_time_micros.to_le_bytes());
        out.extend(entry.request_id.0);
        out.extend(entry.rejected.to_le_bytes());
    }
    out.extend(crc32fast::hash(&out).to_le_bytes());
    folder::put(&path, &out)?;
    Ok(describe(path, segment.last_seq, entries))
}

/// Reads a list back, refusing it unless every byte of it checks.
pub(super) fn read(path: &Path, writer_id: WriterId) -> Result<(SeenFile, Vec<Stored>), WalError> {
    let mut file = File::open(path).map_err(WalError::io("open", path))?;
    let bytes = fs::metadata(path).map_err(WalError::io("look at", path))?.len();
    let damaged = || WalError::damaged(path, 0, Damage::SeenList);

    let mut start = [0; START_BYTES];
    if bytes < START_BYTES as u64 {
        return Err(damaged());
    }
    file.read_exact(&mut start).map_err(WalError::io("read", path))?;
    let list = Start::decode(&start).ok_or_else(damaged)?;
    // Before the version is believed, and before anything is allocated.
    if list.version == FORMAT_VERSION && bytes != list.file_bytes() {
        return Err(damaged());
    }
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).map_err(WalError::io("read", path))?;
    let (entries, crc) = rest.split_last_chunk::<4>().ok_or_else(damaged)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&start);
    hasher.update(entries);
    if hasher.finalize().to_le_bytes() != *crc {
        return Err(damaged());
    }
    if list.version != FORMAT_VERSION {
        let (path, supported) = (path.to_owned(), FORMAT_VERSION);
        return Err(WalError::UnknownVersion { path, version: list.version, supported });
    }
    if list.writer_id != writer_id {
        let damage = Damage::ForeignWriter { expected: writer_id, found: list.writer_id };
        return Err(WalError::damaged(path, 0, damage));
    }
    let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
    let entries: Vec<Stored> = entries.iter().map(decode_entry).collect::<Option<_>>().ok_or_else(damaged)?;
    Ok((describe(path.to_owned(), list.last_seq, &entries), entries))
}

struct Start {
    version: u32,
    count: u64,
    writer_id: WriterId,
    last_seq: WalSeq,
}

impl Start {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.array() != Some(MAGIC) {
            return None;
        }
        Some(Self {
            version: fields.u32()?,
            count: fields.u64()?,
            writer_id: WriterId::from_bytes(fields.array()?),
            last_seq: WalSeq(fields.u64()?),
        })
    }

    /// How long the file should be; saturates, for a count may be anything.
    fn file_bytes(&self) -> u64 {
        self.count.saturating_mul(ENTRY_BYTES as u64).saturating_add((START_BYTES + 4) as u64)
    }
}

fn decode_entry(bytes: &[u8; ENTRY_BYTES]) -> Option<Stored> {
    let mut fields = Fields(bytes);
    Some(Stored {
        seq: WalSeq(fields.u64()?),
        ingest_time_micros: fields.i64()?,
        request_id: RequestId(fields.array()?),
        rejected: fields.u32()?,
    })
}

fn describe(path: PathBuf, last_seq: WalSeq, entries: &[Stored]) -> SeenFile {
    let newest_ingest_micros = entries.iter().map(|entry| entry.ingest_time_micros).max().unwrap_or(i64::MIN);
    SeenFile { path, last_seq, newest_ingest_micros }
}
