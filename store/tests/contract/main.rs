//! The store's promises, kept against a real `SQLite` file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy's allowance for tests does not reach helpers and async bodies of an integration test"
)]

mod audit;
mod auth_keys;
mod ceilings;
mod certificates;
mod keys;
mod people;
mod redeem;
mod requests;
mod scene;
mod spaces;
mod usage;
mod whole;
