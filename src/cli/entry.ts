import { TracingThread } from '../trace/tracing-thread.ts';

// The tracing thread comes up while the command line is read, and all that reading takes is still loaded.
const command = process.argv[2];
const thread = command === 'trace' || command === 'run' ? new TracingThread() : null;

void import('./main.ts').then(({ main }) => main(process.argv, thread));
