//! `kill -9` of compactions at any moment: every row is there once, whatever was under way.
//!
//! `TELESTRATA_RACE_ROUNDS` sets the number of kills, `TELESTRATA_CRASH_SEED` replays their moments. Each operation of a
//! compaction in turn: `faults.rs`.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{DAY, rounds, said};
use crate::support::logs::numbered_logs;
use crate::support::s3::S3;
use crate::support::server::Home;

/// What is to be killed has to be left to do.
const CONFIG: &str = "[maintenance]\nenabled = false\n";

const FILES: u64 = 4;
const ROWS: u64 = 50;

/// How many rows and how many different ones.
fn counted(home: &Home) -> String {
    let query = "select count(*) as n, count(distinct attributes['number']) as d from logs";
    said(&home.verb("sql").args(["--format", "csv", query]).output().unwrap())
}

#[rstest::rstest]
#[case::on_a_disk(false)]
#[case::on_s3(true)]
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_compactions_loses_and_doubles_nothing(#[case] in_a_bucket: bool) {
    let rounds = rounds(if in_a_bucket { 3 } else { 6 });
    let seed =
        std::env::var("TELESTRATA_CRASH_SEED").map_or(u64::from(std::process::id()), |seed| seed.parse().unwrap());
    println!("TELESTRATA_CRASH_SEED={seed} TELESTRATA_RACE_ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);
    let s3 = if in_a_bucket { Some(S3::start().await) } else { None };
    let home = match &s3 {
        Some(s3) => Home::with_lake_at(CONFIG, &s3.lake("killed"), &s3.env()),
        None => Home::new(CONFIG),
    };
    let (mut sent, mut killed) = (0, 0);
    // The first compaction is left alone, and tells how long one takes.
    let mut longest = Duration::ZERO;
    for round in 0..=rounds {
        // A file a line: each is an import of its own.
        let server = home.serve();
        let client = reqwest::Client::new();
        for _ in 0..FILES {
            let body = numbered_logs("killed", sent..sent + ROWS, DAY);
            crate::support::logs::send_logs(&client, &server.otlp_http(), body).await.unwrap();
            server.flush().await;
            sent += ROWS;
        }
        server.terminate();
        let started = Instant::now();
        let mut compaction = home.verb("compact").args(["--table", "logs"]).spawn().unwrap();
        if round > 0 {
            // The moment is random; the verdict does not depend on it.
            std::thread::sleep(longest.mul_f64(random.random::<f64>()));
            killed += u32::from(compaction.try_wait().unwrap().is_none());
            compaction.kill().unwrap();
        }
        let status = compaction.wait().unwrap();
        if round == 0 {
            assert!(status.success());
            longest = started.elapsed();
        }
        assert_eq!(counted(&home), format!("n,d\n{sent},{sent}\n"), "round {round}, seed {seed}");
    }
    assert!(killed > 0 || rounds < 3, "no compaction was still running when it was killed");
    said(&home.verb("compact").output().unwrap());
    assert_eq!(counted(&home), format!("n,d\n{sent},{sent}\n"));
    let check = home.verb("check").arg("--json").output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    println!("{killed} of {rounds} compactions were killed at work");
}
