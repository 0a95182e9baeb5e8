/** The list of all built-in families. A new family is a file with a record, and a line here. */

import { acdcFamily, originalAcdcFamily, plainAcdcFamily } from "./acdc.ts";
import { blastFamily } from "./blast.ts";
import { blockTensorTrainFamily, normedBlockTensorTrainFamily } from "./block-tensor-train.ts";
import { butterflyFamily } from "./butterfly.ts";
import { canonicalPolyadicFamily } from "./canonical-polyadic.ts";
import { convFamily } from "./dense.ts";
import { sepFamily } from "./dense-linear.ts";
import { hashedDecimateFamily, hashedFamily, hashedSeparableFamily, sepHashedDecimateFamily, sepHashedFamily } from "./hashed-families.ts";
import { kroneckerFamily } from "./kronecker.ts";
import { lowRankFamily, tiedLowRankFamily } from "./low-rank.ts";
import { matrixTensorTrainFamily } from "./matrix-tensor-train.ts";
import { monarchFamily } from "./monarch.ts";
import { shuffleFamily } from "./shuffle-linear.ts";
import { tensorTrainFamily } from "./tensor-train.ts";
import { tuckerFamily } from "./tucker.ts";

export const families = [
  convFamily,
  sepFamily,
  acdcFamily,
  originalAcdcFamily,
  plainAcdcFamily,
  hashedFamily,
  hashedDecimateFamily,
  sepHashedFamily,
  sepHashedDecimateFamily,
  hashedSeparableFamily,
  lowRankFamily,
  tiedLowRankFamily,
  tensorTrainFamily,
  tuckerFamily,
  canonicalPolyadicFamily,
  shuffleFamily,
  monarchFamily,
  blockTensorTrainFamily,
  normedBlockTensorTrainFamily,
  matrixTensorTrainFamily,
  kroneckerFamily,
  blastFamily,
  butterflyFamily,
] as const;
