"""The tiny SD1 checkpoint of the recordings in `tests/data/a1111`, bit for bit.

Every tensor is drawn from `RandomState(crc32(key)).standard_normal(shape)` and scaled; some tensors get structure, so
that the UNet is a mild denoiser whose pictures do not hang on the last bit of a float.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

Array = npt.NDArray[np.float64]

WIDTH = 32
MULTIPLIERS = (1, 2, 4, 4)
ATTENTION_LEVELS = (0, 1, 2)
TEXT_WIDTH, TEXT_LAYERS, TEXT_INNER = 64, 4, 256
VOCABULARY, POSITIONS = 49408, 77
PASS_GAIN, NET_GAIN = 0.93, 0.22
TEXT_MEAN = -0.15
UNET, VAE = "model.diffusion_model.", "first_stage_model."
TEXT = "cond_stage_model.transformer.text_model."

YAML = """\
model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    timesteps: 1000
    channels: 4
    conditioning_key: crossattn
    scale_factor: 0.18215
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        in_channels: 4
        out_channels: 4
        model_channels: 32
        attention_resolutions: [4, 2, 1]
        num_res_blocks: 2
        channel_mult: [1, 2, 4, 4]
        num_heads: 8
        use_spatial_transformer: True
        transformer_depth: 1
        context_dim: 64
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        ddconfig: {double_z: true, z_channels: 4, resolution: 256, in_channels: 3, out_ch: 3, ch: 32,
          ch_mult: [1, 2, 4, 4], num_res_blocks: 2, attn_resolutions: [], dropout: 0.0}
    cond_stage_config:
      target: ldm.modules.encoders.modules.FrozenCLIPEmbedder
      params:
        version: clip-tiny
