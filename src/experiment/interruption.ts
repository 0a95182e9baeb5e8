/** The user interrupted the work. Nothing went wrong, and the program ends with the exit code of a shell for SIGINT, 128 + 2. */
export class Interruption extends Error {
  override name = "Interruption";
  static readonly exitCode = 130;
}
