"""PyTorch's side of `npm run bench:torch`: plain modules and functions on the numbers that it is given.

It reads one JSON request a line from stdin and writes one JSON answer a line to stdout, until stdin ends:
  {"do": "facts"}                                         -> versions, threads and the instruction set that PyTorch uses
  {"do": "prepare", "problem", "operands", "step"}        -> {"results"}: every result of one repetition
  {"do": "turn", "milliseconds"}                          -> {"times"}: repetitions until that time is over, at least one
An answer may be {"error"} instead. Arrays are {"shape", "data"} with little-endian float32 in base64.
"""

import base64
import json
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def decode(array):
    data = bytearray(base64.b64decode(array["data"]))
    return torch.frombuffer(data, dtype=torch.float32).reshape(array["shape"]).clone()


def encode(tensor):
    return base64.b64encode(tensor.detach().contiguous().numpy().tobytes()).decode("ascii")


# The 3x3 convolutions of the blocks, with the parameter names of the published code. Sizes are those of the given parameters.


class Conv(nn.Module):
    def __init__(self, inputs, outputs, stride, shapes):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)

    def forward(self, x):
        return self.conv(x)


class Separable(nn.Module):
    """A depthwise 3x3 convolution. Subclasses add the map at every pixel."""

    def __init__(self, inputs, stride):
        super().__init__()
        self.grouped = nn.Conv2d(inputs, inputs, 3, stride=stride, padding=1, groups=inputs, bias=False)


class Sep(Separable):
    def __init__(self, inputs, outputs, stride, shapes):
        super().__init__(inputs, stride)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x):
        return self.pointwise(self.grouped(x))


class Generic(Separable):
    def __init__(self, inputs, outputs, stride, shapes):
        super().__init__(inputs, stride)
        rank = shapes["lowrank_contract.weight"][0]
        self.lowrank_contract = nn.Conv2d(inputs, rank, 1, bias=False)
        self.lowrank_expand = nn.Conv2d(rank, outputs, 1, bias=False)

    def forward(self, x):
        return self.lowrank_expand(self.lowrank_contract(self.grouped(x)))


class Shuffle(nn.Module):
    def __init__(self, inputs, outputs, stride, shapes):
        super().__init__()
        bottleneck, per_group = shapes["shuffle_gconv1.weight"][:2]
        self.groups = inputs // per_group
        self.shuffle_gconv1 = nn.Conv2d(inputs, bottleneck, 1, groups=self.groups, bias=False)
        self.shuffle_dwconv = nn.Conv2d(bottleneck, bottleneck, 3, stride=stride, padding=1, groups=bottleneck, bias=False)
        self.shuffle_gconv2 = nn.Conv2d(bottleneck, outputs, 1, groups=self.groups, bias=False)

    def forward(self, x):
        z = self.shuffle_gconv1(x)
        n, c, h, w = z.shape
        z = z.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.shuffle_gconv2(self.shuffle_dwconv(z))


KINDS = {"Conv": Conv, "Sep": Sep, "Generic": Generic, "Shuffle": Shuffle}


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, convolution):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = convolution("conv1", inputs, outputs, stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = convolution("conv2", outputs, outputs, 1)
        self.convShortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x):
        activated = F.relu(self.bn1(x))
        inner = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        return inner + (x if self.convShortcut is None else self.convShortcut(activated))


class NetworkBlock(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, depth, width, classes, kind, shapes):
        super().__init__()
        count = (depth - 4) // 6

        def group(index, inputs, outputs, stride):
            def block(i):
                def convolution(name, inside, outside, step):
                    prefix = f"block{index}.0.layer.{i}.{name}."
                    own = {key[len(prefix):]: shape for key, shape in shapes.items() if key.startswith(prefix)}
                    return KINDS[kind](inside, outside, step, own)

                return BasicBlock(inputs if i == 0 else outputs, outputs, stride if i == 0 else 1, convolution)

            return nn.Sequential(NetworkBlock([block(i) for i in range(count)]))

        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.block1 = group(1, 16, 16 * width, 1)
        self.block2 = group(2, 16 * width, 32 * width, 2)
        self.block3 = group(3, 32 * width, 64 * width, 2)
        self.bn1 = nn.BatchNorm2d(64 * width)
        self.fc = nn.Linear(64 * width, classes)

    def forward(self, x):
        y = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.relu(self.bn1(y)).mean((2, 3)))


