//! THE list of operations. Opcode, reader, visitor and the enum for tools all follow from it.
//!
//! A new operation is one line here, a file in `ops/` with its record and kernel, and a method of `Kernels`.
//! Numbers are part of the format: never change or reuse one.

use super::{AllOps, Decode, OpSet, Ops, Place, Reader, SafeOverlap, Span, Tensor, Turns};
#[cfg(feature = "encode")]
use super::{Encode, WORD, align};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::kernels::Kernels;
use crate::ops::*;

macro_rules! for_each_op {
    ($macro:ident) => {
        $macro! {
            0 ConvI8,
            1 ConvF32,
            2 DepthwiseI8,
            3 DepthwiseF32,
            4 FullyConnectedI8,
            5 FullyConnectedF32,
            6 AveragePoolI8,
            7 AveragePoolF32,
            8 MaxPoolI8,
            9 MaxPoolF32,
            10 AddI8,
            11 AddF32,
            12 MulI8,
            13 MulF32,
            14 PadI8,
            15 PadF32,
            16 ConcatI8,
            17 ConcatF32,
            18 StridedCopyI8,
            19 StridedCopyF32,
            20 SoftmaxI8,
            21 SoftmaxF32,
            22 ArgMaxI8,
            23 ArgMaxF32,
            24 TableI8,
            25 UnaryF32,
            26 QuantizeI8,
            27 DequantizeI8,
            28 SubF32,
            29 BinaryF32,
            30 SelectF32,
            31 MatMulF32,
            32 MatMulI8,
            33 GatherF32,
            34 GatherI8,
            35 ScatterF32,
            36 ResampleF32,
            37 ResampleI8,
            38 CumulativeF32,
            39 TopKF32,
            40 LstmF32,
            41 GruF32,
            42 RnnF32,
            43 NormalizeF32,
            44 NormalizeI8,
            45 LstmI8,
            46 GruI8,
            47 RnnI8,
            48 StridedCopyI16,
            49 ConcatI16,
            50 PadI16,
            51 QuantizeI16,
            52 DequantizeI16,
            53 RescaleI16,
            54 NarrowI16,
            55 WidenI8,
            56 ConvI16,
            57 DepthwiseI16,
            58 FullyConnectedI16,
            59 AveragePoolI16,
            60 MaxPoolI16,
            61 AddI16,
            62 MulI16,
            63 TableI16,
            64 SoftmaxI16,
            65 ArgMaxI16,
            66 MatMulI16,
            67 GatherI16,
            68 ResampleI16,
            69 ConvW4,
            70 DepthwiseW4,
            71 FullyConnectedW4,
            72 AverageRowsI8,
            73 AverageRowsI16,
            74 NormalizeI16,
        }
    };
}

/// One operation as the file carries it: its tensors, its numbers, where its constants are.
///
/// Execution reads a record in place, runs it and forgets it.
pub trait Record: Decode {
    /// Its number in the file.
    const OPCODE: Opcode;

    /// The tensors that it reads.
    fn inputs(&self) -> &[Tensor];

    /// The tensor that it writes.
    fn output(&self) -> &Tensor;

    /// Bytes of the arena that it uses while it runs.
    fn scratch(&self) -> Span {
        Span::EMPTY
    }

    /// Whether input number `input` may be the output's own bytes.
    fn in_place(&self, input: usize) -> bool {
        let _ = input;
        false
    }

    /// How far the output may lie over the only input, if this is the last to read it.
    fn safe_overlap(&self) -> SafeOverlap {
        SafeOverlap::NONE
    }

    /// How it runs row by row, if it can.
    fn turns(&self) -> Option<Turns> {
        None
    }

    /// Whether it runs in no other way.
    fn needs_band(&self) -> bool {
        false
    }

    /// Multiply-accumulates of the operation as written.
    fn macs(&self) -> u64 {
        0
    }

    /// Inner steps, a bound on the time that `step` takes: multiply-accumulates, taps or elements.
    fn work(&self) -> u64 {
        self.macs().max(u64::from(self.output().len().unwrap_or(u32::MAX)))
    }

    /// Checks everything that the kernels rely on but the tensors' places, which `Model::read` checks.
    ///
    /// # Errors
    /// [`Flaw::Shape`], [`Flaw::Parameter`] or [`Flaw::Constant`].
    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw>;

    /// Runs the whole operation.
    ///
    /// # Errors
    /// [`Fault`] where a check would have failed; never after `Model::read`, nor of a file that it accepts.
    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault>;
}

/// What is done with a record once its type is known.
pub(crate) trait Visit {
    fn visit<R: Record>(self, record: &R) -> Result<(), Flaw>;
}

/// Shows a record to who visits it. A function of its own for each type, so that no record lies on the stack of another.
#[inline(never)]
fn show<R: Record, V: Visit>(reader: &mut Reader<'_>, visit: V) -> Result<(), Flaw> {
    R::show(reader, |record| visit.visit(record))
}

/// The bytes of a record: its opcode, itself, and zeros up to where another one may begin.
#[cfg(feature = "encode")]
pub(super) fn bytes<R: Record + Encode>(record: &R) -> alloc::vec::Vec<u8> {
    let mut bytes = alloc::vec![R::OPCODE as u8];
    record.encode(&mut bytes);
    align(&mut bytes, WORD);
    bytes
}

