"""The models of this suite; importing a module registers its cases in `net.CASES`."""

from . import floats, int16, quantized, states
from .broken import BROKEN
from .net import CASES, Net

__all__ = ["BROKEN", "CASES", "Net", "floats", "int16", "quantized", "states"]
