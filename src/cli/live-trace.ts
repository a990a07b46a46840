import { VERSION } from '../base/version.ts';
import { measureCompleteness } from '../profile/completeness.ts';
import { PROFILE_FORMAT, PROFILE_VERSION, type MethodName, type Profile } from '../profile/model.ts';
import { applyChanges, packChanges } from '../report/html/live-delta.ts';
import type { LiveEnd, LiveWhole } from '../report/html/live-message.ts';
import { packProfile } from '../report/html/packed-profile.ts';
import { toPageData, toPageProfile } from '../report/html/page-data.ts';
import { contentSecurityPolicy, embedJson, formatPage, type PageAssets } from '../report/html/page.ts';
import { describeExit } from '../report/run-text.ts';
import { describeHost } from '../trace/host.ts';
import type { HappeningEvent, RunningTrace, TraceOutcome } from '../trace/trace.ts';
import { LiveServer, type SendEvent } from './live-server.ts';
import { readPageAssets } from './page-assets.ts';
import { say } from './say.ts';

/** Time between two looks at what has changed, milliseconds. */
const INTERVAL = 400;

/** Signals that end the page's server once the trace is over. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What is traced, as far as it is known at the start. */
export interface LiveSubject {
  readonly label: string;
  readonly method: MethodName;
  readonly command: readonly string[];
  readonly phases: readonly { readonly name: string; readonly trigger: string }[];
}

/**
 * The page that shows a trace while it goes on.
 *
 * The tracing thread is asked for what has changed only while a page listens: without one, the trace is as it is without all this.
 */
export class LiveTrace implements Disposable {
  readonly #assets: PageAssets;
  readonly #subject: LiveSubject;
  readonly #server: LiveServer;
  #profile: Profile;
  #running: RunningTrace | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Time up to which changes are known, and that of the answer before: a back end may learn of things a little late. */
  #at = 0;
  #since = 0;
  #isAsking = false;
  #end: LiveEnd | null = null;

  private constructor(subject: LiveSubject, assets: PageAssets, server: (live: LiveTrace) => LiveServer) {
    this.#subject = subject;
    this.#assets = assets;
    this.#profile = emptyProfile(subject);
    this.#server = server(this);
  }

  /**
   * Begins to serve, before the program starts, and says where.
   *
   * @param port 0 for any that is free
   * @throws UsageError if the port cannot be had, or the page's parts are not there
   */
  static async start(port: number, subject: LiveSubject): Promise<LiveTrace> {
    const assets = readPageAssets();
    let live: LiveTrace | null = null;
    const server = await LiveServer.start(
      port,
      () => (live as LiveTrace).#page(),
      (send) => (live as LiveTrace).#welcome(send),
    );
    live = new LiveTrace(subject, assets, () => server);
    say(`live: ${server.url}`);
    return live;
  }

  /** Follows a trace that has begun; its events are to be handed to `onEvent`. */
  follow(running: RunningTrace): void {
    this.#running = running;
    this.#timer = setInterval(() => this.#ask(), INTERVAL);
    this.#ask();
  }

  onEvent(event: HappeningEvent): void {
    if (event.kind !== 'snapshot') return;
    this.#isAsking = false;
    [this.#since, this.#at] = [this.#at, event.at];
    this.#profile = applyChanges(this.#profile, event);
    this.#server.send('changes', embedJson(packChanges(this.#profile, event)));
  }

  /** Shows how it ended, and goes on serving until a signal comes, unless one has ended the trace. */
  async finish({ profile, exit, error }: TraceOutcome, wasInterrupted: boolean): Promise<void> {
    this.#stop();
    const words = error?.message ?? (exit === null ? 'let go of' : describeExit(exit));
    this.#end = {
      words,
      document: toPageProfile(this.#subject.label, profile),
      completeness: measureCompleteness(profile),
    };
    this.#profile = profile;
    this.#server.send('ended', embedJson(this.#end));
    if (!wasInterrupted) {
      say(`live: ended (${words}); the page stays at ${this.#server.url} until Ctrl-C`);
      await nextSignal();
    }
    await this.#server.close();
  }

  /** Ends serving at once. */
  [Symbol.dispose](): void {
    this.#stop();
    void this.#server.close();
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #ask(): void {
    if (this.#isAsking || this.#server.listeners === 0 || this.#running === null) return;
    this.#isAsking = true;
    this.#running.snapshot(this.#since);
  }

  #page(): { html: string; contentSecurityPolicy: string } {
    const { label } = this.#subject;
    const html = formatPage(
      toPageData([{ kind: 'profile', label, profile: this.#profile }], true),
      this.#assets,
    );
    return { html, contentSecurityPolicy: contentSecurityPolicy(this.#assets, true) };
  }

  #welcome(send: SendEvent): void {
    if (this.#end !== null) {
      send('ended', embedJson(this.#end));
      return;
    }
    const whole: LiveWhole = {
      label: this.#subject.label,
      at: this.#at,
      profile: packProfile(this.#profile),
    };
    send('whole', embedJson(whole));
    this.#ask();
  }
}

function emptyProfile({ method, command, phases }: LiveSubject): Profile {
  return {
    format: PROFILE_FORMAT,
    version: PROFILE_VERSION,
    generator: { name: 'callgate', version: VERSION },
    runs: [
      {
        method,
        command,
        start: new Date().toISOString(),
        duration: 0,
        complete: false,
        incomplete: ['the program is still running'],
        lost: 0,
        warnings: [],
        host: describeHost(null),
      },
    ],
    phases: [
      { name: 'setup', trigger: null, source: 'start', reason: null, entered: true },
      ...phases.map(({ name, trigger }) => ({
        name,
        trigger,
        source: 'given' as const,
        reason: null,
        entered: true,
      })),
    ],
    programs: [],
    processes: [],
  };
}

async function nextSignal(): Promise<void> {
  await new Promise<void>((resolve) => {
    const handler = (): void => {
      for (const signal of ENDING) process.off(signal, handler);
      resolve();
    };
    for (const signal of ENDING) process.on(signal, handler);
  });
}
