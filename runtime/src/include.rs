//! Models compiled into a firmware.

/// Makes a module for a `.lace` file: its bytes in a 16-byte aligned static, and as constants its arena length and op set.
///
/// `path` is relative to the file with the call, as for `include_bytes!`; a file with a damaged header does not compile.
/// The module has `BYTES`, `HEADER`, `ARENA_LEN`, `REGIONS`, the type `Ops` and the functions `read` and `trusted`.
///
/// Attributes after the path's comma stand on the static, for example `#[unsafe(link_section = ".models")]`.
///
/// ```ignore
/// lacewing::include_model!(pub mod kws = "kws.lace");
/// let mut arena = lacewing::Arena::<{ kws::ARENA_LEN }>::new();
/// let model = kws::read()?;
/// ```
#[macro_export]
macro_rules! include_model {
    ($(#[$meta:meta])* $visibility:vis mod $name:ident = $path:expr $(, $(#[$attribute:meta])*)?) => {
        $(#[$meta])*
        $visibility mod $name {
            #[repr(C, align(16))]
            struct Blob<B: ?Sized>(B);

            const FILE: &[u8] = include_bytes!($path);

            const _: () = assert!(
                $crate::format::MAX_REGIONS > 1 || !HEADER.ops.has_regions(),
                "the model is for several regions of memory: enable the feature `regions` of lacewing"
            );

            $($(#[$attribute])*)?
            static BLOB: Blob<[u8; FILE.len()]> = Blob(*include_bytes!($path));

            /// The file's bytes, at a multiple of 16.
            pub static BYTES: &[u8] = &BLOB.0;

            /// The header, read at compile time.
            pub const HEADER: $crate::format::Header = match $crate::format::Header::parse(FILE) {
                Ok(header) => header,
                Err(_) => panic!("not a .lace file that this version reads"),
            };

            /// Bytes of arena that the model needs.
            pub const ARENA_LEN: usize = HEADER.arena_len as usize;

            /// Bytes of arena that the model needs in each region of memory, the fastest first; of a plan for several with lacewing's feature
            /// `regions` alone.
            pub const REGIONS: [usize; $crate::format::MAX_REGIONS] = $crate::format::regions(&HEADER, FILE);

            /// The operations that the model needs; no others are linked.
            #[derive(Clone, Copy, Debug)]
            pub enum Ops {}

            impl $crate::Ops for Ops {
                const OPS: $crate::OpSet = HEADER.ops;
            }

            /// The checked model.
            ///
            /// # Errors
            /// As `Model::read`.
            pub fn read() -> Result<$crate::Model<'static, Ops>, $crate::ReadError> {
                $crate::Model::read(BYTES)
            }

            /// The model as its converter wrote it, without the code of the checks.
            ///
            /// # Errors
            /// As `Model::trusted`, which says what this leaves out.
            pub fn trusted() -> Result<$crate::Model<'static, Ops>, $crate::ReadError> {
                $crate::Model::trusted(BYTES)
            }
        }
    };
}
