/** Numbers as the page writes them. */

const thousands = new Intl.NumberFormat("en-GB");

export const formatCount = (value: number): string => thousands.format(Math.round(value));

/** `12.6 M`, `77.9 k`. */
export function formatMagnitude(value: number): string {
  for (const [factor, symbol] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const)
    if (value >= factor) return `${Number((value / factor).toPrecision(3))} ${symbol}`;
  return String(Number(value.toPrecision(3)));
}

/** A share in [0, 1] as per cent. */
export const formatShare = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

/** How many times smaller `part` is: `9.2×`. */
export const formatTimes = (whole: number, part: number): string => `${Number((whole / part).toPrecision(2))}×`;

/** `1 picture`, `2 pictures`. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${formatCount(count)} ${count === 1 ? one : many}`;
