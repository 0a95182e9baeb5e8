/** The trained network that comes with the lens. docs/playground.md says how it was made. */

export const shippedNetwork = {
  title: "WRN-10-1",
  /** The file beside the scripts of the labs. */
  file: "wrn-10-1-cifar10.safetensors",
  /** Of the test images of CIFAR-10, in [0, 1]. */
  accuracy: 0.811,
} as const;
