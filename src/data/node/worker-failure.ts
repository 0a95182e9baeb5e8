/** No worker thread can do the work. The work itself may be sound, so the calling thread does it instead. */
export class WorkerFailure extends Error {
  override name = "WorkerFailure";
}
