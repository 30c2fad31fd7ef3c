from dataclasses import replace
from pathlib import Path

import pytest
import torch

from modules.loading.mapped import MappedFile, StoredTensor

MATRIX = torch.arange(24, dtype=torch.int16).view(6, 4)


@pytest.fixture
def tensor(tmp_path: Path) -> StoredTensor:
    path = tmp_path / "numbers"
    path.write_bytes(b"xx" + MATRIX.numpy().tobytes())
    return StoredTensor(file=MappedFile(path), start=2, dtype=torch.int16, shape=(6, 4))


def test_rows_are_a_slice(tensor: StoredTensor) -> None:
    assert tensor.rows(2, 5).open().equal(MATRIX[2:5])
    assert tensor.rows(0, 0).open().equal(MATRIX[:0])
    assert tensor.rows(4, 99).open().equal(MATRIX[4:99])
    assert tensor.rows(2, 4).nbytes == 16


def test_a_matrix_stands_on_its_side(tensor: StoredTensor) -> None:
    assert tensor.transposed().open().equal(MATRIX.T)
    assert tensor.transposed().transposed().open().equal(MATRIX)


def test_rows_of_a_matrix_on_its_side(tensor: StoredTensor) -> None:
    assert tensor.transposed().rows(1, 3).open().equal(MATRIX.T[1:3])


def test_rows_of_a_vector(tensor: StoredTensor) -> None:
    assert replace(tensor, shape=(24,)).rows(8, 16).open().equal(MATRIX.flatten()[8:16])
