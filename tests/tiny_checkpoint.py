"""A tiny SD 1.x checkpoint of random weights, built in under two seconds.

The names of the weights are written down here by hand, not taken from the code under test. Other forms of the same
checkpoint are in `checkpoint_variants`.
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

WIDTH, MULTIPLIERS, ATTENTION_LEVELS = 32, (1, 2, 4, 4), (0, 1, 2)
TEXT_WIDTH, TEXT_LAYERS, TEXT_HEADS = 32, 3, 2
VOCABULARY, POSITIONS = 49408, 77
UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."

YAML = """\
model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    timesteps: 1000
    scale_factor: 0.18215
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params: {in_channels: 4, out_channels: 4, model_channels: 32, attention_resolutions: [4, 2, 1], num_res_blocks: 2,
        channel_mult: [1, 2, 4, 4], num_heads: 8, use_spatial_transformer: true, transformer_depth: 1, context_dim: 32}
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        ddconfig: {double_z: true, z_channels: 4, resolution: 256, in_channels: 3, out_ch: 3, ch: 32,
          ch_mult: [1, 2, 4, 4], num_res_blocks: 2, attn_resolutions: [], dropout: 0.0}
    cond_stage_config:
      target: ldm.modules.encoders.modules.FrozenCLIPEmbedder
      params: {version: tiny-text-encoder}
