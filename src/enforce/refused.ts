/** What the launcher writes when the kernel refuses no_new_privs or the filter: then nobody else can say it. */
export const REFUSED =
  'callgate: the kernel refused the filter, the program was not run (see callgate doctor)\n';
