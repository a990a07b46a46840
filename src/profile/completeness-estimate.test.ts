import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  countSeenIn,
  estimateCoverage,
  estimateTotal,
  expectedKinds,
  type IncidenceCounts,
} from './completeness-estimate.ts';

/** `times` kinds that `frequency` units showed each. */
const of = (frequency: number, times: number): number[] => Array.from({ length: times }, () => frequency);

/** `UNITS: FREQUENCYxTIMES ...` */
function parseCounts(text: string): IncidenceCounts {
  const [units = '', rest = ''] = text.split(':');
  const frequencies = rest
    .trim()
    .split(/\s+/)
    .flatMap((word) => {
      const [frequency, times = '1'] = word.split('x');
      return of(Number(frequency), Number(times));
    });
  return { units: Number(units), frequencies };
}

/**
 * Ants on plots of forest floor at five elevations, Longino and Colwell, Ecosphere 2 (2011), art29; the data set `ant` of
 * the R package iNEXT.
 */
const ANTS: Readonly<Record<string, IncidenceCounts>> = {
  h50m: parseCounts(`599: 1x49 2x23 3x18 4x14 5x9 6x10 7x4 8x8 9x6 10x2 11 12x2 13x2 14x5 15x2 16x4 17x3 18x2 19x2 20x3
    21 22 23x2 25 27x2 29 30x2 31 33 39 40 43 46x2 47 48 51 52x2 56x2 58x2 61x2 65 69 72 77 79 82 83 84 86 91 95 97 98x2
    106 113 124 126 127 128 129x2 182 183 186 195 222 236 263 330`),
  h500m:
    parseCounts(`230: 1x71 2x34 3x12 4x14 5x9 6x11 7x8 8x4 9x7 10x5 11x2 12x3 13x4 14x2 15 16x2 17x4 18 19 20 21x2 23
    24 25x3 26 27 30 31x2 32x2 33 34 36 37 38x4 39x2 41 42 43 44 45 46 47 49 52x2 53 54 56 60x2 65 73 78 123 131 133`),
  h1070m:
    parseCounts(`150: 1x28 2x16 3x13 4x3 5 6x3 7x6 8 9 10 11x4 12x3 13x4 14 15 16x4 18 19x2 21 22 23 24 25x3 26 30
    31x3 32 34 36 38 39 43x2 45x2 46 54 60 68 74 80 96 99`),
  h1500m:
    parseCounts(`200: 1x13 2x4 3x2 4x2 5x4 6x2 9x4 11x2 17x2 18 19 23x2 24 25x3 29 30 32 33 43 50 53 73 74 76 79 113
    144`),
  h2000m: parseCounts('200: 1 2x2 3 4 8x2 13 15 19 23 34 59 80'),
};

/** Chao2 without the correction of its bias, as iNEXT has it: (T - 1) / T Q1^2 / (2 Q2). */
const classicUnseen = (counts: IncidenceCounts): number => {
  const [q1, q2] = [countSeenIn(counts, 1), countSeenIn(counts, 2)];
  return (((counts.units - 1) / counts.units) * q1 ** 2) / (2 * q2);
};

describe('the ants of Costa Rica, as iNEXT 3.0 prints them', () => {
  it.each([
    ['h50m', { seen: 227, incidences: 5976, coverage: 0.9918134, asymptote: 279.108514 }],
    ['h500m', { seen: 241, incidences: 2943, coverage: 0.9759754, asymptote: 314.810038 }],
    ['h1070m', { seen: 122, incidences: 1730, coverage: 0.9839382, asymptote: 146.336667 }],
    ['h1500m', { seen: 56, incidences: 1170, coverage: 0.9889231, asymptote: 77.019375 }],
    ['h2000m', { seen: 14, incidences: 271, coverage: 0.9963827, asymptote: 14.24875 }],
  ])('%s: coverage and asymptote', (place, want) => {
    const counts = ANTS[place]!;
    expect(counts.frequencies).toHaveLength(want.seen);
    expect(counts.frequencies.reduce((sum, each) => sum + each, 0)).toBe(want.incidences);
    expect(estimateCoverage(counts)).toBeCloseTo(want.coverage, 6);
    expect(want.seen + classicUnseen(counts)).toBeCloseTo(want.asymptote, 5);
  });

  it.each([
    ['h50m', 1, 9.976628],
    ['h50m', 299, 193.069392],
    ['h50m', 599, 227],
    ['h50m', 883, 245.732481],
    ['h50m', 1198, 258.745498],
    ['h500m', 115, 194.186777],
    ['h500m', 339, 267.977661],
    ['h500m', 460, 286.546519],
    ['h1070m', 75, 102.135118],
    ['h1070m', 300, 138.600961],
    ['h1500m', 100, 47.982643],
    ['h1500m', 400, 65.684073],
    ['h2000m', 1, 1.355],
    ['h2000m', 100, 12.811923],
    ['h2000m', 400, 14.244103],
  ])('%s: %i plots are expected to show %d species', (place, plots, want) => {
    const counts = ANTS[place]!;
    expect(expectedKinds(counts, plots, classicUnseen(counts))).toBeCloseTo(want, 5);
  });

  it.each([
    ['h50m', 883, 0.9947564],
    ['h50m', 1198, 0.9968008],
    ['h500m', 460, 0.9908005],
    ['h1500m', 295, 0.9917391],
    ['h2000m', 400, 0.9999324],
  ])('%s: coverage of %i plots', (place, plots, want) => {
    const counts = ANTS[place]!;
    expect(estimateCoverage(counts, plots - counts.units)).toBeCloseTo(want, 6);
  });
});