macro_rules! define {
    ($($number:literal $name:ident,)*) => {
        /// Number of an operation: what it computes × its arithmetic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Opcode {
            $(#[doc = concat!("See [`crate::ops::", stringify!($name), "`].")] $name = $number,)*
        }

        impl Opcode {
            /// The opcode with this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Whether its arithmetic is that of int8, as its name says.
            const fn is_int8(self) -> bool {
                matches!(self.name().as_bytes(), [.., b'I', b'8'])
            }

            pub(super) const fn all() -> OpSet {
                OpSet::NONE$(.with(Self::$name))*
            }

            pub(super) const fn int8() -> OpSet {
                let set = OpSet::NONE;
                $(let set = if Self::$name.is_int8() { set.with(Self::$name) } else { set };)*
                set
            }
        }

        /// Reads the record at the front of `bytes` if `O` links its operation, shows it to `visit` and gives what follows it.
        pub(crate) fn dispatch<O: Ops, V: Visit>(bytes: &[u8], visit: V) -> Result<&[u8], Flaw> {
            let (&number, rest) = bytes.split_first().ok_or(Flaw::Truncated)?;
            let reader = &mut Reader::new(rest);
            match number {
                $($number if const { O::OPS.has(Opcode::$name) } => show::<$name, V>(reader, visit)?,)*
                _ => return Err(Flaw::Unsupported(number)),
            }
            reader.end()
        }

        /// Any operation, for tools that look at programs.
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "encode", derive(serde::Serialize))]
        #[non_exhaustive]
        pub enum Op {
            $(#[doc = concat!("See [`crate::ops::", stringify!($name), "`].")] $name($name),)*
        }

        $(impl From<$name> for Op {
            fn from(record: $name) -> Self {
                Self::$name(record)
            }
        })*

        impl Op {
            /// Reads the record at the front of `bytes`, which begin at a multiple of four, and gives what follows it.
            ///
            /// # Errors
            /// [`Flaw::Truncated`], [`Flaw::Record`] or [`Flaw::Unsupported`].
            pub fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Flaw> {
                Self::read_in::<AllOps>(bytes)
            }

            /// The same, if `O` links the operation.
            pub(crate) fn read_in<O: Ops>(bytes: &[u8]) -> Result<(Self, &[u8]), Flaw> {
                let (&number, rest) = bytes.split_first().ok_or(Flaw::Truncated)?;
                let reader = &mut Reader::new(rest);
                let op = match number {
                    $($number if const { O::OPS.has(Opcode::$name) } => Self::$name(Decode::decode(reader)),)*
                    _ => return Err(Flaw::Unsupported(number)),
                };
                Ok((op, reader.end()?))
            }

            /// Shows the record to a visitor, if `O` links the operation.
            #[cfg(any(feature = "encode", feature = "std"))]
            pub(crate) fn show<O: Ops, V: Visit>(&self, visit: V) -> Result<(), Flaw> {
                match self {
                    $(Self::$name(record) if const { O::OPS.has(Opcode::$name) } => visit.visit(record),)*
                    _ => Err(Flaw::Unsupported(self.opcode() as u8)),
                }
            }

            /// The bytes of the record in a program, of which its first stands at a multiple of four.
            #[cfg(feature = "encode")]
            #[must_use]
            pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
                match self {
                    $(Self::$name(record) => bytes(record),)*
                }
            }

            /// Its number in the file.
            #[must_use]
            pub const fn opcode(&self) -> Opcode {
                match self {
                    $(Self::$name(_) => Opcode::$name,)*
                }
            }

            /// The tensors that it reads.
            #[must_use]
            pub fn inputs(&self) -> &[Tensor] {
                match self {
                    $(Self::$name(record) => record.inputs(),)*
                }
            }

            /// The tensor that it writes.
            #[must_use]
            pub fn output(&self) -> &Tensor {
                match self {
                    $(Self::$name(record) => record.output(),)*
                }
            }

            /// How far the output may lie over the input; not at all if that is a constant or needed afterwards.
            #[must_use]
            pub fn safe_overlap(&self) -> SafeOverlap {
                let gone = |input: &Tensor| input.is_last() && input.place() == Place::Arena;
                match self {
                    $(Self::$name(record) if record.inputs().iter().all(gone) => record.safe_overlap(),)*
                    _ => SafeOverlap::NONE,
                }
            }

            /// Bytes of the arena that it uses while it runs.
            #[must_use]
            pub fn scratch(&self) -> Span {
                match self {
                    $(Self::$name(record) => record.scratch(),)*
                }
            }

            /// How it runs row by row, if it can.
            #[must_use]
            pub fn turns(&self) -> Option<Turns> {
                match self {
                    $(Self::$name(record) => record.turns(),)*
                }
            }

            /// Multiply-accumulates as written.
            #[must_use]
            pub fn macs(&self) -> u64 {
                match self {
                    $(Self::$name(record) => record.macs(),)*
                }
            }

            /// Inner steps; see [`Record::work`].
            #[must_use]
            pub fn work(&self) -> u64 {
                match self {
                    $(Self::$name(record) => record.work(),)*
                }
            }
        }
    };
}

for_each_op!(define);