# A problem becomes a function that runs one repetition and returns its results in the order of computation.


def training_step(problem, operands, step):
    parameters, rates = step["parameters"], step["rates"]
    kind = problem["convolution"].split("_")[0]
    if kind not in KINDS:
        raise ValueError(f"no plain module of {kind} is written here")
    shapes = {name: value["shape"] for name, value in parameters.items()}
    network = WideResNet(problem["depth"], problem["width"], step["classes"], kind, shapes)
    given, own = set(parameters), {name for name, _ in network.named_parameters()}
    if given != own:
        raise ValueError(f"the parameters must be those of the module, got {sorted(given ^ own)} on one side only")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            value = decode(parameters[name])
            if value.shape != parameter.shape:
                raise ValueError(f"{name} must be {tuple(parameter.shape)}, got {tuple(value.shape)}")
            parameter.copy_(value)
    network.train()
    optimizer = torch.optim.SGD(
        network.parameters(), lr=rates["learningRate"], momentum=rates["momentum"], weight_decay=rates["weightDecay"]
    )
    images = operands[0]
    labels = torch.tensor(step["labels"])

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return [loss]

    return run


def with_gradients(y, wrt, seed):
    return [y, *torch.autograd.grad(y, wrt, seed)]


def op(problem, operands):
    kind = problem["kind"]
    if kind == "gemm":
        a, b = operands
        return lambda: [a @ b]
    if kind == "dispatch":
        a, b = operands
        return lambda: [a + b for _ in range(problem["count"])]
    if kind == "convolution":
        x, w, g = operands
        groups = problem["groups"]
        if not problem["backward"]:
            return lambda: [F.conv2d(x, w, padding=1, groups=groups)]
        x.requires_grad_()
        w.requires_grad_()
        return lambda: with_gradients(F.conv2d(x, w, padding=1, groups=groups), [x, w], g)
    if kind == "batchNorm":
        x, gamma, beta, g = operands
        wrt = [tensor.requires_grad_() for tensor in (x, gamma, beta)]
        return lambda: with_gradients(F.batch_norm(x, None, None, gamma, beta, training=True), wrt, g)
    if kind == "relu":
        x, g = operands
        x.requires_grad_()
        return lambda: with_gradients(F.relu(x), [x], g)
    raise ValueError(f"unknown problem {kind}")


def prepare(request):
    problem = request["problem"]
    operands = [decode(array) for array in request["operands"]]
    if problem["kind"] == "trainingStep":
        return training_step(problem, operands, request["step"])
    return op(problem, operands)


def turn(run, milliseconds):
    times = []
    while not times or sum(times) < milliseconds:
        start = time.perf_counter()
        last = run()[-1]
        # Reading an element is part of a repetition, on both sides.
        last.detach().reshape(-1)[0].item()
        times.append(1000 * (time.perf_counter() - start))
    return times


def facts():
    capability = [line for line in torch.__config__.show().splitlines() if "CPU capability" in line]
    return {
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "threads": torch.get_num_threads(),
        "oneDNN": torch.backends.mkldnn.is_available(),
        "capability": capability[0].strip(" -").split()[-1] if capability else "unknown",
    }


def main():
    torch.set_num_threads(int(sys.argv[1]))
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "facts":
                answer = facts()
            elif request["do"] == "prepare":
                run = prepare(request)
                # Two losses of a training step show whether the update is right.
                repetitions = 2 if request["problem"]["kind"] == "trainingStep" else 1
                answer = {"results": [encode(result) for _ in range(repetitions) for result in run()]}
            else:
                answer = {"times": turn(run, request["milliseconds"])}
        except Exception as error:  # Every failure is an answer, so that the other rows are still measured.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
