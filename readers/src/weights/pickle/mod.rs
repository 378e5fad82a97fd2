//! The part of Python's pickle language that a state dict is written in.
//!
//! A pickle is a program for a small stack machine; the full language can call any function of Python. This
//! machine knows only the instructions that build plain values, and a closed list of names ([`node::Global`]) whose
//! "calls" it answers by itself. It looks nothing up, loads nothing and runs nothing.

mod build;
mod machine;
mod node;
mod scalar;
mod walk;

pub(super) use machine::{Pickled, run};
pub(super) use node::{Node, StorageRef};
pub(super) use walk::tensors;
