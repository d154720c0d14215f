//! Records that can't be stored are rejected alone, and their senders neither send again nor think that they failed.

use rstest::rstest;

use super::{PROTOCOLS, endpoint};
use crate::support::clients::Sdk;
use crate::support::server::Home;

#[rstest]
#[case::python(Sdk::Python)]
#[case::node(Sdk::Node)]
#[case::rust(Sdk::Rust)]
#[tokio::test(flavor = "multi_thread")]
async fn impossible_records_are_rejected_alone_and_not_sent_again(#[case] sdk: Sdk) {
    let home = Home::new("");
    let server = home.serve();
    // The Rust SDK takes no metric points made by hand, and its clock is right.
    let signals: &[&str] = if sdk == Sdk::Rust { &["spans", "logs"] } else { &["spans", "logs", "metrics"] };
    for (before, protocol) in PROTOCOLS.iter().enumerate() {
        let sender = sdk.start("impossible", protocol, "none", &endpoint(&server, protocol), protocol);
        let (answers, said) = sender.end().await;
        let wanted: Vec<String> = signals.iter().map(|signal| format!("{signal} success")).collect();
        assert_eq!(answers, wanted, "{protocol}: {said}");
        for signal in signals {
            let name = match *signal {
                "spans" => "name",
                "logs" => "body",
                _ => "attributes['name']",
            };
            let stored = format!(
                "select {name} as name from {signal} where resource_attributes['test.run'] = '{protocol}' order by time"
            );
            let stored: Vec<_> = server.sql(&stored).await.iter().map(|row| row["name"].clone()).collect();
            assert_eq!(stored, ["good", "also good"], "{protocol} {signal}");
            let label = format!("signal=\"{signal}\"");
            let (runs, rejected) = (before as f64 + 1.0, 2.0 * (before as f64 + 1.0));
            assert_eq!(server.metric("telestrata_received_requests_total", &label).await, runs, "{protocol} {signal}");
            let label = format!("{label},reason=\"time_out_of_range\"");
            assert_eq!(server.metric("telestrata_rejected_records_total", &label).await, rejected, "{protocol}");
        }
        // Who tells its user, with the server's reason. The Rust SDK can't read the JSON reply: it knows no numbers in
        // strings, as protobuf's JSON writes 64-bit ones.
        let tells = match sdk {
            Sdk::Python => 0,
            Sdk::Node => 3,
            Sdk::Rust if *protocol == "http/json" => 0,
            Sdk::Rust => 2,
        };
        assert_eq!(said.matches("the latest time taken; record 2").count(), tells, "{protocol}: {said}");
    }
}
