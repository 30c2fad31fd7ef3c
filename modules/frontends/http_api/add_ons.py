"""Lists of what can be used with a checkpoint: LoRA files, embeddings, hypernetworks, VAEs."""

from fastapi import APIRouter
from pydantic import BaseModel, JsonValue

from modules.core.parameters import ListEmbeddings
from modules.core.results import EmbeddingInfo
from modules.frontends.backend import Backend
from modules.frontends.http_api.jobs import finished_job
from modules.library.file_metadata import read_metadata
from modules.library.kinds import ModelKind


class LoraEntry(BaseModel):
    """A LoRA file or one of its relatives; `metadata` are the texts in its header."""

    name: str
    alias: str
    path: str
    metadata: dict[str, JsonValue]


class EmbeddingEntry(BaseModel):
    """An embedding: how many `vectors` of `shape` numbers it has, and what it says of its training."""

    step: int | None
    sd_checkpoint: str | None
    sd_checkpoint_name: str | None
    shape: int
    vectors: int


class EmbeddingsAnswer(BaseModel):
    """The embeddings that the loaded checkpoint can use, and those that it cannot."""

    loaded: dict[str, EmbeddingEntry]
    skipped: dict[str, EmbeddingEntry]


class HypernetworkEntry(BaseModel):
    """A hypernetwork."""

    name: str
    path: str


class VaeEntry(BaseModel):
    """A VAE."""

    model_name: str
    filename: str


def add_ons_router(backend: Backend) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/sdapi/v1")
    library = backend.library

    @router.get("/loras")
    def loras() -> list[LoraEntry]:
        """The LoRA files."""
        return [
            LoraEntry(name=entry.name, alias=entry.alias, path=str(entry.path), metadata=read_metadata(entry.path))
            for entry in library.all(ModelKind.LORA)
        ]

    @router.post("/refresh-loras")
    def refresh_loras() -> None:
        """Look for LoRA files again."""
        library.refresh(ModelKind.LORA)

    @router.get("/embeddings")
    async def embeddings() -> EmbeddingsAnswer:
        """The embeddings; answers when the jobs before are done, since the checkpoint tells which ones fit."""
        found = (await finished_job(backend, ListEmbeddings(), "Reading the embeddings")).embeddings
        return EmbeddingsAnswer(
            loaded={info.name: _embedding(info) for info in found if info.fits},
            skipped={info.name: _embedding(info) for info in found if not info.fits},
        )

    @router.post("/refresh-embeddings")
    def refresh_embeddings() -> None:
        """Look for embeddings again."""
        library.refresh(ModelKind.EMBEDDING)

    @router.get("/hypernetworks")
    def hypernetworks() -> list[HypernetworkEntry]:
        """The hypernetworks."""
        entries = library.all(ModelKind.HYPERNETWORK)
        return [HypernetworkEntry(name=entry.name, path=str(entry.path)) for entry in entries]

    @router.get("/sd-vae")
    def vaes() -> list[VaeEntry]:
        """The VAEs."""
        return [VaeEntry(model_name=entry.name, filename=str(entry.path)) for entry in library.all(ModelKind.VAE)]

    @router.post("/refresh-vae")
    def refresh_vaes() -> None:
        """Look for VAEs again."""
        library.refresh(ModelKind.VAE)

    return router


def _embedding(info: EmbeddingInfo) -> EmbeddingEntry:
    return EmbeddingEntry(
        step=info.step,
        sd_checkpoint=info.sd_checkpoint,
        sd_checkpoint_name=info.sd_checkpoint_name,
        shape=info.width,
        vectors=info.vectors,
    )
