"""Random configurations of each family, by size."""

from collections.abc import Mapping
from typing import Any

STAGES = ["stage1", "stage2", "stage3", "stage4"]


def _swin(width: int, patch: int, depths: list[int], window: int) -> dict[str, Any]:
    return {
        "model_type": "swin",
        "patch_size": patch,
        "embed_dim": width,
        "depths": depths,
        "num_heads": [max(width * 2**i // 16, 1) for i in range(4)],
        "window_size": window,
        "drop_path_rate": 0.0,  # what is dropped at random costs a small model more than it gains
        "out_features": STAGES,
    }


# For pictures of 64 pixels on a CPU: strides of 2 to 16, half a million parameters or less.
_TINY_SWIN = _swin(16, 2, [1, 1, 1, 1], 4)
_TINY_DECODER = {
    "backbone_config": _TINY_SWIN,
    "encoder_feedforward_dim": 128,
    "dim_feedforward": 128,
    "encoder_layers": 2,
    "decoder_layers": 5,
    "num_attention_heads": 4,
    "num_queries": 20,
    "train_num_points": 512,
    "common_stride": 2,
}
_TINY_DETR = {
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "encoder_attention_heads": 8,
    "decoder_attention_heads": 8,
    "num_queries": 20,
    "dropout": 0.0,
}
# For photographs of 128 to 256 pixels: the usual strides of 4 to 32, a few million parameters.
_SMALL_SWIN = _swin(32, 4, [2, 2, 2, 2], 7)
_SMALL_DECODER = {
    "backbone_config": _SMALL_SWIN,
    "encoder_feedforward_dim": 512,
    "dim_feedforward": 512,
    "encoder_layers": 3,
    "decoder_layers": 7,
    "num_queries": 50,
    "train_num_points": 3136,
}
_SMALL_DETR = {
    "d_model": 128,
    "encoder_layers": 3,
    "decoder_layers": 4,
    "encoder_ffn_dim": 512,
    "decoder_ffn_dim": 512,
    "num_queries": 50,
}

SIZES: dict[str, dict[str, Mapping[str, Any]]] = {
    "tiny": {
        "mask2former": {
            **_TINY_DECODER,
            "feature_strides": [2, 4, 8, 16],
            "feature_size": 64,
            "mask_feature_size": 64,
            "hidden_dim": 64,
        },
        "maskformer": {
            "backbone_config": _TINY_SWIN,
            "decoder_config": {"model_type": "detr", **_TINY_DETR},
            "fpn_feature_size": 64,
            "mask_feature_size": 64,
            "use_auxiliary_loss": True,
        },
        "oneformer": {
            **_TINY_DECODER,
            "strides": [2, 4, 8, 16],
            "conv_dim": 64,
            "mask_dim": 64,
            "hidden_dim": 64,
            "query_dec_layers": 1,
            "dropout": 0.0,
            "text_encoder_width": 64,
            "text_encoder_num_layers": 1,
            "text_encoder_vocab_size": 259,
            "text_encoder_n_ctx": 4,
        },
        "eomt": {
            "hidden_size": 96,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "image_size": 64,
            "patch_size": 8,
            "num_blocks": 3,
            "num_upscale_blocks": 2,
            "num_queries": 20,
            "train_num_points": 512,
        },
        "detr-panoptic": {"backbone_config": _TINY_SWIN, "auxiliary_loss": True, **_TINY_DETR},
    },
    "small": {
        "mask2former": {**_SMALL_DECODER, "feature_size": 128, "mask_feature_size": 128, "hidden_dim": 128},
        "maskformer": {
            "backbone_config": _SMALL_SWIN,
            "decoder_config": {"model_type": "detr", **_SMALL_DETR},
            "fpn_feature_size": 128,
            "mask_feature_size": 128,
            "use_auxiliary_loss": True,
        },
        "oneformer": {
            **_SMALL_DECODER,
            "conv_dim": 128,
            "mask_dim": 128,
            "hidden_dim": 128,
            "text_encoder_width": 128,
            "text_encoder_num_layers": 2,
            "text_encoder_vocab_size": 259,
        },
        "eomt": {
            "hidden_size": 192,
            "num_hidden_layers": 8,
            "num_attention_heads": 6,
            "image_size": 256,
            "num_queries": 50,
            "train_num_points": 3136,
        },
        "detr-panoptic": {"backbone_config": _SMALL_SWIN, "auxiliary_loss": True, **_SMALL_DETR},
    },
    # The library's own defaults, but for what these leave out of the published models.
    "full": {
        "mask2former": {},
        "maskformer": {"use_auxiliary_loss": True},
        "oneformer": {},
        "eomt": {},
        # Its usual ResNet has batch norms that are fixed for pretrained weights, and do nothing for random ones.
        "detr-panoptic": {
            "backbone_config": {"model_type": "swin", "out_features": STAGES},
            "auxiliary_loss": True,
        },
    },
}
"""Settings of the library's configuration over its defaults: size -> family -> settings."""
