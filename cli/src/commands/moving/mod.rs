//! `copy`, `dump` and `load`: moving what a store holds into another, or into a file and back.

mod copy;
mod dump;
mod file;
mod load;
mod names;
mod tell;

pub(super) use copy::run as copy;
pub(super) use dump::run as dump;
pub(super) use load::run as load;
