"""PyTorch's side of test/bench/gpu-card.sh: the rows of `separable bench`, in float32 on CUDA with TF32 off.

    python3 torch_card.py NAME --repeats N --min-seconds S      # prints one JSON object: the times of a repetition in milliseconds
    python3 torch_card.py info                                  # prints what computes

A repetition ends by reading one element, as in `separable bench`. Without CUDA it fails, unless QUICK=1 asks for a try: then the processor
computes, and the row says so.
"""

import argparse
import json
import os
import re
import statistics
import sys
import time

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
import torch_worker as worker


def problem_of(name):
    """The problem of a benchmark, by its name: that of src/bench/benchmarks.ts."""
    fixed = {
        "relu-1m-fwdbwd": {"kind": "relu", "length": 2**20},
        "batchnorm-1m-fwdbwd": {"kind": "batchNorm", "batch": 32, "channels": 32, "size": 32},
    }
    if name in fixed:
        return fixed[name]
    if match := re.fullmatch(r"gemm-(\d+)", name):
        return {"kind": "gemm", "size": int(match[1])}
    if match := re.fullmatch(r"conv3x3-(\d+)-(\d+)-hw(\d+)-b(\d+)(-fwdbwd)?", name):
        inputs, outputs, size, batch = map(int, match.group(1, 2, 3, 4))
        return convolution(batch, inputs, outputs, size, 1, match[5] is not None)
    if match := re.fullmatch(r"depthwise3x3-(\d+)-hw(\d+)-b(\d+)-fwdbwd", name):
        channels, size, batch = map(int, match.group(1, 2, 3))
        return convolution(batch, channels, channels, size, channels, True)
    if match := re.fullmatch(r"wrn-(\d+)-(\d+)-(?:(\S+)-)?step-b(\d+)", name):
        depth, width, batch = map(int, match.group(1, 2, 4))
        return {"kind": "trainingStep", "depth": depth, "width": width, "batch": batch, "convolution": match[3] or "Conv"}
    raise ValueError(f"no problem has the name {name}")


def convolution(batch, inputs, outputs, size, groups, backward):
    sizes = {"batch": batch, "inChannels": inputs, "outChannels": outputs, "size": size, "groups": groups}
    return {"kind": "convolution", "backward": backward, **sizes}


def shapes_of(problem):
    """The shapes of the operands, in the order of src/bench/workload.ts."""
    kind = problem["kind"]
    if kind == "gemm":
        return [[problem["size"]] * 2] * 2
    if kind == "relu":
        return [[problem["length"]]] * 2
    if kind == "batchNorm":
        channels = problem["channels"]
        x = [problem["batch"], channels, problem["size"], problem["size"]]
        return [x, [channels], [channels], x]
    batch, size = problem["batch"], problem["size"]
    weight = [problem["outChannels"], problem["inChannels"] // problem["groups"], 3, 3]
    return [[batch, problem["inChannels"], size, size], weight, [batch, problem["outChannels"], size, size]]


def repetition(problem, device):
    """A function that computes the problem once and returns its results."""
    if problem["kind"] != "trainingStep":
        return worker.op(problem, [2 * torch.rand(shape, device=device) - 1 for shape in shapes_of(problem)])
    convolution = problem["convolution"]
    if convolution not in ("Conv", "Sep"):
        raise ValueError(f"no plain module of {convolution} is written here")
    classes = 10
    network = worker.WideResNet(problem["depth"], problem["width"], classes, convolution, {}).to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images = 2 * torch.rand([problem["batch"], 3, 32, 32], device=device) - 1
    labels = torch.arange(problem["batch"], device=device) % classes

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return [loss]

    return run


def device_of():
    if torch.cuda.is_available():
        return torch.device("cuda")
    if os.environ.get("QUICK") == "1":
        return torch.device("cpu")
    raise RuntimeError("PyTorch must have CUDA, this one has not")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--min-seconds", type=float, default=1)
    arguments = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True  # The fastest algorithm of cuDNN for each convolution.
    device = device_of()
    facts = {"torch": torch.__version__, "device": torch.cuda.get_device_name() if device.type == "cuda" else "the processor"}
    if arguments.name == "info":
        print(json.dumps(facts))
        return
    run = repetition(problem_of(arguments.name), device)
    worker.turn(run, 250 * arguments.min_seconds)
    times = []
    begin = time.perf_counter()
    while len(times) < arguments.repeats or time.perf_counter() - begin < arguments.min_seconds:
        times += worker.turn(run, 0)
    figures = {"ms": statistics.median(times), "minMs": min(times), "maxMs": max(times), "repeats": len(times)}
    print(json.dumps({"name": arguments.name, **figures, **facts}))


main()
