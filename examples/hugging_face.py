"""Search the loss weights of a transformers model in a loop of one's own: a small Mask2Former on drawn pictures.

python examples/hugging_face.py     (pip install 'ada-segment[hf]'; nothing is downloaded; about a minute on one core)

The model is the library's, here from random weights; one that from_pretrained gives goes as well. `keep_losses` lets it
keep what its criterion gives, `raw_losses` hands that out: three kinds of losses in four layers, one weight a kind.
"""

import torch
from torch.nn.functional import interpolate
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

from ada_segment import search
from ada_segment.loops.huggingface import keep_losses, raw_losses
from ada_segment.panoptic.huggingface.families import FAMILIES

SWIN = {"patch_size": 2, "embed_dim": 16, "depths": [1] * 4, "num_heads": [1, 2, 4, 8], "window_size": 4}
WIDTHS = {"feature_size": 64, "mask_feature_size": 64, "hidden_dim": 64, "encoder_feedforward_dim": 64}
SMALL = {"dim_feedforward": 64, "encoder_layers": 1, "decoder_layers": 4, "num_queries": 8, "train_num_points": 128}
STRIDES = {"feature_strides": [2, 4, 8, 16], "common_stride": 2}
BACKBONE = SwinConfig(**SWIN, out_features=["stage1", "stage2", "stage3", "stage4"])
CONFIG = Mask2FormerConfig(backbone_config=BACKBONE, num_labels=3, **WIDTHS, **SMALL, **STRIDES)


def draw(count, seed):
    """Pictures [count, 3, 32, 32] of a bar (class 1) and a square (2) on noise (0), and the class of each pixel."""
    random = torch.Generator().manual_seed(seed)
    classes = torch.zeros(count, 32, 32, dtype=torch.int64)
    for picture in classes:
        top, left, row = torch.randint(0, 20, (3,), generator=random).tolist()
        picture[row : row + 5] = 1
        picture[top : top + 10, left : left + 10] = 2
    return torch.randn(count, 3, 32, 32, generator=random) + classes[:, None], classes


TRAIN, HELD_OUT = draw(24, seed=0), draw(12, seed=1)


class Training:  # a Member: what the search asks of a training
    def __init__(self, seed):
        torch.manual_seed(seed)
        self.model = Mask2FormerForUniversalSegmentation(CONFIG)
        keep_losses(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3)

    def train(self, weights, *, round, seed):
        torch.manual_seed(seed)
        self.model.train()
        seen = []
        for rows in torch.randperm(24).split(6):
            pixels, classes = TRAIN[0][rows], TRAIN[1][rows]
            labels = [picture.unique() for picture in classes]
            masks = [(picture == found[:, None, None]).float() for picture, found in zip(classes, labels, strict=True)]
            losses, _ = raw_losses(self.model, pixel_values=pixels, mask_labels=masks, class_labels=labels)
            self.optimizer.zero_grad()
            sum(weights[name] * loss for name, loss in losses.items()).backward()
            self.optimizer.step()
            seen.append({name: loss.item() for name, loss in losses.items()})
        return {name: sum(each[name] for each in seen) / len(seen) for name in weights}

    @torch.no_grad()
    def evaluate(self):  # the mean IoU of the classes, in percent
        output = self.model.eval()(HELD_OUT[0])
        classes, masks = output.class_queries_logits.softmax(-1)[..., :-1], output.masks_queries_logits.sigmoid()
        found = interpolate(torch.einsum("bqc,bqhw->bchw", classes, masks), size=(32, 32), mode="bilinear").argmax(1)
        pairs = torch.bincount((3 * HELD_OUT[1] + found).ravel(), minlength=9).view(3, 3)
        return float(100 * (pairs.diag() / (pairs.sum(0) + pairs.sum(1) - pairs.diag())).mean())

    def state_dict(self):
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        self.model.load_state_dict(state["model"]), self.optimizer.load_state_dict(state["optimizer"])


if __name__ == "__main__":
    usual, groups = FAMILIES["mask2former"].defaults(CONFIG), FAMILIES["mask2former"].groups(CONFIG)
    result = search(Training, losses=list(usual), defaults=usual, groups=groups, rounds=6, members=3)
    print(f"mean IoU {result.best_reward:.1f}, last weights {result.schedule[-1]}")
