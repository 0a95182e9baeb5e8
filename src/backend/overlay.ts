/**
 * Fast kernels laid over the reference kernels. Each fast kernel has a predicate that says which calls it accepts;
 * the reference computes the other calls.
 */

import type { DType } from "../tensor/storage.ts";
import type { KernelName, Kernels } from "./kernels.ts";

/**
 * Which calls a fast kernel accepts: as data, which `separable info` and docs/backends.md list, and as the predicate that decides each
 * call.
 */
export interface Acceptance<Name extends KernelName = KernelName> {
  /** The dtypes of the floating operands and of the result. */
  readonly dtypes: readonly DType[];
  /** The most axes that remain when neighbouring axes are joined where they can be. Default: any number. */
  readonly maximumRank?: number;
  /** Whether the first operand must have elements. Default: false. */
  readonly nonEmpty?: boolean;
  /** Whether the fast kernel computes this call. The predicate runs before every call, so it must cost a few nanoseconds at most. */
  readonly accepts: (...call: Parameters<Required<Kernels>[Name]>) => boolean;
}

export type Acceptances<Name extends KernelName> = { readonly [K in Name]: Acceptance<K> };

type Call<Result> = (...operands: unknown[]) => Result;

const choosing =
  (accepts: Call<boolean>, fast: Call<unknown>, reference: Call<unknown>): Call<unknown> =>
  (...operands) =>
    accepts(...operands) ? fast(...operands) : reference(...operands);

/**
 * The reference kernels with `fast` kernels laid over them. A call goes to the fast kernel where `accepts` says so, else to the reference
 * kernel of the same name. The compiler demands a predicate for every fast kernel.
 */
export function overlay<Reference extends Pick<Kernels, KernelName>, Name extends KernelName>(
  reference: Reference,
  fast: Pick<Kernels, Name>,
  accepts: Acceptances<Name>,
): Reference {
  const names = Object.keys(accepts) as Name[];
  const laidOver = names.map((name) => [
    name,
    choosing(accepts[name].accepts as Call<boolean>, fast[name] as Call<unknown>, reference[name] as Call<unknown>),
  ]);
  return { ...reference, ...Object.fromEntries(laidOver) };
}
