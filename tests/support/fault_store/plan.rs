//! What goes wrong how often, and which fate each operation is dealt.
//!
//! Guarantee: an operation's fate follows from the seed, its kind, its path and the how-manieth of its kind on that
//! path it is; so a run with the same seed meets the same faults, as far as its own concurrency repeats itself.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use object_store::path::Path;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A kind of operation on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// An unconditional put.
    Put,
    /// A put that must not overwrite, or must overwrite one version: how commits are made.
    ConditionalPut,
    /// The beginning of a multipart upload.
    Upload,
    /// One part of it.
    Part,
    /// Its end, which makes the object visible.
    Complete,
    Abort,
    Get,
    Delete,
    List,
    Copy,
    Rename,
}

/// What went wrong with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Not done, and reported as failed.
    Failed,
    /// Done, and reported as failed: the reply was lost.
    DoneButFailed,
    /// Done, and reported as a conflict: the client sent it again by itself, and met its own success.
    DoneButConflict,
    /// Reported as failed, and done a little later: the request was still under way when its sender gave up.
    DoneLater,
    /// Not done, and reported as a conflict with an object that is not there.
    Conflict,
    /// The body ends early, with an error.
    Cut,
    /// The body ends early, without an error.
    CutSilently,
    /// The same before its last line, so that to a reader of lines nothing is amiss.
    LastLineCut,
    /// A listing ends with an error after some of its entries.
    ListBroken,
    /// Slow; otherwise as it should be, unless another fault comes on top.
    Stalled,
}

impl Fault {
    /// Every fault that a store can have; an operation meets those that it [can have](Op::can_have).
    pub const ALL: [Self; 10] = [
        Self::Failed,
        Self::DoneButFailed,
        Self::DoneButConflict,
        Self::DoneLater,
        Self::Conflict,
        Self::Cut,
        Self::CutSilently,
        Self::LastLineCut,
        Self::ListBroken,
        Self::Stalled,
    ];
}

/// How often each fault is dealt, of the operations that can have it: 0 for never, 1 for always.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Of what changes something, and of listings.
    pub failed: f64,
    pub read_failed: f64,
    pub done_but_failed: f64,
    pub done_but_conflict: f64,
    pub done_later: f64,
    pub conflict: f64,
    pub cut: f64,
    pub cut_silently: f64,
    pub list_broken: f64,
    pub stalled: f64,
    /// The longest stall, and the longest delay of what is done later.
    pub longest: Duration,
    /// How far its clock is behind this machine's, by the times of its objects.
    pub behind: Duration,
}

impl Plan {
    /// Nothing by chance; what is scripted happens still.
    pub const QUIET: Self = Self {
        failed: 0.0,
        read_failed: 0.0,
        done_but_failed: 0.0,
        done_but_conflict: 0.0,
        done_later: 0.0,
        conflict: 0.0,
        cut: 0.0,
        cut_silently: 0.0,
        list_broken: 0.0,
        stalled: 0.0,
        longest: Duration::ZERO,
        behind: Duration::ZERO,
    };

    /// Every fault, each of about one in thirty operations that can have it: most commits meet one.
    pub const STORMY: Self = Self {
        failed: 0.03,
        read_failed: 0.02,
        done_but_failed: 0.06,
        done_but_conflict: 0.04,
        done_later: 0.04,
        conflict: 0.04,
        cut: 0.02,
        cut_silently: 0.01,
        list_broken: 0.03,
        stalled: 0.05,
        longest: Duration::from_millis(40),
        behind: Duration::ZERO,
    };

    /// As stormy, with the reads of a client that asks again by itself: a log of fifty commits can be read at all.
    pub const READABLE: Self = Self { read_failed: 0.002, cut: 0.002, cut_silently: 0.002, ..Self::STORMY };

    fn chance(&self, op: Op, fault: Fault) -> f64 {
        match fault {
            Fault::Failed if op == Op::Get => self.read_failed,
            Fault::Failed => self.failed,
            Fault::DoneButFailed => self.done_but_failed,
            Fault::DoneButConflict => self.done_but_conflict,
            Fault::DoneLater => self.done_later,
            Fault::Conflict => self.conflict,
            Fault::Cut => self.cut,
            Fault::CutSilently | Fault::LastLineCut => self.cut_silently,
            Fault::ListBroken => self.list_broken,
            Fault::Stalled => self.stalled,
        }
    }
}

impl Op {
    pub fn can_have(self, fault: Fault) -> bool {
        fault == Fault::Stalled || self.faults().contains(&fault)
    }

