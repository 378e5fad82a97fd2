//! What `docker/` promises, on a machine without Docker: the files are right and fit each other, the
//! commands in them start a working installation, and Debian's nginx with that configuration does in front
//! of two APIs what it must.
//!
//! In reading order: `compose_file` and `images` read; `stack`, `servers` and `nginx` start what the files say
//! (with `compose` and `dockerfile`, which understand them); `entrypoints`, `roles`, `streams`, `refusals`,
//! `slow`, `origins`, `people`, `guessing`, `failover`, `exposure`, `secrets` (with `hunted` and `redis_keys`) and `tls`
//! look at what runs.

mod compose;
mod compose_file;
mod dockerfile;
mod images;
mod servers;
mod stack;
mod nginx;
mod entrypoints;
mod roles;
mod streams;
mod refusals;
mod slow;
mod origins;
mod people;
mod guessing;
mod failover;
mod exposure;
mod hunted;
mod redis_keys;
mod secrets;
mod tls;
