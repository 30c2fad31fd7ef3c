"""What prompts name beside the checkpoint (LoRA and its relatives, hypernetworks, embeddings): found, read and applied.

An add-on that is missing, damaged or made for another model never stops a picture: it is left out, and the result says
so.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from weakref import WeakKeyDictionary

from torch import nn

from modules.adapters.adapter_file import Adapter, read_adapter
from modules.adapters.embedding_files import Embedding, embedding_of
from modules.adapters.embedding_folder import EmbeddingFolder
from modules.adapters.hypernetwork import Hypernetwork, HypernetworkUse, using_hypernetworks
from modules.adapters.hypernetwork_file import read_hypernetwork
from modules.adapters.patches import AdapterSet, AdapterUse, Patches
from modules.adapters.textual_inversion import ModelEmbeddings, NamedEmbeddings
from modules.core.cancellation import CancelToken
from modules.core.errors import InvalidRequest, ModelFileError, UnknownName
from modules.core.results import EmbeddingInfo
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.library.file_state import FileState, file_state
from modules.library.kinds import ModelKind
from modules.library.model_library import ModelLibrary
from modules.prompting.extra_networks import NetworkTag, parse_networks
from modules.prompting.network_use import NetworkUse, read_use

Kind = Literal["lora", "hypernet"]

KINDS: dict[str, Kind] = {"lora": "lora", "lyco": "lora", "hypernet": "hypernet"}
"""What stands before the first colon of a tag, in lower case; "lyco" was an extension's, which A1111 took in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAddOns:
    """The add-ons of one prompt, ready to be applied to one model.

    Attributes:
        adapters: in the order of their tags.
        hypernetworks: likewise.
        embeddings: those that prompts and negative prompts may name.
        lora_hashes: what the infotext says of each adapter, by its name in the prompt.
        problems: what could not be used and why, as sentences.
    """

    adapters: AdapterSet
    hypernetworks: tuple[HypernetworkUse, ...]
    embeddings: NamedEmbeddings
    lora_hashes: dict[str, str]
    problems: tuple[str, ...]

    @property
    def text_adapters(self) -> AdapterSet:
        """Those that change the text encoders, as far as that matters to them."""
        return tuple(replace(use, image=0.0) for use in self.adapters if use.text)


class ModelAddOns:
    """What was read for one loaded model. It does not keep the network alive.

    Attributes:
        patches: its weights.
        embeddings: those that fit its text encoders, or do not.
    """

    def __init__(self, model: LoadedModel, folder: EmbeddingFolder) -> None:
        """Read nothing yet."""
        self.patches = Patches()
        self.embeddings = ModelEmbeddings(folder, model.text_encoder.encoders)
        self._adapters: dict[Path, tuple[FileState | None, Adapter, Mapping[str, Embedding]]] = {}

    def adapter(self, model: LoadedModel, path: Path) -> tuple[Adapter, Mapping[str, Embedding]]:
        """Return the adapter in a file with the embeddings that it brings; it is read again only if it has changed.

        Raises:
            ModelFileError: it is missing, damaged, no adapter, or made for another kind of model.
        """
        state = file_state(path)
        known = self._adapters.get(path)
        if known is None or known[0] != state:
            adapter = read_adapter(path, self.patches.index(model))
            bundled = {name: embedding_of(parts, source=name) for name, parts in adapter.embeddings.items()}
            known = self._adapters[path] = state, adapter, bundled
        return known[1:]


