/**
 * A team of threads that share one memory: how one call of a kernel is spread over them.
 *
 * The kernel's arguments are written at JOB, then `parallel(chunk, count)` opens the job. Each thread, the caller included, has a range of
 * the chunks as its own. It claims the chunks of its range one by one, and then those that are left in the other ranges. What a chunk
 * computes depends on its number and the arguments alone, never on which thread runs it or how many threads there are. So results are
 * bit-identical for every thread count.
 *
 * The ranges keep a part of a tensor in the cache of one core. Chunks are numbered along the batch, so the thread that wrote an image in
 * one kernel usually reads it in the next. A core reads what another core wrote at half the speed, or less.
 *
 * When no chunk is left to claim, the caller closes the job and waits until every worker has left it. Then the next call may overwrite the
 * arguments. Waiting threads spin for a short time, because calls follow each other within microseconds in a training step, and then sleep
 * (`spin`). A browser's main thread must not sleep, so it goes on spinning.
 */

import { jobAddress } from "../shared/sizes";

// Each counter has its own cache line: two counters in one line would slow down the threads that write them.
const SEQUENCE: usize = 64;
const ACTIVE: usize = 128;
const SLEEPERS: usize = 192;
const OPEN: usize = 256; // then the chunk function and the number of threads
const CHUNK: usize = OPEN + 4;
const MEMBERS: usize = OPEN + 8;
const STOP: usize = 320;
const CALLER_SLEEPS: usize = STOP + 4;

/** For each of the at most 64 threads a line with the next chunk of its range, and the end of the range. */
const ranges: usize = memory.data(64 * 64, 64);

/** The address of the running kernel's arguments, which every thread reads. */
export const JOB: usize = jobAddress;

/** Looks at a counter between two looks at the clock, and the most looks at the clock: the bound on a clock that stands still. */
const LOOKS = 256;
const ROUNDS = 4096;
/**
 * Milliseconds for which a thread spins before it sleeps. It is longer than the host takes between most kernels of a training step:
 * waking a sleeper in each gap costs a tenth of the step.
 */
const SPIN: f64 = 0.4;
/**
 * Where other programs need the core, a spinning thread takes it from them, and perhaps from the thread that it waits for. If LOOKS looks
 * took longer than LOST, the system has run something else on this core meanwhile. Then the thread spins for CROWDED_SPIN only, until no
 * time has been lost for CROWDED. All are milliseconds.
 */
const LOST: f64 = 0.2;
const CROWDED: f64 = 50;
const CROWDED_SPIN: f64 = 0.02;
/** The longest sleep of the caller in nanoseconds. A worker that finishes wakes the caller earlier. */
const CALLER_SLEEP: i64 = 1000000;

/** Which member of the team this instance is; 0 is the caller. Each thread has its own instance of the module, and so its own globals. */
let member: i32 = 0;
let workers: i32 = 0;
let mayBlock: bool = false;
let crowdedUntil: f64 = 0;

/**
 * The kernels call this host function repeatedly while the caller waits. The host throws if nothing has changed for seconds, as a worker
 * must have died.
 */
@external("env", "waiting")
declare function waiting(job: i32, progress: i32): void;

/** Milliseconds of a clock that never goes back. */
@external("env", "clock")
declare function clock(): f64;

@inline
export function thread(): usize {
  return member;
}

export function setWorkers(count: i32, callerMayBlock: bool): void {
  workers = count;
  mayBlock = callerMayBlock;
}

/** Where the range of a thread stands. */
@inline
function rangeOf(owner: i32): usize {
  return ranges + ((<usize>owner) << 6);
}

/** Computes chunks until all are claimed. */
function drain(): void {
  const chunk = load<u32>(CHUNK);
  const members = load<i32>(MEMBERS);
  for (let turn = 0; turn < members; turn++) {
    const owner = member + turn;
    const range = rangeOf(owner < members ? owner : owner - members);
    const end = load<i32>(range + 4);
    for (let i = atomic.add<i32>(range, 1); i < end; i = atomic.add<i32>(range, 1)) call_indirect<void>(chunk, i);
  }
}

/** Looks at the counter at `address` until it differs from `value`, for a short time at most. Returns whether it differs. */
function spin(address: usize, value: i32): bool {
  let start: f64 = 0, last: f64 = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (let looks = 0; looks < LOOKS; looks++) if (atomic.load<i32>(address) != value) return true;
    const now = clock();
    if (round == 0) start = now;
    else if (now - last > LOST) crowdedUntil = now + CROWDED;
    if (now - start > (now < crowdedUntil ? CROWDED_SPIN : SPIN)) return false;
    last = now;
  }
  return false;
}

/** Waits until no worker is in the job. */
function awaitWorkers(): void {
  for (let active = atomic.load<i32>(ACTIVE); active > 0; active = atomic.load<i32>(ACTIVE)) {
    if (spin(ACTIVE, active)) continue;
    if (mayBlock) {
      // A worker leaves before it asks whether the caller sleeps, and the caller says so before it sleeps. So either the worker wakes the
      // caller, or the counter has changed and the caller does not fall asleep.
      atomic.store<i32>(CALLER_SLEEPS, 1);
      atomic.wait<i32>(ACTIVE, active, CALLER_SLEEP);
      atomic.store<i32>(CALLER_SLEEPS, 0);
    }
    waiting(atomic.load<i32>(SEQUENCE), active);
  }
}

/**
 * Runs chunk(0) … chunk(count − 1), on the whole team where `shared` is set. A job of a few microseconds costs less on the caller alone.
 */
export function parallel(chunk: (i: i32) => void, count: i32, shared: bool): void {
  if (!shared || workers == 0 || count < 2) {
    for (let i = 0; i < count; i++) chunk(i);
    return;
  }
  const members = workers + 1;
  store<u32>(CHUNK, chunk.index);
  store<i32>(MEMBERS, members);
  for (let owner = 0; owner < members; owner++) {
    const range = rangeOf(owner);
    store<i32>(range, <i32>((<i64>count * owner) / members));
    store<i32>(range + 4, <i32>((<i64>count * (owner + 1)) / members));
  }
  atomic.store<i32>(OPEN, 1);
  atomic.add<i32>(SEQUENCE, 1);
  if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(SEQUENCE, count - 1);
  drain();
  atomic.store<i32>(OPEN, 0);
  awaitWorkers();
}

/** The loop that a worker runs for its whole life. It returns when the team is dismissed. */
export function work(index: i32): void {
  member = index;
  let seen = 0;
  while (true) {
    while (!spin(SEQUENCE, seen)) {
      // As in `awaitWorkers`: the caller counts the job before it asks for sleepers.
      atomic.add<i32>(SLEEPERS, 1);
      atomic.wait<i32>(SEQUENCE, seen, -1);
      atomic.sub<i32>(SLEEPERS, 1);
    }
    // In this order: the dismissal counts as a job, and a worker that has seen its number must see the dismissal too.
    seen = atomic.load<i32>(SEQUENCE);
    if (atomic.load<i32>(STOP) != 0) return;
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
