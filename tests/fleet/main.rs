//! What a fleet of processes promises when processes, Redis, Postgres and the network fail. One scenario
//! a file; each prints its seed and figures, and `LAMPLIGHTER_TEST_SEED` repeats its choices.

mod basic;
mod kill_storm;
mod redis_faults;
mod support;
mod judge;
mod partition;
mod partition_redis;
mod postgres_restart;
mod clock_skew;
mod stale_redis;
mod ledger;
mod signs;
mod zombie;
mod hang;
mod poison;
mod races;
mod false_reap;
mod orders;
mod cancels;
mod last_orders;
mod stuck_loop;
mod fault_points;
mod idempotency;
mod duplicate_doorbells;
mod burst;
mod cancel_batches;
mod streams;
mod sse_resume;
mod slow_readers;
mod sse_without_redis;
mod rolling_restart;
mod retention;
mod overload;
mod nemesis;
