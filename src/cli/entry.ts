import type { TracingPlace } from '../trace/place.ts';
import { needsOwnThread } from './own-thread.ts';

const command = process.argv[2];

// The `callgate` script keeps it from Node, but not from what callgate starts.
const certificates = process.env['CALLGATE_CA_CERTS'];
if (certificates !== undefined) {
  process.env['NODE_EXTRA_CA_CERTS'] = certificates;
  delete process.env['CALLGATE_CA_CERTS'];
}

// Nothing is left to do then, and to take the heap apart first takes Node some milliseconds.
process.once('beforeExit', () => process.exit());

void begin();

async function begin(): Promise<void> {
  if (command === 'run') {
    const { main } = await import('./run-main.ts');
    await main(process.argv);
  } else if (command === 'analyze') {
    const { main } = await import('./analyze-main.ts');
    await main(process.argv);
  } else if (command === 'trace' && !needsOwnThread(process.argv.slice(3))) {
    const { main } = await import('./trace-main.ts');
    await main(process.argv);
  } else {
    // The tracing thread comes up while the command line is read, and all that reading takes is still loaded.
    const thread = command === 'trace' ? await startThread() : null;
    const { main } = await import('./main.ts');
    await main(process.argv, thread);
  }
}

async function startThread(): Promise<TracingPlace> {
  const { TracingThread } = await import('../trace/tracing-thread.ts');
  return new TracingThread(true);
}
