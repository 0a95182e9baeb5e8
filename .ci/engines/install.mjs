/** Installs the versions of Node that `npm test` runs the wide kernels on. Where they cannot be had, their tests are skipped. */

import { installedNode } from "./node.mjs";

for (const major of [24, 26])
  if (installedNode(major) === undefined) process.stderr.write(`engines: Node ${major} is not installed; its tests are skipped\n`);
