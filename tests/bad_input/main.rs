//! Bad input: a clear error, nothing lost, nobody in.

#[path = "../client.rs"]
mod client;
mod keys;
mod people;
mod requests;
mod text;
mod words;
