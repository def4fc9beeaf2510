//! Inputs and outputs as arrays of the crate `ndarray`, in their shape and in place.

use alloc::vec::Vec;

use lacewing::arena::{Pod, cast, cast_mut};
use lacewing::format::Port;
use ndarray::{ArrayViewD, ArrayViewMutD};

use super::session::typed;
use super::{Door, DoorError, Session};

impl Session {
    /// An input as an array, to be filled.
    ///
    /// # Errors
    /// [`DoorError`] unless it is there and has numbers of type `T`.
    pub fn input_array<'n, T: Pod>(&mut self, door: impl Into<Door<'n>>) -> Result<ArrayViewMutD<'_, T>, DoorError> {
        let (port, bytes) = self.entry(door.into())?;
        typed::<T>(&port)?;
        let numbers = cast_mut::<T>(bytes).unwrap_or_default();
        let given = numbers.len();
        ArrayViewMutD::from_shape(shape(&port), numbers).map_err(|_| DoorError::length(&port, given))
    }

    /// An output as an array, as the last run left it.
    ///
    /// # Errors
    /// [`DoorError`] unless it is there and has numbers of type `T`.
    pub fn output_array<'n, T: Pod>(&self, door: impl Into<Door<'n>>) -> Result<ArrayViewD<'_, T>, DoorError> {
        let (port, bytes) = self.exit(door.into())?;
        typed::<T>(&port)?;
        let numbers = cast::<T>(bytes).unwrap_or_default();
        ArrayViewD::from_shape(shape(&port), numbers).map_err(|_| DoorError::length(&port, numbers.len()))
    }
}

fn shape(port: &Port<'_>) -> Vec<usize> {
    port.shape().iter().map(|dim| *dim as usize).collect()
}
