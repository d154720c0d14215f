//! Oids made from names, so that an object keeps its oid over connections and restarts.

use std::collections::HashSet;

/// The first oid that PostgreSQL gives to a user's objects.
const FIRST: u32 = 16_384;

/// Oids of what PostgreSQL itself makes; clients hold some of them as constants.
const FIXED: &[(&str, u32)] = &[
    ("pg_catalog", 11),
    ("public", 2200),
    ("information_schema", 13_183),
    ("pg_catalog.pg_type", 1247),
    ("pg_catalog.pg_attribute", 1249),
    ("pg_catalog.pg_proc", 1255),
    ("pg_catalog.pg_class", 1259),
    ("pg_catalog.pg_authid", 1260),
    ("pg_catalog.pg_auth_members", 1261),
    ("pg_catalog.pg_database", 1262),
    ("pg_catalog.pg_tablespace", 1213),
    ("pg_catalog.pg_foreign_server", 1417),
    ("pg_catalog.pg_foreign_data_wrapper", 2328),
    ("pg_catalog.pg_am", 2601),
    ("pg_catalog.pg_attrdef", 2604),
    ("pg_catalog.pg_cast", 2605),
    ("pg_catalog.pg_constraint", 2606),
    ("pg_catalog.pg_description", 2609),
    ("pg_catalog.pg_index", 2610),
    ("pg_catalog.pg_inherits", 2611),
    ("pg_catalog.pg_language", 2612),
    ("pg_catalog.pg_namespace", 2615),
    ("pg_catalog.pg_operator", 2617),
    ("pg_catalog.pg_rewrite", 2618),
    ("pg_catalog.pg_trigger", 2620),
    ("pg_catalog.pg_collation", 3456),
    ("pg_catalog.pg_extension", 3079),
    ("pg_catalog.pg_enum", 3501),
    ("pg_catalog.pg_range", 3541),
];

/// Gives each name an oid of its own.
#[derive(Debug, Default)]
pub(super) struct Oids {
    taken: HashSet<u32>,
}

impl Oids {
    /// The oid of a name, which is asked for once. Of two names with one hash the later has the next one that is free.
    pub(super) fn of(&mut self, name: &str) -> u32 {
        if let Some((_, oid)) = FIXED.iter().find(|(fixed, _)| *fixed == name) {
            return *oid;
        }
        let mut oid = FIRST + hash(name) % (i32::MAX as u32 - FIRST);
        while !self.taken.insert(oid) {
            oid = if oid == i32::MAX as u32 { FIRST } else { oid + 1 };
        }
        oid
    }
}

/// FNV-1a: the same in every build, which the standard library's hasher does not promise.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_oid() {
        let mut oids = Oids::default();
        let logs = oids.of("public.logs");
        assert_eq!(logs, Oids::default().of("public.logs"));
        assert_ne!(logs, oids.of("public.logs"), "two objects never share one");
        assert_eq!(oids.of("pg_catalog.pg_class"), 1259);
    }
}
