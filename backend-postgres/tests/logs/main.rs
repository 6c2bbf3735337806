//! What PostgreSQL makes difficult about logs: numbers in the order of commits, lost connections,
//! partitions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod days;
mod lost;
mod order;
mod replicas;
mod support;
mod texts;
