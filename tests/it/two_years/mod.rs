//! Two years of a lake in minutes: telemetry of many dates, late and doubled records, every job each day.
//!
//! ```text
//! world.rs     what is sent, from a seed
//! requests.rs  the same as OTLP
//! model.rs     what must be kept, by the rules over a list of rows
//! lake.rs      the product: intake, jobs, files, queries
//! mod.rs       day by day: send, do the jobs, hold the lake against the model
//! ```
//! `TELESTRATA_SIM_DAYS` sets how many days, `TELESTRATA_SIM_SEED` the seed (docs/faults.md).

mod lake;
mod model;
mod requests;
mod world;

use std::time::{Duration, Instant};

use chrono::Days;
use telestrata::model::signal::Signal;

use self::lake::{Lake, TARGET_BYTES};
use self::model::{Model, Rules};
use self::world::{Record, Shape, World};

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// How often what is asked is asked again after every job.
const LOOK_EVERY: u64 = 6;

struct Simulation {
    lake: Lake,
    model: Model,
    world: World,
    rules: Rules,
    spent: Vec<(&'static str, Duration)>,
}

impl Simulation {
    async fn day(&mut self, day: u64) {
        let started = Instant::now();
        for part in self.world.day(day) {
            part.iter().for_each(|record| self.model.take(record));
            self.lake.take(&part).await;
        }
        self.spend("intake", started);
        let started = Instant::now();
        self.check(day, "taking").await;
        self.spend("check", started);
        let started = Instant::now();
        self.lake.compact(day).await;
        self.spend("compaction", started);
        let started = Instant::now();
        self.check(day, "compaction").await;
        self.spend("check", started);
    }

    fn spend(&mut self, what: &'static str, since: Instant) {
        match self.spent.iter_mut().find(|(name, _)| *name == what) {
            Some((_, spent)) => *spent += since.elapsed(),
            None => self.spent.push((what, since.elapsed())),
        }
    }

    /// The lake holds what the model does: every row, with its weight, as often.
    async fn check(&mut self, day: u64, after: &str) {
        for table in Signal::ALL {
            let (kept, expected) = (self.lake.kept(table).await, self.model.kept(table));
            if kept == expected {
                continue;
            }
            let told = |missing: &[(u64, Option<f64>)], from: &[(u64, Option<f64>)]| -> Vec<String> {
                let rows = missing.iter().filter(|row| !from.contains(row)).take(8);
                rows.map(|row| format!("{row:?} {:?}", self.model.record(row.0))).collect()
            };
            panic!(
                "day {day}, after {after}: {table} has {} rows, expected are {}\nlacks {:#?}\nhas {:#?}",
                kept.len(),
                expected.len(),
                told(&expected, &kept),
                told(&kept, &expected)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_years_of_days_are_kept_as_the_rules_say() {
    let days = from_env("TELESTRATA_SIM_DAYS", 40);
    let seed = from_env("TELESTRATA_SIM_SEED", 1);
    let is_long = days > 200;
    let shape = Shape { seed, days, traces_a_day: 12, flushes_a_day: 3, latest: if is_long { 45 } else { 12 } };
    println!("TELESTRATA_SIM_SEED={seed} TELESTRATA_SIM_DAYS={days}");
    let first_date = chrono::Utc::now().date_naive() - Days::new(days);
    let mut simulation = Simulation {
        lake: Lake::new(first_date).await,
        model: Model::default(),
        world: World::new(shape),
        rules: rules(is_long),
        spent: Vec::new(),
    };
    for day in 0..days {
        simulation.day(day).await;
        if day % LOOK_EVERY == 0 {
            println!("day {day}: {:.1?}", simulation.spent);
        }
    }
    simulation.lake.close().await;
}

/// In days: what two years need, or what shows in a few weeks.
const fn rules(is_long: bool) -> Rules {
    let ages = if is_long { [30, 400, 14, 400, 60, 200] } else { [10, 22, 5, 22, 14, 16] };
    let [logs_after, logs_end, traces_after, traces_end, spans_after, metrics_after] = ages;
    Rules {
        logs_after,
        severity: 17,
        logs_end,
        traces_after,
        sample: 0.25,
        traces_end,
        spans_after,
        metrics_after,
        hold: true,
    }
}
