//! Users and tokens for tests: one of each for every role, made quickly.

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};

/// Every role, and none.
pub const ROLES: [&str; 5] = ["ingest", "query", "maintain", "admin", "nothing"];

/// The password of the user `<role>-user`.
pub fn password(role: &str) -> String {
    format!("correct-horse-{role}")
}

/// The token named `<role>-token`.
pub fn token(role: &str) -> String {
    format!("tst_{role}-token_{}", "5ec2e7".repeat(10))
}

/// As PostgreSQL makes it: with few rounds, which the clients of the tests would pay at each login.
fn verifier(password: &str) -> String {
    const ROUNDS: usize = 4096;
    let salt = b"saltsaltsaltsalt".to_vec();
    let salted = gen_salted_password(password, &salt, ROUNDS);
    let secret = ScramSecret::verifier_from_salted_password(salt, salted, ROUNDS);
    let ScramSecret::Verifier { salt, stored_key, server_key, .. } = secret else { panic!("no verifier") };
    let [salt, stored, server] = [salt, stored_key, server_key].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256${ROUNDS}:{salt}${stored}:{server}")
}

/// `[auth]` with a user and a token for each role. Argon2 is made cheap, and SCRAM as cheap as PostgreSQL makes it; the tokens are as the program makes them.
pub fn everyone() -> String {
    let mut toml = String::new();
    let cheap = argon2::Argon2::from(argon2::Params::new(8, 1, 1, None).unwrap());
    for role in ROLES {
        let roles = if role == "nothing" { String::new() } else { format!("{role:?}") };
        let scram = verifier(&password(role));
        let hash: PasswordHash = cheap.hash_password_with_salt(token(role).as_bytes(), b"saltsaltsaltsalt").unwrap();
        toml += &format!("[[auth.user]]\nname = \"{role}-user\"\nscram = \"{scram}\"\nroles = [{roles}]\n");
        toml += &format!("[[auth.token]]\nname = \"{role}-token\"\nhash = \"{hash}\"\nroles = [{roles}]\n");
    }
    toml
}
