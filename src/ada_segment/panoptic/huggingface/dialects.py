"""How each family wants its inputs, and where it puts its outputs."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ada_segment.panoptic.huggingface.batch import Batch, Segments
from ada_segment.panoptic.huggingface.texts import Texts


class MaskClassifier:
    """Mask2Former and MaskFormer; the base of the others.

    Args:
        network: the library's.
        texts: tokens of the names of the classes, for the family that reads them.
    """

    def __init__(self, network: Any, texts: Texts | None = None) -> None:
        self.network, self.texts = network, texts

    def training_inputs(self, batch: Batch, segments: Sequence[Segments]) -> dict[str, Any]:
        """Arguments of the network's `forward` that make it compute losses."""
        return {
            **self.inference_inputs(batch),
            "mask_labels": [each.masks for each in segments],
            "class_labels": [each.labels for each in segments],
        }

    def inference_inputs(self, batch: Batch) -> dict[str, Any]:
        """Arguments of the network's `forward` without labels."""
        # MaskFormer keeps its earlier layers only if told to.
        return {"pixel_values": batch.pixels, "pixel_mask": batch.inside, "output_hidden_states": True}

    def logits(self, output: Any) -> tuple[Tensor, Tensor]:
        """Class scores [B, Q, classes + 1], "no object" last, and mask scores [B, Q, h, w] over the padded size."""
        return output.class_queries_logits, output.masks_queries_logits


class Eomt(MaskClassifier):
    """EoMT knows no pixel mask: its pictures have one size, padded as in its own training."""

    def inference_inputs(self, batch: Batch) -> dict[str, Any]:
        return {"pixel_values": batch.pixels}


class OneFormer(MaskClassifier):
    """OneFormer reads the task, and in training the names of what is in the picture."""

    texts: Texts

    def training_inputs(self, batch: Batch, segments: Sequence[Segments]) -> dict[str, Any]:
        inputs = super().training_inputs(batch, segments)
        self.network.model.is_training = True  # it reads names then, whatever mode its modules are in
        configuration = self.network.config
        count = configuration.num_queries - configuration.text_encoder_n_ctx
        texts = self.texts.pictures([each.labels for each in segments], count)
        return {**inputs, "text_inputs": texts}

    def inference_inputs(self, batch: Batch) -> dict[str, Any]:
        self.network.model.is_training = False
        return {**super().inference_inputs(batch), "task_inputs": self.texts.task.expand(len(batch.sizes), -1)}


class Detr(MaskClassifier):
    """DETR with its mask head."""

    def training_inputs(self, batch: Batch, segments: Sequence[Segments]) -> dict[str, Any]:
        labels = [{"class_labels": each.labels, "boxes": each.boxes, "masks": each.masks} for each in segments]
        return {**self.inference_inputs(batch), "labels": labels}

    def inference_inputs(self, batch: Batch) -> dict[str, Any]:
        return {"pixel_values": batch.pixels, "pixel_mask": batch.inside}

    def logits(self, output: Any) -> tuple[Tensor, Tensor]:
        return output.logits, output.pred_masks


DIALECTS: dict[str, type[MaskClassifier]] = {
    "mask2former": MaskClassifier,
    "maskformer": MaskClassifier,
    "oneformer": OneFormer,
    "eomt": Eomt,
    "detr": Detr,
}
"""By the library's model_type."""
