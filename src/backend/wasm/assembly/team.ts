/**
 * A team of threads that share one memory: how one call of a kernel is spread over them.
 *
 * The kernel's arguments are written at JOB, then `parallel(chunk, count)` opens the job. Every thread, the caller
 * included, claims chunk numbers from one atomic counter until none is left. What a chunk computes depends on its number and
 * the arguments alone, never on which thread runs it or how many threads there are. So results are bit-identical for every thread count.
 *
 * The caller computes chunks, then spins until the other threads have finished their last chunks. Where it may (not on a browser's main
 * thread) it also sleeps: on a busy machine, spinning would take the core that a worker waits for. The caller waits until every
 * worker has left the job, so that the next call may overwrite the arguments.
 *
 * Workers spin for a short time before they sleep, because calls follow each other within microseconds in a training step.
 */

import { jobAddress } from "../shared/sizes";

// Each counter has its own cache line: two counters in one line would slow down the threads that write them.
const SEQUENCE: usize = 64;
const NEXT: usize = 128;
const DONE: usize = 192;
const ACTIVE: usize = 256;
const SLEEPERS: usize = 320;
const OPEN: usize = 384; // then the chunk function and the number of chunks
const CHUNK: usize = OPEN + 4;
const COUNT: usize = OPEN + 8;
const STOP: usize = 448;
const CALLER_SLEEPS: usize = STOP + 4;

/** The address of the running kernel's arguments, which every thread reads. */
export const JOB: usize = jobAddress;

/**
 * How often a thread asks before it goes to sleep. A worker asks for about 0.2 ms, which is longer than the host takes between two kernels
 * of a training step. Waking a sleeper in each gap costs a tenth of the step (WRN-10-1, batch 32, two threads:
 * 53 ms with 8192 spins, 48 ms with 65536).
 */
const WORKER_SPINS = 65536;
const CALLER_SPINS = 32768;
/** The longest sleep of the caller in nanoseconds. A worker that finishes wakes the caller earlier. */
const CALLER_SLEEP: i64 = 1000000;

/** Which member of the team this instance is; 0 is the caller. Each thread has its own instance of the module, and so its own globals. */
let member: i32 = 0;
let workers: i32 = 0;
let mayBlock: bool = false;

/**
 * The kernels call this host function repeatedly while the caller waits. The host throws if nothing has changed for seconds, as a worker
 * must have died.
 */
@external("env", "waiting")
declare function waiting(job: i32, progress: i32): void;

@inline
export function thread(): usize {
  return member;
}

export function setWorkers(count: i32, callerMayBlock: bool): void {
  workers = count;
  mayBlock = callerMayBlock;
}

function drain(): void {
  const chunk = load<u32>(CHUNK);
  const count = load<i32>(COUNT);
  for (let i = atomic.add<i32>(NEXT, 1); i < count; i = atomic.add<i32>(NEXT, 1)) {
    call_indirect<void>(chunk, i);
    atomic.add<i32>(DONE, 1);
    if (atomic.load<i32>(CALLER_SLEEPS) != 0) atomic.notify(DONE, 1);
  }
}

/** Waits until the counter at `address` differs from `value`, or a short time has passed. */
function pause(address: usize, value: i32): void {
  for (let spins = 0; spins < CALLER_SPINS; spins++) if (atomic.load<i32>(address) != value) return;
  if (mayBlock) {
    atomic.store<i32>(CALLER_SLEEPS, 1);
    atomic.wait<i32>(address, value, CALLER_SLEEP);
    atomic.store<i32>(CALLER_SLEEPS, 0);
  }
  waiting(atomic.load<i32>(SEQUENCE), value);
}

/**
 * Runs chunk(0) … chunk(count − 1), on the whole team where `shared` is set. A job of a few microseconds costs less on the caller alone.
 */
export function parallel(chunk: (i: i32) => void, count: i32, shared: bool): void {
  if (!shared || workers == 0 || count < 2) {
    for (let i = 0; i < count; i++) chunk(i);
    return;
  }
  store<u32>(CHUNK, chunk.index);
  store<i32>(COUNT, count);
  atomic.store<i32>(NEXT, 0);
  atomic.store<i32>(DONE, 0);
  atomic.store<i32>(OPEN, 1);
  atomic.add<i32>(SEQUENCE, 1);
  if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(SEQUENCE, count - 1);
  drain();
  for (let done = atomic.load<i32>(DONE); done < count; done = atomic.load<i32>(DONE)) pause(DONE, done);
  atomic.store<i32>(OPEN, 0);
  for (let active = atomic.load<i32>(ACTIVE); active > 0; active = atomic.load<i32>(ACTIVE)) pause(ACTIVE, active);
}

/** The loop that a worker runs for its whole life. It returns when the team is dismissed. */
export function work(index: i32): void {
  member = index;
  let seen = 0;
  while (true) {
    let spins = 0;
    while (atomic.load<i32>(SEQUENCE) == seen) {
      if (++spins < WORKER_SPINS) continue;
      atomic.add<i32>(SLEEPERS, 1);
      atomic.wait<i32>(SEQUENCE, seen, -1);
      atomic.sub<i32>(SLEEPERS, 1);
      spins = 0;
    }
    if (atomic.load<i32>(STOP) != 0) return;
    seen = atomic.load<i32>(SEQUENCE);
    // A worker enters before it looks whether the job is open. The caller closes the job and then waits for ACTIVE = 0, so no worker reads
    // arguments after that.
    atomic.add<i32>(ACTIVE, 1);
    if (atomic.load<i32>(OPEN) != 0) drain();
    atomic.sub<i32>(ACTIVE, 1);
    if (atomic.load<i32>(CALLER_SLEEPS) != 0) atomic.notify(ACTIVE, 1);
  }
}

/** Ends the loop of every worker. */
export function dismiss(): void {
  workers = 0;
  atomic.store<i32>(STOP, 1);
  atomic.add<i32>(SEQUENCE, 1);
  atomic.notify(SEQUENCE, -1);
}
