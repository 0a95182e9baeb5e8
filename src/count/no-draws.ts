/** A random stream that draws nothing. A network that is only counted needs no numbers, and drawing millions of them would take seconds. */

import { Random } from "../core/random.ts";

export class NoDraws extends Random {
  constructor() {
    super(0);
  }

  override get isRandom(): boolean {
    return false;
  }

  override fork(): Random {
    return this;
  }

  override bits(): number {
    return 0;
  }

  override uniform(): number {
    return 0;
  }

  override integer(): number {
    return 0;
  }

  override normal(): number {
    return 0;
  }
}
