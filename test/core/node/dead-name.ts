/** Names of files that a process left which no longer runs. */

import { ownedName } from "../../../src/core/node/process-identity.ts";

/**
 * A name as a process of this machine made it that had the number of this process, and that started at another time. So it has ended.
 */
export const deadName = (prefix: string): string => ownedName(prefix).replace(/-\d+(?=-[0-9a-f]{12}$)/, "-1");
