"""Small residual network for images."""

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.core.task import Sparse
from taskgroup.errors import InputError
from taskgroup.nn.trunk import Norm, Trunk


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalization around a shortcut (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Images ``(batch, n_in, H, W)`` to ``(batch, n_out, H / stride, W / stride)``."""
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(inner + self.shortcut(x))


class Conv(Sparse):
    """``stem``, then residual stages ``layer1 …``; each after the first halves the image; the last ends in the mean.

    Attributes:
        name: Its name in the table.
        width: Channels of the stem; doubled by every stage after the first.
        depth: Number of residual stages.
        norm: Whose statistics batch normalization holds in a shared stage: those of all its tasks (``shared``), or
            each task its own (``per_task``).
        stride: Pixels from one position of the stem to the next; more makes large images cheap.
    """

    later: ClassVar[frozenset[str]] = frozenset({"norm", "stride"})
    name: Literal["conv"] = "conv"
    width: int = Field(default=16, ge=1)
    depth: int = Field(default=3, ge=1)
    norm: Norm = "shared"
    stride: int = Field(default=1, ge=1)

    def build(self, rows: Tensor) -> Trunk:
        """The trunk for images of shape ``(batch, channels, height, width)``.

        Raises:
            InputError: Rows of another shape.
        """
        if rows.ndim != 4:
            raise InputError(
                f"trunk: conv takes images of shape (channels, height, width), found rows of shape "
                f"{tuple(rows.shape[1:])}; give `shape` in the problem, or use the mlp trunk"
            )
        kernel = max(3, 2 * self.stride - 1)  # so wide that no pixel is skipped, whatever the size
        first = nn.Conv2d(rows.shape[1], self.width, kernel, self.stride, kernel // 2, bias=False)
        stem = nn.Sequential(first, nn.BatchNorm2d(self.width), nn.ReLU())
        stages: dict[str, nn.Module] = {"stem": stem}
        n_in = self.width
        for k in range(self.depth):
            n_out = self.width * 2**k
            stages[f"layer{k + 1}"] = ResidualBlock(n_in, n_out, 1 if k == 0 else 2)
            n_in = n_out
        last = f"layer{self.depth}"
        stages[last] = nn.Sequential(stages[last], nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return Trunk(stages, norm=self.norm)
