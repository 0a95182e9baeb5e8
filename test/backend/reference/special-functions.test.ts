import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { erf, normalCdf, sigmoid } from "../../../src/backend/reference/special-functions.ts";

const finite = fc.double({ min: -1e3, max: 1e3, noNaN: true });
const unit = 2 ** -53;

describe("normalCdf", () => {
  // Computed with mpmath to 50 digits, rounded to float64.
  const known: readonly (readonly [number, number])[] = [
    [-38, 2.88542835e-316],
    [-20.3, 6.429244467698346e-92],
    [-10, 7.619853024160525e-24],
    [-5, 2.866515718791939e-7],
    [-3.0001, 0.0013494549132607172],
    [-2, 0.02275013194817921],
    [-1.5, 0.06680720126885807],
    [-1.0001, 0.15863105806885877],
    [-1, 0.15865525393145705],
    [-0.9999, 0.1586794522137626],
    [-0.5, 0.3085375387259869],
    [-1e-9, 0.49999999960105773],
    [0.25, 0.5987063256829237],
    [0.75, 0.7733726476231318],
    [1, 0.8413447460685429],
    [1.7, 0.955434537241457],
    [3, 0.9986501019683699],
    [6, 0.9999999990134123],
    [9, 1.0],
  ];

  it("has its known values to 12 units in the last place, also far below 0", () => {
    for (const [x, y] of known) expect(Math.abs(normalCdf(x) - y), `normalCdf(${x})`).toBeLessThanOrEqual(12 * 2 * unit * y);
  });

  it("is 0, ½, 1 and NaN at the ends", () => {
    expect([normalCdf(-Infinity), normalCdf(-40), normalCdf(0), normalCdf(40), normalCdf(Infinity), normalCdf(Number.NaN)]).toEqual([
      0,
      0,
      0.5,
      1,
      1,
      Number.NaN,
    ]);
  });

  it("rises, and Φ(x) + Φ(−x) is 1", () => {
    fc.assert(
      fc.property(finite, finite, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(normalCdf(low)).toBeLessThanOrEqual(normalCdf(high) + 2 * unit);
        expect(Math.abs(normalCdf(a) + normalCdf(-a) - 1)).toBeLessThanOrEqual(4 * unit);
      }),
    );
  });
});

describe("erf", () => {
  // Computed with mpmath to 50 digits, rounded to float64.
  const known: readonly (readonly [number, number])[] = [
    [1e-300, 1.1283791670955126e-300],
    [1e-8, 1.1283791670955126e-8],
    [0.1, 0.1124629160182849],
    [0.25, 0.27632639016823696],
    [0.5, 0.5204998778130465],
    [0.75, 0.7111556336535151],
    [1, 0.8427007929497149],
    [1.25, 0.9229001282564583],
    [1.4999, 0.9660932516622953],
    [1.5, 0.9661051464753108],
    [1.75, 0.9866716712191824],
    [2, 0.9953222650189527],
    [2.5, 0.999593047982555],
    [3, 0.9999779095030014],
    [4, 0.9999999845827421],
    [5, 0.9999999999984626],
    [5.8, 0.9999999999999998],
  ];

  it("has its known values to 8 units in the last place", () => {
    for (const [x, y] of known) {
      expect(Math.abs(erf(x) - y)).toBeLessThanOrEqual(8 * 2 * unit * y);
      expect(erf(-x)).toBe(-erf(x));
    }
  });

  it("has its limits, and keeps the sign of zero and NaN", () => {
    expect([erf(0), erf(-0), erf(Infinity), erf(-Infinity), erf(Number.NaN), erf(6), erf(-40)]).toEqual([0, -0, 1, -1, Number.NaN, 1, -1]);
  });

  it("is the integral of its derivative 2/√π·e^(−x²), also where the series meets the continued fraction", () => {
    const places = fc.oneof(fc.double({ min: -5, max: 5, noNaN: true }), fc.double({ min: 1.4, max: 1.6, noNaN: true }));
    fc.assert(
      fc.property(places, fc.double({ min: 1e-3, max: 0.05, noNaN: true }), (x, h) => {
        const density = (t: number): number => (2 / Math.sqrt(Math.PI)) * Math.exp(-t * t);
        // Gauss's rule of three points has the error h⁷/2016000 times the sixth derivative, which is below 140.
        const offset = (h / 2) * Math.sqrt(3 / 5);
        const integral = (h / 18) * (5 * density(x + h / 2 - offset) + 8 * density(x + h / 2) + 5 * density(x + h / 2 + offset));
        expect(Math.abs(erf(x + h) - erf(x) - integral)).toBeLessThanOrEqual((140 * h ** 7) / 2016000 + 20 * unit);
      }),
    );
  });
});

describe("sigmoid", () => {
  // Computed with mpmath to 50 digits, rounded to float64.
  const known: readonly (readonly [number, number])[] = [
    [-700, 9.85967654375977e-305],
    [-100, 3.720075976020836e-44],
    [-30, 9.357622968839299e-14],
    [-5, 0.0066928509242848554],
    [-1, 0.2689414213699951],
    [-1e-9, 0.49999999975],
    [0, 0.5],
    [0.25, 0.5621765008857981],
    [5, 0.9933071490757152],
    [36, 0.9999999999999998],
    [100, 1.0],
  ];

  it("has its known values to 4 units in the last place", () => {
    for (const [x, y] of known) expect(Math.abs(sigmoid(x) - y)).toBeLessThanOrEqual(4 * 2 * unit * y);
  });

  it("has its limits and keeps NaN", () => {
    expect([sigmoid(Infinity), sigmoid(-Infinity), sigmoid(1000), sigmoid(-1000), sigmoid(Number.NaN)]).toEqual([1, 0, 1, 0, Number.NaN]);
  });

  it("is (1 + tanh(x/2))/2", () => {
    fc.assert(
      fc.property(finite, (x) => {
        expect(Math.abs(sigmoid(x) - (1 + Math.tanh(x / 2)) / 2)).toBeLessThanOrEqual(8 * unit);
      }),
    );
  });
});
