import { UsageError } from '../base/errors.ts';
import { ASSEMBLY } from './assembly.ts';
import { CBPF } from './cbpf.ts';
import type { Exporter } from './exporter.ts';
import { FIREJAIL } from './firejail.ts';
import { KUBERNETES_LOCALHOST } from './kubernetes-localhost.ts';
import { KUBERNETES_OPERATOR } from './kubernetes-operator.ts';
import { LIBSECCOMP_PROGRAM } from './libseccomp-program.ts';
import { MINIJAIL } from './minijail.ts';
import { OCI } from './oci.ts';
import { PFC } from './pfc.ts';
import { SECCOMPILER } from './seccompiler.ts';
import { SYSTEMD } from './systemd.ts';

/** Every format that a policy can be exported to, in the order of the documentation. */
export const EXPORTERS: readonly Exporter[] = [
  OCI,
  KUBERNETES_OPERATOR,
  KUBERNETES_LOCALHOST,
  SYSTEMD,
  CBPF,
  PFC,
  ASSEMBLY,
  LIBSECCOMP_PROGRAM,
  SECCOMPILER,
  FIREJAIL,
  MINIJAIL,
];

/** @throws UsageError if there is no such format */
export function findExporter(name: string): Exporter {
  const found = EXPORTERS.find((exporter) => exporter.name === name);
  if (found !== undefined) return found;
  throw new UsageError(
    `format: no such format, ${JSON.stringify(name)} (${EXPORTERS.map((exporter) => exporter.name).join(', ')})`,
  );
}
