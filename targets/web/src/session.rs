//! A session in JavaScript.

use alloc::vec::Vec;

use js_sys::Array;
use lacewing_targets::pixels::{Picture, Pixels};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use crate::door::{self, Named};
use crate::{Model, error, numbers};

/// A model with memory of its own. Fill its inputs, run it, read its outputs; a run consumes the inputs.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Session {
    session: lacewing_targets::Session,
    /// The way from pictures to the first input, once it is known.
    pixels: Option<Pixels>,
}

#[wasm_bindgen]
impl Session {
    /// Memory for one stream of runs of a model.
    #[wasm_bindgen(constructor)]
    pub fn new(model: &Model) -> Session {
        Self { session: model.loaded().session(), pixels: None }
    }

    /// The inputs, in ONNX's order.
    #[wasm_bindgen(unchecked_return_type = "Door[]")]
    pub fn inputs(&self) -> Array {
        door::objects(self.session.model().inputs())
    }

    /// The outputs, in ONNX's order.
    #[wasm_bindgen(unchecked_return_type = "Door[]")]
    pub fn outputs(&self) -> Array {
        door::objects(self.session.model().outputs())
    }

    /// Fills an input with real numbers; those of an int8 or int16 input are rounded to `round(x / scale) + zero`.
    pub fn set(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "number | string")] input: &JsValue,
        reals: &[f32],
    ) -> Result<(), JsError> {
        self.session.set(Named::of(input)?.door(), reals).map_err(error)
    }

    /// Fills an input with numbers as the model holds them: an `Int8Array` for an int8 input.
    #[wasm_bindgen(js_name = setRaw)]
    pub fn set_raw(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "number | string")] input: &JsValue,
        #[wasm_bindgen(unchecked_param_type = "Numbers")] numbers: &JsValue,
    ) -> Result<(), JsError> {
        numbers::fill(&mut self.session, &Named::of(input)?, numbers)
    }

    /// Fills the first input with an image, resized and scaled as the file says; if it does not say, it gets the numbers 0 to 255, stretched to
    /// its size. `rgba` is what `ImageData` has as `data`; transparency is not looked at.
    #[wasm_bindgen(js_name = setImage)]
    pub fn set_image(&mut self, rgba: &[u8], width: usize, height: usize) -> Result<(), JsError> {
        let rgb: Vec<u8> = rgba.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
        let picture = Picture::of_bytes(width, height, &rgb)
            .ok_or_else(|| error(format_args!("{} bytes are no RGBA image of {width}x{height}", rgba.len())))?;
        let reals = self.pixels()?.reals(&picture).map_err(error)?;
        self.session.set(0, &reals).map_err(error)
    }

    /// Runs the model once.
    pub fn run(&mut self) -> Result<(), JsError> {
        self.session.run().map_err(error)
    }

    /// The real numbers of an output, as the last run left them.
    pub fn reals(
        &self,
        #[wasm_bindgen(unchecked_param_type = "number | string")] output: &JsValue,
    ) -> Result<Vec<f32>, JsError> {
        self.session.reals(Named::of(output)?.door()).map_err(error)
    }

    /// The numbers of an output as the model holds them, as the last run left them.
    #[wasm_bindgen(unchecked_return_type = "Numbers")]
    pub fn raw(
        &self,
        #[wasm_bindgen(unchecked_param_type = "number | string")] output: &JsValue,
    ) -> Result<JsValue, JsError> {
        numbers::copy(&self.session, &Named::of(output)?)
    }

    /// Starts a sequence anew: gives the states of a model that has some their first value.
    pub fn reset(&mut self) {
        self.session.reset();
    }
}

impl Session {
    /// The way from pictures to the first input, looked up at the first picture.
    fn pixels(&mut self) -> Result<&Pixels, JsError> {
        if self.pixels.is_none() {
            self.pixels = Some(Pixels::of(&self.session.model()).map_err(error)?);
        }
        self.pixels.as_ref().ok_or_else(|| error("the model takes no image"))
    }
}
