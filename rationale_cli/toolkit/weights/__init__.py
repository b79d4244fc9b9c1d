"""Weights of models: found, fetched, checked, read without running anything, and fitted name by name."""

from .cache import address, cached, place, verified
from .download import size_of
from .files import read_safetensors, read_tensors
from .fitting import fingerprint, load
from .locate import fetched, locate

__all__ = [
    "address",
    "cached",
    "fetched",
    "fingerprint",
    "load",
    "locate",
    "place",
    "read_safetensors",
    "read_tensors",
    "size_of",
    "verified",
]