describe('Chao2-bc as SpadeR 0.1.1 (ChaoSpecies, incidence_freq) prints it', () => {
  it.each([
    {
      name: '16 units, 15 species, Q1 = 9, Q2 = 4',
      counts: { units: 16, frequencies: [...of(1, 9), ...of(2, 4), 3, 10] },
      want: { total: 21.75, error: 6.075, low: 16.492, high: 45.544, coverage: 0.717 },
    },
    {
      name: '16 units, 18 species, Q1 = 13, Q2 = 4',
      counts: { units: 16, frequencies: [...of(1, 13), ...of(2, 4), 8] },
      want: { total: 32.625, error: 10.966, low: 21.95, high: 72.154, coverage: 0.569 },
    },
    {
      name: '40 units, 10 species, Q1 = 6, Q2 = 0',
      counts: { units: 40, frequencies: [...of(1, 6), 5, 7, 8, 9] },
      want: { total: 24.625, error: 13.681, low: 13.092, high: 79.18, coverage: 0.83 },
    },
  ])('$name', ({ counts, want }) => {
    const { total, standardError, interval } = estimateTotal(counts);
    expect(total).toBeCloseTo(want.total, 3);
    expect(standardError).toBeCloseTo(want.error, 3);
    expect(interval[0]).toBeCloseTo(want.low, 3);
    expect(interval[1]).toBeCloseTo(want.high, 3);
    expect(estimateCoverage(counts)).toBeCloseTo(want.coverage, 2);
  });
});

describe('samples with little in them', () => {
  it('sees nothing in nothing', () => {
    const nothing = { units: 0, frequencies: [] };
    expect(estimateCoverage(nothing)).toBe(0);
    expect(estimateTotal(nothing)).toEqual({ total: 0, unseen: 0, standardError: 0, interval: [0, 0] });
    expect(expectedKinds(nothing, 0, 0)).toBe(0);
  });

  it('expects nothing new where every unit showed every kind', () => {
    const alike = { units: 5, frequencies: of(5, 30) };
    const { total, unseen, interval } = estimateTotal(alike);
    expect([total, unseen, interval[0]]).toEqual([30, 0, 30]);
    expect(interval[1]).toBeGreaterThan(30);
    expect(interval[1]).toBeLessThan(31.5);
    expect(estimateCoverage(alike)).toBe(1);
    expect(expectedKinds(alike, 10, unseen)).toBe(30);
  });

  it('does not claim full coverage where a single kind was seen once', () => {
    expect(estimateCoverage({ units: 10, frequencies: [...of(10, 9), 1] })).toBeCloseTo(1 - 1 / 91, 12);
  });
});

test('every estimate keeps its bounds, and the curve rises from the mean of one unit to the estimate', () => {
  const samples = fc.integer({ min: 3, max: 60 }).chain((units) =>
    fc.record({
      units: fc.constant(units),
      frequencies: fc.array(fc.integer({ min: 1, max: units }), { minLength: 1, maxLength: 80 }),
    }),
  );
  fc.assert(
    fc.property(samples, (counts) => {
      const seen = counts.frequencies.length;
      const { total, unseen, interval } = estimateTotal(counts);
      expect(total).toBeGreaterThanOrEqual(seen);
      expect(interval[0]).toBeGreaterThanOrEqual(seen - 1e-9);
      expect(interval[1]).toBeGreaterThanOrEqual(interval[0]);
      const coverage = estimateCoverage(counts);
      expect(coverage).toBeGreaterThanOrEqual(0);
      expect(coverage).toBeLessThanOrEqual(1);
      expect(estimateCoverage(counts, 5)).toBeGreaterThanOrEqual(coverage);
      const curve = Array.from({ length: 2 * counts.units + 1 }, (_, at) =>
        expectedKinds(counts, at, unseen),
      );
      expect(curve[0]).toBeCloseTo(0, 9);
      expect(curve[1]).toBeCloseTo(counts.frequencies.reduce((sum, y) => sum + y, 0) / counts.units, 9);
      expect(curve[counts.units]).toBeCloseTo(seen, 9);
      for (let at = 1; at < curve.length; at++) {
        expect(curve[at]!).toBeGreaterThanOrEqual(curve[at - 1]! - 1e-9);
      }
      expect(curve.at(-1)!).toBeLessThanOrEqual(total + 1e-9);
    }),
    { numRuns: 200 },
  );
});

