/**
 * How many kinds of things there are, from how many of the samples showed each: the estimators of ecology for incidence data.
 *
 * A kind is a system call and a sampling unit a run. How often a run makes a call says nothing here.
 *
 * Notation of the sources: T units, Y_i the number of units that showed kind i, Q_k the number of kinds that exactly k units
 * showed, U the sum of all Y_i. Sources: Chao, Biometrics 43 (1987), 783-791 (Chao2, interval); Chao and Jost, Ecology 93
 * (2012), 2533-2547 (sample coverage); Colwell et al., Journal of Plant Ecology 5 (2012), 3-21 and Chao et al., Ecological
 * Monographs 84 (2014), 45-67 (rarefaction, extrapolation).
 */

/** What the samples showed. */
export interface IncidenceCounts {
  /** Number of sampling units, T. */
  readonly units: number;
  /** For each kind that was seen, in how many units: 1 to T each, in any order. */
  readonly frequencies: readonly number[];
}

/** How many kinds there are, those not seen included. */
export interface TotalEstimate {
  /** Bias-corrected Chao2; a lower bound where the kinds differ much in how easily they show. */
  readonly total: number;
  /** `total` less the kinds that were seen. */
  readonly unseen: number;
  readonly standardError: number;
  /** 95 % confidence interval; never below the number that was seen. */
  readonly interval: readonly [low: number, high: number];
}

/** 97.5 % quantile of the normal distribution. */
const Z = 1.959_963_984_540_054;

/** How many kinds were seen in exactly so many units, Q_k. */
export function countSeenIn({ frequencies }: IncidenceCounts, units: number): number {
  return frequencies.filter((frequency) => frequency === units).length;
}

/**
 * Sample coverage by Good and Turing, for T + `extra` units: the share of all incidences of further units that falls to kinds
 * seen by then.
 *
 * 1 - Q1/U A^(extra + 1), with A estimated from Q1 and Q2. A single kind that only one unit showed, with none that two
 * showed, leaves A at 1: the plain estimate of Turing, where the formula would claim that nothing is missing.
 * 0 if nothing was seen.
 */
export function estimateCoverage(counts: IncidenceCounts, extra = 0): number {
  const { units, frequencies } = counts;
  const incidences = frequencies.reduce((sum, frequency) => sum + frequency, 0);
  if (incidences === 0) return 0;
  const [uniques, duplicates] = [countSeenIn(counts, 1), countSeenIn(counts, 2)];
  if (uniques === 0) return 1;
  const ratio =
    duplicates > 0
      ? ((units - 1) * uniques) / ((units - 1) * uniques + 2 * duplicates)
      : uniques > 1
        ? ((units - 1) * (uniques - 1)) / ((units - 1) * (uniques - 1) + 2)
        : 1;
  return 1 - (uniques / incidences) * ratio ** (extra + 1);
}

/**
 * Bias-corrected Chao2 with its interval by the transformation of Chao (1987), S_obs + unseen / K to S_obs + unseen K.
 *
 * Without kinds that would hint at unseen ones the estimate is what was seen; the upper bound then is the one of the program
 * SpadeR (Chao et al., 2016), from the probabilities exp(-Y_i) of missing each kind.
 */
export function estimateTotal(counts: IncidenceCounts): TotalEstimate {
  const { units } = counts;
  const seen = counts.frequencies.length;
  const [q1, q2] = [countSeenIn(counts, 1), countSeenIn(counts, 2)];
  const factor = units === 0 ? 0 : (units - 1) / units;
  const unseen = (factor * q1 * (q1 - 1)) / (2 * (q2 + 1));
  if (unseen === 0) return { total: seen, unseen: 0, ...boundSeen(counts) };
  const variance =
    unseen +
    (factor ** 2 * q1 * (2 * q1 - 1) ** 2) / (4 * (q2 + 1) ** 2) +
    (factor ** 2 * q1 ** 2 * q2 * (q1 - 1) ** 2) / (4 * (q2 + 1) ** 4);
  const spread = Math.exp(Z * Math.sqrt(Math.log(1 + variance / unseen ** 2)));
  return {
    total: seen + unseen,
    unseen,
    standardError: Math.sqrt(variance),
    interval: [seen + unseen / spread, seen + unseen * spread],
  };
}

/**
 * Kinds that so many units are expected to show: interpolated (rarefaction) up to T, extrapolated beyond.
 *
 * @param units integer, 0 or more; beyond 2 T the extrapolation is little more than a guess
 * @param unseen how many kinds are thought to be unseen, as of `estimateTotal`: what the curve rises to
 */
export function expectedKinds(counts: IncidenceCounts, units: number, unseen: number): number {
  const seen = counts.frequencies.length;
  if (units < counts.units) {
    const missed = counts.frequencies.reduce(
      (sum, frequency) => sum + missProbability(counts.units, frequency, units),
      0,
    );
    return seen - missed;
  }
  const q1 = countSeenIn(counts, 1);
  if (unseen === 0 || q1 === 0) return seen;
  const rate = q1 / (counts.units * unseen + q1);
  return seen + unseen * (1 - (1 - rate) ** (units - counts.units));
}

/** That none of `drawn` units out of `units` is one of the `frequency` that show a kind. */
function missProbability(units: number, frequency: number, drawn: number): number {
  let probability = 1;
  for (let at = 0; at < frequency && probability > 0; at++) {
    probability *= Math.max(0, units - drawn - at) / (units - at);
  }
  return probability;
}

function boundSeen({
  units,
  frequencies,
}: IncidenceCounts): Pick<TotalEstimate, 'standardError' | 'interval'> {
  const seen = frequencies.length;
  if (seen === 0) return { standardError: 0, interval: [0, 0] };
  const sum = (term: (frequency: number) => number): number =>
    frequencies.reduce((total, frequency) => total + term(frequency), 0);
  const misses = sum((y) => Math.exp(-y) - Math.exp(-2 * y));
  const variance = misses - sum((y) => y * Math.exp(-y)) ** 2 / units;
  // With few units the difference may be negative: then its first term, which is too wide rather than too narrow.
  const standardError = Math.sqrt(variance > 0 ? variance : misses);
  const found = 1 - sum((y) => Math.exp(-y)) / seen;
  return { standardError, interval: [seen, (seen + Z * standardError) / found] };
}
