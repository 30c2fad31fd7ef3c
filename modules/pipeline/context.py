"""What every stage of a running job needs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from modules.core.cancellation import CancelToken
from modules.core.events import ImageReady, JobEvent, ModelLoading, Preview, Progress
from modules.core.job import Job
from modules.core.paths import Paths
from modules.core.results import EmbeddingInfo, GeneratedImage
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.library.checkpoints import CheckpointFile
from modules.loading.cache import Keep
from modules.pipeline.add_ons import AddOns
from modules.pipeline.text_cache import TextCache
from modules.pipeline.vaes import OtherVae

Emit = Callable[[JobEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A checkpoint file together with the model read from it.

    Attributes:
        file: the checkpoint.
        model: the model.
        texts: what its text encoders have made of texts.
        vae: what the model has in place of the checkpoint's own VAE, None for that.
    """

    file: CheckpointFile
    model: LoadedModel
    texts: TextCache
    vae: OtherVae | None = None


@dataclass(slots=True, kw_only=True)
class RunContext:
    """One job on its way through the pipeline: what it needs, and what it has made so far.

    Attributes:
        job: the request and its settings.
        paths: folders.
        emit: where events go.
        token: checked between stages.
        load: gets the checkpoint of a name.
        find: finds a checkpoint by its name, without loading it.
        add_ons: what prompts may name.
        use: brings a model that another one has replaced on the device back.
        prepare: changes a model that was loaded until the job ends, as request and settings say.
        keep: which checkpoints stay in memory.
        notes: sentences for the person, collected on the way.
        images: finished pictures, in order.
        checkpoint: the file whose model is used, once it is loaded.
        sampled_by: the model that made the last step, None before the first one.
        embeddings: what there is to be told of them, if that was asked for.
        padded: prompts and negative prompts were not equally long and were made so.
        vae_tiled: autoencoders work in tiles, because memory was short.
        lora_hashes: of the adapters that were used, by their names in the prompt.
        ti_hashes: what the infotext says of the embeddings that the first pass was told by, None before that.
        started: `time.monotonic()` at the start.
    """

    job: Job
    paths: Paths
    emit: Emit
    token: CancelToken
    load: Callable[["RunContext", str], Loaded]
    find: Callable[[str], CheckpointFile]
    add_ons: AddOns
    use: Callable[[LoadedModel], None] = field(default=lambda _model: None)
    prepare: Callable[[LoadedModel], None] = field(default=lambda _model: None)
    keep: Keep = field(default_factory=Keep)
    notes: list[str] = field(default_factory=list[str])
    images: list[GeneratedImage] = field(default_factory=list[GeneratedImage])
    checkpoint: CheckpointFile | None = None
    sampled_by: LoadedModel | None = None
    embeddings: tuple[EmbeddingInfo, ...] = ()
    padded: bool = False
    vae_tiled: bool = False
    lora_hashes: dict[str, str] = field(default_factory=dict[str, str])
    ti_hashes: str | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def settings(self) -> Settings:
        """The job's settings."""
        return self.job.settings

    def note(self, sentence: str) -> None:
        """Keep a sentence for the person; said once, however often it happens."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def loading(self, name: str, fraction: float) -> None:
        """Say how far the checkpoint called `name` has been read."""
        self.emit(ModelLoading(job_id=self.job.id, name=name, fraction=fraction))

    def preview(self, data: bytes, media_type: str) -> None:
        """Show a rough picture."""
        self.emit(Preview(job_id=self.job.id, data=data, media_type=media_type))

    def finished(self, image: GeneratedImage) -> None:
        """Keep a finished picture and say so."""
        self.images.append(image)
        self.emit(ImageReady(job_id=self.job.id, image=image))

    def progress(self, stage: str, *, step: int, steps: int, batch: int, batches: int) -> None:
        """Say how far the job is; every batch counts the same."""
        fraction = (batch + min(1.0, step / steps)) / batches
        self.emit(
            Progress(
                job_id=self.job.id, stage=stage, step=step, steps=steps, batch=batch, batches=batches, fraction=fraction
            )
        )