"""

TEXT_CONFIG: dict[str, object] = {
    "model_type": "clip_text_model",
    "vocab_size": VOCABULARY,
    "hidden_size": TEXT_WIDTH,
    "intermediate_size": 2 * TEXT_WIDTH,
    "num_hidden_layers": TEXT_LAYERS,
    "num_attention_heads": TEXT_HEADS,
    "max_position_embeddings": POSITIONS,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}


class _Draw:
    """Draws layers of random weights under their names."""

    def __init__(self, seed: int) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._generator = torch.Generator().manual_seed(seed)

    def add(self, name: str, *shape: int, scale: float = 1.0, mean: float = 0.0) -> None:
        self.tensors[name] = (torch.randn(shape, generator=self._generator) * scale + mean).half()

    def linear(self, name: str, out: int, *into: int, bias: bool = True) -> None:
        self.add(f"{name}.weight", out, *into, scale=1 / math.sqrt(math.prod(into)))
        if bias:
            self.add(f"{name}.bias", out, scale=0.05)

    def norm(self, name: str, width: int) -> None:
        self.add(f"{name}.weight", width, scale=0.1, mean=1.0)
        self.add(f"{name}.bias", width, scale=0.05)


def _unet_residual(draw: _Draw, name: str, into: int, out: int) -> None:
    draw.norm(f"{name}.in_layers.0", into)
    draw.linear(f"{name}.in_layers.2", out, into, 3, 3)
    draw.linear(f"{name}.emb_layers.1", out, 4 * WIDTH)
    draw.norm(f"{name}.out_layers.0", out)
    draw.linear(f"{name}.out_layers.3", out, out, 3, 3)
    if into != out:
        draw.linear(f"{name}.skip_connection", out, into, 1, 1)


def _transformer(draw: _Draw, name: str, width: int) -> None:
    draw.norm(f"{name}.norm", width)
    draw.linear(f"{name}.proj_in", width, width, 1, 1)
    block = f"{name}.transformer_blocks.0"
    for attention, key_width in (("attn1", width), ("attn2", TEXT_WIDTH)):
        draw.linear(f"{block}.{attention}.to_q", width, width, bias=False)
        draw.linear(f"{block}.{attention}.to_k", width, key_width, bias=False)
        draw.linear(f"{block}.{attention}.to_v", width, key_width, bias=False)
        draw.linear(f"{block}.{attention}.to_out.0", width, width)
    draw.linear(f"{block}.ff.net.0.proj", 8 * width, width)
    draw.linear(f"{block}.ff.net.2", width, 4 * width)
    for number in (1, 2, 3):
        draw.norm(f"{block}.norm{number}", width)
    draw.linear(f"{name}.proj_out", width, width, 1, 1)


def _unet(draw: _Draw, in_channels: int) -> None:
    draw.linear(UNET + "time_embed.0", 4 * WIDTH, WIDTH)
    draw.linear(UNET + "time_embed.2", 4 * WIDTH, 4 * WIDTH)
    draw.linear(UNET + "input_blocks.0.0", WIDTH, in_channels, 3, 3)
    skips, width, index = [WIDTH], WIDTH, 1
    for level, multiplier in enumerate(MULTIPLIERS):
        for _ in range(2):
            _unet_residual(draw, f"{UNET}input_blocks.{index}.0", width, WIDTH * multiplier)
            width = WIDTH * multiplier
            if level in ATTENTION_LEVELS:
                _transformer(draw, f"{UNET}input_blocks.{index}.1", width)
            skips.append(width)
            index += 1
        if level < 3:
            draw.linear(f"{UNET}input_blocks.{index}.0.op", width, width, 3, 3)
            skips.append(width)
            index += 1
    _unet_residual(draw, UNET + "middle_block.0", width, width)
    _transformer(draw, UNET + "middle_block.1", width)
    _unet_residual(draw, UNET + "middle_block.2", width, width)
    _unet_up(draw, skips, width)
    draw.norm(UNET + "out.0", WIDTH)
    draw.linear(UNET + "out.2", 4, WIDTH, 3, 3)


def _unet_up(draw: _Draw, skips: list[int], width: int) -> None:
    index = 0
    for level in (3, 2, 1, 0):
        for number in range(3):
            _unet_residual(draw, f"{UNET}output_blocks.{index}.0", width + skips.pop(), WIDTH * MULTIPLIERS[level])
            width = WIDTH * MULTIPLIERS[level]
            if level in ATTENTION_LEVELS:
                _transformer(draw, f"{UNET}output_blocks.{index}.1", width)
            if level and number == 2:
                inner = 2 if level in ATTENTION_LEVELS else 1
                draw.linear(f"{UNET}output_blocks.{index}.{inner}.conv", width, width, 3, 3)
            index += 1


def _vae_residual(draw: _Draw, name: str, into: int, out: int) -> None:
    draw.norm(f"{name}.norm1", into)
    draw.linear(f"{name}.conv1", out, into, 3, 3)
    draw.norm(f"{name}.norm2", out)
    draw.linear(f"{name}.conv2", out, out, 3, 3)
    if into != out:
        draw.linear(f"{name}.nin_shortcut", out, into, 1, 1)


def _vae(draw: _Draw) -> None:
    encoder, decoder, width = VAE + "encoder", VAE + "decoder", WIDTH
    draw.linear(f"{encoder}.conv_in", WIDTH, 3, 3, 3)
    for level, multiplier in enumerate(MULTIPLIERS):
        for number in range(2):
            _vae_residual(draw, f"{encoder}.down.{level}.block.{number}", width, WIDTH * multiplier)
            width = WIDTH * multiplier
        if level < 3:
            draw.linear(f"{encoder}.down.{level}.downsample.conv", width, width, 3, 3)
    draw.linear(f"{encoder}.conv_out", 8, width, 3, 3)
    draw.linear(f"{decoder}.conv_in", width, 4, 3, 3)
    for half in (encoder, decoder):
        _vae_residual(draw, f"{half}.mid.block_1", width, width)
        draw.norm(f"{half}.mid.attn_1.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            draw.linear(f"{half}.mid.attn_1.{part}", width, width, 1, 1)
        _vae_residual(draw, f"{half}.mid.block_2", width, width)
    draw.norm(f"{encoder}.norm_out", width)
    for level in (3, 2, 1, 0):
        for number in range(3):
            _vae_residual(draw, f"{decoder}.up.{level}.block.{number}", width, WIDTH * MULTIPLIERS[level])
            width = WIDTH * MULTIPLIERS[level]
        if level:
            draw.linear(f"{decoder}.up.{level}.upsample.conv", width, width, 3, 3)
    draw.norm(f"{decoder}.norm_out", width)
    draw.linear(f"{decoder}.conv_out", 3, width, 3, 3)
    draw.linear(VAE + "quant_conv", 8, 8, 1, 1)
    draw.linear(VAE + "post_quant_conv", 4, 4, 1, 1)


def _text_encoder(draw: _Draw) -> None:
    draw.add(TEXT + "embeddings.token_embedding.weight", VOCABULARY, TEXT_WIDTH, scale=0.3)
    draw.add(TEXT + "embeddings.position_embedding.weight", POSITIONS, TEXT_WIDTH, scale=0.1, mean=-0.15)
    for number in range(TEXT_LAYERS):
        layer = f"{TEXT}encoder.layers.{number}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            draw.linear(f"{layer}.self_attn.{part}", TEXT_WIDTH, TEXT_WIDTH)
        draw.norm(f"{layer}.layer_norm1", TEXT_WIDTH)
        draw.linear(f"{layer}.mlp.fc1", 2 * TEXT_WIDTH, TEXT_WIDTH)
        draw.linear(f"{layer}.mlp.fc2", TEXT_WIDTH, 2 * TEXT_WIDTH)
        draw.norm(f"{layer}.layer_norm2", TEXT_WIDTH)
    draw.norm(TEXT + "final_layer_norm", TEXT_WIDTH)


def tiny_sd1_tensors(seed: int = 1, *, in_channels: int = 4) -> dict[str, Tensor]:
    """Return a checkpoint's tensors by LDM's names, float16, with what else such files hold."""
    draw = _Draw(seed)
    _unet(draw, in_channels)
    _vae(draw)
    _text_encoder(draw)
    extra = {
        TEXT + "embeddings.position_ids": torch.arange(POSITIONS)[None],
        "alphas_cumprod": torch.linspace(1, 0.01, 1000),
        "model_ema.decay": torch.tensor(0.9999),
    }
    return draw.tensors | extra


def write_yaml(checkpoint: Path) -> Path:
    """Write `<name>.yaml` beside a checkpoint, and the text encoder's folder that it names; return the yaml."""
    encoder = checkpoint.parent / "tiny-text-encoder"
    encoder.mkdir(parents=True, exist_ok=True)
    (encoder / "config.json").write_text(json.dumps(TEXT_CONFIG), encoding="utf-8")
    config = checkpoint.with_suffix(".yaml")
    config.write_text(YAML, encoding="utf-8")
    return config


def write_tiny_sd1(folder: Path, name: str = "tiny.safetensors", *, seed: int = 1) -> Path:
    """Write a checkpoint and its yaml into `folder`; return the checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    save_file(tiny_sd1_tensors(seed), path, metadata={"format": "pt"})
    write_yaml(path)
    return path
