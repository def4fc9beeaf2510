"""The models of this suite; importing a module registers its cases in `net.CASES`."""

from . import blocks, conv, dense, elementwise, moves, shapes, windows
from .net import CASES, Net

__all__ = ["CASES", "Net", "blocks", "conv", "dense", "elementwise", "moves", "shapes", "windows"]
