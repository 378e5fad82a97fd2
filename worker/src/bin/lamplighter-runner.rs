//! The runner role alone, for this crate's tests and for benchmarks: `runner --fd N` and `convert`, as the
//! product's binary takes them.

use std::process::ExitCode;

use lamplighter_worker::{
    convert,
    runner::{OomReporting, child},
};

#[global_allocator]
static ALLOC: OomReporting = OomReporting;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["runner", "--fd", fd] if fd.parse::<i32>().is_ok_and(|fd| fd > 2) => {
            child::main(fd.parse().expect("it was parsed in the guard"))
        }
        [convert::process::COMMAND] => convert::child::main(),
        _ => {
            eprintln!("usage: lamplighter-runner runner --fd N | convert");
            ExitCode::from(2)
        }
    }
}
