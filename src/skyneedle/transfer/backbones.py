"""The six pretrained backbones by name; no heavy import, since rules and figures ask here too."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
    """A published backbone.

    Attributes:
        timm: name of the model and of its ImageNet weights in timm.
        dropped: beginnings of the names of tensors that files of whole networks have beyond the trunk.
        renamed: beginnings of names in other files, and what they are in timm.
    """

    timm: str
    dropped: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...] = ()


_OF_TORCHVISION = (
    ("classifier.0.", "pre_logits.fc1."),
    ("classifier.3.", "pre_logits.fc2."),
    ("classifier.6.", "head.fc."),
)

# Source: Akhazhanov 2018, Table 5-1; its counts (23, 24, 26, 93, 139 and 144 million parameters) include the
# heads of 1000 classes.
BACKBONES = {
    "xception": Backbone("legacy_xception.tf_in1k", ("fc.",)),
    "inception": Backbone("inception_v3.tf_in1k", ("fc.", "AuxLogits.")),
    "resnet": Backbone("resnet50.tv_in1k", ("fc.",)),
    "nasnet": Backbone("nasnetalarge.tf_in1k", ("last_linear.",)),
    "vgg16": Backbone("vgg16.tv_in1k", ("head.fc.",), _OF_TORCHVISION),
    "vgg19": Backbone("vgg19.tv_in1k", ("head.fc.",), _OF_TORCHVISION),
}
MADE = ("galaxies", "random", "imagenet")  # kinds of weights that a rule writes into a file
