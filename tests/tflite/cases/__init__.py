"""The models of this suite; importing a module registers its cases in `net.CASES`."""

from . import floats, quantized, states
from .net import CASES, Net

__all__ = ["CASES", "Net", "floats", "quantized", "states"]
