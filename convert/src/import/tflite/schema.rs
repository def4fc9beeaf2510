//! The tables of TensorFlow Lite's published schema (`schema.fbs`) that are read, field by field.
//!
//! A file is verified from its root before the first access. An operator's options are a union: they are verified when they are
//! read, as the type that the operator says they have.

use flatbuffers::{Follow, ForwardsUOffset, InvalidFlatbuffer, Table, VOffsetT, Vector, Verifiable, Verifier};

/// A table elsewhere in the file.
type One<T> = ForwardsUOffset<T>;
/// A vector of numbers.
type Numbers<'a, T> = ForwardsUOffset<Vector<'a, T>>;
/// A vector of tables.
type Tables<'a, T> = ForwardsUOffset<Vector<'a, ForwardsUOffset<T>>>;
/// UTF-8.
type Text<'a> = ForwardsUOffset<&'a str>;

/// Where a field of this number stands in a table's directory.
const fn slot(field: VOffsetT) -> VOffsetT {
    4 + 2 * field
}

/// A table: its scalars with their defaults in parentheses, then in brackets what may be absent. Each has its number in the schema.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident
     ($($scalar_id:literal $scalar:ident: $number:ty = $default:expr),* $(,)?)
     [$($field_id:literal $field:ident: $type:ty),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $name<'a>(Table<'a>);

        impl<'a> Follow<'a> for $name<'a> {
            type Inner = $name<'a>;
            unsafe fn follow(buf: &'a [u8], loc: usize) -> Self {
                // SAFETY: the caller promises a verified table of this type at `loc`.
                Self(unsafe { Table::new(buf, loc) })
            }
        }

        impl<'a> Verifiable for $name<'a> {
            fn run_verifier(verifier: &mut Verifier<'_, '_>, at: usize) -> Result<(), InvalidFlatbuffer> {
                let table = verifier.visit_table(at)?;
                $(let table = table.visit_field::<$number>(stringify!($scalar), slot($scalar_id), false)?;)*
                $(let table = table.visit_field::<$type>(stringify!($field), slot($field_id), false)?;)*
                table.finish();
                Ok(())
            }
        }

        #[allow(dead_code, reason = "a table without fields is only looked at for its type")]
        impl<'a> $name<'a> {
            $(pub(super) fn $scalar(&self) -> $number {
                // SAFETY: `run_verifier` found this type in this field, or the field absent.
                unsafe { self.0.get::<$number>(slot($scalar_id), None) }.unwrap_or($default)
            })*
            $(pub(super) fn $field(&self) -> Option<<$type as Follow<'a>>::Inner> {
                // SAFETY: `run_verifier` found this type in this field, or the field absent.
                unsafe { self.0.get::<$type>(slot($field_id), None) }
            })*
        }
    };
}

table! {
    /// A table of unknown type, of which only the directory is known to be sound.
    Unknown () []
}

table! {
    /// The root.
    Model (0 version: u32 = 0) [
        1 operator_codes: Tables<'a, OperatorCode<'a>>,
        2 subgraphs: Tables<'a, SubGraph<'a>>,
        4 buffers: Tables<'a, Buffer<'a>>,
    ]
}

