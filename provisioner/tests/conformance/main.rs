//! What every backend of [`spaces_provisioner::Provisioner`] promises, tried on the real engine.

mod adoption;
mod engine_trouble;
mod harness;
mod lifecycle;
mod metering;
mod networks;
mod observation;