"""


def _draw(key: str, shape: tuple[int, ...]) -> Array:
    return np.random.RandomState(zlib.crc32(key.encode()) & 0xFFFFFFFF).standard_normal(shape)


class _Weights(dict[str, Array]):
    """Draws the tensors of common layers under their names."""

    def scaled(self, key: str, shape: tuple[int, ...], gain: float = 1.0) -> None:
        self[key] = _draw(key, shape) * (gain / np.sqrt(int(np.prod(shape[1:]))))

    def bias(self, name: str, size: int) -> None:
        self[name + ".bias"] = 0.05 * _draw(name + ".bias", (size,))

    def linear(self, name: str, out: int, into: int, *, bias: bool = True, gain: float = 1.0) -> None:
        self.scaled(name + ".weight", (out, into), gain)
        if bias:
            self.bias(name, out)

    def conv(self, name: str, out: int, into: int, kernel: int, gain: float = 1.0) -> None:
        self.scaled(name + ".weight", (out, into, kernel, kernel), gain)
        self.bias(name, out)

    def norm(self, name: str, size: int) -> None:
        self[name + ".weight"] = 1 + 0.1 * _draw(name + ".weight", (size,))
        self[name + ".bias"] = 0.05 * _draw(name + ".bias", (size,))


def _unet_residual(weights: _Weights, name: str, into: int, out: int) -> None:
    weights.norm(name + ".in_layers.0", into)
    weights.conv(name + ".in_layers.2", out, into, 3)
    weights.linear(name + ".emb_layers.1", out, 4 * WIDTH)
    weights.norm(name + ".out_layers.0", out)
    weights.conv(name + ".out_layers.3", out, out, 3, gain=0.6)
    if into != out:
        weights.conv(name + ".skip_connection", out, into, 1)


def _unet_transformer(weights: _Weights, name: str, width: int) -> None:
    weights.norm(name + ".norm", width)
    weights.conv(name + ".proj_in", width, width, 1)
    block = f"{name}.transformer_blocks.0"
    for attention, key_width, value_gain in (("attn1", width, 1.5), ("attn2", TEXT_WIDTH, 4.0)):
        weights.linear(f"{block}.{attention}.to_q", width, width, bias=False, gain=1.2)
        weights.linear(f"{block}.{attention}.to_k", width, key_width, bias=False, gain=1.2)
        weights.linear(f"{block}.{attention}.to_v", width, key_width, bias=False, gain=value_gain)
        weights.linear(f"{block}.{attention}.to_out.0", width, width)
    weights.linear(f"{block}.ff.net.0.proj", 8 * width, width)
    weights.linear(f"{block}.ff.net.2", width, 4 * width)
    for number in (1, 2, 3):
        weights.norm(f"{block}.norm{number}", width)
    weights.conv(name + ".proj_out", width, width, 1, gain=0.7)


def _unet_down(weights: _Weights) -> tuple[list[int], int]:
    """Draw the way down; return the widths of the skip connections and the last width."""
    skips, width, index = [WIDTH], WIDTH, 1
    for level, multiplier in enumerate(MULTIPLIERS):
        for _ in range(2):
            _unet_residual(weights, f"{UNET}input_blocks.{index}.0", width, WIDTH * multiplier)
            width = WIDTH * multiplier
            if level in ATTENTION_LEVELS:
                _unet_transformer(weights, f"{UNET}input_blocks.{index}.1", width)
            skips.append(width)
            index += 1
        if level != len(MULTIPLIERS) - 1:
            weights.conv(f"{UNET}input_blocks.{index}.0.op", width, width, 3)
            skips.append(width)
            index += 1
    return skips, width


def _unet_up(weights: _Weights, skips: list[int], width: int) -> None:
    index = 0
    for level, multiplier in reversed(list(enumerate(MULTIPLIERS))):
        for number in range(3):
            _unet_residual(weights, f"{UNET}output_blocks.{index}.0", width + skips.pop(), WIDTH * multiplier)
            width = WIDTH * multiplier
            attends = level in ATTENTION_LEVELS
            if attends:
                _unet_transformer(weights, f"{UNET}output_blocks.{index}.1", width)
            if level and number == 2:
                weights.conv(f"{UNET}output_blocks.{index}.{1 + attends}.conv", width, width, 3)
            index += 1


def _carry_input_to_output(weights: _Weights) -> None:
    """Let channels 0..7 carry +x and −x straight to the output (silu(g) − silu(−g) = g)."""
    first, first_bias = weights[UNET + "input_blocks.0.0.weight"], weights[UNET + "input_blocks.0.0.bias"]
    first[:8], first_bias[:8] = 0, 0
    last = f"{UNET}output_blocks.11"
    skip, skip_bias = weights[last + ".0.skip_connection.weight"], weights[last + ".0.skip_connection.bias"]
    skip[:8], skip_bias[:8] = 0, 0
    out = weights[UNET + "out.2.weight"]
    out[:, :8] = 0
    for channel in range(4):
        first[channel, channel, 1, 1], first[channel + 4, channel, 1, 1] = 1.0, -1.0
        out[channel, channel, 1, 1], out[channel, channel + 4, 1, 1] = PASS_GAIN, -PASS_GAIN
    for channel in range(8):
        skip[channel, skip.shape[1] - WIDTH + channel] = 1.0
    for name in (last + ".0.out_layers.3", last + ".1.proj_out"):
        weights[name + ".weight"][:8], weights[name + ".bias"][:8] = 0, 0
    weights[UNET + "out.0.weight"][:8], weights[UNET + "out.0.bias"][:8] = 1, 0


def _unet(weights: _Weights) -> None:
    weights.linear(UNET + "time_embed.0", 4 * WIDTH, WIDTH)
    weights.linear(UNET + "time_embed.2", 4 * WIDTH, 4 * WIDTH)
    weights.conv(UNET + "input_blocks.0.0", WIDTH, 4, 3)
    skips, width = _unet_down(weights)
    _unet_residual(weights, UNET + "middle_block.0", width, width)
    _unet_transformer(weights, UNET + "middle_block.1", width)
    _unet_residual(weights, UNET + "middle_block.2", width, width)
    _unet_up(weights, skips, width)
    weights.norm(UNET + "out.0", WIDTH)
    weights.conv(UNET + "out.2", 4, WIDTH, 3, gain=NET_GAIN)
    _carry_input_to_output(weights)


def _vae_residual(weights: _Weights, name: str, into: int, out: int) -> None:
    weights.norm(name + ".norm1", into)
    weights.conv(name + ".conv1", out, into, 3)
    weights.norm(name + ".norm2", out)
    weights.conv(name + ".conv2", out, out, 3, gain=0.7)
    if into != out:
        weights.conv(name + ".nin_shortcut", out, into, 1)


def _vae_middle(weights: _Weights, name: str, width: int) -> None:
    _vae_residual(weights, name + ".mid.block_1", width, width)
    weights.norm(name + ".mid.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        weights.conv(f"{name}.mid.attn_1.{part}", width, width, 1)
    _vae_residual(weights, name + ".mid.block_2", width, width)


def _vae(weights: _Weights) -> None:
    encoder, decoder, width = VAE + "encoder", VAE + "decoder", WIDTH
    weights.conv(encoder + ".conv_in", WIDTH, 3, 3, gain=1.5)
    for level, multiplier in enumerate(MULTIPLIERS):
        for number in range(2):
            _vae_residual(weights, f"{encoder}.down.{level}.block.{number}", width, WIDTH * multiplier)
            width = WIDTH * multiplier
        if level != 3:
            weights.conv(f"{encoder}.down.{level}.downsample.conv", width, width, 3)
    _vae_middle(weights, encoder, width)
    weights.norm(encoder + ".norm_out", width)
    weights.conv(encoder + ".conv_out", 8, width, 3)
    weights.conv(decoder + ".conv_in", width, 4, 3, gain=0.5)
    _vae_middle(weights, decoder, width)
    for level in (3, 2, 1, 0):
        for number in range(3):
            _vae_residual(weights, f"{decoder}.up.{level}.block.{number}", width, WIDTH * MULTIPLIERS[level])
            width = WIDTH * MULTIPLIERS[level]
        if level:
            weights.conv(f"{decoder}.up.{level}.upsample.conv", width, width, 3)
    weights.norm(decoder + ".norm_out", width)
    weights.conv(decoder + ".conv_out", 3, width, 3, gain=0.6)
    weights.conv(VAE + "quant_conv", 8, 8, 1, gain=6.0)
    weights.conv(VAE + "post_quant_conv", 4, 4, 1)
    weights[VAE + "quant_conv.weight"][4:] = 0
    weights[VAE + "quant_conv.bias"][4:] = -30.0


def _text_encoder(weights: _Weights) -> None:
    key = TEXT + "embeddings.token_embedding.weight"
    weights[key] = 0.35 * _draw(key, (VOCABULARY, TEXT_WIDTH))
    key = TEXT + "embeddings.position_embedding.weight"
    weights[key] = TEXT_MEAN + 0.1 * _draw(key, (POSITIONS, TEXT_WIDTH))
    for number in range(TEXT_LAYERS):
        layer = f"{TEXT}encoder.layers.{number}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            weights.linear(f"{layer}.self_attn.{part}", TEXT_WIDTH, TEXT_WIDTH, gain=1.2)
        weights.norm(layer + ".layer_norm1", TEXT_WIDTH)
        weights.linear(layer + ".mlp.fc1", TEXT_INNER, TEXT_WIDTH)
        weights.linear(layer + ".mlp.fc2", TEXT_WIDTH, TEXT_INNER)
        weights.norm(layer + ".layer_norm2", TEXT_WIDTH)
    weights.norm(TEXT + "final_layer_norm", TEXT_WIDTH)
    weights[TEXT + "final_layer_norm.bias"] += TEXT_MEAN


def _noise_schedule() -> dict[str, npt.NDArray[np.float32]]:
    betas = np.linspace(0.00085**0.5, 0.0120**0.5, 1000, dtype=np.float64) ** 2
    kept = np.cumprod(1 - betas)
    before = np.append(1.0, kept[:-1])
    variance = betas * (1 - before) / (1 - kept)
    tables = {
        "betas": betas,
        "alphas_cumprod": kept,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": np.sqrt(kept),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - kept),
        "log_one_minus_alphas_cumprod": np.log(1 - kept),
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / kept),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / kept - 1),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * np.sqrt(before) / (1 - kept),
        "posterior_mean_coef2": (1 - before) * np.sqrt(1 - betas) / (1 - kept),
    }
    return {name: table.astype(np.float32) for name, table in tables.items()}


def write_recorded_checkpoint(folder: Path) -> Path:
    """Write `tiny-sd1.safetensors` (sha256 bb64a9c9c4…), its yaml and its text encoder's config into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = _Weights()
    _unet(weights)
    _vae(weights)
    _text_encoder(weights)
    tensors: dict[str, npt.NDArray[np.generic]] = {
        name: np.ascontiguousarray(tensor.astype(np.float16)) for name, tensor in weights.items()
    }
    tensors.update(_noise_schedule())
    tensors[TEXT + "embeddings.position_ids"] = np.arange(POSITIONS, dtype=np.int64)[None]
    path = folder / "tiny-sd1.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    path.with_suffix(".yaml").write_text(YAML, encoding="utf-8")
    text_config = {
        "model_type": "clip_text_model",
        "vocab_size": VOCABULARY,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": TEXT_INNER,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": 4,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": TEXT_WIDTH,
    }
    (folder / "clip-tiny").mkdir(exist_ok=True)
    (folder / "clip-tiny" / "config.json").write_text(json.dumps(text_config), encoding="utf-8")
    return path
