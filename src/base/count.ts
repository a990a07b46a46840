/** A count as people read it: 1234567 as 1,234,567. Without Intl, whose tables take Node ten milliseconds to load. */
export function formatCount(count: number): string {
  return `${count}`.replace(/\B(?=(?:[0-9]{3})+$)/g, ',');
}
