"""Panoptic quality, pixel by pixel with sets: slow and obvious, written from the paper and the evaluator's rules."""

from collections import defaultdict
from itertools import product

import numpy as np

from ada_segment.panoptic.panoptic_map import PanopticMap


def slow_counts(pairs: list[tuple[PanopticMap, PanopticMap]], threshold: float) -> dict[int, list[float]]:
    """[TP, FP, FN, sum of IoU] by category id, of (prediction, truth) pairs."""
    counts: dict[int, list[float]] = defaultdict(lambda: [0, 0, 0, 0.0])
    for prediction, truth in pairs:
        void = _pixels(truth, 0)
        true = {s.id: (s, _pixels(truth, s.id)) for s in truth.segments}
        predicted = {s.id: (s, _pixels(prediction, s.id)) for s in prediction.segments}
        candidates = []
        for (t, t_pixels), (p, p_pixels) in product(true.values(), predicted.values()):
            if t.category_id == p.category_id and not t.iscrowd and t_pixels & p_pixels:
                iou = len(t_pixels & p_pixels) / len(t_pixels | (p_pixels - void))
                candidates.append((iou, t.id, p.id))
        # Best pair first, again and again, until no pair above the threshold has both its segments free.
        free_true, free_predicted = set(true), set(predicted)
        while True:
            open_pairs = [c for c in candidates if c[1] in free_true and c[2] in free_predicted and c[0] > threshold]
            if not open_pairs:
                break
            best = max(c[0] for c in open_pairs)
            iou, t_id, p_id = next(c for c in open_pairs if c[0] == best)
            free_true.remove(t_id)
            free_predicted.remove(p_id)
            row = counts[true[t_id][0].category_id]
            row[0] += 1
            row[3] += iou
        for t_id in free_true:
            if not true[t_id][0].iscrowd:
                counts[true[t_id][0].category_id][2] += 1
        for p_id in free_predicted:
            p, p_pixels = predicted[p_id]
            crowds = [pixels for s, pixels in true.values() if s.iscrowd and s.category_id == p.category_id]
            excused = p_pixels & (void | (crowds[-1] if crowds else set()))
            if not len(excused) / len(p_pixels) > 0.5:
                counts[p.category_id][1] += 1
    return dict(counts)


def _pixels(panoptic_map: PanopticMap, number: int) -> set[tuple[int, int]]:
    return {(int(y), int(x)) for y, x in np.argwhere(panoptic_map.ids == number)}
