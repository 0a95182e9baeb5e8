/** The frame of a plot: two scales, their ticks and names, and a faint grid. */

import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from "d3-scale";
import type { Box } from "./label-placement.ts";
import { element, label } from "./svg.ts";

export type Scale = ScaleContinuousNumeric<number, number>;

/** `78k`, `2.4M`, `630M`, `5.2G`: numbers of parameters and multiply-adds. */
export function formatMagnitude(value: number): string {
  const [unit, symbol] = (
    [
      [1e9, "G"],
      [1e6, "M"],
      [1e3, "k"],
    ] as const
  ).find(([size]) => value >= size) ?? [1, ""];
  const scaled = value / unit;
  return `${Number(scaled.toPrecision(scaled >= 100 ? 3 : 2))}${symbol}`;
}

export const formatShare = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

/** Room on either side of what is shown, as a share of its extent. */
const margin = 0.08;

/** Logarithmic, a little wider than the values. @param values above 0, at least one. */
export function logarithmic(values: readonly number[], from: number, to: number): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high / low) ** margin * 1.2;
  return scaleLog()
    .domain([low / room, high * room])
    .range([from, to]);
}

/** Linear, a little wider than the values and never below 0. */
export function linear(values: readonly number[], from: number, to: number): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) * margin || Math.abs(high) * margin || 1;
  return scaleLinear()
    .domain([Math.max(0, low - room), high + room])
    .range([from, to]);
}

/** 1, 2 and 5 times powers of ten, or what lies closer where those are too few. */
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
    label(y.name, left - 50, top + frame.height / 2, { size: 12.5, anchor: "middle", rotate: -90 }),
  ].join("");
}
