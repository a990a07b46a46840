import { TracingThread } from '../trace/tracing-thread.ts';

// The tracing thread comes up while the command line is read, and all that reading takes is still loaded.
const command = process.argv[2];
const thread = command === 'trace' || command === 'run' ? new TracingThread(true) : null;

// The `callgate` script keeps it from Node, but not from what callgate starts.
const certificates = process.env['CALLGATE_CA_CERTS'];
if (certificates !== undefined) {
  process.env['NODE_EXTRA_CA_CERTS'] = certificates;
  delete process.env['CALLGATE_CA_CERTS'];
}

// Nothing is left to do then, and to take the heap apart first takes Node some milliseconds.
process.once('beforeExit', () => process.exit());

void import('./main.ts').then(({ main }) => main(process.argv, thread));
