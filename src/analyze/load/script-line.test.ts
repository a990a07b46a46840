import { describe, expect, it } from 'vitest';

import { executedByEnv, parseScriptLine } from './script-line.ts';

const LINES: readonly (readonly [line: string, executed: string | null])[] = [
  ['#!/usr/bin/env python3', 'python3'],
  ['#!/usr/bin/env   python3  ', 'python3'],
  ['#!/usr/bin/env python3 -u', 'python3 -u'],
  ['#!/usr/bin/env -S python3 -u', 'python3'],
  ['#!/usr/bin/env -S -i PATH=/bin A=1 perl -w', 'perl'],
  ['#!/usr/bin/env -S -u NAME --chdir /tmp -- node --test', 'node'],
  ['#!/usr/bin/env -vS "my program" x', 'my program'],
  ['#!/usr/bin/env --split-string=perl -w', 'perl'],
  ['#!/usr/bin/env -S ${SHELL} x', ''],
  ['#!/usr/bin/env', ''],
  ['#!/bin/sh -e', null],
];

describe('what env executes for a script', () => {
  it.each(LINES)('%s', (line, executed) => {
    const parsed = parseScriptLine('/script', Buffer.from(`${line}\nrest`));
    expect(parsed === null ? null : executedByEnv(parsed)).toBe(executed);
  });
});
