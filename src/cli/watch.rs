//! A line on a terminal that says how far a job is; none where standard error is no terminal.

use std::time::Duration;

use bytesize::ByteSize;
use indicatif::ProgressBar;

use crate::maintenance::Progress;

/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(100);

/// Does this work, and says meanwhile what its progress says.
pub(super) async fn watched<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    let bar = ProgressBar::new_spinner();
    let mut work = Box::pin(work);
    loop {
        tokio::select! {
            done = &mut work => {
                bar.finish_and_clear();
                return done;
            }
            () = tokio::time::sleep(EVERY) => {
                bar.set_message(line(progress));
                bar.tick();
            }
        }
    }
}

fn line(progress: &Progress) -> String {
    let (rows, files, bytes) = (progress.rows(), progress.files(), ByteSize(progress.bytes()));
    let counted = [
        (rows > 0).then(|| format!("{rows} rows")),
        (files > 0).then(|| format!("{files} files")),
        (bytes.as_u64() > 0).then(|| bytes.to_string()),
    ];
    let counted: Vec<String> = counted.into_iter().flatten().collect();
    let phase = progress.current_phase();
    if counted.is_empty() { phase } else { format!("{phase}; done: {}", counted.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_says_what_is_done_and_work_gives_its_answer() {
        let progress = Progress::default();
        progress.phase("logs 2024-05-01: merging 8 runs");
        assert_eq!(line(&progress), "logs 2024-05-01: merging 8 runs");
        progress.add_rows(1000);
        progress.add_files(2, 2048);
        assert_eq!(line(&progress), "logs 2024-05-01: merging 8 runs; done: 1000 rows, 2 files, 2.0 KiB");
        assert_eq!(watched(&progress, async { 7 }).await, 7);
    }
}
