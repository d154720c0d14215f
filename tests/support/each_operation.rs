//! A job whose store misbehaves at each of its operations in turn, and whose process dies after each.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::fault_store::{Fault, FaultStore, Op, Plan};

const PLAN: Plan = Plan { longest: Duration::from_millis(20), ..Plan::QUIET };

/// Cases at once: they mostly wait to try again.
const AT_ONCE: usize = 8;

/// A lake of its own on which one thing goes wrong.
pub struct Case {
    /// What the job sees.
    pub store: FaultStore,
    /// What is really there.
    pub base: Arc<InMemory>,
    /// What goes wrong.
    pub name: String,
}

/// Runs a job, and whatever it checks afterwards, on forks of a lake: at `points` of these operations, evenly over them, one
/// case with a fault that the operation can have, by turns, and one with a death.
pub async fn at_each_operation<F>(base: &InMemory, operations: &[Op], points: usize, job: impl Fn(Case) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut cases = JoinSet::new();
    let step = operations.len().div_ceil(points);
    for (turn, (number, op)) in (1..).zip(operations).step_by(step).enumerate() {
        let possible: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| op.can_have(*fault)).collect();
        let fault = possible[turn % possible.len()];
        for trouble in [Some(fault), None] {
            let base = Arc::new(base.fork());
            let store = FaultStore::new(base.clone(), PLAN, number);
            let of = operations.len();
            let name = if let Some(fault) = trouble {
                store.script_nth(number, fault);
                format!("{fault:?} at operation {number} of {of}, {op:?}")
            } else {
                store.die_after(number);
                format!("dead after operation {number} of {of}, {op:?}")
            };
            let (case, at_once) = (job(Case { store, base, name }), Arc::clone(&at_once));
            cases.spawn(async move {
                let _turn = at_once.acquire().await.unwrap();
                case.await;
            });
        }
    }
    println!("{} cases, at operations of {}", cases.len(), operations.len());
    while let Some(ended) = cases.join_next().await {
        ended.unwrap();
    }
}
