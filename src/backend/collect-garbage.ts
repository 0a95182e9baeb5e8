/** Runs JavaScript's garbage collector now. */

import { nodeProcess } from "./host-process.ts";

interface Collector {
  /** Whether it also finds objects that were made in the current job. In browsers the job must end first. */
  readonly reachesCurrentJob: boolean;
  collect(): void;
}

let found: Collector | undefined;

const collector = (): Collector => {
  found ??= nodeCollector() ?? browserCollector;
  return found;
};

/**
 * An engine keeps the target of every new or read WeakRef until the current job ends, and then clears its list of such targets. In Node, a
 * script in a context with its own queue of microtasks ends such a job when it returns. A context that is made while the flag --expose-gc
 * is set has the function `gc`. The flag is set for that moment only.
 */
function nodeCollector(): Collector | undefined {
  const node = nodeProcess();
  const [vm, v8] = [node?.getBuiltinModule?.("node:vm"), node?.getBuiltinModule?.("node:v8")];
  if (vm === undefined || v8 === undefined) return undefined;
  const exposed = "gc" in globalThis;
  if (!exposed) v8.setFlagsFromString("--expose-gc");
  const context = vm.createContext({}, { microtaskMode: "afterEvaluate" });
  const gc = vm.runInContext("globalThis.gc", context) as (() => void) | undefined;
  if (!exposed) v8.setFlagsFromString("--no-expose-gc");
  const nothing = new vm.Script("undefined");
  return {
    reachesCurrentJob: true,
    collect: () => {
      nothing.runInContext(context);
      (gc ?? browserCollector.collect)();
    },
  };
}

/**
 * An engine collects all garbage before it refuses an ArrayBuffer for want of memory, so this collector asks for 16 GiB, which no page
 * gets. (Chromium refuses a much larger buffer by its length alone, and collects nothing.)
 */
const browserCollector: Collector = {
  reachesCurrentJob: false,
  collect: () => {
    try {
      new ArrayBuffer(2 ** 34);
    } catch {
      // The refusal is expected.
    }
  },
};

/** Whether `collectGarbage` also finds objects that were made in the current job. */
export const collectsCurrentJob = (): boolean => collector().reachesCurrentJob;

/** Collects all unreachable objects. */
export const collectGarbage = (): void => collector().collect();

/** Ends the current job, so that the collector may take what the job made and dropped. */
export const nextJob = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
