//! Inputs and outputs by number or name, and what can be wrong with what is asked of them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::any::type_name;
use core::error::Error;
use core::fmt;

use lacewing::arena::Pod;
use lacewing::format::{DType, Port};

/// Which input or output. Numbers and names are taken wherever a door is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door<'n> {
    /// By its place in ONNX's order, from 0 on.
    Number(usize),
    /// By its name in ONNX.
    Name(&'n str),
}

impl From<usize> for Door<'_> {
    fn from(number: usize) -> Self {
        Self::Number(number)
    }
}

impl<'n> From<&'n str> for Door<'n> {
    fn from(name: &'n str) -> Self {
        Self::Name(name)
    }
}

impl<'n> From<&'n String> for Door<'n> {
    fn from(name: &'n String) -> Self {
        Self::Name(name)
    }
}

impl fmt::Display for Door<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "number {number}"),
            Self::Name(name) => write!(f, "`{name}`"),
        }
    }
}

/// What is wrong with what is asked of a door.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DoorError {
    /// There is none of that number or name.
    Unknown {
        /// What was asked for.
        door: String,
        /// The names of those that there are.
        names: Vec<String>,
    },
    /// It has numbers of another type.
    Type {
        /// The door's name.
        name: String,
        /// The type of its numbers.
        dtype: DType,
        /// The Rust type that was asked for.
        asked: &'static str,
    },
    /// It has another number of elements.
    Length {
        /// The door's name.
        name: String,
        /// Its shape.
        shape: Vec<u32>,
        /// Elements that were given.
        given: usize,
    },
}

impl DoorError {
    pub(super) fn kind<T: Pod>(port: &Port<'_>, dtype: DType) -> Self {
        Self::Type { name: port.name().to_string(), dtype, asked: type_name::<T>() }
    }

    pub(super) fn length(port: &Port<'_>, given: usize) -> Self {
        Self::Length { name: port.name().to_string(), shape: port.shape().to_vec(), given }
    }
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { door, names } => write!(f, "the model has no {door}; it has `{}`", names.join("`, `")),
            Self::Type { name, dtype, asked } => {
                let holds = match dtype {
                    DType::I8 => "i8",
                    DType::I16 => "i16",
                    DType::I32 => "i32",
                    DType::F32 => "f32",
                };
                write!(f, "`{name}` holds numbers of type {holds}, not {asked}")?;
                f.write_str("; real numbers go in by `set` and come out by `get` and `reals`, whatever the type")
            }
            Self::Length { name, shape, given } => {
                let elements: u64 = shape.iter().map(|dim| u64::from(*dim)).product();
                write!(f, "`{name}` has shape {shape:?}, {elements} elements, and {given} were given")
            }
        }
    }
}

impl Error for DoorError {}

/// The door among the ports of one side, which `side` names.
pub(super) fn find<'m, P: Iterator<Item = Port<'m>>>(
    ports: impl Fn() -> P,
    side: &str,
    door: Door<'_>,
) -> Result<Port<'m>, DoorError> {
    let found = match door {
        Door::Number(number) => ports().nth(number),
        Door::Name(name) => ports().find(|port| port.name() == name),
    };
    found.ok_or_else(|| DoorError::Unknown {
        door: alloc::format!("{side} {door}"),
        names: ports().map(|port| port.name().to_string()).collect(),
    })
}
