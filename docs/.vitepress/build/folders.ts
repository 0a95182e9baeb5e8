/** The folders that the build of the site reads. */

import { fileURLToPath } from "node:url";

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url)).replace(/\/$/, "");

/** The root of the pages. */
export const docs = folder("../../");
/** The root of the repository. */
export const repository = folder("../../../");
