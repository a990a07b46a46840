/** Words in lines of at most `width` columns, as far as no word is longer; joined by `separator`, which ends no line. */
export function wrapWords(words: readonly string[], width: number, separator = ' '): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && line.length + separator.length + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line}${separator}${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}
