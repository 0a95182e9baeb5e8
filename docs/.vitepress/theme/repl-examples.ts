/** The entries that the console offers. */

/** The entry that the console begins with. */
export const firstEntry = "await initBackend()";

export const examples: readonly { readonly title: string; readonly code: string }[] = [
  { title: "Broadcasting", code: "const x = tensor([[1, 2, 3], [4, 5, 6]]);\nmultiply(x, tensor([1, 10, 100]))" },
  { title: "A gradient", code: "const w = tensor([0.5, -1, 2]);\ngradients(sum(multiply(w, w)), [w])" },
  {
    title: "A network",
    code: [
      'const convolution = convolutionFactory({ kind: "TensorTrain", scale: 0.5 });',
      "const network = new WideResNet({ depth: 10, width: 1, convolution }, { random: new Random(0) });",
      "network",
    ].join("\n"),
  },
  { title: "Singular values", code: "const { u, s: values, v } = svd(matrix(2, 2, [3, 0, 4, 5]));\nvalues" },
];
