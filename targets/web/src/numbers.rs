//! Typed arrays of JavaScript to and from the numbers of a session.

use js_sys::{Float32Array, Int8Array, Int16Array, Int32Array};
use lacewing_targets::{DoorError, Session};
use wasm_bindgen::{JsCast, JsError, JsValue};

use crate::door::Named;
use crate::error;

/// Calls a macro with each typed array and its numbers.
macro_rules! arrays {
    ($each:ident) => {
        $each!(Int8Array i8);
        $each!(Int16Array i16);
        $each!(Int32Array i32);
        $each!(Float32Array f32);
    };
}

/// Copies a typed array into an input of its type.
pub(crate) fn fill(session: &mut Session, input: &Named, from: &JsValue) -> Result<(), JsError> {
    macro_rules! each {
        ($array:ident $number:ty) => {
            if let Some(array) = from.dyn_ref::<$array>() {
                let to = session.input::<$number>(input.door()).map_err(error)?;
                same(to.len(), array.length() as usize)?;
                array.copy_to(to);
                return Ok(());
            }
        };
    }
    arrays!(each);
    Err(error("numbers are an Int8Array, Int16Array, Int32Array or Float32Array"))
}

/// Copies an output into a typed array of its type.
pub(crate) fn copy(session: &Session, output: &Named) -> Result<JsValue, JsError> {
    macro_rules! each {
        ($array:ident $number:ty) => {
            match session.output::<$number>(output.door()) {
                Ok(numbers) => return Ok($array::from(numbers).into()),
                Err(DoorError::Type { .. }) => {}
                Err(why) => return Err(error(why)),
            }
        };
    }
    arrays!(each);
    Err(error("the output has numbers of no type"))
}

fn same(elements: usize, given: usize) -> Result<(), JsError> {
    match elements == given {
        true => Ok(()),
        false => Err(error(format_args!("the input has {elements} elements, and {given} were given"))),
    }
}
