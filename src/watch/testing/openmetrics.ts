/** A metric family as an exposition has it. */
export interface Family {
  readonly type: string;
  readonly samples: readonly { readonly name: string; readonly labels: string; readonly value: number }[];
}

const LABEL = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"`;
const SAMPLE = new RegExp(String.raw`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{${LABEL}(?:,${LABEL})*\})? (\S+)$`);

/**
 * Reads an exposition by the grammar of OpenMetrics 1.0.0, as far as gauges and counters go.
 *
 * @throws Error that names the line which is not allowed
 */
export function parseOpenMetrics(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n# EOF\n')) throw new Error('does not end in # EOF and a line feed');
  const families = new Map<
    string,
    { type: string; samples: Family['samples'][number][]; seen: Set<string> }
  >();
  let current = '';
  for (const line of text.slice(0, -'# EOF\n'.length - 1).split('\n')) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    const meta = /^# (TYPE|UNIT|HELP) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (meta !== null) {
      const [, kind, name, value] = meta as unknown as [string, string, string, string];
      if (name !== current) {
        if (families.has(name)) fail('a family is interleaved with another');
        if (kind !== 'TYPE') fail('metadata before the type');
        families.set(name, { type: value, samples: [], seen: new Set() });
        current = name;
      }
      const family = families.get(name)!;
      if (family.samples.length > 0) fail('metadata after a sample');
      if (family.seen.has(kind)) fail('metadata twice');
      family.seen.add(kind);
      if (kind === 'UNIT' && !name.endsWith(`_${value}`)) fail('a unit that is not the suffix of the name');
      if (kind === 'TYPE' && value === 'counter' && name.endsWith('_total'))
        fail('a counter family ends in _total');
      continue;
    }
    const sample = SAMPLE.exec(line);
    if (sample === null) return fail('no sample');
    const [, name = '', labels = '', number = ''] = sample;
    const family = families.get(current) ?? fail('a sample without a family');
    if (name !== (family.type === 'counter' ? `${current}_total` : current))
      fail('a sample of another family');
    const value = Number(number);
    if (Number.isNaN(value) || (family.type === 'counter' && value < 0)) fail('bad value');
    if (family.samples.some((other) => other.labels === labels)) fail('a sample twice');
    family.samples.push({ name, labels, value });
  }
  return families;
}
