import type { Tables } from './attribute.ts';
import { buildTables } from './table-builder.ts';

/** The opcode maps, built once when the module is loaded. */
export const TABLES: Tables = buildTables();
