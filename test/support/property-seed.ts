/** Gives every property the seed of PROPERTY_SEED, where there is one, so that two runs of one tree draw the same cases. */

import fc from "fast-check";
import { inject } from "vitest";

const seed = inject("propertySeed");
if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
