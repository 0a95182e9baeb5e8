/**
 * WRN-50-2 and MobileNetV2 exist in two state dicts: torchvision's, for dense convolutions, and that of the paper's code, for structured
 * ones. The parts of a network are named after the convolutions that its factory made.
 */

import type { Layer } from "../nn/module.ts";
import { DenseConvolution } from "../structured/dense.ts";

/** Whether torchvision has these convolutions. If not, the names are those of the paper's code. */
export const areDense = (...convolutions: readonly Layer[]): boolean => convolutions.every((layer) => layer instanceof DenseConvolution);