class AddOns:
    """All add-ons. Used from the GPU thread alone."""

    def __init__(self, library: ModelLibrary) -> None:
        """Look for files in `library`."""
        self._library = library
        self._embeddings = EmbeddingFolder(lambda: library.all(ModelKind.EMBEDDING))
        self._hypernetworks: dict[Path, tuple[FileState | None, Hypernetwork]] = {}
        # What was read for a model lives as long as its network, to which it must not refer.
        self._models: WeakKeyDictionary[nn.Module, ModelAddOns] = WeakKeyDictionary()

    def find(self, model: LoadedModel, prompt: str, settings: Settings, token: CancelToken) -> ActiveAddOns:
        """Return the add-ons that a prompt names.

        Args:
            model: that they are to change.
            prompt: with its tags.
            settings: whether magnitudes of DoRA count.
            token: lets the person give up waiting while files are read.

        Raises:
            Interrupted: the token was interrupted.
        """
        found = _Found(bundled={}, hashes={}, problems=[])
        for tag in parse_networks(prompt)[1]:
            try:
                self._add(found, model, tag, settings, token)
            except (InvalidRequest, UnknownName, ModelFileError) as error:
                found.problems.append(f"{error} The picture was made without it.")
        return ActiveAddOns(
            adapters=_with_last_weights(found.adapters),
            hypernetworks=tuple(found.hypernetworks),
            embeddings=self._of(model).embeddings.now(found.bundled),
            lora_hashes=found.hashes,
            problems=tuple(dict.fromkeys(found.problems)),
        )

    @contextmanager
    def applied(self, model: LoadedModel, add_ons: ActiveAddOns, token: CancelToken) -> Generator[None]:
        """Let a model be changed by add-ons in this context.

        Raises:
            Interrupted: the token was interrupted before all weights were changed.
        """
        patches = self._of(model).patches
        with patches.using(model, add_ons.adapters, token), using_hypernetworks(model, add_ons.hypernetworks):
            yield

    def list_embeddings(self, model: LoadedModel) -> tuple[EmbeddingInfo, ...]:
        """Read all embeddings, which may take long, and say what they are; damaged ones are left out."""
        listed = self._of(model).embeddings.now().all()
        return tuple(
            EmbeddingInfo(
                name=name,
                fits=fits,
                vectors=facts.count,
                width=facts.width,
                step=facts.step,
                sd_checkpoint=facts.sd_checkpoint,
                sd_checkpoint_name=facts.sd_checkpoint_name,
            )
            for fits, found in ((True, listed.loaded), (False, listed.skipped))
            for name, facts in found.items()
        )

    def give_back(self) -> None:
        """Forget changed weights that are not in use, whose memory is needed for something else."""
        for known in list(self._models.values()):
            known.patches.forget()

    def forget(self) -> None:
        """Forget all that was read."""
        self._models.clear()
        self._hypernetworks.clear()

    def embedding_hash(self, path: Path, token: CancelToken) -> str | None:
        """Return the sha256 of the file of an embedding, None if it is gone.

        Raises:
            Interrupted: the token was interrupted while it was computed.
        """
        entry = next((entry for entry in self._library.all(ModelKind.EMBEDDING) if entry.path == path), None)
        try:
            return None if entry is None else self._library.hashes(entry, token).sha256
        except ModelFileError:
            return None

    def _of(self, model: LoadedModel) -> ModelAddOns:
        known = self._models.get(model.network)
        if known is None:
            known = self._models[model.network] = ModelAddOns(model, self._embeddings)
        return known

    def _add(
        self, found: "_Found", model: LoadedModel, tag: NetworkTag, settings: Settings, token: CancelToken
    ) -> None:
        """Find and read what a tag names.

        Raises:
            InvalidRequest: the tag is malformed, or of a kind that there is not.
            UnknownName: there is no such file.
            ModelFileError: it cannot be used with this model.
            Interrupted: the token was interrupted.
        """
        kind = KINDS.get(tag.kind.lower())
        if kind is None:
            raise InvalidRequest(f"<{tag.kind}:…> is no kind of network; there are {', '.join(sorted(KINDS))}.")
        use = read_use(tag)
        if kind == "hypernet":
            found.hypernetworks.append(self._hypernetwork(model, use))
            return
        entry = self._library.find(ModelKind.LORA, use.name)
        adapter, bundled = self._of(model).adapter(model, entry.path)
        digits = self._library.network_hash(entry, token)  # before anything else: the file may be gone by now
        dora = not settings.lora_without_dora
        found.adapters.append(AdapterUse(adapter=adapter, text=use.text, image=use.image, rank=use.rank, dora=dora))
        found.bundled.update(bundled)
        found.hashes[use.name] = digits

    def _hypernetwork(self, model: LoadedModel, use: NetworkUse) -> HypernetworkUse:
        path = self._library.find(ModelKind.HYPERNETWORK, use.name).path
        state = file_state(path)
        known = self._hypernetworks.get(path)
        if known is None or known[0] != state:
            known = self._hypernetworks[path] = state, read_hypernetwork(path)
        if problem := known[1].problem(model):
            raise ModelFileError(problem)
        return HypernetworkUse(hypernetwork=known[1], weight=use.text)


@dataclass(slots=True, kw_only=True)
class _Found:
    """What the tags of a prompt came to so far; see `ActiveAddOns`."""

    adapters: list[AdapterUse] = field(default_factory=list[AdapterUse])
    hypernetworks: list[HypernetworkUse] = field(default_factory=list[HypernetworkUse])
    bundled: dict[str, Embedding]
    hashes: dict[str, str]
    problems: list[str]


def _with_last_weights(uses: Sequence[AdapterUse]) -> AdapterSet:
    """Give an adapter that is named several times the weights that were named last, each time, as A1111 does."""
    last = {use.adapter: use for use in uses}
    return tuple(last[use.adapter] for use in uses)
