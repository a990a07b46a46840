import { useState } from 'preact/hooks';
import type { VNode } from 'preact';
import { applyTheme, storedTheme, THEMES, type Theme } from './theme.ts';

/** A part of the page that the bar leads to. */
export interface Part {
  readonly id: string;
  readonly title: string;
}

const WORDS: Readonly<Record<Theme, string>> = { auto: 'Auto', light: 'Light', dark: 'Dark' };

/** The bar on top: where things are, and the colours. */
export function TopBar({ parts }: { readonly parts: readonly Part[] }): VNode {
  return (
    <div class="bar">
      <span class="brand">callgate</span>
      <nav aria-label="Parts of the report">
        <ul>
          {parts.map(({ id, title }) => (
            <li key={id}>
              <a href={`#${id}`}>{title}</a>
            </li>
          ))}
        </ul>
      </nav>
      <ThemeSwitch />
    </div>
  );
}

function ThemeSwitch(): VNode {
  const [theme, setTheme] = useState(storedTheme);
  return (
    <Choice
      label="Colours"
      options={THEMES.map((value) => ({ value, text: WORDS[value] }))}
      value={theme}
      onChange={(next) => {
        applyTheme(next);
        setTheme(next);
      }}
    />
  );
}

/** A few things of which one is chosen. */
export function Choice<Value extends string>(props: {
  readonly label: string;
  readonly options: readonly { readonly value: Value; readonly text: string }[];
  readonly value: Value;
  readonly onChange: (value: Value) => void;
}): VNode {
  const { label, options, value, onChange } = props;
  return (
    <fieldset class="choice">
      <legend>{label}</legend>
      {options.map((option) => (
        <label key={option.value}>
          <input
            type="radio"
            name={`choice-${label}`}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          <span>{option.text}</span>
        </label>
      ))}
    </fieldset>
  );
}
