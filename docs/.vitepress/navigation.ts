/** What the top of a page and its sidebar link to. A page that is listed nowhere here is found by search and by links only. */

import type { DefaultTheme } from "vitepress";

type Item = DefaultTheme.SidebarItem;

const page = (text: string, link: string): Item => ({ text, link });

const start: Item[] = [
  page("The first hour", "/start"),
  page("Your own images", "/own-images"),
  page("Recipes", "/recipes"),
  page("A console", "/repl"),
  page("The playground", "/playground"),
  page("In a browser", "/browser"),
  page("On a GPU", "/gpu"),
  page("Limits and support", "/support"),
  page("Glossary", "/glossary"),
];

const work: Item[] = [
  page("Layers of your own", "/own-layers"),
  page("A training loop of your own", "/training-loop"),
  page("Runs", "/runs"),
  page("Sweeps", "/sweeps"),
  page("Compression", "/compress"),
  page("Prediction", "/predict"),
  page("Debugging", "/debugging"),
  page("TensorBoard", "/tensorboard"),
  page("safetensors", "/interchange/safetensors"),
  page("ONNX", "/interchange/onnx"),
  page("NumPy", "/interchange/numpy"),
];

const course: Item[] = [
  page("What it is", "/course/"),
  page("1. One multiplication", "/course/1-multiplication"),
  page("2. A chain", "/course/2-chain"),
  page("3. A graph", "/course/3-graph"),
  page("4. Tensors", "/course/4-tensors"),
  page("5. Training", "/course/5-training"),
  page("6. Checking", "/course/6-checking"),
  page("7. Gradients of gradients", "/course/7-gradients-of-gradients"),
];

const families: Item[] = [
  page("All families", "/families/"),
  page("Dense separable", "/families/dense-separable"),
  page("ACDC", "/families/acdc"),
  page("HashedNet", "/families/hashednet"),
  page("Tensor-Train", "/families/tensor-train"),
  page("Tucker", "/families/tucker"),
  page("CP", "/families/canonical-polyadic"),
  page("Low rank", "/families/low-rank"),
  page("Tied low rank", "/families/tied-low-rank"),
  page("Linear ShuffleNet", "/families/linear-shufflenet"),
  page("Monarch", "/families/monarch"),
  page("Block Tensor-Train", "/families/block-tensor-train"),
  page("Matrix Tensor-Train", "/families/matrix-tensor-train"),
  page("Kronecker sum", "/families/kronecker"),
  page("BLAST", "/families/blast"),
  page("Butterfly", "/families/butterfly"),
];

const inside: Item[] = [
  page("Architecture", "/architecture"),
  page("Kernels, with pictures", "/how-kernels-work"),
  page("What runs where", "/backends"),
  page("What gpu.js would need", "/gpu-js-report"),
  page("Decisions", "/decisions/"),
];

const derivations: Item[] = [
  page("Notation and list", "/derivations/"),
  page("Elementwise", "/derivations/elementwise"),
  page("Broadcasting", "/derivations/broadcasting"),
  page("Reductions", "/derivations/reductions"),
  page("Layout", "/derivations/layout"),
  page("Gather, scatter, sorting", "/derivations/indexing"),
  page("Matrix products, einsum", "/derivations/matmul"),
  page("Products along channels", "/derivations/contractions"),
  page("Convolution", "/derivations/convolution"),
  page("Separable convolution", "/derivations/separable"),
  page("Winograd", "/derivations/winograd"),
  page("Pooling", "/derivations/pooling"),
  page("Batch norm", "/derivations/batch-norm"),
  page("Cross entropy", "/derivations/cross-entropy"),
  page("Cosine transform", "/derivations/cosine-transform"),
  page("Decompositions", "/derivations/decompositions"),
  page("Forward mode", "/derivations/forward-mode"),
  page("Checking gradients", "/derivations/gradient-check"),
];

const results: Item[] = [
  page("Results", "/results"),
  page("Benchmarks", "/benchmarks"),
  page("Faithfulness to the paper", "/faithfulness"),
  page("Status", "/status"),
];

const trust: Item[] = [
  page("Threat model", "/threat-model"),
  page("Reliability", "/reliability"),
  page("Deep test", "/deep-test"),
  page("Mutation tests", "/mutation"),
];

const comingFrom: Item[] = [
  page("PyTorch", "/coming-from/pytorch"),
  page("TensorFlow.js", "/coming-from/tfjs"),
  page("TensorLy-Torch", "/coming-from/tltorch"),
];

const layers = ["tensor", "ops", "grad", "tape", "nn", "structured", "compress", "count", "models", "data", "train", "linalg"];
const reference: Item[] = [
  page("All pages", "/api/"),
  ...[...layers, "interchange", "backend", "core"].map((layer) => page(layer, `/api/${layer}`)),
  ...["node", "experiment", "gpu"].map((entry) => page(`separable/${entry}`, `/api/separable/${entry}`)),
];

export const navigation: DefaultTheme.NavItem[] = [
  { text: "Start", link: "/start" },
  { text: "Course", link: "/course/" },
  { text: "Families", link: "/families/" },
  { text: "How it works", link: "/architecture" },
  { text: "Results", link: "/results" },
  { text: "Reference", link: "/api/" },
  { text: "Coming from …", items: comingFrom as DefaultTheme.NavItemWithLink[] },
];

/** A group of the sidebar, which leads to its first page. It is open where the page that is shown belongs to it. */
const group = (text: string, items: Item[]): Item => ({ text, items, link: items[0]!.link!, collapsed: true });

/** One sidebar for all pages. */
export const sidebar: Item[] = [
  group("Start", start),
  group("Work with it", work),
  group("Course", course),
  group("Families", families),
  group("How it works", inside),
  group("Derivations", derivations),
  group("Results", results),
  group("Trust", trust),
  group("Reference", reference),
  group("Coming from …", comingFrom),
];
