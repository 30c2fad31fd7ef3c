"""Adapters on a loaded model: there while they are wanted, and gone without a trace."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from modules.adapters import patches as patching
from modules.adapters.adapter_file import Adapter, read_adapter
from modules.adapters.kinds.base import Change, Use
from modules.adapters.patches import UNET, AdapterUse, Patches
from modules.adapters.weights import changed
from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted
from modules.families.base import LoadedModel
from modules.hardware.dtype import Precision
from modules.hardware.float8 import FLOAT8, exact_parameter, to_float8
from modules.loading.build import load_checkpoint
from modules.loading.options import LoadOptions
from tests.recorded_add_ons import write_recorded_add_ons
from tests.recorded_checkpoint import write_recorded_checkpoint

CPU = torch.device("cpu")
FLOAT32 = Precision(network=torch.float32, vae=torch.float32, text=torch.float32)
TOKEN = CancelToken()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_recorded_add_ons(folder)
    return folder


@pytest.fixture(scope="module")
def model(data: Path) -> LoadedModel:
    return load_checkpoint(write_recorded_checkpoint(data), config=None, device=CPU, precision=FLOAT32)


@pytest.fixture
def patches() -> Patches:
    return Patches()


def adapter(patches: Patches, model: LoadedModel, data: Path, name: str) -> Adapter:
    return read_adapter(data / "models" / "Lora" / f"{name}.safetensors", patches.index(model))


def weights(model: LoadedModel) -> dict[str, Tensor]:
    """Return a copy of all weights."""
    (text,) = (encoder.module for encoder in model.text_encoder.encoders)
    both = {"unet": model.network, "text": text}
    return {f"{part}.{name}": weight.clone() for part, net in both.items() for name, weight in net.state_dict().items()}


def test_weights_are_changed_within_and_the_same_bits_after(patches: Patches, model: LoadedModel, data: Path) -> None:
    use = AdapterUse(adapter=adapter(patches, model, data, "lin"), text=0.5, image=0.8)
    before = weights(model)
    with patches.using(model, (use,), TOKEN):
        within = weights(model)
    for target, changes in use.adapter.changes.items():
        name = f"{'unet' if target.component == 'unet' else 'text'}.{target.parameter}"
        strength = 0.8 if target.component == "unet" else 0.5
        expected = changed(before[name], [(change, Use(strength=strength)) for change in changes])
        assert torch.equal(within.pop(name), expected)
        assert not torch.equal(expected, before[name])
    assert all(torch.equal(weight, before[name]) for name, weight in within.items())
    after = weights(model)
    assert all(torch.equal(weight, before[name]) for name, weight in after.items())


def test_originals_are_back_after_an_error(patches: Patches, model: LoadedModel, data: Path) -> None:
    use = AdapterUse(adapter=adapter(patches, model, data, "norm"), text=1, image=1)
    before = weights(model)
    with pytest.raises(ZeroDivisionError), patches.using(model, (use,), TOKEN):
        raise ZeroDivisionError
    assert all(torch.equal(weight, before[name]) for name, weight in weights(model).items())


def test_several_adapters_act_one_after_the_other(patches: Patches, model: LoadedModel, data: Path) -> None:
    """IA³ scales what the one before it left."""
    first, second = (
        AdapterUse(adapter=adapter(patches, model, data, name), text=1, image=1) for name in ("lin", "ia3")
    )
    made: list[dict[str, Tensor]] = []
    for uses in ((first, second), (second, first)):
        with patches.using(model, uses, TOKEN):
            made.append(weights(model))
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    assert not torch.allclose(made[0][name], made[1][name])


def test_a_set_that_was_used_is_made_once(
    patches: Patches, model: LoadedModel, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def counted(weight: Tensor, changes: Sequence[tuple[Change, Use]], out: Tensor | None) -> Tensor:
        nonlocal calls
        calls += 1
        return changed(weight, changes, out)

    monkeypatch.setattr(patching, "changed", counted)
    lin = adapter(patches, model, data, "lin")
    for strength in (0.8, 0.7, 0.8):
        with patches.using(model, (AdapterUse(adapter=lin, text=strength, image=strength),), TOKEN):
            pass
    assert calls == 2 * len(lin.changes)


def test_a_third_strength_takes_the_place_of_the_first(patches: Patches, model: LoadedModel, data: Path) -> None:
    lin, norm = (adapter(patches, model, data, name) for name in ("lin", "norm"))
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    seen: list[tuple[int, Tensor]] = []
    sets = [(AdapterUse(adapter=lin, text=strength, image=strength),) for strength in (0.8, 0.7, 0.6)]
    for uses in (sets[0], (AdapterUse(adapter=norm, text=1, image=1),), *sets[1:]):
        with patches.using(model, uses, TOKEN):
            weight = model.network.get_parameter(name)
            seen.append((weight.data_ptr(), weight.detach().clone()))
    assert seen[0][0] == seen[3][0] != seen[2][0]
    fresh = Patches()
    with fresh.using(model, sets[2], TOKEN):
        assert torch.equal(model.network.get_parameter(name), seen[3][1])
    assert sets[0] not in patches.kept
    assert len(patches.kept) == 3


def test_sets_are_forgotten_when_memory_is_short(
    patches: Patches, model: LoadedModel, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(_: torch.device) -> int:
        return 0

    monkeypatch.setattr(patching, "available_bytes", no_memory)
    lin = adapter(patches, model, data, "lin")
    sets = [(AdapterUse(adapter=lin, text=strength, image=strength),) for strength in (0.8, 0.7)]
    for uses in sets:
        with patches.using(model, uses, TOKEN):
            pass
    assert patches.kept == (sets[1],)


def test_without_strength_nothing_is_touched(patches: Patches, model: LoadedModel, data: Path) -> None:
    use = AdapterUse(adapter=adapter(patches, model, data, "lin"), text=0, image=0)
    parameters = {name: id(weight) for name, weight in model.network.named_parameters()}
    with patches.using(model, (use,), TOKEN):
        assert {name: id(weight) for name, weight in model.network.named_parameters()} == parameters


def test_making_a_set_can_be_interrupted(patches: Patches, model: LoadedModel, data: Path) -> None:
    token = CancelToken()
    token.interrupt()
    use = AdapterUse(adapter=adapter(patches, model, data, "lin"), text=1, image=1)
    before = weights(model)
    with pytest.raises(Interrupted), patches.using(model, (use,), token):
        pass
    assert patches.kept == ()
    assert all(torch.equal(weight, before[name]) for name, weight in weights(model).items())


@pytest.mark.parametrize("kept", [True, False])
def test_weights_of_8_bits_are_changed_from_their_originals_if_those_are_kept(
    patches: Patches, data: Path, kept: bool
) -> None:
    options = LoadOptions(float8="Enable", keep_originals=kept)
    model = load_checkpoint(
        write_recorded_checkpoint(data), config=None, device=CPU, precision=FLOAT32, options=options
    )
    before = weights(model)
    use = AdapterUse(adapter=adapter(patches, model, data, "lin"), text=0, image=0.8)
    targets = {target.parameter: changes for target, changes in use.adapter.changes.items() if target.component == UNET}
    originals = {name: exact_parameter(model.network, name) for name in targets}
    assert {original.dtype for original in originals.values()} == {torch.float16 if kept else FLOAT8}
    with patches.using(model, (use,), TOKEN):
        for name, changes in targets.items():
            strength = Use(strength=0.8)
            expected = changed(originals[name].float(), [(change, strength) for change in changes])
            weight = model.network.get_parameter(name)
            assert weight.dtype == FLOAT8
            assert torch.equal(weight, to_float8(expected)), name
    after = weights(model)
    assert all(torch.equal(weight, before[name]) for name, weight in after.items())
