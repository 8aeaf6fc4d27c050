//! Whatever breaks, nothing is lost and nothing is left over: the gateway killed, the engine away, the disk
//! full, containers touched behind our back.

mod agreement;
mod engine;
mod interposer;
mod kill;
mod neighbours;
mod outside;
mod store;
