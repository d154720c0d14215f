//! Requests of equal rows that must not pass for one another.
//!
//! A receiver may take bytes that it has had lately for a retry, as this program's own server does
//! (`ingest.repeat_window`). A table that holds the same rows twice gives such requests. The second one is therefore
//! given an empty resource group at its end, the third one two: no records, but other bytes.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_128;

/// Requests that are remembered: far more than are sent within a receiver's memory of minutes.
const REMEMBERED: usize = 1 << 17;

/// Field 1 of every `Export*ServiceRequest`, with nothing in it.
const EMPTY_GROUP: [u8; 2] = [0x0a, 0];

/// Keeps the encoded requests of one export apart.
#[derive(Debug, Default)]
pub struct Distinct {
    seen: HashMap<u128, usize>,
}

impl Distinct {
    /// Makes the request differ from every one before it.
    pub fn make(&mut self, request: &mut Vec<u8>) {
        if self.seen.len() >= REMEMBERED {
            self.seen.clear();
        }
        let seen = self.seen.entry(xxh3_128(request)).or_default();
        for _ in 0..*seen {
            request.extend(EMPTY_GROUP);
        }
        *seen += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_requests_come_out_different() {
        let mut distinct = Distinct::default();
        let mut made = |bytes: &[u8]| {
            let mut request = bytes.to_vec();
            distinct.make(&mut request);
            request
        };
        assert_eq!([made(b"a"), made(b"b"), made(b"a"), made(b"a")], [&b"a"[..], b"b", b"a\n\0", b"a\n\0\n\0"]);
    }
}
