/**
 * The commands of the program. The help needs only the names and descriptions in this list. The module of a command is loaded when the
 * command is called, so that `--version` loads no kernel.
 */

import type { DefineCommand } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  readonly description: string;
  /** The arguments as commander writes them, each with its description. Default: none. */
  readonly arguments?: readonly (readonly [name: string, description: string])[];
  /** Whether the command reads runs or grids, which may name a module of families. */
  readonly readsRuns?: true;
  readonly load: () => Promise<DefineCommand>;
}

/** The trained network that a command reads. It is in brackets because an older option may stand in its place (run-argument.ts). */
const runArgument = ["[run]", "a run's folder, whose best checkpoint is read, or a checkpoint file"] as const;

export const commands: readonly CommandEntry[] = [
  {
    name: "train",
    description: "train a network and write the run to a folder",
    readsRuns: true,
    load: async () => (await import("./train-command.ts")).trainCommand,
  },
  {
    name: "eval",
    description: "test a trained network: loss, accuracy, accuracy by class",
    arguments: [runArgument],
    readsRuns: true,
    load: async () => (await import("./eval-command.ts")).evalCommand,
  },
  {
    name: "predict",
    description:
      "classify images with a trained network. Each image is turned upright, laid on white where it is transparent, scaled until its " +
      "shorter side fits the network's input, and cropped to the middle of its longer side",
    arguments: [runArgument, ["[images...]", "PNG and JPEG files"]],
    readsRuns: true,
    load: async () => (await import("./predict-command.ts")).predictCommand,
  },
  {
    name: "sweep",
    description:
      "train every run of a grid of networks, convolutions, seeds and teachers; run the command again to resume an interrupted sweep",
    arguments: [["<file>", "the grid, as JSON (docs/sweeps.md)"]],
    readsRuns: true,
    load: async () => (await import("./sweep-command.ts")).sweepCommand,
  },
  {
    name: "sweep-worker",
    description: "train runs of sweeps that were begun with --redis, here or on other machines, until Ctrl-C",
    readsRuns: true,
    load: async () => (await import("./sweep-worker-command.ts")).sweepWorkerCommand,
  },
  {
    name: "report",
    description: "compare runs on a page: error against parameters and multiply-adds, learning curves, classes, attention",
    arguments: [["<runs...>", "run folders, or folders of a sweep"]],
    readsRuns: true,
    load: async () => (await import("./report-command.ts")).reportCommand,
  },
  {
    name: "compress",
    description: "replace a trained dense network's convolutions by their nearest structured ones",
    arguments: [runArgument],
    readsRuns: true,
    load: async () => (await import("./compress-command.ts")).compressCommand,
  },
  {
    name: "convert",
    description: "write a network as another program's file, or turn such a file into a run",
    arguments: [
      ["<from>", "a run, a checkpoint, a .safetensors of a PyTorch state dict, or an .npz"],
      ["<to>", "a file .safetensors (PyTorch's names), .npz or .onnx; or a folder, for a run that eval, predict and train can read"],
    ],
    readsRuns: true,
    load: async () => (await import("./convert-command.ts")).convertCommand,
  },
  {
    name: "inspect",
    description: "analyse one structured layer: parameters, cost, errors, singular values, and a picture of its matrix",
    readsRuns: true,
    load: async () => (await import("./inspect-command.ts")).inspectCommand,
  },
  {
    name: "data",
    description: "fetch a data set into the cache, check it, and describe it",
    load: async () => (await import("./data-command.ts")).dataCommand,
  },
  {
    name: "bench",
    description: "measure kernels and training steps on this machine",
    load: async () => (await import("./bench-command.ts")).benchCommand,
  },
  {
    name: "count",
    description: "count parameters, multiply-adds and activations of a network, layer by layer",
    load: async () => (await import("./count-command.ts")).countCommand,
  },
  {
    name: "verify",
    description: "compare counts, layers, decompositions and training steps with a folder of expected numbers",
    load: async () => (await import("./verify-command.ts")).verifyCommand,
  },
  {
    name: "playground",
    description: "serve a page on this machine that trains a dense and a structured network side by side, in the browser",
    load: async () => (await import("./playground-command.ts")).playgroundCommand,
  },
  {
    name: "repl",
    description: "open Node's prompt with the library in scope: tensors print, and await works at the top level",
    load: async () => (await import("./repl-command.ts")).replCommand,
  },
  {
    name: "info",
    description: "describe this machine: versions, backend, threads, SIMD or adapter, memory, cache",
    load: async () => (await import("./info-command.ts")).infoCommand,
  },
];
