//! What the vectors of x86-64 do with sixteen lanes: those of AVX-512 and AVX with VNNI, of AVX2 and of SSE4.1.
//!
//! VPDPBUSD makes the products of four unsigned and four signed bytes in each lane and adds them to its sum. So activations are raised by 128
//! where they are copied, and what that adds to a sum, `128·Σ w`, is taken off its bias before. Without it bytes are widened to int16 and
//! PMADDWD adds two products at a time. VPMADDUBSW, which saturates, is not used.

mod avx2;
mod avx512;
mod reals;
mod sse41;

pub(crate) use avx2::{Avx2, AvxVnni};
pub(crate) use avx512::Avx512;
pub(crate) use reals::{Reals128, Reals256, Reals512};
pub(crate) use sse41::Sse41;
