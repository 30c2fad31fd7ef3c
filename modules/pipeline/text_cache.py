"""What a model's text encoders have made of texts, kept so that no text is encoded twice."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from modules.conditioning.embeddings import Embeddings
from modules.conditioning.encode import EncodedText, PromptEncoder, TextOptions, encode_texts
from modules.core.cancellation import CancelToken
from modules.prompting.schedule import PromptStage
from modules.sampling.timeline import Timeline

KEPT_BYTES = 256 * 2**20

_Key = tuple[tuple[str, ...], TextOptions, Embeddings | None, Hashable]


class TextCache:
    """The texts that one model was told last, up to `KEPT_BYTES` of vectors.

    The texts of one prompt are kept together: emphasis is normalised over all texts that take turns in a prompt.
    """

    def __init__(self, encoder: PromptEncoder) -> None:
        self._encoder = encoder
        self._known: OrderedDict[_Key, Timeline[EncodedText]] = OrderedDict()
        self._bytes = 0

    def encode(
        self,
        schedule: Sequence[PromptStage],
        options: TextOptions,
        token: CancelToken,
        *,
        embeddings: Embeddings | None = None,
        changed_by: Hashable = None,
    ) -> Timeline[EncodedText]:
        """Return what the encoders make of a prompt that changes while one picture is made; see `encode_texts`.

        Args:
            schedule: the stages of the prompt.
            options: how its texts are read.
            token: checked before every call of a text encoder.
            embeddings: those that the texts may name; equal as long as they are the same object.
            changed_by: what changes the encoders' weights at the moment.

        Raises:
            Interrupted: the job was asked to stop.
        """
        # When a stage ends does not matter to its vectors, how often a text occurs does.
        key = tuple(stage.text for stage in schedule), options, embeddings, changed_by
        known = self._known.pop(key, None)
        if known is None:
            known = encode_texts(self._encoder, schedule, options, token=token, embeddings=embeddings)
            self._bytes += _size(known)
        self._known[key] = known
        while self._bytes > KEPT_BYTES and len(self._known) > 1:
            self._bytes -= _size(self._known.popitem(last=False)[1])
        return Timeline(ends=tuple(stage.until for stage in schedule), values=known.values)


def _size(timeline: Timeline[EncodedText]) -> int:
    """Bytes of the vectors; equal texts share theirs."""
    return sum(text.vectors.nbytes for text in set(timeline.values))
