//! Faults of processes against a real server: what is killed, stopped, starved or asked to end, and what
//! must hold all the same. One guarantee a file; each test prints its figure.
//!
//! Not here: faults inside the database's statements (`shared/tests`), and of the event stream.

mod cancel;
mod deadline;
mod folder;
mod hand_back;
mod kill_storm;
mod loading;
mod residency;
mod log;
mod runner_faults;
mod standstill;
mod support;
mod switches;
