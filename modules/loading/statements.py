"""What a checkpoint says about its training where its weights do not show it.

Trainers of SDXL models put tensors without meaning into the file, whose names alone say something (`v_pred`, `ztsnr`);
others write it into the metadata, there also under the keys of https://github.com/Stability-AI/ModelSpec.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from modules.core.errors import ModelFileError
from modules.families.architecture import PredictionKind
from modules.library.safetensors_header import read_header

_PREDICTION = "modelspec.prediction_type"
_V, _ZERO_TERMINAL_SNR = "v_pred", "ztsnr"
_EDM = ("edm_mean", "edm_vpred.sigma_max")
_NO = ("", "0", "false", "no", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What was said.

    Attributes:
        prediction: what the network predicts, None if nothing is said.
        zero_terminal_snr: the last step of the training schedule was pure noise.
    """

    prediction: PredictionKind | None
    zero_terminal_snr: bool


def read_statements(path: Path, names: Container[str]) -> Statements:
    """Return what the checkpoint at `path` says.

    Args:
        path: the file.
        names: of its tensors.

    Raises:
        ModelFileError: it was trained with noise levels of another kind (arXiv:2206.00364), as CosXL was.
    """
    if any(name in names for name in _EDM):
        raise ModelFileError(
            f"“{path.name}” was trained with the continuous noise levels of EDM, which are not supported yet. "
            "Choose another checkpoint."
        )
    header = read_header(path)
    texts = header.texts if header else dict[str, str]()
    return Statements(prediction=_prediction(texts, names), zero_terminal_snr=_says(_ZERO_TERMINAL_SNR, texts, names))


def _prediction(texts: Mapping[str, str], names: Container[str]) -> PredictionKind | None:
    if _says(_V, texts, names):
        return "v"
    match texts.get(_PREDICTION, "").strip().lower():
        case "v" | "v_prediction" | "v-prediction":
            return "v"
        case "epsilon" | "eps":
            return "eps"
        case _:
            return None


def _says(name: str, texts: Mapping[str, str], names: Container[str]) -> bool:
    return name in names or texts.get(name, "").strip().lower() not in _NO