/** Numbers from 0 to 1, the same every time (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** What was drawn from a program whose calls are known, and what was true of it. */
interface Trial {
  readonly counts: IncidenceCounts;
  /** Share of the expected incidences of one more run that falls to calls which were seen. */
  readonly coverage: number;
  /** New calls in as many runs again. */
  readonly fresh: number;
}

/** Runs of a program that makes each call with its own probability. */
function simulate(probabilities: readonly number[], units: number, seed: number): readonly Trial[] {
  const random = randomNumbers(seed);
  const drawAll = (): number[] => {
    const hits = probabilities.map(() => 0);
    for (let unit = 0; unit < units; unit++) {
      for (const [kind, p] of probabilities.entries()) if (random() < p) hits[kind]!++;
    }
    return hits;
  };
  const weight = (has: (kind: number) => boolean): number =>
    probabilities.reduce((sum, p, kind) => sum + (has(kind) ? p : 0), 0);
  return Array.from({ length: 400 }, () => {
    const [hits, again] = [drawAll(), drawAll()];
    return {
      counts: { units, frequencies: hits.filter((hit) => hit > 0) },
      coverage: weight((kind) => hits[kind]! > 0) / weight(() => true),
      fresh: again.filter((hit, kind) => hit > 0 && hits[kind] === 0).length,
    };
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Means over all trials, and how often the interval holds the truth. */
function judge(trials: readonly Trial[], truth: number): Readonly<Record<string, number>> {
  return {
    bias: mean(trials.map(({ counts, coverage }) => estimateCoverage(counts) - coverage)),
    seen: mean(trials.map(({ counts }) => counts.frequencies.length)),
    total: mean(trials.map(({ counts }) => estimateTotal(counts).total)),
    foretold: mean(
      trials.map(
        ({ counts }) =>
          expectedKinds(counts, 2 * counts.units, estimateTotal(counts).unseen) - counts.frequencies.length,
      ),
    ),
    fresh: mean(trials.map(({ fresh }) => fresh)),
    within:
      trials.filter(({ counts }) => {
        const [low, high] = estimateTotal(counts).interval;
        return low <= truth && truth <= high;
      }).length / trials.length,
  };
}

describe('simulated programs whose calls are known', () => {
  it('are estimated without bias where all rare calls are equally rare', () => {
    const rare = Array.from({ length: 80 }, (_, kind) => (kind < 30 ? 1 : 0.08));
    const { bias, total, foretold, fresh, within } = judge(simulate(rare, 20, 20260102), 80);
    expect(Math.abs(bias!)).toBeLessThan(0.002);
    expect(total! / 80).toBeGreaterThan(0.98);
    expect(total! / 80).toBeLessThan(1.02);
    // The formula is concave in what is uncertain, hence a little low.
    expect(foretold! / fresh!).toBeGreaterThan(0.9);
    expect(foretold! / fresh!).toBeLessThan(1.05);
    expect(within).toBeGreaterThan(0.92);
  });

  it('are estimated too low, yet better than by what was seen, where some calls are far rarer than others', () => {
    const rare = Array.from({ length: 80 }, (_, kind) =>
      kind < 26 ? 1 : Math.max(1 / 60, 0.9 * Math.exp(-(kind - 26) / 12)),
    );
    const { bias, seen, total, foretold, fresh, within } = judge(simulate(rare, 20, 20260103), 80);
    expect(Math.abs(bias!)).toBeLessThan(0.002);
    expect(total).toBeGreaterThan((seen! + 80) / 2 - 1);
    expect(total).toBeLessThan(80);
    expect(foretold! / fresh!).toBeGreaterThan(0.7);
    expect(foretold! / fresh!).toBeLessThan(1);
    expect(within).toBeGreaterThan(0.75);
  });
});
