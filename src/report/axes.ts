/** The axes of a plot: two scales with their ticks and names, and a grid. */

import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from "d3-scale";
import { largest, smallest } from "../core/extent.ts";
import type { Box } from "./label-placement.ts";
import { element, label } from "./svg.ts";

export type Scale = ScaleContinuousNumeric<number, number>;

/** SI prefixes, the largest first. */
const prefixes = [
  { factor: 1e9, symbol: "G" },
  { factor: 1e6, symbol: "M" },
  { factor: 1e3, symbol: "k" },
];

/** Formats numbers of parameters and multiply-adds: `78k`, `2.4M`, `630M`, `5.2G`. */
export function formatMagnitude(value: number): string {
  const { factor, symbol } = prefixes.find((prefix) => value >= prefix.factor) ?? { factor: 1, symbol: "" };
  const scaled = value / factor;
  return `${Number(scaled.toPrecision(scaled >= 100 ? 3 : 2))}${symbol}`;
}

/** Formats a share in [0, 1] as per cent. @param digits Digits after the point. */
export const formatShare = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

/** Space on either side of the values, as a share of their extent. */
const margin = 0.08;

/** A logarithmic scale, a little wider than the values. @param values At least one, and all above 0. */
export function logarithmic(values: readonly number[], from: number, to: number): Scale {
  const [low, high] = [smallest(values), largest(values)];
  const room = (high / low) ** margin * 1.2;
  return scaleLog()
    .domain([low / room, high * room])
    .range([from, to]);
}

/** A linear scale, a little wider than the values, without numbers below 0. */
export function linear(values: readonly number[], from: number, to: number): Scale {
  const [low, high] = [smallest(values), largest(values)];
  const room = (high - low) * margin || Math.abs(high) * margin || 1;
  return scaleLinear()
    .domain([Math.max(0, low - room), high + room])
    .range([from, to]);
}

/** Ticks at 1, 2 and 5 times powers of ten, or closer ticks where these are fewer than three. */
export function logTicks(scale: Scale): number[] {
  const [low, high] = scale.domain() as [number, number];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const digit of [1, 2, 5]) ticks.push(digit * 10 ** power);
  const inside = ticks.filter((tick) => tick >= low && tick <= high);
  return inside.length >= 3 ? inside : scale.ticks(5);
}

export interface AxesOptions {
  readonly frame: Box;
  readonly x: {
    readonly scale: Scale;
    readonly ticks: readonly number[];
    readonly format: (value: number) => string;
    readonly name: string;
  };
  readonly y: { readonly scale: Scale; readonly format: (value: number) => string; readonly name: string };
}

/** The axes as SVG. */
export function axes({ frame, x, y }: AxesOptions): string {
  const [left, top, right, bottom] = [frame.x, frame.y, frame.x + frame.width, frame.y + frame.height];
  const vertical = x.ticks.map((tick) => {
    const at = x.scale(tick);
    return (
      element("path", { d: `M${at} ${top}V${bottom}`, class: "grid" }) +
      label(x.format(tick), at, bottom + 17, { size: 11, anchor: "middle", className: "soft" })
    );
  });
  const horizontal = y.scale.ticks(6).map((tick) => {
    const at = y.scale(tick);
    return (
      element("path", { d: `M${left} ${at}H${right}`, class: "grid" }) +
      label(y.format(tick), left - 8, at + 4, { size: 11, anchor: "end", className: "soft" })
    );
  });
  return [
    ...vertical,
    ...horizontal,
    element("path", { d: `M${left} ${top}V${bottom}H${right}`, class: "axis" }),
    label(x.name, left + frame.width / 2, bottom + 38, { size: 12.5, anchor: "middle" }),
    label(y.name, left - Math.min(50, left - 14), top + frame.height / 2, { size: 12.5, anchor: "middle", rotate: -90 }),
  ].join("");
}
