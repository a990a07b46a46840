import { createHash } from 'node:crypto';
import { escapeJson } from '../escape.ts';
import type { PageData } from './page-data.ts';

/** What `scripts/bundle.mjs` makes of src/page. */
export interface PageAssets {
  readonly script: string;
  readonly style: string;
  /** Of the packages in the script. */
  readonly licences: string;
}

/**
 * One page that needs nothing else: it opens from a file and asks for nothing by network.
 *
 * Data is JSON in an element that is not executed, without a character by which it could end; its own script and style
 * run by their hashes, and nothing else can.
 *
 * @throws Error if script or style would end their own element
 */
export function formatPage(data: PageData, assets: PageAssets): string {
  const { script, style, licences } = assets;
  if (/<\/script|<!--|<script/i.test(script)) throw new Error('page: the script would end its own element');
  if (/<\/style/i.test(style)) throw new Error('page: the style would end its own element');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy(assets, data.live)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="callgate ${escapeText(data.version)}">
<title>callgate report</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<div id="app"><noscript>This report is drawn by the script that it holds: please allow it.</noscript></div>
<footer><details><summary>Licences of the packages in this page</summary><pre>${escapeText(licences)}</pre></details></footer>
<script type="application/json" id="data">${embedJson(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** What the page may do: run its own script and style, and nothing else; a live one also talks to where it came from. */
export function contentSecurityPolicy(
  { script, style }: Pick<PageAssets, 'script' | 'style'>,
  live: boolean,
): string {
  return [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    'img-src data:',
    ...(live ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

/** JSON that may stand in an element of raw text: there is no `<` in it, and nothing invisible. */
export function embedJson(data: unknown): string {
  return escapeJson(JSON.stringify(data)).replaceAll('<', '\\u003c');
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
