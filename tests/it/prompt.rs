//! The prompt of `telestrata sql`, through a real pseudo-terminal; `tests/clients/python/prompt/drive.py` is the person.

use std::process::Command;

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::python::python;
use crate::support::server::Home;

const DAY: u64 = 1_700_000_000;

/// Ten logs of two services.
fn lake_of_ten() -> Home {
    let home = Home::new("");
    let text = format!("{}\n{}\n", numbered_logs("one", 0..5, DAY), numbered_logs("two", 5..10, DAY + 86_400));
    std::fs::write(home.path().join("logs.jsonl"), text).unwrap();
    assert!(home.verb("import").arg("logs.jsonl").output().unwrap().status.success());
    home
}

/// Plays a scenario.
fn drive(scenario: &str, home: &Home, flags: &[&str]) {
    let mut command: Command = python();
    command
        .args(["prompt/drive.py", scenario, env!("CARGO_BIN_EXE_telestrata")])
        .arg(home.path())
        .args(flags)
        .env("TELESTRATA_LOG", "warn")
        // The folder of the sources stays as it is.
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    let (shown, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && shown.contains("\"done\": true"), "{scenario}: {failed}\n{shown}");
}

#[rstest::rstest]
#[case::a_query_may_have_many_lines("many_lines")]
#[case::tab_completes_tables_and_attribute_keys("completion")]
#[case::backslash_commands_do_what_they_say("commands")]
#[case::errors_show_their_place_and_end_nothing("errors")]
#[case::ctrl_c_ends_the_query_and_not_the_prompt("cancel")]
#[case::the_history_outlives_the_prompt("history")]
#[case::a_wide_table_is_no_wider_than_the_terminal("width")]
#[case::what_is_longer_than_the_screen_is_paged("paging")]
fn on_a_lake(#[case] scenario: &str) {
    let home = lake_of_ten();
    drive(scenario, &home, &["--lake", home.lake().to_str().unwrap()]);
}

#[test]
fn the_views_of_a_users_folder_are_described() {
    let home = lake_of_ten();
    let views = home.path().join("views");
    std::fs::create_dir(&views).unwrap();
    let latest =
        "-- One row a service, with its last log.\nSELECT service_name, max(body) AS last FROM logs GROUP BY 1\n";
    let loud = "-- loud(at_least = 3)\n-- One row a loud service.\nSELECT service_name FROM logs GROUP BY 1 HAVING count(*) > $at_least\n";
    std::fs::write(views.join("latest.sql"), latest).unwrap();
    std::fs::write(views.join("loud.sql"), loud).unwrap();
    let config = home.path().join("views.toml");
    std::fs::write(&config, format!("[query]\nviews = {:?}\n", views.to_str().unwrap())).unwrap();
    drive("own_views", &home, &["--lake", home.lake().to_str().unwrap(), "--config", config.to_str().unwrap()]);
}

#[test]
fn the_prompt_sees_what_others_commit() {
    let home = lake_of_ten();
    std::fs::write(home.path().join("more.jsonl"), numbered_logs("three", 10..15, DAY)).unwrap();
    drive("fresh", &home, &["--lake", home.lake().to_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_server() {
    let home = Home::new("");
    let server = home.serve();
    let client = reqwest::Client::new();
    for (service, numbers) in [("one", 0..5), ("two", 5..10)] {
        send_logs(&client, &server.otlp_http(), numbered_logs(service, numbers, DAY)).await.unwrap();
    }
    let url = server.http();
    for scenario in ["many_lines", "completion", "errors", "cancel"] {
        tokio::task::block_in_place(|| drive(scenario, &home, &["--connect", &url]));
    }
    server.terminate();
}
