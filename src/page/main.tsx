import { render } from 'preact';
import type { PageData } from '../report/html/page-data.ts';
import { App } from './app.tsx';
import { applyTheme, storedTheme } from './theme.ts';

applyTheme(storedTheme());
const text = document.querySelector('#data')?.textContent ?? '';
const root = document.querySelector('#app');
if (root !== null) {
  root.replaceChildren();
  render(<App data={JSON.parse(text) as PageData} />, root);
}