    /// What can go wrong with it.
    const fn faults(self) -> &'static [Fault] {
        use Fault::{
            Conflict, Cut, CutSilently, DoneButConflict, DoneButFailed, DoneLater, Failed, LastLineCut, ListBroken,
        };
        match self {
            Self::Put | Self::Delete => &[Failed, DoneButFailed, DoneLater],
            Self::ConditionalPut => &[Failed, DoneButFailed, DoneButConflict, DoneLater, Conflict],
            Self::Part | Self::Complete | Self::Copy | Self::Rename => &[Failed, DoneButFailed],
            Self::Upload | Self::Abort => &[Failed],
            Self::Get => &[Failed, Cut, CutSilently, LastLineCut],
            Self::List => &[Failed, ListBroken],
        }
    }
}

/// What an operation meets.
#[derive(Debug)]
pub struct Fate {
    pub fault: Option<Fault>,
    pub stall: Duration,
    /// The delay of what is done later.
    pub delay: Duration,
    /// For what else is left to chance, as where a body is cut.
    pub random: StdRng,
}

/// A fault that is dealt for sure.
#[derive(Debug)]
struct Scripted {
    op: Op,
    path: String,
    fault: Fault,
}

/// Deals fates, and keeps account of them.
#[derive(Debug, Default)]
pub struct Dealer {
    counts: HashMap<(Op, String), u64>,
    /// A fault for the operation of this number, where it can have it.
    nth: Option<(u64, Fault)>,
    aliases: HashMap<String, String>,
    files: HashMap<String, u64>,
    scripted: Vec<Scripted>,
    injected: BTreeMap<(Op, Fault), u64>,
    operations: Vec<Op>,
    log: Vec<String>,
}

impl Dealer {
    pub fn script(&mut self, op: Op, path: &str, fault: Fault) {
        self.scripted.push(Scripted { op, path: path.to_owned(), fault });
    }

    pub fn script_nth(&mut self, operation: u64, fault: Fault) {
        self.nth = Some((operation, fault));
    }

    pub fn deal(&mut self, seed: u64, plan: &Plan, op: Op, path: &Path) -> Fate {
        self.operations.push(op);
        let name = self.name(path);
        let count = self.counts.entry((op, name.clone())).or_default();
        *count += 1;
        let key = format!("{op:?} {name} {count}");
        let mut random = StdRng::seed_from_u64(xxh3_64_with_seed(key.as_bytes(), seed));
        let mut within = |longest: Duration| longest.mul_f64(random.random::<f64>());
        let (stall, delay) = (within(plan.longest), within(plan.longest));
        let operation = self.operations.len() as u64;
        let nth =
            self.nth.take_if(|(number, fault)| *number == operation && op.can_have(*fault)).map(|(_, fault)| fault);
        let stalled = nth == Some(Fault::Stalled) || random.random_bool(plan.chance(op, Fault::Stalled));
        let drawn = random.random::<f64>();
        let mut below = 0.0;
        let by_chance = op.faults().iter().copied().find(|fault| {
            below += plan.chance(op, *fault);
            drawn < below
        });
        let scripted = self.scripted.iter().position(|next| next.op == op && name.ends_with(&next.path));
        let nth = nth.filter(|fault| *fault != Fault::Stalled);
        let fault = scripted.map(|index| self.scripted.remove(index).fault).or(nth).or(by_chance);
        for fault in stalled.then_some(Fault::Stalled).into_iter().chain(fault) {
            *self.injected.entry((op, fault)).or_default() += 1;
            self.log.push(format!("{key}: {fault:?}"));
        }
        Fate { fault, stall: if stalled { stall } else { Duration::ZERO }, delay, random }
    }

    /// All so far.
    pub fn operations(&self) -> &[Op] {
        &self.operations
    }

    pub const fn injected(&self) -> &BTreeMap<(Op, Fault), u64> {
        &self.injected
    }

    pub fn log(&self) -> &[String] {
        &self.log
    }

    pub fn forget_script(&mut self) {
        self.scripted.clear();
    }

    pub fn has_script_left(&self) -> bool {
        !self.scripted.is_empty() || self.nth.is_some()
    }

    /// The path, with a random file name replaced by the how-manieth in its folder it is.
    fn name(&mut self, path: &Path) -> String {
        let path = path.as_ref();
        let Some((folder, file)) = path.rsplit_once('/') else { return path.to_owned() };
        // A random name, or a random name and a number.
        let stem = file.get(..36).unwrap_or_default();
        if uuid::Uuid::parse_str(stem).is_err() {
            return path.to_owned();
        }
        if let Some(alias) = self.aliases.get(path) {
            return alias.clone();
        }
        let files = self.files.entry(folder.to_owned()).or_default();
        *files += 1;
        let alias = format!("{folder}/file {files}");
        self.aliases.insert(path.to_owned(), alias.clone());
        alias
    }
}

impl fmt::Display for Dealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} operations", self.operations.len())?;
        for ((op, fault), count) in &self.injected {
            write!(f, ", {op:?} {fault:?} {count}")?;
        }
        Ok(())
    }
}