table! {
    /// What operators of a file mean by their index.
    OperatorCode (0 deprecated_code: i8 = 0, 3 code: i32 = 0) [1 custom_code: Text<'a>]
}

table! {
    /// A list of operators over a list of tensors.
    SubGraph () [
        0 tensors: Tables<'a, Tensor<'a>>,
        1 inputs: Numbers<'a, i32>,
        2 outputs: Numbers<'a, i32>,
        3 operators: Tables<'a, Operator<'a>>,
        4 name: Text<'a>,
    ]
}

table! {
    /// A tensor; where its buffer holds bytes, a constant.
    Tensor (1 element: i8 = 0, 2 buffer: u32 = 0, 5 is_variable: bool = false, 10 external_buffer: u32 = 0) [
        0 shape: Numbers<'a, i32>,
        3 name: Text<'a>,
        4 quantization: One<Quantization<'a>>,
        6 sparsity: One<Sparsity<'a>>,
        7 shape_signature: Numbers<'a, i32>,
    ]
}

table! {
    /// `real = scale · (q − zero_point)`, one of each or one per index of `axis`.
    Quantization (4 details_type: u8 = 0, 6 axis: i32 = 0) [
        2 scale: Numbers<'a, f32>,
        3 zero_point: Numbers<'a, i64>,
    ]
}

table! {
    /// The levels of a tree of elements; see [`super::sparse`].
    Sparsity () [
        0 traversal_order: Numbers<'a, i32>,
        1 block_map: Numbers<'a, i32>,
        2 dim_metadata: Tables<'a, DimensionMetadata<'a>>,
    ]
}

table! {
    /// One of these levels. The lists are members of a union of vectors.
    DimensionMetadata (0 format: i8 = 0, 1 dense_size: i32 = 0, 2 segments_type: u8 = 0, 4 indices_type: u8 = 0) [
        3 segments: One<Unknown<'a>>,
        5 indices: One<Unknown<'a>>,
    ]
}

table! {
    /// Indices of four bytes.
    Int32Vector () [0 values: Numbers<'a, i32>]
}

table! {
    /// Indices of two bytes.
    Uint16Vector () [0 values: Numbers<'a, u16>]
}

table! {
    /// Indices of one byte.
    Uint8Vector () [0 values: Numbers<'a, u8>]
}

impl DimensionMetadata<'_> {
    /// Where the indices of each node begin, and where the last end.
    pub(super) fn array_segments(&self) -> Option<Vec<usize>> {
        indices(self.segments_type(), self.segments()?)
    }

    /// The indices.
    pub(super) fn array_indices(&self) -> Option<Vec<usize>> {
        indices(self.indices_type(), self.indices()?)
    }
}

/// A member of the union of vectors.
fn indices(kind: u8, Unknown(table): Unknown<'_>) -> Option<Vec<usize>> {
    match kind {
        1 => known::<Int32Vector<'_>>(table).ok()?.values()?.iter().map(|n| usize::try_from(n).ok()).collect(),
        2 => Some(known::<Uint16Vector<'_>>(table).ok()?.values()?.iter().map(usize::from).collect()),
        3 => Some(known::<Uint8Vector<'_>>(table).ok()?.values()?.iter().map(usize::from).collect()),
        _ => None,
    }
}

/// A table as the type that its place in a union says it has, verified.
fn known<'a, T: Follow<'a, Inner = T> + Verifiable>(table: Table<'a>) -> Result<T, InvalidFlatbuffer> {
    T::run_verifier(&mut Verifier::new(&Default::default(), table.buf()), table.loc())?;
    // SAFETY: the verifier found this type there.
    Ok(unsafe { T::follow(table.buf(), table.loc()) })
}

table! {
    /// Bytes here, or `size` bytes at `offset` of the file, behind the flatbuffer.
    Buffer (1 offset: u64 = 0, 2 size: u64 = 0) [0 data: Numbers<'a, u8>]
}

table! {
    /// One operator.
    Operator (0 opcode_index: u32 = 0, 3 options_type: u8 = 0) [
        1 inputs: Numbers<'a, i32>,
        2 outputs: Numbers<'a, i32>,
        4 options: One<Unknown<'a>>,
        8 intermediates: Numbers<'a, i32>,
    ]
}

/// A member of the union of operators' options.
pub(super) trait Options<'a>: Follow<'a, Inner = Self> + Verifiable {
    /// Its number in the union.
    const TYPE: u8;
    /// Its name in the schema.
    const NAME: &'static str;
}

impl<'a> Operator<'a> {
    /// The options, if they are of this type.
    pub(super) fn options_as<O: Options<'a>>(&self) -> Result<Option<O>, InvalidFlatbuffer> {
        let table = match self.options() {
            Some(Unknown(table)) if self.options_type() == O::TYPE => table,
            _ => return Ok(None),
        };
        known(table).map(Some)
    }
}

/// Options: the number in the union, the name, the fields.
macro_rules! options {
    ($($type:literal $name:ident $scalars:tt $fields:tt)*) => {$(
        table! { #[doc = stringify!($name)] $name $scalars $fields }

        impl<'a> Options<'a> for $name<'a> {
            const TYPE: u8 = $type;
            const NAME: &'static str = stringify!($name);
        }
    )*};
}

options! {
    1 Conv2DOptions (0 padding: i8 = 0, 1 stride_w: i32 = 0, 2 stride_h: i32 = 0, 3 activation: i8 = 0,
        4 dilation_w: i32 = 1, 5 dilation_h: i32 = 1) []
    2 DepthwiseConv2DOptions (0 padding: i8 = 0, 1 stride_w: i32 = 0, 2 stride_h: i32 = 0, 4 activation: i8 = 0,
        5 dilation_w: i32 = 1, 6 dilation_h: i32 = 1) []
    5 Pool2DOptions (0 padding: i8 = 0, 1 stride_w: i32 = 0, 2 stride_h: i32 = 0, 3 filter_w: i32 = 0,
        4 filter_h: i32 = 0, 5 activation: i8 = 0) []
    6 SVDFOptions (0 rank: i32 = 0, 1 activation: i8 = 0) []
    8 FullyConnectedOptions (0 activation: i8 = 0, 1 weights_format: i8 = 0, 2 keep_num_dims: bool = false) []
    9 SoftmaxOptions (0 beta: f32 = 0.0) []
    10 ConcatenationOptions (0 axis: i32 = 0, 1 activation: i8 = 0) []
    11 AddOptions (0 activation: i8 = 0) []
    12 L2NormOptions (0 activation: i8 = 0) []
    13 LocalResponseNormalizationOptions (0 radius: i32 = 0, 1 bias: f32 = 0.0, 2 alpha: f32 = 0.0, 3 beta: f32 = 0.0) []
    15 ResizeBilinearOptions (2 align_corners: bool = false, 3 half_pixel_centers: bool = false) []
    17 ReshapeOptions () [0 new_shape: Numbers<'a, i32>]
    19 SpaceToDepthOptions (0 block_size: i32 = 0) []
    21 MulOptions (0 activation: i8 = 0) []
    23 GatherOptions (0 axis: i32 = 0, 1 batch_dims: i32 = 0) []
    27 ReducerOptions (0 keep_dims: bool = false) []
    28 SubOptions (0 activation: i8 = 0) []
    29 DivOptions (0 activation: i8 = 0) []
    30 SqueezeOptions () [0 axes: Numbers<'a, i32>]
    32 StridedSliceOptions (0 begin_mask: i32 = 0, 1 end_mask: i32 = 0, 2 ellipsis_mask: i32 = 0, 3 new_axis_mask: i32 = 0,
        4 shrink_axis_mask: i32 = 0, 5 offset: bool = false) []
    49 TransposeConvOptions (0 padding: i8 = 0, 1 stride_w: i32 = 0, 2 stride_h: i32 = 0, 3 activation: i8 = 0) []
    59 PackOptions (1 axis: i32 = 0) []
    61 OneHotOptions (0 axis: i32 = 0) []
    64 UnpackOptions (1 axis: i32 = 0) []
    71 UnidirectionalSequenceLSTMOptions (0 activation: i8 = 0, 1 cell_clip: f32 = 0.0, 2 projection_clip: f32 = 0.0,
        3 time_major: bool = false, 5 diagonal_recurrent_tensors: bool = false) []
    74 ResizeNearestNeighborOptions (0 align_corners: bool = false, 1 half_pixel_centers: bool = false) []
    75 LeakyReluOptions (0 alpha: f32 = 0.0) []
    77 MirrorPadOptions (0 mode: i8 = 0) []
    87 ReverseSequenceOptions (0 sequence_axis: i32 = 0, 1 batch_axis: i32 = 0) []
    94 DepthToSpaceOptions (0 block_size: i32 = 0) []
    101 BatchMatMulOptions (0 adjoint_x: bool = false, 1 adjoint_y: bool = false) []
    102 CumsumOptions (0 exclusive: bool = false, 1 reverse: bool = false) []
    103 CallOnceOptions (0 subgraph: i32 = 0) []
    111 VarHandleOptions () [0 container: Text<'a>, 1 shared_name: Text<'a>]
    116 GeluOptions (0 approximate: bool = false) []
}

/// The element type of floats.
pub(super) const FLOAT32: i8 = 0;
