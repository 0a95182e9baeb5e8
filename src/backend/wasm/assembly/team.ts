/**
 * A team of threads that share one memory: how one call of a kernel is spread over them.
 *
 * The caller writes the kernel's arguments at JOB, then `parallel(chunk, count)` opens the job. Every thread, the caller
 * included, claims chunk numbers from one atomic counter until none is left. What a chunk computes depends on its number and
 * the arguments alone, never on who runs it or how many there are: so results are bit-identical for every thread count.
 *
 * The caller computes chunks, then spins for the last of the others, and where it may (not on a browser's main thread) sleeps in
 * between: on a machine with more to do than cores, spinning would take the very core a worker waits for. It also waits until every
 * worker has left the job, so that the next call may overwrite the arguments.
 *
 * Workers spin a little for the next job, as calls follow each other within microseconds in a training step, then sleep.
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
 * How often to ask before going to sleep: a worker for some 0.2 ms, longer than the host takes between two kernels of a training step, since
 * waking a sleeper in each gap costs a tenth of the step (WRN-10-1, batch 32, two threads: 53 ms with 8192, 48 ms with this); the caller less.
 */
const WORKER_SPINS = 65536;
const CALLER_SPINS = 32768;
/** Nanoseconds; a worker that finishes wakes the caller earlier. */
const CALLER_SLEEP: i64 = 1000000;

/** Which member of the team this instance is; 0 is the caller. Globals belong to an instance, so each thread has its own. */
let member: i32 = 0;
let workers: i32 = 0;
let mayBlock: bool = false;

/** Called now and then while the caller waits: the host throws if nothing has moved for seconds, as a worker must have died. */
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

/** Until the counter at `address` has left `value`, or a little while has passed. */
function pause(address: usize, value: i32): void {
  for (let spins = 0; spins < CALLER_SPINS; spins++) if (atomic.load<i32>(address) != value) return;
  if (mayBlock) {
    atomic.store<i32>(CALLER_SLEEPS, 1);
    atomic.wait<i32>(address, value, CALLER_SLEEP);
    atomic.store<i32>(CALLER_SLEEPS, 0);
  }
  waiting(atomic.load<i32>(SEQUENCE), value);
}

/** Runs chunk(0) … chunk(count − 1), on the whole team when `shared`: a job of a few microseconds costs less alone. */
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

/** A worker's whole life: returns when the team is dismissed. */
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
    // Entering before looking: the caller closes the job, then waits for ACTIVE = 0, so nobody reads arguments after that.
    atomic.add<i32>(ACTIVE, 1);
    if (atomic.load<i32>(OPEN) != 0) drain();
    atomic.sub<i32>(ACTIVE, 1);
    if (atomic.load<i32>(CALLER_SLEEPS) != 0) atomic.notify(ACTIVE, 1);
  }
}

/** Sends every worker home. */
export function dismiss(): void {
  workers = 0;
  atomic.store<i32>(STOP, 1);
  atomic.add<i32>(SEQUENCE, 1);
  atomic.notify(SEQUENCE, -1);
}
