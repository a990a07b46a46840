import { useEffect, useState } from 'preact/hooks';

const PREFIX = '#call=';

/** Address within the page of the details of a call, by its label. */
export function callAddress(label: string): string {
  return `${PREFIX}${encodeURIComponent(label)}`;
}

/** Label of the call whose details are asked for by the address; null if none is. */
export function useAddressedCall(): string | null {
  const [label, setLabel] = useState(addressedCall);
  useEffect(() => {
    const update = (): void => setLabel(addressedCall());
    addEventListener('hashchange', update);
    return () => removeEventListener('hashchange', update);
  }, []);
  return label;
}

/** Leaves the details without a jump of the page. */
export function leaveCall(): void {
  history.pushState(null, '', location.pathname + location.search);
  dispatchEvent(new HashChangeEvent('hashchange'));
}

function addressedCall(): string | null {
  if (!location.hash.startsWith(PREFIX)) return null;
  try {
    return decodeURIComponent(location.hash.slice(PREFIX.length));
  } catch {
    return null;
  }
}
