//! What each door calls a type: the table of docs/clients.md, which people read and the test uses.

use std::collections::HashMap;

const BEGIN: &str = "<!-- types: tests/it/fifty reads this table -->\n";

/// SQL's words to PostgreSQL's.
#[derive(Debug)]
pub struct Types(HashMap<String, String>);

impl Types {
    pub fn documented() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clients.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, table) = text.split_once(BEGIN).expect("docs/clients.md has the table of types");
        let rows = table.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
        let rows = rows.take_while(|line| line.starts_with('|'));
        let cells = |row: &str| row.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
        let pairs = rows.map(cells).flat_map(|row| {
            let postgres = row[3].clone();
            row[1].split(", ").map(|word| (word.to_owned(), postgres.clone())).collect::<Vec<_>>()
        });
        Self(pairs.collect())
    }

    /// PostgreSQL's name of a type.
    pub fn postgres(&self, word: &str) -> String {
        let key = match word.split_once('(') {
            Some((decimal, _)) => decimal,
            None if word.starts_with("list of ") => "list",
            None => word,
        };
        self.0.get(key).unwrap_or_else(|| panic!("docs/clients.md does not tell of {word}")).clone()
    }
}
