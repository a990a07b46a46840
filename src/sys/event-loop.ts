import koffi from 'koffi';

/**
 * Node's event loop, seen from code that keeps its thread: whether it has something to do, and when its next timer is due.
 *
 * By what libuv exports to programs that have a loop of their own around it (docs.libuv.org/en/v1.x/loop.html: uv_backend_fd,
 * uv_backend_timeout), and Node to its addons.
 */
export interface EventLoop {
  /** Readable once the loop has something to do, or -1 if it wants turns by time alone. Only to be polled; other processes may as well. */
  readonly descriptor: number;
  /**
   * Milliseconds until the loop wants a turn even if its descriptor is not readable by then: 0 at once, -1 never. It is 0 where nothing
   * keeps the process alive, and where an immediate does.
   */
  timeout(): number;
}

/** The loop of the calling thread, which has to be the main one; null if this Node does not tell of it. */
export function openEventLoop(): EventLoop | null {
  try {
    const node = koffi.load(null);
    const loop = node.func('void *uv_default_loop()')() as unknown;
    const updateTime = node.func('void uv_update_time(void *loop)');
    const backendTimeout = node.func('int uv_backend_timeout(void *loop)');
    // SAFETY: (all of them) the loop lives as long as the process, and is used by its own thread.
    const descriptor = node.func('int uv_backend_fd(void *loop)')(loop) as number;
    if (descriptor === -1) return null;
    return {
      descriptor,
      timeout: () => {
        updateTime(loop);
        return backendTimeout(loop) as number;
      },
    };
  } catch {
    // Linked in another way than usual.
    return null;
  }
}
