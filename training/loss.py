"""The loss of a batch whose pictures show one class each, or two where they were mixed."""

from torch import Tensor
from torch.nn import functional as F

from seekcam.training.augment.augmentation import Targets


def mixed_cross_entropy(logits: Tensor, targets: Targets, label_smoothing: float = 0.0) -> Tensor:
    """(B, C) logits to (B,) losses in nats: share * CE(labels) + (1 - share) * CE(others).

    With `label_smoothing` e the aim is 1 - e + e / C for the class and e / C for the others (Szegedy et al.,
    "Rethinking the Inception Architecture for Computer Vision", CVPR 2016).
    """
    own = F.cross_entropy(logits, targets.labels, reduction="none", label_smoothing=label_smoothing)
    other = F.cross_entropy(logits, targets.others, reduction="none", label_smoothing=label_smoothing)
    return targets.share * own + (1 - targets.share) * other
