"""From queries to candidates for merging.

A mask classifier gives each query q a distribution p(class | q), "no object" included, and a mask m(pixel | q). Things
become candidates: a query whose likeliest class is a thing, with that probability times the mean of m where m > 1/2
(Mask2Former's instance inference) as its score. Stuff is what its semantic inference says: the class with the
greatest sum of p(class | q) m(pixel | q) over the queries; a pixel where the things' sum is greater is left to them.
"""

import torch
from torch import Tensor

from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.prediction import Instance, Prediction
from ada_segment.panoptic.semantic import in_original_size, stuff_of


class Candidates:
    """Makes predictions.

    Args:
        categories: classes of the dataset, in the order of the network's labels.
        least: candidates of a lower score are left out.
        most: best candidates kept per picture.
    """

    def __init__(self, categories: Categories, *, least: float, most: int) -> None:
        self.ids = [category.id for category in categories]
        self.is_thing = torch.tensor([bool(category.isthing) for category in categories])
        self.stuff_ids = torch.tensor([-1, *(category.id for category in categories.stuff)])
        self.small = int(self.stuff_ids.max()) < torch.iinfo(torch.int16).max
        self.least, self.most = least, most

    def prediction(
        self,
        classes: Tensor,
        masks: Tensor,
        *,
        padded: tuple[int, int],
        resized: tuple[int, int],
        size: tuple[int, int],
    ) -> Prediction:
        """The candidates of one picture.

        Args:
            classes: [Q, classes + 1] scores before the softmax, "no object" last.
            masks: [Q, h, w] scores before the sigmoid, over the padded size.
            padded: height and width of the batch.
            resized: height and width of the picture within it.
            size: height and width of the original picture.
        """
        classes, masks = classes.float().softmax(-1)[:, :-1], masks.float()
        is_thing = self.is_thing.to(classes.device)
        parts = torch.cat([classes[:, is_thing].sum(1, keepdim=True), classes[:, ~is_thing]], 1)
        labels = stuff_of(torch.einsum("qc,qhw->chw", parts, masks.sigmoid()), padded, resized, size)
        stuff = self.stuff_ids[labels.cpu()].to(torch.int16 if self.small else torch.int32).numpy()
        return Prediction(self._instances(classes, masks, is_thing, padded, resized, size), stuff)

    def _instances(
        self,
        classes: Tensor,
        masks: Tensor,
        is_thing: Tensor,
        padded: tuple[int, int],
        resized: tuple[int, int],
        size: tuple[int, int],
    ) -> tuple[Instance, ...]:
        best, labels = classes.max(1)
        inside = masks > 0
        sure = (masks.sigmoid() * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
        scores = torch.where(is_thing[labels], best * sure, 0.0)
        kept = scores.argsort(descending=True, stable=True)[: self.most]
        kept = kept[scores[kept] >= max(self.least, torch.finfo(scores.dtype).tiny)]
        found = []
        for query in kept.tolist():
            mask = in_original_size(masks[query][None], padded, resized, size)[0] > 0
            rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
            if not len(rows):
                continue
            top, left = int(rows[0]), int(columns[0])
            window = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1].cpu().numpy()
            category = self.ids[int(labels[query])]
            found.append(Instance(category, float(scores[query]), top, left, window, int(window.sum())))
        return tuple(found)
