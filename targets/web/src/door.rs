//! Inputs and outputs as objects of JavaScript, and their numbers or names from it.

use alloc::string::String;

use js_sys::{Array, Object, Reflect};
use lacewing::format::{DType, Port};
use lacewing_targets::Door;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use crate::error;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** An input or an output of a model. */
export interface Door {
  /** Its name in ONNX. */
  name: string;
  /** Its shape in ONNX. */
  shape: number[];
  /** The type of its numbers. */
  type: "int8" | "int16" | "int32" | "float32";
  /** An int8 or int16 number `q` stands for the real number `scale * (q - zero)`. */
  scale: number;
  /** The number that stands for 0. */
  zero: number;
}

/** Numbers as a model holds them, by the type of the door. */
export type Numbers = Int8Array | Int16Array | Int32Array | Float32Array;
"#;

/// The ports as JavaScript's `Door[]`.
pub(crate) fn objects<'m>(ports: impl Iterator<Item = Port<'m>>) -> Array {
    ports.map(|port| object(&port)).collect()
}

fn object(port: &Port<'_>) -> JsValue {
    let object = Object::new();
    let shape: Array = port.shape().iter().map(|dim| JsValue::from(*dim)).collect();
    let fields = [
        ("name", port.name().into()),
        ("shape", shape.into()),
        ("type", port.tensor.dtype().map_or("int8", type_name).into()),
        ("scale", port.scale.into()),
        ("zero", i32::from(port.zero).into()),
    ];
    for (name, value) in fields {
        // A new object takes every field.
        let _ = Reflect::set(&object, &name.into(), &value);
    }
    object.into()
}

fn type_name(dtype: DType) -> &'static str {
    match dtype {
        DType::I8 => "int8",
        DType::I16 => "int16",
        DType::I32 => "int32",
        DType::F32 => "float32",
    }
}

/// A door as JavaScript names it.
pub(crate) enum Named {
    Number(usize),
    Name(String),
}

impl Named {
    /// From a number or a string.
    pub(crate) fn of(value: &JsValue) -> Result<Self, JsError> {
        let whole = |number: &f64| *number >= 0.0 && f64::from(*number as u32) == *number;
        let number = value.as_f64().filter(whole).map(|number| Self::Number(number as usize));
        number
            .or_else(|| value.as_string().map(Self::Name))
            .ok_or_else(|| error("an input or output is named by its number, 0 the first, or by its name"))
    }

    /// The same for the library.
    pub(crate) fn door(&self) -> Door<'_> {
        match self {
            Self::Number(number) => Door::Number(*number),
            Self::Name(name) => Door::Name(name),
        }
    }
}
