"""The models of this suite; importing a module registers its cases in `net.CASES`."""

from . import arithmetic, blocks, conv, dense, elementwise, loops, moves, shapes, windows
from .net import CASES, Net

__all__ = [
    "CASES",
    "Net",
    "arithmetic",
    "blocks",
    "conv",
    "dense",
    "elementwise",
    "loops",
    "moves",
    "shapes",
    "windows",
]
