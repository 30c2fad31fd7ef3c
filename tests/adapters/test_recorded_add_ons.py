"""Embeddings and hypernetworks against A1111's; see `tests/data/adapters/README.md`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from modules.adapters.embedding_folder import EmbeddingFolder
from modules.adapters.hypernetwork import HypernetworkUse, using_hypernetworks
from modules.adapters.hypernetwork_file import read_hypernetwork
from modules.adapters.textual_inversion import ModelEmbeddings, infotext_hashes
from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import EncodedText, PictureFacts, TextOptions, condition_texts, encode_texts
from modules.core.cancellation import CancelToken
from modules.families.base import LoadedModel
from modules.library.hashing import sha256_of_file
from modules.library.model_folder import ModelFile
from modules.prompting.schedule import prompt_schedule
from modules.sampling.timeline import Timeline
from tests.adapters.recorded_add_ons import write_embeddings, write_hypernetwork
from tests.families.by_hand import NEGATIVE, PROMPT, STEPS, euler, levels, load
from tests.recorded_checkpoint import write_recorded_checkpoint, write_recorded_sdxl

DATA = Path(__file__).parents[1] / "data" / "adapters" / "recorded_add_ons.npz"
STYLE = "a red cat in the style of {}, masterpiece"

Recorded = dict[str, Tensor]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    with np.load(DATA) as data:
        return {name: torch.tensor(array) for name, array in data.items()}


@pytest.fixture(scope="module")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedModel]:
    with torch.inference_mode():
        yield load(write_recorded_checkpoint(tmp_path_factory.mktemp("sd1")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingFolder:
    paths = sorted(write_embeddings(tmp_path_factory.mktemp("embeddings")).iterdir())
    files = tuple(ModelFile(path=path, name=path.stem, relative=path.name) for path in paths)
    return EmbeddingFolder(lambda: files)


def texts(model: LoadedModel, folder: EmbeddingFolder, text: str) -> Timeline[EncodedText]:
    embeddings = ModelEmbeddings(folder, model.text_encoder.encoders).now()
    schedule = prompt_schedule(text, STEPS)
    return encode_texts(model.text_encoder, schedule, TextOptions(), token=CancelToken(), embeddings=embeddings)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("one", STYLE.format("emb-st1")),
        ("diffusers", STYLE.format("emb-diff")),
        ("negative", "blurry, emb-pt3, low quality"),
        ("negative", "blurry, EMB-PT3, low quality"),
        ("boundary", "cat " * 73 + "emb-pt3 dog"),
    ],
)
@torch.inference_mode()
def test_token_vectors(sd1: LoadedModel, folder: EmbeddingFolder, recorded: Recorded, case: str, text: str) -> None:
    torch.testing.assert_close(texts(sd1, folder, text).at(0).vectors, recorded[case], rtol=0, atol=1e-5)


def test_another_width_is_plain_text(sd1: LoadedModel, folder: EmbeddingFolder) -> None:
    text = STYLE.format("emb-wrong")
    named = texts(sd1, folder, text).at(0)
    plain = encode_texts(sd1.text_encoder, prompt_schedule(text, STEPS), TextOptions(), token=CancelToken()).at(0)
    assert named.vectors.equal(plain.vectors)
    assert named.embeddings.unusable == ("emb-wrong",)


def pictured(model: LoadedModel, told: Sequence[Timeline[EncodedText]], noise: Tensor) -> Tensor:
    """Return the latents that 8 steps make of a prompt and a negative prompt."""

    def conditioned(text: Timeline[EncodedText], *, negative: bool) -> Timeline[Conditioning]:
        return condition_texts(model.text_encoder, text, picture=PictureFacts(width=64, height=64), negative=negative)

    both = conditioned(told[0], negative=False), conditioned(told[1], negative=True)
    sigmas = levels(model)
    return euler(model, both, noise * sigmas[0], sigmas)


@torch.inference_mode()
def test_sdxl(tmp_path: Path, folder: EmbeddingFolder, recorded: Recorded) -> None:
    model = load(write_recorded_sdxl(tmp_path))
    prompt, negative = texts(model, folder, STYLE.format("emb-xl")), texts(model, folder, NEGATIVE)
    latents = pictured(model, [prompt, negative], recorded["noise"])
    torch.testing.assert_close(latents, recorded["sdxl"], rtol=0, atol=2e-4)
    calls = [names for text in (negative, prompt) for names in text.at(0).embeddings.used]
    path = folder.paths()["emb-xl"]
    assert infotext_hashes(calls, {"emb-xl": sha256_of_file(path)}.get) == "emb-xl: 1bf4b295c382, emb-xl: 1bf4b295c382"


@pytest.mark.parametrize(("case", "weights"), [("relu", [("hyprelu", 0.7)]), ("two", [("hyp", 0.5), ("hyprelu", 0.5)])])
@torch.inference_mode()
def test_hypernetworks(
    tmp_path: Path,
    sd1: LoadedModel,
    folder: EmbeddingFolder,
    recorded: Recorded,
    case: str,
    weights: list[tuple[str, float]],
) -> None:
    write_hypernetwork(tmp_path / "hyp.pt", activation="linear", norm=False)
    write_hypernetwork(tmp_path / "hyprelu.pt", activation="relu", norm=True)
    uses = [
        HypernetworkUse(hypernetwork=read_hypernetwork(tmp_path / f"{name}.pt"), weight=weight)
        for name, weight in weights
    ]
    told = texts(sd1, folder, PROMPT), texts(sd1, folder, NEGATIVE)
    with using_hypernetworks(sd1, uses):
        latents = pictured(sd1, told, recorded["noise"])
    torch.testing.assert_close(latents, recorded[case], rtol=0, atol=2e-4)
