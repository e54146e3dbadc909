"""Small residual network over time, for sequences of vectors."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.core.task import Frozen
from taskgroup.errors import InputError
from taskgroup.nn.trunk import Norm, Trunk

KERNEL = 5


def _over_time(n_in: int, n_out: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, (kernel, 1), (stride, 1), (kernel // 2, 0), bias=False)


class ChannelsFirst(nn.Module):
    """Vectors over time as maps one column wide, on which adapters and copies that run together work as on images."""

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, length, n_inputs)`` to ``(batch, n_inputs, length, 1)``."""
        return x.transpose(1, 2).unsqueeze(3)


class TimeBlock(nn.Module):
    """Two convolutions over time with batch normalization around a shortcut (Wang et al. 2017, arXiv 1611.06455)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = _over_time(n_in, n_out, KERNEL, stride), nn.BatchNorm2d(n_out)
        self.conv2, self.norm2 = _over_time(n_out, n_out, KERNEL, 1), nn.BatchNorm2d(n_out)
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else _over_time(n_in, n_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, n_in, length, 1)`` to ``(batch, n_out, length / stride, 1)``."""
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(inner + self.shortcut(x))


class Conv1d(Frozen):
    """``stem``, then residual stages ``layer1 …``; each after the first halves the length; the last ends in the mean.

    Attributes:
        name: Its name in the table.
        width: Channels of the stem; doubled by every stage after the first.
        depth: Number of residual stages.
        stride: Steps of time from one position of the stem to the next; more makes long sequences cheap.
        norm: Whose statistics batch normalization holds in a shared stage: those of all its tasks (``shared``), or
            each task its own (``per_task``).
    """

    name: Literal["conv1d"] = "conv1d"
    width: int = Field(default=16, ge=1)
    depth: int = Field(default=3, ge=1)
    stride: int = Field(default=1, ge=1)
    norm: Norm = "shared"

    def build(self, rows: Tensor) -> Trunk:
        """The trunk for vectors over time, shape ``(batch, length, n_inputs)``.

        Raises:
            InputError: Rows of another shape.
        """
        if rows.ndim != 3 or not rows.is_floating_point():
            raise InputError(
                f"trunk: conv1d takes sequences of vectors of shape (length, n_inputs), found rows of shape "
                f"{tuple(rows.shape[1:])}; give `shape` in the problem, or use another trunk"
            )
        kernel = max(KERNEL, 2 * self.stride - 1)  # so wide that no step is skipped, whatever the length
        first = _over_time(rows.shape[2], self.width, kernel, self.stride)
        stem = nn.Sequential(ChannelsFirst(), first, nn.BatchNorm2d(self.width), nn.ReLU())
        stages: dict[str, nn.Module] = {"stem": stem}
        n_in = self.width
        for k in range(self.depth):
            n_out = self.width * 2**k
            stages[f"layer{k + 1}"] = TimeBlock(n_in, n_out, 1 if k == 0 else 2)
            n_in = n_out
        last = f"layer{self.depth}"
        stages[last] = nn.Sequential(stages[last], nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return Trunk(stages, norm=self.norm)
