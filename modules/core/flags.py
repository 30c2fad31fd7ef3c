"""The command line's flags, parsed. Names and defaults are A1111's: people have them in a `webui-user.sh`, and clients
ask for them at `/sdapi/v1/cmd-flags`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """Values after parsing; None means "not given".

    Attributes:
        data_dir: folder that holds models, outputs and settings; the project's own folder by default.
        models_dir: folder of model folders, `<data_dir>/models` when None.
        ckpt: one checkpoint file to start with.
        ckpt_dir: further folders of checkpoints.
        vae_dir: further folders of VAEs.
        lora_dir: folders of LoRA files, `<models>/Lora` when empty.
        embeddings_dir: folders of embeddings, `<data_dir>/embeddings` when empty.
        hypernetwork_dir: folders of hypernetworks, `<models>/hypernetworks` when empty.
        extra_model_paths: ComfyUI's list of folders, `<data_dir>/extra_model_paths.yaml` when None.
        config: LDM yaml for a checkpoint that has none beside it.
        ui_settings_file: the settings file, `<data_dir>/config.json` when None.
        styles_file: the styles, `<data_dir>/styles.csv` when None.
        listen: bind all interfaces (0.0.0.0).
        port: TCP port; None takes the first free one from 7860 to 7869.
        server_name: host name or address to bind.
        share: make a public Gradio link.
        gradio_auth: logins as (user, password).
        api_auth: further logins; as the others, each opens the page and the API.
        insecure_no_auth: the person accepts an open server without a password.
        nowebui: serve the API only.
        api: accepted; the API is always on.
        skip_load_model_at_start: load the checkpoint when it is first needed.
        no_half: compute in float32.
        no_half_vae: decode in float32.
        precision: "full" is float32 as well; "half" and "autocast" are the default behaviour.
        use_cpu: parts to run on the CPU ("all" moves everything).
        device_id: index of the CUDA device.
        xformers: prefer xformers' attention where it is available.
        opt_sdp_attention: prefer PyTorch's attention (the default).
        medvram: accepted; SD 1.x fits into 4 GB without it.
        lowvram: accepted; SD 1.x fits into 4 GB without it.
        theme: light or dark page, None follows the browser.
        autolaunch: open the page in a browser.
        loglevel: of Python's logging.
    """

    data_dir: Path
    models_dir: Path | None = None
    ckpt: Path | None = None
    ckpt_dir: tuple[Path, ...] = ()
    vae_dir: tuple[Path, ...] = ()
    lora_dir: tuple[Path, ...] = ()
    embeddings_dir: tuple[Path, ...] = ()
    hypernetwork_dir: tuple[Path, ...] = ()
    extra_model_paths: Path | None = None
    config: Path | None = None
    ui_settings_file: Path | None = None
    styles_file: Path | None = None
    listen: bool = False
    port: int | None = None
    server_name: str | None = None
    share: bool = False
    gradio_auth: tuple[tuple[str, str], ...] = ()
    api_auth: tuple[tuple[str, str], ...] = ()
    insecure_no_auth: bool = False
    nowebui: bool = False
    api: bool = False
    skip_load_model_at_start: bool = False
    no_half: bool = False
    no_half_vae: bool = False
    precision: Literal["full", "half", "autocast"] = "autocast"
    use_cpu: tuple[str, ...] = ()
    device_id: int | None = None
    xformers: bool = False
    opt_sdp_attention: bool = False
    medvram: bool = False
    lowvram: bool = False
    theme: Literal["light", "dark"] | None = None
    autolaunch: bool = False
    loglevel: str = "INFO"
