/** The classes of a data set, without its images. */

import { imageFolderClasses } from "../../data/node/image-folder.ts";
import { dataFacts } from "../data-facts.ts";
import { isDataName } from "../setting-rules.ts";

/** @throws DataError for a folder that cannot be read. */
export const classesOfData = async (data: string): Promise<readonly string[]> =>
  isDataName(data) ? dataFacts(data).classes : imageFolderClasses(data);
