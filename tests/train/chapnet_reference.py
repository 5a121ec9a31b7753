"""CHAPNet in plain numpy, in double precision and with loops: a second implementation, out of a net's tensors alone."""

import numpy as np

EPSILON = 1e-5
Tensors = dict[str, np.ndarray]


def part(tensors: Tensors, name: str) -> Tensors:
    return {key.removeprefix(f"{name}."): values for key, values in tensors.items() if key.startswith(f"{name}.")}


def conv(x: np.ndarray, weight: np.ndarray, *, stride: int = 1, pad: int = 0) -> np.ndarray:
    """Return a convolution of (c, h, w) without bias."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    size = weight.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(weight, windows, ([1, 2, 3], [0, 3, 4]))


def norm(x: np.ndarray, tensors: Tensors, name: str) -> np.ndarray:
    """Return x, channels first, normalised as in use."""
    weight, bias, mean, variance = (tensors[f"{name}.{kind}"] for kind in ("weight", "bias", "running_mean", "running_var"))
    shape = (-1,) + (1,) * (x.ndim - 1)
    scaled = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + EPSILON)
    return scaled * weight.reshape(shape) + bias.reshape(shape)


def relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0)


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


def block(x: np.ndarray, tensors: Tensors, stride: int) -> np.ndarray:
    skip = x
    if "downsample.0.weight" in tensors:
        skip = norm(conv(x, tensors["downsample.0.weight"], stride=stride), tensors, "downsample.1")
    y = relu(norm(conv(x, tensors["conv1.weight"], stride=stride, pad=1), tensors, "bn1"))
    return relu(norm(conv(y, tensors["conv2.weight"], pad=1), tensors, "bn2") + skip)


def stages(x: np.ndarray, tensors: Tensors, strides: tuple[int, ...]) -> np.ndarray:
    for stage, stride in enumerate(strides):
        blocks = part(tensors, f"layer{stage + 1}")
        for i in range(1 + max(int(name.split(".")[0]) for name in blocks)):
            x = block(x, part(blocks, str(i)), stride if i == 0 else 1)
    return x


def compact(x: np.ndarray, tensors: Tensors, strides: tuple[int, ...]) -> np.ndarray:
    """Return the map of the small net; its patches do not overlap."""
    weight = tensors["conv1.weight"]
    x = relu(norm(conv(x, weight, stride=weight.shape[2]), tensors, "bn1"))
    return relu(norm(conv(stages(x, tensors, strides), tensors["conv2.weight"]), tensors, "bn2"))


def resnet(x: np.ndarray, tensors: Tensors, strides: tuple[int, ...]) -> np.ndarray:
    x = np.pad(relu(norm(conv(x, tensors["conv1.weight"], stride=2, pad=3), tensors, "bn1")), ((0, 0), (1, 1), (1, 1)))
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max((3, 4))
    return stages(x, tensors, strides)


def largest(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return adaptive max pooling: cell i holds the pixels floor(i s / cells) to ceil((i + 1) s / cells)."""
    out = np.empty((len(x), height, width))
    rows, cols = x.shape[1:]
    for i in range(height):
        for j in range(width):
            of_rows = slice(i * rows // height, int(np.ceil((i + 1) * rows / height)))
            of_cols = slice(j * cols // width, int(np.ceil((j + 1) * cols / width)))
            out[:, i, j] = x[:, of_rows, of_cols].max((1, 2))
    return out


def attention(nodes: np.ndarray, tensors: Tensors) -> tuple[np.ndarray, np.ndarray]:
    """Return what comes to each node of all, and the shares, (v, v), one pair of nodes after the other."""
    h = [tensors["weight.weight"] @ node for node in nodes]
    shares = np.empty((len(h), len(h)))
    for i in range(len(h)):
        scores = [leaky(tensors["source.weight"][0] @ h[i] + tensors["towards.weight"][0] @ h[j]) for j in range(len(h))]
        shares[i] = np.exp(scores) / np.exp(scores).sum()
    return np.array([sum(shares[i, j] * h[j] for j in range(len(h))) for i in range(len(h))]), shares


def relationship(context: np.ndarray, target: np.ndarray, tensors: Tensors) -> tuple[np.ndarray, np.ndarray]:
    """Return the 256 numbers and the attention of three heads and of the last."""
    wide = relu(norm(conv(largest(context, 180, 180), tensors["context.weight"]), tensors, "context_norm"))[0]
    tall = relu(norm(conv(largest(target, 60, 15), tensors["target.weight"]), tensors, "target_norm"))[0]
    nodes = [wide[30 * i : 30 * i + 30, 30 * j : 30 * j + 30].ravel() for i in range(6) for j in range(6)]
    seen = [attention(np.array([*nodes, tall.ravel()]), part(tensors, f"heads.{k}")) for k in range(3)]
    found, last = attention(elu(np.hstack([one for one, _ in seen])), part(tensors, "out"))
    mean = elu(found).mean(0)
    pairs = [mean[2 * i : 2 * i + 2] for i in range(128)]
    return relu(np.array([max(p) for p in pairs] + [sum(p) / 2 for p in pairs])), np.array([*(s for _, s in seen), last])


def target(features: np.ndarray, maps: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return the strongest landmark of each channel, 0 where none is valid, and the means of neighbours."""
    means = [[(channel * m).sum() / m.sum() for m, seen in zip(maps, valid, strict=True) if seen] for channel in features]
    strongest = np.array([max(values, default=0) for values in means])
    group = len(strongest) // 128
    return np.array([strongest[group * i : group * (i + 1)].mean() for i in range(128)])


def emotion(person: np.ndarray, scene: np.ndarray, tensors: Tensors) -> np.ndarray:
    x = norm(np.concatenate([person, scene]), tensors, "norm")
    x = leaky(norm(tensors["first.weight"] @ x, tensors, "first_norm"))
    return tensors["last.weight"] @ x + tensors["last.bias"]


def person(seen: np.ndarray, scene: np.ndarray, tensors: Tensors) -> np.ndarray:
    pooled = norm(np.array([max(scene[2 * i : 2 * i + 2]) for i in range(512)]), tensors, "norm")
    x = np.concatenate([norm(seen, tensors, "seen_norm"), relu(norm(tensors["scene.weight"] @ pooled, tensors, "scene_norm"))])
    x = leaky(norm(tensors["first.weight"] @ x, tensors, "first_norm"))
    x = leaky(norm(tensors["second.weight"] @ x, tensors, "second_norm"))
    return tensors["last.weight"] @ x + tensors["last.bias"]
