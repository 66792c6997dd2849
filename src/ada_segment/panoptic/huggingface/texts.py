"""The texts that OneFormer reads: its task, and what is in a picture (Jain et al. 2023, section 3.2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ada_segment.errors import ConfigError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.huggingface.library import transformers_for

TASK = "the task is panoptic"
NOTHING = "an panoptic photo"  # thus in the published training, and so in the pretrained weights


class Texts(nn.Module):
    """Tokens of the task, of each class and of "nothing", kept with the model's state.

    Args:
        configuration: OneFormer's.
        categories: classes of the dataset.
        folder: where the pretrained tokenizer lies; None for bytes as tokens, which need no file and serve a text
            encoder that starts from random weights.

    Raises:
        ConfigError: the folder's tokenizer tells no texts apart, as the library makes one where the files are missing.
    """

    task: Tensor
    names: Tensor

    def __init__(self, configuration: Any, categories: Categories, folder: Path | None = None) -> None:
        super().__init__()
        names = [*(f"a photo with a {category.name}" for category in categories), NOTHING]
        if folder is None:
            vocabulary, length = configuration.text_encoder_vocab_size, configuration.text_encoder_context_length
            task = _bytes([TASK], configuration.task_seq_len, vocabulary)
            tokens = _bytes(names, length, vocabulary)
        else:
            tokenizer = transformers_for("OneFormer").AutoTokenizer.from_pretrained(folder, local_files_only=True)
            task = _tokens(tokenizer, [TASK], configuration.task_seq_len)
            tokens = _tokens(tokenizer, names, configuration.text_encoder_context_length)
            if len(tokens.unique(dim=0)) < len(tokens):
                raise ConfigError(
                    f"{folder} has no tokenizer that tells the names of the classes apart; save the processor's there, "
                    "too: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER)"
                )
        self.register_buffer("task", task)
        self.register_buffer("names", tokens)

    def pictures(self, labels: Sequence[Tensor], count: int) -> Tensor:
        """One text for each segment, in the order of the classes, filled up with "nothing".

        Args:
            labels: of each picture, positions of its segments' classes.
            count: texts per picture.

        Returns:
            [B, count, length] int64.
        """
        chosen = self.names.new_full((len(labels), count), len(self.names) - 1)
        for row, found in zip(chosen, labels, strict=True):
            present = found.sort().values[:count]
            row[: len(present)] = present
        return self.names[chosen]


def _bytes(texts: Sequence[str], length: int, vocabulary: int) -> Tensor:
    """Start, bytes in UTF-8 from 1 on, end as the greatest token: the encoder reads its answer where that stands."""
    rows = torch.zeros(len(texts), length, dtype=torch.int64)
    for row, text in zip(rows, texts, strict=True):
        tokens = [vocabulary - 2, *(1 + byte for byte in text.encode()[: length - 2]), vocabulary - 1]
        row[: len(tokens)] = torch.tensor(tokens)
    return rows


def _tokens(tokenizer: Any, texts: Sequence[str], length: int) -> Tensor:
    """As OneFormer's own processor makes them: padding is 0."""
    found = tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    tokens: Tensor = found["input_ids"] * found["attention_mask"]
    return tokens
